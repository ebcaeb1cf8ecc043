"""Predictions become lines that the scorers read: a perfect one scores 100, and poses survive the change of frames."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from guesses import guess
from hypothesis import given
from hypothesis import strategies as st

from loc3r.benchmark.lines import OfficialFrame, line_of
from loc3r.benchmark.questions import LOCALISATION
from loc3r.datasets.sample import Sample
from loc3r.evaluate.intervals import Bootstrap
from loc3r.geometry.bev import BevFrame
from loc3r.score.scoring import BENCHMARKS, score_rows

ASKED: dict[str, dict[str, Any]] = {
    "sqa3d": {"sample_id": "220602000037", "question_type": "what"},
    "scanqa": {"sample_id": "val-scene0011-0", "question_type": "what"},
    "msqa": {"sample_id": "7", "question_type": "counting"},
    "beacon3d": {"sample_id": "scene0011_00_27_0_appearance_0", "question_type": "appearance"},
    "vsibench": {"sample_id": "3", "question_type": "object_rel_distance", "options": ("A. bed", "B. sink")},
}
COORDINATE, HEADING = st.floats(-8, 8), st.floats(-math.pi, 3.14)
FRAMES = st.builds(
    OfficialFrame, st.builds(BevFrame, COORDINATE, COORDINATE, HEADING), st.tuples(COORDINATE, COORDINATE)
)


def scored(name: str, profile: str, line: dict[str, Any]) -> dict[str, float]:
    row = BENCHMARKS[name].row.model_validate_json(json.dumps(line))
    return dict(score_rows(name, [row], profile, bootstrap=Bootstrap(50)).metrics)


@pytest.mark.parametrize(("name", "metric"), [
    ("sqa3d", "em"), ("scanqa", "em1"), ("msqa", "em"), ("beacon3d", "em"), ("vsibench", "object_rel_distance"),
])  # fmt: skip
def test_a_right_answer_scores_100_and_a_wrong_one_0(name: str, metric: str) -> None:
    sample = Sample(dataset=name, scene_id="scene0011_00", question="Which?", answers=("A",), **ASKED[name])
    for text, value in (("A", 100), ("of course not", 0)):
        line = line_of(sample, guess(text=text), None, "<prompt>")
        assert (line["scene_id"], line["prompt"], line["pred"]) == ("scene0011_00", "<prompt>", text)
        if name != "scanqa":  # whose n-gram metrics need Java
            assert scored(name, next(iter(BENCHMARKS[name].profiles)), line)[metric] == value
        else:
            assert BENCHMARKS[name].row.model_validate(line).pred == text


@given(FRAMES, COORDINATE, COORDINATE, HEADING, st.floats(0, 3), st.floats(-179, 179))
def test_errors_are_the_same_in_the_official_frame(
    frame: OfficialFrame, x_m: float, y_m: float, heading_rad: float, miss_m: float, miss_deg: float
) -> None:
    """The truth in the official frame, the guess in the bird's-eye frame, a known distance and angle apart."""
    truth = Sample(
        sample_id="1", dataset=LOCALISATION, scene_id="s", situation="I sit.", question="?", answers=(),
        question_type="localisation", position_m=(x_m, y_m), heading_rad=heading_rad,
    )  # fmt: skip
    raw = (x_m + frame.centre_m[0] + miss_m, y_m + frame.centre_m[1])
    place = tuple(frame.bev.from_world(raw).tolist())
    turned = frame.bev.heading_from_world(heading_rad + math.radians(miss_deg))
    line = line_of(truth, guess(position_m=place, heading_rad=turned), frame, "")
    got = scored(LOCALISATION, "single", line)
    for metric, error, limit in (
        ("acc@0.5m", miss_m, 0.5), ("acc@1.0m", miss_m, 1.0),
        ("acc@15deg", abs(miss_deg), 15), ("acc@30deg", abs(miss_deg), 30),
    ):  # fmt: skip
        if abs(error - limit) > 1e-3:
            assert got[metric] == 100 * (error < limit), metric


def test_a_pose_that_was_not_given_is_null() -> None:
    sample = Sample(
        sample_id="1", dataset=LOCALISATION, scene_id="s", situation="I sit.", question="?", answers=(),
        question_type="localisation", position_m=(0, 0), heading_rad=0,
    )  # fmt: skip
    line = line_of(sample, guess(position_m=None, heading_rad=None), OfficialFrame(BevFrame(0, 0, 0), (0, 0)), "")
    assert line["pred_pos"] is None and line["pred_quat_xyzw"] is None
    assert scored(LOCALISATION, "single", line)["acc@1.0m"] == 0
