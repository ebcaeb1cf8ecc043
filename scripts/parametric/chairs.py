"""Seats for one: chairs, office chairs, stools, benches, children's chairs."""

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
    Legs,
    Parts,
    chance,
    pick,
    shade,
    tone,
)

BACKS = ("slats", "ladder", "panel", "cushion", "spindles", "cross", "hoop", "bars")


def backrest(
    build: Parts, style: str, low: tuple[float, float], high: tuple[float, float], z: float, frame: RGB, cover: RGB
) -> None:
    """An upright back between (x, y) and (x, y), 3 cm thick, its front at z."""
    (x0, y0), (x1, y1) = low, high
    tall, wide = y1 - y0, x1 - x0
    if style in ("cushion", "panel"):
        soft = style == "cushion"
        build.block((x0, y0 + 0.2 * tall, z - 3), (x1, y1, z + 3 * soft), cover if soft else frame, 3 if soft else 1)
    if style == "hoop":
        _hoop(build, low, high, z, frame)
        return
    for x in (x0 + 1.5, x1 - 1.5):
        build.box((x - 1.5, y0, z - 3), (x + 1.5, y1 - 1, z), frame)
    if style in ("slats", "spindles", "cross"):
        build.box((x0, y1 - 0.18 * tall, z - 3), (x1, y1, z - 0.5), frame)
    if style in ("slats", "spindles"):
        count, half = (3, 0.08 * wide) if style == "slats" else (6, 0.7)
        for x in np.linspace(x0, x1, count + 2)[1:-1]:
            build.box((x - half, y0, z - 2), (x + half, y1 - 0.18 * tall, z - 1), frame)
    for left, right in ((x0 + 2, x1 - 2), (x1 - 2, x0 + 2)) if style == "cross" else ():
        build.tube((left, y0, z - 1.5), (right, y1 - 0.15 * tall, z - 1.5), 1.1, frame, sides=4)
    for share in {"ladder": (0.25, 0.575, 0.9), "bars": (0.55, 0.9)}.get(style, ()):
        build.box((x0, y0 + (share - 0.08) * tall, z - 2.5), (x1, y0 + (share + 0.08) * tall, z - 0.5), frame)


def _hoop(build: Parts, low: tuple[float, float], high: tuple[float, float], z: float, frame: RGB) -> None:
    """An arch with thin rods inside."""
    (x0, y0), (x1, y1) = low, high
    tall, wide = y1 - y0, x1 - x0
    turns = np.linspace(0, np.pi, 8)
    arch = [(x0 + wide / 2 - wide / 2 * np.cos(t), y0 + 0.45 * tall + 0.55 * tall * np.sin(t), z) for t in turns]
    build.pipe([(x0 + 1.5, y0, z), *arch, (x1 - 1.5, y0, z)], 1.4, frame)
    for share in (0.25, 0.42, 0.58, 0.75):
        build.tube((x0 + share * wide, y0, z), (x0 + share * wide, y1 - 0.12 * tall, z), 0.7, frame, sides=4)


def _seat(build: Parts, rng: np.random.Generator, width: float, depth: float, y: float, frame: RGB, cover: RGB) -> None:
    """A seat whose upper side is at y: a board, with or without a cushion."""
    if chance(rng, 0.5):
        build.box((0, y - 3, 0), (width, y, depth), frame)
        if chance(rng, 0.4):
            build.block((1, y, 1), (width - 1, y + 4, depth - 1), cover, 2)
    else:
        build.block((0, y - 6, 0), (width, y, depth), cover, 2.5)


def _on_four_legs(build: Parts, rng: np.random.Generator, size: tuple[float, float, float], top: float) -> None:
    """A chair with a seat of (width, height, depth) and a back that ends at ``top``."""
    width, seat, depth = size
    frame = tone(rng, WOODS, WOODS, WOODS, METALS, WHITES, BLACKS)
    cover = tone(rng, FABRICS, LEATHERS, WHITES)
    style: Legs = pick(rng, ("square", "square", "taper", "splayed", "turned", "sled", "frame"))
    thick = float(rng.uniform(2.2, 3) if style in ("sled", "frame") else rng.uniform(3, 4.6))
    build.legs((width, seat - 3, depth), style, thick, frame, inset=0.5)
    if style in ("square", "turned") and chance(rng, 0.5):
        for x in (2, width - 2):
            build.box((x - 1, 0.35 * seat, 2), (x + 1, 0.35 * seat + 2.5, depth - 2), frame)
    _seat(build, rng, width, depth, seat, frame, cover)
    with build.turned_by(-float(rng.uniform(3, 13)), (0, seat, 2)):
        backrest(build, pick(rng, BACKS), (1, seat - 2), (width - 1, top), 3, frame, cover)
    if chance(rng, 0.18):
        for x in (1, width - 1):
            build.box((x - 2, seat + 19, 0), (x + 2, seat + 21.5, 0.8 * depth), frame)
            build.box((x - 1.3, seat - 3, 0.7 * depth), (x + 1.3, seat + 19, 0.7 * depth + 3), frame)


def _shell(build: Parts, rng: np.random.Generator, size: tuple[float, float, float], top: float) -> None:
    """A chair of one curved shell of plastic or felt, on slender legs or a foot."""
    width, seat, depth = size
    colour = tone(rng, PAINTS, FABRICS, WHITES)
    foot = tone(rng, WOODS, METALS)
    build.block((0, seat - 4, 0), (width, seat, depth), colour, 3)
    low, height = seat - 2, top - seat
    for i, lean in enumerate((-6, -14)):
        with build.turned_by(lean, (0, low, 2)):
            narrow = 0.06 * width * i
            y = low + 0.45 * height * i
            build.block((narrow, y, 0), (width - narrow, y + 0.55 * height, 3.5), colour, 1.7)
    if chance(rng, 0.4):
        for x in (0.0, width - 3.5):
            build.block((x, seat - 3, 1), (x + 3.5, seat + 17, 0.75 * depth), colour, 1.7)
    if chance(rng, 0.7):
        build.legs((width, seat - 3, depth), pick(rng, ("splayed", "splayed", "sled", "hairpin")), 3, foot, inset=1)
    else:
        middle = (width / 2, depth / 2)
        build.lathe(middle, [(0, 0), (21, 0), (20, 1.5), (2.5, 3), (2.5, seat - 3), (0, seat - 3)], foot)


def chair(rng: np.random.Generator) -> Model:
    """A chair to sit on at a table."""
    build = Parts()
    size = (float(rng.uniform(39, 50)), float(rng.uniform(43, 48)), float(rng.uniform(40, 47)))
    make = _shell if chance(rng, 0.25) else _on_four_legs
    make(build, rng, size, float(rng.uniform(78, 104)))
    return build.model()


def office_chair(rng: np.random.Generator) -> Model:
    """A chair that turns and rolls: five feet with castors, a column, a padded seat and back, mostly with arms."""
    build = Parts()
    width, depth, seat = (float(rng.uniform(*r)) for r in ((46, 54), (44, 52), (44, 52)))
    cover = pick(
        rng, (tone(rng, BLACKS), tone(rng, BLACKS), tone(rng, FABRICS), tone(rng, LEATHERS), tone(rng, PAINTS))
    )
    plastic = pick(rng, (tone(rng, BLACKS), tone(rng, BLACKS), (0.72, 0.73, 0.75), (0.9, 0.9, 0.9)))
    x, z, reach = width / 2, depth / 2, float(rng.uniform(27, 33))
    build.lathe((x, z), [(0, 5), (4, 5), (4, 12), (2.5, 13), (2.5, seat - 8), (0, seat - 8)], plastic, 8)
    for turn in np.arange(5) * 2 * np.pi / 5 + np.pi / 2:
        tip = (x + reach * np.cos(turn), 6.5, z + reach * np.sin(turn))
        build.tube((x, 10, z), tip, 2.6, plastic, tip=1.6, sides=4)
        build.block((tip[0] - 2.5, 0, tip[2] - 2.5), (tip[0] + 2.5, 6, tip[2] + 2.5), (0.1, 0.1, 0.1), 1.5)
    build.box((x - 9, seat - 9, z - 9), (x + 9, seat - 6, z + 9), plastic)
    build.block((0, seat - 7, 0), (width, seat, depth), cover, 3)
    tall = float(rng.uniform(32, 60))
    start = seat + float(rng.uniform(2, 16))
    build.box((x - 3.5, seat - 8, -5), (x + 3.5, start + 12, -2), plastic)
    narrow = float(rng.uniform(0, 4))
    with build.turned_by(-float(rng.uniform(4, 12)), (0, seat, 0)):
        build.block((narrow, start, -3), (width - narrow, start + 0.5 * tall, 3), cover, 3)
        build.block((narrow + 2, start + 0.42 * tall, -3), (width - narrow - 2, start + tall, 2.5), cover, 3)
        if chance(rng, 0.3):
            build.block((x - 13, start + tall + 3, -2), (x + 13, start + tall + 16, 3), cover, 3)
            build.box((x - 2, start + tall - 4, -3), (x + 2, start + tall + 6, -1), plastic)
    if chance(rng, 0.75):
        for side, edge in ((-1, 0.0), (1, width)):
            a = edge + side * 3
            build.block((a - 2.5, seat + 19, 0.25 * depth), (a + 2.5, seat + 22, 0.8 * depth), plastic, 1.3)
            build.box((a - 1.5, seat - 5, 0.45 * depth), (a + 1.5, seat + 19, 0.45 * depth + 4), plastic)
            build.box((min(a, x), seat - 7, 0.45 * depth), (max(a, x), seat - 5, 0.45 * depth + 4), plastic)
    return build.model()


def stool(rng: np.random.Generator) -> Model:
    """A seat without a back: low or for a bar, on legs or on a column."""
    build = Parts()
    height = float(pick(rng, (rng.uniform(42, 50), rng.uniform(62, 78))))
    size = float(rng.uniform(30, 40))
    frame, cover = tone(rng, WOODS, WOODS, METALS, WHITES), tone(rng, FABRICS, LEATHERS, WOODS)
    middle = (size / 2, size / 2)
    is_round, soft = chance(rng, 0.6), chance(rng, 0.5)
    thick = 6.0 if soft else 3.5
    if is_round:
        r = size / 2
        rim = [(0, height - thick), (r - 1, height - thick), (r, height - thick / 2), (r - 1.5, height), (0, height)]
        build.lathe(middle, rim, cover if soft else frame)
    else:
        build.block((0, height - thick, 0), (size, height, 0.85 * size), cover if soft else frame, 1.5 + soft)
    if is_round and chance(rng, 0.4):
        foot = float(rng.uniform(17, 22))
        column = [(0, 0), (foot, 0), (foot - 1, 2), (3, 4), (2.5, height - thick), (0, height - thick)]
        build.lathe(middle, column, frame, 12)
        if height > 60:
            ring = [(middle[0] + 14 * np.cos(t), 28.0, middle[1] + 14 * np.sin(t)) for t in np.linspace(0, 6.283, 9)]
            build.pipe(ring, 1, frame, 4)
            build.tube((middle[0] - 14, 28, middle[1]), (middle[0] + 14, 28, middle[1]), 1, frame, sides=4)
    else:
        depth = size if is_round else 0.85 * size
        inset = 0.12 * size if is_round else 0.5
        style: Legs = pick(rng, ("square", "splayed", "splayed", "taper"))
        build.legs((size, height - thick, depth), style, 3.4, frame, inset)
        for y in (0.3 * height, 0.42 * height) if style == "square" else (0.3 * height,):
            build.box((inset + 1, y, depth / 2 - 1), (size - inset - 1, y + 2, depth / 2 + 1), frame)
            for x in (inset + 1, size - inset - 3):
                build.box((x, y, inset + 1), (x + 2, y + 2, depth - inset - 1), frame)
    if height > 60 and chance(rng, 0.35):
        with build.turned_by(-6, (0, height, 0)):
            backrest(build, pick(rng, ("bars", "cushion")), (2, height - 2), (size - 2, height + 26), 2, frame, cover)
    return build.model()


def bench(rng: np.random.Generator) -> Model:
    """A seat for several: planks on frames or panels, perhaps with a back, a cushion or a shelf for shoes."""
    build = Parts()
    width, depth, seat = (float(rng.uniform(*r)) for r in ((90, 170), (32, 46), (42, 48)))
    frame, board = tone(rng, WOODS, WOODS, METALS, WHITES), tone(rng, WOODS, WOODS, WHITES)
    kind = pick(rng, ("panels", "legs", "frames", "box"))
    if kind == "panels":
        for x in (0.06 * width, 0.94 * width - 4):
            build.box((x, 0, 2), (x + 4, seat - 4, depth - 2), board)
        build.box((0.06 * width, 0.3 * seat, depth / 2 - 2), (0.94 * width, 0.3 * seat + 7, depth / 2 + 2), board)
    elif kind == "box":
        build.box((3, 0, 3), (width - 3, 4, depth - 5), shade(frame, 0.6))
        build.box((0, 4, 1), (width, seat - 4, depth - 1), frame)
        build.fronts((0, 5), (width, seat - 5), depth - 1, (1, int(rng.integers(2, 4))), board, "knob")
    else:
        style: Legs = pick(rng, ("square", "taper", "turned")) if kind == "legs" else "frame"
        build.legs((width, seat - 4, depth), style, 5, frame, inset=3)
    if kind in ("legs", "frames") and chance(rng, 0.4):
        build.box((5, 14, 2), (width - 5, 16, depth - 2), board)
    if chance(rng, 0.45):
        count = int(rng.integers(3, 6))
        for i in range(count):
            build.box((0, seat - 4, i * depth / count + 0.7), (width, seat, (i + 1) * depth / count - 0.7), board)
    else:
        build.box((0, seat - 4, 0), (width, seat, depth), board)
    if chance(rng, 0.4):
        build.block((1, seat, 1), (width - 1, seat + 6, depth - 1), tone(rng, FABRICS, LEATHERS), 2.5)
    elif chance(rng, 0.45):
        with build.turned_by(-10, (0, seat, 2)):
            style_of_back = pick(rng, ("ladder", "slats", "spindles"))
            backrest(build, style_of_back, (2, seat), (width - 2, seat + 40), 3, board, board)
    return build.model()


def child_chair(rng: np.random.Generator) -> Model:
    """A chair for a small child: low, sturdy, of bright colours."""
    build = Parts()
    width, depth, seat = (float(rng.uniform(*r)) for r in ((27, 34), (26, 31), (26, 32)))
    colour, other = tone(rng, PAINTS), tone(rng, PAINTS, WOODS)
    top = seat + float(rng.uniform(22, 32))
    if chance(rng, 0.35):  # a small armchair of foam
        build.block((0, 0, 0), (width + 14, seat - 4, depth + 14), colour, 3)
        build.block((0, 0, 0), (width + 14, top, 10), other, 4)
        for x in (0.0, width + 7):
            build.block((x, 0, 2), (x + 7, seat + 8, depth + 13), other, 3)
        return build.model()
    build.legs((width, seat - 2, depth), pick(rng, ("square", "taper", "splayed", "turned")), 3.6, other, inset=0.5)
    build.block((0, seat - 3, 0), (width, seat, depth), colour, 1)
    with build.turned_by(-7, (0, seat, 2)):
        style = pick(rng, ("panel", "ladder", "slats", "hoop", "bars"))
        backrest(build, style, (0, seat - 1), (width, top), 3, pick(rng, (colour, other)), colour)
    return build.model()


def high_chair(rng: np.random.Generator) -> Model:
    """A baby's chair at the height of a table, with a tray before it and a rest for the feet."""
    build = Parts()
    width, seat = float(rng.uniform(36, 44)), float(rng.uniform(52, 60))
    depth, top = width, seat + float(rng.uniform(36, 46))
    frame, cover = tone(rng, WOODS, WHITES, METALS), tone(rng, FABRICS, PAINTS)
    style: Legs = pick(rng, ("splayed", "splayed", "square", "taper"))
    spread = 8.0 if style == "splayed" else 1.0  # how far the feet stand out on each side
    with build.moved((-spread, 0, -spread)):
        build.legs((width + 2 * spread, seat - 3, depth + 2 * spread), style, 4.2, frame, inset=0)
    build.box((-2, seat - 7, -2), (width + 2, seat - 3, depth + 2), frame)
    build.block((0, seat - 3, 0), (width, seat + 1, depth), cover, 1.5)
    with build.turned_by(-6, (0, seat, 0)):
        build.block((1, seat, -2), (width - 1, top, 3), cover, 2)
    for x in (0.0, width - 3):
        build.box((x, seat, 0), (x + 3, seat + 16, 3), frame)
        build.box((x, seat + 14, 0), (x + 3, seat + 17, depth + 4), frame)
    tray = tone(rng, WHITES, WHITES, PAINTS, WOODS)
    build.block((-4, seat + 17, 0.55 * depth), (width + 4, seat + 20, depth + 14), tray, 1.4)
    build.box((0, 22, depth), (width, 24, depth + 9), frame)
    for x in (1.0, width - 3):
        build.box((x, 22, depth - 1), (x + 2, seat - 3, depth + 1), frame)
    return build.model()


MAKERS = {
    "chair": chair,
    "office chair": office_chair,
    "stool": stool,
    "bench": bench,
    "child chair": child_chair,
    "high chair": high_chair,
}
