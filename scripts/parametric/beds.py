"""What people sleep in: beds, bunk beds, cribs, mattresses, made up or not."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import (
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


def bedding(build: Parts, rng: np.random.Generator, width: float, z0: float, z1: float, y: float, thick: float) -> None:
    """A mattress from the head at z0 to the foot at z1 with pillows, a blanket turned down, perhaps a throw."""
    sheet, cover = tone(rng, WHITES, WHITES, FABRICS), tone(rng, FABRICS, FABRICS, PAINTS, WHITES)
    build.block((0, y, z0), (width, y + thick, z1), sheet, 2.5)
    top, length = y + thick, z1 - z0
    start = z0 + float(rng.uniform(0.27, 0.42)) * length
    drop = float(rng.uniform(0.3, 0.8)) * thick
    if chance(rng, 0.9):
        build.block((-1.5, top - drop, start), (width + 1.5, top + 4, z1 + 1.5), cover, 2)
        if chance(rng, 0.6):
            fold = pick(rng, (sheet, shade(cover, 0.8)))
            build.block((-1.8, top - drop + 1, start - 4), (width + 1.8, top + 5, start + 18), fold, 2)
        if chance(rng, 0.3):
            throw = tone(rng, FABRICS, PAINTS)
            build.block((-2, top - drop, z1 - 55), (width + 2, top + 5.2, z1 - 15), throw, 1.5)
    count = 1 if width < 115 else 2
    cases = pick(rng, (sheet, cover, tone(rng, FABRICS, WHITES)))
    for i in range(count):
        wide = min(0.85 * width / count, 70.0)
        x = (i + 0.5) * width / count
        build.block((x - wide / 2, top - 1, z0 + 4), (x + wide / 2, top + 10, z0 + 44), cases, 4.5)
        if chance(rng, 0.4):
            build.pillow((x, top + 20, z0 + 40), (0.8 * wide, 34, 12), tone(rng, FABRICS, PAINTS), -35)


def _headboard(build: Parts, rng: np.random.Generator, width: float, base: float, frame: RGB) -> None:
    """What stands behind the pillows: a board, a padded panel, slats, iron bars, an arch, a shelf, or nothing."""
    kinds = ("board", "padded", "tufted", "slats", "iron", "arch", "posts", "none")
    kind, top = pick(rng, kinds), float(rng.uniform(85, 125))
    if kind == "board":
        build.box((-3, 0, -4), (width + 3, top, 0), frame)
    elif kind in ("padded", "tufted"):
        cover = tone(rng, FABRICS, LEATHERS)
        columns = 1 if kind == "padded" else int(rng.integers(3, 7))
        wide = (width + 8) / columns
        for i in range(columns):
            build.block((-4 + i * wide, 8, -9), (-4 + (i + 1) * wide, top, 0), cover, 2.5)
    elif kind == "slats":
        _bars(build, width, base + 12, top, 3.0, frame)
    elif kind == "iron":
        _bars(build, width, base + 12, top, 1.2, tone(rng, METALS))
    elif kind == "arch":
        turns = np.linspace(0, np.pi, 9)
        crown = [(width / 2 + (width / 2 + 3) * np.cos(t), 0.7 * top + 0.3 * top * np.sin(t)) for t in turns]
        build.prism([(-3, 0), (width + 3, 0), *crown], -5, 0, 2, frame)
    elif kind == "posts":
        build.box((0, base, -4), (width, top - 25, -1), frame)
        for x in (0.0, width):
            shape = [(0, 0), (3.5, 0), (3.5, top - 20), (2, top - 16), (4, top - 7), (0, top)]
            build.lathe((x, -3), shape, frame, 8)


def _bars(build: Parts, width: float, low: float, top: float, half: float, colour: RGB) -> None:
    """Upright bars between two posts and two rails."""
    for x in (-1.0, width + 1):
        build.box((x - 2, 0, -5), (x + 2, top, -1), colour)
    for y in (low, top - 6):
        build.box((-1, y, -4), (width + 1, y + 2 * half, -2), colour)
    for x in np.linspace(0, width, int(width / 14) + 1)[1:-1]:
        build.box((x - half, low, -3.5), (x + half, top - 6, -2.5), colour)


def bed(rng: np.random.Generator) -> Model:
    """A bed for one or two with its head at the back."""
    build = Parts()
    width = float(pick(rng, (rng.uniform(88, 100), rng.uniform(120, 145), rng.uniform(155, 185))))
    length = float(rng.uniform(190, 206))
    frame = tone(rng, WOODS, WOODS, WHITES, FABRICS, METALS)
    kind = pick(rng, ("legs", "legs", "box", "low", "drawers"))
    base = {"legs": float(rng.uniform(28, 36)), "box": 32.0, "low": 18.0, "drawers": 38.0}[kind]
    if kind == "legs":
        build.box((-2, base - 14, 0), (width + 2, base, length + 3), frame)
        build.legs((width, base - 14, length), pick(rng, ("square", "taper", "turned")), 6, frame, 0)
    else:
        build.block((-2, 0 if kind != "low" else 4, 0), (width + 2, base, length + 3), frame, 2)
        if kind == "low":
            build.box((8, 0, 10), (width - 8, 5, length - 10), shade(frame, 0.5))
    if kind == "drawers":
        for i in range(2):  # drawers at the left side, seen from the foot
            z0, z1 = 8 + i * 0.5 * length, 0.5 * length * (i + 1)
            for x in (-3.5, width + 2):
                build.box((x, 5, z0), (x + 1.5, base - 6, z1), shade(frame, 1.12))
                build.box((x - 0.5, 18, (z0 + z1) / 2 - 8), (x + 2, 20, (z0 + z1) / 2 + 8), (0.6, 0.6, 0.62))
    _headboard(build, rng, width, base, frame)
    if chance(rng, 0.3):
        build.box((-3, 0, length + 3), (width + 3, base + float(rng.uniform(8, 34)), length + 6), frame)
    bedding(build, rng, width, 1, length, base - 6, float(rng.uniform(18, 28)))
    return build.model()


def bunk_bed(rng: np.random.Generator) -> Model:
    """Two beds one over the other, or one over a desk, with a ladder and rails."""
    build = Parts()
    length, width, upper = (float(rng.uniform(*r)) for r in ((196, 206), (90, 100), (125, 150)))
    frame = tone(rng, WOODS, WHITES, METALS, PAINTS)
    post = float(rng.uniform(3.5, 7))
    top = upper + float(rng.uniform(36, 46))
    for x in (0.0, width - post):
        for z in (0.0, length - post):
            build.box((x, 0, z), (x + post, top, z + post), frame)
    desk_below = chance(rng, 0.3)
    for y in (upper,) if desk_below else (30.0, upper):
        build.box((0, y, 0), (width, y + 12, 3), frame)
        build.box((0, y, length - 3), (width, y + 12, length), frame)
        for x in (0.0, width - 3):
            build.box((x, y, 0), (x + 3, y + 12, length), frame)
        with build.moved((4, 0, 0)):
            bedding(build, rng, width - 8, 4, length - 4, y + 4, 12)
    _rails(build, (width, length), upper, top, frame)
    if desk_below:
        board = tone(rng, WOODS, WHITES)
        build.box((0, 70, 5), (60, 73, length - 5), board)
        build.box((0, 100, 5), (22, 102, length - 5), board)
        with build.turned_by(90, (0, 0, 0), axis=1):
            build.books(rng, (-0.7 * length, 102, 2), (-12, 124, 20), 0.8)
    return build.model()


def _rails(build: Parts, size: tuple[float, float], upper: float, top: float, frame: RGB) -> None:
    """Rails round the upper bed of (width, length), open where the ladder is."""
    (width, length), gap = size, 0.7 * size[1]
    for z in (0.0, length - 3):
        for y in (upper + 18, top - 6):
            build.box((0, y, z), (width, y + 5, z + 3), frame)
    for y in (upper + 20, top - 6):
        build.box((0, y, 0), (2.5, y + 5, length), frame)
        build.box((width - 2.5, y, 0), (width, y + 5, gap), frame)
    for z in (gap + 4, length - 10):
        build.tube((width + 1, 0, z), (width + 1, upper + 30, z), 1.8, frame, sides=4)
    for y in np.arange(22, upper + 10, 25):
        build.tube((width + 1, float(y), gap + 4), (width + 1, float(y), length - 10), 1.5, frame, sides=4)


def crib(rng: np.random.Generator) -> Model:
    """A baby's bed behind bars."""
    build = Parts()
    width, length = float(rng.uniform(60, 76)), float(rng.uniform(115, 142))
    frame, base, top = tone(rng, WOODS, WHITES, WHITES, PAINTS), float(rng.uniform(28, 46)), float(rng.uniform(82, 100))
    head = top + float(rng.uniform(0, 16))
    solid = chance(rng, 0.4)
    for z in (0.0, length - 3):
        high = head if z == 0 else top
        for x in (0.0, width - 4):
            build.box((x, 0, z), (x + 4, high, z + 3), frame)
        if solid:
            build.box((2, base - 8, z), (width - 2, high - 2, z + 2.5), frame)
        else:
            for y in (base - 8, high - 5):
                build.box((2, y, z), (width - 2, y + 5, z + 3), frame)
            for x in np.linspace(4, width - 4, 8)[1:-1]:
                build.box((x - 0.8, base - 5, z + 1), (x + 0.8, high - 4, z + 2.2), frame)
    for x in (0.0, width - 3):
        for y in (base - 8, top - 5):
            build.box((x, y, 0), (x + 3, y + 4, length), frame)
        for z in np.linspace(3, length - 3, int(length / 9))[1:-1]:
            build.box((x + 0.8, base - 5, z - 0.8), (x + 2.2, top - 4, z + 0.8), frame)
    build.box((2, base - 6, 2), (width - 2, base - 3, length - 2), shade(frame, 0.9))
    sheet, cover = tone(rng, WHITES, PAINTS), tone(rng, PAINTS, FABRICS)
    build.block((3, base - 3, 3), (width - 3, base + 9, length - 3), sheet, 2)
    build.block((3.5, base + 8, 0.42 * length), (width - 3.5, base + 12, length - 4), cover, 1.5)
    build.block((14, base + 8, 8), (width - 14, base + 14, 34), tone(rng, WHITES, PAINTS), 2.5)
    if chance(rng, 0.35):  # a drawer below
        build.box((1, 4, 1), (width - 1, base - 12, length - 1), frame)
    return build.model()


def changing_table(rng: np.random.Generator) -> Model:
    """A chest at the height of a table with a soft mat between low walls; shelves with towels, or drawers, below."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((75, 110), (48, 70), (82, 95)))
    frame, mat = tone(rng, WHITES, WHITES, WOODS, PAINTS), tone(rng, FABRICS, PAINTS)
    for x in (0.0, width - 3):
        build.box((x, 0, 0), (x + 3, height + 9, depth), frame)
    build.box((3, height - 4, 0), (width - 3, height, depth), frame)
    build.box((3, 4, 0), (width - 3, height + 9, 2), frame)
    build.block((6, height, 4), (width - 6, height + 5, depth - 1), mat, 2)
    for x in (6.0, width - 16):
        build.block((x, height + 2, 4), (x + 10, height + 10, depth - 1), mat, 3.5)
    if chance(rng, 0.5):
        build.box((3, 5, 2), (width - 3, height - 4, depth - 3), frame)
        front = pick(rng, (frame, tone(rng, PAINTS, WOODS)))
        grid = (int(rng.integers(2, 5)), int(rng.integers(1, 3)))
        build.fronts((2, 5), (width - 2, height - 5), depth - 3, grid, front, pick(rng, ("knob", "bar")))
        return build.model()
    for y in (8.0, 0.48 * height):
        build.box((3, y, 2), (width - 3, y + 2.5, depth), frame)
        for x in np.arange(8, width - 28, 26):
            pile = float(rng.uniform(8, 24))
            build.block((x, y + 2.5, 8), (x + 21, y + pile, depth - 6), tone(rng, FABRICS, PAINTS, WHITES), 2)
    return build.model()


def mattress(rng: np.random.Generator) -> Model:
    """A mattress on the floor: plain with a band, with a blanket, a futon, or in three folding parts."""
    build = Parts()
    width = float(pick(rng, (rng.uniform(70, 100), rng.uniform(120, 160))))
    length, thick = float(rng.uniform(180, 205)), float(rng.uniform(9, 24))
    kind = pick(rng, ("plain", "made", "folding", "quilted"))
    cover, band = tone(rng, WHITES, FABRICS), tone(rng, FABRICS, PAINTS)
    if kind == "made":
        bedding(build, rng, width, 0, length, 0, thick)
    elif kind == "folding":
        for i in range(3):
            build.block((0, 0, i * length / 3), (width, thick, (i + 1) * length / 3 - 1), band, 2)
    elif kind == "quilted":
        for i in range(7):
            build.block((0, 0, i * length / 7), (width, thick, (i + 1) * length / 7), cover, 3.5)
        build.block((0.2 * width, thick, 4), (0.8 * width, thick + 9, 42), tone(rng, WHITES, FABRICS), 4)
    else:
        build.block((0, 0, 0), (width, thick, length), cover, 3)
        build.box((-0.5, 0.3 * thick, -0.5), (width + 0.5, 0.6 * thick, length + 0.5), band)
    return build.model()


MAKERS = {"bed": bed, "bunk bed": bunk_bed, "crib": crib, "changing table": changing_table, "mattress": mattress}
