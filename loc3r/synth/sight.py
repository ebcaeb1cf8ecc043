"""What a camera would see, estimated from boxes alone: cheap enough to plan a walk with.

An object's box is sampled with points. A point counts where it is in the frame and no other box hides it;
the share of such points, times the box's silhouette, estimates its pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loc3r.synth.boxes import is_flat
from loc3r.synth.room import Camera, Floats, Room, RoomObject

FILL = 0.5
"""Share of a box's silhouette that its thing fills."""
EDGE = 0.96
"""Only so much of the frame counts, so that jitter does not lose what was planned."""
LEAST_SHARE = 0.2
"""A glimpse of less of a thing is not reckoned on."""
SEE_THROUGH = frozenset(
    {"chair", "office chair", "stool", "child chair", "high chair", "floor lamp", "plant", "clothes rack",
     "drying rack", "ladder", "guitar", "broom", "ball", "umbrella"}
)  # fmt: skip
"""Things whose boxes are mostly air."""
OPEN_BELOW = frozenset({"table", "coffee table", "desk", "bench", "foosball table", "ping pong table"})
"""Things that only hide with their tops."""


class Sight:
    """The furniture of a room, ready to be looked at from many places."""

    def __init__(self, room: Room) -> None:
        self.things = room.furniture
        self.camera = room.camera
        self.points_m = np.stack([_lattice(thing) for thing in self.things])  # (N, P, 3)
        self.hiders = [thing for thing in self.things if _hides(thing)]
        self.boxes = [_hiding_box(thing) for thing in self.hiders]

    def open_views(self, eyes_m: Floats) -> NDArray[np.bool_]:
        """Whether each point is in plain view from each place: (T, 3) -> (T, N, P)."""
        rays = self.points_m[None] - eyes_m[:, None, None]
        open_view = np.ones(rays.shape[:3], bool)
        for hider, (center, half, yaw) in zip(self.hiders, self.boxes, strict=True):
            hit = _segments_hit(eyes_m, rays, center, half, yaw)
            own = [hider.object_id in (thing.object_id, thing.support_id) for thing in self.things]
            open_view &= ~hit | np.array(own)[None, :, None]
        return open_view

    def silhouettes_px(self, eyes_m: Floats) -> Floats:
        """Pixels that each thing would fill if it were whole in the frame: (T, 3) -> (T, N)."""
        areas = []
        for thing in self.things:
            offset = np.array(thing.center_m) - eyes_m
            distance = np.maximum(np.linalg.norm(offset, axis=1), 0.3)
            turned = np.column_stack([offset[:, :2] @ _axes(thing.yaw_rad), offset[:, 2]])
            width, depth, height = thing.size_m
            faces = np.array([width * height, depth * height, width * depth])
            areas.append((np.abs(turned) / distance[:, None]) @ faces / distance**2)
        return FILL * self.camera.fx * self.camera.fy * np.stack(areas, 1)

    def pixels(self, eyes_m: Floats, headings_rad: Floats, pitches_rad: Floats) -> Floats:
        """Estimated pixels of each thing from T places in H directions each.

        Args:
            eyes_m: (T, 3).
            headings_rad: (T, H), the way the camera looks on the floor plane.
            pitches_rad: (T, H), how far it looks down.

        Returns: (T, H, N).
        """
        open_view = self.open_views(eyes_m)
        rays = self.points_m[None] - eyes_m[:, None, None]
        result = np.empty((*headings_rad.shape, len(self.things)))
        silhouettes = self.silhouettes_px(eyes_m)
        for i in range(headings_rad.shape[1]):
            framed = _in_frame(rays, headings_rad[:, i], pitches_rad[:, i], self.camera)
            share = (framed & open_view).mean(-1)
            result[:, i] = np.where(share >= LEAST_SHARE, silhouettes * share, 0)
        return result


def _axes(yaw_rad: float) -> Floats:
    """Columns: the front of a thing and its left, (2, 2)."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cos, -sin], [sin, cos]])


def _lattice(thing: RoomObject) -> Floats:
    """27 points spread over a box, (27, 3)."""
    steps = np.stack(np.meshgrid(*[np.array([-0.85, 0.0, 0.85])] * 3, indexing="ij"), -1).reshape(-1, 3)
    local = steps * np.array([thing.size_m[1], thing.size_m[0], thing.size_m[2]]) / 2
    turned = np.column_stack([local[:, :2] @ _axes(thing.yaw_rad).T, local[:, 2]])
    return np.asarray(turned + np.array(thing.center_m))


def _hides(thing: RoomObject) -> bool:
    return not is_flat(thing) and thing.name not in SEE_THROUGH and max(thing.size_m) > 0.25


def _hiding_box(thing: RoomObject) -> tuple[Floats, Floats, float]:
    """Centre (3,), half sides along front, left and up (3,) and yaw of the part that hides what is behind."""
    center, size = np.array(thing.center_m), np.array([thing.size_m[1], thing.size_m[0], thing.size_m[2]])
    if thing.name in OPEN_BELOW and size[2] > 0.3:
        center[2] += size[2] / 2 - 0.05
        size[2] = 0.1
    return center, size / 2, thing.yaw_rad


def _segments_hit(eyes_m: Floats, rays: Floats, center: Floats, half: Floats, yaw_rad: float) -> NDArray[np.bool_]:
    """Whether the segments eye + [0, 1] ray (T, N, P) pass through a box (slabs)."""
    axes = np.eye(3)
    axes[:2, :2] = _axes(yaw_rad)
    start = ((eyes_m - center) @ axes)[:, None, None]
    step = rays @ axes
    step = np.where(np.abs(step) < 1e-9, 1e-9, step)
    first, second = (-half - start) / step, (half - start) / step
    enter = np.minimum(first, second).max(-1)
    leave = np.maximum(first, second).min(-1)
    return np.asarray((enter < leave) & (leave > 0) & (enter < 0.98))


def _in_frame(rays: Floats, heading_rad: Floats, pitch_rad: Floats, camera: Camera) -> NDArray[np.bool_]:
    """Whether points at ``rays`` (T, N, P, 3) from the eye fall into the frame that looks that way (T,)."""
    cos_h, sin_h = np.cos(heading_rad)[:, None, None], np.sin(heading_rad)[:, None, None]
    cos_p, sin_p = np.cos(pitch_rad)[:, None, None], np.sin(pitch_rad)[:, None, None]
    ahead = rays[..., 0] * cos_h + rays[..., 1] * sin_h
    right = rays[..., 0] * sin_h - rays[..., 1] * cos_h
    depth = ahead * cos_p - rays[..., 2] * sin_p
    down = -(ahead * sin_p + rays[..., 2] * cos_p)
    wide, high = EDGE * camera.width_px / 2 / camera.fx, EDGE * camera.height_px / 2 / camera.fy
    return np.asarray((depth > 0.1) & (np.abs(right) < wide * depth) & (np.abs(down) < high * depth))


def share_seen(most_px: Sequence[float] | Floats, least_px: float) -> float:
    """Share of things whose best frame shows at least so many pixels."""
    values = np.asarray(most_px)
    return float((values >= least_px).mean()) if values.size else 1.0
