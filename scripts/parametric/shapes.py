"""Round and slanting shapes for smaller things, on top of ``parts``, and colours that furniture seldom has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from own_models import RGB
from wavefront import Floats, Material, Model

from parametric.parts import Parts, Point

Maker = Callable[[np.random.Generator], Model]
Profile = Sequence[tuple[float, float]]

STEELS: tuple[RGB, ...] = ((0.72, 0.73, 0.75), (0.6, 0.61, 0.63), (0.82, 0.83, 0.84), (0.48, 0.48, 0.5))
BRASSES: tuple[RGB, ...] = ((0.78, 0.6, 0.25), (0.6, 0.44, 0.2), (0.72, 0.45, 0.3), (0.35, 0.25, 0.15))
BRIGHTS: tuple[RGB, ...] = (
    (0.72, 0.12, 0.12), (0.16, 0.28, 0.62), (0.2, 0.47, 0.26), (0.92, 0.8, 0.25), (0.9, 0.5, 0.15), (0.45, 0.25, 0.52),
    (0.9, 0.55, 0.65), (0.3, 0.65, 0.68), (0.55, 0.75, 0.3),
)  # fmt: skip
CLAYS: tuple[RGB, ...] = (
    (0.7, 0.4, 0.26),
    (0.82, 0.76, 0.66),
    (0.3, 0.28, 0.27),
    (0.92, 0.91, 0.88),
    (0.35, 0.45, 0.5),
)
LEAVES: tuple[RGB, ...] = (
    (0.2, 0.42, 0.18),
    (0.3, 0.52, 0.22),
    (0.16, 0.34, 0.2),
    (0.42, 0.55, 0.28),
    (0.25, 0.45, 0.3),
)
GLASS: RGB = (0.74, 0.82, 0.84)
DARK_GLASS: RGB = (0.08, 0.09, 0.11)
TO_FRONT: Floats = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Turns what is built upwards to the front: y becomes z."""


def spin(degrees: float, axis: int = 1) -> Floats:
    """The rotation (3, 3) about an axis: 0 is x, 1 is y, 2 is z."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix, (i, j) = np.eye(3), ((axis + 1) % 3, (axis + 2) % 3)
    matrix[i, i] = matrix[j, j] = cos
    matrix[i, j], matrix[j, i] = -sin, sin
    return matrix


def ring(rx: float, rz: float, y: float, x: float = 0, z: float = 0, power: float = 2, sides: int = 14) -> Floats:
    """A level superellipse (sides, 3): power 2 is an ellipse, 6 a rectangle with round corners."""
    angles = (np.arange(sides) + 0.5) * 2 * np.pi / sides
    cos, sin = (np.sign(v) * np.abs(v) ** (2 / power) for v in (np.cos(angles), -np.sin(angles)))
    return np.stack([x + rx * cos, np.full(sides, y), z + rz * sin], 1)


class Sculptor(Parts):
    """A ``Parts`` with more shapes; those that are turned or lofted about y start at x = z = 0."""

    def clear(self, colour: RGB = GLASS) -> int:
        """A transparent material: window panes."""
        self.materials.append(Material(np.array(colour), 0.3))
        return len(self.materials) - 1

    def polygon(self, corners: Sequence[Point] | Floats, colour: RGB) -> None:
        """A flat convex piece."""
        self.face(list(np.asarray(corners, float)), self.material(colour))

    def shell(self, rings: Sequence[Floats], colour: RGB) -> None:
        """A skin over rings as ``loft`` makes, open at both ends."""
        skin = self.material(colour)
        for lower, upper in pairwise(rings):
            for i, j in pairwise([*range(len(lower)), 0]):
                self.face([lower[i], lower[j], upper[j], upper[i]], skin)

    def turning(self, profile: Profile, colour: RGB, sides: int = 14, closed: bool = True) -> None:
        """A profile of (radius, height) turned about the y axis, its ends closed or open."""
        rings = [ring(max(radius, 0.01), max(radius, 0.01), y, sides=sides) for radius, y in profile]
        (self.loft if closed else self.shell)(rings, colour)

    def ball(self, centre: Point, radii: Point | float, colour: RGB, sides: int = 10) -> None:
        """An ellipsoid."""
        rx, ry, rz = (radii,) * 3 if isinstance(radii, int | float) else radii
        rings = [
            ring(max(rx * np.cos(t), 0.01), max(rz * np.cos(t), 0.01), ry * np.sin(t), sides=sides) + centre
            for t in np.linspace(-np.pi / 2, np.pi / 2, sides // 2 + 2)
        ]
        self.loft(rings, colour)

    def slab(self, low: Point, high: Point, colour: RGB, bevel: float = 0, power: float = 6, sides: int = 20) -> None:
        """A block with round upright edges, and a bevel at its top and bottom."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        rx, rz, x, z = (x1 - x0) / 2, (z1 - z0) / 2, (x0 + x1) / 2, (z0 + z1) / 2
        steps = [(bevel, y0), (0, y0 + bevel), (0, y1 - bevel), (bevel, y1)] if bevel else [(0, y0), (0, y1)]
        self.loft([ring(rx - inset, rz - inset, y, x, z, power, sides) for inset, y in steps], colour)

    def disc(self, x: float, y: float, z: float, radius: float, thick: float, colour: RGB, sides: int = 12) -> None:
        """A knob or dial: a short round bar from ``z`` to the front."""
        self.tube((x, y, z), (x, y, z + thick), radius, colour, sides=sides)

    def leaf(self, base: Point, tip: Point, width: float, colour: RGB, sag: float = 0.0) -> None:
        """A pointed leaf of two folded halves; ``sag`` lifts its middle above the straight line."""
        a, b = np.array(base, float), np.array(tip, float)
        middle = a + 0.45 * (b - a) + (0, sag, 0)
        across = np.cross(b - a, (0, 1, 0.01))
        across *= width / 2 / max(float(np.linalg.norm(across)), 1e-9)
        edge = (0, 0.25 * width, 0)
        for side, tint in ((across, 1.0), (-across, 0.85)):
            self.polygon(np.stack([a, middle + side + edge, b]), (colour[0] * tint, colour[1] * tint, colour[2] * tint))
            self.polygon(np.stack([a, middle, middle + side + edge]), colour)

    @contextmanager
    def at(self, x: float = 0, y: float = 0, z: float = 0, turn: Floats | None = None) -> Iterator[None]:
        """What is built inside is turned by a (3, 3) matrix and then moved."""
        start = len(self.vertices)
        yield
        matrix = np.eye(3) if turn is None else turn
        self.vertices[start:] = [corners @ matrix.T + (x, y, z) for corners in self.vertices[start:]]
