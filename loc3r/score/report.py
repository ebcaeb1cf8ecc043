"""A finished score and its two faces: one JSON object, and a table for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from loc3r.evaluate.intervals import Bootstrap

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Report:
    """What one profile says about a file of predictions. Metrics are percent."""

    benchmark: str
    profile: str
    source: str
    """The original script that the profile agrees with."""
    split: str | None
    n: int
    """Lines of the file."""
    empty_answers: int
    units: int
    over: str
    """What intervals are drawn over: so many ``units`` scenes or questions."""
    bootstrap: Bootstrap
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    baselines: Mapping[str, Mapping[str, float]]
    missing: Mapping[str, str]
    """Metrics that could not be measured, and why."""
    counts: Mapping[str, int]
    """Lines of each part."""
    notes: tuple[str, ...]
    judge: Mapping[str, Any] | None
    """Who judged open answers, if anybody."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; a metric that could not be measured is None, with its reason under ``missing``."""
        return {
            "benchmark": self.benchmark,
            "profile": self.profile,
            "source": self.source,
            "split": self.split,
            "n": self.n,
            "empty_answers": self.empty_answers,
            "metrics": {**_plain(self.metrics), **dict.fromkeys(self.missing)},
            "intervals": {
                **{name: None if math.isnan(low) else [low, high] for name, (low, high) in self.intervals.items()},
                **dict.fromkeys(self.missing),
            },
            "baselines": {name: _plain(values) for name, values in self.baselines.items()},
            "missing": dict(self.missing),
            "counts": dict(self.counts),
            "notes": list(self.notes),
            "bootstrap": {**asdict(self.bootstrap), "over": self.over, "units": self.units},
            "judge": self.judge,
        }

    def table(self) -> Table:
        """The table for a terminal."""
        from rich.table import Table

        table = Table(title=self._headline(), title_justify="left", caption=self._caption(), caption_justify="left")
        table.add_column("metric")
        table.add_column("score", justify="right")
        table.add_column(f"{100 * self.bootstrap.confidence:g} % interval", justify="right")
        for name in self.baselines:
            table.add_column(name, justify="right")
        table.add_column("n", justify="right")
        for name, value in self.metrics.items():
            low, high = self.intervals[name]
            floors = [_text(values.get(name)) for values in self.baselines.values()]
            n = self.counts.get(name.rpartition("/")[2], self.n)
            table.add_row(name, _text(value), f"{_text(low)} – {_text(high)}", *floors, f"{n:,}")
        for name in self.missing:
            table.add_row(name, "–", "", *("" for _ in self.baselines), "")
        return table

    def _headline(self) -> str:
        split = f", {self.split}" if self.split else ""
        return f"{self.benchmark}{split}: profile {self.profile} ({self.source})"

    def _caption(self) -> str:
        lines = [
            f"{self.n:,} predictions, {self.empty_answers:,} empty; percent; intervals over {self.units:,} {self.over}",
            *(f"{name}: {reason}" for name, reason in self.missing.items()),
            *self.notes,
        ]
        if self.judge:
            lines.append("judged by {name} (prompt {prompt}): {unreadable} replies unreadable".format(**self.judge))
        return "\n".join(lines)


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _text(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.2f}"
