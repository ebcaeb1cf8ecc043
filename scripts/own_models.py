"""Simple models of common things that the catalogue lacks: pictures, mirrors, rugs, monitors, lamps, clocks.

Ours, given away as CC0. They are built in the catalogue's axes (x across, y up, z towards the front), in
centimetres, from boxes and turned profiles with small procedural textures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from wavefront import Floats, Material, Model

RGB = tuple[float, float, float]
Painting = NDArray[np.float64]

WOOD, DARK_WOOD, PALE_WOOD = (0.55, 0.36, 0.2), (0.3, 0.18, 0.1), (0.8, 0.66, 0.46)
BLACK, WHITE, GRAY, STEEL = (0.08, 0.08, 0.09), (0.94, 0.94, 0.92), (0.5, 0.5, 0.5), (0.72, 0.73, 0.75)
RED, BLUE, GREEN, GOLD = (0.7, 0.12, 0.12), (0.16, 0.28, 0.6), (0.2, 0.45, 0.25), (0.8, 0.62, 0.25)
BEIGE, ORANGE, YELLOW, PURPLE = (0.86, 0.78, 0.64), (0.9, 0.5, 0.15), (0.93, 0.82, 0.3), (0.42, 0.25, 0.5)


@dataclass
class Builder:
    """Collects triangles and their materials into a ``Model``."""

    vertices: list[Floats] = field(default_factory=list)
    uv: list[Floats] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def material(self, colour: RGB, texture: Painting | None = None) -> int:
        """A new material; the texture is (H, W, 3) in [0, 1]."""
        image = None
        if texture is not None:
            rgba = np.concatenate([texture, np.ones((*texture.shape[:2], 1))], -1)
            image = np.asarray(np.clip(rgba, 0, 1) * 255, np.uint8)
        self.materials.append(Material(np.array(colour), 1.0, image))
        return len(self.materials) - 1

    def quad(self, a: Floats, b: Floats, c: Floats, d: Floats, material: int) -> None:
        """A rectangle from its lower left corner, counter-clockwise as seen from outside.

        It has a cell for each texel, so that a small texture survives being baked into face colours.
        """
        texture = self.materials[material].texture
        rows, columns = texture.shape[:2] if texture is not None else (1, 1)
        for i in range(rows):
            for j in range(columns):
                uv = np.array([[j, i], [j + 1, i], [j + 1, i + 1], [j, i + 1]]) / (columns, rows)
                corners = a + uv[:, :1] * (b - a) + uv[:, 1:] * (d - a)
                for triangle in ([0, 1, 2], [0, 2, 3]):
                    self.vertices.append(corners[triangle])
                    self.uv.append(uv[triangle])
                    self.owner.append(material)

    def box(
        self, low: tuple[float, float, float], high: tuple[float, float, float], colour: RGB, face: int = -1
    ) -> None:
        """A box; ``face`` is another material for its front (z) side."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        plain = self.material(colour)
        p = {
            (i, j, k): np.array([(x0, x1)[i], (y0, y1)[j], (z0, z1)[k]]) for i in (0, 1) for j in (0, 1) for k in (0, 1)
        }
        self.quad(p[0, 0, 1], p[1, 0, 1], p[1, 1, 1], p[0, 1, 1], plain if face < 0 else face)
        self.quad(p[1, 0, 0], p[0, 0, 0], p[0, 1, 0], p[1, 1, 0], plain)
        self.quad(p[0, 1, 1], p[1, 1, 1], p[1, 1, 0], p[0, 1, 0], plain)
        self.quad(p[0, 0, 0], p[1, 0, 0], p[1, 0, 1], p[0, 0, 1], plain)
        self.quad(p[1, 0, 1], p[1, 0, 0], p[1, 1, 0], p[1, 1, 1], plain)
        self.quad(p[0, 0, 0], p[0, 0, 1], p[0, 1, 1], p[0, 1, 0], plain)

    def turned(self, profile: list[tuple[float, float]], colour: RGB, sides: int = 14) -> None:
        """A profile of (radius, height) turned about the y axis."""
        material = self.material(colour)
        angles = np.arange(sides + 1) * 2 * np.pi / sides
        rings = [np.stack([r * np.cos(angles), np.full(sides + 1, y), -r * np.sin(angles)], 1) for r, y in profile]
        for lower, upper in pairwise(rings):
            for i in range(sides):
                self.quad(lower[i], lower[i + 1], upper[i + 1], upper[i], material)

    def model(self) -> Model:
        """What was collected."""
        vertices = np.concatenate(self.vertices)
        faces = np.arange(len(vertices)).reshape(-1, 3)
        return Model(vertices, faces, np.stack(self.uv), np.array(self.owner), self.materials)


def landscape(rng: np.random.Generator) -> Painting:
    """Sky, hills one behind another, perhaps a sun."""
    image = np.linspace([0.95, 0.75, 0.55], [0.35, 0.55, 0.85], 64)[::-1, None] * np.ones((1, 96, 1))
    x, row = np.linspace(0, 6, 96), np.arange(64)[:, None]
    if rng.random() < 0.6:
        sun = (np.arange(96) - rng.integers(15, 80)) ** 2 + (row - 18) ** 2 < 50
        image[sun] = (1.0, 0.9, 0.55)
    for level in (30, 40, 50):
        ridge = (
            level + 6 * np.sin(x * rng.uniform(0.6, 1.6) + rng.uniform(0, 6)) + 2 * np.sin(3 * x + rng.uniform(0, 6))
        )
        image[row > ridge[None]] = rng.uniform(0.08, 0.55, 3) * (0.6, 1.0, 0.6)
    return image


def abstract(rng: np.random.Generator) -> Painting:
    """Coloured rectangles with black lines between them."""
    image = np.full((22, 22, 3), 0.93)
    colours = np.array([RED, BLUE, YELLOW, WHITE, WHITE, GREEN, ORANGE])
    rows, columns = (np.sort(rng.choice(np.arange(2, 20, 3), 4, replace=False)) for _ in range(2))
    for top, bottom in pairwise([0, *rows, 22]):
        for left, right in pairwise([0, *columns, 22]):
            image[top:bottom, left:right] = colours[rng.integers(len(colours))]
            image[top, left:right] = image[top:bottom, left] = 0.05
    return image


def rings(first: RGB, second: RGB, third: RGB) -> Painting:
    """A bordered carpet with a diamond field."""
    row, column = np.abs(np.linspace(-1, 1, 24))[:, None], np.abs(np.linspace(-1, 1, 32))[None]
    edge = np.maximum(row, column)[..., None]
    diamond = ((row * 3 + column * 3) % 2 < 1)[..., None]
    field_ = np.where(diamond, first, second)
    return np.where(edge > 0.93, first, np.where(edge > 0.8, third, np.where(edge > 0.72, second, field_)))


def stripes(*colours: RGB) -> Painting:
    """Stripes along the width."""
    return np.array(colours * 3)[:, None] * np.ones((1, 2, 1))


def desktop(rng: np.random.Generator) -> Painting:
    """A computer screen with two windows on it."""
    image = np.full((14, 20, 3), rng.uniform(0.1, 0.6, 3))
    image[2:10, 1:11], image[2, 1:11] = 0.95, (0.3, 0.45, 0.75)
    image[4:9:2, 2:9] = 0.45
    image[5:12, 12:19] = (0.15, 0.17, 0.2)
    return image


def framed(width: float, height: float, frame: RGB, canvas: Painting) -> Model:
    """A picture or mirror of that size in a frame."""
    build, bar = Builder(), max(2.0, width * 0.05)
    build.box((bar, bar, 0), (width - bar, height - bar, 1.5), WHITE, build.material(WHITE, canvas))
    for low, high in (
        ((0, 0), (width, bar)), ((0, height - bar), (width, height)),
        ((0, bar), (bar, height - bar)), ((width - bar, bar), (width, height - bar)),
    ):  # fmt: skip
        build.box((*low, 0), (*high, 3), frame)
    return build.model()


def mirror(width: float, height: float, frame: RGB) -> Model:
    """A mirror: what it shows is a pale slanting sheen."""
    row, column = np.linspace(0, 1, 16)[:, None], np.linspace(0, 1, 16)[None]
    sheen = 0.1 * (np.sin(9 * (row + 0.7 * column)) > 0.7) + 0.08 * row
    return framed(width, height, frame, np.array([0.72, 0.8, 0.86]) + sheen[..., None])


def rug(width: float, depth: float, pattern: Painting) -> Model:
    """A rug that lies on the floor."""
    build = Builder()
    a, b = np.array([0, 1.0, depth]), np.array([width, 1.0, depth])
    c, d = np.array([width, 1.0, 0]), np.array([0, 1.0, 0])
    build.box((0, 0, 0), (width, 0.98, depth), tuple(pattern[0, 0]))
    build.quad(a, b, c, d, build.material(WHITE, pattern))
    return build.model()


def monitor(width: float, height: float, body: RGB, screen: Painting | None) -> Model:
    """A flat screen on a foot."""
    build = Builder()
    show = build.material((0.06, 0.07, 0.09), screen)
    build.box((0, 12, 8), (width, 12 + height, 11), body)
    build.box((1.5, 13.5, 10.5), (width - 1.5, 10.5 + height, 11.2), body, show)
    build.box((width / 2 - 3, 1, 6), (width / 2 + 3, 12 + height / 2, 8.5), body)
    build.box((width / 2 - 12, 0, 0), (width / 2 + 12, 1.5, 18), body)
    return build.model()


def floor_lamp(height: float, shade: RGB, pole: RGB, radius: float, flare: float) -> Model:
    """A foot, a pole and a shade."""
    build = Builder()
    build.turned([(0.1, 0), (15, 0), (14, 2.5), (1.6, 4), (1.4, height - 20)], pole)
    build.turned([(radius, height - 32), (radius * flare, height), (0.1, height)], shade)
    build.turned([(radius - 0.8, height - 31.5), (radius * flare - 0.8, height - 0.5)], shade)
    return build.model()


def nightstand(width: float, height: float, body: RGB, front: RGB, drawers: int) -> Model:
    """A small chest of drawers on short legs."""
    build, depth = Builder(), width * 0.85
    for x in (1, width - 4):
        for z in (1, depth - 4):
            build.box((x, 0, z), (x + 3, 10, z + 3), body)
    build.box((0, 10, 0), (width, height, depth), body)
    step = (height - 14) / drawers
    for i in range(drawers):
        build.box((2, 12 + i * step, depth), (width - 2, 10.5 + (i + 1) * step, depth + 1), front)
        build.box(
            (width / 2 - 4, 11 + (i + 0.5) * step, depth + 1),
            (width / 2 + 4, 12.5 + (i + 0.5) * step, depth + 3),
            STEEL,
        )
    return build.model()


def clock(radius: float, rim: RGB, face: RGB, hands: RGB) -> Model:
    """A round wall clock at ten past ten."""
    build = Builder()
    build.turned([(0.1, 0), (radius, 0), (radius, 4), (radius * 0.9, 4)], rim, 24)
    build.turned([(radius * 0.9, 3.5), (0.1, 3.5)], face, 24)
    model = build.model()
    model.vertices = model.vertices[:, [0, 2, 1]] * (1, -1, 1)  # from lying on the floor to facing the room
    standing = Builder(list(model.vertices.reshape(-1, 3, 3)), list(model.uv), list(model.material), model.materials)
    for hour in range(12):
        x, y = 0.78 * radius * np.sin(hour * np.pi / 6), 0.78 * radius * np.cos(hour * np.pi / 6)
        standing.box((x - 0.7, y - 0.7, 3.5), (x + 0.7, y + 0.7, 4), hands)
    for turn, length in ((-np.pi / 3, 0.45), (np.pi / 3, 0.65)):
        tip, side = (
            radius * length * np.array([np.sin(turn), np.cos(turn), 0]),
            0.7 * np.array([np.cos(turn), -np.sin(turn), 0]),
        )
        lift, ink = np.array([0, 0, 4.2]), standing.material(hands)
        standing.quad(lift - side, lift + side, tip + lift + side, tip + lift - side, ink)
    return standing.model()


def _pictures() -> dict[str, Model]:
    frames = (BLACK, WOOD, WHITE, GOLD, DARK_WOOD, PALE_WOOD)
    models = {}
    for number in range(10):
        rng = np.random.default_rng(number)
        wide = 40 + 10 * (number % 5)
        paint = landscape if number % 2 == 0 else abstract
        models[f"picture{number + 1}"] = framed(wide, wide * (0.7, 1.0)[number % 2], frames[number % 6], paint(rng))
    return models


OWN: dict[str, Callable[[], dict[str, Model]]] = {
    "picture": _pictures,
    "mirror": lambda: {
        "mirror1": mirror(50, 70, WOOD), "mirror2": mirror(60, 60, WHITE), "mirror3": mirror(45, 120, BLACK),
        "mirror4": mirror(80, 60, GOLD), "mirror5": mirror(55, 90, STEEL),
    },
    "rug": lambda: {
        "rug1": rug(230, 160, rings(RED, BEIGE, BLUE)), "rug2": rug(200, 140, rings(BLUE, WHITE, GRAY)),
        "rug3": rug(240, 170, stripes(BEIGE, GRAY, WHITE)), "rug4": rug(180, 120, stripes(GREEN, BEIGE)),
        "rug5": rug(200, 140, rings(GRAY, BLACK, WHITE)), "rug6": rug(160, 160, rings(PURPLE, BEIGE, GOLD)),
        "rug7": rug(220, 150, stripes(ORANGE, RED, BEIGE)), "rug8": rug(200, 200, rings(GREEN, GOLD, BEIGE)),
    },
    "monitor": lambda: {
        "monitor1": monitor(54, 32, BLACK, None), "monitor2": monitor(61, 36, BLACK, desktop(np.random.default_rng(1))),
        "monitor3": monitor(48, 38, WHITE, desktop(np.random.default_rng(2))), "monitor4": monitor(54, 32, GRAY, None),
        "monitor5": monitor(70, 32, BLACK, desktop(np.random.default_rng(3))),
    },
    "floor lamp": lambda: {
        "floor_lamp1": floor_lamp(160, BEIGE, BLACK, 22, 0.7), "floor_lamp2": floor_lamp(150, WHITE, STEEL, 19, 1.0),
        "floor_lamp3": floor_lamp(170, BLACK, BLACK, 24, 0.55), "floor_lamp4": floor_lamp(155, BLUE, GOLD, 20, 0.8),
        "floor_lamp5": floor_lamp(165, YELLOW, WOOD, 23, 0.65), "floor_lamp6": floor_lamp(145, GREEN, STEEL, 18, 0.9),
    },
    "nightstand": lambda: {
        "nightstand1": nightstand(45, 50, WOOD, WOOD, 2), "nightstand2": nightstand(40, 55, WHITE, WHITE, 3),
        "nightstand3": nightstand(50, 48, DARK_WOOD, DARK_WOOD, 1),
        "nightstand4": nightstand(42, 52, WHITE, PALE_WOOD, 2),
        "nightstand5": nightstand(48, 60, BLACK, GRAY, 2), "nightstand6": nightstand(46, 50, BLUE, WHITE, 2),
    },
    "clock": lambda: {
        "clock1": clock(15, BLACK, WHITE, BLACK), "clock2": clock(18, WOOD, BEIGE, BLACK),
        "clock3": clock(14, RED, WHITE, BLACK), "clock4": clock(16, STEEL, BLACK, WHITE),
        "clock5": clock(20, WHITE, BLUE, WHITE),
    },
}  # fmt: skip
"""Models by variant of class, made when asked for."""

ELEVATION_CM = {"picture": 130.0, "mirror": 95.0, "clock": 175.0}
