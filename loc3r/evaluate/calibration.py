"""Whether the stated uncertainty is true: how often the speaker stands inside the one- and two-sigma ellipses."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from loc3r.evaluate.intervals import Bootstrap, Interval, Observations, mean_interval
from loc3r.evaluate.predictions import Prediction, poses


def expected_share(sigmas: float) -> float:
    """Share of a two-dimensional Gaussian inside its ellipse of that many sigmas: 39 % and 86 % for one and two."""
    return 1 - math.exp(-(sigmas**2) / 2)


def share_inside(predictions: Sequence[Prediction], sigmas: float, bootstrap: Bootstrap) -> Interval:
    """Share of situations whose true place is inside the predicted ellipse of ``sigmas`` standard deviations."""
    return mean_interval(inside(predictions, sigmas), bootstrap)


def inside(predictions: Sequence[Prediction], sigmas: float) -> Observations:
    """1 where the true place is inside the ellipse, else 0; predictions without uncertainty are left out."""
    stated = [p for p in poses(predictions) if p.sigma_m is not None]
    guess = np.array([p.position_m for p in stated], np.float64).reshape(-1, 2)
    truth = np.array([p.true_position_m for p in stated], np.float64).reshape(-1, 2)
    sigma = np.array([p.sigma_m for p in stated], np.float64).reshape(-1, 2)
    distances = (((guess - truth) / sigma) ** 2).sum(1)
    return Observations.of(distances < sigmas**2, [p.scene_id for p in stated])
