"""Procedural surfaces for the structure of a room: floors, walls and ceilings that a tracker can hold on to.

A texture is albedo in display (sRGB) values, (H, W, 3) float32 in [0, 1], ``TEXEL_M`` a texel; row 0 is the
bottom of a wall. All randomness comes from the generator passed in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Shape = tuple[int, int]

TEXEL_M = 0.015
"""Edge of a texel: about a pixel at 2 m in a 192-pixel image."""

WOODS = ((0.80, 0.66, 0.48), (0.70, 0.52, 0.34), (0.58, 0.40, 0.25), (0.44, 0.30, 0.20), (0.66, 0.60, 0.53))
STONES = ((0.86, 0.84, 0.80), (0.70, 0.68, 0.65), (0.55, 0.55, 0.56), (0.78, 0.70, 0.60), (0.42, 0.43, 0.46))
CARPETS = ((0.62, 0.57, 0.50), (0.45, 0.47, 0.50), (0.50, 0.36, 0.32), (0.36, 0.42, 0.52), (0.47, 0.50, 0.40))
PAINTS = (
    (0.93, 0.91, 0.87), (0.88, 0.84, 0.74), (0.82, 0.83, 0.84), (0.76, 0.82, 0.87), (0.78, 0.83, 0.74),
    (0.92, 0.86, 0.68), (0.90, 0.78, 0.74), (0.80, 0.72, 0.66),
)  # fmt: skip
ACCENTS = ((0.36, 0.45, 0.56), (0.55, 0.34, 0.28), (0.38, 0.48, 0.40), (0.66, 0.50, 0.34), (0.45, 0.40, 0.48))
WHITE = (0.95, 0.95, 0.93)


def texels(length_m: float) -> int:
    """How many texels span a length; at least one."""
    return max(1, round(length_m / TEXEL_M))


def stretch(grid: Image, shape: Shape) -> Image:
    """Bilinear enlargement of (h, w) or (h, w, C) to ``shape``; outermost values lie on the outermost places."""
    for axis, size in enumerate(shape):
        knots = grid.shape[axis]
        place = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size) * (knots - 1)
        left = np.minimum(place.astype(np.int64), max(knots - 2, 0))
        weight = (place - left).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(grid.ndim)])
        right = np.minimum(left + 1, knots - 1)
        grid = np.take(grid, left, axis) * (1 - weight) + np.take(grid, right, axis) * weight
    return grid


def noise(shape: Shape, cell_m: tuple[float, float], rng: np.random.Generator) -> Image:
    """Smooth noise (H, W) of about unit size whose blobs measure ``cell_m`` (rows, columns)."""
    knots = [max(2, round(n * TEXEL_M / c)) + 1 for n, c in zip(shape, cell_m, strict=True)]
    return stretch(rng.standard_normal(knots, np.float32), shape)


def speckle(shape: Shape, rng: np.random.Generator) -> Image:
    """White noise (H, W) of unit deviation."""
    return rng.standard_normal(shape, np.float32)


def pick(options: tuple[tuple[float, float, float], ...], rng: np.random.Generator) -> Image:
    """One of the colours, varied a little."""
    colour = np.array(options[int(rng.integers(len(options)))], np.float32)
    return np.asarray(colour + rng.normal(0, 0.02, 3), np.float32)


def tinted(colour: Image, tone: Image) -> Image:
    """A colour (3,) lightened and darkened by ``tone`` (H, W) around 0."""
    return np.asarray(np.clip(colour * (1 + tone[..., None]), 0, 1), np.float32)


def planks(shape: Shape, rng: np.random.Generator) -> Image:
    """Wooden boards of random length and tone, with grain."""
    wide, long = texels(rng.uniform(0.09, 0.2)), texels(rng.uniform(0.8, 1.8))
    row = np.arange(shape[0]) // wide
    shift = rng.integers(0, long, row[-1] + 1)[row]
    along = np.arange(shape[1])[None] + shift[:, None]
    board = along // long
    tones = rng.normal(0, 0.11, (row[-1] + 1, int(board.max()) + 1)).astype(np.float32)
    grain = 0.05 * noise(shape, (0.02, 0.4), rng) + 0.05 * noise(shape, (0.1, 1.0), rng) + 0.02 * speckle(shape, rng)
    tone = tones[row[:, None], board] + grain
    gap = (along % long == 0) | (np.arange(shape[0]) % wide == 0)[:, None]
    return tinted(pick(WOODS, rng), np.where(gap, tone - 0.3, tone))


def tiles(shape: Shape, rng: np.random.Generator, size_m: tuple[float, float] | None = None) -> Image:
    """Stone or ceramic tiles with grout; sometimes a chequerboard."""
    side = rng.uniform(0.2, 0.6)
    high, wide = (texels(s) for s in (size_m or (side, side)))
    row, column = np.arange(shape[0])[:, None], np.arange(shape[1])[None]
    tones = rng.normal(0, 0.05, (shape[0] // high + 1, shape[1] // wide + 1)).astype(np.float32)
    if rng.random() < 0.25:
        tones += np.where(np.indices(tones.shape).sum(0) % 2 == 0, 0.0, -0.4).astype(np.float32)
    tone = tones[row // high, column // wide] + 0.04 * noise(shape, (0.15, 0.2), rng) + 0.015 * speckle(shape, rng)
    grout = (row % high == 0) | (column % wide == 0)
    return tinted(pick(STONES, rng), np.where(grout, rng.choice([-0.3, 0.12]), tone).astype(np.float32))


def carpet(shape: Shape, rng: np.random.Generator) -> Image:
    """Fitted carpet: pile noise, worn patches and, sometimes, a woven grid."""
    tone = 0.09 * speckle(shape, rng) + 0.06 * noise(shape, (0.25, 0.25), rng) + 0.05 * noise(shape, (1, 1), rng)
    if rng.random() < 0.4:
        pitch = texels(rng.uniform(0.12, 0.5))
        row, column = np.arange(shape[0])[:, None] % pitch, np.arange(shape[1])[None] % pitch
        tone = tone + np.where((row < 2) | (column < 2), -0.15, 0).astype(np.float32)
    return tinted(pick(CARPETS, rng), tone)


def paint(shape: Shape, rng: np.random.Generator, colours: tuple[tuple[float, float, float], ...] = PAINTS) -> Image:
    """Rolled paint: faint roller texture and uneven patches."""
    tone = 0.02 * noise(shape, (0.5, 0.5), rng) + 0.025 * noise(shape, (0.09, 0.06), rng) + 0.01 * speckle(shape, rng)
    return tinted(pick(colours, rng), tone)


def wallpaper(shape: Shape, rng: np.random.Generator) -> Image:
    """Stripes or a repeated motif over paint."""
    base = paint(shape, rng)
    pitch = rng.uniform(0.12, 0.4)
    row, column = (np.arange(n) * TEXEL_M * 2 * np.pi / pitch for n in shape)
    if rng.random() < 0.5:
        pattern = np.broadcast_to(np.sign(np.sin(column))[None], shape)
    else:
        turn = np.sin(row)[:, None] + np.sin(column + np.sin(row / 2)[:, None])
        pattern = np.where(turn > 0.7, 1.0, np.where(turn < -0.9, -1.0, 0.0))
    mark = pick(ACCENTS + PAINTS, rng)
    share = (0.14 + 0.1 * rng.random()) * (pattern[..., None] + 1) / 2
    return np.asarray(base * (1 - share) + mark * share, np.float32)


def brick(shape: Shape, rng: np.random.Generator) -> Image:
    """Bricks in running bond, red or painted white."""
    high, wide = texels(0.075), texels(0.23)
    course = np.arange(shape[0]) // high
    along = np.arange(shape[1])[None] + (course % 2 * (wide // 2))[:, None]
    tones = rng.normal(0, 0.14, (course[-1] + 1, shape[1] // wide + 2)).astype(np.float32)
    tone = tones[course[:, None], along // wide] + 0.05 * speckle(shape, rng)
    joint = (np.arange(shape[0]) % high == 0)[:, None] | (along % wide == 0)
    if rng.random() < 0.5:
        return tinted(pick((WHITE,), rng), np.where(joint, -0.2, tone * 0.4 - 0.03).astype(np.float32))
    wall = tinted(pick(((0.60, 0.34, 0.26), (0.66, 0.45, 0.34)), rng), tone)
    wall[joint] = (0.72, 0.69, 0.65)
    return wall


def panelled(shape: Shape, rng: np.random.Generator) -> Image:
    """Paint above, boards with a rail below."""
    wall = paint(shape, rng)
    height, pitch = min(texels(rng.uniform(0.8, 1.2)), shape[0]), texels(rng.uniform(0.1, 0.3))
    boards = tinted(pick((WHITE, *WOODS), rng), 0.015 * speckle((height, shape[1]), rng))
    boards[:, np.arange(shape[1]) % pitch == 0] *= 0.72
    boards[-3:] *= np.array([0.75, 1.06, 1.06], np.float32)[-len(boards) :, None, None]
    wall[:height] = np.clip(boards, 0, 1)
    return wall


def half_tiled(shape: Shape, rng: np.random.Generator) -> Image:
    """Tiles to shoulder height or to the ceiling, paint above: kitchens and bathrooms."""
    size = (rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.4))
    height = min(texels(rng.choice([1.3, 2.0, 3.0])), shape[0])
    wall = paint(shape, rng)
    wall[:height] = tiles((height, shape[1]), rng, size)
    return wall


def baseboard(wall: Image, colour: Image) -> Image:
    """The wall with a skirting board of that colour along the floor, in place."""
    height = texels(0.09)
    wall[:height] = colour
    wall[height - 1 : height] = colour * 0.7
    return wall


def ceiling(shape: Shape, rng: np.random.Generator, office: bool) -> Image:
    """White plaster, or the tiles of a suspended ceiling."""
    if office and rng.random() < 0.7:
        grid = texels(0.6)
        lines = (np.arange(shape[0])[:, None] % grid < 2) | (np.arange(shape[1])[None] % grid < 2)
        tone = 0.02 * noise(shape, (0.3, 0.3), rng) - 0.12 * (rng.random(shape, np.float32) < 0.06)
        return tinted(pick((WHITE,), rng), np.where(lines, -0.22, tone).astype(np.float32))
    tone = 0.02 * noise(shape, (0.6, 0.6), rng) + 0.03 * noise(shape, (0.07, 0.07), rng) + 0.012 * speckle(shape, rng)
    return tinted(pick((WHITE,), rng), tone)


Maker = Callable[[Shape, np.random.Generator], Image]


def floor_maker(room_kind: str, rng: np.random.Generator) -> Maker:
    """A floor that suits the room: tiles where it gets wet, else boards, carpet or tiles."""
    if "bath" in room_kind:
        return tiles
    options: tuple[Maker, ...] = (planks, tiles) if "kitchen" in room_kind else (planks, planks, carpet, tiles)
    return options[int(rng.integers(len(options)))]


def wall_maker(room_kind: str, rng: np.random.Generator) -> Maker:
    """A wall that suits the room."""
    if "bath" in room_kind or ("kitchen" in room_kind and rng.random() < 0.6):
        return half_tiled
    options: tuple[Maker, ...] = (paint, paint, wallpaper, wallpaper, panelled, brick)
    return options[int(rng.integers(len(options)))]


def accent(shape: Shape, rng: np.random.Generator) -> Image:
    """One wall in a stronger colour."""
    return paint(shape, rng, ACCENTS)
