"""A walk through a rebuilt room, and its video. Real rooms are fuller than ours, and their boxes wider than things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from loc3r.errors import SceneError
from loc3r.synth.floor import CELL_M, Floor, doorstep
from loc3r.synth.room import Floats, Room, RoomObject
from loc3r.synth.walk import Walk, walk

WALKS = 4
MOST_LOOKED_AT = 60
"""A plan can look out for no more things; the largest are chosen."""
SLIMMER_M = (0.1, 0.2, 0.35)
"""The walk passes things that are so much slimmer; the first that leaves some floor is taken."""
SLIMMEST_M = 0.05
LEAST_FLOOR_M2 = 1.5


def tour(room: Room, frames: int) -> Walk:
    """A walk of so many frames that sees as much of the room's furniture as planning finds; the same each time.

    Raises:
        SceneError: there is no floor to walk on.
    """
    planned, entry = _walkable(room)
    best: Walk | None = None
    for attempt in range(WALKS):
        found = walk(planned, frames, np.random.default_rng([room.seed, 2, attempt]), entry)
        if best is None or found.planned_share > best.planned_share:
            best = found
    assert best is not None
    return best


def _walkable(room: Room) -> tuple[Room, Floats]:
    """The room as the plan takes it, and a place to begin: the free floor that is nearest to a door."""
    floor = Floor(room.size_m)
    for planned in _slimmer(room):
        labels, count = ndimage.label(floor.free(planned.objects))
        areas = ndimage.sum_labels(np.ones(labels.shape), labels, range(1, count + 1)) if count else np.zeros(1)
        if areas.max() * CELL_M**2 >= LEAST_FLOOR_M2:
            points = floor.points_m[labels == int(areas.argmax()) + 1]
            steps = [doorstep(thing) for thing in room.objects if thing.name == "door"] or [points.mean(0)]
            gaps = np.linalg.norm(points[:, None] - np.stack(steps)[None], axis=-1).min(1)
            return planned, np.asarray(points[int(gaps.argmin())])
    raise SceneError("no floor to walk on", received=room.scene_id, expected=f"{LEAST_FLOOR_M2} m² between the things")


def _slimmer(room: Room) -> Iterator[Room]:
    """The room with the things to look at, and pieces of wall as things, ever slimmer."""
    largest = sorted(room.furniture, key=lambda thing: -float(np.prod(thing.size_m)))[:MOST_LOOKED_AT]
    kept = {thing.object_id for thing in largest}
    others = [thing for thing in room.objects if thing.kind != "furniture"]
    inside = [replace(thing, kind="furniture") for thing in others if _stands_inside(thing, room)]
    for less_m in SLIMMER_M:
        slim = [_slim(thing, less_m) for thing in room.furniture if thing.object_id in kept]
        walls = {thing.object_id: thing for thing in inside[: MOST_LOOKED_AT + 4 - len(slim)]}
        yield replace(room, objects=(*(walls.get(thing.object_id, thing) for thing in others), *slim))


def _slim(thing: RoomObject, less_m: float) -> RoomObject:
    width, depth, height = thing.size_m
    return replace(thing, size_m=(max(width - less_m, SLIMMEST_M), max(depth - less_m, SLIMMEST_M), height))


def _stands_inside(thing: RoomObject, room: Room) -> bool:
    x, y, _ = thing.center_m
    return thing.name == "wall" and 0 < x < room.size_m[0] and 0 < y < room.size_m[1]
