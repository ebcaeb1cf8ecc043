"""Where a person can stand and walk: the free floor as a grid of 5 cm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from loc3r.synth.boxes import bottom_m, is_flat
from loc3r.synth.room import Floats, RoomObject

Cells = NDArray[np.bool_]

CELL_M = 0.05
PERSON_M = 0.2
"""Radius that a walking person needs."""
HEAD_M = 1.75
"""What hangs higher than this is walked under."""
DOORSTEP_M = 0.4
"""A person at a door stands this far from it."""
REACH_M = 0.75
"""How near to a piece of furniture one must get to use it."""
SEATS = frozenset({"chair", "office chair", "stool", "child chair", "high chair"})
"""Seats are pulled out to be used, so none needs room of its own to be reached."""
ALL_ROUND = frozenset(
    {"bed", "table", "coffee table", "mattress", "pool table", "ping pong table", "foosball table", "crib"}
)
"""Furniture that is used from any side; the rest only from the front."""


class Floor:
    """The floor of a room of ``size_m`` as cells (rows along y, columns along x)."""

    def __init__(self, size_m: Sequence[float]) -> None:
        self.size_m = (float(size_m[0]), float(size_m[1]))
        columns, rows = (int(np.floor(side / CELL_M)) for side in self.size_m)
        x, y = (np.arange(columns) + 0.5) * CELL_M, (np.arange(rows) + 0.5) * CELL_M
        self.points_m: Floats = np.stack(np.meshgrid(x, y), -1)
        """Centres of the cells, (rows, columns, 2)."""
        walls = np.minimum(self.points_m, np.array(self.size_m) - self.points_m).min(-1)
        self.open: Cells = walls >= PERSON_M
        """Cells where a person fits in the empty room, (rows, columns)."""

    def taken_by(self, thing: RoomObject, radius_m: float = PERSON_M) -> Cells:
        """Cells (rows, columns) where a person would run into that thing."""
        return np.asarray(thing.distance_xy_m(self.points_m) < radius_m)

    def free(self, things: Iterable[RoomObject], radius_m: float = PERSON_M) -> Cells:
        """Cells (rows, columns) where a person can stand among those things."""
        free = self.open.copy()
        for thing in things:
            if blocks(thing):
                free &= ~self.taken_by(thing, radius_m)
        return free

    def cell_at(self, point_m: Sequence[float] | Floats) -> tuple[int, int]:
        """Row and column of the cell that holds a point of the floor."""
        rows, columns = self.open.shape
        column, row = (int(value // CELL_M) for value in point_m[:2])
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def connected(self, free: Cells, point_m: Sequence[float] | Floats) -> Cells:
        """The free cells (rows, columns) that can be walked to from a point; none if it is taken."""
        labels = ndimage.label(free)[0]
        label = labels[self.cell_at(point_m)]
        return np.asarray(labels == label) if label else np.zeros_like(free)

    def access(self, thing: RoomObject) -> Cells:
        """Cells (rows, columns) from which a person uses that thing: near it, and not behind it."""
        near = thing.distance_xy_m(self.points_m) <= REACH_M
        if thing.name in ALL_ROUND:
            return np.asarray(near)
        along, across = np.moveaxis(thing.local_xy(self.points_m), -1, 0)
        in_front = (along > thing.size_m[1] / 2) & (np.abs(across) <= thing.size_m[0] / 2 + PERSON_M)
        return np.asarray(near & in_front)


def blocks(thing: RoomObject) -> bool:
    """Whether a walking person must go around that thing."""
    return thing.kind == "furniture" and not is_flat(thing) and bottom_m(thing) < HEAD_M


def is_main(thing: RoomObject) -> bool:
    """Whether that thing must be within reach: furniture proper, not a seat or an ornament."""
    if thing.kind != "furniture" or thing.support_id is not None or is_flat(thing) or bottom_m(thing) > 0.6:
        return False
    return thing.name not in SEATS and thing.size_m[0] * thing.size_m[1] >= 0.2


def doorstep(door: RoomObject) -> Floats:
    """The place (2,) where a person stands who has just come in by that door."""
    return np.array(door.center_m[:2]) + door.front * (door.size_m[1] / 2 + DOORSTEP_M)


def walkable(
    size_m: Sequence[float], things: Sequence[RoomObject], entry_m: Floats | None = None
) -> tuple[Floor, Cells]:
    """The floor and the cells (rows, columns) that can be walked to from ``entry_m`` (2,), or the first door."""
    floor = Floor(size_m)
    if entry_m is None:
        entry_m = doorstep(next(thing for thing in things if thing.name == "door"))
    return floor, floor.connected(floor.free(things), entry_m)
