"""Frames a second of the synthetic rooms' renderer, against plain ray tracing with the same library.

    python benchmarks/render.py                      # four rooms, 32 frames each, 192 x 144, 2x supersampling
    python benchmarks/render.py --rooms 8 --frames 16

The plain way is what one writes first with Embree: a batch of rays per colour sample, the hit's face, its normal
and colour, and a shadow ray to every light point that the bake uses. It draws no textures and no corner
shading, so it does less; its depth and ids come from one more batch through the pixel centres. Ours includes the
bake of each room. Both run on one core over the same geometry and lights; times are CPU time.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from loc3r.synth import lighting
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.layout import furnish
from loc3r.synth.render import camera_rays, render
from loc3r.synth.room import Room
from loc3r.synth.stage import build_stage
from loc3r.synth.walk import walk


class PlainRenderer:
    """One batch of rays a sample, shaded where they hit."""

    def __init__(self, room: Room, pack: FurniturePack) -> None:
        stage = build_stage(room, pack)
        self.scene, corners = EmbreeScene(), stage.triangles.reshape(-1, 3)
        TriangleMesh(self.scene, corners, np.arange(len(corners), dtype=np.int32).reshape(-1, 3))
        edges = stage.triangles[:, 1:] - stage.triangles[:, :1]
        normals = np.cross(edges[:, 0], edges[:, 1])
        self.normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        self.albedo = (np.maximum(stage.albedo, 40) / 255.0) ** 2
        self.ids = np.append(stage.object_ids, np.uint16(0))
        self.lights = lighting.room_lights(room, np.random.default_rng([room.seed, 7]))
        self.samples = np.moveaxis(camera_rays(room.camera, 2), 1, 0)
        self.centres = camera_rays(room.camera, 1)[:, 0]

    def frame(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Colour (P, 3) uint8, depth in mm (P,) and ids (P,) of all pixels."""
        hit = self.cast(self.centres, pose)
        seen = (hit["primID"] >= 0) & (hit["tfar"] < 10)
        depth = (np.where(seen, hit["tfar"], 0) * 1000 + 0.5).astype(np.uint16)
        colour = np.mean([self.shade(sample, pose) for sample in self.samples], 0)
        return (np.sqrt(np.clip(colour, 0, 1)) * 255).astype(np.uint8), depth, self.ids[hit["primID"]]

    def cast(self, rays: np.ndarray, pose: np.ndarray) -> dict[str, np.ndarray]:
        """What camera rays (P, 3) hit."""
        directions = np.ascontiguousarray(rays @ pose[:3, :3].T.astype(np.float32))
        return self.scene.run(np.tile(pose[:3, 3].astype(np.float32), (len(rays), 1)), directions, output=True)

    def shade(self, rays: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """Light (P, 3) that comes back along one ray a pixel."""
        hit = self.cast(rays, pose)
        directions = rays @ pose[:3, :3].T.astype(np.float32)
        points = pose[:3, 3].astype(np.float32) + directions * np.minimum(hit["tfar"], 100)[:, None]
        normals = self.normals[hit["primID"]]
        normals = normals * -np.sign((normals * directions).sum(1, keepdims=True))
        light = lighting.direct(self.scene, points, normals, self.lights, spots=(0, 1, 2, 3)) + lighting.fill(normals)
        return light * self.albedo[hit["primID"]]


def rooms(count: int, frames: int, pack: FurniturePack) -> list[Room]:
    """Furnished rooms with a walk through each."""
    made = []
    for seed in range(count):
        room = furnish(seed, "train", pack)
        made.append(replace(room, poses=walk(room, frames, np.random.default_rng(seed)).poses))
    return made


def main() -> None:
    """Print frames a second of both and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=4)
    parser.add_argument("--frames", type=int, default=32)
    arguments = parser.parse_args()
    pack = FurniturePack.load()
    ours_s = plain_s = 0.0
    for room in rooms(arguments.rooms, arguments.frames, pack):
        start = time.process_time()
        ours = render(room, pack)
        middle = time.process_time()
        plain = PlainRenderer(room, pack)
        drawn = [plain.frame(pose) for pose in room.poses]
        ours_s, plain_s = ours_s + middle - start, plain_s + time.process_time() - middle
        same = np.mean([d.reshape(-1) == frame[1] for d, frame in zip(ours.depth_mm, drawn, strict=True)])
        print(f"{room.scene_id} {room.room_kind:12s} depth equal in {same:.2%} of pixels")
    count = arguments.rooms * arguments.frames
    print(f"ours   {count / ours_s:7.1f} frames/s  {1000 * ours_s / count:6.1f} ms a frame, bake included")
    print(f"plain  {count / plain_s:7.1f} frames/s  {1000 * plain_s / count:6.1f} ms a frame")
    print(f"ratio  {plain_s / ours_s:7.1f}")


if __name__ == "__main__":
    main()
