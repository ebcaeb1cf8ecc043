"""Plants in pots, flowers in vases, and the Christmas tree."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import PAINTS, WHITES, WOODS, Point, chance, pick, shade, tone
from parametric.shapes import BRIGHTS, CLAYS, GLASS, LEAVES, Maker, Sculptor, spin

SOIL: RGB = (0.2, 0.14, 0.1)
PETALS: tuple[RGB, ...] = (
    (0.85, 0.15, 0.2), (0.95, 0.6, 0.7), (0.96, 0.95, 0.9), (0.95, 0.82, 0.25), (0.9, 0.5, 0.2), (0.6, 0.35, 0.7),
)  # fmt: skip


def pot(build: Sculptor, radius: float, tall: float, colour: RGB, flare: float, square: bool = False) -> None:
    """A pot with earth in it, or a vase; ``flare`` is its foot's radius as a share of the rim's."""
    sides = 4 if square else 14
    build.turning(
        [(radius * flare, 0), (radius, tall), (radius * 0.88, tall), (radius * 0.85, tall * 0.9)], colour, sides
    )
    build.turning([(radius * 0.87, tall * 0.9), (0.1, tall * 0.92)], SOIL, sides)


def outwards(turn: float, rise: float, long: float) -> Point:
    """A point at that distance; ``turn`` about the stem and ``rise`` above the level, in radians."""
    return long * np.cos(rise) * np.sin(turn), long * np.sin(rise), long * np.cos(rise) * np.cos(turn)


def fountain(build: Sculptor, rng: np.random.Generator, size: float, green: RGB) -> None:
    """Long leaves from one point that bend over."""
    count = int(rng.integers(16, 34))
    for i in range(count):
        turn, rise, long = 2.4 * i, rng.uniform(0.5, 1.45), size * rng.uniform(0.6, 1)
        x, y, z = outwards(turn, rise, long)
        bend = 0.25 * size * np.cos(rise)
        build.leaf(
            (0, 0, 0), (x, y - bend, z), size * rng.uniform(0.06, 0.12), shade(green, rng.uniform(0.75, 1.2)), bend
        )


def blades(build: Sculptor, rng: np.random.Generator, size: float, green: RGB) -> None:
    """Stiff upright swords, as of a snake plant."""
    for i in range(int(rng.integers(9, 18))):
        x, y, z = outwards(2.4 * i, rng.uniform(1.25, 1.5), size * rng.uniform(0.6, 1))
        foot = outwards(2.4 * i, 0, 0.08 * size)
        build.leaf(foot, (x, y, z), size * 0.13, shade(green, rng.uniform(0.8, 1.25)))


def broad(build: Sculptor, rng: np.random.Generator, size: float, green: RGB) -> None:
    """Stalks with one large leaf each."""
    for i in range(int(rng.integers(14, 28))):
        x, y, z = outwards(2.4 * i, rng.uniform(0.6, 1.45), size * rng.uniform(0.4, 0.75))
        build.tube((0, 0, 0), (x, y, z), size * 0.008, shade(green, 0.8), sides=3)
        end = (x * 1.6, y + size * rng.uniform(-0.12, 0.2), z * 1.6)
        build.leaf((x, y, z), end, size * rng.uniform(0.24, 0.4), shade(green, rng.uniform(0.8, 1.2)), 0.04 * size)


def bush(build: Sculptor, rng: np.random.Generator, size: float, green: RGB) -> None:
    """A stem, or two, with a crown of small leaves."""
    crown, stem = size * rng.uniform(0.28, 0.42), rng.uniform(0.1, 0.6) * size
    build.tube((0, 0, 0), (0, stem + crown, 0), size * 0.02, tone(rng, WOODS), sides=5)
    for _ in range(int(rng.integers(90, 140))):
        direction = rng.normal(size=3)
        place = direction / np.linalg.norm(direction) * crown * rng.uniform(0.4, 1) * (0.8, 1, 0.8)
        (x, y, z), (x1, y1, z1) = place, place * rng.uniform(1.15, 1.5)
        y, y1 = y + stem + crown, y1 + stem + crown - 0.04 * size
        build.leaf((x, y, z), (x1, y1, z1), size * 0.13, shade(green, rng.uniform(0.7, 1.25)))


def palm(build: Sculptor, rng: np.random.Generator, size: float, green: RGB) -> None:
    """A trunk with a tuft of long leaves, or two trunks."""
    for i in range(int(rng.integers(1, 4))):
        foot = outwards(2.4 * i, 0, 0.05 * size * (i > 0))
        top = size * rng.uniform(0.3, 0.6)
        build.tube(foot, (foot[0] * 2, top, foot[2] * 2), size * 0.025, tone(rng, WOODS), sides=6)
        with build.at(foot[0] * 2, top, foot[2] * 2):
            fountain(build, rng, size * 0.45, green)


def cactus(build: Sculptor, rng: np.random.Generator, size: float, green: RGB) -> None:
    """A column with arms, or a ball."""
    radius = size * rng.uniform(0.12, 0.2)
    build.ball((0, size * 0.4, 0), (radius, size * 0.5, radius), green, 10)
    for turn in range(int(rng.integers(0, 4))):
        with build.at(0, size * rng.uniform(0.3, 0.55), 0, spin(360 * rng.random() + 120 * turn)):
            build.pipe([(0, 0, 0), (radius * 2, 0, 0), (radius * 2, size * 0.25, 0)], radius * 0.4, shade(green, 0.9))
    if chance(rng, 0.4):
        build.ball((0, size * 0.92, 0), radius * 0.4, tone(rng, PETALS), 6)


HABITS = ((fountain, 35, 70), (blades, 50, 100), (broad, 40, 75), (bush, 70, 135), (palm, 90, 150))
"""How a plant grows, and how long its parts are in one that stands on the floor, from and to."""


def plant(rng: np.random.Generator) -> Model:
    """A plant as high as a child or a man, in a pot on the floor."""
    build, radius, tall = Sculptor(), rng.uniform(11, 22), rng.uniform(18, 42)
    pot(build, radius, tall, tone(rng, CLAYS, CLAYS, PAINTS, WOODS), rng.uniform(0.6, 1), chance(rng, 0.2))
    habit, low, high = pick(rng, HABITS)
    with build.at(0, tall * 0.9, 0):
        habit(build, rng, rng.uniform(low, high), tone(rng, LEAVES))
    return build.model()


def small_plant(rng: np.random.Generator) -> Model:
    """A plant for a table or a sill."""
    build, radius, tall = Sculptor(), rng.uniform(4.5, 8.5), rng.uniform(6, 13)
    pot(build, radius, tall, tone(rng, CLAYS, CLAYS, PAINTS), rng.uniform(0.6, 1), chance(rng, 0.2))
    with build.at(0, tall * 0.9, 0):
        pick(rng, (fountain, blades, broad, bush, cactus))(build, rng, rng.uniform(12, 34), tone(rng, LEAVES))
    return build.model()


def flowers(rng: np.random.Generator) -> Model:
    """A bunch in a vase: tulips, daisies or roses among leaves."""
    build, tall, radius = Sculptor(), rng.uniform(14, 26), rng.uniform(4, 7)
    colour = tone(rng, CLAYS, WHITES, BRIGHTS, (GLASS,))
    waist = rng.uniform(0.5, 1.1)
    build.turning(
        [(radius * 0.7, 0), (radius, tall * 0.4), (radius * waist, tall * 0.8), (radius * 0.9, tall)], colour, 14
    )
    kind, mixed, petal, green = int(rng.integers(3)), chance(rng, 0.4), tone(rng, PETALS), tone(rng, LEAVES)
    for i in range(int(rng.integers(7, 16))):
        x, y, z = outwards(2.4 * i, rng.uniform(0.75, 1.5), rng.uniform(14, 25))
        build.tube((0, tall - 2, 0), (x, tall + y, z), 0.3, green, sides=3)
        blossom(build, (x, tall + y, z), kind, tone(rng, PETALS) if mixed else shade(petal, rng.uniform(0.85, 1.1)))
        build.leaf(
            (0, tall - 1, 0),
            (x * 1.1, tall + y * rng.uniform(0.3, 0.7), z * 1.1),
            4,
            shade(green, rng.uniform(0.8, 1.2)),
            2,
        )
    return build.model()


def blossom(build: Sculptor, at: Point, kind: int, colour: RGB) -> None:
    """A tulip's cup, a daisy's wheel or a rose's ball."""
    x, y, z = at
    if kind == 0:
        build.ball((x, y + 1.5, z), (2.1, 3, 2.1), colour, 6)
    elif kind == 1:
        with build.at(x, y, z, spin(50, 0)):
            for i in range(7):
                with build.at(turn=spin(360 * i / 7)):
                    build.polygon([(0, 0, 0), (1.1, 0.4, 2), (0, 0.6, 3.8), (-1.1, 0.4, 2)], colour)
            build.ball((0, 0.5, 0), (1.2, 0.7, 1.2), PETALS[3], 6)
    else:
        build.ball((x, y, z), (2.8, 2.4, 2.8), colour, 7)
        build.ball((x, y + 1.2, z), (1.6, 1.6, 1.6), shade(colour, 0.75), 5)


def christmas_tree(rng: np.random.Generator) -> Model:
    """Tiers of fir with balls, a star and a stand."""
    build, height, wide = Sculptor(), rng.uniform(130, 215), rng.uniform(42, 70)
    green, tiers = tone(rng, LEAVES[:3]), int(rng.integers(4, 8))
    build.turning([(18, 0), (16, 4), (4, 6), (3.5, 30)], tone(rng, WOODS), 10)
    low = 20.0
    for i in range(tiers):
        radius, base = wide * (1 - i / (tiers + 0.5)), low + (height - low) * i / (tiers + 0.3)
        for k in range(11):
            tip = outwards(2 * np.pi * (k + i / 2) / 11, -0.12, radius * rng.uniform(0.9, 1.08))
            top = base + (height - low) / tiers
            build.leaf((0, top, 0), (tip[0], base, tip[2]), radius * 0.62, shade(green, rng.uniform(0.75, 1.2)))
            if k % 2:
                build.ball(
                    (tip[0] * 0.85, base + 2, tip[2] * 0.85), rng.uniform(2.4, 3.6), tone(rng, BRIGHTS, PETALS), 6
                )
    build.ball((0, height, 0), (3, 6, 3), PETALS[3], 6)
    return build.model()


MAKERS: dict[str, Maker] = {
    "plant": plant, "plant (small)": small_plant, "flowers": flowers, "christmas tree": christmas_tree,
}  # fmt: skip
