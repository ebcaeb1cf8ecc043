"""Tokens of true poses say what those of a prior say: places and turns in the frame of the first camera."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loc3r.geometry.bev import BevFrame
from loc3r.priors.pose_token import pose_tokens
from loc3r.scenes.oracle import oracle_tokens


def _camera(heading_rad: float, place_m: tuple[float, float, float]) -> NDArray[np.float64]:
    """A level camera-to-world pose (4, 4), OpenCV axes, that looks along a heading."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = (sin, -cos, 0), (0, 0, -1), (cos, sin, 0), place_m
    return pose


@given(st.floats(-3.1, 3.1), st.floats(-3.1, 3.1), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.5, 2.5))
def test_a_walk_is_told_as_a_prior_tells_it(
    first: float, turn: float, ahead: float, left: float, height: float
) -> None:
    cos, sin = np.cos(first), np.sin(first)
    place_m = (1 + cos * ahead - sin * left, -2 + sin * ahead + cos * left, height)
    poses = np.stack([_camera(first, (1.0, -2.0, 1.5)), _camera(first + turn, place_m)])
    told = oracle_tokens(poses, BevFrame.from_first_pose(poses[0]))
    places, angles = np.array([[0, 0, 1.5], [-left, ahead, height]]), np.array([[0, 0, 0], [turn, 0, 0]])
    assert told == pytest.approx(pose_tokens(places, angles), abs=1e-5)
