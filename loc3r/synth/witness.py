"""A second pair of eyes on a room: the geometry that the checker goes by.

It shares no code with ``loc3r.synth.language``: footprints are polygons here, not boxes with a front; the
speaker's surroundings are coordinates ahead and to the right, not bearings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc3r.datasets.sample import Mention, Sample
from loc3r.synth.room import Floats, Room, RoomObject

SEEN_PX_SHARE = 0.0015
_STEPS = 24


class Witness:
    """Answers about one room and what its video showed; ``visible_px`` is (T, N), as for ``describe``."""

    def __init__(self, room: Room, visible_px: NDArray[np.integer]) -> None:
        self.room = room
        self.things = {thing.object_id: thing for thing in room.objects if thing.kind != "structure"}
        area_px = room.camera.width_px * room.camera.height_px
        self._px = {thing.object_id: visible_px[:, i] / area_px for i, thing in enumerate(room.objects)}

    def seen(self, thing_id: int) -> bool:
        """Whether some frame shows it well enough to be spoken of."""
        return thing_id in self.things and float(self._px[thing_id].max()) >= SEEN_PX_SHARE

    def frames_showing(self, thing_id: int, share: float = 0.0) -> list[int]:
        """Frames of which it covers more than a share."""
        return [frame for frame, part in enumerate(self._px[thing_id]) if part > share]

    def called(self, noun: str) -> list[RoomObject]:
        """Things that a noun could mean: an office chair is a chair too."""
        return [thing for thing in self.things.values() if spoken(thing.name).endswith(noun)]

    def distance_m(self, point_m: Floats, thing: RoomObject) -> float:
        """From a point (2,) to a footprint, by its edges; 0 inside."""
        return float(_to_polygon_m(point_m[None], thing.footprint_m)[0])

    def gap_m(self, a: RoomObject, b: RoomObject) -> float:
        """Between two footprints, by points along their edges; up to a few centimetres too much."""
        there = _to_polygon_m(edge_points(a), b.footprint_m)
        return float(min(there.min(), _to_polygon_m(edge_points(b), a.footprint_m).min()))

    def box_gap_m(self, a: RoomObject, b: RoomObject) -> float:
        """Between two upright boxes."""
        lift_m = max(a.center_m[2] - a.size_m[2] / 2 - b.center_m[2] - b.size_m[2] / 2, 0.0)
        drop_m = max(b.center_m[2] - b.size_m[2] / 2 - a.center_m[2] - a.size_m[2] / 2, 0.0)
        return float(np.hypot(self.gap_m(a, b), max(lift_m, drop_m)))

    def in_the_way(self, thing: RoomObject) -> bool:
        """Whether one bumps into it: neither flat, nor overhead, nor small and loose."""
        low_m, high_m = (thing.center_m[2] + sign * thing.size_m[2] / 2 for sign in (-1, 1))
        return low_m < 1.8 and high_m > 0.06 and thing.name not in ("rug", "ball", "shoes")


@dataclass(frozen=True, eq=False)
class Speaker:
    """Someone in the room frame: where, and the unit vector that they look along."""

    place_m: Floats
    ahead: Floats

    @staticmethod
    def of(room: Room, sample: Sample) -> Speaker:
        """The speaker of a sample, carried back from the raw scan frame."""
        assert sample.position_m is not None and sample.heading_rad is not None
        back = np.linalg.inv(room.raw_from_room)
        place = back @ np.array([*sample.position_m, 0.0, 1.0])
        ahead = back[:3, :3] @ np.array([np.cos(sample.heading_rad), np.sin(sample.heading_rad), 0.0])
        return Speaker(place[:2], ahead[:2])

    def clock_deg(self, points_m: Floats) -> Floats:
        """Degrees clockwise from straight ahead of points (..., 2), in (-180, 180]."""
        offset = np.asarray(points_m, float) - self.place_m
        right = np.array([self.ahead[1], -self.ahead[0]])
        return np.asarray(np.degrees(np.arctan2(offset @ right, offset @ self.ahead)))

    def way_to(self, thing: RoomObject) -> float:
        """Degrees clockwise to a thing's centre."""
        return float(self.clock_deg(np.array(thing.center_m[:2])))

    def is_on(self, side: str, thing: RoomObject) -> bool:
        """Whether all of a thing is left, right, ahead ("front") or behind, and its centre plainly so."""
        edge = np.abs(self.clock_deg(edge_points(thing)))
        center, signs = self.way_to(thing), np.sign(self.clock_deg(edge_points(thing)))
        if side in ("left", "right"):
            sign = 1 if side == "right" else -1
            return bool((signs == sign).all() and 29 <= abs(center) <= 151)
        return bool(
            (edge > 90).all() and abs(center) > 149 if side == "behind" else (edge < 90).all() and abs(center) < 31
        )


def edge_points(thing: RoomObject) -> Floats:
    """Points along a footprint's edges, (4 * 24, 2)."""
    corners = thing.footprint_m
    pieces = [np.linspace(a, b, _STEPS, endpoint=False) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
    return np.concatenate(pieces)


def _to_polygon_m(points_m: Floats, corners_m: Floats) -> Floats:
    """Distances of points (P, 2) to a convex counter-clockwise polygon (C, 2); 0 inside."""
    edges = np.roll(corners_m, -1, 0) - corners_m
    away = points_m[:, None] - corners_m
    inside = (edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0] >= 0).all(-1)
    along = np.clip((away * edges).sum(-1) / (edges**2).sum(-1), 0, 1)
    reach = np.linalg.norm(away - along[..., None] * edges, axis=-1).min(-1)
    return np.where(inside, 0.0, reach)


def spoken(name: str) -> str:
    """A class name as texts have it."""
    return " ".join("TV" if word == "tv" else word for word in name.split())


def marked(text: str, mentions: tuple[Mention, ...]) -> str:
    """The text with every mention replaced by ``#id``, in lower case but for the marks."""
    for mention in sorted(mentions, key=lambda m: -m.start):
        text = f"{text[: mention.start]}#{mention.object_id}{text[mention.end :]}"
    return text[0].lower() + text[1:]
