"""Locate or decline: how accuracy grows when the model may leave out what it is least sure of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc3r.evaluate.calibration import Headings, Places
from loc3r.evaluate.intervals import OF_NOTHING, Bootstrap, Interval
from loc3r.evaluate.predictions import Prediction

Floats = NDArray[np.float64]
COVERAGES = np.linspace(0.05, 1, 20)


@dataclass(frozen=True, eq=False)
class Ranked:
    """1 where a guess is right, else 0, the surest guess first; both (N,)."""

    right: Floats
    scenes: NDArray[np.str_]

    @classmethod
    def of(cls, right: NDArray[np.bool_], sureness: Floats, scenes: Sequence[str]) -> Ranked:
        """Order guesses by sureness; equally sure ones share their accuracy, so that their order can't matter."""
        _, groups = np.unique(-sureness, return_inverse=True)
        shared = np.bincount(groups, right) / np.maximum(np.bincount(groups), 1)
        order = np.argsort(groups, kind="stable")
        return cls(shared[groups][order], np.asarray(scenes, np.str_)[order])

    @property
    def accuracy(self) -> float:
        """With nothing declined, which is also what declining at random gives at every coverage; NaN without any."""
        return float(self.right.mean()) if len(self.right) else math.nan

    def at(self, coverages: Floats) -> Floats:
        """Accuracy of the surest share ``coverages`` (C,) of the guesses."""
        kept = np.ceil(coverages * len(self.right) - 1e-9).astype(int).clip(1)
        return np.asarray(np.cumsum(self.right)[kept - 1] / kept)

    def area(self, bootstrap: Bootstrap) -> Interval:
        """Area under accuracy against coverage, with a bootstrap over scenes."""
        names, scene_of = np.unique(self.scenes, return_inverse=True)
        if not len(names):
            return OF_NOTHING
        draws = bootstrap.draw(len(names))
        # In blocks: (samples, N) at once would be hundreds of megabytes for a large test set.
        blocks = [self._areas(draws[i : i + 100, scene_of]) for i in range(0, len(draws), 100)]
        low, high = bootstrap.bounds(np.concatenate(blocks))
        value = float(self._areas(np.ones((1, len(self.right))))[0])
        return Interval(value, low, high, len(self.right), len(names))

    def _areas(self, weights: NDArray[np.number]) -> Floats:
        """Areas (B,) where each guess occurs ``weights`` (B, N) times."""
        kept = np.cumsum(weights, axis=1)
        accuracy = np.cumsum(weights * self.right, axis=1) / np.maximum(kept, 1)
        return np.asarray((weights * accuracy).sum(1) / kept[:, -1])


def rankings(predictions: Sequence[Prediction]) -> dict[str, Ranked]:
    """Metric name to its guesses, the surest first: places by the area of their ellipse, headings by concentration."""
    places, headings = Places.of(predictions), Headings.of(predictions)
    error_m = np.linalg.norm(places.offset_m, axis=1)
    found = {f"acc_{limit}m": Ranked.of(error_m < limit, places.sureness, places.scenes) for limit in (0.5, 1.0)}
    for limit in (15, 30):
        right = headings.error_deg < limit
        found[f"acc_{limit}deg"] = Ranked.of(right, headings.concentration, headings.scenes)
    return {name: ranked for name, ranked in found.items() if len(ranked.right)}


def decline_curves(predictions: Sequence[Prediction]) -> dict[str, dict[str, list[float]]]:
    """Accuracy at each coverage, by metric, as plain values."""
    return {
        name: {"coverage": COVERAGES.round(2).tolist(), "accuracy": ranked.at(COVERAGES).round(5).tolist()}
        for name, ranked in rankings(predictions).items()
    }
