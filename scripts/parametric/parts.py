"""What drawn furniture is made of: closed parts of few faces, and the colours of common materials.

Lengths are centimetres, x across, y up, z towards the front.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal, TypeVar

import numpy as np
from own_models import RGB, Builder
from wavefront import Floats

Point = tuple[float, float, float]
Handle = Literal["bar", "knob", "long", "upright", "slot", "none"]
Legs = Literal["square", "taper", "splayed", "hairpin", "turned", "sled", "frame"]
T = TypeVar("T")

WOODS: tuple[RGB, ...] = (
    (0.55, 0.36, 0.2), (0.3, 0.18, 0.1), (0.8, 0.66, 0.46), (0.66, 0.46, 0.28), (0.42, 0.24, 0.14), (0.72, 0.54, 0.34),
    (0.48, 0.2, 0.12), (0.86, 0.76, 0.6), (0.36, 0.28, 0.22), (0.62, 0.55, 0.47), (0.76, 0.5, 0.26),
)  # fmt: skip
WHITES: tuple[RGB, ...] = ((0.94, 0.94, 0.92), (0.9, 0.88, 0.83), (0.97, 0.97, 0.97), (0.86, 0.87, 0.88))
BLACKS: tuple[RGB, ...] = ((0.08, 0.08, 0.09), (0.13, 0.12, 0.12), (0.18, 0.18, 0.2))
METALS: tuple[RGB, ...] = (
    (0.72, 0.73, 0.75), (0.55, 0.56, 0.58), (0.84, 0.85, 0.86), (0.1, 0.1, 0.11), (0.2, 0.2, 0.21), (0.72, 0.58, 0.3),
    (0.92, 0.92, 0.9),
)  # fmt: skip
FABRICS: tuple[RGB, ...] = (
    (0.5, 0.5, 0.5), (0.3, 0.31, 0.33), (0.7, 0.69, 0.67), (0.84, 0.78, 0.68), (0.7, 0.6, 0.48), (0.45, 0.35, 0.28),
    (0.16, 0.2, 0.36), (0.25, 0.38, 0.56), (0.45, 0.58, 0.68), (0.25, 0.38, 0.28), (0.5, 0.56, 0.4), (0.6, 0.16, 0.16),
    (0.76, 0.36, 0.2), (0.84, 0.64, 0.24), (0.42, 0.26, 0.42), (0.82, 0.58, 0.6), (0.12, 0.12, 0.14), (0.91, 0.9, 0.87),
    (0.16, 0.42, 0.42),
)  # fmt: skip
LEATHERS: tuple[RGB, ...] = (
    (0.1, 0.09, 0.09), (0.3, 0.18, 0.12), (0.5, 0.3, 0.17), (0.66, 0.42, 0.24), (0.9, 0.88, 0.84), (0.46, 0.12, 0.12),
    (0.35, 0.34, 0.34), (0.76, 0.68, 0.56),
)  # fmt: skip
PAINTS: tuple[RGB, ...] = (
    (0.94, 0.94, 0.92), (0.08, 0.08, 0.09), (0.5, 0.5, 0.52), (0.7, 0.12, 0.12), (0.16, 0.28, 0.6), (0.2, 0.45, 0.25),
    (0.93, 0.8, 0.3), (0.9, 0.5, 0.15), (0.5, 0.7, 0.82), (0.9, 0.65, 0.72), (0.6, 0.75, 0.55), (0.42, 0.3, 0.52),
    (0.24, 0.32, 0.36), (0.82, 0.8, 0.74),
)  # fmt: skip


def pick(rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
    """One of the options."""
    shares = None if weights is None else np.array(weights, float) / sum(weights)
    return options[int(rng.choice(len(options), p=shares))]


def tone(rng: np.random.Generator, *palettes: Sequence[RGB]) -> RGB:
    """A colour of one of the palettes, each as likely, a little lighter or darker."""
    return shade(pick(rng, pick(rng, palettes)), float(rng.uniform(0.9, 1.08)))


def shade(colour: RGB, factor: float) -> RGB:
    """A colour made darker (below 1) or lighter (above 1)."""
    red, green, blue = (min(max(channel * factor, 0.0), 1.0) for channel in colour)
    return red, green, blue


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with that probability."""
    return bool(rng.random() < probability)


class Parts(Builder):
    """A model in the making; every part is closed."""

    def face(self, corners: Sequence[Floats], material: int) -> None:
        """A convex polygon, counter-clockwise as seen from outside."""
        for i in range(1, len(corners) - 1):
            self.vertices.append(np.stack([corners[0], corners[i], corners[i + 1]]))
            self.uv.append(np.zeros((3, 2)))
            self.owner.append(material)

    def loft(self, rings: Sequence[Floats], colour: RGB, ends: bool = True) -> None:
        """A skin over rings (N, 3) of as many points each, convex and one after the other, and over its ends."""
        skin = self.material(colour)
        for lower, upper in pairwise(rings):
            for i, j in zip(range(len(lower)), [*range(1, len(lower)), 0], strict=True):
                self.face([lower[i], lower[j], upper[j], upper[i]], skin)
        for ring in (rings[0][::-1], rings[-1]) if ends else ():
            self.face(list(ring), skin)

    def block(self, low: Point, high: Point, colour: RGB, bevel: float = 3.0) -> None:
        """A box with its edges cut off: a cushion, a mattress, a body of plastic. 44 faces."""
        a, b = np.array(low, float), np.array(high, float)
        cut = min(bevel, 0.45 * float((b - a).min()))
        (x0, y0, z0), (x1, y1, z1) = a, b
        corner = [(x0, z0, 1, 1), (x0, z1, 1, -1), (x1, z1, -1, -1), (x1, z0, -1, 1)]

        def ring(y: float, narrow: bool) -> Floats:
            if narrow:  # all but the rim of the upper or lower side, twice each corner as in the others
                return np.array([(x + sx * cut, y, z + sz * cut) for x, z, sx, sz in corner for _ in (0, 1)])
            points = []
            for x, z, sx, sz in corner:
                pair = [(x + sx * cut, y, z), (x, y, z + sz * cut)]
                points += pair if sx * sz > 0 else pair[::-1]
            return np.array(points)

        self.loft([ring(y0, True), ring(y0 + cut, False), ring(y1 - cut, False), ring(y1, True)], colour)

    def tube(
        self, start: Point, end: Point, radius: float, colour: RGB, tip: float | None = None, sides: int = 8
    ) -> None:
        """A rod from one point to another, ``tip`` its radius at the end if it tapers; 4 sides make a square bar."""
        a, b = np.array(start, float), np.array(end, float)
        along = (b - a) / np.linalg.norm(b - a)
        across = np.cross(along, (0, 0, 1) if abs(along[2]) < 0.9 else (1, 0, 0))
        across /= np.linalg.norm(across)
        other = np.cross(along, across)
        turns = (np.arange(sides) + 0.5)[:, None] * 2 * np.pi / sides
        circle = (np.cos(turns) * across + np.sin(turns) * other) / np.cos(np.pi / sides if sides == 4 else 0)
        self.loft([a + circle * radius, b + circle * (radius if tip is None else tip)], colour)

    def pipe(self, points: Sequence[Point], radius: float, colour: RGB, sides: int = 6) -> None:
        """Rods through points, one after the other."""
        for a, b in pairwise(points):
            self.tube(a, b, radius, colour, sides=sides)

    def lathe(
        self, centre: tuple[float, float], profile: Sequence[tuple[float, float]], colour: RGB, sides: int = 14
    ) -> None:
        """A profile of (radius, height) turned about the upright line through (x, z)."""
        turns = np.arange(sides) * 2 * np.pi / sides
        circle = np.stack([np.cos(turns), np.zeros(sides), -np.sin(turns)], 1)
        middle = np.array([centre[0], 0, centre[1]])
        self.loft([middle + circle * radius + (0, height, 0) for radius, height in profile], colour)

    def hoop(self, centre: tuple[float, float], radii: tuple[float, float], low: float, high: float, colour: RGB,
             sides: int = 14) -> None:  # fmt: skip
        """A flat ring between two radii round the upright line through (x, z)."""
        turns = np.arange(sides) * 2 * np.pi / sides
        circle = np.stack([np.cos(turns), np.zeros(sides), -np.sin(turns)], 1)
        middle = np.array([centre[0], 0, centre[1]])
        corners = [(radii[0], low), (radii[1], low), (radii[1], high), (radii[0], high), (radii[0], low)]
        self.loft([middle + circle * radius + (0, y, 0) for radius, y in corners], colour, ends=False)

    def prism(self, outline: Sequence[tuple[float, float]], low: float, high: float, axis: int, colour: RGB) -> None:
        """A convex outline drawn along an axis (0 x, 1 y, 2 z); its points name the other two axes in order."""
        flat = np.array(outline, float)
        turn = float((flat[:, 0] * np.roll(flat[:, 1], -1) - flat[:, 1] * np.roll(flat[:, 0], -1)).sum())
        if (turn < 0) != (axis == 1):  # x and z are a left-handed pair
            flat = flat[::-1]
        self.loft([np.insert(flat, axis, value, axis=1) for value in (low, high)], colour)

    @contextmanager
    def turned_by(self, degrees: float, about: Point, axis: int = 0) -> Iterator[None]:
        """All that is added inside is turned about a line along an axis (0 x, 1 y, 2 z) through a point.

        About x, a positive turn leans the top towards the front.
        """
        first = len(self.vertices)
        yield
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = cos
        turn[i, j], turn[j, i] = -sin, sin
        pivot = np.array(about, float)
        self.vertices[first:] = [(v - pivot) @ turn.T + pivot for v in self.vertices[first:]]

    @contextmanager
    def moved(self, by: Point) -> Iterator[None]:
        """All that is added inside is moved."""
        first = len(self.vertices)
        yield
        self.vertices[first:] = [v + np.array(by, float) for v in self.vertices[first:]]

    # --- things that many kinds of furniture have

    def legs(self, size: Point, style: Legs, thick: float, colour: RGB, inset: float = 2.0) -> None:
        """Four legs, or two frames, under a thing of (width, height of the legs, depth) that starts at x = z = 0."""
        width, height, depth = size
        xs, zs = (inset + thick / 2, width - inset - thick / 2), (inset + thick / 2, depth - inset - thick / 2)
        if style in ("sled", "frame"):
            for x in xs:
                ends = [(x, height, zs[0]), (x, thick / 2, zs[0]), (x, thick / 2, zs[1]), (x, height, zs[1])]
                path = [*ends, ends[0]] if style == "frame" else ends
                self.pipe(path, thick / 2, colour, 4)
            return
        for i, x in enumerate(xs):
            for j, z in enumerate(zs):
                self._leg(x, z, (2 * i - 1, 2 * j - 1), height, style, thick, colour)

    def _leg(
        self, x: float, z: float, out: tuple[int, int], height: float, style: Legs, thick: float, colour: RGB
    ) -> None:
        lean = 0.16 * height
        if style == "square":
            self.box((x - thick / 2, 0, z - thick / 2), (x + thick / 2, height, z + thick / 2), colour)
        elif style == "taper":
            self.tube((x, height, z), (x, 0, z), thick / 2, colour, tip=thick / 4, sides=4)
        elif style == "splayed":
            top = (x - out[0] * lean, height, z - out[1] * lean)
            self.tube(top, (x, 0, z), thick / 2, colour, tip=thick / 3.5, sides=6)
        elif style == "hairpin":
            for dx, dz in ((lean, 0), (0, lean)):
                self.tube((x - out[0] * dx, height, z - out[1] * dz), (x, 0, z), 0.6, colour, sides=4)
        else:  # turned
            r = thick / 2
            shape = [(0.6 * r, 0), (0.8 * r, 0.1), (0.5 * r, 0.2), (r, 0.5), (0.6 * r, 0.75), (r, 0.8), (r, 1)]
            self.lathe((x, z), [(radius, share * height) for radius, share in shape], colour, 6)

    def fronts(
        self,
        low: tuple[float, float],
        high: tuple[float, float],
        z: float,
        grid: tuple[int, int],
        colour: RGB,
        handle: Handle = "bar",
        metal: RGB = (0.72, 0.73, 0.75),
        hinge: int = 0,
    ) -> None:
        """Doors or drawers, (rows, columns) of them, on the rectangle (x, y)..(x, y) of a body whose front is at z.

        ``hinge`` 1 puts handles at the right of each front, -1 at the left, 0 in the middle or, in pairs of
        columns, where the two doors meet when the handle is upright.
        """
        rows, columns = grid
        wide, tall, gap = (high[0] - low[0]) / columns, (high[1] - low[1]) / rows, 0.5
        for row in range(rows):
            for column in range(columns):
                x0, y0 = low[0] + column * wide, low[1] + row * tall
                self.box((x0 + gap, y0 + gap, z), (x0 + wide - gap, y0 + tall - gap, z + 1.8), colour)
                side = hinge or ((1, -1)[column % 2] if columns > 1 and handle == "upright" else 0)
                self.grip((x0 + wide / 2, y0 + tall / 2, z + 1.8), (wide, tall), handle, metal, side)

    def grip(self, centre: Point, size: tuple[float, float], handle: Handle, colour: RGB, side: int = 0) -> None:
        """A handle on a front of (width, height) around ``centre``; ``side`` moves it to the left or right edge."""
        x, y, z = centre
        x += side * (size[0] / 2 - 4)
        half = {"bar": 5.0, "long": 0.38 * size[0], "slot": 0.3 * size[0]}.get(handle, 0.0)
        if handle == "knob":
            self.block((x - 1.6, y - 1.6, z), (x + 1.6, y + 1.6, z + 2.5), colour, 0.8)
        elif handle == "upright":
            self.box((x - 0.8, y - 7, z), (x + 0.8, y + 7, z + 2.5), colour)
        elif handle == "slot":
            self.box((x - half, y + size[1] / 2 - 3.5, z), (x + half, y + size[1] / 2 - 1, z + 0.3), shade(colour, 0.3))
        elif half:
            self.box((x - half, y - 0.8, z), (x + half, y + 0.8, z + 2.5), colour)

    def books(self, rng: np.random.Generator, low: Point, high: Point, full: float = 0.9) -> None:
        """A row of books of many colours in a box of air; ``full`` is the share of the width they fill."""
        (x, y, z0), end = low, low[0] + full * (high[0] - low[0])
        while x < end - 2:
            thick = min(float(rng.uniform(2.5, 6.5)), end - x)
            tall, deep = float(rng.uniform(0.6, 0.95)) * (high[1] - y), float(rng.uniform(0.6, 0.9)) * (high[2] - z0)
            self.box((x, y, z0), (x + thick, y + tall, z0 + deep), tone(rng, PAINTS, FABRICS))
            x += thick + 0.3

    def pillow(self, centre: Point, size: Point, colour: RGB, lean: float = -25.0) -> None:
        """A soft pillow of (width, height, thickness) that leans back by ``lean`` degrees."""
        (x, y, z), (width, height, thick) = centre, size
        with self.turned_by(lean, (x, y - height / 2, z)):
            low = (x - width / 2, y - height / 2, z - thick / 2)
            self.block(low, (x + width / 2, y + height / 2, z + thick / 2), colour, 0.4 * thick)
