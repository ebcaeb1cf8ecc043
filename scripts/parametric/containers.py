"""Boxes and the like: chests, cartons, bins, baskets, suitcases, safes."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import (
    BLACKS,
    FABRICS,
    LEATHERS,
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

CARTON: tuple[RGB, ...] = ((0.72, 0.54, 0.36), (0.66, 0.5, 0.34), (0.78, 0.62, 0.44), (0.9, 0.9, 0.88))
WICKER: tuple[RGB, ...] = (
    (0.72, 0.55, 0.34),
    (0.55, 0.38, 0.22),
    (0.84, 0.74, 0.56),
    (0.4, 0.28, 0.18),
    (0.9, 0.88, 0.84),
)


def chest(rng: np.random.Generator) -> Model:
    """A trunk with a lid: flat or round, with bands of metal or leather, or a plain box for toys."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((70, 125), (40, 55), (38, 58)))
    colour = tone(rng, WOODS, WOODS, PAINTS, LEATHERS)
    metal = tone(rng, METALS, LEATHERS, WOODS)
    lid = 0.72 * height
    build.box((0, 3, 0), (width, lid, depth), colour)
    for x in (0.0, width - 7):
        for z in (0.0, depth - 7):
            build.box((x, 0, z), (x + 7, 3, z + 7), shade(colour, 0.6))
    is_round = chance(rng, 0.4)
    if is_round:
        turns = np.linspace(0, np.pi, 7)
        rise = height - lid + 5
        arch = [(lid + 0.8 + rise * np.sin(t), depth / 2 + depth / 2 * np.cos(t)) for t in turns]
        build.prism(arch, -0.5, width + 0.5, 0, shade(colour, 0.92))
    else:
        build.box((-1, lid + 0.8, -1), (width + 1, height, depth + 1), shade(colour, 0.92))
    bands = int(rng.integers(0, 4))
    for x in np.linspace(-0.6, width - 3.4, bands) if bands > 1 else ():
        build.box((x, 3, -0.6), (x + 4, lid, depth + 0.6), metal)
        if not is_round:
            build.box((x - 1, lid, -1.6), (x + 5, height + 0.6, depth + 1.6), metal)
    if chance(rng, 0.6):
        build.box((width / 2 - 4, lid - 8, depth), (width / 2 + 4, lid + 4, depth + 2), metal)
    for x in (-2.0, width) if chance(rng, 0.5) else ():
        build.box((x, 0.5 * lid, depth / 2 - 9), (x + 2, 0.5 * lid + 3, depth / 2 + 9), metal)
    return build.model()


def box(rng: np.random.Generator) -> Model:
    """A carton, closed and taped, or open with flaps; a crate of boards; a plastic box with a lid; a stack."""
    build = Parts()
    kind = pick(rng, ("closed", "open", "crate", "plastic", "stack"))
    size = (float(rng.uniform(38, 68)), float(rng.uniform(26, 48)), float(rng.uniform(32, 50)))
    carton = tone(rng, CARTON)
    if kind == "plastic":
        _plastic_box(build, rng, size)
    elif kind == "crate":
        _crate(build, rng, size)
    elif kind == "open":
        _open_carton(build, rng, size, carton)
    else:
        _carton(build, size, carton, 0)
        if kind == "stack":
            with build.moved((0, size[1], 0)), build.turned_by(12, (size[0] / 2, 0, size[2] / 2), axis=1):
                _carton(build, size, carton, 4)
    return build.model()


def _carton(build: Parts, size: tuple[float, float, float], colour: RGB, inset: float) -> None:
    """A closed carton with tape and a label."""
    (width, height, depth), tape, middle = size, shade(colour, 1.22), size[2] / 2
    build.box((inset, 0, inset), (width - inset, height, depth - inset), colour)
    build.box((inset - 0.3, height, middle - 3), (width - inset + 0.3, height + 0.3, middle + 3), tape)
    for x in (inset - 0.3, width - inset):
        build.box((x, 0.7 * height, middle - 3), (x + 0.3, height, middle + 3), tape)
    build.box((0.6 * width, 5, depth - inset), (0.8 * width, 14, depth - inset + 0.3), WHITES[0])


def _plastic_box(build: Parts, rng: np.random.Generator, size: tuple[float, float, float]) -> None:
    """A tub that narrows below, with a lid of another colour and clasps."""
    (width, height, depth), body, lid = size, tone(rng, PAINTS, ((0.8, 0.84, 0.88),)), tone(rng, PAINTS, WHITES)
    foot = np.array([(2, 0, depth - 2), (width - 2, 0, depth - 2), (width - 2, 0, 2), (2, 0, 2.0)])
    rim = np.array([(0, height, depth), (width, height, depth), (width, height, 0), (0, height, 0.0)])
    build.loft([foot, rim], body)
    build.block((-1, height, -1), (width + 1, height + 4, depth + 1), lid, 1.5)
    for x in (-2.0, width):
        build.box((x, height - 5, depth / 2 - 6), (x + 2, height + 2, depth / 2 + 6), lid)


def _crate(build: Parts, rng: np.random.Generator, size: tuple[float, float, float]) -> None:
    """Boards with gaps between them."""
    (width, height, depth), wood = size, tone(rng, WOODS, PAINTS)
    hollow(build, rng, size, shade(wood, 0.8), shade(wood, 0.4), 1.5)
    for i in range(3):
        y = i * height / 3 + 1
        top = y + height / 3 - 3
        for z in (-1.0, depth - 1):
            build.box((-1, y, z), (width + 1, top, z + 2), wood)
        for x in (-1.0, width - 1):
            build.box((x, y, 1), (x + 2, top, depth - 1), wood)


def _open_carton(build: Parts, rng: np.random.Generator, size: tuple[float, float, float], colour: RGB) -> None:
    """A carton with its four flaps up or down."""
    width, height, depth = size
    hollow(build, rng, size, colour, shade(colour, 0.5), 0.8)
    flap, pale = 0.42 * depth, shade(colour, 1.06)
    for z, turn in ((0.0, -1), (depth, 1)):
        with build.turned_by(turn * float(rng.uniform(60, 130)), (0, height, z)):
            build.box((0, height, z - 0.4), (width, height + flap, z + 0.4), pale)
    for x, turn in ((0.0, 1), (width, -1)):
        with build.turned_by(turn * float(rng.uniform(60, 130)), (x, height, 0), axis=2):
            build.box((x - 0.4, height, 1), (x + 0.4, height + flap, depth - 1), pale)


def hollow(
    build: Parts, rng: np.random.Generator, size: tuple[float, float, float], colour: RGB, inside: RGB, wall: float
) -> None:
    """An open box of (width, height, depth); it looks deep although it is filled halfway, perhaps with things."""
    width, height, depth = size
    for x in (0.0, width - wall):
        build.box((x, 0, 0), (x + wall, height, depth), colour)
    for z in (0.0, depth - wall):
        build.box((wall, 0, z), (width - wall, height, z + wall), colour)
    build.box((wall, 0, wall), (width - wall, 0.35 * height, depth - wall), inside)
    if chance(rng, 0.35):
        for _ in range(3):
            x, z = float(rng.uniform(0.1, 0.5)) * width, float(rng.uniform(0.1, 0.5)) * depth
            top = float(rng.uniform(0.6, 1.1)) * height
            build.box((x, 0.3 * height, z), (x + 0.38 * width, top, z + 0.35 * depth), tone(rng, PAINTS, FABRICS))


def vessel(
    build: Parts, centre: tuple[float, float], low: float, high: float, height: float, colour: RGB, inside: RGB,
    sides: int = 14, filled: float = 0.3,
) -> None:  # fmt: skip
    """An open round or square tub of those radii below and above."""
    wall, floor = 1.0, filled * height
    at_floor = low + (high - low) * filled
    profile = [(0, 0), (low, 0), (high, height), (high - wall, height), (at_floor - wall, floor), (0, floor)]
    build.lathe(centre, profile, colour, sides)
    build.lathe(centre, [(0, floor), (at_floor - wall, floor), (0, floor + 0.5)], inside, sides)


def trash_can(rng: np.random.Generator) -> Model:
    """A bin for paper, one with a pedal, a swing lid or a domed one, one with wheels, or bins side by side."""
    build = Parts()
    kind = pick(rng, ("paper", "paper", "pedal", "swing", "wheels", "wire"))
    colour = tone(rng, METALS, PAINTS, PAINTS, BLACKS)
    if kind in ("paper", "wire"):
        low, high, height = (float(rng.uniform(*r)) for r in ((9, 13), (12, 17), (25, 38)))
        sides = pick(rng, (4, 14))
        vessel(build, (high, high), low, high, height, colour, shade(colour, 0.4), sides)
        if kind == "wire":
            for y in (0.3, 0.6, 0.97):
                r = low + (high - low) * y + 0.5
                build.hoop((high, high), (r - 2, r + 0.3), y * height, y * height + 1.2, shade(colour, 0.6), sides)
        for _ in range(int(rng.integers(0, 4))):
            x, z = (high + float(rng.uniform(-0.4, 0.4)) * high for _ in range(2))
            build.block(
                (x - 4, 0.3 * height, z - 4), (x + 4, float(rng.uniform(0.6, 1.05)) * height, z + 4), WHITES[0], 2
            )
    elif kind in ("pedal", "swing"):
        r, height = float(rng.uniform(13, 20)), float(rng.uniform(38, 70))
        lid = tone(rng, BLACKS, METALS, (colour,))
        sides = pick(rng, (4, 16, 16))
        body = [(0, 0), (r, 0), (r, height), (0, height)]
        build.lathe((r, r), body, colour, sides)
        dome = [(0, height), (r + 0.6, height), (0.9 * r, height + 4), (0, height + 6)]
        if kind == "swing":
            dome = [(0, height), (r + 0.6, height), (0.8 * r, height + 14), (0.3 * r, height + 18), (0, height + 18)]
        build.lathe((r, r), dome, lid, sides)
        build.lathe((r, r), [(0, 0), (r + 0.7, 0), (r + 0.7, 3), (0, 3)], shade(lid, 0.6), sides)
        if kind == "pedal":
            build.box((r - 4, 0.5, 1.6 * r), (r + 4, 2.5, 2 * r + 6), shade(lid, 0.5))
    else:
        width, depth, height = (float(rng.uniform(*r)) for r in ((44, 56), (50, 62), (78, 100)))
        ring = np.array([(5, 6, 5), (width - 5, 6, 5), (width - 5, 6, depth - 7), (5, 6, depth - 7.0)])
        rim = np.array([(0, height - 8, 0), (width, height - 8, 0), (width, height - 8, depth), (0, height - 8, depth)])
        build.loft([ring[::-1], rim[::-1]], colour)
        lid = pick(rng, (colour, tone(rng, PAINTS)))
        build.block((-1, height - 8, -2), (width + 1, height, depth + 2), lid, 3)
        for x in (3.0, width - 8):
            build.tube((x, 9, 4), (x + 5, 9, 4), 9, (0.1, 0.1, 0.1), sides=10)
        build.tube((4, height - 8, -4), (width - 4, height - 8, -4), 1.5, colour, sides=6)
    return build.model()


def laundry_basket(rng: np.random.Generator) -> Model:
    """A tall hamper of wicker, plastic or cloth, with a lid or with clothes that look out."""
    build = Parts()
    height, r = float(rng.uniform(48, 68)), float(rng.uniform(19, 27))
    colour, sides = tone(rng, WICKER, WICKER, WHITES, FABRICS), pick(rng, (4, 12, 12))
    centre = (r, r)
    low = float(rng.uniform(0.75, 0.95)) * r
    vessel(build, centre, low, r, height, colour, shade(colour, 0.4), sides, 0.7)
    for share in np.linspace(0.06, 0.9, int(rng.integers(3, 6))):  # bands, or rows of holes
        y = float(share) * height
        build.hoop(centre, (0.7 * r, (low + (r - low) * float(share)) + 0.5), y, y + 1.8, shade(colour, 0.72), sides)
    if chance(rng, 0.4):
        lid = [(0, height), (r + 1, height), (r + 1, height + 3), (0.5 * r, height + 5), (0, height + 5)]
        build.lathe(centre, lid, shade(colour, 0.9), sides)
        build.block((r - 4, height + 4, r - 1.5), (r + 4, height + 8, r + 1.5), shade(colour, 0.6), 1)
    else:
        clothes(build, rng, centre, r, 0.7 * height, height)
    return build.model()


def clothes(
    build: Parts, rng: np.random.Generator, centre: tuple[float, float], radius: float, low: float, high: float
) -> None:
    """Crumpled clothes in a basket, some hanging over its rim."""
    for _ in range(int(rng.integers(3, 6))):
        x, z = (c + float(rng.uniform(-0.45, 0.45)) * radius for c in centre)
        half = float(rng.uniform(0.25, 0.4)) * radius
        with build.turned_by(float(rng.uniform(0, 90)), (x, 0, z), axis=1):
            top = high + float(rng.uniform(-2, 7))
            build.block((x - half, low, z - half), (x + half, top, z + half), tone(rng, FABRICS, PAINTS), 3.5)
    if chance(rng, 0.5):
        x, colour = centre[0] + float(rng.uniform(-0.3, 0.1)) * radius, tone(rng, FABRICS, PAINTS)
        z = centre[1] + radius
        build.box((x, high - 16, z - 1), (x + 0.45 * radius, high + 1.5, z + 1), colour)


def basket(rng: np.random.Generator) -> Model:
    """A low basket of wicker, rope or wire with handles or a bow, empty or with blankets, toys or fruit in it."""
    build = Parts()
    height, r = float(rng.uniform(20, 36)), float(rng.uniform(17, 28))
    colour, sides = tone(rng, WICKER, WICKER, FABRICS, METALS), pick(rng, (4, 12, 12))
    low = float(rng.uniform(0.7, 1)) * r
    vessel(build, (r, r), low, r, height, colour, shade(colour, 0.45), sides, 0.4)
    for share in (0.25, 0.55, 0.93):
        y, radius = share * height, low + (r - low) * share
        build.hoop((r, r), (0.8 * radius, radius + 0.7), y, y + 2, shade(colour, 0.75), sides)
    turns = np.linspace(0, np.pi, 8)
    kind = pick(rng, ("bow", "ears", "none"))
    if kind == "bow":
        rise = float(rng.uniform(0.8, 1.4)) * r
        bow = [(r - 0.95 * r * np.cos(t), height - 2 + rise * np.sin(t), r) for t in turns]
        build.pipe(bow, 1.4, shade(colour, 0.8), 5)
    elif kind == "ears":
        for x in (0.0, 2 * r):
            ear = [(x, height - 1 + 8 * np.sin(t), r - 7 * np.cos(t)) for t in turns]
            build.pipe(ear, 1.2, shade(colour, 0.7), 4)
    if chance(rng, 0.6):
        clothes(build, rng, (r, r), r, 0.4 * height, height)
    return build.model()


def suitcase(rng: np.random.Generator) -> Model:
    """A case on wheels that stands with its handle out, or an old one of leather with straps, standing on its side."""
    build = Parts()
    colour = tone(rng, PAINTS, BLACKS, FABRICS, LEATHERS)
    dark = tone(rng, BLACKS)
    if chance(rng, 0.7):
        width, depth, height = (float(rng.uniform(*r)) for r in ((36, 50), (21, 30), (52, 72)))
        build.block((0, 5, 0), (width, height, depth), colour, float(rng.uniform(2, 6)))
        for x in np.linspace(0.18, 0.82, int(rng.integers(2, 6))):  # ribs
            build.box((x * width - 1, 10, -0.7), (x * width + 1, height - 6, depth + 0.7), shade(colour, 0.82))
        for x in (4.0, width - 4):
            for z in (4.0, depth - 4):
                build.tube((x - 1.5, 2.5, z), (x + 1.5, 2.5, z), 2.5, dark, sides=8)
                build.box((x - 1, 2, z - 1), (x + 1, 6, z + 1), dark)
        if chance(rng, 0.6):
            rise = height + float(rng.uniform(18, 42))
            for x in (0.3 * width, 0.7 * width):
                build.tube((x, height - 4, 4), (x, rise, 4), 0.9, (0.7, 0.7, 0.72), sides=4)
            build.box((0.3 * width - 2, rise, 2.5), (0.7 * width + 2, rise + 3, 5.5), dark)
        build.box((width / 2 - 7, height, depth / 2 - 1), (width / 2 + 7, height + 3, depth / 2 + 1), dark)
        return build.model()
    width, depth, height = (float(rng.uniform(*r)) for r in ((52, 74), (16, 24), (36, 48)))
    build.block((0, 0, 0), (width, height, depth), colour, 2)
    trim = tone(rng, LEATHERS, METALS)
    build.box((-0.4, 0.5, depth / 2 - 0.5), (width + 0.4, height + 0.3, depth / 2 + 0.5), shade(colour, 0.5))
    for x in (0.22 * width, 0.74 * width):
        build.box((x, -0.5, -0.7), (x + 4, height + 0.7, depth + 0.7), trim)
    for x, out in ((0.0, 1), (width - 8, 1)):
        for y in (0.0, height - 8):
            build.box((x - 0.5, y - 0.5 * out, -0.5), (x + 8.5, y + 8.5, depth + 0.5), shade(trim, 0.9))
    turns = [(width / 2 + dx, height + dy, depth / 2) for dx, dy in ((-9, 0), (-8, 5), (8, 5), (9, 0))]
    build.pipe(turns, 1.2, trim, 5)
    return build.model()


def safe(rng: np.random.Generator) -> Model:
    """A heavy box of steel: a thick door with a dial or keys, and a handle or a wheel."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((34, 60), (34, 55), (32, 95)))
    colour = tone(rng, BLACKS, METALS, ((0.24, 0.32, 0.36), (0.2, 0.28, 0.22), (0.5, 0.52, 0.5)))
    metal = tone(rng, METALS[:3], METALS[5:])
    build.block((0, 2, 0), (width, height, depth), colour, 1)
    for x in (2.0, width - 8):
        for z in (2.0, depth - 8):
            build.box((x, 0, z), (x + 6, 2, z + 6), shade(colour, 0.5))
    build.box((3, 5, depth), (width - 3, height - 3, depth + 0.6), shade(colour, 0.5))
    build.block((4, 6, depth), (width - 4, height - 4, depth + 3), shade(colour, 1.25), 0.8)
    for y in (0.2 * height, 0.72 * height):
        build.tube((3, y, depth + 2), (3, y + 0.1 * height, depth + 2), 1.5, metal, sides=6)
    x, y, z = 0.42 * width, 0.6 * height, depth + 3
    if chance(rng, 0.5):
        build.tube((x, y, z), (x, y, z + 2.5), 5, metal, sides=12)
        build.tube((x, y, z + 2.5), (x, y, z + 3), 3.5, (0.1, 0.1, 0.1), sides=12)
    else:
        build.box((x - 5, y - 6, z), (x + 5, y + 7, z + 1), (0.1, 0.1, 0.1))
        for i in range(9):
            left, low = x - 4 + 2.8 * (i % 3), y - 5 + 3 * (i // 3)
            build.box((left, low, z + 1), (left + 2, low + 2, z + 1.5), (0.85, 0.85, 0.85))
    middle = (0.72 * width, 0.42 * height, z)
    if chance(rng, 0.5):
        for turn in np.arange(3) * np.pi / 3:
            dx, dy = 6 * np.cos(turn), 6 * np.sin(turn)
            start = (middle[0] - dx, middle[1] - dy, z + 3)
            build.tube(start, (middle[0] + dx, middle[1] + dy, z + 3), 0.9, metal, sides=6)
        build.tube(middle, (middle[0], middle[1], z + 4), 1.8, metal, sides=8)
    else:
        build.box((middle[0] - 7, middle[1] - 1.2, z + 1.5), (middle[0] + 3, middle[1] + 1.2, z + 3.5), metal)
        build.tube(middle, (middle[0], middle[1], z + 3), 2, metal, sides=8)
    return build.model()


MAKERS = {
    "chest": chest,
    "box": box,
    "trash can": trash_can,
    "laundry basket": laundry_basket,
    "basket": basket,
    "suitcase": suitcase,
    "safe": safe,
}
