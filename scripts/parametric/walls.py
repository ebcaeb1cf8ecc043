"""What hangs on walls or closes openings in them; ``ELEVATION_CM`` says how high."""

from __future__ import annotations

import numpy as np
from own_models import GOLD, RGB, Painting, abstract, framed, landscape, rug, stripes
from own_models import clock as round_clock
from own_models import mirror as square_mirror
from own_models import rings as oriental
from wavefront import Model

from parametric.bathroom import drape
from parametric.parts import BLACKS, FABRICS, PAINTS, WHITES, WOODS, chance, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, STEELS, TO_FRONT, Maker, Sculptor, ring, spin

FRAMES: tuple[RGB, ...] = (*WOODS, *BLACKS, *WHITES, GOLD)


def portrait(rng: np.random.Generator) -> Painting:
    """Head and shoulders before a plain ground."""
    row, column = np.mgrid[0:32, 0:24]
    image = np.ones((32, 24, 3)) * tone(rng, FABRICS, PAINTS)
    image[(row - 34) ** 2 / 160 + (column - 12) ** 2 / 90 < 1] = tone(rng, FABRICS, BRIGHTS)
    image[(row - 12) ** 2 / 64 + (column - 12) ** 2 / 42 < 1] = tone(rng, WOODS, BLACKS)
    image[(row - 13) ** 2 / 40 + (column - 12) ** 2 / 24 < 1] = tone(
        rng, ((0.9, 0.74, 0.62), (0.62, 0.44, 0.32), (0.4, 0.27, 0.2))
    )
    return image


def bouquet(rng: np.random.Generator) -> Painting:
    """Flowers in a vase, or some blots: a still life from afar."""
    row, column = np.mgrid[0:28, 0:28]
    image = np.ones((28, 28, 3)) * tone(rng, WHITES, FABRICS)
    image[(row > 18) & (np.abs(column - 14) < 4)] = tone(rng, BRIGHTS, PAINTS)
    for _ in range(int(rng.integers(6, 12))):
        y, x = rng.uniform(4, 17), rng.uniform(5, 23)
        image[(row - y) ** 2 + (column - x) ** 2 < rng.uniform(3, 11)] = tone(
            rng, BRIGHTS, BRIGHTS, ((0.3, 0.5, 0.25),)
        )
    return image


def matted(painting: Painting, share: float) -> Painting:
    """The painting within a white mat."""
    rows, columns = (max(int(n * share), 1) for n in painting.shape[:2])
    return np.pad(painting, ((rows, rows), (columns, columns), (0, 0)), constant_values=0.95)


def picture(rng: np.random.Generator) -> Model:
    """A landscape, an abstract, a portrait or a bouquet in a frame."""
    kind = int(rng.integers(4))
    paint = (lambda r: landscape(r)[::2, ::2], abstract, portrait, bouquet)[kind](rng)
    ratio = (rng.uniform(0.6, 0.8), rng.uniform(0.7, 1.3), rng.uniform(1.2, 1.45), rng.uniform(0.9, 1.2))[kind]
    width = rng.uniform(28, 95) / max(1, ratio)
    return framed(width, width * ratio, tone(rng, FRAMES), matted(paint, 0.16) if chance(rng, 0.35) else paint)


def picture_frame(rng: np.random.Generator) -> Model:
    """A small photograph that leans on its stand."""
    build, width = Sculptor(), rng.uniform(10, 22)
    height, bar, frame = width * rng.uniform(0.7, 1.4), rng.uniform(1, 2), tone(rng, FRAMES, STEELS, BRASSES)
    photo = portrait(rng)[::2, ::2] if chance(rng, 0.5) else landscape(rng)[::4, ::4]
    with build.at(0, 0, 0, spin(-rng.uniform(10, 20), 0)):
        build.box((0, 0, -1), (width, height, 0), frame)
        for low, high in (
            ((0, 0), (width, bar)),
            ((0, height - bar), (width, height)),
            ((0, 0), (bar, height)),
            ((width - bar, 0), (width, height)),
        ):
            build.box((*low, 0), (*high, 0.8), shade(frame, 1.05))
        inner = [
            np.array(p)
            for p in (
                (bar, bar, 0.1),
                (width - bar, bar, 0.1),
                (width - bar, height - bar, 0.1),
                (bar, height - bar, 0.1),
            )
        ]
        build.quad(
            inner[0], inner[1], inner[2], inner[3], build.material(WHITES[0], matted(photo, rng.uniform(0, 0.2)))
        )
    build.polygon(
        [
            (width * 0.4, 0, -height * 0.5),
            (width * 0.6, 0, -height * 0.5),
            (width * 0.55, height * 0.6, -height * 0.15),
            (width * 0.45, height * 0.6, -height * 0.15),
        ],
        BLACKS[0],
    )
    return build.model()


def mirror(rng: np.random.Generator) -> Model:
    """A rectangular mirror with a slanting sheen, or a round or oval one."""
    width, frame = rng.uniform(38, 85), tone(rng, FRAMES, STEELS, BRASSES)
    if chance(rng, 0.6):
        return square_mirror(width, width * rng.uniform(0.8, 2.2), frame)
    build, high = Sculptor(), width * rng.uniform(1, 1.5)
    with build.at(0, high / 2, 0, TO_FRONT):
        build.loft(
            [ring(width / 2 - i, high / 2 - i, y, sides=28) for i, y in ((0, 0), (0, 2.5), (1, 3), (3, 2.5))], frame
        )
        build.polygon(ring(width / 2 - 3, high / 2 - 3, 2.6, sides=28), (0.72, 0.79, 0.84))
        for x in (-0.2, 0.12):
            long = high * 0.28
            build.polygon(
                [
                    (x * width - 3, 2.7, long),
                    (x * width + 4, 2.7, long),
                    (x * width + 14, 2.7, -long),
                    (x * width + 7, 2.7, -long),
                ],
                (0.84, 0.89, 0.92),
            )
    return build.model()


def clock(rng: np.random.Generator) -> Model:
    """A round wall clock, or a pendulum clock in its case."""
    if chance(rng, 0.75):
        face = tone(rng, WHITES, WHITES, WOODS, BLACKS, BRIGHTS)
        return round_clock(
            rng.uniform(11, 22), tone(rng, FRAMES, STEELS, BRIGHTS), face, BLACKS[0] if sum(face) > 1.2 else WHITES[0]
        )
    build, wood, wide = Sculptor(), tone(rng, WOODS), rng.uniform(12, 16)
    high = wide * rng.uniform(2.6, 3.6)
    build.box((-wide, 0, 0), (wide, high, 10), wood)
    build.prism([(-wide - 2, high), (wide + 2, high), (0, high + wide * 0.8)], 0, 11, 2, shade(wood, 0.8))
    build.box((-wide * 0.7, 3, 9.6), (wide * 0.7, high - 2 * wide, 10.2), (0.12, 0.1, 0.08))
    build.disc(0, high - wide, 9, wide * 0.85, 1.6, WHITES[1], 20)
    build.tube((0, 8, 11), (0, high - 2 * wide, 11), 0.4, GOLD)
    build.disc(0, 8, 10.4, 3.5, 1, GOLD, 14)
    for turn, long in ((-60, 0.45), (50, 0.65)):
        with build.at(0, high - wide, 10.7, spin(-turn, 2)):
            build.box((-0.6, 0, 0), (0.6, wide * long, 0.3), BLACKS[0])
    return build.model()


def curtain(rng: np.random.Generator) -> Model:
    """One or two curtains in folds below a rod, drawn or gathered at the sides."""
    build, width, height = Sculptor(), rng.uniform(100, 200), rng.uniform(170, 232)
    cloth, metal, share = (
        tone(rng, FABRICS, FABRICS, WHITES, BRIGHTS),
        tone(rng, WOODS, STEELS, BLACKS),
        rng.uniform(0.2, 0.5),
    )
    build.tube((-5, height, 5), (width + 5, height, 5), 1.3, metal)
    for x in (-6, width + 6):
        build.ball((x, height, 5), 2.6, metal, 8)
        build.box((x * 0.96 + 1, height - 2, 0), (x * 0.96 + 3, height + 2, 5), metal)
    for x0, x1 in ((0, share * width), (width - share * width, width)):
        drape(build, (x0, x1), (0, height - 1), 5, cloth, rng.uniform(6, 11))
    if chance(rng, 0.35):
        build.box((0, height - 24, 7), (width, height + 3, 8), shade(cloth, 0.8))
    return build.model()


def blinds(rng: np.random.Generator) -> Model:
    """Slats below a head rail, or a roller blind."""
    build, colour, width = Sculptor(), tone(rng, WHITES, WHITES, WOODS, FABRICS), rng.uniform(60, 140)
    height = rng.uniform(60, 130)
    build.box((0, height, 0), (width, height + 5, 6), shade(colour, 0.9))
    if chance(rng, 0.7):
        step = rng.uniform(3.2, 6)
        for y in np.arange(3, height - 1, step):
            with build.at(0, float(y), 3, spin(rng.uniform(48, 52), 0)):
                build.box((0, -0.15, -step * 0.42), (width, 0.15, step * 0.42), colour)
        for x in (0.15, 0.85):
            build.box((x * width, 0, 5), (x * width + 0.6, height, 5.3), shade(colour, 0.75))
    else:
        build.tube((1, height + 1, 4), (width - 1, height + 1, 4), 2.8, colour)
        build.box((1.5, 2, 4), (width - 1.5, height, 4.3), colour)
    build.box((0, 0, 2), (width, 2.2, 5), shade(colour, 0.85))
    build.tube((width - 4, height * 0.35, 6), (width - 4, height, 6), 0.3, WHITES[0], sides=4)
    return build.model()


def whiteboard(rng: np.random.Generator) -> Model:
    """A white board on a stand with wheels or on an easel, with some writing."""
    build, width, height, lift = Sculptor(), rng.uniform(80, 160), rng.uniform(70, 105), rng.uniform(65, 90)
    frame = tone(rng, STEELS, STEELS, BLACKS, WOODS)
    build.box((0, lift, -1), (width, lift + height, 1), frame)
    build.box((2, lift + 2, 1), (width - 2, lift + height - 2, 1.4), (0.96, 0.97, 0.97))
    build.box((width * 0.1, lift - 2, 0), (width * 0.9, lift, 8), frame)
    for _ in range(int(rng.integers(0, 7))):
        x, y = rng.uniform(0.08, 0.5) * width, lift + rng.uniform(0.2, 0.9) * height
        build.box((x, y, 1.3), (x + rng.uniform(0.15, 0.4) * width, y + 1.5, 1.6), tone(rng, BRIGHTS, BLACKS))
    for x in (-2, width):
        build.box((x, 6, -1.5), (x + 2, lift + height * 0.7, 1.5), frame)
        build.box((x, 4, -28), (x + 2, 8, 28), frame)
        for z in (-26, 26):
            build.ball((x + 1, 2, z), 2.2, BLACKS[0], 6)
    return build.model()


def carpet(rng: np.random.Generator) -> Model:
    """Bordered, striped, plain with a border, chequered or round."""
    first, second, third = (tone(rng, FABRICS, FABRICS, BRIGHTS) for _ in range(3))
    width = rng.uniform(90, 270)
    depth, kind = width * rng.uniform(0.55, 1), int(rng.integers(5))
    if kind == 0:
        return rug(width, depth, oriental(first, second, third))
    if kind == 1:
        return rug(width, depth, stripes(first, second, *([third] if chance(rng, 0.6) else [])))
    if kind == 4:
        build, radius = Sculptor(), rng.uniform(45, 110)
        for i, share in enumerate((1, 0.82, 0.6, 0.3)[: int(rng.integers(1, 5))]):
            build.turning([(radius * share, 0), (radius * share, 1 + 0.15 * i)], (first, second, third)[i % 3], 32)
        return build.model()
    cells = np.indices((9, 12)).sum(0)
    pattern = np.where((cells % 2 == 0)[..., None], first, second) if kind == 2 else np.ones((9, 12, 3)) * first
    if kind == 3:
        pattern[[0, -1]] = pattern[:, [0, -1]] = second
    return rug(width, depth, pattern)


def window(rng: np.random.Generator) -> Model:
    """A frame with one to three casements, their panes perhaps divided by bars, and a sill."""
    build, colour = Sculptor(), tone(rng, WHITES, WHITES, WOODS, ((0.3, 0.31, 0.33), (0.25, 0.35, 0.3)))
    casements, deep, bar = int(rng.integers(1, 4)), 17.0, rng.uniform(4, 6.5)
    width, height = casements * rng.uniform(45, 75) + (20 if casements == 1 else 0), rng.uniform(95, 140)
    for low, high in (
        ((0, 0), (width, bar)),
        ((0, height - bar), (width, height)),
        ((0, bar), (bar, height - bar)),
        ((width - bar, bar), (width, height - bar)),
    ):
        build.box((*low, 0), (*high, deep), colour)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    step = (width - 2 * bar) / casements
    for i in range(casements):
        casement(build, (bar + i * step, bar), (bar + (i + 1) * step, height - bar), (rows, columns), colour)
    build.box((-4, -2, 4), (width + 4, 0.5, deep + 5), shade(colour, 0.97))
    return build.model()


def casement(
    build: Sculptor, low: tuple[float, float], high: tuple[float, float], grid: tuple[int, int], colour: RGB
) -> None:
    """A pane in its frame, with bars that divide it into (rows, columns)."""
    (x0, y0), (x1, y1), (rows, columns) = low, high, grid
    pane = [np.array(p) for p in ((x0, y0, 9), (x1, y0, 9), (x1, y1, 9), (x0, y1, 9))]
    build.face(pane, build.clear())
    for x in np.linspace(x0, x1, columns + 1):
        half = 3.5 if x in (x0, x1) else 1.2
        build.box((max(x - half, x0), y0, 7), (min(x + half, x1), y1, 11.5), colour)
    for y in np.linspace(y0, y1, rows + 1):
        half = 4 if y in (y0, y1) else 1.2
        build.box((x0, max(y - half, y0), 7), (x1, min(y + half, y1), 11.5), colour)
    build.box((x0 + 1, (y0 + y1) / 2 - 5, 11), (x0 + 2.5, (y0 + y1) / 2 + 2, 14), STEELS[0])


def door(rng: np.random.Generator) -> Model:
    """A frame and a leaf: plain, with panels, of boards, or with a pane."""
    build, colour = Sculptor(), tone(rng, WHITES, WOODS, WOODS, BRIGHTS, ((0.35, 0.37, 0.4),))
    width, height, deep, jamb = rng.uniform(88, 102), rng.uniform(203, 212), 17.0, rng.uniform(5, 8)
    frame = colour if chance(rng, 0.5) else tone(rng, WHITES)
    for x in (0, width - jamb):
        build.box((x, 0, 0), (x + jamb, height, deep), frame)
    build.box((jamb, height - jamb, 0), (width - jamb, height, deep), frame)
    x0, x1, y1 = jamb, width - jamb, height - jamb
    panes = int(rng.integers(2, 5)) if chance(rng, 0.25) else 0
    columns, rows = pick(rng, ((1, 2), (2, 2), (2, 3), (1, 3), (1, 0), (5, 1), (1, 1)))
    split = height * 0.45 if panes else y1
    build.box((x0, 0.5, 6), (x1, split, 11), colour)
    for front, inner in ((11.0, 12.2), (4.8, 6.0)):  # both sides are seen
        for i in range(columns * rows):
            wide, tall = (x1 - x0) / columns, split / rows
            left, low = x0 + (i % columns) * wide, 0.5 + (i // columns) * tall
            inset = 1.0 if columns == 5 else 8.0 if columns == 1 else 6.0
            build.box(
                (left + inset, low + inset, front),
                (left + wide - inset, low + tall - inset, inner),
                shade(colour, 0.85),
            )
        build.box((x1 - 9, height * 0.47, front - 1), (x1 - 5, height * 0.54, inner + 0.6), STEELS[1])
    if panes:
        casement(build, (x0, split), (x1, y1), (panes - 1, 2), colour)
    knob, metal = height * 0.5, tone(rng, STEELS, BRASSES, BLACKS)
    for z0, z1 in ((11, 16.5), (6, 0.5)):
        build.tube((x1 - 7, knob, z0), (x1 - 7, knob, z1), 1.2, metal)
        build.tube((x1 - 6, knob, z1), (x1 - 18, knob, z1), 1.1, metal)
    return build.model()


MAKERS: dict[str, Maker] = {
    "picture": picture, "picture frame": picture_frame, "mirror": mirror, "clock": clock, "curtain": curtain,
    "blinds": blinds, "whiteboard": whiteboard, "rug": carpet, "window": window, "door": door,
}  # fmt: skip
ELEVATION_CM = {"picture": 130.0, "mirror": 95.0, "clock": 165.0, "curtain": 8.0, "blinds": 110.0, "window": 90.0}
