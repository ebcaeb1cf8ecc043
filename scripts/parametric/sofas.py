"""Upholstered seats: armchairs and couches, straight and with a corner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import (
    BLACKS,
    FABRICS,
    LEATHERS,
    METALS,
    PAINTS,
    WOODS,
    Legs,
    Parts,
    chance,
    pick,
    shade,
    tone,
)


@dataclass
class Sofa:
    """The measures and the looks of an upholstered seat, drawn once and used by all of its parts."""

    seats: int
    place: float
    """Width of a seat."""
    depth: float
    seat: float
    """Height of the seat."""
    top: float
    arm: float
    """Width of an arm; 0 where there is none."""
    arm_top: float
    thick: float
    """Of the back."""
    legs: float
    """Height of the legs; 0 for a skirt down to the floor."""
    cover: RGB
    cushion: RGB
    foot: RGB
    arm_style: str

    @property
    def width(self) -> float:
        """From side to side."""
        return 2 * self.arm + self.seats * self.place


def draw_sofa(rng: np.random.Generator, seats: int) -> Sofa:
    """Measures and looks for so many seats."""
    cover = tone(rng, FABRICS, FABRICS, LEATHERS)
    other = pick(rng, (cover, cover, shade(cover, 0.85), tone(rng, FABRICS)))
    low, high = (float(rng.uniform(*r)) for r in ((38, 46), (70, 98)))
    style = pick(rng, ("block", "block", "round", "thin", "slope", "none"))
    arm = {"none": 0.0, "thin": float(rng.uniform(5, 9))}.get(style, float(rng.uniform(12, 24)))
    return Sofa(
        seats, float(rng.uniform(54, 72)), float(rng.uniform(78, 98)), low, high, arm,
        min(low + float(rng.uniform(12, 24)), high - 4), float(rng.uniform(14, 24)),
        float(pick(rng, (0.0, rng.uniform(6, 10), rng.uniform(12, 18)))), cover, other,
        tone(rng, WOODS, METALS, BLACKS), style,
    )  # fmt: skip


def _arm(build: Parts, sofa: Sofa, x: float) -> None:
    """An arm whose left side is at x."""
    low, high, end = (x, sofa.legs, 0.0), (x + sofa.arm, sofa.arm_top, sofa.depth), sofa.depth
    if sofa.arm_style == "round":
        r = sofa.arm / 2 + 2
        build.box(low, (x + sofa.arm, sofa.arm_top - r, end - 1), sofa.cover)
        centre = (x + sofa.arm / 2, sofa.arm_top - r)
        build.tube((*centre, 0), (*centre, end), r, sofa.cover, sides=10)
    elif sofa.arm_style == "slope":
        drop = 0.4 * (sofa.arm_top - sofa.seat)
        side = [(sofa.legs, 0), (sofa.arm_top + drop, 0), (sofa.arm_top - drop, end), (sofa.legs, end)]
        build.prism(side, x, x + sofa.arm, 0, sofa.cover)
    elif sofa.arm:
        build.block(low, high, sofa.cover, 2.5)


def _row(build: Parts, rng: np.random.Generator, sofa: Sofa) -> None:
    """Base, seat cushions, back, back cushions and arms."""
    left, right = sofa.arm, sofa.width - sofa.arm
    base = sofa.seat - float(rng.uniform(10, 16))
    build.box((left, sofa.legs, 0), (right, base, sofa.depth - 2), sofa.cover)
    build.block((left, base - 2, 0), (right, sofa.top - 6, sofa.thick), sofa.cover, 4)
    one_seat, one_back = chance(rng, 0.25), chance(rng, 0.25)
    for i in range(1 if one_seat else sofa.seats):
        wide = (right - left) / (1 if one_seat else sofa.seats)
        x = left + i * wide
        build.block((x + 0.4, base, sofa.thick), (x + wide - 0.4, sofa.seat, sofa.depth), sofa.cushion, 3)
    for i in range(1 if one_back else sofa.seats):
        wide = (right - left) / (1 if one_back else sofa.seats)
        x = left + i * wide
        with build.turned_by(-float(rng.uniform(6, 12)), (0, sofa.seat, sofa.thick)):
            low = (x + 0.5, sofa.seat - 1, sofa.thick - 2)
            build.block(low, (x + wide - 0.5, sofa.top, sofa.thick + 11), sofa.cushion, 4)
    for x in (0.0, right) if sofa.arm else ():
        _arm(build, sofa, x)
    if sofa.legs:
        style: Legs = pick(rng, ("square", "taper", "turned"))
        build.legs((sofa.width, sofa.legs, sofa.depth), style, 5, sofa.foot, inset=2)


def _chaise(build: Parts, rng: np.random.Generator, sofa: Sofa) -> None:
    """A long seat in front of the last place, on the left or on the right."""
    reach = float(rng.uniform(55, 85))
    first = pick(rng, (0.0, sofa.width - sofa.place - sofa.arm))
    x0, x1 = first, first + sofa.place + sofa.arm
    base = sofa.seat - 13
    build.box((x0, sofa.legs, sofa.depth - 2), (x1, base, sofa.depth + reach), sofa.cover)
    build.block((x0, base, sofa.depth), (x1, sofa.seat, sofa.depth + reach), sofa.cushion, 3)
    if sofa.legs:
        for x in (x0 + 3, x1 - 8):
            build.box((x, 0, sofa.depth + reach - 9), (x + 5, sofa.legs, sofa.depth + reach - 4), sofa.foot)


def _corner(build: Parts, rng: np.random.Generator, sofa: Sofa) -> None:
    """A second wing with its own back along one side: an L with two straight rows."""
    reach = float(rng.uniform(70, 130))
    at_left = chance(rng, 0.5)
    x0, x1 = (0.0, sofa.depth) if at_left else (sofa.width - sofa.depth, sofa.width)
    end, base = sofa.depth + reach, sofa.seat - 13
    build.box((x0, sofa.legs, sofa.depth - 2), (x1, base, end), sofa.cover)
    back = (x0, x0 + sofa.thick) if at_left else (x1 - sofa.thick, x1)
    build.block((back[0], sofa.legs, 0), (back[1], sofa.top - 6, end), sofa.cover, 4)
    inner = (x0 + sofa.thick, x1) if at_left else (x0, x1 - sofa.thick)
    count = 1 if reach < 90 else 2
    for i in range(count):
        z = sofa.depth + i * reach / count
        build.block((inner[0], base, z), (inner[1], sofa.seat, z + reach / count - 0.6), sofa.cushion, 3)
        edge = inner[0] if at_left else inner[1] - 12
        build.block((edge, sofa.seat - 1, z), (edge + 12, sofa.top - 2, z + reach / count - 0.6), sofa.cushion, 4)
    if sofa.legs:
        for x in (x0 + 3, x1 - 8):
            build.box((x, 0, end - 9), (x + 5, sofa.legs, end - 4), sofa.foot)


def _pillows(build: Parts, rng: np.random.Generator, sofa: Sofa) -> None:
    """Throw pillows in other colours, and now and then a blanket over the seat or an arm."""
    z = sofa.thick + 18
    for x in rng.permutation(np.linspace(sofa.arm + 22, sofa.width - sofa.arm - 22, 2 * sofa.seats))[
        : int(rng.integers(0, 2 + sofa.seats))
    ]:
        size = float(rng.uniform(36, 46))
        colour = tone(rng, FABRICS, PAINTS)
        build.pillow((float(x), sofa.seat + size / 2, z), (size, size, 12), colour, -float(rng.uniform(14, 30)))
    if chance(rng, 0.25):
        colour = tone(rng, FABRICS, PAINTS)
        wide = float(rng.uniform(30, 50))
        x = float(rng.uniform(sofa.arm, sofa.width - sofa.arm - wide))
        build.box((x, sofa.seat - 1, sofa.thick + 14), (x + wide, sofa.seat + 1, sofa.depth + 0.8), colour)
        build.box((x, sofa.seat - 24, sofa.depth), (x + wide, sofa.seat + 1, sofa.depth + 1.2), colour)


def _framed(build: Parts, rng: np.random.Generator, seats: int) -> None:
    """A frame of wood or metal with open arms, and loose cushions in it."""
    place, depth, seat, top = (float(rng.uniform(*r)) for r in ((54, 64), (68, 80), (38, 43), (74, 88)))
    frame, cushion = tone(rng, WOODS, WOODS, METALS), tone(rng, FABRICS, LEATHERS)
    width, thick = seats * place + 10, float(rng.uniform(3, 5))
    for x in (0.0, width - thick):
        build.box((x, 0, depth - 8), (x + thick, 58, depth - 8 + thick), frame)
        build.box((x, 0, 6), (x + thick, 58, 6 + thick), frame)
        build.box((x - 1, 57, 0), (x + thick + 1, 60, depth - 2), frame)
        build.box((x, seat - 15, 6), (x + thick, seat - 11, depth - 5), frame)
    build.box((0, seat - 16, depth - 9), (width, seat - 10, depth - 6), frame)
    build.box((0, seat - 16, 8), (width, seat - 10, 11), frame)
    for x in np.linspace(5, width - 7, 2 + 2 * seats):
        with build.turned_by(-14, (0, seat - 12, 14)):
            build.box((float(x), seat - 14, 10), (float(x) + 2, top - 4, 12), frame)
    with build.turned_by(-14, (0, seat - 12, 14)):
        build.box((2, top - 6, 9), (width - 2, top - 1, 13), frame)
    for i in range(seats):
        x = 5 + i * place
        build.block((x + 0.5, seat - 12, 14), (x + place - 0.5, seat, depth), cushion, 3)
        with build.turned_by(-14, (0, seat - 12, 14)):
            build.block((x + 0.5, seat - 1, 13), (x + place - 0.5, top, 25), cushion, 4)


def _tub(build: Parts, rng: np.random.Generator, seats: int) -> None:
    """A back that curves round into the arms."""
    half, depth, seat = 14 + 24 * seats + float(rng.uniform(0, 9)), float(rng.uniform(68, 78)), 42.0
    cover, legs = tone(rng, FABRICS, LEATHERS), float(rng.uniform(5, 16))
    top, arm_top = float(rng.uniform(70, 82)), float(rng.uniform(56, 68))
    turns = np.linspace(-1, 1, 11)
    stretch = (depth - 8) / half
    bow = np.array([(half + half * np.sin(t * 2.0), half * stretch * (1 - np.cos(t * 2.0)) / 1.42) for t in turns])
    inner = (bow - (half, depth / 2)) * (0.78, 0.8) + (half, depth / 2)
    heights = top + (arm_top - top) * turns**2
    for i in range(len(turns) - 1):
        ring = np.array([inner[i], inner[i + 1], bow[i + 1], bow[i]])
        high = np.insert(ring, 1, heights[[i, i + 1, i + 1, i]], axis=1)
        build.loft([np.insert(ring, 1, legs, axis=1), high], cover)
    build.box((0.2 * half, legs, 0.2 * half), (1.8 * half, seat - 12, depth), cover)
    for i in range(seats):
        wide = 1.6 * half / seats
        x = 0.2 * half + i * wide
        build.block((x, seat - 12, 0.25 * half), (x + wide, seat, depth), pick(rng, (cover, shade(cover, 0.85))), 3)
    build.legs((2 * half, legs, depth), pick(rng, ("taper", "square")), 4, tone(rng, WOODS, METALS), inset=0.25 * half)


def armchair(rng: np.random.Generator) -> Model:
    """A soft seat for one."""
    build = Parts()
    kind = pick(rng, ("box", "framed", "tub", "wing"), (4, 3, 2, 2))
    if kind == "framed":
        _framed(build, rng, 1)
    elif kind == "tub":
        _tub(build, rng, 1)
    else:
        sofa = draw_sofa(rng, 1)
        if kind == "wing":
            sofa.top, sofa.arm, sofa.arm_style, sofa.legs = float(rng.uniform(98, 112)), 11.0, "round", 14.0
            sofa.arm_top = sofa.seat + 20
            for x in (2.0, sofa.width - 9):
                side = [(sofa.arm_top, 4), (sofa.top - 4, 4), (sofa.top - 8, 26), (sofa.arm_top, 34)]
                build.prism(side, x, x + 7, 0, sofa.cover)
        elif sofa.arm_style == "none":
            sofa.arm_style, sofa.arm = "block", 14.0
        _row(build, rng, sofa)
        if chance(rng, 0.35):
            _pillows(build, rng, sofa)
    return build.model()


def beanbag(rng: np.random.Generator) -> Model:
    """A bag that one sinks into: round, like a drop, or with a back."""
    build = Parts()
    r, height = float(rng.uniform(36, 50)), float(rng.uniform(48, 90))
    cover = tone(rng, FABRICS, PAINTS, LEATHERS)
    full = [(0, 0), (0.75, 0), (1, 0.18), (1, 0.32), (0.84, 0.55)]
    crown = pick(rng, ([(0.5, 0.7), (0.25, 0.86), (0.12, 1)], [(0.68, 0.85), (0.4, 0.97)], [(0.5, 0.82), (0.3, 1)]))
    rings = []
    turns = np.arange(14) * 2 * np.pi / 14
    back = float(rng.uniform(0, 0.3)) * r  # the top lies towards the back, the front is drawn out
    for radius, share in [*full, *crown, (0.0, crown[-1][1])]:
        z = radius * r * -np.sin(turns) - back * share**2 * 2
        z = np.where(z > 0, z * (1 + 0.25 * (1 - share)), z)
        rings.append(np.stack([radius * r * np.cos(turns), np.full(14, share * height), z], 1))
    build.loft(rings, cover)
    for turn in range(0, 14, 7) if chance(rng, 0.5) else ():  # seams
        seam = [(float(x), float(y), float(z)) for x, y, z in (ring[turn] * (1.01, 1, 1.01) for ring in rings[2:-1])]
        build.pipe(seam, 0.8, shade(cover, 0.7), 4)
    return build.model()


def couch(rng: np.random.Generator) -> Model:
    """A soft seat for two or three, or with a long end or a corner."""
    build = Parts()
    kind = pick(rng, ("straight", "chaise", "corner", "framed", "tub"), (6, 2, 2, 1.5, 0.7))
    if kind in ("framed", "tub"):
        (_framed if kind == "framed" else _tub)(build, rng, int(rng.integers(2, 4)) if kind == "framed" else 2)
        return build.model()
    sofa = draw_sofa(rng, 3 if kind == "corner" else int(rng.integers(2, 4)))
    _row(build, rng, sofa)
    if kind == "chaise":
        _chaise(build, rng, sofa)
    elif kind == "corner":
        _corner(build, rng, sofa)
    _pillows(build, rng, sofa)
    return build.model()


MAKERS = {"armchair": armchair, "beanbag": beanbag, "couch": couch}
