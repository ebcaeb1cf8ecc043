"""Poses that a model writes as text: read where they can be, wrong where they can't, and never left out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import pytest
from guesses import guess, guesses_of

from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.metrics import UNREADABLE_M, metrics_for
from loc3r.evaluate.predictions import Prediction, poses, situations
from loc3r.scenes.shards import PreparedSample

SAMPLE = PreparedSample(
    "1", "sqa3d", "room_000000_00", "I am here.", "How many?", ("two",), "counting", None, (1.0, 2.0), 0.5
)


def test_a_written_pose_is_a_guess_without_uncertainty() -> None:
    found = Prediction.written(SAMPLE, "x 1.1 y -2.0 heading 90; two")
    assert (found.position_m, found.text, found.unreadable) == ((1.1, -2.0), "two", False)
    assert found.heading_rad == pytest.approx(math.pi / 2) and found.sigma_m is None
    assert Prediction.parse(json.loads(json.dumps(asdict(found)))) == found


def test_without_a_situation_all_is_answer() -> None:
    plain = Prediction.written(PreparedSample("1", "scanqa", "s", None, "How many?", ("two",), "counting"), "two")
    assert (plain.text, plain.position_m, plain.unreadable) == ("two", None, False)


def test_an_unreadable_pose_counts_as_wrong_everywhere() -> None:
    lost = Prediction.written(SAMPLE, "x 1 y heading 9; two")
    assert lost.unreadable and lost.text == "two" and lost.position_m is None
    assert situations([lost, lost]) == [lost] and poses([lost]) == []
    told = {metric.name: metric.score([lost, guess("2")], Bootstrap(100)) for metric in metrics_for([lost, guess("2")])}
    for name in ("acc_0.5m", "acc_1.0m", "acc_15deg", "acc_30deg"):
        assert (told[name].value, told[name].n) == (0.5, 2)
    assert told["position_error_m"].value == UNREADABLE_M / 2


def test_old_predictions_can_be_read() -> None:
    for prediction in guesses_of(0.5, scenes=1):
        line = asdict(prediction)
        del line["unreadable"]
        assert Prediction.parse(json.loads(json.dumps(line))) == prediction
