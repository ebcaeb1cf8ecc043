"""Kitchen and laundry machines, heating and cooling. Wall things hang at ``ELEVATION_CM``."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import BLACKS, WHITES, WOODS, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, DARK_GLASS, STEELS, TO_FRONT, Maker, Sculptor, spin

Doors = tuple[tuple[float, float, float, float, str], ...]
"""Left, bottom, right, top as shares of the front, and the side of the handle."""

FRIDGES: dict[tuple[float, float, float, float], tuple[Doors, ...]] = {
    (50, 70, 140, 195): (
        ((0, 0, 1, 0.68, "l"), (0, 0.68, 1, 1, "l")),
        ((0, 0, 1, 0.36, "r"), (0, 0.36, 1, 1, "r")),
        ((0, 0, 1, 0.74, "r"), (0, 0.74, 1, 1, "r")),
    ),
    (50, 62, 82, 130): (((0, 0, 1, 1, "l"),), ((0, 0, 1, 0.72, "r"), (0, 0.72, 1, 1, "r"))),
    (80, 95, 170, 190): (
        ((0, 0, 0.42, 1, "r"), (0.42, 0, 1, 1, "l")),
        ((0, 0.36, 0.5, 1, "r"), (0.5, 0.36, 1, 1, "l"), (0, 0, 1, 0.36, "t")),
        ((0, 0.4, 0.5, 1, "r"), (0.5, 0.4, 1, 1, "l"), (0, 0.2, 1, 0.4, "t"), (0, 0, 1, 0.2, "t")),
    ),
}
"""Widths and heights (from, to, from, to) and the doors that fridges of that size have."""
FLAMES: tuple[RGB, ...] = ((0.95, 0.45, 0.1), (0.98, 0.7, 0.2), (0.85, 0.25, 0.08))


def refrigerator(rng: np.random.Generator) -> Model:
    """A tall box with doors, seams and handles."""
    build, (x0, x1, y0, y1) = Sculptor(), pick(rng, list(FRIDGES))
    width, height, depth = rng.uniform(x0, x1), rng.uniform(y0, y1), rng.uniform(55, 72)
    colour = tone(rng, WHITES, WHITES, STEELS, STEELS, BLACKS, BRIGHTS)
    grip, bars = tone(rng, STEELS, BLACKS) if max(colour) > 0.4 else tone(rng, STEELS), rng.random() < 0.8
    build.box((0, 3, 0), (width, height, depth), shade(colour, rng.uniform(0.6, 0.95)))
    build.box((3, 0, 4), (width - 3, 4, depth - 3), (0.12, 0.12, 0.12))
    doors = pick(rng, FRIDGES[x0, x1, y0, y1])
    for left, bottom, right, top, side in doors:
        low = (left * width + 0.4, 5 + bottom * (height - 5) + 0.5, depth + 0.6)
        high = (right * width - 0.4, 5 + top * (height - 5) - 0.5, depth + 5)
        build.box(low, high, colour)
        if bars:
            handle(build, low, high, side, grip)
    if len(doors) > 1 and width > 79 and rng.random() < 0.6:
        build.box((width * 0.14, height * 0.55, depth + 4), (width * 0.34, height * 0.74, depth + 5.4), DARK_GLASS)
    return build.model()


def handle(build: Sculptor, low: tuple[float, ...], high: tuple[float, ...], side: str, colour: RGB) -> None:
    """A bar on a door's front, at its left, right or top."""
    z, middle = high[2], (low[1] + high[1]) / 2
    if side == "t":
        build.box((low[0] + 8, high[1] - 6, z), (high[0] - 8, high[1] - 4, z + 4), colour)
        return
    x, half = {"l": low[0] + 4, "r": high[0] - 4}[side], min((high[1] - low[1]) * 0.35, 32)
    build.box((x - 1, middle - half, z + 2), (x + 1, middle + half, z + 4.5), colour)
    for y in (middle - half + 1, middle + half - 3):
        build.box((x - 1, y, z), (x + 1, y + 2, z + 3), colour)


def freezer(rng: np.random.Generator) -> Model:
    """A chest with a lid, or an upright one with drawers' seams."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, STEELS)
    width, depth, height = rng.uniform(60, 150), rng.uniform(55, 70), rng.uniform(78, 90)
    build.slab((0, 4, 0), (width, height - 8, depth), colour, power=14)
    build.slab((-0.5, height - 7, -0.5), (width + 0.5, height, depth + 1.5), shade(colour, 1.03), 1.2, power=14)
    build.box((3, 0, 3), (width - 3, 5, depth - 3), (0.15, 0.15, 0.15))
    build.box((width / 2 - 9, height - 8, depth), (width / 2 + 9, height - 4, depth + 4), tone(rng, STEELS, BLACKS))
    build.box((width * 0.8, 8, depth - 1), (width * 0.95, 18, depth + 0.6), (0.25, 0.25, 0.27))
    return build.model()


def oven_door(build: Sculptor, low: tuple[float, float], high: tuple[float, float], z: float, colour: RGB) -> None:
    """A door with a dark window and a bar across its top."""
    (x0, y0), (x1, y1) = low, high
    build.box((x0, y0, z), (x1, y1, z + 3), colour)
    build.box((x0 + (x1 - x0) * 0.12, y0 + 5, z + 2.5), (x1 - (x1 - x0) * 0.12, y1 - 9, z + 3.4), DARK_GLASS)
    build.box((x0 + 5, y1 - 5, z + 5), (x1 - 5, y1 - 3, z + 7), STEELS[0])
    for x in (x0 + 6, x1 - 8):
        build.box((x, y1 - 5, z + 2), (x + 2, y1 - 3, z + 6), STEELS[0])


def knobs(build: Sculptor, xs: np.ndarray, y: float, z: float, colour: RGB, radius: float = 2.0) -> None:
    """A row of knobs on the front."""
    for x in xs:
        build.disc(float(x), y, z, radius, 2.5, colour, 9)


def oven(rng: np.random.Generator) -> Model:
    """One or two doors below a panel of knobs."""
    build, colour = Sculptor(), tone(rng, STEELS, STEELS, WHITES, BLACKS)
    width, depth, doors = rng.uniform(55, 76), rng.uniform(50, 60), int(rng.integers(1, 3))
    tall = rng.uniform(42, 52)
    height = doors * tall + 12
    build.box((0, 0, 0), (width, height, depth), shade(colour, 0.85))
    for i in range(doors):
        oven_door(build, (0.8, 1 + i * tall), (width - 0.8, (i + 1) * tall), depth, colour)
    build.box(
        (0.8, height - 11, depth),
        (width - 0.8, height - 0.5, depth + 3),
        tone(rng, BLACKS) if rng.random() < 0.4 else colour,
    )
    build.box((width * 0.38, height - 8, depth + 3), (width * 0.62, height - 4, depth + 3.3), (0.05, 0.1, 0.12))
    knobs(build, np.array([0.12, 0.26, 0.74, 0.88]) * width, height - 6, depth + 3, tone(rng, STEELS, BLACKS, WHITES))
    return build.model()


def burner(build: Sculptor, x: float, z: float, y: float, kind: str, radius: float) -> None:
    """A hot plate, a ring under glass, or a gas flame's head under its grate."""
    iron: RGB = (0.07, 0.07, 0.07)
    with build.at(x, y, z):
        if kind == "gas":
            build.turning([(radius * 0.5, 0), (radius * 0.4, 1.6)], iron, 10)
            for turn in (0, 90):
                with build.at(turn=spin(turn)):
                    build.box((-radius * 1.2, 1.8, -0.6), (radius * 1.2, 3, 0.6), iron)
            for side in (-1.15, 1.15):
                build.box((side * radius - 0.6, 0, -radius), (side * radius + 0.6, 3, radius), iron)
        elif kind == "plate":
            build.turning([(radius, 0), (radius, 1.2), (radius * 0.9, 1.6)], iron)
        else:
            build.turning([(radius, 0.12), (radius * 0.88, 0.12)], (0.45, 0.44, 0.44), closed=False)


def stove(rng: np.random.Generator) -> Model:
    """An oven with burners on top and knobs in front."""
    build, colour = Sculptor(), tone(rng, WHITES, STEELS, BLACKS, WHITES, BRIGHTS)
    width, depth, height = pick(rng, (50, 60, 60, 76, 90)) * 1.0, rng.uniform(58, 66), rng.uniform(84, 92)
    kind, columns = pick(rng, ("gas", "gas", "plate", "glass")), 3 if width > 80 else 2
    build.box((0, 6, 0), (width, height - 2, depth), shade(colour, 0.92))
    build.box((3, 0, 3), (width - 3, 7, depth - 3), (0.1, 0.1, 0.1))
    top = (0.06, 0.06, 0.07) if kind == "glass" else tone(rng, STEELS) if rng.random() < 0.5 else colour
    build.box((-0.4, height - 2, -0.4), (width + 0.4, height, depth + 3), top)
    for i in range(columns):
        for z in (0.28, 0.74):
            burner(build, width * (i + 0.5) / columns, z * depth, height, kind, rng.uniform(6.5, 9))
    oven_door(build, (1, 24), (width - 1, height - 14), depth, colour)
    build.box((1, 7, depth), (width - 1, 22.5, depth + 2.5), colour)
    build.box((0, height - 13, depth), (width, height - 2, depth + 3), shade(colour, rng.uniform(0.5, 1)))
    knobs(
        build,
        np.linspace(0.12, 0.88, 2 * columns + 1) * width,
        height - 7,
        depth + 3,
        tone(rng, BLACKS, STEELS, WHITES),
    )
    if rng.random() < 0.5:
        build.box((0, height, 0), (width, height + rng.uniform(8, 18), 5), colour)
    return build.model()


def range_hood(rng: np.random.Generator) -> Model:
    """A pyramid or a plate under a chimney, a slanting wedge, or a slim box."""
    build, colour, kind = Sculptor(), tone(rng, STEELS, STEELS, WHITES, BLACKS), rng.integers(4)
    width, depth = pick(rng, (55, 60, 75, 90)) * 1.0, rng.uniform(42, 52)
    half, tall, lip = width / 2, rng.uniform(45, 75), rng.uniform(3, 7)
    if kind < 2:
        build.box((-half, 0, 0), (half, lip, depth), shade(colour, 0.95))
        flue = rng.uniform(11, 16)
        low = np.array([[-half, lip, depth], [half, lip, depth], [half, lip, 0], [-half, lip, 0.0]])
        rise = rng.uniform(12, 25) if kind == 0 else 1.0
        top = lip + rise
        high = np.array([[-flue, top, 2 * flue], [flue, top, 2 * flue], [flue, top, 0], [-flue, top, 0]])
        build.loft([low, high], colour)
        build.box((-flue, top, 0), (flue, tall, 1.8 * flue), shade(colour, 1.04))
    else:
        back = rng.uniform(14, 18) if kind == 2 else rng.uniform(30, 45)
        side = [(0.0, 0.0), (0.0, depth), (lip, depth), (back, depth * 0.4), (back, 0.0)]
        build.prism(side, -half, half, 0, colour)
    knobs(build, np.linspace(-0.08, 0.08, 4) * width, lip / 2, depth, (0.15, 0.15, 0.16), 0.8)
    build.box((-half * 0.8, -0.3, depth * 0.2), (half * 0.8, 0.1, depth * 0.85), (0.3, 0.3, 0.31))
    return build.model()


def porthole(build: Sculptor, x: float, y: float, z: float, radius: float, rim: RGB, pane: RGB) -> None:
    """A round door on the front."""
    with build.at(x, y, z, TO_FRONT):
        build.turning([(radius, 0), (radius, 2.5), (radius * 0.76, 3.4), (radius * 0.72, 1.5)], rim, 20, closed=False)
        build.turning([(radius * 0.74, 1.5), (radius * 0.5, 2.6), (0, 2.9)], pane, 20, closed=False)


def washing_machine(rng: np.random.Generator) -> Model:
    """A front loader with its porthole, or a top loader with its lid and console."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, WHITES, STEELS, BLACKS)
    width, depth, height = rng.uniform(57, 66), rng.uniform(50, 64), rng.uniform(82, 90)
    build.box((0, 2, 0), (width, height, depth), colour)
    build.box((2, 0, 2), (width - 2, 3, depth - 2), (0.15, 0.15, 0.15))
    if rng.random() < 0.75:
        rim = tone(rng, STEELS, WHITES, BLACKS)
        porthole(build, width / 2, height * rng.uniform(0.42, 0.48), depth, rng.uniform(17, 22), rim, DARK_GLASS)
        panel = shade(colour, rng.uniform(0.85, 1.05))
        build.box((0, height - 13, depth), (width, height - 1, depth + 1.5), panel)
        build.box((2, height - 12, depth + 1.5), (width * 0.3, height - 3, depth + 2.2), shade(panel, 0.9))
        build.disc(width * rng.uniform(0.45, 0.55), height - 7, depth + 1.5, 3.2, 2.5, rim)
        build.box((width * 0.66, height - 9, depth + 1.5), (width * 0.92, height - 5, depth + 1.8), DARK_GLASS)
        build.box((2, 3, depth), (width - 2, 10, depth + 0.6), shade(panel, 0.93))
    else:
        build.box((2, height, 12), (width - 2, height + 2, depth - 2), shade(colour, 0.95))
        build.box((7, height + 2, 16), (width - 7, height + 2.4, depth - 6), tone(rng, BLACKS, WHITES))
        build.box((0, height, 0), (width, height + 15, 9), shade(colour, 0.9))
        knobs(build, np.array([0.2, 0.35, 0.8]) * width, height + 8, 9, tone(rng, STEELS, BLACKS), 3)
    return build.model()


def dryer(rng: np.random.Generator) -> Model:
    """A box with a round or square door and one large dial; no drawer, grilles below."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, STEELS)
    width, depth, height = rng.uniform(57, 68), rng.uniform(55, 66), rng.uniform(82, 92)
    build.box((0, 1, 0), (width, height, depth), colour)
    middle = height * 0.5
    if rng.random() < 0.5:
        porthole(
            build,
            width / 2,
            middle,
            depth,
            rng.uniform(20, 24),
            shade(colour, 0.9),
            shade(colour, rng.choice([0.3, 0.8])),
        )
    else:
        half = rng.uniform(19, 24)
        build.box(
            (width / 2 - half, middle - half, depth), (width / 2 + half, middle + half, depth + 2), shade(colour, 0.94)
        )
        build.box(
            (width / 2 + half - 6, middle - 6, depth + 2), (width / 2 + half - 3, middle + 6, depth + 3.5), STEELS[1]
        )
    for i in range(5):
        build.box((width * 0.6, 5 + 1.8 * i, depth), (width * 0.9, 5.8 + 1.8 * i, depth + 0.4), (0.3, 0.3, 0.3))
    build.box((0, height - 12, depth), (width, height - 1, depth + 1.2), shade(colour, 0.88))
    build.disc(width * rng.uniform(0.3, 0.7), height - 6.5, depth + 1, 4, 3, tone(rng, STEELS, BLACKS))
    return build.model()


def microwave(rng: np.random.Generator) -> Model:
    """A box with a dark window at the left and a panel of keys at the right."""
    build, colour = Sculptor(), tone(rng, WHITES, STEELS, BLACKS, STEELS)
    width, depth, height = rng.uniform(43, 56), rng.uniform(32, 42), rng.uniform(25, 32)
    split = width * rng.uniform(0.72, 0.8)
    build.box((0, 1, 0), (width, height, depth), colour)
    build.box((3, 0, 3), (width - 3, 1.2, depth - 3), BLACKS[0])
    build.box((0.5, 1.5, depth), (split, height - 0.5, depth + 2), shade(colour, rng.choice([0.3, 0.95])))
    build.box((3.5, 5, depth + 1.5), (split - 5, height - 4, depth + 2.3), DARK_GLASS)
    build.box((split - 3, 4, depth + 2), (split - 1.6, height - 3, depth + 4.5), tone(rng, STEELS, BLACKS))
    build.box((split + 0.5, 1.5, depth), (width - 0.5, height - 0.5, depth + 1.8), shade(colour, 0.88))
    build.box((split + 1.5, height - 6, depth + 1.8), (width - 1.5, height - 2.5, depth + 2.1), (0.05, 0.12, 0.12))
    if rng.random() < 0.5:
        knobs(build, np.full(1, (split + width) / 2), height * 0.5, depth + 1.8, STEELS[0], 2.3)
        knobs(build, np.full(1, (split + width) / 2), height * 0.25, depth + 1.8, STEELS[0], 2.3)
    else:
        wide = (width - split - 4) / 3
        for i in range(12):
            x, y = split + 1.6 + (i % 3) * (wide + 0.4), 4 + (i // 3) * 3.2
            build.box((x, y, depth + 1.8), (x + wide, y + 2, depth + 2.2), shade(colour, 0.6))
    return build.model()


def toaster_oven(rng: np.random.Generator) -> Model:
    """A wide box with a glass door that opens downwards, and knobs beside it."""
    build, colour = Sculptor(), tone(rng, STEELS, WHITES, BLACKS, BRIGHTS)
    width, depth, height = rng.uniform(38, 52), rng.uniform(28, 36), rng.uniform(22, 30)
    split = width * 0.76
    build.box((0, 1.5, 0), (width, height, depth), colour)
    for x in (2, width - 4):
        build.box((x, 0, 2), (x + 2, 1.6, depth - 2), BLACKS[0])
    build.box((1, 3, depth), (split, height - 1.5, depth + 1.5), shade(colour, 0.8))
    build.box((3, 5, depth + 1), (split - 2, height - 5.5, depth + 1.8), (0.2, 0.15, 0.12))
    build.box((4, height - 4.5, depth + 3), (split - 3, height - 3, depth + 4.5), tone(rng, STEELS, BLACKS))
    for y in np.linspace(0.25, 0.8, 3) * height:
        knobs(build, np.full(1, (split + width) / 2), float(y), depth, tone(rng, STEELS, BLACKS), 2)
    return build.model()


def water_heater(rng: np.random.Generator) -> Model:
    """An upright boiler with domed ends, or a flat gas heater; pipes below."""
    build, colour = Sculptor(), tone(rng, WHITES)
    if rng.random() < 0.55:
        radius, height = rng.uniform(18, 26), rng.uniform(50, 100)
        profile = [(radius * 0.6, 0), (radius, 5), (radius, height - 5), (radius * 0.6, height)]
        build.turning(profile, colour, 20)
        build.disc(0, 12, radius - 1, 4, 2, tone(rng, BLACKS, STEELS))
        build.box((-4, height * 0.2, radius - 1.5), (4, height * 0.26, radius + 0.8), (0.2, 0.3, 0.5))
    else:
        radius, height = rng.uniform(15, 20), rng.uniform(60, 78)
        build.slab((-radius - 4, 0, -13), (radius + 4, height, 13), colour, 1.5, power=10)
        build.box((-radius, 5, 12.5), (radius, 14, 13.6), tone(rng, BLACKS, STEELS))
        knobs(build, np.array([-0.5, 0.5]) * radius, 9.5, 13.5, WHITES[1], 2.2)
    for x in (-8, 0, 8):
        build.tube((x, -14, 0), (x, 2, 0), 1.2, tone(rng, BRASSES, STEELS))
    return build.model()


def radiator(rng: np.random.Generator) -> Model:
    """A row of upright columns, round as of iron or flat as of an oil heater."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, WHITES, STEELS, BLACKS)
    count, pitch, height, deep = int(rng.integers(7, 18)), rng.uniform(5, 8), rng.uniform(48, 85), rng.uniform(9, 16)
    for i in range(count):
        build.slab((i * pitch, 9, 0), (i * pitch + pitch * 0.72, height, deep), colour, pitch * 0.3, 4, 10)
    length = (count - 1) * pitch
    for y in (14, height - 5):
        build.tube((1, y, deep / 2), (length + 2, y, deep / 2), 2.2, colour)
    for x in (pitch * 0.1, length):
        build.box((x, 0, deep * 0.1), (x + 4, 10, deep * 0.9), colour if rng.random() < 0.7 else BLACKS[0])
    build.tube((length + 3, 14, deep / 2), (length + 9, 14, deep / 2), 1.5, STEELS[0])
    build.tube((length + 8, 9, deep / 2), (length + 8, 17, deep / 2), 2.2, WHITES[0])
    return build.model()


def wall_radiator(rng: np.random.Generator) -> Model:
    """A ribbed panel, or a towel warmer's ladder of bars."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, STEELS, BLACKS)
    if rng.random() < 0.65:
        width, height, deep = rng.uniform(50, 160), rng.uniform(45, 80), rng.uniform(6, 12)
        build.box((0, 0, 2), (width, height, deep), shade(colour, 0.94))
        ribs = int(width / 6)
        for i in range(ribs):
            x = (i + 0.5) * width / ribs
            build.box((x - 1.7, 3, deep), (x + 1.7, height - 3, deep + 1.3), colour)
        build.box((-0.3, height - 1, 1.5), (width + 0.3, height + 0.6, deep + 1), shade(colour, 0.85))
        build.tube((width, 4, deep / 2), (width + 5, 4, deep / 2), 1.5, STEELS[0])
    else:
        width, height = rng.uniform(42, 60), rng.uniform(75, 150)
        for x in (0, width):
            build.tube((x, 0, 5), (x, height, 5), 1.8, colour)
        for y in np.arange(5, height - 3, rng.uniform(5, 9)):
            build.tube((0, float(y), 6), (width, float(y), 6), 1.1, colour)
    build.box((width / 2 - 2, height * 0.5, 0), (width / 2 + 2, height * 0.55, 5), colour)
    return build.model()


def air_conditioner(rng: np.random.Generator) -> Model:
    """A long slab with a flap at its lower edge."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, WHITES, BLACKS)
    width, height, deep = rng.uniform(72, 110), rng.uniform(25, 33), rng.uniform(18, 24)
    side = [(0, 0), (0, deep * 0.75), (height * 0.22, deep), (height * 0.85, deep), (height, deep * 0.85), (height, 0)]
    build.prism(side, 0, width, 0, colour)
    build.box((4, height * 0.24, deep - 0.5), (width - 4, height * 0.27, deep + 0.3), shade(colour, 0.5))
    flap = [
        (4, 1.2, deep * 0.8),
        (width - 4, 1.2, deep * 0.8),
        (width - 4, height * 0.19, deep + 0.4),
        (4, height * 0.19, deep + 0.4),
    ]
    build.polygon(np.array(flap), shade(colour, 0.55))
    for i in range(4):
        build.box((3, height - 0.2, 3 + 3.5 * i), (width - 3, height + 0.2, 5 + 3.5 * i), shade(colour, 0.6))
    build.box((width * 0.82, height * 0.5, deep), (width * 0.93, height * 0.56, deep + 0.3), (0.35, 0.5, 0.55))
    return build.model()


def fireplace(rng: np.random.Generator) -> Model:
    """Two pillars and a mantelpiece round a dark opening with logs, perhaps a chimney breast."""
    build, stone = Sculptor(), tone(rng, WHITES, WOODS, ((0.6, 0.58, 0.55), (0.55, 0.3, 0.22), (0.8, 0.75, 0.66)))
    width, height, deep, pillar = rng.uniform(110, 160), rng.uniform(95, 120), rng.uniform(30, 45), rng.uniform(16, 26)
    opening = height * rng.uniform(0.6, 0.7)
    for x in (0, width - pillar):
        build.box((x, 0, 0), (x + pillar, height - 6, deep), stone)
        build.box((x - 2, 0, 0), (x + pillar + 2, 9, deep + 2), shade(stone, 0.9))
    build.box((pillar, opening, 0), (width - pillar, height - 6, deep - 2), shade(stone, 0.95))
    build.box((-6, height - 6, 0), (width + 6, height, deep + 7), shade(stone, rng.uniform(0.7, 1.1)))
    build.box((pillar, 0, 0), (width - pillar, opening, 4), (0.06, 0.05, 0.05))
    build.box((pillar - 10, 0, 0), (width - pillar + 10, 4, deep + 18), shade(stone, 0.6))
    for i in range(4):
        x = width / 2 + 9 * (i - 1.5)
        build.tube((x - 12, 7 + 4 * (i % 2), deep * 0.4), (x + 12, 9 + 3 * (i % 3), deep * 0.6), 3, tone(rng, WOODS))
    for i in range(int(rng.integers(0, 2)) * 6):
        build.tube(
            (width / 2 + 6 * (i - 2.5), 8, deep * 0.5),
            (width / 2 + 5 * (i - 2.5), rng.uniform(22, 40), deep * 0.5),
            4,
            pick(rng, FLAMES),
            0.2,
        )
    if rng.random() < 0.35:
        build.box((10, height, 0), (width - 10, rng.uniform(215, 245), deep - 6), tone(rng, WHITES))
    return build.model()


MAKERS: dict[str, Maker] = {
    "refrigerator": refrigerator, "freezer": freezer, "oven": oven, "stove": stove, "range hood": range_hood,
    "washing machine": washing_machine, "dryer": dryer, "microwave": microwave, "toaster oven": toaster_oven,
    "water heater": water_heater, "radiator": radiator, "radiator (wall)": wall_radiator,
    "air conditioner": air_conditioner, "fireplace": fireplace,
}  # fmt: skip
ELEVATION_CM = {"range hood": 155.0, "water heater": 150.0, "radiator (wall)": 12.0, "air conditioner": 200.0}
