"""Whether the stated uncertainty is true.

A place is a Gaussian: the ellipse that should hold the speaker with probability p must do so in a share p of the
situations (Kuleshov et al., 2018). A heading is a distribution on the circle of mean resultant length R: whatever its
shape, the mean cosine of its error must be R. The calibration errors are mean distances from these two laws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loc3r.evaluate.intervals import OF_NOTHING, Bootstrap, Interval, Observations
from loc3r.evaluate.metrics import heading_errors_deg
from loc3r.evaluate.predictions import Prediction, poses

Floats = NDArray[np.float64]

LEVELS = np.linspace(0.01, 0.99, 99)
"""Probabilities at which the ellipses are tried."""
BINS = 10
"""Groups of equally many situations, from the surest to the least sure."""


def expected_share(sigmas: float) -> float:
    """Share of a two-dimensional Gaussian inside its ellipse of that many sigmas: 39 % and 86 % for one and two."""
    return 1 - math.exp(-(sigmas**2) / 2)


@dataclass(frozen=True, eq=False)
class Places:
    """Guessed places with a stated uncertainty: offsets and sigmas (N, 2) in metres, scenes (N,)."""

    offset_m: Floats
    sigma_m: Floats
    scenes: list[str]

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> Places:
        """One a situation; predictions without uncertainty are left out."""
        stated = [p for p in poses(predictions) if p.sigma_m is not None]
        guess, truth, sigma = (
            np.array([getattr(p, field) for p in stated], np.float64).reshape(-1, 2)
            for field in ("position_m", "true_position_m", "sigma_m")
        )
        return cls(guess - truth, sigma, [p.scene_id for p in stated])

    @property
    def squared_sigmas(self) -> Floats:
        """Squared distance from the truth in units of sigma, (N,)."""
        return np.asarray(((self.offset_m / self.sigma_m) ** 2).sum(1))

    @property
    def needed(self) -> Floats:
        """Probability of the smallest ellipse that reaches the truth, (N,): uniform in [0, 1] if sigma is true."""
        return np.asarray(-np.expm1(-self.squared_sigmas / 2))

    @property
    def sureness(self) -> Floats:
        """Larger is surer, (N,): minus the logarithm of the ellipse's area."""
        return np.asarray(-np.log(self.sigma_m).sum(1))


@dataclass(frozen=True, eq=False)
class Headings:
    """Guessed headings: error (N,) in degrees, mean resultant length (N,) from 0 to 1, scenes (N,)."""

    error_deg: Floats
    concentration: Floats
    scenes: list[str]

    @classmethod
    def of(cls, predictions: Sequence[Prediction]) -> Headings:
        """One a situation; predictions without a concentration are left out."""
        stated = [p for p in poses(predictions) if p.heading_concentration is not None and p.heading_rad is not None]
        stated = [p for p in stated if p.true_heading_rad is not None]
        concentration = np.array([p.heading_concentration for p in stated], np.float64)
        return cls(heading_errors_deg(stated).values, concentration, [p.scene_id for p in stated])

    @property
    def cosine(self) -> Floats:
        """Cosine of the error, (N,)."""
        return np.asarray(np.cos(np.deg2rad(self.error_deg)))


def inside(predictions: Sequence[Prediction], sigmas: float) -> Observations:
    """1 where the true place is inside the ellipse, else 0."""
    places = Places.of(predictions)
    return Observations.of(places.squared_sigmas < sigmas**2, places.scenes)


def position_error(predictions: Sequence[Prediction], bootstrap: Bootstrap) -> Interval:
    """Expected calibration error of places: mean over ``LEVELS`` of |share inside the ellipse - its probability|."""
    places = Places.of(predictions)
    gaps = (places.needed[:, None] <= LEVELS) - LEVELS
    return _mean_gap(gaps, places.scenes, bootstrap)


def heading_error(predictions: Sequence[Prediction], bootstrap: Bootstrap) -> Interval:
    """Expected calibration error of headings: mean over bins of |mean cosine of the error - mean concentration|."""
    headings = Headings.of(predictions)
    bins = np.arange(BINS) == equal_bins(headings.concentration)[:, None]
    gaps = BINS * bins * (headings.cosine - headings.concentration)[:, None]  # each bin holds a tenth of them
    return _mean_gap(gaps, headings.scenes, bootstrap)


def equal_bins(values: Floats, bins: int = BINS) -> NDArray[np.int64]:
    """Which of ``bins`` equally large groups each value (N,) falls into, by its rank."""
    ranks = np.empty(len(values), np.int64)
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return np.asarray(ranks * bins // max(len(values), 1))


def curves(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """What the calibration plots show, as plain values."""
    places, headings = Places.of(predictions), Headings.of(predictions)
    return {
        "place_reliability": {
            "probability": LEVELS.tolist(),
            "share_inside": (places.needed[:, None] <= LEVELS).mean(0).tolist(),
        },
        "place_bins": _binned(
            equal_bins(-places.sureness),
            stated_m=np.square(places.sigma_m).sum(1),
            observed_m=np.square(places.offset_m).sum(1),
            finish=np.sqrt,  # root mean squares: what a sigma is
        ),
        "heading_bins": _binned(
            equal_bins(headings.concentration),
            concentration=headings.concentration,
            mean_cosine=headings.cosine,
            mean_error_deg=headings.error_deg,
        ),
    }


def _binned(bins: NDArray[np.int64], finish: Any = np.asarray, **columns: Floats) -> dict[str, list[float]]:
    counts = np.bincount(bins)
    return {
        name: finish(np.bincount(bins, values) / np.maximum(counts, 1))[counts > 0].tolist()
        for name, values in columns.items()
    }


def _mean_gap(gaps: Floats, scenes: Sequence[str], bootstrap: Bootstrap) -> Interval:
    """Mean over columns of |mean gap| of gaps (N, K), with a bootstrap over scenes.

    Resampling adds noise and an absolute value can't cancel it, so the bounds are widened to hold the value.
    """
    names, scene_of = np.unique(np.asarray(scenes, np.str_), return_inverse=True)
    if not len(names):
        return OF_NOTHING
    sums = np.zeros((len(names), gaps.shape[1]))
    np.add.at(sums, scene_of, gaps)
    draws = bootstrap.draw(len(names))
    counts = draws @ np.bincount(scene_of)
    value = float(np.abs(gaps.mean(0)).mean())
    low, high = bootstrap.bounds(np.abs(draws @ sums / counts[:, None]).mean(1))
    return Interval(value, min(low, value), max(high, value), len(gaps), len(names))
