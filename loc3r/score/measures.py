"""Metrics as functions of sums over rows, so that one draw of scenes gives the interval of every one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loc3r.evaluate.intervals import Bootstrap, resampled_totals

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""Totals (S, K) to metrics (S, M), in percent; NaN where there is nothing to measure."""


@dataclass(frozen=True, eq=False)
class Measure:
    """Some metrics of the same rows."""

    names: tuple[str, ...]
    sums: Floats
    """What each row adds to the totals, (N, K)."""
    statistic: Statistic

    def values(self) -> dict[str, float]:
        """The metrics of all rows."""
        return dict(zip(self.names, map(float, self.statistic(self.sums.sum(0)[None])[0]), strict=True))


@dataclass(frozen=True, eq=False)
class Scored:
    """What a profile says about some rows."""

    measures: Sequence[Measure]
    missing: Mapping[str, str] = field(default_factory=dict)
    """Metrics that can't be had here, and why."""
    notes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Rows behind the metrics of a part, such as one question type."""

    def values(self) -> dict[str, float]:
        """Every metric that could be measured."""
        return {name: value for measure in self.measures for name, value in measure.values().items()}

    def intervals(self, units: Sequence[str], bootstrap: Bootstrap) -> dict[str, tuple[float, float]]:
        """Bounds of every metric; ``units`` (N) names what each row is drawn with, such as its scene."""
        sums = np.concatenate([measure.sums for measure in self.measures], axis=1)
        ends = np.cumsum([measure.sums.shape[1] for measure in self.measures])
        totals = np.split(resampled_totals(sums, units, bootstrap), ends[:-1], axis=1)
        bounds: dict[str, tuple[float, float]] = {}
        for measure, some in zip(self.measures, totals, strict=True):
            columns = measure.statistic(some).T
            bounds |= {name: bootstrap.bounds(column) for name, column in zip(measure.names, columns, strict=True)}
        return bounds


def means(columns: Mapping[str, ArrayLike]) -> Measure:
    """The mean of each column of per-row values (N,) in [0, 1]; NaN marks rows that a metric is not about."""
    values = np.array([np.asarray(column, np.float64) for column in columns.values()]).T
    known = ~np.isnan(values)
    return Measure(tuple(columns), np.concatenate([np.where(known, values, 0), known], axis=1), _ratio)


def split(names: Mapping[str, ArrayLike], part_of: Sequence[str]) -> Measure:
    """The means of each column within each part, named ``column/part``."""
    parts = np.asarray(part_of)
    return means(
        {
            f"{name}/{part}": np.where(parts == part, np.asarray(column, np.float64), np.nan)
            for part in sorted(set(part_of))
            for name, column in names.items()
        }
    )


def _ratio(totals: Floats) -> Floats:
    values, counts = np.split(totals, 2, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(100 * values / counts)
