"""Rigid motions of the plane, and a walk through a room of points."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.priors.alignment import Cells, apply_motion, fit_motion, refine, track

motions = st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-math.pi, math.pi)).map(
    lambda values: torch.tensor(values, dtype=torch.float64)
)


def cloud(seed: int, count: int = 60) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-4, 4, (count, 2)))


@given(motions, st.integers(0, 1000))
def test_a_motion_is_found_again(motion, seed):
    here = cloud(seed)
    weight = torch.rand(len(here), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.1
    found = fit_motion(here, apply_motion(motion, here), weight)
    np.testing.assert_allclose(apply_motion(found, here), apply_motion(motion, here), atol=1e-6)


@given(motions, st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_a_fifth_of_wrong_matches_does_not_move_the_fit(motion, seed):
    motion = motion.float()
    here = Cells.seen(cloud(seed).float(), torch.full((60,), -2.0))
    there = here.moved(motion)
    there.xy_m[::5] += torch.tensor([3.0, -2.0])
    guess = motion + torch.tensor([0.2, -0.2, 0.1])
    found, agreed, place_m = refine(guess, here, there, torch.ones(60))
    assert (apply_motion(found, here.xy_m) - apply_motion(motion, here.xy_m)).norm(dim=-1).max() < 0.1
    assert 0.7 < agreed < 0.9 and place_m < 0.2


def test_bearings_tell_the_turn_when_ranges_are_wrong():
    """Every range is a fifth too long: the turn is still right, which equal weights for both would not give."""
    rng = np.random.default_rng(0)
    world = torch.from_numpy(rng.uniform([1, -4], [6, 4], (80, 2))).float()
    motion = torch.tensor([0.3, -0.1, 0.4])
    stretch = torch.from_numpy(rng.normal(1.0, 0.2, (80, 1))).float()
    back = apply_motion(torch.tensor([0.0, 0.0, -0.4]), world - motion[:2]) * stretch
    here, there = Cells.seen(back, torch.full((80,), -1.5)), Cells.seen(world, torch.full((80,), -4.0))
    turn = refine(fit_motion(here.xy_m, world, torch.ones(80)), here, there, torch.ones(80))[0][2]
    assert abs(turn - motion[2]) < 0.02


def test_a_camera_that_knows_every_cell_walks_without_drift():
    """A ring of 36 marked poles; each frame sees the 16 of them nearest to where it looks, in another order."""
    rng, poles, count = np.random.default_rng(0), 36, 20
    ring = np.arange(poles) * 2 * np.pi / poles
    world = np.stack([3 * np.cos(ring), 3 * np.sin(ring)], -1)
    yaw = np.pi / 2 + np.linspace(0, 2 * np.pi, count)  # all the way round
    place = np.stack([np.sin(np.linspace(0, 3, count)), 0.5 * np.linspace(0, 1, count)], -1)
    names = torch.eye(poles) * 12
    points, descriptors = [], []
    for eye, turn in zip(place, yaw, strict=True):
        away = np.abs((np.arctan2(*(world - eye).T[::-1]) - turn + np.pi) % (2 * np.pi) - np.pi)
        seen = rng.permutation(np.argsort(away)[:16])
        cos, sin = np.cos(turn), np.sin(turn)
        local = (world[seen] - eye) @ np.array([[cos, -sin], [sin, cos]])
        points.append(np.concatenate([local, np.zeros((16, 1))], -1))
        descriptors.append(names[seen])
    sight = torch.from_numpy(np.stack(points)).float(), torch.zeros(count, 16)
    walked = track(*sight, torch.stack(descriptors), torch.full((count, 16), 6.0))
    np.testing.assert_allclose(walked.path[:, :2], place - place[0], atol=0.05)
    np.testing.assert_allclose(walked.path[:, 2], yaw, atol=0.02)
