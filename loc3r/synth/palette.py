"""Every colour that a room can show, baked once and packed, so that a ray only looks up its place.

The palette is one flat array of RGBA values in 32 bits: the void, the sky behind the windows, both sides of
every lit furniture face, then the lit textures of floor, walls and ceiling with their smaller copies (mip
levels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from loc3r.synth import lighting, textures
from loc3r.synth.room import Room
from loc3r.synth.stage import Stage, Surface

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]
Colours = NDArray[np.uint8]
Packed = NDArray[np.uint32]

SKY_START, SKY_STEPS = 1, 512
FACES_START = SKY_START + SKY_STEPS
MIP_LEVELS = 4
LIGHTMAP_M = 0.12
"""Spacing of the points at which light on the structure is computed."""

LARGE_M = 0.1
"""Faces that reach further than this from their middle get soft light."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """Where a surface's texture lies in the palette, per mip level: (MIP_LEVELS,) each."""

    start: Indices
    rows: Indices
    columns: Indices


@dataclass(frozen=True, eq=False)
class Palette:
    """The packed colours and where the textures of each surface begin among them."""

    colours: Packed
    atlases: tuple[Atlas, ...]

    def typical(self) -> Colours:
        """One colour per surface, (S, 3): the middle of its coarsest copy."""
        middle = [int(a.start[-1] + (a.rows[-1] // 2) * a.columns[-1] + a.columns[-1] // 2) for a in self.atlases]
        return unpack(self.colours[middle])


def pack(rgb: Colours) -> Packed:
    """RGB (..., 3) uint8 -> (...) uint32, so that one look-up fetches all channels."""
    rgba = np.concatenate([rgb, np.full((*rgb.shape[:-1], 1), 255, np.uint8)], -1)
    return np.ascontiguousarray(rgba).view(np.uint32)[..., 0]


def unpack(colours: Packed) -> Colours:
    """The inverse of ``pack``: (...) uint32 -> (..., 3) uint8."""
    return np.ascontiguousarray(colours)[..., None].view(np.uint8)[..., :3]


def mix(colours: Packed) -> Colours:
    """The mean of packed colours over the last axis (at most 256 of them), (N, K) -> (N, 3) uint8.

    Two channels are summed at once, in the halves of 32 bits: that is four times as fast as unpacked.
    """
    count = colours.shape[-1]
    mean = np.empty((len(colours), 4), np.uint8)
    for channel in (0, 1):
        total = sum((colours[:, k] >> np.uint32(8 * channel)) & np.uint32(0x00FF00FF) for k in range(count))
        halves = np.asarray(total, np.uint32).view(np.uint16).reshape(-1, 2)
        mean[:, channel::2] = (halves + np.uint16(count // 2)) // np.uint16(count)
    return mean[:, :3]


def developed(light: Floats) -> Colours:
    """Light at the sensor (..., 3), 1 = white paper well lit, as display values: soft highlights, sRGB-like."""
    toned = light * (1 + light * np.float32(0.16)) / (1 + light)  # reaches white at 2.5
    return np.asarray(np.sqrt(np.clip(toned, 0, 1)) * np.float32(255) + np.float32(0.5), np.uint8)


def bake(room: Room, stage: Stage, scene: EmbreeScene, normals: Floats) -> Palette:
    """Light the room and pack its colours. ``normals`` (F, 3) are the stage's face normals."""
    rng = np.random.default_rng([room.seed, 7])  # 7: apart from the layout's own streams
    lights = lighting.room_lights(room, rng)
    lightmaps = [lightmap(scene, surface, lights, rng) for surface in stage.surfaces]
    exposure = choose_exposure(lightmaps, rng)
    makers = choose_makers(room, stage, rng)
    faces = lit_faces(stage, scene, normals, lights, exposure)
    parts = [np.zeros(1, np.uint32), pack(sky(rng)), pack(faces).reshape(-1)]
    atlases, offset = [], FACES_START + parts[-1].size
    for make, surface, light in zip(makers, stage.surfaces, lightmaps, strict=True):
        shape = (textures.texels(surface.size_m[1]), textures.texels(surface.size_m[0]))
        levels = mip_levels(make(shape), light * exposure)
        sizes = np.array([level.shape for level in levels])
        areas = sizes.prod(1)
        atlases.append(Atlas(offset + np.cumsum(areas) - areas, sizes[:, 0], sizes[:, 1]))
        parts += [level.reshape(-1) for level in levels]
        offset += int(areas.sum())
    return Palette(np.concatenate(parts), tuple(atlases))


def choose_exposure(lightmaps: list[Floats], rng: np.random.Generator) -> Floats:
    """Gain per channel (3,): the room's median light becomes a normal picture, with a camera's own tint."""
    balance = np.exp(rng.normal(0, [0.03, 0.01, 0.04]))
    light = np.concatenate([m.reshape(-1) for m in lightmaps] or [np.ones(1, np.float32)])
    return np.asarray(balance * rng.uniform(0.7, 1.25) / max(float(np.median(light)), 1e-3), np.float32)


def choose_makers(
    room: Room, stage: Stage, rng: np.random.Generator
) -> list[Callable[[tuple[int, int]], textures.Image]]:
    """What makes the texture of each surface (S,): all walls alike, sometimes but for one."""
    skirting = textures.pick((textures.WHITE, *textures.WOODS), rng)
    finish = textures.wall_maker(room.room_kind, rng)
    seeds = {"floor": 0, "wall": 1, "ceiling": 2}
    walls = [i for i, surface in enumerate(stage.surfaces) if surface.role == "wall"]
    accented = int(rng.choice(walls)) if walls and rng.random() < 0.35 else -1

    def make(index: int, role: str, shape: tuple[int, int]) -> textures.Image:
        own = np.random.default_rng([room.seed, 8, seeds[role]])
        if role == "floor":
            return textures.floor_maker(room.room_kind, own)(shape, own)
        if role == "ceiling":
            return textures.ceiling(shape, own, "office" in room.room_kind)
        return textures.baseboard((textures.accent if index == accented else finish)(shape, own), skirting)

    return [partial(make, index, surface.role) for index, surface in enumerate(stage.surfaces)]


def sky(rng: np.random.Generator) -> Colours:
    """From straight down to straight up, (SKY_STEPS, 3)."""
    ground, haze, zenith = np.array([[120, 130, 105], [238, 242, 240], [165, 205, 245]]) + rng.normal(0, 4, (3, 3))
    height = np.linspace(-1, 1, SKY_STEPS)[:, None]
    below = ground + (haze - ground) * np.clip(1 + 3 * height, 0, 1)
    above = haze + (zenith - haze) * np.clip(1.5 * height, 0, 1)
    return np.asarray(np.clip(np.where(height < 0, below, above), 0, 255), np.uint8)


def lit_faces(
    stage: Stage, scene: EmbreeScene, normals: Floats, lights: tuple[lighting.Light, ...], exposure: Floats
) -> Colours:
    """Both sides of every face, (F, 2, 3): first the side that its normal points to."""
    centres = stage.triangles.mean(1)
    albedo = (0.05 + stage.albedo.astype(np.float32) * (0.87 / 255)) ** 2  # nothing real is quite black, white or pure
    spread = stage.triangles - centres[:, None]
    large = np.flatnonzero(np.abs(spread).max((1, 2)) > LARGE_M)
    sides = []
    for facing in (normals, -normals):
        direct = lighting.direct(scene, centres, facing, lights)
        soft = [
            lighting.direct(
                scene, centres[large] + np.float32(0.6) * spread[large, k], facing[large], lights, spots=(k,)
            )
            for k in range(3)
        ]
        direct[large] = np.mean(soft, axis=0)  # a hard shadow across a table top would show its triangles
        light = direct + lighting.fill(facing) + np.float32(0.5) * stage.is_lamp[:, None]
        sides.append(developed(np.asarray(albedo * light * exposure, np.float32)))
    return np.stack(sides, 1)


def lightmap(
    scene: EmbreeScene, surface: Surface, lights: tuple[lighting.Light, ...], rng: np.random.Generator
) -> Floats:
    """Light on a grid over a surface, (h, w, 3)."""
    wide, high = (max(2, round(length / LIGHTMAP_M)) for length in surface.size_m)
    edge = 0.03  # keeps the outermost points out of the neighbouring walls
    u = np.linspace(edge, surface.size_m[0] - edge, wide)
    v = np.linspace(edge, surface.size_m[1] - edge, high)[:, None]
    grid = surface.origin + u[:, None] * surface.along + v[..., None] * surface.across
    points = np.asarray(grid.reshape(-1, 3), np.float32)
    normals = np.tile(surface.normal, (len(points), 1))
    free = lighting.openness(scene, points, surface.normal, rng)[:, None]
    light = lighting.direct(scene, points, normals, lights, spots=(0, 1, 2, 3)) + lighting.fill(normals) * free**1.5
    return np.asarray(light.reshape(high, wide, 3), np.float32)


def mip_levels(texture: textures.Image, light: Floats) -> list[Packed]:
    """The lit texture and ever smaller copies, each half as fine, (h, w) packed."""
    lit = texture * texture * textures.stretch(light, texture.shape[:2])
    levels = [pack(developed(lit))]
    while len(levels) < MIP_LEVELS:
        lit = halve(lit) if min(lit.shape[:2]) >= 2 else lit
        levels.append(pack(developed(lit)))
    return levels


def halve(image: Floats) -> Floats:
    """Mean of each 2x2 block, (H, W, C) -> (H // 2, W // 2, C)."""
    even = image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2]
    return np.asarray((even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4, np.float32)
