"""Upright boxes that must not run into each other: the geometry that furnishing rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from loc3r.synth.room import Floats, RoomObject

TOUCH_M = 0.002
"""Boxes that share less than this touch; they don't intersect."""
FLAT_M = 0.035
"""A thing on the floor that is no higher than this is walked on and stood on: a rug."""


def is_flat(thing: RoomObject) -> bool:
    """Whether people and furniture stand on it as on the floor."""
    return thing.size_m[2] <= FLAT_M and thing.support_id is None and thing.center_m[2] < FLAT_M


def bottom_m(thing: RoomObject) -> float:
    """Height of its underside."""
    return thing.center_m[2] - thing.size_m[2] / 2


def top_m(thing: RoomObject) -> float:
    """Height of its highest point."""
    return thing.center_m[2] + thing.size_m[2] / 2


def footprints_overlap(a: RoomObject, b: RoomObject) -> bool:
    """Whether two footprints share more than a touch (separating axes)."""
    dx, dy = b.center_m[0] - a.center_m[0], b.center_m[1] - a.center_m[1]
    if math.hypot(dx, dy) >= (math.hypot(*a.size_m[:2]) + math.hypot(*b.size_m[:2])) / 2:
        return False
    for yaw in (a.yaw_rad, a.yaw_rad + math.pi / 2, b.yaw_rad, b.yaw_rad + math.pi / 2):
        reach = _reach_m(a, yaw) + _reach_m(b, yaw) - TOUCH_M
        if abs(dx * math.cos(yaw) + dy * math.sin(yaw)) >= reach:
            return False
    return True


def intersect(a: RoomObject, b: RoomObject) -> bool:
    """Whether two boxes share more than a touch."""
    if bottom_m(a) >= top_m(b) - TOUCH_M or bottom_m(b) >= top_m(a) - TOUCH_M:
        return False
    return footprints_overlap(a, b)


def collides(box: RoomObject, others: Iterable[RoomObject]) -> bool:
    """Whether a box runs into any other that is not what it stands on, nor a rug, nor stands on it."""
    return any(
        intersect(box, other)
        for other in others
        if is_flat(box) == is_flat(other) and box.support_id != other.object_id and other.support_id != box.object_id
    )


def inside_room(box: RoomObject, size_m: tuple[float, float, float]) -> bool:
    """Whether the box stays between floor, ceiling and walls."""
    corners = box.footprint_m
    low, high = corners.min(0), corners.max(0)
    on_plan = bool((low >= -TOUCH_M).all() and (high <= np.array(size_m[:2]) + TOUCH_M).all())
    return on_plan and bottom_m(box) >= -TOUCH_M and top_m(box) <= size_m[2] + TOUCH_M


def inside_rectangle(box: RoomObject, support: RoomObject, area_m: tuple[float, float, float, float]) -> bool:
    """Whether a footprint lies within a rectangle (min x, min y, max x, max y) of the support's own frame."""
    local = support.local_xy(box.footprint_m)
    low, high = np.array(area_m[:2]) - TOUCH_M, np.array(area_m[2:]) + TOUCH_M
    return bool((local >= low).all() and (local <= high).all())


def in_front_of(anchor: RoomObject, out_m: float, left_m: float = 0.0) -> tuple[float, float]:
    """The point that lies so far out of a thing's front (from its centre) and to its left."""
    point: Floats = np.array(anchor.center_m[:2]) + anchor.front * out_m
    point = point + np.array([-anchor.front[1], anchor.front[0]]) * left_m
    return float(point[0]), float(point[1])


def _reach_m(box: RoomObject, yaw_rad: float) -> float:
    """Half the length of the box's shadow on an axis."""
    turn = yaw_rad - box.yaw_rad
    return (box.size_m[1] * abs(math.cos(turn)) + box.size_m[0] * abs(math.sin(turn))) / 2
