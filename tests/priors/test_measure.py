"""Errors of paths: what each one sees, and what it is blind to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from loc3r.errors import DataError
from loc3r.geometry.camera import look_at
from loc3r.priors.command import prior
from loc3r.priors.measure import (
    BEST_SCALE,
    FEWEST_WALKS,
    KNOWN_HEIGHT,
    METRICS,
    STILL,
    best_scaled,
    errors_of,
    estimates,
    load_walks,
    measure,
    trajectory_error_m,
    walk_of,
)

K = np.array([[140.0, 0, 95.5], [0, 140, 71.5], [0, 0, 1]])


def path_of(seed: int, count: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, 0.2, (count, 4)), 0)
    return path - path[0] + [0, 0, 0, np.pi / 2]


def walk(name: str = "walk", count: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    eyes = np.array([2, 3, 1.5]) + np.cumsum(rng.uniform(-0.2, 0.2, (count, 3)) * [1, 1, 0.1], 0)
    ahead = np.column_stack([rng.normal(0, 1, (count, 2)), np.full(count, -0.2)])
    poses = np.stack([look_at(eye, target) for eye, target in zip(eyes, eyes + ahead, strict=True)])
    return walk_of(name, np.zeros((count, 8, 8, 3), np.uint8), poses, K)


@given(st.integers(0, 1000))
def test_a_walk_starts_at_the_origin_and_looks_up_the_page(seed: int) -> None:
    found = walk(seed=seed)
    np.testing.assert_allclose(found.path[0, :3], 0, atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * found.path[0, 3]), 1j, atol=1e-9)
    ahead = found.rig.first_rotation[:, 2]
    assert ahead[0] == pytest.approx(0, abs=1e-9) and ahead[1] > 0
    assert found.rig.height_m == pytest.approx(1.5, abs=0.03)


@given(st.integers(0, 1000))
def test_the_true_path_has_no_error_and_full_turns_are_none(seed: int) -> None:
    true = path_of(seed)
    whole = true + [0, 0, 0, 2 * np.pi] * np.arange(len(true))[:, None]
    for estimate in (true, whole):
        assert np.allclose(list(vars(errors_of(estimate, true)).values()), 0, atol=1e-7)


@given(st.integers(0, 1000), st.floats(-3, 3), st.floats(0.2, 5), st.booleans())
def test_alignment_forgives_motion_and_scale_only_where_it_says_so(
    seed: int, angle: float, scale: float, mirrored: bool
) -> None:
    true = path_of(seed)[:, :2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = true @ turn.T + [3, -4]
    assert trajectory_error_m(moved, true, scaled=False) == pytest.approx(0, abs=1e-9)
    assert trajectory_error_m(scale * moved, true, scaled=True) == pytest.approx(0, abs=1e-9)
    spread = float(np.sqrt(((true - true.mean(0)) ** 2).sum(1).mean()))
    assert trajectory_error_m(scale * moved, true, scaled=False) == pytest.approx(abs(scale - 1) * spread)
    if mirrored:
        assert trajectory_error_m(moved * [-1, 1], true, scaled=True) > 1e-6


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_better_aligned_path_is_never_worse(seed: int, other: int) -> None:
    errors = errors_of(path_of(other), path_of(seed))
    assert errors.ate_scaled_m <= errors.ate_m + 1e-9


@given(st.integers(0, 1000), st.floats(0.05, 0.5))
def test_an_early_turn_spoils_the_walk_but_one_step_only(seed: int, turn: float) -> None:
    true = path_of(seed)
    bent = true.copy()
    offset = true[2:, :2] - true[1, :2]
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    bent[2:, :2] = true[1, :2] + offset @ rotation.T
    bent[1:, 3] += turn
    errors = errors_of(bent, true)
    assert errors.turn_deg == pytest.approx(np.rad2deg(turn) / (len(true) - 1))
    assert errors.heading_deg == pytest.approx(np.rad2deg(turn))
    assert errors.step_m == pytest.approx(0, abs=1e-9)
    assert errors.position_m > 0


class Perfect:
    """An oracle: it has seen the walks."""

    def __init__(self, walks: list) -> None:
        self.known = {id(w.frames): w.path for w in walks}

    def poses(self, frames: np.ndarray) -> np.ndarray:
        return self.known[id(frames)]


def test_many_walks_get_intervals_and_few_are_shown_apart() -> None:
    walks = [walk(f"walk {i}", seed=i) for i in range(FEWEST_WALKS)]
    done = measure(walks, estimates("oracle", Perfect(walks)))
    rows = {row["method"]: row for row in done.rows()}
    assert list(rows) == ["oracle", KNOWN_HEIGHT, BEST_SCALE, STILL]
    assert all(rows["oracle"]["errors"][name]["high"] == pytest.approx(0, abs=1e-6) for name in METRICS)
    still = rows[STILL]["errors"]["position_m"]
    assert 0 < still["low"] < still["mean"] < still["high"]
    # Black frames have no features: classical odometry says that the camera stands.
    assert rows[KNOWN_HEIGHT]["errors"]["position_m"] == still
    apart = list(measure(walks[:2], estimates("oracle", Perfect(walks))).rows())
    assert [row["walk"] for row in apart] == ["walk 0"] * 4 + ["walk 1"] * 4
    assert "low" not in apart[0]["errors"]["turn_deg"]


def test_best_scale_is_the_best_and_standing_still_has_none() -> None:
    made = walk(count=8)
    for scale in (0.2, 3.0):
        np.testing.assert_allclose(best_scaled(made.path * [scale, scale, scale, 1], made), made.path, atol=1e-9)
    still = np.zeros((8, 4))
    assert (best_scaled(still, made) == still).all()


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(DataError, match="nothing to measure"):
        measure([walk(count=1)], {})


def test_the_verb_measures_real_clips(shared_data: Path, tmp_path: Path) -> None:
    """The classical path of a real clip is near the truth: its conventions and ours agree."""
    out = tmp_path / "prior.json"
    arguments = ["measure", "--root", shared_data / "video", "--frames", 10, "--out", out]
    result = CliRunner().invoke(prior, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    done = json.loads(out.read_text())
    assert done["walks"] == 2 and done["frames"] == 10
    assert KNOWN_HEIGHT not in {line["method"] for line in done["lines"]}  # clips know no floor
    found = done["by_walk"][BEST_SCALE]["icl_livingroom1"]
    still = done["by_walk"][STILL]["icl_livingroom1"]
    assert found["turn_deg"] < still["turn_deg"] / 3
    assert found["position_m"] < still["position_m"] / 3
    frames = [len(w.frames) for w in load_walks(shared_data / "video", 10)]
    assert frames == [10, 10]
