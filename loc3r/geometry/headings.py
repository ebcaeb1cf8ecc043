"""Headings: radians in [-pi, pi), counter-clockwise from +x, the direction that the person looks along."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray


@overload
def wrap_rad(angle_rad: float) -> float: ...
@overload
def wrap_rad(angle_rad: NDArray[Any]) -> NDArray[np.float64]: ...
def wrap_rad(angle_rad: float | NDArray[Any]) -> float | NDArray[np.float64]:
    """The same angle in [-pi, pi); a number gives a number, an array an array of its shape."""
    turned = np.mod(np.asarray(angle_rad, np.float64) + np.pi, 2 * np.pi) - np.pi
    turned = np.where(turned >= np.pi, -np.pi, turned)  # rounding turns -1e-17 into +pi
    return float(turned) if turned.ndim == 0 else turned


def angle_between_deg(a_rad: ArrayLike, b_rad: ArrayLike) -> NDArray[np.float64]:
    """Smallest angle between headings, in degrees in [0, 180]; shapes broadcast."""
    difference = np.asarray(a_rad, np.float64) - np.asarray(b_rad, np.float64)
    return np.rad2deg(np.abs(np.atleast_1d(wrap_rad(difference)))).reshape(difference.shape)


def heading_from_sqa3d(rotation: Mapping[str, float]) -> float:
    """Heading of an SQA3D quaternion, read by key: its files and its code order the four numbers differently.

    SQA3D's arrow looks along -x before it is turned, so half a turn is added (measured against the
    objects that situation texts say are faced: 9 degrees median error this way, 171 without).
    """
    return wrap_rad(2 * float(np.arctan2(rotation["_z"], rotation["_w"])) + np.pi)


def sqa3d_from_heading(heading_rad: float) -> dict[str, float]:
    """The SQA3D quaternion of a heading: the inverse of ``heading_from_sqa3d``."""
    half = (heading_rad - np.pi) / 2
    return {"_x": 0.0, "_y": 0.0, "_z": float(np.sin(half)), "_w": float(np.cos(half))}


def turn_matrix(angle_rad: float) -> NDArray[np.float64]:
    """Turns points of the floor plane counter-clockwise, (2, 2); its columns are the turned axes."""
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[cos, -sin], [sin, cos]])
