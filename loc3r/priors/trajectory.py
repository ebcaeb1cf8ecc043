"""From camera poses to the motion that the prior is supervised with: pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def steps_and_attitude(poses: Floats) -> tuple[Floats, Floats]:
    """Supervision from camera-to-world poses (T, 4, 4), z up, floor at z = 0.

    Returns:
        steps (T, 4): forward, left, up in metres and turn in radians since the frame before, seen from the
        gravity-aligned camera before (zeros first); attitude (T, 3): height in metres, pitch and roll in radians.
    """
    forward, down, right, place = poses[:, :3, 2], poses[:, :3, 1], poses[:, :3, 0], poses[:, :3, 3]
    heading = np.arctan2(forward[:, 1], forward[:, 0])
    pitch = np.arcsin(np.clip(forward[:, 2], -1, 1))
    roll = np.arctan2(right[:, 2], -down[:, 2])
    moved = np.diff(place, axis=0)
    cos, sin = np.cos(heading[:-1]), np.sin(heading[:-1])
    ahead = moved[:, 0] * cos + moved[:, 1] * sin
    left = -moved[:, 0] * sin + moved[:, 1] * cos
    turn = (np.diff(heading) + np.pi) % (2 * np.pi) - np.pi
    steps = np.concatenate([np.zeros((1, 4)), np.stack([ahead, left, moved[:, 2], turn], -1)])
    return steps, np.stack([place[:, 2], pitch, roll], -1)


def mirrored(steps: Floats, attitude: Floats) -> tuple[Floats, Floats]:
    """The motion seen in a mirror: what flipping the frames left to right makes of it."""
    return steps * [1, -1, 1, -1], attitude * [1, 1, -1]
