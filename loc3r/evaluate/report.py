"""The score table and its three faces: the terminal, Markdown, and one HTML file that needs no other."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.evaluate.scores import Score
from loc3r.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

MAIN = "Scores"
FORMS = "Situation forms"
CALIBRATION = "Calibration"
SECTIONS = {
    "answer_em/": "Answers by question type",
    "plain_em/": "Answers to questions without a situation",
    "acc_1.0m/": FORMS,
    "acc_30deg/": FORMS,
    "inside_1_sigma": CALIBRATION,
    "inside_2_sigma": CALIBRATION,
    "calibration_error/": CALIBRATION,
    "decline/": "Locate or decline",
}
"""Beginning of a metric's name to the section that it is shown in."""
ORDER = (
    "primary", "acc_0.5m", "acc_1.0m", "acc_15deg", "acc_30deg", "answer_em", "position_error_m", "heading_error_deg",
    "layout_error_m",
)  # fmt: skip
DIGITS = {"m": ("{:.2f}", 1), "deg": ("{:.0f}", 1), "share": ("{:.1f}", 100)}
UNITS = {"m": " m", "deg": "°", "share": " %"}


@dataclass(frozen=True)
class Row:
    """One line of the table, as text."""

    name: str
    title: str
    score: str
    interval: str
    baselines: str
    best: str
    """The best baseline alone."""
    verdict: str
    """``better`` or ``worse`` when the interval excludes the best baseline, else empty."""
    n: str
    scorer: str

    @classmethod
    def of(cls, name: str, score: Score) -> Row:
        """Format a score."""
        baselines = [f"{_text(value, score.unit)} {who}" for who, value in _by_quality(score)]
        if score.expected is not None:
            baselines = [f"{_text(score.expected, score.unit)} if true"]
        return cls(
            name=name,
            title=score.title,
            score=_text(score.value, score.unit),
            interval=f"{_text(score.low, score.unit, unit_shown=False)} – {_text(score.high, score.unit)}",
            baselines=", ".join(baselines),
            best=baselines[0] if baselines else "",
            verdict=_verdict(score),
            n=f"{score.n:,}",
            scorer=score.scorer,
        )


def rows(scores: Mapping[str, Score]) -> dict[str, list[Row]]:
    """The table in sections: what counts first, then question types, situation forms, calibration."""
    sections: dict[str, list[Row]] = {section: [] for section in (MAIN, *SECTIONS.values())}
    for name in sorted(
        scores, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), scores[name].title)
    ):
        sections[SECTIONS.get(name.partition("/")[0] + "/" * ("/" in name), MAIN)].append(Row.of(name, scores[name]))
    return {title: found for title, found in sections.items() if found}


def terminal_table(scores: Mapping[str, Score], title: str, confidence: float) -> Table:
    """The table for a terminal; situation forms are left to the report."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column("metric")
    for heading in ("score", f"{100 * confidence:g} % interval"):
        table.add_column(heading, justify="right")
    table.add_column("without looking")
    table.add_column("n", justify="right")
    colours = {"better": "green", "worse": "red", "": ""}
    for section, found in rows(scores).items():
        if section == FORMS:
            continue
        for row in found:
            style = colours[row.verdict]
            table.add_row(row.title, f"[{style}]{row.score}[/]" if style else row.score, row.interval, row.best, row.n)
        table.add_section()
    return table


def write_reports(folder: Path, record: Mapping[str, Any], scores: Mapping[str, Score]) -> None:
    """Write ``report.md`` and ``report.html`` around the folder's pictures; ``record`` is what ``scores.json`` says."""
    from jinja2 import Environment

    facts = {"record": record, "sections": rows(scores)}
    files_of = {"maps": folder / "birds_eye.png", "plots": folder / "reliability.png"}
    images = {name: base64.b64encode(path.read_bytes()).decode() for name, path in files_of.items() if path.is_file()}
    for name, escape in (("report.md", False), ("report.html", True)):
        environment = Environment(autoescape=escape, trim_blocks=True, lstrip_blocks=True)
        source = files("loc3r.evaluate").joinpath("templates", f"{name}.j2").read_text()
        write_text(folder / name, environment.from_string(source).render(**facts, images=images))


def _text(value: float, unit: str, *, unit_shown: bool = True) -> str:
    if math.isnan(value):
        return "–"
    pattern, factor = DIGITS[unit]
    return pattern.format(factor * value) + (UNITS[unit] if unit_shown else "")


def _by_quality(score: Score) -> list[tuple[str, float]]:
    """Baselines with a value, best first."""
    known = [(who, value) for who, value in score.baselines.items() if not math.isnan(value)]
    return sorted(known, key=lambda pair: pair[1], reverse=score.higher_is_better)


def _verdict(score: Score) -> str:
    """How the interval lies to the best baseline."""
    known = _by_quality(score)
    above, below = (known and score.low > known[0][1]), (known and score.high < known[0][1])
    if not (above or below):
        return ""
    return "better" if bool(above) == score.higher_is_better else "worse"
