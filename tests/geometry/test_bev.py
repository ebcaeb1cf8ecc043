from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.errors import PoseError
from loc3r.geometry.bev import VERTICAL_LIMIT_DEG, BevFrame
from loc3r.geometry.camera import look_at
from loc3r.geometry.headings import angle_between_deg

METRES = st.floats(-20, 20)
ANGLES = st.floats(-np.pi, np.pi)
TILTS = st.floats(-1.3, 1.3)


def pose_at(x, y, heading, tilt):
    ahead = [np.cos(heading) * np.cos(tilt), np.sin(heading) * np.cos(tilt), np.sin(tilt)]
    return look_at([x, y, 1.5], np.array([x, y, 1.5]) + ahead)


def world_turn(angle, x=0.0, y=0.0):
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:2, 3] = (x, y)
    return turn


@given(METRES, METRES, ANGLES, TILTS, METRES, METRES, ANGLES)
def test_round_trips(x, y, heading, tilt, px, py, other):
    bev = BevFrame.from_first_pose(pose_at(x, y, heading, tilt))
    np.testing.assert_allclose(bev.to_world(bev.from_world([px, py])), [px, py], atol=1e-9)
    assert angle_between_deg(bev.heading_to_world(bev.heading_from_world(other)), other) < 1e-6


@given(METRES, METRES, ANGLES, TILTS)
def test_first_camera_stands_at_the_origin_and_looks_along_plus_y(x, y, heading, tilt):
    pose = pose_at(x, y, heading, tilt)
    bev = BevFrame.from_first_pose(pose)
    np.testing.assert_allclose(bev.from_world(pose[:3, 3]), 0, atol=1e-9)
    assert angle_between_deg(bev.heading_from_world(heading), np.pi / 2) < 1e-6
    np.testing.assert_allclose(bev.from_world(pose[:3, 3] + pose[:3, 0]), [1, 0], atol=1e-9)  # its right is +x


@given(METRES, METRES, ANGLES, TILTS, METRES, METRES, ANGLES)
def test_the_scan_s_own_axes_lie_below_the_first_camera_too(x, y, heading, tilt, px, py, other):
    bev = BevFrame.from_first_pose(pose_at(x, y, heading, tilt), 0.2, "scan")
    np.testing.assert_allclose(bev.from_world([px, py, 1.0]), [px - x, py - y], atol=1e-9)
    assert angle_between_deg(bev.heading_from_world(other), other) < 1e-6
    assert bev.floor_z_m == 0.2


@given(METRES, METRES, ANGLES, TILTS, METRES, METRES, ANGLES, METRES, METRES)
def test_turning_and_moving_the_world_changes_nothing(x, y, heading, tilt, px, py, turn, dx, dy):
    pose, world = pose_at(x, y, heading, tilt), world_turn(turn, dx, dy)
    here, there = BevFrame.from_first_pose(pose), BevFrame.from_first_pose(world @ pose)
    moved = (world @ [px, py, 0.3, 1])[:3]
    np.testing.assert_allclose(here.from_world([px, py, 0.3]), there.from_world(moved), atol=1e-7)
    assert angle_between_deg(here.heading_from_world(0.4), there.heading_from_world(0.4 + turn)) < 1e-5


@given(ANGLES, st.booleans())
def test_a_camera_that_looks_straight_down_or_up_keeps_its_right(heading, down):
    ahead = np.array([np.cos(heading), np.sin(heading), 0])
    right, vertical = np.array([ahead[1], -ahead[0], 0]), np.array([0, 0, -1.0 if down else 1.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(vertical, right), vertical], -1)
    bev = BevFrame.from_first_pose(pose)
    np.testing.assert_allclose(bev.from_world(ahead), [0, 1], atol=1e-9)
    np.testing.assert_allclose(bev.from_world(right), [1, 0], atol=1e-9)


@pytest.mark.parametrize("side", [-1, 1])
def test_nothing_jumps_where_the_fall_back_begins(side):
    tilts = side * np.deg2rad(90 - VERTICAL_LIMIT_DEG + np.array([-0.01, 0.01]))
    before, after = (BevFrame.from_first_pose(pose_at(1, 2, 0.8, tilt)) for tilt in tilts)
    assert angle_between_deg(before.yaw_rad, after.yaw_rad) < 1e-6


def test_a_roll_near_the_vertical_follows_the_image_not_the_axis():
    tilted = pose_at(0, 0, 0.5, -np.deg2rad(88))  # the axis alone would say 0.5 rad
    roll = np.eye(4)
    roll[:2, :2] = world_turn(0.9)[:2, :2]
    bev = BevFrame.from_first_pose(tilted @ roll)
    assert angle_between_deg(bev.heading_to_world(np.pi / 2), 0.5 - 0.9) < 3


def test_a_pose_of_nan_is_an_error():
    with pytest.raises(PoseError, match="unusable"):
        BevFrame.from_first_pose(np.full((4, 4), np.nan))


def test_shapes_are_kept():
    bev = BevFrame.from_first_pose(pose_at(1, 2, 0.3, 0))
    assert bev.from_world(np.zeros((5, 4, 3))).shape == (5, 4, 2) == bev.to_world(np.zeros((5, 4, 2))).shape
