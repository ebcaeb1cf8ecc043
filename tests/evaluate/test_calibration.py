"""Calibration errors and the fitted temperature, on predictions whose uncertainty is true by construction."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from guesses import guess
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import i0, i1

from loc3r.errors import DataError
from loc3r.evaluate.calibration import (
    Headings,
    Places,
    curves,
    equal_bins,
    expected_share,
    heading_error,
    inside,
    position_error,
)  # fmt: skip
from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.predictions import Prediction
from loc3r.evaluate.temperature import fit_temperature, tempered

FEW = Bootstrap(50)


def honest(count: int = 1500, seed: int = 0) -> list[Prediction]:
    """Places drawn from the stated Gaussians, headings from von Mises distributions of the stated mean length."""
    rng = np.random.default_rng(seed)
    sigmas = rng.uniform(0.1, 2, (count, 2))
    kappas = rng.uniform(0.1, 8, count)
    made = []
    for i, (sigma, kappa) in enumerate(zip(sigmas, kappas, strict=True)):
        made.append(
            guess(
                str(i),
                scene_id=f"room_{i % 50:06d}_00",
                situation=str(i),
                position_m=tuple(np.array([1.0, 2.0]) + rng.normal(0, sigma)),
                sigma_m=tuple(sigma),
                heading_rad=float(rng.vonmises(0, kappa)),
                heading_concentration=float(i1(kappa) / i0(kappa)),
            )
        )
    return made


HONEST = honest()


def test_a_true_uncertainty_has_no_calibration_error() -> None:
    # Chance alone gives 1,500 situations of a perfect model 0.3 / sqrt(1500) = 0.8 %, and ten bins of 150 about 3 %.
    assert position_error(HONEST, FEW).value < 0.02
    assert heading_error(HONEST, FEW).value < 0.05
    for sigmas in (1, 2):
        assert inside(HONEST, sigmas).mean == pytest.approx(expected_share(sigmas), abs=0.03)


@settings(max_examples=8)
@given(st.floats(0.2, 5))
def test_the_fitted_temperature_undoes_a_scaled_sigma(scale: float) -> None:
    boastful = tempered(HONEST, 1 / scale)
    factor = fit_temperature(boastful)
    assert factor == pytest.approx(scale * fit_temperature(HONEST), rel=0.01)
    assert factor == pytest.approx(scale, rel=0.05)
    mended = position_error(tempered(boastful, factor), FEW).value
    assert mended <= min(0.02, position_error(boastful, FEW).value + 1e-3)


@settings(max_examples=8)
@given(st.floats(1.5, 6))
def test_the_error_grows_with_boasting_and_with_modesty(scale: float) -> None:
    honest_error = position_error(HONEST, FEW).value
    for factor in (scale, 1 / scale):
        assert position_error(tempered(HONEST, factor), FEW).value > honest_error + 0.05


def test_a_few_far_misses_do_not_blow_up_every_ellipse() -> None:
    lost = [replace(p, position_m=(40.0, 40.0)) for p in HONEST[:30]]
    assert fit_temperature([*lost, *HONEST[30:]]) < 1.1


def test_a_boastful_heading_is_found_out() -> None:
    sure = [replace(p, heading_concentration=0.99) for p in HONEST]
    cosines = Headings.of(HONEST).cosine
    assert heading_error(sure, FEW).value == pytest.approx(0.99 - cosines.mean(), abs=0.02)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=1, max_size=20))
def test_the_ellipse_that_reaches_the_truth_is_that_of_its_sigmas(offsets: list[tuple[float, float]]) -> None:
    made = [guess(str(i), situation=str(i), position_m=(1 + x, 2 + y)) for i, (x, y) in enumerate(offsets)]
    places = Places.of(made)
    for needed, squared in zip(places.needed, places.squared_sigmas, strict=True):
        assert needed == pytest.approx(expected_share(math.sqrt(squared)))


@given(st.lists(st.floats(-5, 5), max_size=60), st.integers(1, 12))
def test_bins_are_equally_large_and_ordered(values: list[float], bins: int) -> None:
    found = equal_bins(np.array(values, np.float64), bins)
    sizes = np.bincount(found, minlength=bins)
    assert sizes.max() - sizes.min() <= 1
    assert (np.diff(found[np.argsort(values, kind="stable")]) >= 0).all()


def test_the_interval_holds_the_value_and_counts_situations_once() -> None:
    twice = [*HONEST, *(replace(p, sample_id=f"{p.sample_id}b", question="What?") for p in HONEST)]
    for error in (position_error, heading_error):
        once, again = error(HONEST, FEW), error(twice, FEW)
        assert once == again
        assert once.low <= once.value <= once.high
        assert (once.n, once.scenes) == (1500, 50)


def test_curves_of_a_true_uncertainty_lie_on_the_diagonal() -> None:
    found = curves(HONEST)
    line = found["place_reliability"]
    assert np.abs(np.array(line["probability"]) - line["share_inside"]).max() < 0.05
    bins = found["place_bins"]
    assert len(bins["stated_m"]) == 10 and bins["stated_m"][0] < bins["stated_m"][-1] / 3
    np.testing.assert_allclose(bins["observed_m"], bins["stated_m"], rtol=0.2)
    headings = found["heading_bins"]
    np.testing.assert_allclose(headings["mean_cosine"], headings["concentration"], atol=0.12)
    assert headings["mean_error_deg"][0] > headings["mean_error_deg"][-1]


def test_predictions_without_uncertainty_are_left_out() -> None:
    silent = [replace(p, sigma_m=None, heading_concentration=None) for p in HONEST]
    assert position_error(silent, FEW).n == heading_error(silent, FEW).n == 0
    assert tempered(silent, 2) == silent
    with pytest.raises(DataError, match="too little"):
        fit_temperature(silent)
