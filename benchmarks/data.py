"""Reading ``.sens`` files, patch targets and coverage sampling, against the straightforward way to do each.

    python benchmarks/data.py                                   # a made-up scan of ScanNet's sizes
    python benchmarks/data.py --sens scannet/scans/scene0000_00/scene0000_00.sens

- ``.sens``: every tenth frame, against decoding every frame, and against the public readers, whose fast mode decodes
  every tenth frame but reads the bytes of all.
- Patch targets: 32 frames of a scene unprojected, resized and pooled for each question, as Video-3D-LLM and its
  descendants do, against once a scene and a row read for each question. SQA3D has 51 training questions a scene.
- Coverage: Video-3D-LLM's sampler (unique rows, sets of tuples, counting again what each frame would add) against ours.

Times are CPU time of one process; memory is the peak of what Python allocated.
"""

from __future__ import annotations

import argparse
import io
import struct
import tempfile
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from loc3r.geometry.bev import BevFrame
from loc3r.geometry.camera import look_at
from loc3r.recipe_sections import DataRecipe
from loc3r.scenes.coverage import VOXEL_M, coverage_frames
from loc3r.scenes.format import open_scene
from loc3r.scenes.layouts.sens import SensScene
from loc3r.scenes.scene_row import patch_places
from loc3r.scenes.sens import FRAME, JPEG, VERSION, ZLIB_DEPTH, SensFile
from loc3r.scenes.video import sample_frames

COLOR_PX, DEPTH_PX, FOCAL_PX = (1296, 968), (640, 480), 577.0
ROOM_M = np.array([6.0, 5.0, 2.6])
EVERY = 10


def write_scan(path: Path, frames: int) -> Path:
    """A ``.sens`` of a walk through an empty room, textured and noisy so that its images compress as real ones do."""
    intrinsics = [camera(size) for size in (COLOR_PX, DEPTH_PX)]
    rng = np.random.default_rng(0)
    stains = [rng.integers(0, 256, (61, 81, 3), np.uint8) for _ in range(8)]
    images = [jpeg(stain, rng) for stain in stains]
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(struct.pack("<IQ", VERSION, 7) + b"made-up")
        for matrix in intrinsics:
            file.write(matrix.astype("<f4").tobytes() + np.eye(4, dtype="<f4").tobytes())
        file.write(struct.pack("<2i4IfQ", JPEG, ZLIB_DEPTH, *COLOR_PX, *DEPTH_PX, 1000.0, frames))
        for i in range(frames):
            turn, eye = 4 * np.pi * i / frames, np.array([3 + 1.5 * np.sin(i / 50), 2.5 + np.cos(i / 70), 1.5])
            pose = look_at(eye, eye + np.array([np.cos(turn), np.sin(turn), -0.2]))
            color, depth = images[i % 8], zlib.compress(depth_of_room(pose, rng).tobytes())
            file.write(np.array((pose, i, i, len(color), len(depth)), FRAME).tobytes() + color + depth)
        file.write(bytes(8))
    return path


def camera(size_px: tuple[int, int]) -> np.ndarray:
    """Intrinsics (4, 4) of ScanNet's field of view."""
    matrix = np.eye(4)
    matrix[[0, 1], [0, 1]] = FOCAL_PX * size_px[0] / DEPTH_PX[0]
    matrix[:2, 2] = (np.array(size_px) - 1) / 2
    return matrix


def jpeg(stain: np.ndarray, rng: np.random.Generator) -> bytes:
    """A blurred picture with sensor noise, about 170 KB at ScanNet's colour size."""
    blurred = np.asarray(Image.fromarray(stain).resize(COLOR_PX, Image.Resampling.BICUBIC), np.float32)
    noisy = blurred + rng.normal(0, 3, blurred.shape).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def depth_of_room(pose: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Depth (H, W) uint16 mm of the room's walls, 5 mm of noise, a tenth of the pixels unknown."""
    width, height = DEPTH_PX
    matrix = camera(DEPTH_PX)
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack([(u - matrix[0, 2]) / FOCAL_PX, (v - matrix[1, 2]) / FOCAL_PX, np.ones(u.shape)], -1)
    along = rays @ pose[:3, :3].T
    depth_m = (np.where(along > 0, ROOM_M - pose[:3, 3], -pose[:3, 3]) / along).min(-1)
    noisy = 1000 * depth_m + rng.normal(0, 5, depth_m.shape)
    return np.where(rng.random(depth_m.shape) < 0.1, 0, noisy).astype("<u2")


def read_ours(path: Path) -> None:
    """Every tenth frame, and no byte of the others' images."""
    sens = SensFile(path)
    for i in sens.every(EVERY):
        np.asarray(sens.color_image(i)), sens.depth_mm(i), sens.poses[i]


def read_all(path: Path, decode_every: int) -> None:
    """As SensorData.py and its descendants read: the bytes of every frame; those to decode are kept until the end."""
    header, kept = SensFile(path).header, []
    with path.open("rb") as file:
        file.seek(header.size_bytes)
        for i in range(header.frames):
            head = np.frombuffer(file.read(FRAME.itemsize), FRAME)[0]
            color, depth = (b"".join(struct.unpack("c" * n, file.read(n))) for n in (head["color"], head["depth"]))
            if i % decode_every == 0:
                kept.append((color, depth))
    for color, depth in kept:
        np.asarray(Image.open(io.BytesIO(color)))
        np.frombuffer(zlib.decompress(depth), np.uint16).reshape(header.depth_size_px[::-1])


def decode_all(path: Path) -> None:
    """Every frame decoded, one after the other, with our own reader: nothing but the decoding is counted."""
    sens = SensFile(path)
    for i in sens.every():
        np.asarray(sens.color_image(i)), sens.depth_mm(i)


def peers_targets(scene: SensScene, frame_ids: list[int], data: DataRecipe) -> np.ndarray:
    """Places of one sample's tokens as the peers make them: every pixel unprojected, resized and pooled."""
    return np.stack([pooled(unprojected(scene, i), data) for i in frame_ids])


def unprojected(scene: SensScene, frame_id: int) -> np.ndarray:
    """World coordinates (H, W, 3) of every pixel, the unknown ones included."""
    depth_m, matrix = scene.depth_mm(frame_id) / 1000.0, scene.intrinsic_depth
    v, u = np.indices(depth_m.shape)
    x, y = (u - matrix[0, 2]) * depth_m / matrix[0, 0], (v - matrix[1, 2]) * depth_m / matrix[1, 1]
    return (np.stack([x, y, depth_m, np.ones_like(depth_m)], -1) @ scene.pose(frame_id).T)[..., :3]


def pooled(world: np.ndarray, data: DataRecipe) -> np.ndarray:
    """The coordinate map at frame size (nearest), averaged over each token's pixels, the holes included."""
    size, side = data.frame_size_px, data.tokens_a_side
    rows, columns = (np.arange(size) * length // size for length in world.shape[:2])
    cell = size // data.patch_px * data.patch_px // side
    covered = world[rows][:, columns][: cell * side, : cell * side]
    return covered.reshape(side, cell, side, cell, 3).mean((1, 3))


def peers_coverage(scene: SensScene, frame_ids: list[int], wanted: int) -> list[int]:
    """Greedy coverage with sets of voxels, as Video-3D-LLM's max_coverage_sampling.py."""
    rounded = {i: np.round(unprojected(scene, i).reshape(-1, 3) / VOXEL_M).astype(int) for i in frame_ids}
    voxels = {i: {tuple(voxel) for voxel in np.unique(points, axis=0).tolist()} for i, points in rounded.items()}
    used: set[tuple[int, ...]] = set()
    chosen: list[int] = []
    for _ in range(wanted):
        best = max(voxels, key=lambda i: len(voxels[i] - used))
        used |= voxels.pop(best)
        chosen.append(best)
    return sorted(chosen)


def covered_voxels(scene: SensScene, frame_ids: list[int]) -> int:
    """Voxels that these frames show, of every known pixel."""
    points = [unprojected(scene, i)[scene.depth_mm(i) > 0] for i in frame_ids]
    return len(np.unique(np.round(np.concatenate(points) / VOXEL_M).astype(int), axis=0))


def seconds(work: Callable[[], Any]) -> float:
    """CPU time of a call, the better of two: steadier than the clock on a busy machine."""
    times = []
    for _ in range(2):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def peak_mb(work: Callable[[], Any]) -> float:
    """Most that a call had allocated at once."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def compare_sens(path: Path) -> None:
    """Print times and memory of the three ways to read."""
    ways = {
        f"every {EVERY}th frame, ours": lambda: read_ours(path),
        "every frame decoded": lambda: decode_all(path),
        f"every {EVERY}th, the public readers' --fast": lambda: read_all(path, EVERY),
        "every frame, the public readers": lambda: read_all(path, 1),
    }
    ours_s = seconds(next(iter(ways.values())))
    print(f"{path.name}: {len(SensFile(path))} frames, {path.stat().st_size / 1e6:.0f} MB")
    for name, work in ways.items():
        taken_s = seconds(work)
        print(f"  {name:<42} {taken_s:8.2f} s  {taken_s / ours_s:6.1f}x  peak {peak_mb(work):7.1f} MB")


def compare_targets(scene: SensScene, questions: int, scratch: Path) -> None:
    """Print the cost of a scene's patch targets for all its questions."""
    data = DataRecipe()
    shown = [scene.posed_frame_ids[i] for i in sample_frames(len(scene.posed_frame_ids), data.frames)]
    bev = BevFrame.from_first_pose(scene.pose(shown[0]))
    xy_m, valid = patch_places(scene, shown, bev, data)
    table, file = pa.table({"patch_xy_m": [xy_m.ravel()], "patch_valid": [valid.ravel()]}), scratch / "targets.parquet"
    pq.write_table(table, file)
    sample_s = seconds(lambda: peers_targets(scene, shown, data))
    once_s = seconds(lambda: patch_places(scene, shown, bev, data))
    read_s = seconds(lambda: [pq.read_table(file) for _ in range(20)]) / 20
    theirs_s, ours_s = questions * sample_s, once_s + questions * read_s
    print(f"patch targets of {questions} questions about one scene, {data.frames} frames")
    print(f"  {'once a scene, then a row a question, ours':<42} {ours_s:8.2f} s  ({1e3 * read_s:.1f} ms a question)")
    print(f"  {'for every question':<42} {theirs_s:8.2f} s  {theirs_s / ours_s:6.1f}x")


def compare_coverage(scene: SensScene, candidates: int, wanted: int) -> None:
    """Print the cost of choosing frames, and what the choices cover."""
    frame_ids = [scene.posed_frame_ids[i] for i in sample_frames(len(scene.posed_frame_ids), candidates)]
    start = time.process_time()
    theirs = peers_coverage(scene, frame_ids, wanted)
    theirs_s = time.process_time() - start
    ours_s, ours = seconds(lambda: coverage_frames(scene, frame_ids, wanted)), coverage_frames(scene, frame_ids, wanted)
    share = covered_voxels(scene, ours) / covered_voxels(scene, theirs)
    print(f"coverage: {wanted} of {candidates} frames")
    print(f"  {'ours':<42} {ours_s:8.2f} s          {share:.1%} of the voxels that theirs cover")
    print(f"  {'unique rows and sets':<42} {theirs_s:8.2f} s  {theirs_s / ours_s:6.1f}x")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sens", type=Path, help="a real file, <scene>/<scene>.sens; one is made if absent")
    parser.add_argument("--frames", type=int, default=320, help="frames of the made-up file")
    parser.add_argument("--questions", type=int, default=51, help="questions about a scene")
    parser.add_argument("--candidates", type=int, default=64, help="frames that coverage chooses 32 of")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = arguments.sens or write_scan(Path(scratch) / "made_up" / "made_up.sens", arguments.frames)
        scene = open_scene(path.parent)
        assert isinstance(scene, SensScene)
        compare_sens(path)
        compare_targets(scene, arguments.questions, Path(scratch))
        compare_coverage(scene, arguments.candidates, 32)


if __name__ == "__main__":
    main()
