from __future__ import annotations

import math

import numpy as np
import pytest
from guesses import guess, guesses_of
from scipy.spatial.transform import Rotation

from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.metrics import (
    PRIMARY,
    form_metrics,
    heading_errors_deg,
    layout_errors_m,
    metrics_for,
    position_errors_m,
    primary_parts,
)
from loc3r.evaluate.predictions import LayoutError, Prediction, poses
from loc3r.geometry.headings import sqa3d_from_heading


def value(name: str, predictions: list[Prediction]) -> float:
    metric = next(m for m in [*metrics_for(predictions), *form_metrics(predictions)] if m.name == name)
    assert metric.score(predictions, Bootstrap(100)).value == metric.value(predictions)
    return metric.value(predictions)


def test_places_are_two_dimensional_and_the_limit_is_strict() -> None:
    off = [(0.0, 0.0), (0.5, 0.0), (0.25, 0.25), (1.0, 0.0), (0.75, 0.5)]  # exact in binary
    made = [guess(str(i), situation=f"{i}", position_m=(1 + x, 2 + y)) for i, (x, y) in enumerate(off)]
    assert value("acc_0.5m", made) == 2 / 5
    assert value("acc_1.0m", made) == 4 / 5
    assert value("position_error_m", made) == pytest.approx(0.5)


def test_headings_wrap_and_the_limit_is_strict() -> None:
    # (truth, guess): 10 degrees across the seam, 14.9, 15.1, 29.9, 180.
    turns = [(175, -175), (0, 14.9), (90, 105.1), (-20, 9.9), (0, 180)]
    made = [
        guess(str(i), situation=f"{i}", true_heading_rad=math.radians(a), heading_rad=math.radians(b))
        for i, (a, b) in enumerate(turns)
    ]
    assert value("acc_15deg", made) == 2 / 5
    assert value("acc_30deg", made) == 4 / 5
    assert value("heading_error_deg", made) == pytest.approx(15.1)
    exact = [guess(true_heading_rad=0.0, heading_rad=math.radians(30))]
    assert heading_errors_deg(exact).values[0] == pytest.approx(30)


def test_errors_are_those_of_the_official_script() -> None:
    """SQA3D's utils/localization_metric.py: the last component of the rotation vector, wrapped; x and y only."""
    rng = np.random.default_rng(0)
    made = [
        guess(str(i), situation=str(i), true_heading_rad=a, heading_rad=b, position_m=tuple(rng.normal(0, 2, 2)))
        for i, (a, b) in enumerate(rng.uniform(-math.pi, math.pi, (200, 2)).tolist())
    ]
    quaternions = [
        [list(sqa3d_from_heading(heading).values()) for heading in (p.true_heading_rad, p.heading_rad)] for p in made
    ]
    truth, predicted = (Rotation.from_quat([q[i] for q in quaternions]).as_rotvec()[:, 2] for i in (0, 1))
    difference = np.abs(truth - predicted)
    expected_deg = np.rad2deg(np.minimum(difference, 2 * np.pi - difference))
    assert heading_errors_deg(made).values == pytest.approx(expected_deg, abs=1e-9)
    expected_m = [math.hypot(p.position_m[0] - 1, p.position_m[1] - 2) for p in made]
    assert position_errors_m(made).values == pytest.approx(expected_m)


def test_a_situation_counts_once_however_many_questions_it_has() -> None:
    wrong = [guess(str(i), position_m=(9.0, 9.0)) for i in range(9)]
    right = guess("9", situation="I am at the door.", true_position_m=(3.0, 3.0), position_m=(3.0, 3.0))
    assert len(poses([*wrong, right])) == 2
    assert value("acc_1.0m", [*wrong, right]) == 0.5
    assert value("answer_em", [*wrong, right]) == 1.0


def test_questions_without_a_pose_are_not_localised_and_reported_apart() -> None:
    plain = guess("1", dataset="scanqa", situation=None, true_position_m=None, true_heading_rad=None, text="no")
    made = [guess("0"), plain]
    assert len(position_errors_m(made).values) == 1
    assert value("answer_em", made) == 1.0
    assert value("plain_em/scanqa", made) == 0.0
    assert not [m.name for m in metrics_for([plain]) if m.name.startswith("acc_")]


def test_question_types_and_situation_forms_are_split() -> None:
    made = [
        guess("0", question_type="counting", situation_form="beside"),
        guess("1", question_type="colour", text="red", situation="x", situation_form="facing", position_m=(8.0, 8.0)),
    ]
    assert value("answer_em/counting", made) == 1.0
    assert value("answer_em/colour", made) == 0.0
    assert value("acc_1.0m/beside", made) == 1.0
    assert value("acc_1.0m/facing", made) == 0.0
    assert value("acc_30deg/facing", made) == 1.0


def test_the_primary_metric_is_made_of_the_metrics_it_names() -> None:
    made = guesses_of(0.6)
    assert [part.mean for part in primary_parts(made)] == [value(name, made) for name in PRIMARY]


def test_layout_errors_are_a_mean_over_tokens_not_over_scenes() -> None:
    errors = layout_errors_m([LayoutError("a", 90, 90.0), LayoutError("b", 10, 50.0)])
    assert errors.mean == pytest.approx(1.4)
