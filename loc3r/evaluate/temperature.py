"""Fit the one factor that makes a model's stated uncertainty true, on rooms that are neither trained nor tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loc3r.errors import DataError
from loc3r.evaluate.calibration import Places, position_error
from loc3r.evaluate.evaluation import identify
from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.plots import save_reliability
from loc3r.evaluate.predictions import Prediction, read_predictions
from loc3r.evaluate.run import begin, predict
from loc3r.model.calibration import Calibration
from loc3r.tracking.lineage import model_hash

if TYPE_CHECKING:
    from rich.console import Console

    from loc3r.scenes.shards import PreparedData

TEMPERATURES = np.geomspace(0.1, 10, 1001)
FEWEST_SITUATIONS = 30
"""With fewer, a fitted factor says more about the sample than about the model."""


def calibrate_model(
    model: Path,
    data: PreparedData,
    folder: Path,
    *,
    limit_scenes: int | None = None,
    device: str = "cpu",
    console: Console | None = None,
) -> Calibration:
    """Fit the factor on a validation split and write ``calibration.json`` into the checkpoint.

    ``folder`` gets the predictions, with the network's own sigma, and the plots, with the calibrated one. What is
    predicted already is not predicted again.

    Raises:
        DataError: there are too few situations to fit it on.
    """
    from loc3r.model.inference import Localiser

    weights = model_hash(model, calibrated=False)
    evaluation = replace(identify(model, data, limit_scenes), model_hash=weights)
    begin(folder, evaluation)
    localiser = Localiser.load(model, device)
    localiser.temperature = 1.0
    predict(localiser, data, folder, evaluation, console)
    predictions = read_predictions(folder)
    factor = fit_temperature(predictions)
    calibrated = tempered(predictions, factor)
    before, after = (position_error(some, Bootstrap(1)) for some in (predictions, calibrated))
    found = Calibration(
        factor, weights, data.data_hash, before.n, before.scenes, round(before.value, 5), round(after.value, 5)
    )
    found.write(model)
    save_reliability(folder, calibrated)
    return found


def fit_temperature(predictions: Sequence[Prediction]) -> float:
    """The factor on every sigma that makes the calibration error of places smallest.

    Not the likelihood's optimum: a few far misses would blow up every ellipse for the sake of their own.

    Raises:
        DataError: there are too few situations to fit it on.
    """
    places = Places.of(predictions)
    count = len(places.scenes)
    if count < FEWEST_SITUATIONS:
        raise DataError("too little to calibrate on", received=f"{count} situations", expected=FEWEST_SITUATIONS)
    squared, uniform = np.sort(places.squared_sigmas), (np.arange(count) + 0.5) / count
    errors = [np.abs(-np.expm1(-squared / (2 * factor**2)) - uniform).mean() for factor in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(errors))]), 4)


def tempered(predictions: Sequence[Prediction], temperature: float) -> list[Prediction]:
    """The predictions as they would be with every sigma multiplied by ``temperature``."""
    return [
        replace(p, sigma_m=None if p.sigma_m is None else (temperature * p.sigma_m[0], temperature * p.sigma_m[1]))
        for p in predictions
    ]
