"""Light in a room, baked once: nothing in it depends on where the camera is.

Lights are a lamp under the ceiling and the windows, each a few points that throw shadows; a hemisphere of
reflected light fills in, less of it in corners. Units are arbitrary: the renderer sets the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from loc3r.synth.room import Room, RoomObject

Floats = NDArray[np.float32]
LIFT_M = 0.004
"""Shadow rays start this far off their surface, so that it does not shade itself."""


@dataclass(frozen=True, eq=False)
class Light:
    """Four points (4, 3) that shine with a colour (3,), to one side if they have a normal (3,)."""

    points: Floats
    colour: Floats
    normal: Floats | None = None


def occluded(scene: EmbreeScene, origins: Floats, rays: Floats) -> NDArray[np.bool_]:
    """Whether something stands between origins (N, 3) and origins + rays (N, 3)."""
    reach = np.full(len(origins), 0.999, np.float32)
    hits = scene.run(np.ascontiguousarray(origins), np.ascontiguousarray(rays), dists=reach, query="OCCLUDED")
    return np.asarray(np.asarray(hits) == 0)


def room_lights(room: Room, rng: np.random.Generator) -> tuple[Light, ...]:
    """The ceiling lamp, warm, and the windows, bluish; by day the windows win."""
    width, depth, height = room.size_m
    daylight = rng.uniform(0.4, 2.0)
    lamps = [o for o in room.objects if o.name == "ceiling lamp"]
    middle = np.array([width / 2, depth / 2, height])
    if lamps:
        middle = np.array([*lamps[0].center_m[:2], lamps[0].center_m[2] - lamps[0].size_m[2] / 2])
    spots = middle + np.array([[0.15, 0.15, -0.06], [-0.15, 0.15, -0.06], [0.15, -0.15, -0.06], [-0.15, -0.15, -0.06]])
    warm = np.array([1.0, 0.93, 0.82]) * width * depth / 8
    lights = [Light(spots.astype(np.float32), warm.astype(np.float32))]
    windows = [o for o in room.objects if o.kind == "opening" and o.name == "window"]
    return (*lights, *(window_light(window, daylight) for window in windows))


def window_light(window: RoomObject, daylight: float) -> Light:
    """Sky light through a window: its four quarters shine along its front."""
    left = np.array([-window.front[1], window.front[0], 0]) * window.size_m[0] / 4
    up = np.array([0, 0, window.size_m[2] / 4])
    normal = np.array([*window.front, 0])
    middle = np.array(window.center_m) + normal * (window.size_m[1] / 2 + 0.05)
    points = np.array([middle + a * left + b * up for a in (-1, 1) for b in (-1, 1)])
    colour = np.array([0.92, 0.97, 1.06]) * daylight * window.size_m[0] * window.size_m[2] * 1.5
    return Light(points.astype(np.float32), colour.astype(np.float32), normal.astype(np.float32))


def direct(
    scene: EmbreeScene, points: Floats, normals: Floats, lights: tuple[Light, ...], spots: tuple[int, ...] = ()
) -> Floats:
    """Light (N, 3) that arrives straight from the lights: from those of their points, or from their middles."""
    total = np.zeros((len(points), 3), np.float32)
    origins = points + normals * LIFT_M
    for light in lights:
        places = light.points[list(spots)] if spots else light.points.mean(0, keepdims=True)
        for place in places:
            rays = place - origins
            square = np.maximum((rays * rays).sum(1), 0.09)
            strength = (rays * normals).sum(1) / square / np.sqrt(square)
            if light.normal is not None:
                strength *= np.maximum(-(rays @ light.normal), 0) / np.sqrt(square)
            facing = np.flatnonzero(strength > 0)
            facing = facing[~occluded(scene, origins[facing], rays[facing])]
            total[facing] += strength[facing, None] * light.colour / len(places)
    return total


def hemisphere(count: int, rng: np.random.Generator) -> Floats:
    """Cosine-weighted directions about +z, (count, 3), evenly spread."""
    share = (np.arange(count) + 0.5) / count
    turn = np.arange(count) * 2.399963 + rng.uniform(0, 2 * np.pi)  # the golden angle
    radius = np.sqrt(share)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), np.sqrt(1 - share)], 1).astype(np.float32)


def openness(
    scene: EmbreeScene, points: Floats, normal: Floats, rng: np.random.Generator, reach_m: float = 0.7
) -> Floats:
    """Share (N,) of the hemisphere about one normal (3,) that is free for ``reach_m``."""
    side = np.cross(normal, [0, 0, 1] if abs(normal[2]) < 0.9 else [1, 0, 0])
    frame = np.stack([side, np.cross(normal, side), normal], 0).astype(np.float32)
    rays = hemisphere(14, rng) @ frame * reach_m
    origins = np.repeat(points + normal * LIFT_M, len(rays), 0)
    blocked = occluded(scene, origins, np.tile(rays, (len(points), 1)))
    return np.asarray(1 - blocked.reshape(len(points), -1).mean(1), np.float32)


def fill(normals: Floats) -> Floats:
    """Reflected light (N, 3) by direction: most from the bright ceiling and walls, least from the floor."""
    return (0.30 + 0.10 * normals[:, 2:]) * np.array([1.0, 0.99, 0.97], np.float32)
