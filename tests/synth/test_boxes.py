"""Boxes run into each other exactly where points of one lie inside the other."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loc3r.synth.boxes import collides, footprints_overlap, inside_room
from loc3r.synth.room import RoomObject

sides = st.floats(0.05, 2.5)
places = st.floats(-2, 2)
turns = st.floats(-math.pi, math.pi)


def thing(x: float, y: float, width: float, depth: float, yaw: float, **more: object) -> RoomObject:
    return RoomObject(1, "box", "furniture", (x, y, 0.5), (width, depth, 1.0), yaw, **more)  # type: ignore[arg-type]


def lattice(box: RoomObject, shrink_m: float) -> NDArray[np.float64]:
    """Points (400, 2) over a footprint that is ``shrink_m`` smaller on each side."""
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 20)] * 2), -1).reshape(-1, 2)
    half = np.maximum(np.array([box.size_m[1], box.size_m[0]]) / 2 - shrink_m, 0)
    left = np.array([-box.front[1], box.front[0]])
    return np.array(box.center_m[:2]) + (steps * half) @ np.stack([box.front, left])


@settings(max_examples=200, deadline=None)
@given(places, places, sides, sides, turns, sides, sides, turns)
def test_boxes_apart_share_no_point(
    x: float, y: float, w: float, d: float, yaw: float, w2: float, d2: float, yaw2: float
) -> None:
    a, b = thing(0, 0, w, d, yaw), thing(x, y, w2, d2, yaw2)
    share = bool((b.distance_xy_m(lattice(a, 0.01)) == 0).any() or (a.distance_xy_m(lattice(b, 0.01)) == 0).any())
    assert footprints_overlap(a, b) == footprints_overlap(b, a)
    if share and min(w, d, w2, d2) > 0.05:
        assert footprints_overlap(a, b)


def test_boxes_that_cross_overlap_though_neither_holds_a_corner_of_the_other() -> None:
    long = thing(0, 0, 3, 0.2, 0)
    assert footprints_overlap(long, thing(0, 0, 3, 0.2, math.pi / 2))
    assert not footprints_overlap(long, thing(0.2, 0, 3, 0.2, 0))  # side by side: they touch


def test_a_rug_lies_under_furniture_but_not_under_a_rug() -> None:
    rug = RoomObject(1, "rug", "furniture", (0, 0, 0.01), (2, 2, 0.02), 0.0)
    table = RoomObject(2, "table", "furniture", (0, 0, 0.4), (1, 1, 0.8), 0.0)
    cup = RoomObject(3, "cup", "furniture", (0, 0, 0.75), (0.1, 0.1, 0.1), 0.0, support_id=2)
    assert not collides(table, [rug])
    assert collides(RoomObject(4, "rug", "furniture", (0.5, 0, 0.01), (2, 2, 0.02), 0.0), [rug])
    assert not collides(cup, [table])
    assert collides(RoomObject(5, "vase", "furniture", (0.05, 0, 0.8), (0.1, 0.1, 0.2), 0.0, support_id=2), [cup])


def test_a_turned_box_reaches_through_the_wall_with_its_corner() -> None:
    size = (3.0, 3.0, 2.5)
    assert inside_room(thing(0.5, 1.5, 1, 1, 0), size)
    assert not inside_room(thing(0.5, 1.5, 1, 1, math.pi / 4), size)
    assert not inside_room(RoomObject(1, "lamp", "furniture", (1, 1, 2.3), (0.2, 0.2, 0.6), 0.0), size)
