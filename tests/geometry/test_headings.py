from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loc3r.geometry.headings import angle_between_deg, heading_from_sqa3d, sqa3d_from_heading, wrap_rad

ANGLES = st.floats(-50, 50)


@given(ANGLES)
def test_wrapped_is_the_same_direction_in_range(angle):
    wrapped = wrap_rad(angle)
    assert isinstance(wrapped, float) and -np.pi <= wrapped < np.pi
    np.testing.assert_allclose([np.cos(wrapped), np.sin(wrapped)], [np.cos(angle), np.sin(angle)], atol=1e-9)


def test_the_range_is_half_open():
    assert wrap_rad(np.pi) == wrap_rad(-np.pi) == -np.pi
    assert wrap_rad(-np.pi - 1e-17) == -np.pi and wrap_rad(np.nextafter(-np.pi, -4)) < np.pi
    assert wrap_rad(np.zeros((2, 3))).shape == (2, 3)


@given(ANGLES)
def test_sqa3d_round_trip(heading):
    assert angle_between_deg(heading_from_sqa3d(sqa3d_from_heading(heading)), heading) < 1e-6


def test_sqa3d_looks_along_minus_x_and_is_read_by_key():
    assert heading_from_sqa3d({"_x": 0, "_y": 0, "_z": 0, "_w": 1}) == -np.pi
    quarter = np.sqrt(0.5)
    assert np.isclose(heading_from_sqa3d({"_w": quarter, "_z": quarter, "_y": 0, "_x": 0}), -np.pi / 2)
    assert np.isclose(heading_from_sqa3d({"_w": -quarter, "_z": -quarter}), -np.pi / 2)  # q and -q turn alike


@given(ANGLES, ANGLES, ANGLES)
def test_angle_between_is_symmetric_bounded_and_blind_to_a_common_turn(a, b, turn):
    angle = angle_between_deg(a, b)
    assert 0 <= angle <= 180
    np.testing.assert_allclose(angle, angle_between_deg(b, a), atol=1e-6)
    np.testing.assert_allclose(angle, angle_between_deg(a + turn, b + turn), atol=1e-6)


def test_angle_between_goes_the_short_way_round_and_broadcasts():
    assert np.isclose(angle_between_deg(np.deg2rad(179), np.deg2rad(-179)), 2)
    assert angle_between_deg(np.zeros((4, 1)), np.ones(3)).shape == (4, 3)
