"""What people play with and keep about the house."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import BLACKS, FABRICS, LEATHERS, PAINTS, WHITES, WOODS, chance, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, STEELS, TO_FRONT, Maker, Sculptor, ring, spin

FURS: tuple[RGB, ...] = ((0.6, 0.4, 0.22), (0.8, 0.65, 0.42), (0.35, 0.22, 0.14), (0.9, 0.87, 0.8), (0.85, 0.6, 0.65))


def ball(rng: np.random.Generator) -> Model:
    """A ball in one colour, in slices, with spots as a football, or with seams as a basketball."""
    build, radius = Sculptor(), rng.uniform(9, 14)
    base, trim = pick(rng, ((BRIGHTS, None), (WHITES, slices), (WHITES, spots), (((0.85, 0.42, 0.15),), seams)))
    with build.at(0, radius, 0):
        build.ball((0, 0, 0), radius, tone(rng, base), 18)
        if trim:
            trim(build, radius, tone(rng, BRIGHTS))
    return build.model()


def slices(build: Sculptor, radius: float, colour: RGB) -> None:
    """Three broad stripes from pole to pole."""
    rise = np.linspace(-np.pi / 2, np.pi / 2, 13)
    for turn in (0.0, 2.1, 4.2):
        left, right = (
            radius * 1.07 * np.stack([np.cos(rise) * np.sin(a), np.sin(rise), np.cos(rise) * np.cos(a)], 1)
            for a in (turn, turn + 0.7)
        )
        for k in range(12):
            build.polygon(np.stack([left[k], right[k], right[k + 1], left[k + 1]]), colour)


def spots(build: Sculptor, radius: float, colour: RGB) -> None:
    """Twelve dark patches."""
    golden = (1 + 5**0.5) / 2
    for a in (-1, 1):
        for b in (-golden, golden):
            for spot in ((0, a, b), (a, b, 0), (b, 0, a)):
                x, y, z = np.array(spot) / np.hypot(1, golden) * radius * 0.86
                build.ball((x, y, z), radius * 0.28, shade(colour, 0.1), 8)


def seams(build: Sculptor, radius: float, colour: RGB) -> None:
    """Three dark rings."""
    turns = np.linspace(0, 2 * np.pi, 25)
    for matrix in (np.eye(3), spin(90, 0), spin(90, 2)):
        with build.at(turn=matrix):
            path = [(radius * np.cos(t), 0.0, radius * np.sin(t)) for t in turns]
            build.pipe(path, radius * 0.025, shade(colour, 0.1), 4)


def teddy_bear(rng: np.random.Generator) -> Model:
    """A sitting bear with a bow, or a rabbit."""
    build, fur, size = Sculptor(), tone(rng, FURS), rng.uniform(0.7, 1.3)
    pale, rabbit = shade(fur, 1.3), chance(rng, 0.25)
    build.ball((0, 10 * size, 0), (7 * size, 9 * size, 6.5 * size), fur, 12)
    build.ball((0, 9.5 * size, 2.4 * size), (5 * size, 6 * size, 4.8 * size), pale, 10)
    build.ball((0, 23 * size, 0), (6.6 * size, 6 * size, 6 * size), fur, 12)
    build.ball((0, 21.5 * size, 5 * size), (2.8 * size, 2.2 * size, 2.4 * size), pale, 8)
    build.ball((0, 22.5 * size, 7.2 * size), 0.9 * size, BLACKS[0], 6)
    for side in (-1, 1):
        tall = 6 if rabbit else 2.6
        build.ball(
            (side * (3 if rabbit else 5) * size, (31 if rabbit else 28) * size, 0),
            (2.4 * size, tall * size, 1.4 * size),
            fur,
            8,
        )
        build.ball((side * 2.4 * size, 24.5 * size, 5.4 * size), 0.8 * size, BLACKS[0], 6)
        build.ball((side * 8.5 * size, 13 * size, 2.5 * size), (2.7 * size, 5.5 * size, 2.7 * size), fur, 8)
        build.ball((side * 5.5 * size, 3.2 * size, 8 * size), (3.2 * size, 3.2 * size, 6.5 * size), fur, 8)
        build.ball((side * 5.8 * size, 3.4 * size, 13.4 * size), (2.3 * size, 2.3 * size, 1.4 * size), pale, 8)
        if chance(rng, 0.6):
            build.ball((side * 2.5 * size, 17 * size, 6.3 * size), (2.6 * size, 1.6 * size, 0.9 * size), BRIGHTS[0], 6)
    return build.model()


def toy(rng: np.random.Generator) -> Model:
    """A toy car, a train, a stack of bricks or a stacking ring."""
    build, colours, kind = Sculptor(), [tone(rng, BRIGHTS) for _ in range(6)], int(rng.integers(4))
    if kind == 0:
        build.block((-5, 2, -10), (5, 6, 10), colours[0], 1)
        build.loft([ring(4.5 - i, 5.5 - 2 * i, 6 + 3.5 * i, 0, -1, 6, 12) for i in (0, 1)], colours[0])
        build.loft([ring(4.55 - i, 5.6 - 2 * i, 6.6 + 2.4 * i, 0, -1, 6, 12) for i in (0.1, 0.8)], (0.6, 0.75, 0.8))
        wheels = [(x, 6) for x in (-6, 6)] + [(x, -6) for x in (-6, 6)]
    elif kind == 1:
        for i in range(int(rng.integers(1, 4))):
            build.box((-3.5, 2, -13 * i - 5), (3.5, 4 + 2.5 * (i > 0), -13 * i + 6), colours[i])
            build.box((-0.5, 2.5, -13 * i - 8), (0.5, 3.2, -13 * i - 4), BLACKS[0])
        build.tube((0, 7, -2), (0, 7, 6), 2.8, colours[4], sides=12)
        build.box((-3.5, 4, -5), (3.5, 13, -1), colours[5])
        build.tube((0, 9, 4), (0, 13, 4), 1, BLACKS[0], 1.5)
        wheels = [(x, z - 13 * k) for k in range(i + 1) for x in (-4, 4) for z in (-3, 4)]
    elif kind == 2:
        for i, (x, y, turn) in enumerate(((-4, 0, 8), (4, 0, -12), (0, 6, 20), (12, 0, 30), (1, 12, -5))):
            with build.at(x, y, rng.uniform(-1, 1), spin(turn)):
                build.box((-3, 0, -3), (3, 6, 3), colours[i])
        return build.model()
    else:
        build.turning([(7, 0), (7, 1), (1, 1.5), (1, 18)], tone(rng, WOODS), 14)
        for i in range(5):
            build.ball((0, 3.2 + 2.9 * i, 0), (7 - i, 1.7, 7 - i), colours[i], 14)
        build.ball((0, 18.5, 0), 2.2, colours[5], 8)
        return build.model()
    for x, z in wheels:
        build.tube((x * 0.8, 2, z), (x, 2, z), 2, BLACKS[1], sides=10)
    return build.model()


def book(rng: np.random.Generator) -> Model:
    """One closed book or a few in a pile, or one that lies open."""
    build, y = Sculptor(), 0.0
    if chance(rng, 0.25):
        for side in (-1, 1):
            with build.at(0, 0.5, 0, spin(side * 5, 2)):
                x0, x1 = sorted((0, side * rng.uniform(14, 17)))
                build.box((x0 - 0.4, -0.3, -12), (x1 + 0.4, 0, 12), tone(rng, BRIGHTS, LEATHERS))
                build.box((x0, 0, -11.5), (x1, 1.2, 11.5), WHITES[1])
                for i in range(8):
                    build.box((x0 + 2, 1.15, -9 + 2.3 * i), (x1 - 2, 1.3, -8.2 + 2.3 * i), (0.5, 0.5, 0.5))
        return build.model()
    for _ in range(pick(rng, (1, 1, 2, 3, 4))):
        half, deep, thick, cover = (
            rng.uniform(7, 11),
            rng.uniform(10, 14),
            rng.uniform(1.6, 4.5),
            tone(rng, PAINTS, BRIGHTS, LEATHERS),
        )
        with build.at(rng.uniform(-1, 1), y, rng.uniform(-1, 1), spin(rng.uniform(-14, 14))):
            build.box((-half + 0.3, 0.3, -deep + 0.4), (half - 0.4, thick - 0.3, deep - 0.4), WHITES[1])
            build.box((-half, 0, -deep), (half, 0.35, deep), cover)
            build.box((-half, thick - 0.35, -deep), (half, thick, deep), cover)
            build.box((-half - 0.2, 0, -deep), (-half + 0.3, thick, deep), shade(cover, 0.85))
            build.box(
                (-half * 0.5, thick, -deep * 0.6), (half * 0.6, thick + 0.08, -deep * 0.2), tone(rng, WHITES, BRIGHTS)
            )
        y += thick
    return build.model()


def ladder(rng: np.random.Generator) -> Model:
    """A step ladder: two stiles with treads, and two props behind."""
    build, colour, feet = Sculptor(), tone(rng, STEELS, STEELS, WOODS, BRIGHTS), tone(rng, BLACKS, BRIGHTS)
    steps, pitch, half = int(rng.integers(3, 8)), rng.uniform(23, 28), rng.uniform(19, 24)
    high, lean = steps * pitch, rng.uniform(0.24, 0.32)
    for side in (-1, 1):
        for z in (1, -1):
            foot = (side * half, 0.0, z * lean * high)
            build.tube(foot, (side * half * 0.72, high + 4, z * 3.0), 1.7, colour, sides=4)
            build.box((foot[0] - 2.5, 0, foot[2] - 2.5), (foot[0] + 2.5, 3, foot[2] + 2.5), feet)
    for i in range(1, steps + 1):
        share = i * pitch / (high + 4)
        wide, deep = half * (1 - 0.28 * share), lean * high * (1 - share) + 3 * share
        tread = shade(colour, 0.9) if i < steps else feet
        build.box((-wide, i * pitch - 1.5, deep - 6), (wide, i * pitch + 1, deep + 4), tread)
        if i % 2:
            build.tube((-wide, i * pitch, -deep), (wide, i * pitch, -deep), 0.9, colour)
    if chance(rng, 0.4):
        build.pipe(
            [(-half * 0.7, high, 3), (-half * 0.6, high + 55, 0), (half * 0.6, high + 55, 0), (half * 0.7, high, 3)],
            1.3,
            colour,
        )
    return build.model()


def barrel(rng: np.random.Generator) -> Model:
    """A barrel of staves with hoops, or a drum of steel."""
    build, radius, tall = Sculptor(), rng.uniform(22, 33), rng.uniform(62, 92)
    if chance(rng, 0.75):
        wood, iron, belly = tone(rng, WOODS), tone(rng, BLACKS, STEELS), rng.uniform(1.15, 1.3)
        outline = [(1, 0), (0.5 + belly / 2, 0.25), (belly, 0.5), (0.5 + belly / 2, 0.75), (1, 1)]
        build.turning(
            [(radius * r, tall * y) for r, y in outline] + [(radius * 0.9, tall), (radius * 0.9, tall - 3)], wood, 18
        )
        for y in (0.06, 0.3, 0.7, 0.94):
            r = radius * (1 + (belly - 1) * np.sin(np.pi * y)) + 0.7
            build.turning([(r, tall * y - 2.5), (r, tall * y + 2.5)], iron, 18, closed=False)
    else:
        colour = tone(rng, BRIGHTS, STEELS)
        build.turning([(radius, 0), (radius, tall)], colour, 20)
        for y in (0.02, 0.34, 0.67, 0.98):
            build.turning(
                [(radius, tall * y - 1.5), (radius + 1.2, tall * y), (radius, tall * y + 1.5)],
                shade(colour, 0.8),
                20,
                closed=False,
            )
    return build.model()


def guitar(rng: np.random.Generator) -> Model:
    """A guitar with a hole or with pickups, upright on a stand."""
    build, electric = Sculptor(), chance(rng, 0.35)
    colour, neck = tone(rng, BRIGHTS, BLACKS, WHITES) if electric else tone(rng, WOODS), tone(rng, WOODS[:3])
    size, thick = rng.uniform(0.9, 1.1), 4.5 if electric else 10.0
    t = np.linspace(0, 2 * np.pi, 29)[:-1]
    y = 24 - 24 * np.cos(t)
    half = np.abs(np.sin(t)) ** 0.6 * (18 - 4.5 * (y / 48) ** 1.2) * (1 - 0.28 * np.exp(-(((y - 29) / 8) ** 2)))
    outline = np.stack([half * np.sign(np.sin(t)), y], 1) * size
    with build.at(0, 12, 0, spin(-12, 0)):
        rings = [np.insert(outline, 2, z, axis=1) for z in (0.0, thick)]
        build.shell(rings, shade(colour, 0.6))
        for i in range(1, 14):  # the outline is no convex polygon: it is filled by strips between its two sides
            left, right = outline[[i, i + 1]], outline[[-i, -i - 1]]
            for z in (0.0, thick):
                build.polygon([(*left[0], z), (*left[1], z), (*right[1], z), (*right[0], z)], colour)
        build.box((-2.6, 40 * size, thick), (2.6, 88 * size, thick + 1.6), neck)
        build.box((-3.8, 88 * size, thick - 1), (3.8, 102 * size, thick + 1), shade(neck, 0.7))
        for i in range(6):
            peg = (-1) ** i * 4.5
            build.box(
                (peg - 1.2, (90 + 4 * (i // 2)) * size, thick - 0.8),
                (peg + 1.2, (91.5 + 4 * (i // 2)) * size, thick + 0.5),
                STEELS[0],
            )
        build.box((-5, 12 * size, thick), (5, 14 * size, thick + 1.2), BLACKS[0])
        if electric:
            for level in (17, 25, 32):
                build.box((-4, level * size, thick), (4, (level + 2.5) * size, thick + 0.8), tone(rng, BLACKS, STEELS))
        else:
            build.disc(0, 31 * size, thick, 5, 0.15, (0.1, 0.07, 0.05), 16)
        for x in (-1.5, -0.5, 0.5, 1.5):
            build.box((x - 0.1, 13 * size, thick + 2.2), (x + 0.1, 90 * size, thick + 2.4), STEELS[2])
    for x in (-12, 12):
        build.pipe([(x, 0, 16), (x * 0.6, 12, 2), (x * 0.4, 14, 12)], 0.9, BLACKS[1])
    build.tube((0, 50, -16), (0, 0, -22), 0.9, BLACKS[1])
    return build.model()


def umbrella(rng: np.random.Generator) -> Model:
    """A closed umbrella with its crook upwards, or in its stand."""
    build, cloth, wood = Sculptor(), tone(rng, BRIGHTS, BLACKS, FABRICS), tone(rng, WOODS, BLACKS)
    tall, stand = rng.uniform(78, 95), chance(rng, 0.6)
    for i in range(int(rng.integers(1, 4)) if stand else 1):
        with build.at(4 * i - 3, 1, 3 * (i % 2), spin(5 * i - 4, 2) if stand else None):
            build.turning([(0.5, 0), (1, 4), (3.6, tall * 0.25), (2.2, tall * 0.6), (1, tall * 0.72)], cloth, 8)
            build.tube((0, tall * 0.7, 0), (0, tall * 0.9, 0), 0.8, wood)
            turns = np.linspace(0, np.pi, 6)
            build.pipe([(4 - 4 * np.cos(t), tall * 0.9 + 5 * np.sin(t), 0) for t in turns], 1, wood)
        cloth = tone(rng, BRIGHTS, BLACKS, FABRICS)
    if stand:
        radius, colour = rng.uniform(10, 14), tone(rng, BLACKS, STEELS, WOODS, WHITES)
        build.turning([(radius, 0), (radius, rng.uniform(40, 55))], colour, 14, closed=False)
        build.turning([(radius, 0), (radius, 1.5)], colour, 14)
    return build.model()


def gift(rng: np.random.Generator) -> Model:
    """A wrapped box with a ribbon and a bow."""
    build, paper, ribbon = Sculptor(), tone(rng, BRIGHTS, FABRICS, WHITES), tone(rng, BRIGHTS, BRASSES, WHITES)
    x, y, z = rng.uniform(8, 18), rng.uniform(10, 26), rng.uniform(8, 15)
    build.box((-x, 0, -z), (x, y, z), paper)
    build.box((-1.6, -0.05, -z - 0.2), (1.6, y + 0.2, z + 0.2), ribbon)
    build.box((-x - 0.2, -0.05, -1.6), (x + 0.2, y + 0.2, 1.6), ribbon)
    for i in range(4):
        with build.at(0, y, 0, spin(45 + 90 * i)):
            build.ball((3.4, 2, 0), (3.4, 1.8, 1.5), shade(ribbon, rng.uniform(0.85, 1.1)), 8)
    return build.model()


def dartboard(rng: np.random.Generator) -> Model:
    """A round board with wedges and rings."""
    build, radius = Sculptor(), rng.uniform(20, 24)
    pairs = ((BLACKS[0], WHITES[1]), (BRIGHTS[0], BRIGHTS[2]))
    with build.at(0, 0, 0, TO_FRONT):
        build.turning([(radius, 0), (radius, 4)], BLACKS[1], 30)
        for low, high, pair in ((0.08, 0.45, 0), (0.45, 0.52, 1), (0.52, 0.75, 0), (0.75, 0.82, 1)):
            for i in range(20):
                a, b = 2 * np.pi * i / 20, 2 * np.pi * (i + 1) / 20
                corners = [(low, a), (high, a), (high, b), (low, b)]
                build.polygon(
                    [(r * radius * np.cos(t), 4.1, -r * radius * np.sin(t)) for r, t in corners], pairs[pair][i % 2]
                )
        build.disc(0, 0, 0, 0.1, 0.1, BLACKS[0])
        build.turning([(radius * 0.08, 4.1), (radius * 0.08, 4.4)], BRIGHTS[0], 10)
    return build.model()


MAKERS: dict[str, Maker] = {
    "ball": ball, "teddy bear": teddy_bear, "toy": toy, "book": book, "ladder": ladder, "barrel": barrel,
    "guitar": guitar, "umbrella": umbrella, "gift": gift, "dartboard": dartboard,
}  # fmt: skip
ELEVATION_CM = {"dartboard": 150.0}
