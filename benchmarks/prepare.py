"""Scenes a second of ``loc3r prepare``, and of reading what it wrote, against unprojecting for every sample.

    python benchmarks/prepare.py                          # eight fresh rooms, the laptop's recipe
    python benchmarks/prepare.py --recipe recipes/loc3r-7b.yaml --root data/rooms/train

The peers' way (Video-3D-LLM's and its descendants') decodes a video and its depth, unprojects every pixel, resizes the
coordinate map and pools it, for each *sample* of each *epoch*. Ours does so once a scene, and reads a row a step.
Both run in one process with the pose prior off, so that the difference is the data path's alone; times are CPU time.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from loc3r.recipe import load_recipe
from loc3r.recipe_sections import DataRecipe
from loc3r.scenes.format import SceneFolder, scene_folders
from loc3r.scenes.prepare import prepare
from loc3r.scenes.shards import PreparedData
from loc3r.scenes.video import fit_image, sample_frames


def peers_sample(path: Path, data: DataRecipe) -> tuple[np.ndarray, np.ndarray]:
    """One sample's frames and patch places as the peers make them: no mask, no cache."""
    scene = SceneFolder(path)
    frames, places = [], []
    for index in sample_frames(len(scene.frame_ids), data.frames):
        frame_id = scene.frame_ids[index]
        frames.append(fit_image(scene.color_image(frame_id), data.frame_size_px, data.frame_fit))
        world = unproject(scene.depth_mm(frame_id), scene.intrinsic_depth, scene.pose(frame_id))
        places.append(pooled(world, data))
    return np.stack(frames), np.stack(places)


def unproject(depth_mm: np.ndarray, intrinsics: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """World coordinates (H, W, 3) of every pixel, the unknown ones included."""
    v, u = np.indices(depth_mm.shape)
    depth_m = depth_mm / 1000.0
    x = (u - intrinsics[0, 2]) * depth_m / intrinsics[0, 0]
    y = (v - intrinsics[1, 2]) * depth_m / intrinsics[1, 1]
    homogeneous = np.stack([x, y, depth_m, np.ones_like(depth_m)], -1)
    return (homogeneous @ pose.T)[..., :3]


def pooled(world: np.ndarray, data: DataRecipe) -> np.ndarray:
    """The coordinate map at frame size (nearest), averaged over each token's pixels, the holes included."""
    size, side = data.frame_size_px, data.tokens_a_side
    rows = np.arange(size) * world.shape[0] // size
    columns = np.arange(size) * world.shape[1] // size
    cell = size // data.patch_px * data.patch_px // side
    covered = world[rows][:, columns][: cell * side, : cell * side]
    return covered.reshape(side, cell, side, cell, 3).mean((1, 3))


def seconds(work: Callable[[], object]) -> float:
    """CPU time of a call, once everything it imports is there: steadier than the clock on a busy machine."""
    work()
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/rooms-tiny.yaml"))
    parser.add_argument("--root", type=Path, help="a data set; eight rooms are made if absent")
    parser.add_argument("--questions", type=int, default=8, help="samples a scene")
    parser.add_argument("--epochs", type=int, default=1)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe, ("data.prior=none",))
    with tempfile.TemporaryDirectory() as scratch:
        root = arguments.root or make_rooms(Path(scratch) / "rooms")
        folders = scene_folders(root)
        peers_s = seconds(lambda: [peers_sample(folder, recipe.data) for folder in folders]) / len(folders)
        fresh = (Path(scratch) / f"prepared-{i}" for i in itertools.count())  # in an old folder nothing is left to do
        once_s = seconds(lambda: prepare([root], "train", recipe, next(fresh), workers=1)) / len(folders)
        data = PreparedData(Path(scratch) / "prepared-1")
        read_s = seconds(lambda: [data.scene(scene_id) for scene_id in data.scene_ids]) / len(folders)
    report(arguments.questions, arguments.epochs, peers_s, once_s, read_s)


def make_rooms(root: Path) -> Path:
    """Eight furnished rooms."""
    command = [sys.executable, "-m", "loc3r", "synth", "--rooms", "8", "--out", str(root)]
    subprocess.run(command, check=True)
    return root


def report(questions: int, epochs: int, peers_s: float, once_s: float, read_s: float) -> None:
    """Print rates and ratios."""
    theirs, ours = peers_s * questions * epochs, once_s + read_s * epochs
    print(f"prepare, once a scene              {1 / once_s:8.1f} scenes/s   {once_s * 1e3:8.1f} ms")
    print(f"read a prepared scene              {1 / read_s:8.1f} scenes/s   {read_s * 1e3:8.1f} ms")
    print(f"unproject again, for every sample  {1 / peers_s:8.1f} samples/s  {peers_s * 1e3:8.1f} ms")
    print(f"a step's data: {peers_s * questions / read_s:.0f}x ({questions} samples unprojected, or one scene read)")
    print(f"{epochs} epoch(s) of {questions} samples a scene, preparing included: {theirs / ours:.1f}x")


if __name__ == "__main__":
    main()
