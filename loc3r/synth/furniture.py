"""The furniture pack: small 3-D models of indoor things, shipped with the package.

Built by ``scripts/build_furniture_pack.py``; creators and licences are in ``pack/ATTRIBUTION.md``.
``pack/models.json`` holds what there is to know about each model, ``pack/meshes.bin`` the compressed meshes,
each of which is read and unpacked only when it is asked for.

A mesh stands in the *object frame*: metres, z up, origin at the centre of its box, front along +x, left
along +y. ``size_m`` is (width across the front, depth along it, height), as in ``RoomObject``.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import DataError

Split = Literal["train", "test"]
Placement = Literal["floor", "top", "wall", "ceiling", "opening"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (25, 25, 25),
    "gray": (125, 125, 125),
    "white": (240, 240, 240),
    "brown": (115, 72, 40),
    "beige": (215, 195, 160),
    "red": (180, 30, 30),
    "orange": (235, 130, 30),
    "yellow": (235, 210, 60),
    "green": (70, 130, 60),
    "blue": (50, 85, 170),
    "purple": (110, 60, 130),
    "pink": (230, 150, 175),
}
"""The colour words and a typical RGB of each."""

GLASS = (200, 216, 228)
"""The colour of window panes in the pack; the renderer shows the sky through them."""


@dataclass(frozen=True)
class FurnitureModel:
    """What is known of a model without its mesh."""

    model_id: str
    name: str
    """The class, as people say it: "office chair"."""
    size_m: tuple[float, float, float]
    """Width across the front, depth along it, height."""
    colour: str
    """The dominant colour, one of ``COLOURS``."""
    split: Split
    """Rooms for training and for tier T0 use disjoint models."""
    placement: Placement
    """Where it goes: on the floor, on top of something, on a wall, under the ceiling, in a wall."""
    elevation_m: float
    """Height of its underside above the floor where it hangs; 0 for what stands."""
    top_m: float | None
    """Height above its underside of the surface that small things may stand on."""
    top_area_m: tuple[float, float, float, float] | None
    """That surface in the object frame: (back, right, front, left) as min x, min y, max x, max y."""
    creator: str
    licence: str

    @property
    def is_drawn(self) -> bool:
        """Whether it is one of many drawn by rules (``scripts/parametric``), which are for training rooms only."""
        return self.model_id.startswith("parametric/")


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in the object frame: vertices (V, 3) float32 metres, faces (F, 3) int32, colours (F, 3) uint8."""

    vertices_m: NDArray[np.float32]
    faces: NDArray[np.int32]
    colours: NDArray[np.uint8]


class FurniturePack:
    """The models by id and their meshes. ``FurniturePack.load()`` gives the shipped one."""

    def __init__(self, models: tuple[FurnitureModel, ...], spans: dict[str, tuple[int, int]], data: bytes) -> None:
        self.models = models
        self._by_id = {model.model_id: model for model in models}
        self._spans = spans
        self._data = data

    @staticmethod
    def load() -> FurniturePack:
        """The pack shipped with the package, read once per process."""
        return _shipped_pack()

    def without_drawn(self) -> FurniturePack:
        """The catalogue's models alone."""
        return FurniturePack(tuple(m for m in self.models if not m.is_drawn), self._spans, self._data)

    def by_id(self, model_id: str) -> FurnitureModel:
        """The model of that id. Raises ``DataError`` if there is none."""
        if model_id not in self._by_id:
            raise DataError(
                "no such furniture model",
                received=model_id,
                expected=f"one of the {len(self.models)} ids in the furniture pack",
                fix="regenerate the scene: it was made with another version of the pack",
            )
        return self._by_id[model_id]

    def colour(self, model_id: str) -> str:
        """The colour word of that model. Raises ``DataError`` for an unknown id."""
        return self.by_id(model_id).colour

    def mesh(self, model_id: str) -> Mesh:
        """The mesh of that model, sized to its ``size_m``. Raises ``DataError`` for an unknown id."""
        model = self.by_id(model_id)
        start, length = self._spans[model_id]
        width, depth, height = model.size_m
        return decode_mesh(self._data[start : start + length], (depth, width, height))

    def names(self, split: Split | None = None) -> tuple[str, ...]:
        """The classes that have a model in that split, sorted."""
        return tuple(sorted({m.name for m in self.models if split in (None, m.split)}))

    def candidates(self, name: str, split: Split, placement: Placement | None = None) -> tuple[FurnitureModel, ...]:
        """The models of a class in a split, in a fixed order; empty if there are none."""
        return tuple(m for m in self.models if m.name == name and m.split == split and placement in (None, m.placement))

    def choose(
        self, name: str, split: Split, rng: np.random.Generator, placement: Placement | None = None
    ) -> FurnitureModel | None:
        """One model of a class and split at random, or None if there is none."""
        found = self.candidates(name, split, placement)
        return found[int(rng.integers(len(found)))] if found else None


@cache
def _shipped_pack() -> FurniturePack:
    folder = files("loc3r.synth") / "pack"
    rows = json.loads((folder / "models.json").read_text())
    spans = {row["model_id"]: tuple(row.pop("span")) for row in rows}
    models = tuple(_model(row) for row in rows)
    return FurniturePack(models, spans, (folder / "meshes.bin").read_bytes())


def _model(row: dict[str, Any]) -> FurnitureModel:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return FurnitureModel(**fields)


def encode_mesh(vertices: NDArray[np.floating], faces: NDArray[np.integer], colours: NDArray[np.uint8]) -> bytes:
    """Compress a mesh: vertices (V, 3) in the unit cube [-1, 1], faces (F, 3), colours (F, 3) uint8.

    Positions become int16, faces sorted differences: neighbours then look alike, which deflate likes.
    """
    order = np.lexsort(vertices.T)
    faces = np.argsort(order)[faces]
    faces = np.take_along_axis(faces, (faces.argmin(1)[:, None] + np.arange(3)) % 3, 1)  # same winding
    by_corner = np.lexsort(faces.T[::-1])
    points = np.diff(np.rint(vertices[order] * 32767).astype("<i2"), axis=0, prepend=np.int16(0))
    steps = np.diff(faces[by_corner].astype("<u2"), axis=0, prepend=np.uint16(0))
    header = np.array([len(vertices), len(faces)], "<u4").tobytes()
    planes = [_planes(points), _planes(steps), colours[by_corner].T.tobytes()]
    return zlib.compress(header + b"".join(planes), 9)


def decode_mesh(data: bytes, size_m: tuple[float, float, float]) -> Mesh:
    """The mesh that ``encode_mesh`` compressed, stretched to a box of ``size_m`` (x, y, z)."""
    raw = zlib.decompress(data)
    vertices, faces = np.frombuffer(raw, "<u4", 2).tolist()
    split, end = 8 + vertices * 6, 8 + vertices * 6 + faces * 6
    points = np.cumsum(_unplanes(raw[8:split], vertices).view("<i2"), axis=0, dtype=np.int16)
    corners = np.cumsum(_unplanes(raw[split:end], faces), axis=0, dtype=np.uint16)
    colours = np.frombuffer(raw, np.uint8, offset=end).reshape(3, faces).T
    scale = np.array(size_m, np.float32) / 2 / 32767
    return Mesh((points * scale).astype(np.float32), corners.astype(np.int32), np.ascontiguousarray(colours))


def _planes(values: NDArray[np.generic]) -> bytes:
    """(N, 3) 16-bit values as six byte planes."""
    return np.ascontiguousarray(values).view(np.uint8).T.tobytes()


def _unplanes(data: bytes, count: int) -> NDArray[np.uint16]:
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(6, count).T).view("<u2")
