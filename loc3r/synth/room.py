"""A furnished room as plain data: what the layout makes, the renderer draws and the language talks about.

Coordinates are the *room frame*: metres, z up, the floor is z = 0 and one floor corner is the origin
(0 <= x <= width, 0 <= y <= depth). ``raw_from_room`` carries it into the scan's own frame, as ScanNet's
un-aligned scans are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ObjectKind = Literal["structure", "opening", "furniture"]


@dataclass(frozen=True)
class RoomObject:
    """One thing in a room: an upright box with a front.

    ``yaw_rad`` is the heading that the front looks along (counter-clockwise from +x); ``size_m`` is
    (width across the front, depth along it, height).
    """

    object_id: int
    name: str
    kind: ObjectKind
    center_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    yaw_rad: float
    model_id: str | None = None
    support_id: int | None = None
    """The object that this one stands on; None for the floor and the walls."""
    colour: str | None = None
    """Dominant colour as an English word."""

    @property
    def front(self) -> Floats:
        """Unit vector that the front looks along, (2,)."""
        return np.array([np.cos(self.yaw_rad), np.sin(self.yaw_rad)])

    @property
    def footprint_m(self) -> Floats:
        """Corners on the floor plane, counter-clockwise, (4, 2)."""
        forward = self.front * self.size_m[1] / 2
        left = np.array([-self.front[1], self.front[0]]) * self.size_m[0] / 2
        corners = np.stack([forward - left, forward + left, -forward + left, -forward - left])
        return np.asarray(corners + np.array(self.center_m[:2]))

    def local_xy(self, points_m: Floats) -> Floats:
        """Points (..., 2) seen from the box: first along the front, then to its left."""
        offset = np.asarray(points_m, float) - np.array(self.center_m[:2])
        left = np.array([-self.front[1], self.front[0]])
        return np.stack([offset @ self.front, offset @ left], -1)

    def distance_xy_m(self, points_m: Floats) -> Floats:
        """Distance on the floor plane from points (..., 2) to the footprint; 0 inside."""
        half = np.array([self.size_m[1], self.size_m[0]]) / 2
        outside = np.maximum(np.abs(self.local_xy(points_m)) - half, 0)
        return np.asarray(np.linalg.norm(outside, axis=-1))


@dataclass(frozen=True)
class Camera:
    """A pinhole camera's intrinsics, in pixels."""

    width_px: int
    height_px: int
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def matrix(self) -> Floats:
        """The 3x3 intrinsic matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1.0]])


@dataclass(frozen=True, eq=False)
class Room:
    """A furnished room and the walk through it.

    ``poses`` is (T, 4, 4) camera-to-room, OpenCV axes. ``objects`` holds structure (floor, ceiling, the
    four walls), openings (doors, windows) and furniture; ``object_id`` starts at 1 and is the instance id
    in the rendered masks.
    """

    scene_id: str
    room_kind: str
    seed: int
    size_m: tuple[float, float, float]
    objects: tuple[RoomObject, ...]
    poses: Floats
    camera: Camera
    raw_from_room: Floats
    """4x4 rigid transform (rotation about z and a translation)."""

    def by_id(self, object_id: int) -> RoomObject:
        """The object of that id."""
        return next(o for o in self.objects if o.object_id == object_id)

    @property
    def furniture(self) -> tuple[RoomObject, ...]:
        """What a person would call the things in the room: furniture only."""
        return tuple(o for o in self.objects if o.kind == "furniture")
