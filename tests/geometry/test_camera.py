from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loc3r.geometry.camera import backproject, look_at, project, scale_intrinsics

K = np.array([[40.0, 0, 23.5], [0, 42.0, 17.5], [0, 0, 1]])
EYES = st.tuples(*[st.floats(-5, 5)] * 3)
TARGETS = st.tuples(st.floats(-5, 5), st.floats(10, 20), st.floats(-5, 5))


@given(EYES, TARGETS)
def test_projecting_what_was_back_projected_gives_the_pixel_and_depth(eye, target):
    pose = look_at(eye, target)
    depth = np.random.default_rng(0).integers(300, 9000, (36, 48)).astype(np.uint16)
    points, valid = backproject(depth, K, pose)
    uv, z = project(points, K, pose)
    u, v = np.meshgrid(np.arange(48), np.arange(36))
    assert valid.all() and points.dtype == np.float32
    np.testing.assert_allclose(uv, np.stack([u, v], -1), atol=2e-3)
    np.testing.assert_allclose(z, depth / 1000, atol=1e-4)


def test_unknown_and_far_depth_is_nan_and_invalid():
    depth = np.array([[0, 500], [12000, 9000]], np.uint16)
    points, valid = backproject(depth, K, np.eye(4), max_depth_m=10)
    np.testing.assert_array_equal(valid, [[False, True], [False, True]])
    np.testing.assert_array_equal(np.isnan(points).all(-1), ~valid)


@given(EYES, TARGETS)
def test_look_at_is_an_upright_rigid_pose_that_sees_its_target_in_the_middle(eye, target):
    pose = look_at(eye, target)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
    assert np.isclose(np.linalg.det(pose), 1) and abs(pose[2, 0]) < 1e-9 and pose[2, 1] < 0
    uv, z = project(target, K, pose)
    np.testing.assert_allclose(uv, K[:2, 2], atol=1e-6)
    assert z > 0


def test_look_at_straight_down_is_rigid():
    pose = look_at([1, 1, 2], [1, 1, 0])
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.isclose(np.linalg.det(pose), 1)


def test_behind_the_camera_is_negative():
    assert project([0.0, 0, -1], K, np.eye(4))[1] < 0


def test_scaled_intrinsics_see_the_same_ray():
    scaled = scale_intrinsics(K, 2.0, 0.5)
    uv, _ = project([0.3, -0.2, 2.0], K, np.eye(4))
    uv_scaled, _ = project([0.3, -0.2, 2.0], scaled, np.eye(4))
    np.testing.assert_allclose((uv_scaled + 0.5) / [2.0, 0.5], uv + 0.5)
