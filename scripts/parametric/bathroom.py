"""Bathroom ceramics and what hangs beside them. Wall things hang at ``ELEVATION_CM``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import BLACKS, FABRICS, WHITES, WOODS, Handle, chance, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, GLASS, STEELS, TO_FRONT, Maker, Sculptor, ring, spin

Rim = tuple[float, float, float, float]
"""Half width, half depth, height and z of the centre of one ring."""
CERAMICS: tuple[RGB, ...] = (*WHITES, (0.9, 0.86, 0.78))
HANDLES: tuple[Handle, ...] = ("bar", "knob", "slot", "long", "none")
COLOURED: tuple[RGB, ...] = ((0.72, 0.8, 0.76), (0.85, 0.74, 0.72), (0.15, 0.15, 0.16), (0.7, 0.78, 0.85))


def ceramic(rng: np.random.Generator) -> RGB:
    """White as a rule."""
    return tone(rng, COLOURED) if chance(rng, 0.12) else tone(rng, CERAMICS)


def vessel(build: Sculptor, rims: Sequence[Rim], colour: RGB, power: float = 2.4, x: float = 0) -> None:
    """A skin over rims: up the outside, over the edge, and down the inside."""
    build.loft([ring(rx, rz, y, x, z, power, 18) for rx, rz, y, z in rims], colour)


def tap(build: Sculptor, x: float, y: float, z: float, colour: RGB, reach: float = 12, tall: float = 12) -> None:
    """A spout that bends to the front, with a lever."""
    build.pipe([(x, y, z), (x, y + tall, z), (x, y + tall + 1, z + reach), (x, y + tall - 4, z + reach)], 1.2, colour)
    build.tube((x, y + tall, z), (x, y + tall + 6, z - 1), 0.9, colour)


def toilet(rng: np.random.Generator) -> Model:
    """A bowl with a seat and a lid, a cistern behind it or in the wall."""
    build, colour = Sculptor(), ceramic(rng)
    half, long, rim, back = rng.uniform(17, 20), rng.uniform(21, 26), rng.uniform(37, 43), rng.uniform(15, 20)
    z, power = back + long, rng.uniform(2, 3.2)
    foot = rng.uniform(0.55, 0.95)
    outside = [(half * foot, long * 0.85, 0, z - 4), (half * foot * 0.9, long * 0.75, rim * 0.45, z - 4)]
    vessel(build, [*outside, (half, long, rim - 3, z), (half, long, rim, z)], colour, power)
    seat = tone(rng, WOODS, BLACKS) if chance(rng, 0.2) else shade(colour, 1.03)
    edge = [(half, long, rim + 0.3, z), (half, long, rim + 2.3, z), (half * 0.66, long * 0.7, rim + 2.3, z + 1)]
    lifted = chance(rng, 0.6)
    if lifted:
        vessel(build, [*edge, (half * 0.55, long * 0.6, rim - 8, z), (4, 5, rim - 16, z - 3)], seat, power)
        build.polygon(ring(half * 0.56, long * 0.6, rim + 2, 0, z + 1, 2, 16), shade(colour, 0.8))
        with build.at(0, rim + 3, back - 1, spin(-80, 0)):
            build.loft([ring(half, long, y, 0, long, power, 18) for y in (0.0, 2.0)], seat)
    else:
        vessel(
            build,
            [*edge[:2], (half * 0.97, long * 0.97, rim + 4.5, z), (half * 0.8, long * 0.8, rim + 5.2, z)],
            seat,
            power,
        )
    if chance(rng, 0.8):
        wide, top = rng.uniform(17, 21), rim + rng.uniform(28, 40)
        build.slab((-wide, rim - 3, 0), (wide, top, back - 1), colour, 0.8, power=rng.uniform(5, 12))
        build.slab((-wide - 1, top, -0.5), (wide + 1, top + 3, back), shade(colour, 0.97), 0.8, power=8)
        build.turning([(2.2, top + 3), (2.2, top + 3.8)], STEELS[0], 10) if chance(rng, 0.5) else build.tube(
            (-wide + 3, top - 6, back - 1), (-wide + 9, top - 7, back + 1), 0.9, STEELS[0]
        )
    build.box((-half * 0.6, rim * 0.4 if foot < 0.7 else 0, 0), (half * 0.6, rim, back + 4), colour)
    return build.model()


def bidet(rng: np.random.Generator) -> Model:
    """A low bowl with a tap and no seat."""
    build, colour = Sculptor(), ceramic(rng)
    half, long, rim, power = rng.uniform(17, 19.5), rng.uniform(24, 29), rng.uniform(36, 41), rng.uniform(2.2, 3)
    z, foot = long, rng.uniform(0.5, 0.8)
    outside = [(half * foot, long * 0.8, 0, z - 3), (half * foot, long * 0.7, rim * 0.5, z - 3), (half, long, rim, z)]
    inside = [(half * 0.84, long * 0.7, rim, z + 4), (half * 0.6, long * 0.5, rim - 9, z + 4), (5, 6, rim - 13, z + 4)]
    vessel(build, [*outside, *inside], colour, power)
    build.polygon(ring(5, 6, rim - 12.5, 0, z + 4), shade(colour, 0.55))
    tap(build, 0, rim, 6, tone(rng, STEELS, BRASSES), 9, 7)
    return build.model()


def urinal(rng: np.random.Generator) -> Model:
    """A tall bowl on the wall, open to the front."""
    build, colour = Sculptor(), ceramic(rng)
    half, deep, height = rng.uniform(15, 20), rng.uniform(26, 34), rng.uniform(55, 85)
    levels = [(0.5, 0.35, 0), (0.8, 0.75, 0.12), (1, 1, 0.3), (1, 0.95, 0.42)]
    build.loft([ring(half * w, deep * d / 2, height * y, 0, deep * d / 2, 3, 16) for w, d, y in levels], colour)
    build.polygon(ring(half * 0.8, deep * 0.36, height * 0.425, 0, deep * 0.5, 2.4, 16), shade(colour, 0.6))
    for side in (-1, 1):
        edge = [(side * half, height * 0.4, 0), (side * half, height * 0.4, deep * 0.8)]
        build.polygon(
            [*edge, (side * half * 0.9, height * 0.9, deep * 0.4), (side * half * 0.9, height, 0)], shade(colour, 0.95)
        )
    build.box((-half * 0.9, height * 0.4, 0), (half * 0.9, height, 3), colour)
    build.box((-half * 0.9, height * 0.9, 0), (half * 0.9, height, deep * 0.4), colour)
    build.tube((0, height, deep * 0.2), (0, height + 14, deep * 0.2), 1.4, STEELS[0])
    build.box((-3, height + 10, 1), (3, height + 17, deep * 0.25), STEELS[2])
    return build.model()


def sink(rng: np.random.Generator) -> Model:
    """A basin on a pedestal, in a vanity, or one or two bowls in a kitchen's worktop."""
    return pick(rng, (pedestal_sink, vanity, kitchen_sink))(rng)


def pedestal_sink(rng: np.random.Generator) -> Model:
    """A basin on a column."""
    build, colour = Sculptor(), ceramic(rng)
    half, deep, rim, power = rng.uniform(24, 34), rng.uniform(20, 26), rng.uniform(80, 90), pick(rng, (2.2, 3, 6))
    z = deep
    outside = [(half * 0.5, deep * 0.55, rim - 18, z), (half * 0.95, deep * 0.95, rim - 8, z), (half, deep, rim, z)]
    inside = [(half * 0.8, deep * 0.68, rim, z + 3), (half * 0.6, deep * 0.5, rim - 9, z + 3), (3, 3, rim - 12, z + 3)]
    vessel(build, [*outside, *inside], colour, power)
    build.polygon(ring(3, 3, rim - 11.8, 0, z + 3), (0.3, 0.3, 0.3))
    column = [(11, 12, 0, z - 3), (8, 9, 12, z - 3), (7.5, 9, rim * 0.6, z - 3), (11, 12, rim - 15, z - 2)]
    vessel(build, column, colour, 3)
    tap(build, 0, rim, 5, tone(rng, STEELS, STEELS, BRASSES), 11, rng.uniform(8, 15))
    return build.model()


def vanity(rng: np.random.Generator) -> Model:
    """A cabinet with one or two basins on or in its top."""
    build, wood = Sculptor(), tone(rng, WHITES, WOODS, ((0.35, 0.38, 0.42), (0.25, 0.35, 0.33), (0.6, 0.62, 0.62)))
    basins = 2 if chance(rng, 0.25) else 1
    width, deep, rim = basins * rng.uniform(55, 85), rng.uniform(44, 54), rng.uniform(78, 88)
    lift, handle = rng.uniform(3, 25), pick(rng, HANDLES)
    build.box((0, lift, 0), (width, rim, deep), shade(wood, 0.93))
    build.legs((width, lift, deep), "square", 4, shade(wood, 0.7), 1)
    build.fronts(
        (0, lift + 1), (width, rim - 1), deep, (int(rng.integers(1, 4)), 2 * basins if width > 62 else 1), wood, handle
    )
    slab = tone(rng, WHITES, ((0.3, 0.3, 0.31), (0.75, 0.7, 0.62)))
    build.box((-1, rim, 0), (width + 1, rim + 3, deep + 3), slab)
    colour, on_top, power = ceramic(rng), chance(rng, 0.6), pick(rng, (2, 2, 5))
    metal = tone(rng, STEELS, STEELS, BRASSES, BLACKS)
    for i in range(basins):
        x, y, z = width * (i + 0.5) / basins, rim + 3, deep * 0.56
        half, long, high = rng.uniform(18, 24), rng.uniform(14, 18), rng.uniform(9, 14) if on_top else 1.2
        outside = [(half * 0.7, long * 0.7, y, z), (half, long, y + high, z), (half * 0.92, long * 0.9, y + high, z)]
        build.loft(
            [ring(a, b, h, x, c, power, 18) for a, b, h, c in [*outside, (half * 0.6, long * 0.6, y + 0.4, z)]], colour
        )
        build.polygon(
            ring(half * 0.62, long * 0.62, y + (1.5 if on_top else 1.4), x, z, power, 18), shade(colour, 0.78)
        )
        tap(build, x, y, 5, metal, 12, high + rng.uniform(8, 14))
    return build.model()


def kitchen_sink(rng: np.random.Generator) -> Model:
    """A base cabinet with a worktop, bowls of steel or stoneware let into it, and a tall tap."""
    build, wood = Sculptor(), tone(rng, WHITES, WOODS, ((0.45, 0.5, 0.46), (0.25, 0.3, 0.38), (0.5, 0.5, 0.5)))
    width, deep, rim, bowls = rng.uniform(60, 120), rng.uniform(58, 64), rng.uniform(82, 90), int(rng.integers(1, 3))
    build.box((0, 8, 0), (width, rim, deep), shade(wood, 0.93))
    build.box((2, 0, 2), (width - 2, 8, deep - 5), (0.15, 0.14, 0.13))
    build.fronts((0, 9), (width, rim - 1), deep, (1, 2), wood, "upright")
    build.box(
        (-1, rim, 0), (width + 1, rim + 4, deep + 4), tone(rng, WOODS, ((0.3, 0.3, 0.31), (0.8, 0.78, 0.74), STEELS[0]))
    )
    bowl = tone(rng, STEELS, STEELS, WHITES)
    length, y = min(width * 0.8, bowls * 45), rim + 4
    start = (width - length) / 2
    build.box((start - 2, y, 8), (start + length + 2, y + 0.6, deep - 6), bowl)
    for i in range(bowls):
        x, half = start + length * (i + 0.5) / bowls, length / bowls / 2 - 2
        z, long = deep / 2 + 2, deep / 2 - 13
        build.polygon(ring(half, long, y + 0.8, x, z, 6, 20), shade(bowl, 0.45))
        build.polygon(ring(half * 0.86, long * 0.84, y + 0.9, x, z + 0.5, 5, 20), shade(bowl, 0.62))
        build.polygon(ring(3, 3, y + 1, x, z), (0.2, 0.2, 0.2))
    tap(build, width / 2, y, 10, tone(rng, STEELS, STEELS, BLACKS, BRASSES), 18, rng.uniform(18, 30))
    return build.model()


def bathtub(rng: np.random.Generator) -> Model:
    """A tub built in with panels, free-standing and oval, or on feet."""
    build, colour, kind = Sculptor(), ceramic(rng), int(rng.integers(3))
    half, deep, rim = rng.uniform(75, 92), rng.uniform(35, 42), rng.uniform(53, 64)
    power = (9, 2.6, 3)[kind]
    floor, foot = ((1, 0), (0.82, 0), (0.75, 14))[kind]
    outer = shade(tone(rng, BRIGHTS, BLACKS), 0.8) if kind == 2 and chance(rng, 0.3) else colour
    outside = [
        (half * floor, deep * floor, foot, 0),
        (half * (0.94 if kind else 1), deep * (0.92 if kind else 1), rim * 0.7, 0),
    ]
    vessel(build, [*outside, (half, deep, rim - 3, 0)], outer, power)
    rims = [(half, deep, rim - 3, 0), (half, deep, rim, 0), (half - 6, deep - 6, rim, 0)]
    vessel(build, [*rims, (half * 0.8, deep * 0.68, rim - 22, 0), (half * 0.7, deep * 0.5, rim - 36, 0)], colour, power)
    metal = tone(rng, STEELS, STEELS, BRASSES, BLACKS)
    if kind == 2:
        for x in (-0.6, 0.6):
            for z in (-0.55, 0.55):
                build.tube((x * half, foot + 4, z * deep), (x * half * 1.06, 0, z * deep * 1.1), 4, metal, 2.5)
    end = -half + 3 if kind == 0 else -half * 0.3
    at = 0 if kind == 0 else -deep + 2
    with build.at(end, rim, at, spin(90 if kind == 0 else 0)):
        tap(build, 0, 0, 0, metal, 14, 12)
        for x in (-7, 7):
            build.tube((x, 0, 0), (x, 6, 0), 1.6, metal)
    return build.model()


def shower(rng: np.random.Generator) -> Model:
    """A tray with walls or glass on two or three sides, a rail with a shower head, perhaps a curtain."""
    build, width, deep, height = Sculptor(), rng.uniform(80, 120), rng.uniform(75, 95), rng.uniform(190, 215)
    tray, frame, wall = (
        tone(rng, CERAMICS),
        tone(rng, STEELS, STEELS, BLACKS, WHITES),
        tone(rng, CERAMICS, ((0.6, 0.68, 0.72), (0.7, 0.66, 0.6))),
    )
    build.slab((0, 0, 0), (width, rng.uniform(5, 16), deep), tray, 1, power=14)
    build.box((0, 5, 0), (width, height, 1.5), wall)
    build.box((0, 5, 0), (1.5, height, deep), wall)
    for y in np.arange(30, height - 10, 25):
        build.box((1.5, y, 1.4), (width, y + 0.7, 1.7), shade(wall, 0.8))
    for x, z in ((width - 2, 0), (width - 2, deep - 2), (0, deep - 2)):
        build.box((x, 5, z), (x + 2.5, height, z + 2.5), frame)
    build.box((width - 2, height - 3, 0), (width, height, deep), frame)
    build.box((0, height - 3, deep - 2), (width, height, deep), frame)
    if chance(rng, 0.7):
        build.box((width - 1.5, 8, 2), (width - 0.5, height - 3, deep - 2), shade(GLASS, 0.95))
        build.box((2, 8, deep - 1.5), (width * rng.uniform(0.35, 0.55), height - 3, deep - 0.5), shade(GLASS, 1.05))
    else:
        drape(build, (width * 0.3, width), (12, height - 4), deep + 1, tone(rng, FABRICS, WHITES, BRIGHTS))
    metal = tone(rng, STEELS, BLACKS, BRASSES)
    build.tube((width / 2, 95, 5), (width / 2, height - 15, 5), 1.1, metal)
    build.pipe([(width / 2, height - 15, 5), (width / 2, height - 12, 28)], 1.2, metal)
    with build.at(width / 2, height - 16, 28, spin(10, 0)):
        build.turning([(8, 0), (8, 1.5), (2, 3.5)], metal)
    build.box((width / 2 - 8, 100, 2), (width / 2 + 8, 104, 8), metal)
    return build.model()


def drape(
    build: Sculptor, xs: tuple[float, float], ys: tuple[float, float], z: float, colour: RGB, fold: float = 7
) -> None:
    """Cloth that hangs in folds from (x, y) to (x, y) at depth ``z``."""
    count = 2 * max(int((xs[1] - xs[0]) / fold), 2)
    x, deep = np.linspace(*xs, count + 1), np.where(np.arange(count + 1) % 2, 0.3 * fold, -0.3 * fold)
    for i in range(count):
        a, b = (x[i], z + deep[i]), (x[i + 1], z + deep[i + 1])
        corners = [(a[0], ys[0], a[1]), (b[0], ys[0], b[1]), (b[0], ys[1], b[1]), (a[0], ys[1], a[1])]
        build.polygon(np.array(corners), shade(colour, 1.0 if i % 2 else 0.84))


def towel_rack(rng: np.random.Generator) -> Model:
    """One to four bars with towels over some of them, or a ring of shelves."""
    build, metal, width = Sculptor(), tone(rng, STEELS, STEELS, BRASSES, BLACKS, WHITES), rng.uniform(45, 70)
    bars, step = int(rng.integers(1, 4)), rng.uniform(8, 13)
    for i in range(bars):
        y, z = -i * step * 0.6, 6 + i * 4.0
        build.tube((0, y, z), (width, y, z), 0.9, metal)
        for x in (1, width - 1):
            build.tube((x, y, 0), (x, y, z), 0.9, metal)
            build.disc(x, y, 0, 2.4, 1, metal)
    for i in range(bars):
        if i == 0 or chance(rng, 0.5):
            hang(
                build, rng.uniform(0.08, 0.3) * width, rng.uniform(0.6, 0.92) * width, -i * step * 0.6, 6 + i * 4.0, rng
            )
    return build.model()


def hang(build: Sculptor, x0: float, x1: float, y: float, z: float, rng: np.random.Generator) -> None:
    """A folded towel over a bar, with a border."""
    colour, long = tone(rng, FABRICS, WHITES, BRIGHTS), rng.uniform(25, 50)
    build.slab((x0, y - long, z + 0.6), (x1, y + 1.4, z + 2.4), colour, power=10)
    build.slab((x0, y - long * 0.8, z - 2.4), (x1, y + 1.4, z - 0.6), shade(colour, 0.9), power=10)
    build.box((x0, y + 0.4, z - 2), (x1, y + 1.6, z + 2), colour)
    stripe = shade(colour, pick(rng, (0.7, 1.25)))
    build.box((x0 - 0.1, y - long + 4, z + 2), (x1 + 0.1, y - long + 7, z + 2.7), stripe)


def towel(rng: np.random.Generator) -> Model:
    """A towel that hangs from a ring or a hook."""
    build, metal = Sculptor(), tone(rng, STEELS, BRASSES, BLACKS)
    build.disc(0, 6, 0, 3, 2, metal)
    turns = np.linspace(0, 2 * np.pi, 13)
    radius, half = rng.uniform(7, 9), rng.uniform(8, 14)
    build.pipe([(radius * np.sin(t), 4 - radius + radius * np.cos(t), 4.0) for t in turns], 0.7, metal)
    colour, long, y = tone(rng, FABRICS, WHITES, BRIGHTS), rng.uniform(35, 60), 4 - 2 * radius
    shape = [(half, 4, y - long), (half * 0.95, 4, y - long * 0.4), (half * 0.55, 4.5, y + 1), (half * 0.3, 3, y + 3)]
    build.loft([ring(a, b, h, 0, 4.5, 3, 16) for a, b, h in shape], colour)
    build.loft(
        [ring(half * 1.01, 4.2, y - long + h, 0, 4.5, 3, 16) for h in (5, 8)], shade(colour, pick(rng, (0.7, 1.2)))
    )
    return build.model()


def toilet_paper(rng: np.random.Generator) -> Model:
    """A roll on a holder, its end hanging down, or a round dispenser."""
    build, metal = Sculptor(), tone(rng, STEELS, BRASSES, BLACKS, WOODS)
    radius, half, y, z = rng.uniform(5, 6.2), rng.uniform(4.5, 5.5), 8.0, 8.0
    if chance(rng, 0.25):
        with build.at(0, 12, 0, TO_FRONT):
            build.turning([(12, 0), (12, 9), (11, 11)], tone(rng, WHITES, STEELS, BLACKS), 20)
        build.box((-5, -2, 3), (5, 2, 8), WHITES[0])
        return build.model()
    build.tube((-half, y, z), (half, y, z), radius, WHITES[2], sides=16)
    for x in (-half - 0.1, half + 0.1):
        build.tube((x, y, z), (x + np.sign(x) * 0.2, y, z), 1.9, (0.55, 0.45, 0.35), sides=10)
    build.box((-half, y - rng.uniform(7, 14), z + radius - 0.5), (half, y, z + radius), WHITES[2])
    build.pipe([(-half - 2, y + 2, 0), (-half - 2, y, z), (half + 1, y, z)], 0.8, metal)
    build.slab((-half - 3.5, y - 2, 0), (-half + 0.5, y + 5, 1.2), metal, power=8)
    if chance(rng, 0.5):
        build.box((-half - 2, y + radius + 1, 0), (half + 2, y + radius + 1.8, z + radius), metal)
    return build.model()


MAKERS: dict[str, Maker] = {
    "toilet": toilet, "bidet": bidet, "urinal": urinal, "sink": sink, "bathtub": bathtub, "shower": shower,
    "towel rack": towel_rack, "towel": towel, "toilet paper": toilet_paper,
}  # fmt: skip
ELEVATION_CM = {"urinal": 35.0, "towel rack": 80.0, "towel": 60.0, "toilet paper": 60.0}
