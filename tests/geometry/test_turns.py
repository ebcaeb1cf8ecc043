from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.geometry.camera import backproject, look_at
from loc3r.geometry.turns import turn_intrinsics, turn_pose, turn_size, turns_upright


@settings(max_examples=30, deadline=None)
@given(
    turns=st.integers(-4, 7),
    width=st.integers(2, 9),
    height=st.integers(2, 9),
    centre=st.tuples(st.floats(0, 8), st.floats(0, 8)),
    focal=st.tuples(st.floats(3, 20), st.floats(3, 20)),
)
def test_a_turned_camera_sees_the_same_points(turns, width, height, centre, focal):
    depth = np.random.default_rng(0).integers(500, 5000, (height, width)).astype(np.uint16)
    intrinsics = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
    pose = look_at([1.0, 2.0, 1.5], [3.0, 1.0, 1.2])
    points, _ = backproject(depth, intrinsics, pose)
    turned = turn_intrinsics(intrinsics, (width, height), turns)
    again, _ = backproject(np.rot90(depth, turns), turned, turn_pose(pose, turns))
    np.testing.assert_allclose(again, np.rot90(points, turns), atol=1e-4)
    assert again.shape[1::-1] == turn_size((width, height), turns)


@pytest.mark.parametrize("turns", range(4))
def test_poses_tell_how_the_camera_was_held(turns):
    upright = np.stack([look_at([0, 0, 1.5], [np.cos(a), np.sin(a), 1.1]) for a in np.linspace(0, 5, 7)])
    held = np.stack([turn_pose(pose, -turns) for pose in upright])
    held[2] = np.nan
    assert turns_upright(held) == turns
    assert turns_upright(held[2:3]) == 0
