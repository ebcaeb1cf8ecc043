"""Large single pieces: folding screens and pianos."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import (
    BLACKS,
    FABRICS,
    METALS,
    PAINTS,
    WHITES,
    WOODS,
    Parts,
    chance,
    pick,
    shade,
    tone,
)


def room_divider(rng: np.random.Generator) -> Model:
    """A folding screen of three to five leaves: paper with bars, cloth, boards or slats."""
    build = Parts()
    leaves, wide, height = int(rng.integers(3, 6)), float(rng.uniform(40, 52)), float(rng.uniform(160, 190))
    frame, inside = tone(rng, WOODS, BLACKS, WHITES), tone(rng, WHITES, FABRICS, PAINTS)
    kind, fold = pick(rng, ("paper", "cloth", "boards", "slats")), float(rng.uniform(14, 30))
    x, z, step = 0.0, 20.0, wide * np.cos(np.radians(fold))
    for i in range(leaves):
        turn = fold * (1, -1)[i % 2]
        with build.moved((x, 0, z)), build.turned_by(turn, (0, 0, 0), axis=1):
            _leaf(build, rng, kind, wide, height, frame, inside)
        x, z = x + step, z - wide * np.sin(np.radians(turn))
    return build.model()


def _leaf(
    build: Parts, rng: np.random.Generator, kind: str, wide: float, height: float, frame: RGB, inside: RGB
) -> None:
    for x in (0.0, wide - 2.5):
        build.box((x, 0, -1.2), (x + 2.5, height, 1.2), frame)
    for y in (8.0, height - 3):
        build.box((2.5, y, -1.2), (wide - 2.5, y + 3, 1.2), frame)
    if kind == "slats":
        for y in np.arange(13, height - 5, 14):
            build.box((2.5, y, -0.6), (wide - 2.5, y + 9, 0.6), inside)
        return
    build.box((2.5, 11, -0.4), (wide - 2.5, height - 3, 0.4), frame if kind == "boards" else inside)
    if kind == "paper":
        for y in np.linspace(11, height - 3, 7)[1:-1]:
            build.box((2.5, y, -0.8), (wide - 2.5, y + 1.2, 0.8), frame)
        build.box((wide / 2 - 0.6, 11, -0.8), (wide / 2 + 0.6, height - 3, 0.8), frame)
    elif kind == "boards":
        for y in (18.0, 0.36 * height, 0.68 * height):
            build.box((7, y, -0.9), (wide - 7, y + 0.24 * height, 0.9), inside)


def piano(rng: np.random.Generator) -> Model:
    """An upright piano, or a grand one with its lid up, with its keys at the front."""
    build = Parts()
    colour = tone(rng, BLACKS, BLACKS, WOODS, WHITES)
    if chance(rng, 0.3):
        _grand(build, rng, colour)
        return build.model()
    width, height, depth = float(rng.uniform(138, 152)), float(rng.uniform(104, 132)), float(rng.uniform(56, 64))
    back = 0.55 * depth
    build.box((0, 6, 0), (width, height - 3, back), colour)
    build.box((-1.5, height - 3, -1), (width + 1.5, height, back + 2), shade(colour, 1.15))
    build.box((2, 0, 3), (width - 2, 6, back), shade(colour, 0.7))
    build.box((0, 58, back), (width, 66, depth), colour)
    _keys(build, 8, width - 8, 66, back + 5, depth - 1)
    for x in (0.0, width - 7):
        build.box((x, 58, back), (x + 7, 73, depth), colour)
        build.box((x, 0, depth - 9), (x + 6, 58, depth - 3), colour)
    build.box((0, 0, back), (width, 5, back + 5), colour)
    for share in (0.04, 0.52):
        build.box((share * width, 78, back), (share * width + 0.44 * width, height - 10, back + 1), shade(colour, 1.3))
    build.box((0.1 * width, 14, back), (0.9 * width, 52, back + 1), shade(colour, 1.3))
    build.box((0.3 * width, 74, back + 1), (0.7 * width, 77, back + 6), colour)
    if chance(rng, 0.7):  # open music
        with build.turned_by(-15, (0, 77, back + 5)):
            build.box((0.4 * width, 77, back + 3), (0.6 * width, 100, back + 4), WHITES[0])
    for x in (-6, 0, 6):
        build.box((width / 2 + x - 1, 4, back), (width / 2 + x + 1, 6, back + 9), METALS[5])
    return build.model()


def _keys(build: Parts, x0: float, x1: float, y: float, z0: float, z1: float) -> None:
    """White keys in one strip with the black ones on it in twos and threes."""
    build.box((x0, y, z0), (x1, y + 2, z1), (0.95, 0.94, 0.9))
    octaves = 7
    wide = (x1 - x0) / octaves
    for octave in range(octaves):
        for step in (1, 2, 4, 5, 6):
            x = x0 + octave * wide + step * wide / 7
            build.box((x - 0.7, y + 2, z0), (x + 0.7, y + 3.2, z0 + 0.62 * (z1 - z0)), (0.06, 0.06, 0.06))


def _grand(build: Parts, rng: np.random.Generator, colour: RGB) -> None:
    """A wing-shaped body on three legs; the bass side is at the left, the lid opens to the right."""
    width, length, low, high = 148.0, float(rng.uniform(150, 185)), 62.0, 96.0
    bend = [(0.3, 1.0), (0.48, 0.93), (0.62, 0.78), (0.74, 0.62), (1.0, 0.5), (1.0, 0.0)]
    outline = [(width, length - 25), (0.0, length - 25), (0.0, 8.0), (14.0, 0.0)]
    outline += [(share * width, (1 - back) * (length - 25)) for share, back in bend[:-1]]
    build.prism(outline, low, high, 1, colour)
    with build.turned_by(float(rng.uniform(28, 40)), (0, high, 0), axis=2):
        build.prism(outline, high + 1, high + 3, 1, shade(colour, 1.2))
    build.tube((width - 12, high, length - 60), (width - 24, high + 62, length - 60), 1, colour, sides=4)
    build.box((0, low, length - 26), (width, low + 9, length), colour)
    _keys(build, 9, width - 9, low + 9, length - 20, length - 1)
    for x in (0.0, width - 8):
        build.box((x, low, length - 26), (x + 8, low + 15, length), colour)
    for x, z in ((10, length - 30), (width - 10, length - 30), (32, 25)):
        shape = [(0, 0), (4, 0), (3.5, 6), (5, 30), (6.5, low), (0, low)]
        build.lathe((x, z), shape, colour, 8)
    build.box((width / 2 - 9, 8, length - 45), (width / 2 + 9, low, length - 42), colour)


MAKERS = {"room divider": room_divider, "piano": piano}
