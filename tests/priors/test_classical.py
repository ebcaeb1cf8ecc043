"""Classical odometry on worlds whose geometry is known exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.geometry.camera import look_at, project
from loc3r.priors.classical import ClassicalVO, Features, Rig, Step, chain_lengths, floor_drop, match, two_views
from loc3r.priors.measure import errors_of, walk_of

K = np.array([[140.0, 0, 95.5], [0, 140, 71.5], [0, 0, 1]])
SHAPE = (144, 192)


def poses_along_a_curve(count: int) -> np.ndarray:
    """A camera 1.5 m above the floor that walks forward and looks to its left, ever more."""
    along = np.linspace(0, 1, count)
    eyes = np.stack([0.4 * along**2, 1.2 * along, 1.5 + 0 * along], -1)
    targets = np.stack([-1.5 * along, 4 + 0 * along, 0.6 + 0 * along], -1)
    return np.stack([look_at(eye, target) for eye, target in zip(eyes, targets, strict=True)])


def seen(points_m: np.ndarray, pose: np.ndarray) -> np.ndarray:
    pixels, depth = project(points_m, K, pose)
    assert (depth > 0).all()
    return pixels


def steps_through(points_m: np.ndarray, poses: np.ndarray) -> list[Step | None]:
    every = np.arange(len(points_m))
    views = [seen(points_m, pose) for pose in poses]
    return [two_views(a, b, K, every, every) for a, b in pairwise(views)]


def test_exact_matches_give_the_exact_walk_with_its_metre_from_the_floor() -> None:
    rng = np.random.default_rng(0)
    furniture = rng.uniform([-2.5, 3, 0.3], [2, 5, 2.2], (60, 3))
    floor = np.column_stack([rng.uniform([-1.5, 2.4], [1, 4], (40, 2)), np.zeros(40)])
    poses = poses_along_a_curve(6)
    walk = walk_of("curve", np.zeros((6, 1, 1, 3), np.uint8), poses, K)
    path = ClassicalVO(walk.rig).path(steps_through(np.concatenate([furniture, floor]), poses))
    np.testing.assert_allclose(path, walk.path, atol=0.02)
    unscaled = ClassicalVO(Rig(K, walk.rig.first_rotation)).path(steps_through(furniture, poses))
    assert np.linalg.norm(unscaled[1, :3]) == pytest.approx(1, abs=1e-6)
    ratio = np.linalg.norm(unscaled[1:, :3], axis=1) / np.linalg.norm(walk.path[1:, :3], axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=0.06)  # RANSAC is not exact


def textured_room(pose: np.ndarray) -> np.ndarray:
    """A frame of a floor at z = 0 and a wall at y = 5, both of coloured noise, by casting a ray a pixel."""
    rows, columns = np.indices(SHAPE)
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(SHAPE)], -1) @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        to_floor = np.where(rays[..., 2] < -1e-6, -pose[2, 3] / rays[..., 2], np.inf)
        to_wall = np.where(rays[..., 1] > 1e-6, (5 - pose[1, 3]) / rays[..., 1], np.inf)
    at = pose[:3, 3] + rays * np.minimum(to_floor, to_wall)[..., None]
    across, along = at[..., 0], np.where(to_floor < to_wall, at[..., 1], 5 + at[..., 2])
    noise = np.random.default_rng(0).uniform(0, 255, (3, 256, 256))
    cells = (np.stack([across, along]) + 10) * 12
    low = np.floor(cells).astype(int)
    share = cells - low
    corner = lambda i, j: noise[:, (low[0] + i) % 256, (low[1] + j) % 256]  # noqa: E731
    near = corner(0, 0) * (1 - share[1]) + corner(0, 1) * share[1]
    far = corner(1, 0) * (1 - share[1]) + corner(1, 1) * share[1]
    return np.moveaxis(near * (1 - share[0]) + far * share[0], 0, -1).astype(np.uint8)


def test_a_rendered_walk_is_followed() -> None:
    poses = poses_along_a_curve(5)
    walk = walk_of("curve", np.stack([textured_room(pose) for pose in poses]), poses, K)
    errors = errors_of(ClassicalVO(walk.rig).poses(walk.frames), walk.path)
    assert errors.turn_deg < 1
    assert errors.position_m < 0.15 < np.linalg.norm(walk.path[-1, :2]) / 4


def test_a_black_video_stands_still() -> None:
    path = ClassicalVO(Rig(K, np.eye(3), 1.5)).poses(np.zeros((3, *SHAPE, 3), np.uint8))
    assert np.isfinite(path).all() and not path[:, :3].any()


@given(st.lists(st.floats(0.3, 3), min_size=2, max_size=8))
def test_lengths_are_carried_from_step_to_step(true: list[float]) -> None:
    """A straight walk among fixed things: each step sees them in units of its own length."""
    things = np.random.default_rng(0).uniform([-3, -1, 40], [3, 1, 60], (12, 3))
    every, steps, place = np.arange(12), list[Step | None](), 0.0
    for length in true:
        steps.append(Step(np.eye(3), np.array([0, 0, -1.0]), (things - [0, 0, place]) / length, every, every))
        place += length
    np.testing.assert_allclose(chain_lengths(steps), np.array(true) / true[0], rtol=1e-6)


def test_a_gap_keeps_the_pace() -> None:
    every = np.arange(12)
    step = Step(np.eye(3), np.array([0, 0, -1.0]), np.full((12, 3), 5.0), every, every)
    assert chain_lengths([step, None, step]) == [1.0, 0.0, 1.0]


@given(st.floats(0.5, 4), st.integers(0, 5))
def test_the_floor_is_found_below_the_furniture(height: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    floor, clutter = height * rng.normal(1, 0.01, 60), height * rng.uniform(-0.5, 0.9, 120)
    outliers = height * rng.uniform(1.2, 5, 6)
    assert floor_drop(np.concatenate([floor, clutter, outliers])) == pytest.approx(height, rel=0.06)


def test_matches_are_mutual_and_unambiguous() -> None:
    rng = np.random.default_rng(0)
    described = rng.uniform(0, 255, (30, 128)).astype(np.float32)
    a, shuffle = Features(np.zeros((30, 2)), described), rng.permutation(30)
    left, right = match(a, Features(np.zeros((30, 2)), described[shuffle]))
    assert sorted(left) == list(range(30)) and (shuffle[right] == left).all()
    twice = np.concatenate([described, described])
    assert len(match(a, Features(np.zeros((60, 2)), twice))[0]) == 0
    assert len(match(a, Features(np.zeros((0, 2)), described[:0]))[0]) == 0
