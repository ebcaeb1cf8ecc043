"""SQA3D localisation: strict bounds, the floor plane only, one guess or the best of three."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from score_lines import metrics, pose, real_poses, report, write

from loc3r.errors import ScoreError
from loc3r.score.localization import LocalizationRow, score
from loc3r.score.rows import read_rows

HERE = [0, 0, 0]
AHEAD = [0, 0, 0, 1]


def turned(degrees: float) -> list[float]:
    half = math.radians(degrees) / 2
    return [0, 0, math.sin(half), math.cos(half)]


def accuracies(line: dict[str, object], profile: str = "single") -> tuple[float, ...]:
    found = metrics("sqa3d-localization", profile, [line])
    return tuple(found[name] / 100 for name in ("acc@0.5m", "acc@1.0m", "acc@15deg", "acc@30deg"))


NAN, FAR = [math.nan, 0, 0], [math.inf, 0, 0]


@pytest.mark.parametrize(
    ("places", "hit"),
    [([NAN], 0), ([FAR], 0), ([NAN, HERE], 0), ([HERE, NAN], 1), ([FAR, HERE], 1), ([[9, 0, 0], NAN, HERE], 1)],
)
def test_a_guess_of_nan_is_near_nothing_and_hides_later_ones_as_python_s_min_does(
    tmp_path: Path, places: list[list[float]], hit: int
) -> None:
    turns = [[0, 0, math.nan, 1] if place is NAN else AHEAD for place in places]
    row = read_rows(write(tmp_path / "poses.jsonl", [pose(places, turns)]), LocalizationRow)
    found = score(row, 3)
    assert found.values()["acc@0.5m"] == 100 * hit and "1 lines guess NaN" in found.notes[0]
    assert found.values()["acc@15deg"] == (0 if places[0] is NAN else 100)


def test_a_quaternion_that_vanishes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="non-zero length"):  # scipy, which the original calls, finds it of no length
        read_rows(write(tmp_path / "poses.jsonl", [pose(HERE, [0, 0, 1e-200, 0])]), LocalizationRow)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ([0.5, 0, 0], (0, 1)),  # strict: half a metre is not within half a metre
        ([np.nextafter(0.5, 0), 0, 0], (1, 1)),
        ([0, 1, 0], (0, 0)),
        ([0.3, 0.4, 0], (0, 1)),
        ([0, 0, 100], (1, 1)),  # z is ignored
    ],
)
def test_positions(place: list[float], expected: tuple[int, int]) -> None:
    assert accuracies(pose(place, AHEAD))[:2] == expected


@pytest.mark.parametrize(
    ("truth", "guess", "expected"),
    [
        (AHEAD, turned(14.99), (1, 1)),
        (AHEAD, turned(15.01), (0, 1)),
        (AHEAD, turned(30.01), (0, 0)),
        (turned(179), turned(-179), (1, 1)),  # wrapped
        (turned(170), turned(-165), (0, 1)),
        (turned(20), [-x for x in turned(20)], (1, 1)),  # a quaternion and its negative turn alike
        (turned(20), [5 * x for x in turned(20)], (1, 1)),  # any length
        (AHEAD, turned(180), (0, 0)),
        ([0, 1, 0, 0], AHEAD, (1, 1)),  # half a turn about y has no yaw for this scorer
    ],
)
def test_headings(truth: list[float], guess: list[float], expected: tuple[int, int]) -> None:
    assert accuracies(pose(HERE, guess, gt_quat=truth))[2:] == expected


def test_the_official_profile_keeps_the_best_of_three_and_ours_the_first() -> None:
    line = pose([[5, 0, 0], [0.9, 0, 0], [0.2, 0, 0]], [turned(90), turned(20)])
    assert accuracies(line, "official") == (1, 1, 0, 1)
    single = report("sqa3d-localization", "single", [line])
    assert set(single.metrics.values()) == {0} and "only the first counts" in single.notes[0]


def test_no_pose_is_a_miss_and_counted() -> None:
    found = report("sqa3d-localization", "single", [pose(None, None), pose(HERE, None), pose(HERE, AHEAD)])
    assert found.empty_answers == 2
    assert found.metrics["acc@0.5m"] == pytest.approx(200 / 3) and found.metrics["acc@30deg"] == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("place", "turn", "field"),
    [
        ([0, 0], AHEAD, "pred_pos[0]"),
        ([0, 0, "1"], AHEAD, "pred_pos[0][2]"),
        ([HERE] * 4, AHEAD, "pred_pos"),
        ([], AHEAD, "pred_pos"),
        (HERE, [0, 0, 0, 0], "pred_quat_xyzw[0]"),
        ([0, 0, None], AHEAD, "pred_pos[0][2]"),
    ],
)
def test_what_is_no_pose_is_refused(tmp_path: Path, place: object, turn: object, field: str) -> None:
    with pytest.raises(ScoreError) as error:
        read_rows(write(tmp_path / "poses.jsonl", [pose(place, turn)]), LocalizationRow)
    assert f"poses.jsonl:1: field {field}" in str(error.value)


ANGLES = st.one_of(st.integers(-180, 180).map(float), st.floats(-720, 720))
PLACES = st.lists(st.one_of(st.floats(-2, 2), st.sampled_from([0.0, 0.5, 1.0, -0.5])), min_size=3, max_size=3)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(PLACES, PLACES, ANGLES, st.integers(-60, 60)), min_size=1, max_size=6))
def test_agrees_with_the_definition_pose_by_pose(cases: list[tuple[list[float], list[float], float, int]]) -> None:
    lines = [pose(guess, turned(yaw + off), truth, turned(yaw)) for truth, guess, yaw, off in cases]
    hits = np.array([by_definition(line) for line in lines])
    found = metrics("sqa3d-localization", "single", lines)
    assert list(found.values()) == pytest.approx(list(100 * hits.mean(0)))


def by_definition(line: dict[str, list[float]]) -> list[bool]:
    dx, dy = (np.array(line["gt_pos"]) - np.array(line["pred_pos"]))[:2]
    a, b = (Rotation.from_quat(line[name]).as_rotvec()[-1] for name in ("gt_quat_xyzw", "pred_quat_xyzw"))
    degrees = min(abs(a - b), 2 * math.pi - abs(a - b)) / math.pi * 180
    metres = math.sqrt(dx**2 + dy**2)
    return [metres < 0.5, metres < 1, degrees < 15, degrees < 30]


def test_the_real_poses(shared_data: Path) -> None:
    lines = real_poses(shared_data, "train")
    found = report("sqa3d-localization", "official", lines)
    assert found.n == 16229 and found.units == 518 and set(found.metrics.values()) == {100}
    assert any("repeat a true pose" in note for note in found.notes)
    floors = found.baselines["scene centre, best constant heading"]
    assert 8 < floors["acc@0.5m"] < 11 and 28 < floors["acc@1.0m"] < 32
    assert 14 < floors["acc@15deg"] < 17 and 20 < floors["acc@30deg"] < 25
    assert report("sqa3d-localization", "single", real_poses(shared_data)).n == 1997
