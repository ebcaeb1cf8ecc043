"""Layout boxes, which may lean, as upright ones in a room's own frame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loc3r.datasets.records import BoxRecord, SceneRecord
from loc3r.errors import SceneError
from loc3r.geometry.headings import turn_matrix
from loc3r.synth.room import Floats

FLOOR_PERCENTILE = 10
"""Few undersides lie below the floor: those of boxes that lean."""
MARGIN_M = 0.05
"""From the outermost thing to the wall."""
AROUND_PEOPLE_M = 0.3
"""From a speaker to the wall, at least."""
LOWEST_ROOM_M = 2.4
LARGEST_ROOM_M = 60.0
"""No scan is of a larger one: a box or a speaker that lies so far off is a fault of its file."""
AT_WALL_M = 0.3
"""What is so near a side of the room stands at its wall."""


@dataclass(frozen=True)
class Upright:
    """An upright box: its class, centre (x, y, z), sides along ``yaw_rad``, across it and up."""

    name: str
    center_m: tuple[float, float, float]
    size_m: tuple[float, float, float]
    yaw_rad: float

    @property
    def bottom_m(self) -> float:
        """Height of its underside."""
        return self.center_m[2] - self.size_m[2] / 2

    @property
    def corners_m(self) -> Floats:
        """Its footprint, (4, 2)."""
        along = np.array([math.cos(self.yaw_rad), math.sin(self.yaw_rad)]) * self.size_m[0] / 2
        across = np.array([-math.sin(self.yaw_rad), math.cos(self.yaw_rad)]) * self.size_m[1] / 2
        corners = np.stack([-along - across, along - across, along + across, -along + across])
        return np.asarray(corners + np.array(self.center_m[:2]))


@dataclass(frozen=True, eq=False)
class Layout:
    """A real room's boxes in the room frame of ``loc3r.synth.room``, and the way back."""

    things: tuple[Upright, ...]
    size_m: tuple[float, float, float]
    raw_from_room: Floats


def has_shape(box: BoxRecord) -> bool:
    """Whether a box is one: its axes at right angles, its lengths not below 0 (it may be flat) and no room's."""
    axes = np.reshape(box.normalized_axes, (3, 3))
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.allclose(axes @ axes.T, np.eye(3), atol=0.05)
    return bool(squared and min(box.axes_lengths) >= 0 and max(box.axes_lengths) <= LARGEST_ROOM_M)


def upright(name: str, box: BoxRecord) -> Upright:
    """The upright box of a leaning one: the smallest rectangle around its footprint, and its typical height.

    So whoever is inside the leaning box, seen from above, is inside the upright one. The height is that of the
    ellipsoid with the box's axes: a box that leans is higher than what it holds.
    """
    corners = box.corners_m[:, :2]
    axes, lengths = np.array(box.normalized_axes).reshape(3, 3), np.array(box.axes_lengths)
    yaws = [math.atan2(axis[1], axis[0]) for axis in axes if math.hypot(axis[0], axis[1]) > 1e-6]
    rectangles = [(_extents(corners, yaw), yaw) for yaw in yaws]
    (low, high), yaw = min(rectangles, key=lambda found: float(np.prod(found[0][1] - found[0][0])))
    center = turn_matrix(yaw) @ ((low + high) / 2)
    height = float(np.linalg.norm(axes[:, 2] * lengths))
    size = (float(high[0] - low[0]), float(high[1] - low[1]), height)
    return Upright(name, (float(center[0]), float(center[1]), float(box.centroid[2])), size, yaw)


def layout_of(
    scene: SceneRecord, names: Iterable[str], people_m: Sequence[tuple[float, float]], floor_m2: float = 0.0
) -> Layout:
    """A scene's boxes of these classes in a rectangular room that holds them and the people (x, y).

    The walls follow the boxes' main direction; nothing more is known of them, but perhaps how much floor they enclose.

    Raises:
        SceneError: no room is so large.
    """
    raw = [upright(name, box) for name in names for box in scene.object_bbox.get(name, ()) if has_shape(box)]
    yaw = main_direction_rad(raw)
    turn = turn_matrix(-yaw)
    people = np.array(people_m, float).reshape(-1, 2) @ turn.T
    corners = np.concatenate([thing.corners_m for thing in raw]) @ turn.T
    low = np.min([corners.min(0) - MARGIN_M, *(people - AROUND_PEOPLE_M)], axis=0)
    high = np.max([corners.max(0) + MARGIN_M, *(people + AROUND_PEOPLE_M)], axis=0)
    low, high = widened(low, high, corners, floor_m2)
    floor_m = floor_height_m(raw)
    top_m = max(thing.center_m[2] + thing.size_m[2] / 2 for thing in raw)
    room_from_raw = np.eye(4)
    room_from_raw[:2, :2] = turn
    room_from_raw[:3, 3] = -low[0], -low[1], -floor_m
    things = tuple(_moved(thing, room_from_raw, yaw) for thing in raw)
    size = (float(high[0] - low[0]), float(high[1] - low[1]), max(LOWEST_ROOM_M, top_m - floor_m + MARGIN_M))
    if not all(side <= LARGEST_ROOM_M for side in size):
        received = " x ".join(f"{side:.3g}" for side in size) + " m around all boxes and speakers"
        raise SceneError("no room is so large", received=received, expected=f"at most {LARGEST_ROOM_M:g} m a side")
    return Layout(things, size, np.asarray(np.linalg.inv(room_from_raw), np.float64))


def main_direction_rad(things: Iterable[Upright]) -> float:
    """The direction, up to quarter turns, that long things lie along; 0 where all are square."""
    total = sum(abs(thing.size_m[0] - thing.size_m[1]) * np.exp(4j * thing.yaw_rad) for thing in things)
    return float(np.angle(total)) / 4


def widened(low_m: Floats, high_m: Floats, corners_m: Floats, floor_m2: float) -> tuple[Floats, Floats]:
    """Lowest and highest corner (2,) of a rectangle that has at least so much floor.

    It grows as much along x as along y, on the side where fewer corners (N, 2) of things stand at the wall.
    """
    width, depth = (high_m - low_m).tolist()
    more = max(0.0, (math.hypot(width - depth, 2 * math.sqrt(max(floor_m2, 0.0))) - width - depth) / 2)
    fewer_low = (corners_m - low_m < AT_WALL_M).sum(0) < (high_m - corners_m < AT_WALL_M).sum(0)
    return low_m - more * fewer_low, high_m + more * ~fewer_low


def floor_height_m(things: Sequence[Upright]) -> float:
    """Height of the floor, told from the undersides."""
    return float(np.percentile([thing.bottom_m for thing in things], FLOOR_PERCENTILE))


def _moved(thing: Upright, room_from_raw: Floats, yaw_rad: float) -> Upright:
    x, y, z, _ = (room_from_raw @ [*thing.center_m, 1.0]).tolist()
    return replace(thing, center_m=(x, y, z), yaw_rad=thing.yaw_rad - yaw_rad)


def _extents(corners: Floats, yaw_rad: float) -> tuple[Floats, Floats]:
    """Lowest and highest corner (2,) of points in axes turned by ``yaw_rad``."""
    turned = corners @ turn_matrix(yaw_rad)
    return turned.min(0), turned.max(0)
