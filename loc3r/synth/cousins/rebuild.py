"""A real layout as a room of ours: a shell, openings in its walls, furniture that fits the boxes."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loc3r.datasets.records import SceneRecord
from loc3r.errors import SceneError
from loc3r.synth.boxes import bottom_m, top_m
from loc3r.synth.cousins.boxes import Upright, has_shape, layout_of
from loc3r.synth.cousins.match import STANDS_M, Match, Surroundings, match
from loc3r.synth.cousins.table import Table
from loc3r.synth.furniture import FurniturePack, Split
from loc3r.synth.layout import OPENING_M, WALL_M, make_camera, make_structure
from loc3r.synth.room import ObjectKind, Room, RoomObject
from loc3r.synth.walls import Wall, walls_of

TABLES = ("table", "counter")
"""What seats are drawn up to."""
OPENINGS = ("door", "window")
SNAP_M = 0.35
"""An opening so near a wall is in it; others get a piece of wall of their own."""
LOWEST_DOOR_M = 1.9
BESIDE_M = 0.25
"""How far a piece of wall reaches beyond its opening."""
FURNITURE_M2 = 0.2
"""What covers so much floor stands on it, whatever the height that was seen of it."""
HANGS_M = 0.8
"""A small thing that stands by its nature but begins higher than this hangs: a backpack on a hook."""
SETTLE_M = 0.25
"""What floats over a table top, or sinks into it, by no more than this is set down on it."""
THINNEST_M = 0.02


@dataclass(frozen=True, eq=False)
class Cousin:
    """A rebuilt room, what its objects were, and what was left out."""

    room: Room
    was: dict[int, str]
    """Object id to its class in the layout file."""
    stretch: dict[int, float]
    """Object id to the largest factor that its model's sides were stretched by; plain boxes have none."""
    unknown: Counter[str]
    """Boxes of classes that the table lacks, and boxes that are none, by class."""


def rebuild(
    scene_id: str,
    scene: SceneRecord,
    people_m: Sequence[tuple[float, float]],
    pack: FurniturePack,
    table: Table,
    pool: Split,
    floor_m2: float = 0.0,
) -> Cousin:
    """The cousin of a scene, with no walk through it yet; the same arguments give the same room.

    Args:
        scene_id: names the room and seeds it.
        scene: its boxes, in whose frame ``raw_from_room`` ends.
        people_m: places (x, y) in that frame that the room must hold.
        pack: furniture.
        table: what the classes become.
        pool: which models it may use, as in ``match``.
        floor_m2: how much floor the room has at least.

    Raises:
        SceneError: no box is of a class that the table knows, or the room would be too large.
    """
    unknown = Counter({name: len(boxes) for name, boxes in scene.object_bbox.items() if name not in table.classes})
    known = {name: boxes for name, boxes in scene.object_bbox.items() if name in table.classes}
    names = [name for name, boxes in known.items() if any(map(has_shape, boxes))]
    broken = {f"{name}, without a shape": sum(not has_shape(box) for box in boxes) for name, boxes in known.items()}
    unknown.update({name: count for name, count in broken.items() if count})
    if not names:
        raise SceneError("nothing of this layout can be rebuilt", received=sorted(unknown), expected="known classes")
    seed = seed_of(scene_id)
    rng = np.random.default_rng([seed, 1])
    layout = layout_of(scene, names, people_m, floor_m2)
    around = Surroundings(layout.size_m, [thing for thing in layout.things if thing.name in TABLES])
    objects, was, stretch = make_structure(layout.size_m), dict[int, str](), dict[int, float]()
    for thing in layout.things:
        used = {one.model_id for one in objects if one.model_id}
        matched = match(thing, table.classes[thing.name], pack, pool, around, used, rng)
        colour = pack.colour(matched.model.model_id) if matched.model else table.classes[thing.name].colour
        built = _built(thing, matched, colour, layout.size_m)
        objects += [replace(one, object_id=len(objects) + number) for number, one in enumerate(built, 1)]
        was[objects[-1].object_id] = thing.name
        if matched.model:
            stretch[objects[-1].object_id] = matched.stretch
    things = tuple(settled(objects, pack))
    camera, poses = make_camera(rng), np.zeros((0, 4, 4))
    return Cousin(
        Room(scene_id, "cousin", seed, layout.size_m, things, poses, camera, layout.raw_from_room),
        was, stretch, unknown,
    )  # fmt: skip


def seed_of(scene_id: str) -> int:
    """What seeds the room of a scene."""
    return zlib.crc32(scene_id.encode())


def settled(things: Sequence[RoomObject], pack: FurniturePack) -> list[RoomObject]:
    """The things, in order: furniture brought down to the floor, small things set down on the table tops below them.

    Scans miss legs and undersides; what stands by its nature is stretched to the floor.
    """
    grounded = [_reaching(thing, 0.0) if _stands(thing, things, pack) else thing for thing in things]
    tops = [(thing, _surface_m(thing, pack)) for thing in grounded]
    surfaces = [(thing, top) for thing, top in tops if top is not None]
    return [_set_down(thing, surfaces) for thing in grounded]


def _built(
    thing: Upright, matched: Match, colour: str | None, room_m: tuple[float, float, float]
) -> tuple[RoomObject, ...]:
    """The thing as an object, after the piece of wall that it may need; ids are given later."""
    model = matched.model
    kind: ObjectKind = "opening" if thing.name in OPENINGS else "furniture"
    built = RoomObject(
        0, model.name if model else thing.name, kind, thing.center_m, matched.size_m, matched.yaw_rad,
        model.model_id if model else None, None, colour,
    )  # fmt: skip
    if thing.name == "door":
        built = _reaching(built, 0.0, max(top_m(built), LOWEST_DOOR_M))
    built = _reaching(built, max(bottom_m(built), 0.0), min(top_m(built), room_m[2] - THINNEST_M))
    return _in_wall(built, room_m) if kind == "opening" else (built,)


def _stands(thing: RoomObject, things: Sequence[RoomObject], pack: FurniturePack) -> bool:
    """Whether a thing reaches the floor: by its nature, and since it is low, large, or has nothing below it."""
    if thing.kind != "furniture" or not thing.model_id or pack.by_id(thing.model_id).placement != "floor":
        return False
    if bottom_m(thing) < STANDS_M or thing.size_m[0] * thing.size_m[1] > FURNITURE_M2:
        return True
    place = np.array(thing.center_m[:2])
    below = (o for o in things if o.kind == "furniture" and o is not thing and bottom_m(o) < bottom_m(thing))
    return bottom_m(thing) < HANGS_M and all(float(other.distance_xy_m(place)) > 0 for other in below)


def _reaching(thing: RoomObject, low_m: float, high_m: float | None = None) -> RoomObject:
    """The thing stretched to these heights; its top stays where none is given."""
    high = top_m(thing) if high_m is None else high_m
    low = min(low_m, high - THINNEST_M)
    x, y, _ = thing.center_m
    width, depth, _ = thing.size_m
    sides = (max(width, THINNEST_M), max(depth, THINNEST_M), high - low)
    return replace(thing, center_m=(x, y, (low + high) / 2), size_m=sides)


def _in_wall(opening: RoomObject, room_m: tuple[float, float, float]) -> tuple[RoomObject, ...]:
    """A door or window in the wall that it is at, else behind it a piece of wall of its own; it faces inwards."""
    x, y, z = opening.center_m
    thin = replace(opening, size_m=(opening.size_m[0], OPENING_M, opening.size_m[2]))
    wall, gap = min(((wall, _gap_m(wall, opening)) for wall in walls_of(room_m)), key=lambda found: found[1])
    if gap < SNAP_M:
        x, y = wall.point(wall.position_m(opening), OPENING_M / 2)
        return (replace(thin, center_m=(x, y, z), yaw_rad=wall.facing_rad),)
    inwards = np.array(room_m[:2]) / 2 - np.array([x, y])
    if thin.front @ inwards < 0:
        thin = replace(thin, yaw_rad=thin.yaw_rad + math.pi)
    back = np.array([x, y]) - thin.front * (OPENING_M + WALL_M) / 2
    center = (float(back[0]), float(back[1]), room_m[2] / 2)
    size = (thin.size_m[0] + 2 * BESIDE_M, WALL_M, room_m[2])
    return RoomObject(0, "wall", "structure", center, size, thin.yaw_rad), thin


def _gap_m(wall: Wall, opening: RoomObject) -> float:
    """From an opening's middle to a wall along which it lies; infinite for the walls that it stands across."""
    if abs(math.cos(opening.yaw_rad - wall.facing_rad)) < math.cos(math.radians(30)):
        return math.inf
    offset = np.array(opening.center_m[:2]) - np.array(wall.start_m)
    return abs(float(offset @ [math.cos(wall.facing_rad), math.sin(wall.facing_rad)]))


def _surface_m(thing: RoomObject, pack: FurniturePack) -> float | None:
    """Height of the surface that small things stand on, where the model has one."""
    model = pack.by_id(thing.model_id) if thing.model_id else None
    if model is None or model.top_m is None:
        return None
    return bottom_m(thing) + model.top_m * thing.size_m[2] / model.size_m[2]


def _set_down(thing: RoomObject, tops: Sequence[tuple[RoomObject, float]]) -> RoomObject:
    if thing.kind != "furniture" or bottom_m(thing) < STANDS_M:
        return thing
    place = np.array(thing.center_m[:2])
    gaps = {other.object_id: top - bottom_m(thing) for other, top in tops if float(other.distance_xy_m(place)) == 0.0}
    near = {key: gap for key, gap in gaps.items() if abs(gap) < SETTLE_M}
    if not near:
        return thing
    support = min(near, key=lambda key: abs(near[key]))
    x, y, z = thing.center_m
    return replace(thing, center_m=(x, y, z + near[support]), support_id=support)
