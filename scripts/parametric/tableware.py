"""What stands on tables and worktops in kitchens and dining rooms."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import BLACKS, PAINTS, WHITES, WOODS, chance, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, CLAYS, DARK_GLASS, GLASS, STEELS, Maker, Profile, Sculptor, ring, spin

FOODS: tuple[RGB, ...] = ((0.8, 0.15, 0.12), (0.9, 0.6, 0.15), (0.5, 0.7, 0.2), (0.95, 0.85, 0.3), (0.55, 0.25, 0.4))
GLASSES: tuple[RGB, ...] = (GLASS, (0.2, 0.35, 0.2), (0.4, 0.24, 0.1), (0.8, 0.87, 0.9), (0.55, 0.72, 0.78))
VASES: tuple[Profile, ...] = (
    [(0.5, 0), (0.9, 0.3), (0.95, 0.5), (0.5, 0.8), (0.6, 1)],
    [(0.5, 0), (0.55, 0.5), (0.8, 0.85), (1, 1)],
    [(0.6, 0), (0.62, 0.95), (0.66, 1)],
    [(0.4, 0), (1, 0.25), (0.8, 0.5), (0.25, 0.7), (0.22, 0.9), (0.4, 1)],
    [(0.45, 0), (0.7, 0.2), (1, 0.6), (0.9, 0.8), (0.4, 0.93), (0.48, 1)],
    [(0.6, 0), (0.35, 0.12), (0.8, 0.5), (0.55, 0.85), (0.75, 1)],
)
BOTTLES: tuple[Profile, ...] = (
    [(1, 0), (1, 0.6), (0.4, 0.74), (0.36, 1)],
    [(1, 0), (1, 0.5), (0.35, 0.78), (0.32, 1)],
    [(0.9, 0), (1, 0.1), (1, 0.75), (0.5, 0.86), (0.5, 1)],
    [(1, 0), (0.85, 0.35), (1, 0.6), (0.45, 0.85), (0.42, 1)],
)
"""Outlines: shares of the radius and of the height."""


def scaled(profile: Profile, radius: float, height: float) -> list[tuple[float, float]]:
    """An outline in centimetres."""
    return [(r * radius, y * height) for r, y in profile]


def arc(x: float, low: float, high: float, reach: float) -> list[tuple[float, float, float]]:
    """A handle's path at the right, from ``low`` to ``high``."""
    return [
        (x, low, 0),
        (x + reach, low + 0.15 * (high - low), 0),
        (x + reach, high - 0.15 * (high - low), 0),
        (x, high, 0),
    ]


def hollow(build: Sculptor, profile: Profile, colour: RGB, thick: float = 0.5, sides: int = 16) -> None:
    """A vessel with an inside that lies in the shade."""
    build.turning(profile, colour, sides, closed=False)
    build.turning(
        [(max(r - thick, 0.2), y + thick * (y < profile[-1][1])) for r, y in reversed(profile)],
        shade(colour, 0.8),
        sides,
    )


def vase(rng: np.random.Generator, height: float = 0) -> Model:
    """An empty vase, plain, with bands or in two glazes."""
    build = Sculptor()
    height = height or rng.uniform(18, 45)
    radius = height * rng.uniform(0.18, 0.36)
    colour, profile = (
        tone(rng, CLAYS, CLAYS, PAINTS, BRIGHTS, BRASSES, GLASSES),
        scaled(pick(rng, VASES), radius, height),
    )
    hollow(build, profile, colour, 0.6)
    if chance(rng, 0.5):
        (r0, y0), (r1, y1) = profile[1], profile[2]
        ring_colour, shares = shade(colour, pick(rng, (0.6, 1.35))), rng.uniform(0.1, 0.9, 2)
        build.turning(
            [(r0 + (r1 - r0) * s + 0.2, y0 + (y1 - y0) * s) for s in np.sort(shares)], ring_colour, 16, closed=False
        )
    return build.model()


def bowl(rng: np.random.Generator) -> Model:
    """A bowl, empty or with fruit."""
    build, radius = Sculptor(), rng.uniform(8, 19)
    tall, colour = radius * rng.uniform(0.45, 0.75), tone(rng, CLAYS, WOODS, PAINTS, STEELS, WHITES)
    hollow(build, [(radius * 0.4, 0), (radius * 0.45, 0.8), (radius * 0.85, tall * 0.6), (radius, tall)], colour, 0.7)
    if chance(rng, 0.5):
        fruit = tone(rng, FOODS)
        for i in range(7):
            out, turn, size = (0.45 if i else 0) * radius, 2 * np.pi * i / 6, radius * rng.uniform(0.24, 0.32)
            colour = tone(rng, FOODS) if chance(rng, 0.4) else shade(fruit, rng.uniform(0.85, 1.1))
            build.ball((out * np.cos(turn), tall * (0.75 if i else 1.0), out * np.sin(turn)), size, colour, 8)
    return build.model()


def bottle(rng: np.random.Generator) -> Model:
    """A bottle of glass or plastic with a label and a cap, or a dispenser of soap."""
    build, radius, height = Sculptor(), rng.uniform(3, 4.8), rng.uniform(18, 33)
    colour, label = tone(rng, GLASSES, GLASSES, PAINTS), tone(rng, WHITES, BRIGHTS, PAINTS)
    profile = scaled(pick(rng, BOTTLES), radius, height)
    build.turning(profile, colour, 14)
    build.turning(
        [(radius * 1.02, height * 0.14), (radius * 1.02, height * rng.uniform(0.32, 0.48))], label, 14, closed=False
    )
    neck, cap = profile[-1][0], tone(rng, BRIGHTS, BLACKS, WHITES, BRASSES)
    build.turning([(neck * 1.15, height * 0.95), (neck * 1.15, height * 1.03)], cap, 10)
    if chance(rng, 0.15):
        build.pipe([(0, height, 0), (0, height + 3, 0), (0, height + 3, radius)], 0.6, cap)
    return build.model()


def cup(rng: np.random.Generator) -> Model:
    """A mug, a tea cup on its saucer, a tumbler or a wine glass."""
    build, kind = Sculptor(), pick(rng, ("mug", "mug", "tea", "tumbler", "wine"))
    radius, tall = rng.uniform(3.6, 4.8), rng.uniform(8, 11)
    colour = tone(rng, WHITES, PAINTS, BRIGHTS, CLAYS)
    if kind == "mug":
        hollow(build, [(radius * rng.uniform(0.75, 1), 0), (radius, tall * 0.3), (radius, tall)], colour, 0.4)
        build.turning([(radius - 0.4, tall * 0.85), (0.1, tall * 0.85)], (0.22, 0.13, 0.08))
        build.pipe(arc(radius - 0.3, tall * 0.2, tall * 0.85, 2.6), 0.6, colour)
    elif kind == "tea":
        build.turning([(4, 0), (7, 1), (6.8, 1.4), (3, 0.8)], colour, 16)
        with build.at(0, 0.8, 0):
            hollow(build, [(2, 0), (3.6, 2), (4.6, 5.5)], colour, 0.35)
            build.turning([(4, 4.6), (0.1, 4.6)], (0.35, 0.18, 0.08))
            build.pipe(arc(4, 1.5, 5, 2), 0.4, colour, 5)
    elif kind == "tumbler":
        hollow(build, [(radius * 0.8, 0), (radius * 0.95, tall * 1.2)], tone(rng, GLASSES, BRIGHTS), 0.3)
    else:
        glass = tone(rng, (GLASS,))
        build.turning([(3.4, 0), (0.5, 0.6), (0.4, 8)], glass, 12)
        hollow(build, [(0.6, 8), (3.8, 11), (4, 14), (3.2, 18)], glass, 0.25)
    return build.model()


def plate(rng: np.random.Generator) -> Model:
    """A plate with a rim, a pile of plates, or one with food and cutlery."""
    build, radius, colour = Sculptor(), rng.uniform(9, 15), tone(rng, WHITES, WHITES, CLAYS, PAINTS)
    for i in range(pick(rng, (1, 1, 1, 5))):
        build.turning([(radius * 0.55, i), (radius, i + 1.8), (radius, i + 2.1), (radius * 0.6, i + 0.9)], colour, 22)
    border = shade(colour, 0.75) if chance(rng, 0.5) else tone(rng, BRIGHTS)
    build.turning([(radius * 1.01, i + 1.85), (radius * 0.93, i + 2.0)], border, 22, closed=False)
    if chance(rng, 0.3):
        for x, long in ((radius + 2, 10), (radius + 4.5, 9), (-radius - 3, 10)):
            build.box((x - 0.5, 0, -long), (x + 0.5, 0.4, long * 0.3), STEELS[0])
            build.box((x - 1, 0, -long), (x + 1, 0.5, -long * 0.5), STEELS[0])
    if chance(rng, 0.35):
        for x, z in ((0.2, 0.1), (-0.25, 0.2), (0, -0.3)):
            build.ball((x * radius, i + 2, z * radius), (radius * 0.25, 2, radius * 0.2), tone(rng, FOODS), 7)
    return build.model()


def jar(rng: np.random.Generator) -> Model:
    """A jar with its lid: glass with what is in it, or stoneware."""
    build, radius, tall = Sculptor(), rng.uniform(4, 9), rng.uniform(9, 22)
    body, lid = tone(rng, CLAYS, FOODS, PAINTS, (GLASS,)), tone(rng, WOODS, STEELS, BRASSES, BRIGHTS)
    build.turning([(radius * 0.9, 0), (radius, 1.5), (radius, tall * 0.8), (radius * 0.8, tall * 0.9)], body, 16)
    build.turning([(radius * 0.88, tall * 0.88), (radius * 0.88, tall), (radius * 0.3, tall * 1.03)], lid, 16)
    if chance(rng, 0.5):
        build.ball((0, tall * 1.08, 0), radius * 0.2, lid, 8)
    if chance(rng, 0.5):
        build.turning(
            [(radius * 1.02, tall * 0.25), (radius * 1.02, tall * 0.6)], tone(rng, WHITES, BRIGHTS), 16, closed=False
        )
    return build.model()


def tray(rng: np.random.Generator) -> Model:
    """A shallow board with a rim, perhaps with handles and a cup on it."""
    build, colour = Sculptor(), tone(rng, WOODS, WOODS, STEELS, PAINTS)
    half, long, power = rng.uniform(17, 26), rng.uniform(11, 18), pick(rng, (2, 5, 12))
    rims = [(0.92, 0), (1, rng.uniform(2.5, 5)), (0.95, 2.5), (0.9, 1)]
    build.loft([ring(half * s, long * s, y, power=power, sides=24) for s, y in rims], colour)
    if chance(rng, 0.5):
        for side in (-1, 1):
            x = side * half * 0.97
            build.pipe(
                [(x, 2, -6), (x + side * 2, 6, -4), (x + side * 2, 6, 4), (x, 2, 6)], 0.7, tone(rng, WOODS, BRASSES)
            )
    if chance(rng, 0.5):
        with build.at(half * 0.3, 1, 0):
            hollow(build, [(3, 0), (4, 8)], tone(rng, WHITES, BRIGHTS), 0.4)
        build.turning([(5, 1), (7, 2)], tone(rng, WHITES), 14)
    return build.model()


def kettle(rng: np.random.Generator) -> Model:
    """An electric jug on its base, or a round kettle with a bow."""
    build, colour, dark = Sculptor(), tone(rng, STEELS, STEELS, WHITES, BLACKS, BRIGHTS), tone(rng, BLACKS)
    radius, tall = rng.uniform(7, 9.5), rng.uniform(17, 24)
    if chance(rng, 0.5):
        build.turning([(radius * 1.05, 0), (radius, 2)], dark, 16)
        build.turning(
            [(radius, 2), (radius * 0.95, tall * 0.5), (radius * 0.72, tall), (radius * 0.5, tall + 1)], colour, 16
        )
        build.pipe(arc(radius * 0.7, tall * 0.25, tall * 0.98, 6), 1.2, dark)
        build.loft(
            [ring(2.5, 2, y, x, 0, sides=8) for x, y in ((-radius * 0.7, tall * 0.72), (-radius * 1.05, tall))], colour
        )
    else:
        tall = radius * rng.uniform(1.1, 1.5)
        build.turning(
            [(radius * 0.9, 0), (radius * 1.15, tall * 0.3), (radius * 0.95, tall * 0.75), (radius * 0.4, tall)],
            colour,
            16,
        )
        build.tube((-radius * 0.9, tall * 0.45, 0), (-radius * 1.7, tall * 1.0, 0), 2.2, colour, 1.1)
        turns = np.linspace(0.1, np.pi - 0.1, 7)
        build.pipe([(radius * 0.9 * np.cos(t), tall * 0.75 + tall * 0.8 * np.sin(t), 0) for t in turns], 0.9, dark)
    build.ball((0, tall + 1.2, 0), 1.3, dark, 8)
    return build.model()


def toaster(rng: np.random.Generator) -> Model:
    """A rounded block with slots on top, bread perhaps, and a lever."""
    build, colour = Sculptor(), tone(rng, STEELS, STEELS, WHITES, BLACKS, BRIGHTS, BRIGHTS)
    half, deep, tall = rng.uniform(12, 16), rng.uniform(7, 10), rng.uniform(16, 20)
    build.block((-half, 1.5, -deep), (half, tall, deep), colour, rng.uniform(1.5, 4))
    build.box((-half * 0.95, 0, -deep * 0.9), (half * 0.95, 2.5, deep * 0.9), BLACKS[0])
    bread = chance(rng, 0.4)
    for z in (-deep * 0.4, deep * 0.4):
        build.box((-half * 0.78, tall - 0.5, z - 1.5), (half * 0.78, tall + 0.15, z + 1.5), BLACKS[0])
        if bread:
            build.slab((-half * 0.6, tall - 2, z - 1), (half * 0.6, tall + 4, z + 1), (0.75, 0.52, 0.28))
    build.box((half, tall * 0.65, -2.5), (half + 2.5, tall * 0.75, 2.5), BLACKS[0])
    build.disc(half * 0.6, tall * 0.3, deep - 0.3, 1.8, 1.6, BLACKS[1])
    return build.model()


def coffee_maker(rng: np.random.Generator) -> Model:
    """A filter machine with its jug, or an espresso machine with its handle and drip tray."""
    build, colour, dark = Sculptor(), tone(rng, BLACKS, BLACKS, STEELS, WHITES, BRIGHTS), tone(rng, BLACKS)
    width, deep, tall = rng.uniform(16, 28), rng.uniform(20, 28), rng.uniform(28, 37)
    build.block((0, 0, 0), (width, 4, deep), dark, 1)
    build.block((0, 0, 0), (width, tall, deep * 0.42), colour, 1)
    build.block((0, tall * 0.68, 0), (width, tall, deep * 0.95), colour, 1.5)
    x, z = width / 2, deep * 0.7
    if chance(rng, 0.55):
        radius, high = width * 0.36, tall * 0.45
        with build.at(x, 4, z):
            build.turning(
                [(radius * 0.8, 0), (radius, high * 0.35), (radius * 0.9, high * 0.6)], (0.15, 0.09, 0.06), 14
            )
            build.turning([(radius * 0.9, high * 0.6), (radius * 0.65, high)], GLASS, 14)
            build.turning([(radius * 0.7, high), (radius * 0.5, high + 1.5)], dark, 14)
            with build.at(turn=spin(-70)):
                build.pipe(arc(radius * 0.7, high * 0.15, high, 4), 0.9, dark)
    else:
        metal = tone(rng, STEELS)
        build.tube((x, tall * 0.68, z), (x, tall * 0.56, z), 3.4, metal, sides=12)
        build.tube((x, tall * 0.6, z), (x, tall * 0.56, deep + 10), 1.3, dark)
        build.box((1, 4, deep * 0.45), (width - 1, 4.8, deep - 1), metal)
        build.tube((width - 2, tall * 0.66, z), (width, tall * 0.3, z + 4), 0.5, metal)
        with build.at(x, 4.8, z):
            hollow(build, [(2, 0), (3, 5)], WHITES[0], 0.4)
    for i in range(int(rng.integers(1, 4))):
        build.disc(width * (0.25 + 0.25 * i), tall * 0.84, deep * 0.95, 1.4, 0.7, tone(rng, STEELS, BRIGHTS))
    return build.model()


def knife_block(rng: np.random.Generator) -> Model:
    """A slanting block of wood with the handles of knives."""
    build, wood, grip = Sculptor(), tone(rng, WOODS, WOODS, BLACKS), tone(rng, BLACKS, BLACKS, WOODS, STEELS)
    half, lean = rng.uniform(4.5, 7), rng.uniform(25, 40)
    build.prism([(0, -2), (0, 12), (8, 10), (6, -4)], -half, half, 0, shade(wood, 0.8))
    with build.at(0, 3, 4, spin(-lean, 0)):
        build.box((-half, -1, -5), (half, 20, 5), wood)
        for row, count in enumerate((2, 3, 3)):
            for i in range(count):
                x, z = (i - (count - 1) / 2) * half * 0.6, -3 + 3 * row
                long = rng.uniform(7, 12)
                build.box((x - 0.9, 20, z - 0.7), (x + 0.9, 20 + long, z + 0.7), grip)
                build.box((x - 0.92, 20, z - 0.72), (x + 0.92, 21, z + 0.72), STEELS[0])
    return build.model()


def pan(rng: np.random.Generator) -> Model:
    """A frying pan, a saucepan or a pot with its lid."""
    build, colour, grip = Sculptor(), tone(rng, BLACKS, STEELS, STEELS, BRIGHTS), tone(rng, BLACKS, WOODS, STEELS)
    radius, tall = rng.uniform(9, 15), pick(rng, (4.5, 10.0, 14.0))
    hollow(build, [(radius * (0.75 if tall < 5 else 0.97), 0), (radius, tall)], colour, 0.5, 18)
    if tall < 12:
        build.tube((radius - 0.5, tall * 0.8, 0), (radius + rng.uniform(15, 20), tall + 3, 0), 1.2, grip)
    else:
        for side in (-1, 1):
            build.pipe(
                [
                    (side * radius, tall - 3, -3),
                    (side * (radius + 3.5), tall - 2.5, -3),
                    (side * (radius + 3.5), tall - 2.5, 3),
                    (side * radius, tall - 3, 3),
                ],
                0.7,
                grip,
            )
    if tall > 5 and chance(rng, 0.6):
        build.turning([(radius * 1.03, tall), (radius * 0.6, tall + 2.5), (1, tall + 3.5)], shade(colour, 1.1), 18)
        build.ball((0, tall + 5, 0), 1.8, grip, 8)
    return build.model()


def blender(rng: np.random.Generator) -> Model:
    """A tall glass on a motor, with a lid."""
    build, body = Sculptor(), tone(rng, BLACKS, STEELS, WHITES, BRIGHTS)
    high = rng.uniform(36, 44)
    build.slab((-9, 0, -9), (9, 4, 9), body, 0.5, power=4)
    build.turning([(9, 3), (6, 13), (6, 15)], body, 14)
    build.disc(0, 7, 5.5, 2.2, 2.5, tone(rng, STEELS, BLACKS))
    build.turning([(5, 15), (7.5, high - 4)], tone(rng, (GLASS,)), 12)
    if chance(rng, 0.4):
        build.turning([(5.1, 15.2), (6.6, high * 0.62)], tone(rng, FOODS), 12)
    build.turning([(7.8, high - 4), (7.5, high - 1.5), (3, high)], tone(rng, BLACKS), 12)
    build.pipe(arc(6.2, 18, high - 5, 4), 1, tone(rng, BLACKS, (GLASS,)))
    return build.model()


def paper_towel(rng: np.random.Generator) -> Model:
    """A roll of kitchen paper on an upright holder."""
    build, holder, radius, tall = Sculptor(), tone(rng, WOODS, STEELS, BLACKS), rng.uniform(5, 7), rng.uniform(22, 25)
    build.turning([(8, 0), (8, 1.2), (7, 1.8)], holder, 18)
    build.turning([(radius, 2), (radius, 2 + tall)], WHITES[2], 18)
    build.turning([(2, 2 + tall), (2, 2.1 + tall)], (0.55, 0.45, 0.35), 12)
    build.tube((0, 1, 0), (0, tall + 5, 0), 0.9, holder)
    build.ball((0, tall + 5.5, 0), 1.6, holder, 8)
    build.box((0, 2, radius - 0.3), (radius + 2, 2 + tall, radius), WHITES[0])
    return build.model()


def cake(rng: np.random.Generator) -> Model:
    """One to three tiers with icing, candles or fruit, on a plate."""
    build, radius, tall = Sculptor(), rng.uniform(9, 14), rng.uniform(5, 8)
    icing = tone(rng, WHITES, ((0.35, 0.2, 0.12), (0.95, 0.75, 0.8), (0.7, 0.85, 0.8)))
    build.turning([(radius * 1.25, 0), (radius * 1.3, 0.8)], tone(rng, WHITES, STEELS), 20)
    tiers = int(rng.integers(1, 4))
    for i in range(tiers):
        r, y = radius * (1 - 0.28 * i), 0.8 + i * tall
        build.turning([(r, y), (r, y + tall * 0.6)], tone(rng, ((0.8, 0.6, 0.35), (0.4, 0.24, 0.14), icing)), 18)
        build.turning([(r * 1.03, y + tall * 0.5), (r * 1.03, y + tall)], icing, 18)
    high, trim, lit = 0.8 + tiers * tall, tone(rng, FOODS), chance(rng, 0.5)
    for k in range(8):
        x, z = r * 0.75 * np.cos(k * np.pi / 4), r * 0.75 * np.sin(k * np.pi / 4)
        if lit:
            build.tube((x, high, z), (x, high + 5, z), 0.4, tone(rng, BRIGHTS), sides=5)
            build.ball((x, high + 6, z), (0.5, 1, 0.5), (0.98, 0.8, 0.3), 5)
        else:
            build.ball((x, high + 0.6, z), 1.2, trim, 6)
    return build.model()


def bread_box(rng: np.random.Generator) -> Model:
    """A box with a round roll front."""
    build, colour = Sculptor(), tone(rng, WOODS, STEELS, WHITES, BRIGHTS)
    width, tall, deep = rng.uniform(34, 46), rng.uniform(17, 24), rng.uniform(20, 27)
    turns = np.linspace(0, np.pi / 2, 6)
    bow = [(2 + (tall - 2) * np.sin(t), deep * (0.45 + 0.55 * np.cos(t))) for t in turns]
    build.prism([(0, 0), (0, deep), *bow, (tall, 0)], 0, width, 0, colour)
    for x in (-0.5, width - 1):
        build.prism(
            [(0, 0), (0, deep + 0.7), *[(y + 0.7, z + 0.7) for y, z in bow], (tall + 0.7, 0)],
            x,
            x + 1.5,
            0,
            shade(colour, 0.7),
        )
    build.box(
        (width * 0.4, tall * 0.32, deep * 0.93), (width * 0.6, tall * 0.4, deep + 2), tone(rng, BLACKS, WOODS, STEELS)
    )
    build.box((width * 0.1, 0, deep), (width * 0.9, 1.5, deep + 0.5), DARK_GLASS)
    return build.model()


MAKERS: dict[str, Maker] = {
    "vase": vase, "vase (floor)": lambda rng: vase(rng, rng.uniform(50, 95)), "bowl": bowl, "bottle": bottle,
    "cup": cup, "plate": plate, "jar": jar, "tray": tray, "kettle": kettle, "toaster": toaster,
    "coffee maker": coffee_maker, "knife block": knife_block, "pan": pan, "blender": blender,
    "paper towel": paper_towel, "cake": cake, "bread box": bread_box,
}  # fmt: skip
