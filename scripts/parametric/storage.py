"""Where things are kept: shelves with books, cabinets, wardrobes, chests of drawers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

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
    Parts,
    chance,
    pick,
    shade,
    tone,
)

HANDLES: tuple[Handle, ...] = ("bar", "knob", "long", "slot")


@dataclass
class Body:
    """A carcass: its measures, what it stands on and its colours."""

    width: float
    depth: float
    height: float
    low: float
    """Height of its underside: legs or a plinth are below."""
    colour: RGB
    front: RGB
    metal: RGB
    handle: Handle


def draw_body(
    rng: np.random.Generator, width: tuple[float, float], depth: tuple[float, float], height: tuple[float, float]
) -> Body:
    """A carcass with measures in those ranges; most fronts are like it, some white, of wood or painted."""
    colour = tone(rng, WOODS, WOODS, WHITES, WHITES, PAINTS)
    front = pick(rng, (colour, colour, shade(colour, 0.9), tone(rng, WOODS, WHITES), tone(rng, PAINTS)))
    low = float(pick(rng, (0.0, 5.0, rng.uniform(9, 20))))
    return Body(
        float(rng.uniform(*width)), float(rng.uniform(*depth)), float(rng.uniform(*height)), low, colour, front,
        tone(rng, METALS, METALS, BLACKS), pick(rng, HANDLES),
    )  # fmt: skip


def carcass(build: Parts, rng: np.random.Generator, body: Body, top: bool = True) -> None:
    """A closed box on a plinth, on legs or on the floor, perhaps with a top that stands out."""
    if body.low > 5:
        style = pick(rng, ("square", "taper", "splayed", "turned"))
        build.legs((body.width, body.low, body.depth), style, 4.5, pick(rng, (body.colour, tone(rng, WOODS, METALS))))
    elif body.low:
        build.box((2, 0, 2), (body.width - 2, body.low, body.depth - 6), shade(body.colour, 0.6))
    rim = float(pick(rng, (0.0, 1.5))) if top else 0.0
    high = body.height - 3 * (rim > 0)
    build.box((0, body.low, 0), (body.width, high, body.depth - 2), body.colour)
    if rim:
        cover = pick(rng, (body.colour, tone(rng, WOODS)))
        build.box((-rim, high, 0), (body.width + rim, body.height, body.depth + rim), cover)


def open_frame(build: Parts, body: Body, columns: int, boards: list[float], backed: bool = True) -> None:
    """Uprights and boards at those heights, open to the front."""
    wide, thick = (body.width - 2) / columns, 2.0
    for i in range(columns + 1):
        build.box((i * wide, 0, 0), (i * wide + thick, body.height, body.depth), body.colour)
    for y in boards:
        build.box((thick, y, 0), (body.width - thick, y + thick, body.depth - 0.5), body.colour)
    if backed:
        build.box((thick, 0, 0), (body.width - thick, body.height - 1, 0.8), shade(body.colour, 0.82))


def fill(build: Parts, rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float], z: float) -> None:
    """What stands in an open bay from (x, y) to (x, y), z deep: books, boxes, vases, a picture, or nothing."""
    (x0, y0), (x1, y1) = low, high
    kind = pick(rng, ("books", "books", "books", "boxes", "vases", "piles", "nothing"))
    if kind == "books":
        start = x0 + float(rng.uniform(0, 0.3)) * (x1 - x0)
        build.books(rng, (start, y0, 3), (x1, y1, z - 1), float(rng.uniform(0.4, 1)))
    elif kind == "boxes":
        count = max(1, int((x1 - x0) / 32))
        wide, colour = (x1 - x0) / count, tone(rng, FABRICS, WOODS, PAINTS)
        for i in range(count):
            right = x0 + (i + 1) * wide - 1.5
            build.box((x0 + i * wide + 1.5, y0, 4), (right, y0 + 0.75 * (y1 - y0), z - 1), colour)
    elif kind == "vases":
        for x in np.linspace(x0, x1, int(rng.integers(3, 5)))[1:-1]:
            r, tall = float(rng.uniform(3, 6)), float(rng.uniform(0.4, 0.85)) * (y1 - y0)
            shape = [(0, y0), (0.6 * r, y0), (r, y0 + 0.4 * tall), (0.5 * r, y0 + tall), (0, y0 + tall)]
            build.lathe((float(x), z / 2), shape, tone(rng, PAINTS), 7)
    elif kind == "piles":
        y, x = y0, x0 + float(rng.uniform(0.05, 0.3)) * (x1 - x0)
        while y < y0 + 0.6 * (y1 - y0) - 4:
            thick = float(rng.uniform(2.5, 5))
            build.box((x, y, 4), (x + min(26.0, 0.6 * (x1 - x0)), y + thick, z - 3), tone(rng, PAINTS, FABRICS))
            y += thick


def bookshelf(rng: np.random.Generator) -> Model:
    """Boards one over another full of books and things; some have doors below, some are low, cubes or ladders."""
    build = Parts()
    kind = pick(rng, ("tall", "tall", "cubes", "doors", "low"))
    tall = (75, 120) if kind == "low" else (165, 215)
    body = draw_body(rng, (60, 125), (26, 38), tall)
    if kind == "cubes":
        columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        body.width, body.height = 36.0 * columns + 2, 36.0 * rows + 2
    else:
        columns, rows = (2 if body.width > 85 else 1), max(2, int(body.height / float(rng.uniform(29, 38))))
    step = (body.height - 6) / rows
    boards = [4 + i * step - 2 * (i > 0) for i in range(rows)] + [body.height - 2]
    open_frame(build, body, columns, boards, chance(rng, 0.8))
    closed = 2 if kind == "doors" else 0
    wide = (body.width - 2) / columns
    for row in range(closed, rows):
        for column in range(columns):
            left, under = column * wide + 2.5, boards[row] + 2
            fill(build, rng, (left, under), (left + wide - 3, boards[row + 1] - 1), body.depth - 1)
    if closed:
        build.box((2, 4, 1), (body.width - 2, boards[2], body.depth - 2), body.colour)
        high = (body.width - 1, boards[2])
        build.fronts((1, 4), high, body.depth - 1, (1, 2), body.front, pick(rng, ("knob", "upright")), body.metal)
    return build.model()


def shelf(rng: np.random.Generator) -> Model:
    """An open rack on posts of metal or wood, with boxes, jars and bottles."""
    build = Parts()
    width, depth, height = (float(rng.uniform(*r)) for r in ((60, 120), (30, 48), (80, 190)))
    frame = tone(rng, METALS, METALS, WOODS)
    board = pick(rng, (frame, tone(rng, WOODS, METALS)))
    post = float(rng.uniform(2, 4))
    for x in (0.0, width - post):
        for z in (0.0, depth - post):
            build.box((x, 0, z), (x + post, height, z + post), frame)
    count = max(3, round(height / float(rng.uniform(34, 48))))
    levels = [float(y) for y in np.linspace(8, height - 3, count)]
    for y in levels:
        build.box((0, y, 0), (width, y + 2.2, depth), board)
    if chance(rng, 0.4):  # braces behind
        build.tube((1, levels[0], 0.5), (width - 1, levels[-1], 0.5), 0.7, frame, sides=4)
        build.tube((width - 1, levels[0], 0.5), (1, levels[-1], 0.5), 0.7, frame, sides=4)
    for y, above in pairwise(levels):
        x = 4.0
        while x < width - 18:
            wide, tall = float(rng.uniform(9, 34)), float(rng.uniform(0.35, 0.8)) * (above - y)
            wide = min(wide, width - 4 - x)
            if chance(rng, 0.75) and wide < 13:
                r = wide / 2
                jar = [(0, y + 2), (r, y + 2), (r, y + 0.8 * tall), (0.5 * r, y + tall), (0, y + tall)]
                build.lathe((x + r, depth / 2), jar, tone(rng, PAINTS), 7)
            elif chance(rng, 0.75):
                colour = tone(rng, PAINTS, FABRICS, WOODS)
                build.box((x, y + 2, 4), (x + wide, y + tall, depth - 4), colour)
            x += wide + float(rng.uniform(2, 12))
    return build.model()


def cabinet(rng: np.random.Generator) -> Model:
    """A cupboard of half or full height: doors, some with drawers over them, glass doors or open shelves above."""
    build = Parts()
    body = draw_body(rng, (70, 125), (36, 48), (78, 135))
    kind = pick(rng, ("doors", "drawers", "display", "locker", "shutter"))
    if kind == "display":
        body.height += 55
    carcass(build, rng, body)
    x1, z, top = body.width, body.depth - 2, body.height - 3
    if kind == "locker":
        body.front = pick(rng, (body.colour, tone(rng, PAINTS)))
        columns = int(rng.integers(2, 4))
        build.fronts((0, body.low), (x1, top), z, (pick(rng, (1, 2)), columns), body.front, "knob", body.metal, 1)
        for column in range(columns):
            for i in range(3):
                x, y = (column + 0.5) * x1 / columns, top - 12 - 3 * i
                build.box((x - 6, y, z + 1.8), (x + 6, y + 1, z + 2.2), shade(body.front, 0.4))
        return build.model()
    columns = 2 if x1 < 95 else int(rng.integers(2, 5))
    door_top = top
    if kind == "drawers":
        door_top = top - 0.26 * (top - body.low)
        build.fronts((0, door_top), (x1, top), z, (1, columns), body.front, body.handle, body.metal)
    elif kind == "display":
        door_top = body.low + 0.45 * (top - body.low)
        glass_doors(build, rng, (1, door_top), (x1 - 1, top), z, columns, body)
    elif kind == "shutter":
        lines = int((top - body.low) / 6)
        for i in range(lines):
            y = body.low + (top - body.low) * i / lines
            build.box((2, y + 0.6, z), (x1 - 2, y + 5.2, z + 1.5), shade(body.front, 1 - 0.12 * (i % 2)))
        return build.model()
    style: Handle = pick(rng, ("upright", "knob"))
    build.fronts((0, body.low), (x1, door_top), z, (1, columns), body.front, style, body.metal)
    return build.model()


def glass_doors(
    build: Parts, rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float], z: float,
    columns: int, body: Body,
) -> None:  # fmt: skip
    """A dark inside with plates and glasses on shelves, behind the frames of glass doors."""
    (x0, y0), (x1, y1) = low, high
    build.box((x0 + 2, y0, z), (x1 - 2, y1, z + 0.3), shade(body.colour, 0.55))
    for share in (0.02, 0.35, 0.68):
        y = y0 + share * (y1 - y0)
        build.box((x0, y, z), (x1, y + 1.5, z + 1), body.colour)
        for x in np.arange(x0 + 6, x1 - 10, float(rng.uniform(9, 18))):
            tall = float(rng.uniform(0.1, 0.22)) * (y1 - y0)
            build.box((float(x), y + 1.5, z), (float(x) + 6, y + tall, z + 1), tone(rng, PAINTS, WHITES))
    wide = (x1 - x0) / columns
    for i in range(columns + 1):
        build.box((x0 + i * wide - 1.5, y0, z), (x0 + i * wide + 1.5, y1, z + 2.5), body.front)
    for y in (y0, y1 - 3):
        build.box((x0, y, z), (x1, y + 3, z + 2.2), body.front)


def wardrobe(rng: np.random.Generator) -> Model:
    """A high cupboard for clothes: hinged or sliding doors, mirrors, drawers below, a cornice, or open with clothes."""
    build = Parts()
    body = draw_body(rng, (80, 210), (54, 64), (180, 235))
    body.low = min(body.low, 9.0)
    kind = pick(rng, ("hinged", "hinged", "sliding", "drawers", "open"))
    columns = max(2, round(body.width / 50))
    x1, z, top = body.width, body.depth - 2, body.height
    if kind == "open":
        _open_wardrobe(build, rng, body)
        return build.model()
    carcass(build, rng, body, top=False)
    mirrored = int(rng.integers(columns)) if chance(rng, 0.35) else -1
    glass = (0.75, 0.83, 0.88)
    if kind == "sliding":
        columns = max(2, columns // 2)
        wide = x1 / columns
        for i in range(columns):
            front = pick(rng, (body.front, glass)) if mirrored >= 0 else body.front
            near = z + 2.5 * (i % 2)
            build.box((i * wide, body.low, near), ((i + 1) * wide, top - 2, near + 2.4), front)
            for y in (0.36, 0.68) if chance(rng, 0.5) else ():
                build.box((i * wide, y * top, near + 2.4), ((i + 1) * wide, y * top + 2, near + 2.8), body.metal)
        build.box((0, top - 3, 0), (x1, top, z + 6), body.colour)
        return build.model()
    door_low = body.low + (0.2 * top if kind == "drawers" else 0.0)
    if kind == "drawers":
        grid = (int(rng.integers(1, 3)), max(1, columns // 2))
        build.fronts((0, body.low), (x1, door_low), z, grid, body.front, body.handle, body.metal)
    style: Handle = pick(rng, ("upright", "knob"))
    build.fronts((0, door_low), (x1, top - 1), z, (1, columns), body.front, style, body.metal)
    wide, panels = x1 / columns, chance(rng, 0.45)
    for i in range(columns):
        for share, until in ((0.05, 0.45), (0.52, 0.95)) if panels or i == mirrored else ():
            y0, y1 = (door_low + s * (top - door_low) for s in (share, until))
            inset = glass if i == mirrored else shade(body.front, 0.85)
            build.box((i * wide + 8, y0, z + 1.8), ((i + 1) * wide - 8, y1, z + 2.2), inset)
    if chance(rng, 0.3):
        build.box((-3, top, -1), (x1 + 3, top + 6, body.depth + 3), body.colour)
    return build.model()


def _open_wardrobe(build: Parts, rng: np.random.Generator, body: Body) -> None:
    """Clothes on a rail in one part, shelves with folded ones in the other."""
    wall = 0.6 * body.width
    for x in (0.0, wall, body.width - 2):
        build.box((x, 0, 0), (x + 2, body.height, body.depth), body.colour)
    for y in (6.0, body.height - 3):
        build.box((0, y, 0), (body.width, y + 3, body.depth), body.colour)
    build.box((0, 4, 0), (body.width, body.height, 1), shade(body.colour, 0.8))
    rail = body.height - 12
    build.tube((2, rail, body.depth / 2), (wall, rail, body.depth / 2), 1.2, body.metal, sides=6)
    x = 6.0
    while x < wall - 6:
        thick, length = float(rng.uniform(3, 6)), float(rng.uniform(60, 115))
        build.box((x, rail - length, 8), (x + thick, rail - 3, body.depth - 6), tone(rng, FABRICS, PAINTS))
        x += thick + 1
    for y in np.linspace(40, body.height - 40, 4):
        build.box((wall + 2, float(y), 0), (body.width - 2, float(y) + 2, body.depth - 1), body.colour)
        pile = float(y) + 2
        for _ in range(int(rng.integers(1, 5))):
            build.box((wall + 6, pile, 6), (body.width - 6, pile + 5, body.depth - 5), tone(rng, FABRICS, PAINTS))
            pile += 5.3


def dresser(rng: np.random.Generator) -> Model:
    """A chest of drawers, high or wide, with or without doors at the sides."""
    build = Parts()
    if chance(rng, 0.45):
        body, columns = draw_body(rng, (60, 95), (40, 50), (85, 125)), 1
        rows = int(rng.integers(4, 7))
    else:
        body, columns = draw_body(rng, (110, 175), (42, 52), (72, 92)), int(rng.integers(2, 4))
        rows = int(rng.integers(3, 5))
    carcass(build, rng, body)
    z, top = body.depth - 2, body.height - 3
    if columns == 1 and chance(rng, 0.4):  # two small drawers at the top
        step = (top - body.low) / rows
        build.fronts((0, top - step), (body.width, top), z, (1, 2), body.front, body.handle, body.metal)
        top, rows = top - step, rows - 1
    if columns == 3 and chance(rng, 0.4):  # doors at both sides
        third = body.width / 3
        build.fronts((0, body.low), (third, top), z, (1, 1), body.front, "upright", body.metal, 1)
        build.fronts((2 * third, body.low), (body.width, top), z, (1, 1), body.front, "upright", body.metal, -1)
        build.fronts((third, body.low), (2 * third, top), z, (rows, 1), body.front, body.handle, body.metal)
    else:
        build.fronts((0, body.low), (body.width, top), z, (rows, columns), body.front, body.handle, body.metal)
    return build.model()


def nightstand(rng: np.random.Generator) -> Model:
    """A small piece for beside the bed: drawers, a drawer over an open bay, a door, or a small round table."""
    build = Parts()
    body = draw_body(rng, (36, 56), (34, 44), (44, 64))
    kind = pick(rng, ("drawers", "drawers", "bay", "door", "round"))
    if kind == "round":
        r, h = float(rng.uniform(19, 25)), body.height
        build.lathe((r, r), [(0, h - 2.5), (r, h - 2.5), (r, h), (0, h)], body.colour, 16)
        build.lathe(
            (r, r), [(0, 0.3 * h), (0.8 * r, 0.3 * h), (0.8 * r, 0.3 * h + 2), (0, 0.3 * h + 2)], body.colour, 12
        )
        with build.moved((0.3 * r, 0, 0.3 * r)):
            build.legs((1.4 * r, h - 2, 1.4 * r), pick(rng, ("square", "splayed")), 3.5, body.colour, 0)
        return build.model()
    z, top = body.depth - 2, body.height - 3
    if kind == "bay":
        middle = body.low + 0.55 * (top - body.low)
        build.legs((body.width, body.low + 1, body.depth), "square", 4, body.colour, 0)
        build.box((0, body.low, 0), (body.width, body.low + 2.5, z), body.colour)
        for x in (0.0, body.width - 2.5):
            build.box((x, body.low, 0), (x + 2.5, body.height, z), body.colour)
        build.box((0, body.low, 0), (body.width, body.height, 1), shade(body.colour, 0.8))
        build.box((2, middle, 1), (body.width - 2, body.height, z), body.colour)
        build.fronts((0, middle), (body.width, body.height - 2), z, (1, 1), body.front, body.handle, body.metal)
        if chance(rng, 0.6):
            build.books(rng, (4, body.low + 2.5, 4), (body.width - 4, middle - 1, z - 4), float(rng.uniform(0.3, 0.9)))
        return build.model()
    carcass(build, rng, body)
    rows = 1 if kind == "door" else int(rng.integers(2, 4))
    build.fronts((0, body.low), (body.width, top), z, (rows, 1), body.front, body.handle, body.metal, int(rows == 1))
    return build.model()


def filing_cabinet(rng: np.random.Generator) -> Model:
    """Deep drawers of steel with a handle and a label each, two to four of them, or wide ones."""
    build = Parts()
    rows = int(rng.integers(2, 5))
    width = float(pick(rng, (rng.uniform(38, 48), rng.uniform(38, 48), rng.uniform(75, 95))))
    depth, height = float(rng.uniform(46, 64)), 5 + rows * float(rng.uniform(28, 33))
    colour = tone(rng, METALS, BLACKS, WHITES, PAINTS, ((0.62, 0.62, 0.58), (0.74, 0.72, 0.64)))
    front = pick(rng, (colour, shade(colour, 1.1), tone(rng, PAINTS)))
    build.box((0, 3, 0), (width, height, depth), colour)
    build.box((2, 0, 2), (width - 2, 3, depth - 4), shade(colour, 0.4))
    build.fronts((1, 4), (width - 1, height - 2), depth, (rows, 1), front, pick(rng, ("bar", "long")), (0.7, 0.7, 0.72))
    for row in range(rows):
        y = 4 + (row + 0.72) * (height - 6) / rows
        build.box((width / 2 - 4, y, depth + 1.8), (width / 2 + 4, y + 3, depth + 2.4), (0.95, 0.95, 0.93))
    return build.model()


MAKERS = {
    "bookshelf": bookshelf,
    "shelf": shelf,
    "cabinet": cabinet,
    "wardrobe": wardrobe,
    "dresser": dresser,
    "nightstand": nightstand,
    "filing cabinet": filing_cabinet,
}
