"""Furnish a room: a kind, a size, doors and windows, then the kind's programme until it holds together.

``furnish`` is a pure function of its seed, the split and the pack.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from loc3r.errors import DataError
from loc3r.synth.boxes import footprints_overlap
from loc3r.synth.furniture import FurnitureModel, FurniturePack, Split
from loc3r.synth.plan import Plan, Unfit
from loc3r.synth.programmes import KINDS, RoomKind
from loc3r.synth.room import Camera, Floats, Room, RoomObject
from loc3r.synth.walls import Wall, walls_of

ATTEMPTS = 60
"""Rooms thrown away before giving up on a seed."""
FEWEST_THINGS = 6
WALL_M = 0.1
"""Thickness of walls, floor and ceiling."""
OPENING_M = 0.06
"""How far doors and windows stand into the room."""
DOOR_SWING_M = 0.85
CAMERA_PX = (192, 144)
SMALL_M = 3.1
"""A room whose shorter side is less than this gets small doors and windows."""

Shell = tuple[list[RoomObject], list[RoomObject]]


def furnish(seed: int, split: Split, pack: FurniturePack, variant: int = 0) -> Room:
    """The furnished room of that seed, with no walk through it yet (``poses`` is (0, 4, 4)).

    ``variant`` gives another room of the same seed and kind, for when no walk sees enough of the first.
    Raises ``DataError`` if no attempt fits, which means that the pack lacks furniture.
    """
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, variant, attempt])
        # The kind is the seed's own, so that hard kinds are not rarer than their share.
        kind = _kind(np.random.default_rng([seed]))
        size_m = _size(kind, rng)
        try:
            shell, clear = build_shell(size_m, pack, split, rng)
            limit = int(rng.integers(kind.things[0], kind.things[1] + 1))
            plan = Plan(size_m, shell, clear, pack, split, rng, limit, kind.avoid)
            kind.furnish(plan)
        except Unfit:
            continue
        if len(plan.furniture) >= FEWEST_THINGS:
            return Room(
                f"room_{seed:06d}_00", kind.name, seed, size_m, _coloured(plan.things, pack),
                np.zeros((0, 4, 4)), make_camera(rng), _raw_from_room(rng),
            )  # fmt: skip
    raise DataError(
        "no room could be furnished from this seed",
        received=f"seed {seed}, split {split}, {ATTEMPTS} attempts",
        expected="a furniture pack with all classes that the programmes need",
        fix="rebuild the pack with scripts/build_furniture_pack.py, or take another seed",
    )


def _coloured(things: Iterable[RoomObject], pack: FurniturePack) -> tuple[RoomObject, ...]:
    """The things with their models' colours, which may take a look at the mesh: so only of what stays."""
    return tuple(replace(t, colour=pack.colour(t.model_id)) if t.model_id else t for t in things)


def _kind(rng: np.random.Generator) -> RoomKind:
    shares = np.array([kind.share for kind in KINDS])
    return KINDS[int(rng.choice(len(KINDS), p=shares / shares.sum()))]


def _size(kind: RoomKind, rng: np.random.Generator) -> tuple[float, float, float]:
    """Width, depth and height: the longer side along either axis."""
    shorter, longer = rng.uniform(*kind.shorter_m), rng.uniform(*kind.longer_m)
    sides = (shorter, max(shorter, longer))[:: 1 if rng.random() < 0.5 else -1]
    return round(float(sides[0]), 2), round(float(sides[1]), 2), round(float(rng.uniform(2.4, 2.8)), 2)


def make_camera(rng: np.random.Generator) -> Camera:
    """Intrinsics with 60 to 70 degrees across the frame."""
    width, height = CAMERA_PX
    focal = width / 2 / math.tan(math.radians(float(rng.uniform(60, 70))) / 2)
    return Camera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)  # (0, 0) is a pixel's centre


def _raw_from_room(rng: np.random.Generator) -> Floats:
    """A turn about z and a shift on the floor: what ScanNet's axisAlignment undoes."""
    yaw = rng.uniform(-math.pi, math.pi)
    transform = np.eye(4)
    transform[:2, :2] = [[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]]
    transform[:2, 3] = rng.uniform(-4, 4, 2)
    return transform


def build_shell(
    size_m: tuple[float, float, float], pack: FurniturePack, split: Split, rng: np.random.Generator
) -> Shell:
    """Floor, ceiling, walls, doors and windows; and the air before the openings that stays clear."""
    things = make_structure(size_m)
    clear: list[RoomObject] = []
    small = min(size_m[:2]) < SMALL_M
    doors = 1 if small or rng.random() < 0.65 else 2
    windows = 1 if small or rng.random() < 0.5 else 2
    for name, count in (("door", doors), ("window", windows)):
        for number in range(count):
            opening = _open(name, small, size_m, pack, split, rng, things, clear)
            if opening is None and number == 0:
                raise Unfit
            if opening is not None:
                things.append(replace(opening, object_id=len(things) + 1))
                clear.append(_air_before(opening))
    return things, clear


def make_structure(size_m: tuple[float, float, float]) -> list[RoomObject]:
    """Slabs outside the room: floor, ceiling, and the south, east, north and west wall."""
    width, depth, height = size_m
    slab = (depth, width, WALL_M)
    things = [
        RoomObject(1, "floor", "structure", (width / 2, depth / 2, -WALL_M / 2), slab, 0.0),
        RoomObject(2, "ceiling", "structure", (width / 2, depth / 2, height + WALL_M / 2), slab, 0.0),
    ]
    for number, wall in enumerate(walls_of(size_m), 3):
        center = (*wall.point(wall.length_m / 2, -WALL_M / 2), height / 2)
        size = (wall.length_m, WALL_M, height)
        things.append(RoomObject(number, "wall", "structure", center, size, wall.facing_rad))
    return things


def _open(
    name: str, small: bool, size_m: tuple[float, float, float], pack: FurniturePack, split: Split,
    rng: np.random.Generator, things: list[RoomObject], clear: list[RoomObject],
) -> RoomObject | None:  # fmt: skip
    """A door or window somewhere in a wall, away from corners and from other openings."""
    models = pack.candidates(name, split)
    if small:
        models = tuple(m for m in models if m.size_m[0] < 1.12 and (name == "door" or m.elevation_m > 0.8)) or models
    for _ in range(20):
        model = models[int(rng.integers(len(models)))]
        wall = walls_of(size_m)[int(rng.integers(4))]
        margin = model.size_m[0] / 2 + (0.12 if name == "door" else 0.3)
        if wall.length_m < 2 * margin or model.elevation_m + model.size_m[2] > size_m[2] - 0.05:
            continue
        opening = _opening(name, model, wall, float(rng.uniform(margin, wall.length_m - margin)))
        air = _air_before(opening)
        if not any(_near(air, other) for other in clear):
            return opening
    return None


def _opening(name: str, model: FurnitureModel, wall: Wall, along_m: float) -> RoomObject:
    x, y = wall.point(along_m, OPENING_M / 2)
    width, _, height = model.size_m
    center = (round(x, 4), round(y, 4), round(model.elevation_m + height / 2, 4))
    size = (width, OPENING_M, height)
    return RoomObject(0, name, "opening", center, size, wall.facing_rad, model.model_id)


def _air_before(opening: RoomObject) -> RoomObject:
    """The box that must stay empty so that a door opens and a window gives light."""
    out = DOOR_SWING_M if opening.name == "door" else 0.3
    x, y = np.array(opening.center_m[:2]) + opening.front * (out / 2 - OPENING_M / 2)
    size = (opening.size_m[0], out, opening.size_m[2])
    return replace(opening, center_m=(float(x), float(y), opening.center_m[2]), size_m=size, model_id=None)


def _near(air: RoomObject, other: RoomObject) -> bool:
    """Whether the boxes before two openings come within a quarter of a metre."""
    wider = replace(air, size_m=(air.size_m[0] + 0.5, air.size_m[1], air.size_m[2]))
    return footprints_overlap(wider, other)
