"""The bird's-eye frame of a video: the one place that defines it.

Origin: the first camera's centre dropped to the floor. +y: the first camera's optical axis projected on
the floor; +x: to its right; metres. Heights are above the floor. With ``data.bird_eye_yaw=scan`` +x and +y are those of
the scan's own poses instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loc3r.errors import PoseError
from loc3r.geometry.headings import wrap_rad

Floats = NDArray[np.float64]
Yaw = Literal["first_camera", "scan"]
"""Where the axes point: by the first camera, or as those of the scan's own poses (``data.bird_eye_yaw``)."""
VERTICAL_LIMIT_DEG = 6.0
"""Nearer than this to the vertical, an optical axis has no reliable direction on the floor."""


@dataclass(frozen=True)
class BevFrame:
    """Where the bird's-eye frame lies in the world (z up)."""

    origin_x_m: float
    origin_y_m: float
    yaw_rad: float
    """World heading of the frame's +x axis; unless the axes are the scan's, the first camera looks along
    ``yaw_rad + pi / 2``."""
    floor_z_m: float = 0.0

    @classmethod
    def from_first_pose(cls, cam_to_world: NDArray[Any], floor_z_m: float = 0.0, yaw: Yaw = "first_camera") -> BevFrame:
        """The frame of a video whose first camera-to-world pose (4, 4), OpenCV axes, is given.

        Raises:
            PoseError: the pose holds NaN or infinity.
        """
        pose = np.asarray(cam_to_world, np.float64)
        if pose.shape != (4, 4) or not np.isfinite(pose).all():
            raise PoseError("the first pose is unusable", received=pose.tolist(), expected="a finite 4x4 matrix")
        yaw_rad = 0.0
        if yaw == "first_camera":
            ahead = _floor_direction(pose[:3, :3])
            yaw_rad = wrap_rad(float(np.arctan2(ahead[1], ahead[0])) - np.pi / 2)
        return cls(float(pose[0, 3]), float(pose[1, 3]), yaw_rad, float(floor_z_m))

    @property
    def _origin(self) -> Floats:
        return np.array([self.origin_x_m, self.origin_y_m])

    def from_world(self, points_m: ArrayLike) -> Floats:
        """World points (..., 2) or (..., 3) as bird's-eye points (..., 2)."""
        offset = np.asarray(points_m, np.float64)[..., :2] - self._origin
        return np.asarray(offset @ _rotation(self.yaw_rad))

    def to_world(self, points_m: ArrayLike) -> Floats:
        """Bird's-eye points (..., 2) as world points (..., 2)."""
        turned = np.asarray(points_m, np.float64) @ _rotation(self.yaw_rad).T
        return np.asarray(turned + self._origin)

    def heading_from_world(self, heading_rad: float) -> float:
        """A world heading as a bird's-eye heading."""
        return wrap_rad(heading_rad - self.yaw_rad)

    def heading_to_world(self, heading_rad: float) -> float:
        """A bird's-eye heading as a world heading."""
        return wrap_rad(heading_rad + self.yaw_rad)


def _rotation(angle_rad: float) -> Floats:
    """Counter-clockwise rotation (2, 2) of column vectors; of row vectors, its transpose."""
    c, s = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[c, -s], [s, c]])


def _floor_direction(rotation: Floats) -> Floats:
    """Direction (2,) of the optical axis on the floor.

    A camera that looks at its feet has its image's up direction ahead of it. One that looks at the
    ceiling has it behind: its image's down direction is taken, so that +x stays to the camera's right.
    """
    axis, image_up = rotation[:, 2], -rotation[:, 1]
    if np.hypot(axis[0], axis[1]) >= np.sin(np.deg2rad(VERTICAL_LIMIT_DEG)):
        return axis[:2]
    return image_up[:2] if axis[2] < 0 else -image_up[:2]
