"""Tables of all heights: for meals, by the couch, to work at, under a television, to dress at."""

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
    Handle,
    Legs,
    Parts,
    chance,
    pick,
    shade,
    tone,
)

PALE_GLASS: RGB = (0.74, 0.82, 0.85)


def _round_top(build: Parts, x: float, z: float, radius: float, low: float, high: float, colour: RGB) -> None:
    build.lathe(
        (x, z), [(0, low), (radius - 0.7, low), (radius, high - 1), (radius - 0.4, high), (0, high)], colour, 20
    )


def _pedestal(
    build: Parts, rng: np.random.Generator, x: float, z: float, reach: float, top: float, colour: RGB
) -> None:
    """One column in the middle: on a plate, on feet, or a trumpet."""
    kind = pick(rng, ("plate", "feet", "trumpet"))
    if kind == "trumpet":
        shape = [(0, 0), (0.75 * reach, 0), (0.55 * reach, 3), (5, 0.35 * top), (4, 0.7 * top), (10, top), (0, top)]
        build.lathe((x, z), shape, colour)
        return
    build.lathe((x, z), [(0, 2), (4, 2), (4.5, 0.4 * top), (3.5, top), (0, top)], colour, 10)
    if kind == "plate":
        build.lathe((x, z), [(0, 0), (0.7 * reach, 0), (0.68 * reach, 2.5), (0, 2.5)], colour, 16)
    else:
        for turn in np.arange(4) * np.pi / 2 + np.pi / 4:
            tip = (x + 0.85 * reach * np.cos(turn), 2.5, z + 0.85 * reach * np.sin(turn))
            build.tube((x, 0.3 * top, z), tip, 3.2, colour, tip=2.2, sides=4)


def _trestles(build: Parts, width: float, depth: float, top: float, colour: RGB) -> None:
    """Two A-shaped stands and a beam between them."""
    for x in (0.16 * width, 0.84 * width):
        build.tube((x, 2, 0.08 * depth), (x, top - 2, 0.4 * depth), 2.2, colour, sides=4)
        build.tube((x, 2, 0.92 * depth), (x, top - 2, 0.6 * depth), 2.2, colour, sides=4)
        build.box((x - 2.2, top - 5, 0.15 * depth), (x + 2.2, top, 0.85 * depth), colour)
        build.box((x - 1.5, 0.4 * top, 0.2 * depth), (x + 1.5, 0.4 * top + 4, 0.8 * depth), colour)
    build.box((0.16 * width, 0.4 * top, depth / 2 - 1.5), (0.84 * width, 0.4 * top + 5, depth / 2 + 1.5), colour)


def _panels(build: Parts, width: float, depth: float, top: float, colour: RGB) -> None:
    """Two full sides and a board between them at the back."""
    for x in (0.0, width - 3):
        build.box((x, 0, 1), (x + 3, top, depth - 1), colour)
    build.box((3, 0.45 * top, 0.1 * depth), (width - 3, top - 1, 0.1 * depth + 2), colour)


def _table(build: Parts, rng: np.random.Generator, size: tuple[float, float, float], can_be_round: bool = True) -> None:
    """A table of (width, height, depth), its top of wood, white, dark or glass, on one of many kinds of feet."""
    width, height, depth = size
    frame = tone(rng, WOODS, WOODS, WHITES, BLACKS, METALS)
    top = pick(rng, (frame, frame, tone(rng, WOODS), tone(rng, WOODS, WHITES, BLACKS), PALE_GLASS))
    thick = 1.2 if top == PALE_GLASS else float(rng.uniform(2, 4.5))
    under = height - thick
    if can_be_round and chance(rng, 0.3):
        radius = min(width, depth) / 2
        _round_top(build, radius, radius, radius, under, height, top)
        if chance(rng, 0.55):
            _pedestal(build, rng, radius, radius, radius, under, frame)
        else:
            side = 1.4 * radius
            with build.moved((radius - side / 2, 0, radius - side / 2)):
                build.legs((side, under, side), pick(rng, ("square", "taper", "splayed", "hairpin")), 4.5, frame, 0)
        return
    if chance(rng, 0.2):
        build.block((0, under, 0), (width, height, depth), top, 1)
    else:
        build.box((0, under, 0), (width, height, depth), top)
    kinds = ("square", "square", "taper", "splayed", "turned", "frame", "hairpin", "trestle", "panel", "pedestal")
    kind = pick(rng, kinds)
    if kind == "trestle":
        _trestles(build, width, depth, under, frame)
    elif kind == "panel":
        _panels(build, width, depth, under, frame)
    elif kind == "pedestal" and width < 110:
        _pedestal(build, rng, width / 2, depth / 2, 0.45 * depth, under, frame)
    else:
        style: Legs = "square" if kind == "pedestal" else kind  # type: ignore[assignment]
        thick_leg = float(rng.uniform(4, 8)) if style != "frame" else 4.0
        build.legs((width, under, depth), style, min(thick_leg, 0.09 * height + 2), frame, float(rng.uniform(0, 5)))
        if style in ("square", "taper", "turned") and chance(rng, 0.7):
            build.box((4, under - 8, 4), (width - 4, under, depth - 4), frame)


def table(rng: np.random.Generator) -> Model:
    """A table to eat at, for two to eight."""
    build = Parts()
    width = float(pick(rng, (rng.uniform(70, 90), rng.uniform(100, 140), rng.uniform(140, 210))))
    depth = min(width, float(rng.uniform(70, 100)))
    _table(build, rng, (width, float(rng.uniform(72, 77)), depth))
    if chance(rng, 0.12):  # a cloth that hangs down over the edges
        build = Parts()
        cloth = tone(rng, FABRICS, WHITES, PAINTS)
        build.block((0, 45, 0), (width, 76, depth), cloth, 1.5)
        build.legs((width, 46, depth), "square", 6, tone(rng, WOODS), 2)
    return build.model()


def coffee_table(rng: np.random.Generator) -> Model:
    """A low table for before the couch."""
    build = Parts()
    width, depth = float(rng.uniform(75, 130)), float(rng.uniform(48, 70))
    height = float(rng.uniform(34, 48))
    kind = pick(rng, ("table", "box", "drum"), (5, 2, 1))
    wood = tone(rng, WOODS, WOODS, WHITES, BLACKS)
    if kind == "drum":
        radius = float(rng.uniform(33, 46))
        build.lathe((radius, radius), [(0, 0), (radius - 2, 0), (radius, 3), (radius, height), (0, height)], wood, 20)
        return build.model()
    if kind == "box":  # a shelf under the top, perhaps drawers
        build.box((0, height - 4, 0), (width, height, depth), wood)
        for x in (0.0, width - 4):
            build.box((x, 0, 0), (x + 4, height - 4, depth), wood)
        build.box((4, 0.3 * height, 0), (width - 4, 0.3 * height + 3, depth), wood)
        if chance(rng, 0.5):
            build.box((4, 0.3 * height, 1), (width - 4, height - 4, depth - 3), shade(wood, 0.9))
            build.fronts((4, 0.3 * height), (width - 4, height - 4), depth - 3, (1, 2), wood, "knob")
        else:
            build.books(rng, (8, 0.3 * height + 3, 8), (0.6 * width, height - 6, depth - 8), 0.7)
        return build.model()
    _table(build, rng, (width, height, depth))
    return build.model()


def _pedestal_of_drawers(
    build: Parts, rng: np.random.Generator, x: float, width: float, depth: float, top: float, body: RGB, front: RGB
) -> None:
    """Drawers under a desk."""
    low = float(pick(rng, (0.0, 4.0)))
    build.box((x, low, 2), (x + width, top, depth - 3), body)
    handle: Handle = pick(rng, ("bar", "knob", "slot", "long"))
    build.fronts((x, low), (x + width, top), depth - 3, (int(rng.integers(2, 5)), 1), front, handle, tone(rng, METALS))


def desk(rng: np.random.Generator) -> Model:
    """A table to work at, mostly with drawers at one side or both, now and then with shelves on it or a corner."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((100, 175), (52, 80), (72, 76)))
    kind = pick(rng, ("plain", "one", "both", "drawer", "corner", "hutch"), (3, 4, 2, 2, 1, 2))
    frame = tone(rng, WOODS, WHITES, BLACKS, METALS)
    top = pick(rng, (frame, tone(rng, WOODS), tone(rng, WHITES, WOODS)))
    front = pick(rng, (frame, frame, top, tone(rng, WHITES, PAINTS)))
    under = height - 3
    build.box((0, under, 0), (width, height, depth), top)
    if kind in ("plain", "drawer"):
        feet = pick(rng, ("square", "taper", "frame", "trestle", "panel", "hairpin", "splayed"))
        if feet == "trestle":
            _trestles(build, width, depth, under, frame)
        elif feet == "panel":
            _panels(build, width, depth, under, frame)
        else:
            build.legs((width, under, depth), feet, 4.5, frame, 1)
        if kind == "drawer":
            build.box((5, under - 12, 3), (width - 5, under, depth - 3), frame)
            columns = int(rng.integers(1, 4))
            build.fronts((5, under - 12), (width - 5, under), depth - 3, (1, columns), front, "knob")
        return build.model()
    side = float(rng.uniform(34, 46))
    at_left = chance(rng, 0.5)
    starts = (0.0, width - side) if kind == "both" else (0.0,) if at_left else (width - side,)
    for x in starts:
        _pedestal_of_drawers(build, rng, x, side, depth, under, frame, front)
    if kind != "both":
        x = width - 3 if at_left else 0.0
        build.box((x, 0, 2), (x + 3, under, depth - 2), frame)
    build.box((2, 0.5 * height, 4), (width - 2, under, 6), frame)
    if kind == "corner":
        x0, x1 = (width - 55, width) if at_left else (0.0, 55.0)
        end = depth + float(rng.uniform(45, 80))
        build.box((x0, under, depth), (x1, height, end), top)
        build.box((x0, 0, end - 4), (x1, under, end - 1), frame)
    elif kind == "hutch":
        _hutch(build, rng, width, height, frame)
    return build.model()


def _hutch(build: Parts, rng: np.random.Generator, width: float, low: float, colour: RGB) -> None:
    """Shelves with books that stand at the back of a desk."""
    high = low + float(rng.uniform(35, 60))
    for x in (0.0, width / 2 - 1, width - 2):
        build.box((x, low, 0), (x + 2, high, 22), colour)
    build.box((0, low, 0), (width, high, 1), colour)
    build.box((0, high, 0), (width, high + 2, 22), colour)
    middle = low + 0.5 * (high - low)
    build.box((2, middle, 1), (width - 2, middle + 2, 22), colour)
    for x in (2.5, width / 2 + 2):
        build.books(rng, (x, middle + 2, 2), (x + width / 2 - 5, high, 20), float(rng.uniform(0.3, 0.9)))


def workbench(rng: np.random.Generator) -> Model:
    """A strong table for tools: a thick top, a shelf or drawers below, perhaps a vice and a board of tools behind."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((110, 190), (55, 75), (83, 95)))
    frame, top = tone(rng, METALS, WOODS, PAINTS), tone(rng, WOODS, WOODS, METALS)
    build.box((0, height - 6, 0), (width, height, depth), top)
    build.legs((width, height - 6, depth), "square", 9, frame, 3)
    build.box((5, 18, 5), (width - 5, 22, depth - 5), frame)
    build.box((4, height - 15, 4), (width - 4, height - 6, depth - 6), frame)
    if chance(rng, 0.6):
        side = float(rng.uniform(40, 55))
        x = pick(rng, (6.0, width - side - 6))
        build.box((x, 22, 6), (x + side, height - 6, depth - 7), frame)
        front = pick(rng, (frame, tone(rng, PAINTS)))
        rows = int(rng.integers(3, 6))
        build.fronts((x, 23), (x + side, height - 7), depth - 7, (rows, 1), front, "long", tone(rng, METALS))
    for _ in range(int(rng.integers(1, 4))):  # boxes on the shelf below
        x = float(rng.uniform(8, width - 40))
        build.box((x, 22, 10), (x + 26, 22 + float(rng.uniform(12, 26)), depth - 12), tone(rng, PAINTS))
    if chance(rng, 0.5):
        x = float(rng.uniform(8, width - 25))
        build.box((x, height, depth - 12), (x + 14, height + 12, depth + 3), (0.25, 0.32, 0.4))
        build.box((x, height - 2, depth + 6), (x + 14, height + 12, depth + 12), (0.25, 0.32, 0.4))
        build.tube((x + 7, height + 4, depth), (x + 7, height + 4, depth + 22), 1.5, (0.6, 0.6, 0.62))
    if chance(rng, 0.4):
        board = tone(rng, WOODS, METALS)
        build.box((0, height, 0), (width, height + 60, 2), board)
        for x in np.arange(10, width - 12, 18):
            tall = float(rng.uniform(15, 40))
            build.box((x, height + 52 - tall, 2), (x + 4, height + 52, 4), tone(rng, METALS, WOODS))
            build.box((x - 3, height + 48, 2), (x + 8, height + 53, 5), tone(rng, METALS, PAINTS))
    return build.model()


def tv_stand(rng: np.random.Generator) -> Model:
    """A low long piece for a television: doors, drawers and open bays with machines in them."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((100, 185), (36, 48), (38, 62)))
    body = tone(rng, WOODS, WOODS, WHITES, BLACKS)
    front = pick(rng, (body, body, tone(rng, WHITES, WOODS), tone(rng, PAINTS)))
    low = float(pick(rng, (0.0, 4.0, rng.uniform(10, 18))))
    if low > 4:
        build.legs((width, low, depth), pick(rng, ("square", "taper", "splayed", "frame")), 4, tone(rng, WOODS, METALS))
    else:
        build.box((3, 0, 3), (width - 3, low + 1, depth - 5), shade(body, 0.6))
    build.box((0, low, 0), (width, low + 3, depth), body)
    build.box((0, height - 3, 0), (width, height, depth), body)
    build.box((0, low, 0), (width, height, 1.5), shade(body, 0.8))
    bays = int(rng.integers(2, 5))
    wide = (width - 2) / bays
    for i in range(bays + 1):
        build.box((i * wide, low, 0), (i * wide + 2, height, depth - 1), body)
    handle: Handle = pick(rng, ("bar", "knob", "none", "slot"))
    fills = [pick(rng, ("door", "drawers", "open", "open")) for _ in range(bays)]
    if "open" not in fills:
        fills[int(rng.integers(bays))] = "open"
    for i, fill in enumerate(fills):
        x0, x1 = i * wide + 2, (i + 1) * wide
        if fill == "open":
            middle = low + 0.5 * (height - low)
            build.box((x0, middle, 1), (x1, middle + 2, depth - 3), body)
            if chance(rng, 0.8):
                build.box((x0 + 3, middle + 2, 6), (x1 - 3, middle + 8, depth - 5), tone(rng, BLACKS, METALS))
            build.books(rng, (x0 + 1, low + 3, 8), (x1 - 1, middle - 1, depth - 8), float(rng.uniform(0.2, 0.9)))
        else:
            rows = 1 if fill == "door" else 2
            build.fronts(
                (x0 - 1, low + 1), (x1 + 1, height - 2), depth - 2, (rows, 1), front, handle, tone(rng, METALS)
            )
    return build.model()


def dressing_table(rng: np.random.Generator) -> Model:
    """A small table with drawers and a mirror over it."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((75, 125), (38, 50), (72, 78)))
    body = tone(rng, WHITES, WHITES, WOODS, PAINTS)
    front = pick(rng, (body, shade(body, 0.92), tone(rng, WOODS)))
    low = height - float(rng.uniform(12, 18))
    build.box((0, low, 0), (width, height - 2, depth - 2), body)
    build.box((-1, height - 2, -1), (width + 1, height, depth), body)
    if chance(rng, 0.5):
        build.legs((width, low, depth - 2), pick(rng, ("taper", "turned", "square", "splayed")), 4.5, body, 0.5)
        build.fronts((1, low), (width - 1, height - 2), depth - 2, (1, int(rng.integers(2, 4))), front, "knob")
    else:
        side = 0.3 * width
        build.fronts((side, low), (width - side, height - 2), depth - 2, (1, 1), front, "knob")
        for x in (0.0, width - side):
            build.box((x, 4, 0), (x + side, low, depth - 2), body)
            build.fronts((x, 4), (x + side, height - 2), depth - 2, (3, 1), front, "knob", tone(rng, METALS))
            build.box((x + 2, 0, 2), (x + side - 2, 4, depth - 5), shade(body, 0.7))
    _dressing_mirror(build, rng, width, height, body)
    for _ in range(int(rng.integers(1, 5))):  # bottles and jars
        x, z = float(rng.uniform(0.08, 0.92)) * width, float(rng.uniform(0.3, 0.6)) * depth
        r, tall = float(rng.uniform(1.8, 3.5)), float(rng.uniform(5, 15))
        build.lathe((x, z), [(0, height), (r, height), (r, height + tall), (0, height + tall)], tone(rng, PAINTS), 7)
    return build.model()


def _dressing_mirror(build: Parts, rng: np.random.Generator, width: float, low: float, frame: RGB) -> None:
    """One round, oval or square mirror, or three, at the back of a dressing table."""
    kind = pick(rng, ("oval", "square", "three"))
    tall, wide, x, glass = (
        float(rng.uniform(45, 72)),
        float(rng.uniform(0.42, 0.7)) * width,
        width / 2,
        (0.75, 0.83, 0.88),
    )
    if kind == "oval":
        turns = np.arange(14) * 2 * np.pi / 14
        for grow, front, colour in ((1.0, 4.0, frame), (0.88, 5.0, glass)):
            a, b = grow * wide / 2, grow * tall / 2
            ring = [(x + a * np.cos(t), low + 4 + tall / 2 + b * np.sin(t)) for t in turns]
            build.prism(ring, 1, front, 2, colour)
        for side in (-1, 1):
            build.box((x + side * wide / 4 - 2, low, 1), (x + side * wide / 4 + 2, low + 0.4 * tall, 3), frame)
        return
    build.box((x - wide / 2, low, 1), (x + wide / 2, low + tall, 4), frame)
    build.box((x - wide / 2 + 3, low + 3, 2), (x + wide / 2 - 3, low + tall - 3, 4.8), glass)
    for side in (-1, 1) if kind == "three" else ():
        edge = x + side * wide / 2
        with build.turned_by(-side * 32, (edge, 0, 4), axis=1):
            x0, x1 = sorted((edge, edge + side * 0.42 * wide))
            build.box((x0, low, 1), (x1, low + 0.92 * tall, 4), frame)
            build.box((x0 + 2, low + 3, 2), (x1 - 2, low + 0.92 * tall - 3, 4.8), glass)


MAKERS = {
    "table": table,
    "coffee table": coffee_table,
    "desk": desk,
    "workbench": workbench,
    "tv stand": tv_stand,
    "dressing table": dressing_table,
}
