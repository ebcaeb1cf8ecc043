"""Percentile bootstrap over scenes: questions about one room are not independent, so rooms are drawn, not questions.

Every statistic is computed for all resamples at once from sums a scene (Efron and Tibshirani, 1993, chapter 13).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loc3r.errors import DataError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made; part of every score's record."""

    samples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def draw(self, scenes: int) -> Counts:
        """How often each scene is in each resample, (samples, scenes); the same seed draws the same."""
        return np.random.default_rng(self.seed).multinomial(scenes, np.full(scenes, 1 / scenes), self.samples)

    def bounds(self, resampled: Floats) -> tuple[float, float]:
        """Percentile bounds; resamples without any observation (NaN) are left out."""
        known = resampled[~np.isnan(resampled)]
        if not len(known):
            return math.nan, math.nan
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(known, [tail, 1 - tail])
        return float(low), float(high)


@dataclass(frozen=True)
class Interval:
    """A value and the bounds around it; ``n`` observations in ``scenes`` scenes."""

    value: float
    low: float
    high: float
    n: int
    scenes: int


OF_NOTHING = Interval(math.nan, math.nan, math.nan, 0, 0)
"""The interval of a metric that was never observed."""


@dataclass(frozen=True, eq=False)
class Observations:
    """Values of one metric with the scene that each belongs to; ``weights`` counts what a value sums up."""

    values: Floats
    scenes: NDArray[np.str_]
    weights: Floats

    @classmethod
    def of(cls, values: ArrayLike, scenes: Sequence[str], weights: ArrayLike | None = None) -> Observations:
        """Observations (N,), their scenes and, for pre-summed values, how many each stands for.

        Raises:
            DataError: a value is NaN, or there are more or fewer scenes than values.
        """
        numbers = np.asarray(values, np.float64)
        if np.isnan(numbers).any() or len(numbers) != len(scenes):
            raise DataError("a metric has holes", received=f"{numbers[:5]}… of {len(scenes)} samples")
        counts = np.ones(len(numbers)) if weights is None else np.asarray(weights, np.float64)
        return cls(numbers, np.asarray(scenes, dtype=np.str_), counts)

    @property
    def mean(self) -> float:
        """Sum of values over sum of weights; NaN without any."""
        total = float(self.weights.sum())
        return float(self.values.sum()) / total if total else math.nan


def mean_interval(observed: Observations, bootstrap: Bootstrap) -> Interval:
    """The mean and its interval."""
    return mean_of_means([observed], bootstrap)


def median_interval(observed: Observations, bootstrap: Bootstrap) -> Interval:
    """The median and its interval."""
    names, scene_of = np.unique(observed.scenes, return_inverse=True)
    if not len(names):
        return OF_NOTHING
    order = np.argsort(observed.values, kind="stable")
    values, scene_of = observed.values[order], scene_of[order]
    draws = bootstrap.draw(len(names))
    # In blocks: (samples, N) at once would be hundreds of megabytes for a large test set.
    blocks = [_weighted_medians(values, draws[i : i + 100, scene_of]) for i in range(0, len(draws), 100)]
    low, high = bootstrap.bounds(np.concatenate(blocks))
    return Interval(float(np.median(values)), low, high, len(values), len(names))


def mean_of_means(parts: Sequence[Observations], bootstrap: Bootstrap) -> Interval:
    """The plain mean of several metrics' means, with one draw of scenes for all of them."""
    names = np.unique(np.concatenate([part.scenes for part in parts]))
    if not len(names):
        return OF_NOTHING
    draws = bootstrap.draw(len(names))
    low, high = bootstrap.bounds(np.mean([_means(part, names, draws) for part in parts], axis=0))
    value = float(np.mean([part.mean for part in parts]))
    return Interval(value, low, high, max(int(part.weights.sum()) for part in parts), len(names))


def paired_difference(pairs: Sequence[tuple[Observations, Observations]], bootstrap: Bootstrap) -> Interval:
    """The mean over metrics of (first - second), sample by sample.

    Args:
        pairs: for each metric, both models' observations of the same samples in the same order.

    Raises:
        DataError: a pair is not of the same samples.
    """
    for first, second in pairs:
        if len(first.values) != len(second.values) or (first.scenes != second.scenes).any():
            raise DataError("paired models saw different samples", received=(len(first.values), len(second.values)))
    parts = [Observations(first.values - second.values, first.scenes, first.weights) for first, second in pairs]
    return mean_of_means(parts, bootstrap)


def resampled_totals(sums: Floats, scenes: Sequence[str], bootstrap: Bootstrap) -> Floats:
    """Column totals of ``sums`` (N, K) in each resample of scenes, (samples, K): for statistics that are no means."""
    names, scene_of = np.unique(np.asarray(scenes, dtype=np.str_), return_inverse=True)
    by_scene = np.zeros((len(names), sums.shape[1]))
    np.add.at(by_scene, scene_of, sums)
    return np.asarray(bootstrap.draw(len(names)) @ by_scene)


def _means(observed: Observations, names: NDArray[np.str_], draws: Counts) -> Floats:
    """Mean in each resample, (samples,), from sums a scene."""
    scene_of = np.searchsorted(names, observed.scenes)
    sums = np.bincount(scene_of, observed.values, len(names))
    counts = np.bincount(scene_of, observed.weights, len(names))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((draws @ sums) / (draws @ counts))


def _weighted_medians(values: Floats, weights: Counts) -> Floats:
    """Medians (B,) of sorted values (N,) that each occur ``weights`` (B, N) times."""
    reached = np.cumsum(weights, axis=1)
    total = reached[:, -1:]
    lower = np.argmax(reached * 2 >= total, axis=1)
    upper = np.argmax(reached * 2 > total, axis=1)
    return np.asarray((values[lower] + values[upper]) / 2)
