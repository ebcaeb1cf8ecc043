"""Draw the video of a room: colour, depth and instance ids along its walk.

All that does not depend on the camera is baked once per room into a palette (``palette.py``). One ray is cast
per pixel with Embree; more are cast only where the picture changes. Between edges, a supersampled pixel on a
wall needs no rays: its samples lie in a known plane. The same room gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from loc3r.synth.furniture import FurniturePack
from loc3r.synth.palette import FACES_START, MIP_LEVELS, SKY_START, SKY_STEPS, bake, mix, unpack
from loc3r.synth.room import Camera, Room
from loc3r.synth.stage import build_stage
from loc3r.synth.textures import TEXEL_M

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

FAR_M = 10.0
"""Depth beyond this is unknown, as a depth camera's is."""
CONTRAST = 12
"""Neighbouring pixels that differ by more than this (0..255) are supersampled with rays."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """A rendered walk: frames (T, H, W, 3) uint8, depth_mm (T, H, W) uint16, instances (T, H, W) uint16."""

    frames: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    """Distance along the optical axis; 0 where nothing was hit within 10 m."""
    instances: NDArray[np.uint16]
    """``object_id`` of what is seen; 0 for nothing."""


def render(room: Room, pack: FurniturePack, supersample: int = 2) -> Rendered:
    """Draw the room along its poses; ``supersample`` is the number of colour samples along a pixel's edge."""
    renderer = Renderer(room, pack, supersample)
    colour, depth, ids = zip(*(renderer.frame(pose) for pose in room.poses), strict=True)
    return Rendered(np.stack(colour), np.stack(depth), np.stack(ids))


def camera_rays(camera: Camera, supersample: int) -> Floats:
    """Rays (H * W, supersample**2, 3) in camera axes with z = 1, so that hit distances are depths.

    Pixel centres have whole coordinates, as in OpenCV and ScanNet.
    """
    inside = (np.arange(supersample) + 0.5) / supersample - 0.5
    x = (np.arange(camera.width_px)[:, None] + inside - camera.cx) / camera.fx
    y = (np.arange(camera.height_px)[:, None] + inside - camera.cy) / camera.fy
    rays = np.ones((camera.height_px, camera.width_px, supersample, supersample, 3), np.float32)
    rays[..., 0] = x[None, :, None, :]
    rays[..., 1] = y[:, None, :, None]
    return rays.reshape(-1, supersample**2, 3)


class Renderer:
    """A room made ready to be seen from anywhere."""

    def __init__(self, room: Room, pack: FurniturePack, supersample: int = 2) -> None:
        self.shape = (room.camera.height_px, room.camera.width_px)
        self.stage = build_stage(room, pack)
        self.scene = EmbreeScene()
        corners = self.stage.triangles.reshape(-1, 3)  # with indices, embreex builds three times as fast
        TriangleMesh(self.scene, corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))
        edges = self.stage.triangles[:, 1:] - self.stage.triangles[:, :1]
        cross = np.cross(edges[:, 0], edges[:, 1])
        self.normals = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), np.float32(1e-12))
        self.heights = (self.normals * self.stage.triangles[:, 0]).sum(1)
        self.palette = bake(room, self.stage, self.scene, self.normals)
        # The last entry of each table answers for "no hit", face -1.
        count = len(self.stage.surfaces)
        self.surface_of = np.full(len(self.normals) + 1, -1, np.int8)
        self.surface_of[: 2 * count] = np.repeat(np.arange(count), 2)
        self.ids = np.append(self.stage.object_ids, np.uint16(0))
        self.is_pane = np.append(self.stage.is_pane, False)
        self.typical = np.append(self.palette.typical(), np.zeros((1, 3), np.uint8), 0)
        self.centres = np.ascontiguousarray(camera_rays(room.camera, 1)[:, 0])
        self.samples = camera_rays(room.camera, supersample)
        self.sample_rad = 1 / (room.camera.fx * supersample)

    def frame(self, pose: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint16]]:
        """Colour (H, W, 3), depth in mm (H, W) and instance ids (H, W) from a camera-to-room pose (4, 4)."""
        view = View(self, pose)
        face, distance = view.cast(self.centres)
        seen = (face >= 0) & (distance < FAR_M)
        depth = (np.where(seen, distance, 0) * 1000 + 0.5).astype(np.uint16)
        ids = np.where(seen, self.ids[face], 0).astype(np.uint16)
        return self._colour(view, face), depth.reshape(self.shape), ids.reshape(self.shape)

    def _colour(self, view: View, face: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Colour (H, W, 3) of pixels whose centres hit ``face`` (H * W,)."""
        surface = self.surface_of[face]
        thing = np.flatnonzero(surface < 0)
        flat = view.things(face[thing], self.centres[thing])
        busy = self._busy(face, surface, thing, flat)
        index = np.empty(self.samples.shape[:2], np.int64)
        index[thing] = flat[:, None]
        calm = np.where(busy, -1, surface)
        for number in range(len(self.stage.surfaces)):
            chosen = np.flatnonzero(calm == number)
            index[chosen] = view.texels(number, self.samples[chosen])
        edge = np.flatnonzero(busy)
        index[edge] = view.anything(self.samples[edge].reshape(-1, 3)).reshape(len(edge), self.samples.shape[1])
        return mix(self.palette.colours[index]).reshape(*self.shape, 3)

    def _busy(
        self, face: NDArray[np.int32], surface: NDArray[np.int8], thing: Indices, flat: Indices
    ) -> NDArray[np.bool_]:
        """Pixels (H * W,) that show something else than a neighbour does."""
        busy = np.zeros(self.shape, bool)
        if self.samples.shape[1] == 1:
            return busy.reshape(-1)
        rough = self.typical[surface]
        rough[thing] = unpack(self.palette.colours[flat])
        planes = rough.T.reshape(3, *self.shape).astype(np.int16)
        ids = self.ids[face].reshape(self.shape)
        for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
            differs = ids[a] != ids[b]
            for plane in planes:
                differs |= np.abs(plane[a] - plane[b]) > CONTRAST
            busy[a] |= differs
            busy[b] |= differs
        return busy.reshape(-1)


class View:
    """A room seen from one pose: turns camera rays (N, 3) with z = 1 into palette indices (N,)."""

    def __init__(self, renderer: Renderer, pose: NDArray[np.float64]) -> None:
        self.renderer = renderer
        self.turn = np.ascontiguousarray(pose[:3, :3].T, np.float32)
        self.eye = pose[:3, 3].astype(np.float32)
        self.is_back = (renderer.normals @ self.eye < renderer.heights).astype(np.int64)

    def cast(self, rays: Floats) -> tuple[NDArray[np.int32], Floats]:
        """The faces that rays hit (N,), -1 for none, and their depths (N,)."""
        directions = rays @ self.turn
        origins = np.tile(self.eye, (len(rays), 1))
        hit = self.renderer.scene.run(origins, directions, output=True)
        return hit["primID"], hit["tfar"]

    def things(self, face: NDArray[np.int32], rays: Floats) -> Indices:
        """Indices of furniture, panes and the void."""
        index = FACES_START + 2 * face.astype(np.int64) + self.is_back[face]
        pane = np.flatnonzero(self.renderer.is_pane[face])
        directions = rays[pane] @ self.turn
        rise = directions[:, 2] / np.linalg.norm(directions, axis=1)
        index[pane] = SKY_START + ((rise + 1) / 2 * (SKY_STEPS - 1)).astype(np.int64)
        index[face < 0] = 0
        return np.asarray(index)

    def texels(self, number: int, rays: Floats) -> Indices:
        """Indices of texels of one surface, for rays (..., 3) known to hit it."""
        surface, atlas = self.renderer.stage.surfaces[number], self.renderer.palette.atlases[number]
        offset = self.eye - surface.origin
        edges = np.stack([surface.along, surface.across, surface.normal], 1)
        moved = rays @ (self.turn @ edges)
        height = float(offset @ surface.normal)
        distance = -height / moved[..., 2]
        # A sample covers (distance * sample_rad)^2, stretched by distance / height where the surface slants.
        area = distance * distance * np.abs(distance) * (self.renderer.sample_rad**2 / max(abs(height), 1e-3))
        level = np.zeros(distance.shape, np.int8)
        for finer in range(1, MIP_LEVELS):
            level += area > (TEXEL_M * 2 ** (finer - 0.5)) ** 2
        texel = 1 / (TEXEL_M * (1 << np.arange(MIP_LEVELS)).astype(np.float32))[level]
        column = ((offset @ surface.along + moved[..., 0] * distance) * texel).astype(np.int64)
        row = ((offset @ surface.across + moved[..., 1] * distance) * texel).astype(np.int64)
        column = np.clip(column, 0, atlas.columns[level] - 1)
        row = np.clip(row, 0, atlas.rows[level] - 1)
        return np.asarray(atlas.start[level] + row * atlas.columns[level] + column)

    def anything(self, rays: Floats) -> Indices:
        """Indices of whatever the rays hit."""
        face, _ = self.cast(rays)
        index = self.things(face, rays)
        surface = self.renderer.surface_of[face]
        for number in range(len(self.renderer.stage.surfaces)):
            chosen = np.flatnonzero(surface == number)
            index[chosen] = self.texels(number, rays[chosen])
        return index
