"""Quarter turns of a camera: a phone held sideways records sideways; its image, intrinsics and pose turn together.

A turn is counter-clockwise, as in ``numpy.rot90``; the centre of the top left pixel is (0, 0).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ONE_TURN = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
"""Columns: the turned camera's axes in the camera before. Its right was down, its down was left."""


def turns_upright(poses: NDArray[Any]) -> int:
    """Quarter turns (0 to 3) that bring images upright, from camera-to-world poses (N, 4, 4) in a world with z up.

    Poses that hold NaN are passed over; the mean of the others decides, so that a glance at the floor does not.
    """
    known = poses[np.isfinite(poses).all((1, 2))]
    if not len(known):
        return 0
    x, y, _ = known[:, 2, :3].mean(0)  # the world's up, in the camera
    return int(np.argmax([-y, x, y, -x]))


def turn_intrinsics(intrinsics: NDArray[Any], size_px: tuple[int, int], turns: int) -> Floats:
    """Intrinsics (3, 3) of images of ``size_px`` (width, height) after so many quarter turns."""
    turned = np.array(intrinsics, np.float64)
    width, height = size_px
    for _ in range(turns % 4):
        turned[[0, 1], [0, 1]] = turned[[1, 0], [1, 0]]
        turned[:2, 2] = turned[1, 2], width - 1 - turned[0, 2]
        width, height = height, width
    return turned


def turn_pose(cam_to_world: NDArray[Any], turns: int) -> Floats:
    """The camera-to-world pose (4, 4) of the turned camera."""
    return np.asarray(cam_to_world @ np.linalg.matrix_power(_ONE_TURN, turns % 4), np.float64)


def turn_size(size_px: tuple[int, int], turns: int) -> tuple[int, int]:
    """Width and height after so many quarter turns."""
    return size_px if turns % 2 == 0 else size_px[::-1]
