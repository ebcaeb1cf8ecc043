"""Lamps and candles. Wall and ceiling lamps hang at ``ELEVATION_CM``."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import BLACKS, FABRICS, METALS, WHITES, WOODS, Point, chance, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, CLAYS, STEELS, TO_FRONT, Maker, Profile, Sculptor, spin

PAPERS: tuple[RGB, ...] = ((0.96, 0.92, 0.82), (0.93, 0.87, 0.74), (0.97, 0.96, 0.93), (0.95, 0.85, 0.62))
BULB: RGB = (0.99, 0.95, 0.8)
WAX: tuple[RGB, ...] = ((0.95, 0.93, 0.86), (0.85, 0.15, 0.15), (0.95, 0.85, 0.6), (0.3, 0.4, 0.3), (0.7, 0.5, 0.7))
BODIES: tuple[Profile, ...] = (
    [(0.5, 0), (0.5, 0.06), (0.2, 0.12), (0.6, 0.4), (0.75, 0.6), (0.45, 0.85), (0.15, 1)],
    [(0.6, 0), (0.85, 0.15), (1, 0.4), (0.8, 0.75), (0.2, 1)],
    [(0.8, 0), (0.8, 0.08), (0.12, 0.1), (0.1, 1)],
    [(0.55, 0), (0.6, 0.1), (0.6, 0.9), (0.5, 1)],
    [(0.7, 0), (0.3, 0.15), (0.5, 0.3), (0.25, 0.5), (0.45, 0.7), (0.15, 1)],
    [(0.75, 0), (0.2, 0.7), (0.12, 1)],
)
PENDANTS: tuple[Profile, ...] = (
    [(1, 0), (0.9, 0.35), (0.5, 0.7), (0.1, 1)],
    [(1, 0), (0.2, 1)],
    [(1, 0), (0.95, 1)],
    [(0.8, 0), (1, 0.4), (0.6, 0.8), (0.1, 1)],
)
"""Outlines of table lamps' feet and of pendants: shares of the radius and of the height."""


def lampshade(build: Sculptor, y: float, wide: float, tall: float, flare: float, colour: RGB, sides: int = 16) -> None:
    """An open drum or cone with a bulb in it; ``flare`` is its upper radius as a share of the lower one."""
    for inset, tint in ((0.0, 1.0), (0.5, 1.05)):
        build.turning([(wide - inset, y), (wide * flare - inset, y + tall)], shade(colour, tint), sides, closed=False)
    build.ball((0, y + tall * 0.45, 0), min(3.2, wide * flare * 0.5), BULB, 8)


def shade_colour(rng: np.random.Generator) -> RGB:
    """Pale, as a rule."""
    return tone(rng, PAPERS, PAPERS, PAPERS, FABRICS, BRIGHTS)


def table_lamp(rng: np.random.Generator) -> Model:
    """A turned foot under a shade; or a glowing globe on a foot."""
    build, height, wide = Sculptor(), rng.uniform(32, 68), rng.uniform(11, 20)
    split, foot = height * rng.uniform(0.5, 0.65), rng.uniform(6, 11)
    body = tone(rng, CLAYS, WOODS, BRASSES, STEELS, BRIGHTS, BLACKS)
    build.turning([(max(r * foot, 0.8), y * split) for r, y in pick(rng, BODIES)], body, 16)
    build.tube((0, split, 0), (0, split + height * 0.2, 0), 0.8, tone(rng, BRASSES, STEELS))
    if chance(rng, 0.12):
        build.ball((0, split + wide * 0.7, 0), wide * 0.75, tone(rng, PAPERS), 14)
    else:
        sides = 4 if chance(rng, 0.15) else 16
        lampshade(build, split + rng.uniform(0, 4), wide, height - split, rng.uniform(0.5, 1), shade_colour(rng), sides)
    return build.model()


def desk_lamp(rng: np.random.Generator) -> Model:
    """A weighted foot, an arm with a joint and a head that looks down."""
    build, colour, metal = (
        Sculptor(),
        tone(rng, BLACKS, WHITES, STEELS, BRIGHTS, BRIGHTS),
        tone(rng, STEELS, BLACKS, BRASSES),
    )
    foot, upper, lower, turn = rng.uniform(7, 10), rng.uniform(17, 26), rng.uniform(18, 26), rng.uniform(10, 35)
    build.turning([(foot, 0), (foot, 1.5), (foot * 0.6, 3)], colour, 16)
    lean = np.radians([-turn, turn + rng.uniform(15, 40)])
    elbow: Point = (0, 2 + lower * np.cos(lean[0]), lower * np.sin(lean[0]))
    tip: Point = (0, elbow[1] + upper * np.cos(lean[1]), elbow[2] + upper * np.sin(lean[1]))
    kind = int(rng.integers(3))
    if kind == 0:  # a swan's neck
        bend = [
            (0, 2, 0),
            (0, tip[1] * 0.7, -2),
            (0, tip[1], 3),
            (0, tip[1] + 1, tip[2] * 0.6),
            (0, tip[1] - 4, tip[2]),
        ]
        build.pipe([(float(x), float(y), float(z)) for x, y, z in bend], 0.9, metal)
    else:
        for x in (-1.1, 1.1):
            build.pipe([(x, 2, 0), (x, elbow[1], elbow[2]), (x, tip[1], tip[2])], 0.6, metal)
        build.ball(elbow, 1.9, colour, 8)
    with build.at(tip[0], tip[1] - (4 if kind == 0 else 0), tip[2], spin(-rng.uniform(10, 40), 0)):
        if kind == 2:
            build.slab((-3, -1.5, -4), (3, 1, 20), colour, 0.4, power=6)
            build.box((-2, -1.8, 2), (2, -1.4, 18), BULB)
        else:
            wide = rng.uniform(6.5, 9.5)
            build.turning([(wide, -11), (wide * 0.8, -6), (3, -2), (2.2, 2), (0.5, 3)], colour, closed=False)
            build.turning([(wide - 0.5, -10.6), (wide * 0.75, -6), (2, -3)], shade(colour, 1.1), closed=False)
            build.ball((0, -8, 0), 3, BULB, 8)
    return build.model()


def floor_lamp(rng: np.random.Generator) -> Model:
    """A pole, a tripod or an arc with a shade, an uplighter's bowl, or a paper column."""
    build, height = Sculptor(), rng.uniform(140, 185)
    pole, kind = (
        tone(rng, STEELS, BLACKS, BRASSES, WOODS, WHITES),
        pick(rng, ("pole", "pole", "tripod", "arc", "up", "paper")),
    )
    wide, tall = rng.uniform(15, 27), rng.uniform(20, 38)
    if kind == "paper":
        build.slab(
            (-wide * 0.7, 4, -wide * 0.7),
            (wide * 0.7, height * 0.8, wide * 0.7),
            tone(rng, PAPERS),
            power=pick(rng, (2, 12)),
        )
        for x in (-wide * 0.7, wide * 0.6):
            for z in (-wide * 0.7, wide * 0.6):
                build.box((x, 0, z), (x + wide * 0.1, height * 0.82, z + wide * 0.1), pole)
        return build.model()
    if kind == "tripod":
        for turn in (0, 120, 240):
            x, z = 28 * np.sin(np.radians(turn)), 28 * np.cos(np.radians(turn))
            build.tube((x, 0, z), (-0.05 * x, height - tall, -0.05 * z), 1.5, pole)
    else:
        build.turning([(14, 0), (14, 1.5), (12, 2.8), (1.8, 3.5), (1.3, 6)], pole, 18)
    if kind == "arc":
        turns = np.linspace(0, 0.85 * np.pi, 9)
        build.pipe(
            [(0.0, 3.0, 0.0), *[(40 - 40 * np.cos(t), height - 45 + 45 * np.sin(t), 0.0) for t in turns]], 1.2, pole
        )
        end, drop = 40 - 40 * np.cos(turns[-1]), height - 45 + 45 * np.sin(turns[-1])
        with build.at(end, drop - tall * 0.7, 0):
            lampshade(
                build, 0, wide * 0.8, tall * 0.6, rng.uniform(0.4, 0.8), tone(rng, STEELS, BLACKS, PAPERS, WHITES)
            )
            build.turning([(wide * 0.6, tall * 0.6), (1, tall * 0.75)], pole, closed=False)
        return build.model()
    build.tube((0, 3 if kind != "tripod" else height - tall, 0), (0, height - 4, 0), 1.3, pole)
    if kind == "up":
        build.turning(
            [
                (2, height - 14),
                (wide * 0.8, height - 2),
                (wide * 0.8, height),
                (wide * 0.7, height - 3),
                (1, height - 10),
            ],
            tone(rng, PAPERS, METALS, WHITES),
        )
    else:
        lampshade(build, height - tall, wide, tall, rng.uniform(0.5, 1), shade_colour(rng))
    return build.model()


def ceiling_lamp(rng: np.random.Generator) -> Model:
    """A pendant, a bowl or a panel on the ceiling, a chandelier, or a globe."""
    build, metal = Sculptor(), tone(rng, STEELS, BLACKS, BRASSES, WHITES)
    kind = pick(rng, ("pendant", "pendant", "flush", "panel", "chandelier", "globe", "spots"))
    drop = rng.uniform(35, 75)
    if kind in ("pendant", "globe", "chandelier"):
        build.turning([(5, drop - 3), (5, drop)], metal)
        build.tube((0, 0, 0), (0, drop, 0), 0.5 if kind != "chandelier" else 1, metal)
    wide = rng.uniform(14, 27)
    if kind == "pendant":
        outline = pick(rng, PENDANTS)
        tall, colour = wide * rng.uniform(0.6, 1.3), tone(rng, METALS, BRIGHTS, PAPERS, FABRICS)
        for inset, tint in ((0.0, 1.0), (0.5, 1.2)):
            build.turning(
                [(r * wide - inset, y * tall - tall * 0.5) for r, y in outline], shade(colour, tint), 18, closed=False
            )
        build.ball((0, -tall * 0.3, 0), 4, BULB, 8)
    elif kind == "globe":
        build.ball((0, -wide * 0.7, 0), (wide, wide * rng.uniform(0.7, 1), wide), tone(rng, PAPERS), 16)
    elif kind == "flush":
        build.turning([(0.1, 0), (wide * 0.7, 2), (wide, 7)], tone(rng, PAPERS), 18)
        build.turning([(wide * 1.05, 7), (wide * 1.05, 9)], metal, 18)
    elif kind == "panel":
        long = rng.uniform(30, 60)
        build.box((-long, 0, -wide * 0.6), (long, 7, wide * 0.6), tone(rng, WHITES, STEELS))
        for i in (-1, 1):
            build.box((-long + 3, -1, i * wide * 0.28 - 3), (long - 3, 1, i * wide * 0.28 + 3), BULB)
    elif kind == "spots":
        build.tube((-wide * 1.6, 8, 0), (wide * 1.6, 8, 0), 1.5, metal)
        for x in (-1.3, 0, 1.3):
            with build.at(x * wide, 6, 0, spin(rng.uniform(-40, 40), 0) @ spin(rng.uniform(-30, 30), 2)):
                build.turning([(4.5, -12), (4, -3), (1, 0)], metal)
                build.turning([(4, -12.3), (3.8, -12.1)], BULB)
    else:
        chandelier(build, int(rng.integers(5, 9)), wide * 1.2, metal, shade_colour(rng), chance(rng, 0.5))
    return build.model()


def chandelier(build: Sculptor, arms: int, wide: float, metal: RGB, colour: RGB, shades: bool) -> None:
    """Curved arms with candles or small shades."""
    build.turning([(0.5, -9), (4, -5), (2, 0), (3, 6), (1, 12)], metal)
    for i in range(arms):
        with build.at(turn=spin(360 * i / arms)):
            build.pipe([(0, -3, 0), (wide * 0.4, -9, 0), (wide * 0.8, -8, 0), (wide, -2, 0)], 0.8, metal)
            with build.at(wide, -2, 0):
                build.turning([(3, 0), (2, 1)], metal, 8)
                build.tube((0, 0, 0), (0, 8, 0), 1.2, WAX[0])
                if shades:
                    build.turning([(6, 5), (3.2, 13)], colour, 10, closed=False)
                else:
                    build.ball((0, 10, 0), (1.3, 2.4, 1.3), BULB, 6)


def wall_lamp(rng: np.random.Generator) -> Model:
    """A back plate and an arm with a shade, a half bowl, or a tube beside a mirror."""
    build, metal, kind = Sculptor(), tone(rng, STEELS, BLACKS, BRASSES, WHITES), int(rng.integers(4))
    wide = rng.uniform(7, 12)
    if kind == 0:  # an uplighter against the wall
        build.turning([(0.5, 0), (wide * 0.9, 7), (wide * 1.3, 14)], tone(rng, PAPERS, WHITES, METALS))
        build.box((-wide * 0.6, 3, -wide * 1.35), (wide * 0.6, 12, -wide * 0.5), metal)
    elif kind == 1:  # an upright box or tube
        height = rng.uniform(22, 45)
        build.slab((-wide * 0.6, 0, 3), (wide * 0.6, height, 3 + wide), tone(rng, PAPERS), power=pick(rng, (2, 8)))
        build.box((-wide * 0.5, height * 0.3, 0), (wide * 0.5, height * 0.7, 4), metal)
        for y in (-1, height - 1):
            build.slab((-wide * 0.65, y, 2.6), (wide * 0.65, y + 2, 3.4 + wide), metal)
    else:
        with build.at(0, 0, 0, TO_FRONT):
            build.turning([(5.5, 0), (5.5, 1.5), (2, 2.5)], metal)
        reach = rng.uniform(12, 22)
        up = 1 if kind == 2 else -1
        build.pipe([(0, 0, 1), (0, -4 * up, reach * 0.6), (0, 0, reach), (0, 5 * up, reach)], 0.9, metal)
        with build.at(0, 4 if up > 0 else -20, reach):
            lampshade(build, 0, wide, wide * 1.5, rng.uniform(0.45, 0.8), shade_colour(rng))
    return build.model()


def candle(rng: np.random.Generator) -> Model:
    """Thick candles, a candlestick, or a candelabrum."""
    build, wax, kind = Sculptor(), tone(rng, WAX, WAX, BRIGHTS), int(rng.integers(3))
    metal = tone(rng, BRASSES, STEELS, BLACKS, WOODS)
    if kind == 0:
        build.turning([(12, 0), (13, 1.2), (11, 0.8)], metal, 16)
        for x, z in ((-4.5, 2), (4.5, 2.5), (0, -4.5))[: int(rng.integers(1, 4))]:
            with build.at(x, 0.8, z):
                wick(build, rng.uniform(3, 4), rng.uniform(7, 17), wax)
    else:
        height, reach = rng.uniform(12, 26), rng.uniform(8, 12)
        build.turning([(6, 0), (5, 1.5), (1.2, 3), (1.8, height * 0.4), (0.9, height * 0.6), (1.2, height)], metal)
        for x in (-reach, 0, reach) if kind == 2 else (0,):
            build.pipe([(0, height * 0.5, 0), (x * 0.8, height * 0.6, 0), (x, height, 0)], 0.7, metal)
            with build.at(x, height, 0):
                build.turning([(1.4, 0), (2.6, 1.5)], metal, 10)
                wick(build, 1.2, rng.uniform(14, 22), wax)
    return build.model()


def wick(build: Sculptor, radius: float, tall: float, wax: RGB) -> None:
    """One candle with its flame."""
    build.turning([(radius, 0), (radius, tall)], wax, 12)
    build.tube((0, tall, 0), (0, tall + 1, 0), 0.2, BLACKS[0], sides=4)
    build.ball((0, tall + 2, 0), (0.6, 1.5, 0.6), (0.98, 0.75, 0.25), 6)


MAKERS: dict[str, Maker] = {
    "table lamp": table_lamp, "desk lamp": desk_lamp, "floor lamp": floor_lamp, "ceiling lamp": ceiling_lamp,
    "wall lamp": wall_lamp, "candle": candle,
}  # fmt: skip
ELEVATION_CM = {"ceiling lamp": 190.0, "wall lamp": 160.0}
