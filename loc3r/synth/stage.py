"""A room as triangles: the furniture's meshes in place and the inner faces of its structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc3r.synth.furniture import COLOURS, GLASS, FurniturePack, Mesh
from loc3r.synth.room import Room, RoomObject

Floats = NDArray[np.float32]
LONGEST_M = 0.35
"""Longest edge of a furniture triangle on the stage."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A textured rectangle of the structure: a corner, two unit edges and their lengths in metres."""

    object_id: int
    role: str
    """"floor", "ceiling" or "wall"."""
    origin: Floats
    along: Floats
    """First edge (3,): horizontal on walls."""
    across: Floats
    """Second edge (3,): up on walls."""
    size_m: tuple[float, float]
    normal: Floats
    """Towards the inside of the room."""

    @property
    def triangles(self) -> Floats:
        """Both halves of the rectangle, (2, 3, 3)."""
        a = self.origin
        b, d = a + self.along * self.size_m[0], a + self.across * self.size_m[1]
        c = b + self.across * self.size_m[1]
        return np.array([[a, b, c], [a, c, d]], np.float32)


@dataclass(frozen=True, eq=False)
class Stage:
    """All that the rays can meet, face by face; the structure's surfaces come first, two faces each."""

    surfaces: tuple[Surface, ...]
    triangles: Floats
    """(F, 3, 3) in the room frame."""
    object_ids: NDArray[np.uint16]
    albedo: NDArray[np.uint8]
    """(F, 3); unused for surfaces, which have textures."""
    is_pane: NDArray[np.bool_]
    """(F,): window glass, through which the sky shows."""
    is_lamp: NDArray[np.bool_]
    """(F,): part of a lamp, lit from within."""


def object_axes(thing: RoomObject) -> Floats:
    """Columns front, left, up of an object in the room frame, (3, 3)."""
    cos, sin = np.cos(thing.yaw_rad), np.sin(thing.yaw_rad)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)


def inner_surface(thing: RoomObject, room: Room) -> Surface:
    """The face of a floor, ceiling or wall box that looks into the room."""
    axes, centre = object_axes(thing), np.array(thing.center_m, np.float32)
    size = np.array([thing.size_m[1], thing.size_m[0], thing.size_m[2]], np.float32)
    thin = 2 if thing.name in ("floor", "ceiling") else int(np.argmin(size[:2]))
    middle = np.array(room.size_m, np.float32) / 2
    normal = axes[:, thin] * np.sign((middle - centre) @ axes[:, thin] or 1.0)
    across = axes[:, 1] if thin == 2 else axes[:, 2]
    along = np.cross(across, normal)
    spans = [abs(edge @ axes) @ size for edge in (along, across)]
    origin = centre + normal * size[thin] / 2 - along * spans[0] / 2 - across * spans[1] / 2
    return Surface(thing.object_id, thing.name, origin, along, across, (float(spans[0]), float(spans[1])), normal)


def place(mesh: Mesh, thing: RoomObject) -> Floats:
    """The mesh's triangles (F, 3, 3) in the room, stretched to the object's box."""
    span = np.maximum(np.ptp(mesh.vertices_m, axis=0), 1e-6)
    size = np.array([thing.size_m[1], thing.size_m[0], thing.size_m[2]], np.float32)
    points = (mesh.vertices_m * (size / span)) @ object_axes(thing).T + np.array(thing.center_m, np.float32)
    return np.asarray(points[mesh.faces], np.float32)


Corner = tuple[float, float, float]
CUBE_FACES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
     [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]], np.int32,
)  # fmt: skip


def boxes_mesh(boxes: list[tuple[Corner, Corner, tuple[int, int, int]]]) -> Mesh:
    """A mesh of boxes, each (low corner, high corner, RGB)."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    points = [
        (1 - corners) * np.array(low, np.float32) + corners * np.array(high, np.float32) for low, high, _ in boxes
    ]
    faces = [CUBE_FACES + 8 * i for i in range(len(boxes))]
    colours = np.repeat(np.array([rgb for *_, rgb in boxes], np.uint8), len(CUBE_FACES), 0)
    return Mesh(np.concatenate(points), np.concatenate(faces), colours)


def plain_mesh(thing: RoomObject) -> Mesh:
    """What stands in for a thing without a model: a framed panel in an opening, else a box of its colour."""
    rgb = COLOURS.get(thing.colour or "", (150, 140, 130))
    if thing.kind != "opening":
        return boxes_mesh([((-1, -1, -1), (1, 1, 1), rgb)])
    frame, panel = (235, 235, 230), GLASS if thing.name == "window" else rgb
    bars: list[tuple[Corner, Corner]] = [
        ((-1, -1, -1), (1, -0.88, 1)), ((-1, 0.88, -1), (1, 1, 1)),
        ((-1, -0.88, 0.92), (1, 0.88, 1)), ((-1, -0.88, -1), (1, 0.88, -0.94)),
    ]  # fmt: skip
    if thing.name == "window":
        bars += [((-1, -0.03, -1), (0.8, 0.03, 1)), ((-1, -0.88, -0.03), (0.8, 0.88, 0.03))]
        return boxes_mesh([*((*bar, frame) for bar in bars), ((-1, -0.9, -0.95), (0, 0.9, 0.93), panel)])
    inset = (int(rgb[0] * 0.8), int(rgb[1] * 0.8), int(rgb[2] * 0.8))
    panels = [((-1, -0.6, z), (0.6, 0.6, z + 0.7), inset) for z in (-0.8, 0.1)]
    knob = ((-1, 0.7, -0.06), (1, 0.8, 0.0), (200, 180, 90))
    return boxes_mesh([*((*bar, frame) for bar in bars), ((-1, -0.9, -1), (0.4, 0.9, 0.95), panel), *panels, knob])


def split_long(triangles: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Halve triangles until no edge is longer than ``LONGEST_M``, for light is computed once a face.

    Returns the triangles (N, 3, 3) and which of the given (F, 3, 3) each is part of (N,).
    """
    source = np.arange(len(triangles))
    done: list[tuple[Floats, NDArray[np.int64]]] = []
    while len(triangles):
        edges = np.roll(triangles, -1, 1) - triangles
        squares = np.einsum("fkc,fkc->fk", edges, edges)
        first = squares.argmax(1)
        short = squares.max(1) <= LONGEST_M**2
        done.append((triangles[short], source[short]))
        long, first, source = triangles[~short], first[~short], source[~short]
        a, b, c = (long[np.arange(len(long)), (first + i) % 3] for i in range(3))
        middle = (a + b) / 2
        triangles = np.concatenate([np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])
        source = np.concatenate([source, source])
    return (
        np.concatenate([np.zeros((0, 3, 3), np.float32), *(t for t, _ in done)]),
        np.concatenate([source, *(s for _, s in done)]),
    )


def build_stage(room: Room, pack: FurniturePack) -> Stage:
    """Lay out a room's triangles. Raises ``DataError`` for a model that the pack does not have."""
    surfaces = tuple(inner_surface(o, room) for o in room.objects if o.kind == "structure")
    things = [o for o in room.objects if o.kind != "structure"]
    meshes = [pack.mesh(o.model_id) if o.model_id else plain_mesh(o) for o in things]
    owner = np.repeat(np.arange(len(things)), [len(mesh.faces) for mesh in meshes])
    placed = [place(mesh, thing) for mesh, thing in zip(meshes, things, strict=True)]
    triangles, source = split_long(np.concatenate([np.zeros((0, 3, 3), np.float32), *placed]))
    owner = owner[source]
    albedo = np.concatenate([np.zeros((0, 3), np.uint8), *(mesh.colours for mesh in meshes)])[source]
    is_window = np.array([o.kind == "opening" and o.name == "window" for o in things], np.bool_)[owner]
    is_lamp = np.array([o.name.endswith("lamp") for o in things], np.bool_)[owner]
    ids = np.array([o.object_id for o in things], np.uint16)[owner]
    lead = 2 * len(surfaces)
    return Stage(
        surfaces=surfaces,
        triangles=np.concatenate([*(s.triangles for s in surfaces), triangles]),
        object_ids=np.concatenate([np.repeat(np.array([s.object_id for s in surfaces], np.uint16), 2), ids]),
        albedo=np.concatenate([np.zeros((lead, 3), np.uint8), albedo]),
        is_pane=np.concatenate([np.zeros(lead, np.bool_), is_window & (albedo == np.array(GLASS)).all(1)]),
        is_lamp=np.concatenate([np.zeros(lead, np.bool_), is_lamp]),
    )
