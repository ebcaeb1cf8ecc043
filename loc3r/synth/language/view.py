"""A room as the language sees it: what the video showed, what is called what, where one can stand.

Conventions: bearings are degrees counter-clockwise from where the speaker looks, so +90 is left. All
places are in the room frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loc3r.synth.language.nouns import SMALL_OBSTACLES
from loc3r.synth.room import Floats, Room, RoomObject

SEEN_SHARE = 0.002
"""A thing is seen where it covers this share of a frame."""
WALL_CLEARANCE_M = 0.25
FREE_CLEARANCE_M = 0.2
OVERHEAD_M = 1.8
FLAT_M = 0.06
NEAREST_STAND_M = 0.4
FARTHEST_STAND_M = 0.9
_STEP_M = 0.05


@dataclass(frozen=True)
class Sight:
    """One thing as the speaker has it around them."""

    thing: RoomObject
    bearing_deg: float
    low_deg: float
    """Rightmost bearing of the footprint (``bearing_deg`` less up to 180)."""
    high_deg: float
    distance_m: float
    """To the nearest point of the footprint; 0 inside."""
    center_distance_m: float

    @property
    def side(self) -> str | None:
        """``left`` or ``right`` where nobody would doubt it, else None."""
        for name, sign in (("left", 1), ("right", -1)):
            low, high = sorted((sign * self.low_deg, sign * self.high_deg))
            if 30 <= sign * self.bearing_deg <= 150 and low > 10 and high < 170:
                return name
        return None

    @property
    def direction(self) -> str | None:
        """``front``, ``left``, ``right`` or ``behind`` where nobody would doubt it, else None."""
        near, far = sorted((abs(self.low_deg), abs(self.high_deg)))
        if abs(self.bearing_deg) <= 30 and far < 70:
            return "front"
        if abs(self.bearing_deg) >= 150 and near > 110 and far < 250:
            return "behind"
        return self.side if 60 <= abs(self.bearing_deg) <= 120 else None


class RoomView:
    """Look-ups over one room and the pixel counts of its video, (T, N) in the order of ``room.objects``."""

    def __init__(self, room: Room, visible_px: NDArray[np.integer]) -> None:
        self.room = room
        columns = [i for i, thing in enumerate(room.objects) if thing.kind != "structure"]
        self.things = tuple(room.objects[i] for i in columns)
        self.by_id = {thing.object_id: thing for thing in self.things}
        counts = np.asarray(visible_px)[:, columns]
        shown = counts >= SEEN_SHARE * room.camera.width_px * room.camera.height_px
        self.seen_ids = frozenset(thing.object_id for i, thing in enumerate(self.things) if shown[:, i].any())
        self.seen = tuple(thing for thing in self.things if thing.object_id in self.seen_ids)
        ids = [thing.object_id for thing in self.things]
        self.first_glimpse = dict(zip(ids, _first(counts > 0), strict=True))
        self.first_clear = dict(zip(ids, _first(shown), strict=True))
        self._corners = np.stack([thing.footprint_m for thing in self.things])
        self._centers = np.array([thing.center_m[:2] for thing in self.things])
        self._fronts = np.array([thing.front for thing in self.things])
        self._halves = np.array([(thing.size_m[1] / 2, thing.size_m[0] / 2) for thing in self.things])

    @cached_property
    def _blocks(self) -> NDArray[np.bool_]:
        """Which things nobody can stand in, (N,)."""
        return np.array([blocks_standing(thing) for thing in self.things])

    def distances_m(self, point_m: Floats) -> Floats:
        """Distance from a point (2,) to every thing's footprint, (N,)."""
        offset = point_m - self._centers
        along = (offset * self._fronts).sum(-1)
        across = self._fronts[:, 0] * offset[:, 1] - self._fronts[:, 1] * offset[:, 0]
        outside = np.maximum(np.abs(np.stack([along, across], -1)) - self._halves, 0)
        return np.asarray(np.linalg.norm(outside, axis=-1))

    def is_free(self, point_m: Floats) -> bool:
        """Whether a person can stand at a point (2,)."""
        size = np.array(self.room.size_m[:2])
        if (point_m < WALL_CLEARANCE_M).any() or (point_m > size - WALL_CLEARANCE_M).any():
            return False
        return not (self._blocks & (self.distances_m(point_m) < FREE_CLEARANCE_M)).any()

    def free_spot(self, thing: RoomObject, direction: Floats) -> Floats | None:
        """The first free place beside a thing, going out from its centre along a unit vector.

        Between 0.4 and 0.9 m from where the ray leaves the footprint, else None.
        """
        start = np.array(thing.center_m[:2]) + direction * exit_m(thing, direction)
        for gap_m in np.arange(NEAREST_STAND_M, FARTHEST_STAND_M + 1e-6, _STEP_M):
            spot = start + direction * gap_m
            if self.is_free(spot):
                return np.asarray(spot)
        return None

    def faces_room(self, thing: RoomObject) -> Floats | None:
        """Unit vector from a wall-side thing into the room, or None where it has no wall behind it."""
        size = np.array(self.room.size_m[:2])
        center = np.array(thing.center_m[:2])
        if thing.kind == "opening":
            gaps = np.array([center[0], size[0] - center[0], center[1], size[1] - center[1]])
            return np.array([(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)][int(gaps.argmin())])
        behind = center - thing.front * (thing.size_m[1] / 2 + 0.4)
        return thing.front if (behind < 0).any() or (behind > size).any() else None

    def sights(self, position_m: Floats, heading_rad: float) -> dict[int, Sight]:
        """Every thing as seen by a speaker, by object id."""
        bearing = _bearing_deg(self._centers - position_m, heading_rad)
        spread = (_bearing_deg(self._corners - position_m, heading_rad) - bearing[:, None] + 180) % 360 - 180
        low, high = bearing + spread.min(-1), bearing + spread.max(-1)
        distance = self.distances_m(position_m)
        center_distance = np.linalg.norm(self._centers - position_m, axis=-1)
        return {
            thing.object_id: Sight(thing, *map(float, row))
            for thing, *row in zip(self.things, bearing, low, high, distance, center_distance, strict=True)
        }

    def gap_m(self, a: RoomObject, b: RoomObject) -> float:
        """Distance on the floor plane between two footprints; 0 where they overlap."""
        around_a, around_b = outline(a), outline(b)
        return float(min(b.distance_xy_m(around_a).min(), a.distance_xy_m(around_b).min()))


def blocks_standing(thing: RoomObject) -> bool:
    """Whether a person can't stand where it is: neither flat on the floor nor overhead."""
    bottom_m = thing.center_m[2] - thing.size_m[2] / 2
    top_m = thing.center_m[2] + thing.size_m[2] / 2
    return thing.name not in SMALL_OBSTACLES and bottom_m < OVERHEAD_M and top_m > FLAT_M


def exit_m(thing: RoomObject, direction: Floats) -> float:
    """How far from its centre a ray along a unit vector leaves a thing's footprint."""
    along = abs(float(direction @ thing.front))
    across = abs(float(thing.front[0] * direction[1] - thing.front[1] * direction[0]))
    reach = [
        half / share for half, share in ((thing.size_m[1] / 2, along), (thing.size_m[0] / 2, across)) if share > 1e-9
    ]
    return min(reach)


def outline(thing: RoomObject, steps: int = 8) -> Floats:
    """Points along the edges of a footprint, (4 * steps, 2)."""
    corners = thing.footprint_m
    share = (np.arange(steps) / steps)[None, :, None]
    edges = corners[:, None] * (1 - share) + np.roll(corners, -1, 0)[:, None] * share
    return np.asarray(edges.reshape(-1, 2))


def _first(shown: NDArray[np.bool_]) -> list[int]:
    """The first frame that shows each thing, (T, N) -> N; T where none does."""
    return [int(frames.argmax()) if frames.any() else len(frames) for frames in shown.T]


def _bearing_deg(offset_m: Floats, heading_rad: float) -> Floats:
    """Bearings of offsets (..., 2), in [-180, 180)."""
    angle = np.degrees(np.arctan2(offset_m[..., 1], offset_m[..., 0]) - heading_rad)
    return np.asarray((angle + 180) % 360 - 180)
