"""Variety for training rooms: each room has its own cut and paint of every model of the pack.

The pack has few models of a class, and a network learns them by heart. ``VariedPack`` is a pack whose models are
resized, mirrored and repainted by chance, so that no two rooms show the same thing. Inside a room, things of one
model look alike, as a set of chairs does. Sizes are there before anything is placed, so that all rules of the
layout hold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from loc3r.synth.boxes import FLAT_M
from loc3r.synth.colour import SHADES, colour_word, is_called, perceptual, seen_areas
from loc3r.synth.furniture import COLOURS, GLASS, FurnitureModel, FurniturePack, Mesh

Triple = tuple[float, float, float]

LARGER = 1.13
"""A thing is up to so many times as large, or as small, as its model."""
STRETCHED = 1.06
"""Each side of it is longer or shorter by up to as much again, unless a data set asks for more."""
PAINTED_SHARE = 0.6
"""Of the models, so many have another main colour in a room."""
ODD_SHARE = 0.25
"""Of the painted ones, so many have a colour that things of their class rarely have."""
ALIKE = 0.2
"""Colours no farther apart than this (as ``perceptual``) are shades of one material."""
UNPAINTED = frozenset({"cake", "christmas tree", "flowers", "mirror", "plant"})
"""Classes that keep their colours, as lamps do, which glow in theirs."""
_WOODS = ("brown", "brown", "beige", "beige", "white", "gray", "black")
_ENAMELS = ("white", "white", "gray", "black")
LIKELY = dict.fromkeys(
    (
        "bench", "bookshelf", "bunk bed", "cabinet", "changing table", "chest", "coat hook", "coffee table", "crib",
        "desk", "door", "dresser", "dressing table", "guitar", "kitchen cabinet", "ladder", "nightstand", "piano",
        "room divider", "shelf", "table", "tv stand", "wardrobe", "window", "workbench",
    ),
    _WOODS,
) | dict.fromkeys(
    (
        "air conditioner", "bathtub", "bidet", "computer", "dryer", "filing cabinet", "freezer", "keyboard piano",
        "laptop", "microwave", "monitor", "oven", "printer", "projector", "radiator", "range hood", "refrigerator",
        "safe", "shower", "sink", "speaker", "stove", "telephone", "toilet", "treadmill", "tv", "urinal",
        "washing machine", "water heater",
    ),
    _ENAMELS,
)  # fmt: skip
"""Colours that classes mostly come in, as often as they are named; the rest come in any."""


@dataclass(frozen=True)
class Variation:
    """How a thing differs from its model."""

    scale: Triple
    """Of its width, depth and height."""
    mirrored: bool
    """Left for right."""
    tint: Triple
    """Gain of red, green and blue all over."""
    paint: Triple | None
    """The main material's new colour (RGB of 0..255), if it has one."""

    @staticmethod
    def draw(model: FurnitureModel, rng: np.random.Generator, stretched: float = STRETCHED) -> Variation:
        """A variation that suits a model: rugs stay flat, openings keep their size and lamps their colour."""
        spread = np.log([LARGER, *[stretched] * 3])
        common, *sides = rng.uniform(-spread, spread).tolist()
        scale = np.exp(common + np.array(sides))
        if model.size_m[2] <= LARGER * stretched * FLAT_M:
            scale[2] = 1
        if model.placement == "opening":
            scale[:] = 1
        mirrored, painted = rng.random(2) < (0.5, PAINTED_SHARE)
        if model.name in UNPAINTED or model.name.endswith("lamp"):
            return Variation(_triple(scale), bool(mirrored), (1.0, 1.0, 1.0), None)
        tint = np.exp(rng.normal(0, 0.06) + rng.normal(0, 0.03, 3))
        return Variation(_triple(scale), bool(mirrored), _triple(tint), _paint(model.name, rng) if painted else None)

    def resize(self, model: FurnitureModel) -> FurnitureModel:
        """The model with its new size and top; its colour word is still the old one."""
        width, depth, height = self.scale
        size_m = (model.size_m[0] * width, model.size_m[1] * depth, model.size_m[2] * height)
        top_m = None if model.top_m is None else round(model.top_m * height, 4)
        area_m = model.top_area_m
        if area_m is not None:
            back, right, front, left = area_m
            right, left = (-left, -right) if self.mirrored else (right, left)
            area_m = (round(back * depth, 4), round(right * width, 4), round(front * depth, 4), round(left * width, 4))
        return replace(model, size_m=_triple(np.round(size_m, 4)), top_m=top_m, top_area_m=area_m)

    def remake(self, mesh: Mesh, colour: str) -> Mesh:
        """A model's mesh varied; ``colour`` is the model's word, by which its main material is found."""
        sides = np.array([self.scale[1], self.scale[0], self.scale[2]], np.float32)
        if self.mirrored:
            sides[1] = -sides[1]
        faces = mesh.faces[:, ::-1] if self.mirrored else mesh.faces  # keeps the outside out
        return Mesh(mesh.vertices_m * sides, np.ascontiguousarray(faces), self._repaint(mesh, colour))

    def _repaint(self, mesh: Mesh, colour: str) -> NDArray[np.uint8]:
        rgb = mesh.colours.astype(float)
        glass = (mesh.colours == np.array(GLASS)).all(1)
        main = is_called(colour, rgb) & ~glass
        if self.paint is not None and main.any():
            old = np.average(rgb[main], axis=0, weights=_areas(mesh)[main] + 1e-9)
            main |= (np.linalg.norm(perceptual(rgb) - perceptual(old[None]), axis=1) < ALIKE) & ~glass
            rgb[main] += np.array(self.paint) - old
        rgb[~glass] *= self.tint
        return np.asarray(np.clip(np.rint(rgb), 0, 255), np.uint8)


class VariedPack(FurniturePack):
    """The models of a pack, each varied once by ``rng``; everything that takes a pack takes it.

    Args:
        stretched: each side of a model is longer or shorter by up to this factor.
    """

    def __init__(self, pack: FurniturePack, rng: np.random.Generator, stretched: float = STRETCHED) -> None:
        self._pack = pack
        self._variations = {model.model_id: Variation.draw(model, rng, stretched) for model in pack.models}
        models = tuple(self._variations[model.model_id].resize(model) for model in pack.models)
        super().__init__(models, {}, b"")

    def mesh(self, model_id: str) -> Mesh:
        """The varied mesh of that model. Raises ``DataError`` for an unknown id."""
        mesh = self._pack.mesh(model_id)
        return self._variations[model_id].remake(mesh, self._pack.colour(model_id))

    def colour(self, model_id: str) -> str:
        """The word for the varied mesh, by the rule that named the model's own."""
        return colour_word(self.mesh(model_id).colours.astype(float), _seen_areas(self._pack, model_id))


@cache
def _seen_areas(pack: FurniturePack, model_id: str) -> NDArray[np.float64]:
    """How much of each face (F,) people see: near enough the same however the model is stretched or mirrored."""
    mesh = pack.mesh(model_id)
    return seen_areas(mesh.vertices_m, mesh.faces)


def _paint(name: str, rng: np.random.Generator) -> Triple:
    """A colour for things of a class: about a shade of a word that suits it."""
    words = tuple(COLOURS) if rng.random() < ODD_SHARE else LIKELY.get(name, tuple(COLOURS))
    shades = SHADES[words[int(rng.integers(len(words)))]]
    shade = np.array(shades[int(rng.integers(len(shades)))])
    return _triple(np.clip(shade + rng.normal(0, 12) + rng.normal(0, 8, 3), 8, 248))


def _areas(mesh: Mesh) -> NDArray[np.float32]:
    """Area of each face, (F,) in square metres."""
    a, b, c = (mesh.vertices_m[mesh.faces[:, i]] for i in range(3))
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def _triple(values: NDArray[np.float64]) -> Triple:
    first, second, third = values.tolist()
    return first, second, third
