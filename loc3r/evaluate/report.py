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
    verdict: str
    """``better`` or ``worse`` when the interval excludes the best baseline, else empty."""
    n: str
    scorer: str

    @classmethod
    def of(cls, name: str, score: Score) -> Row:
        """Format a score."""
        baselines = ", ".join(f"{_text(value, score.unit)} ({who})" for who, value in score.baselines.items())
        if score.expected is not None:
            baselines = f"{_text(score.expected, score.unit)} if true"
        return cls(
            name=name,
            title=score.title,
            score=_text(score.value, score.unit),
            interval=f"{_text(score.low, score.unit, unit_shown=False)} – {_text(score.high, score.unit)}",
            baselines=baselines,
            verdict=_verdict(score),
            n=f"{score.n:,}",
            scorer=score.scorer,
        )


def rows(scores: Mapping[str, Score]) -> dict[str, list[Row]]:
    """The table in sections: what counts first, then question types, situation forms, calibration."""
    sections: dict[str, list[Row]] = {
        "Scores": [],
        "Answers by question type": [],
        "Situation forms": [],
        "Honesty": [],
    }
    for name, score in scores.items():
        if name.startswith("answer_em/"):
            section = "Answers by question type"
        elif "/" in name:
            section = "Situation forms"
        else:
            section = "Honesty" if name.startswith("inside_") else "Scores"
        sections[section].append(Row.of(name, score))
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
        if section == "Situation forms":
            continue
        for row in found:
            style = colours[row.verdict]
            table.add_row(
                row.title, f"[{style}]{row.score}[/]" if style else row.score, row.interval, row.baselines, row.n
            )
        table.add_section()
    return table


def write_reports(folder: Path, record: Mapping[str, Any], scores: Mapping[str, Score], picture: Path) -> None:
    """Write ``report.md`` and ``report.html``; ``record`` is what ``scores.json`` says about model and data."""
    from jinja2 import Environment

    facts = {"record": record, "sections": rows(scores)}
    image = base64.b64encode(picture.read_bytes()).decode() if picture.is_file() else ""
    for name, escape in (("report.md", False), ("report.html", True)):
        environment = Environment(autoescape=escape, trim_blocks=True, lstrip_blocks=True)
        source = files("loc3r.evaluate").joinpath("templates", f"{name}.j2").read_text()
        write_text(folder / name, environment.from_string(source).render(**facts, image=image))


def _text(value: float, unit: str, *, unit_shown: bool = True) -> str:
    if math.isnan(value):
        return "–"
    pattern, factor = DIGITS[unit]
    return pattern.format(factor * value) + (UNITS[unit] if unit_shown else "")


def _verdict(score: Score) -> str:
    """How the interval lies to the best baseline."""
    known = [value for value in score.baselines.values() if not math.isnan(value)]
    if not known:
        return ""
    best = max(known) if score.higher_is_better else min(known)
    above, below = score.low > best, score.high < best
    if not (above or below):
        return ""
    return "better" if above == score.higher_is_better else "worse"
