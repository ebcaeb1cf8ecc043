"""The four walls of a room as places to put things at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loc3r.synth.room import RoomObject


@dataclass(frozen=True)
class Wall:
    """A wall seen from inside: where it starts, the way along it, and the way it faces."""

    start_m: tuple[float, float]
    along: tuple[float, float]
    length_m: float
    facing_rad: float

    def point(self, along_m: float, out_m: float) -> tuple[float, float]:
        """The point of the floor that lies that far along the wall and out of it."""
        return (
            self.start_m[0] + self.along[0] * along_m + math.cos(self.facing_rad) * out_m,
            self.start_m[1] + self.along[1] * along_m + math.sin(self.facing_rad) * out_m,
        )

    def position_m(self, thing: RoomObject) -> float:
        """How far along the wall a thing's centre is."""
        offset = np.array(thing.center_m[:2]) - np.array(self.start_m)
        return float(offset @ np.array(self.along))


def walls_of(size_m: Sequence[float]) -> tuple[Wall, ...]:
    """South, east, north and west wall of a room."""
    width, depth = float(size_m[0]), float(size_m[1])
    return (
        Wall((0, 0), (1, 0), width, math.pi / 2),
        Wall((width, 0), (0, 1), depth, math.pi),
        Wall((0, depth), (1, 0), width, -math.pi / 2),
        Wall((0, 0), (0, 1), depth, 0.0),
    )
