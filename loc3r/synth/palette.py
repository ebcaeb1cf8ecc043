"""Every colour that a room can show, baked once and packed, so that a ray only looks up its place.

The palette is one flat array of RGBA values in 32 bits: the void, the sky behind the windows, both sides of
every lit furniture face, then the lit textures of floor, walls and ceiling with their smaller copies (mip
levels).
"""

from __future__ import annotations

from dataclasses import dataclass

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

SKY_START, SKY_STEPS = 1, 64
FACES_START = SKY_START + SKY_STEPS
MIP_LEVELS = 4
LIGHTMAP_M = 0.12
"""Spacing of the points at which light on the structure is computed."""


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


def bake(room: Room, stage: Stage, scene: EmbreeScene, normals: Floats) -> Palette:
    """Light the room and pack its colours. ``normals`` (F, 3) are the stage's face normals."""
    rng = np.random.default_rng([room.seed, 7])  # 7: apart from the layout's own streams
    lights = lighting.room_lights(room, rng)
    lightmaps = [lightmap(scene, surface, lights, rng) for surface in stage.surfaces]
    exposure = choose_exposure(lightmaps, rng)
    makers = choose_makers(room.room_kind, rng)
    faces = lit_faces(stage, scene, normals, lights, exposure)
    parts = [np.zeros(1, np.uint32), pack(sky(rng)), pack(faces).reshape(-1)]
    atlases, offset = [], FACES_START + parts[-1].size
    for surface, light in zip(stage.surfaces, lightmaps, strict=True):
        shape = (textures.texels(surface.size_m[1]), textures.texels(surface.size_m[0]))
        levels = mip_levels(makers[surface.role](shape, rng), light * exposure)
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
    return np.asarray(balance * rng.uniform(0.55, 0.9) / max(float(np.median(light)), 1e-3), np.float32)


def choose_makers(room_kind: str, rng: np.random.Generator) -> dict[str, textures.Maker]:
    """Which texture each role of surface gets in this room."""
    skirting = textures.pick((textures.WHITE, *textures.WOODS), rng)
    wall = textures.wall_maker(room_kind, rng)
    return {
        "floor": textures.floor_maker(room_kind, rng),
        "wall": lambda shape, generator: textures.baseboard(wall(shape, generator), skirting),
        "ceiling": lambda shape, generator: textures.ceiling(shape, generator, "office" in room_kind),
    }


def sky(rng: np.random.Generator) -> Colours:
    """From straight down to straight up, (SKY_STEPS, 3)."""
    ground, haze, zenith = np.array([[120, 130, 105], [238, 242, 240], [165, 205, 245]]) + rng.normal(0, 8, (3, 3))
    height = np.linspace(-1, 1, SKY_STEPS)[:, None]
    below = ground + (haze - ground) * np.clip(1 + 3 * height, 0, 1)
    above = haze + (zenith - haze) * np.clip(1.5 * height, 0, 1)
    return np.clip(np.where(height < 0, below, above), 0, 255).astype(np.uint8)


def lit_faces(
    stage: Stage, scene: EmbreeScene, normals: Floats, lights: tuple[lighting.Light, ...], exposure: Floats
) -> Colours:
    """Both sides of every face, (F, 2, 3): first the side that its normal points to."""
    centres = stage.triangles.mean(1)
    albedo = (stage.albedo / np.float32(255)) ** 2  # a display's curve, near enough
    sides = []
    for facing in (normals, -normals):
        light = lighting.fill(facing) + lighting.direct(scene, centres, facing, lights, soft=False)
        light += np.float32(0.5) * stage.is_lamp[:, None]
        sides.append(np.sqrt(np.clip(albedo * light * exposure, 0, 1)))
    return np.asarray(np.stack(sides, 1) * 255 + 0.5, np.uint8)


def lightmap(
    scene: EmbreeScene, surface: Surface, lights: tuple[lighting.Light, ...], rng: np.random.Generator
) -> Floats:
    """Light on a grid over a surface, (h, w, 3)."""
    wide, high = (max(2, round(length / LIGHTMAP_M)) for length in surface.size_m)
    edge = 0.03  # keeps the outermost points out of the neighbouring walls
    u = np.linspace(edge, surface.size_m[0] - edge, wide)
    v = np.linspace(edge, surface.size_m[1] - edge, high)[:, None]
    points = surface.origin + u[:, None] * surface.along + v[..., None] * surface.across
    points = points.reshape(-1, 3).astype(np.float32)
    normals = np.broadcast_to(surface.normal, points.shape)
    free = lighting.openness(scene, points, surface.normal, rng)[:, None]
    light = lighting.direct(scene, points, normals, lights, soft=True) + lighting.fill(normals) * free**1.5
    return np.asarray(light.reshape(high, wide, 3), np.float32)


def mip_levels(texture: textures.Image, light: Floats) -> list[Packed]:
    """The lit texture and ever smaller copies, each half as fine, (h, w) packed."""
    lit = np.sqrt(np.clip(texture * texture * textures.stretch(light, texture.shape[:2]), 0, 1)) * np.float32(255)
    levels = [pack((lit + 0.5).astype(np.uint8))]
    while len(levels) < MIP_LEVELS:
        lit = halve(lit) if min(lit.shape[:2]) >= 2 else lit
        levels.append(pack((lit + 0.5).astype(np.uint8)))
    return levels


def halve(image: Floats) -> Floats:
    """Mean of each 2x2 block, (H, W, C) -> (H // 2, W // 2, C)."""
    even = image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / np.float32(4)
