"""Frames that together show the most of a room: greedy maximum coverage of voxels, as Video-3D-LLM samples.

A voxel is one whole number, and what each frame would add is kept up to date instead of being counted again: the
same choice as theirs, without sets of tuples. Of equals, the earlier frame is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loc3r.geometry.camera import backproject
from loc3r.scenes.scene import Scene
from loc3r.scenes.video import sample_frames

VOXEL_M = 0.1
STRIDE_PX = 4
"""Of each row and column of depth, every such-th pixel is looked at: at 3 m a voxel is 19 pixels wide."""
Bools = NDArray[np.bool_]


def coverage_frames(scene: Scene, frame_ids: Sequence[int], wanted: int, max_depth_m: float = 10.0) -> list[int]:
    """The ``wanted`` of ``frame_ids`` that show the most voxels together, in walking order.

    Raises:
        SceneError: a frame's depth or pose can't be read.
    """
    clouds = (_points(scene, frame_id, max_depth_m) for frame_id in frame_ids)
    return [frame_ids[i] for i in max_coverage(seen_voxels(clouds), wanted)]


def seen_voxels(clouds: Iterable[NDArray[np.floating[Any]]], voxel_m: float = VOXEL_M) -> Bools:
    """Which voxel (V) which of F frames shows, (V, F) bool, of the frames' points (N, 3) in metres.

    Voxels that no frame shows are left out.
    """
    shown = [np.unique(_keys(cloud, voxel_m)) for cloud in clouds]
    voxels = np.unique(np.concatenate(shown))
    seen = np.zeros((len(voxels), len(shown)), np.bool_)
    for frame, keys in enumerate(shown):
        seen[np.searchsorted(voxels, keys), frame] = True
    return seen


def _keys(points_m: NDArray[np.floating[Any]], voxel_m: float) -> NDArray[np.int64]:
    """One number a point (N,), the same for points of one voxel: 21 bits an axis, 200 km of voxels of 0.1 m."""
    x, y, z = np.rint(points_m / voxel_m).astype(np.int64).T + (1 << 20)
    return np.asarray((x << 42) | (y << 21) | z)


def max_coverage(seen: Bools, wanted: int) -> list[int]:
    """Indices of the ``wanted`` frames, ascending, that a greedy choice takes for what they add to the others.

    Args:
        seen: (V, F), which voxel which frame shows.
        wanted: number of frames; once nothing more is to be gained, the rest are spread evenly.
    """
    gains, covered = seen.sum(0), np.zeros(len(seen), np.bool_)
    chosen: list[int] = []
    while len(chosen) < min(wanted, seen.shape[1]) and gains.max() > 0:
        best = int(gains.argmax())
        fresh = seen[:, best] & ~covered
        covered |= fresh
        gains -= seen[fresh].sum(0)
        chosen.append(best)
    rest = np.setdiff1d(np.arange(seen.shape[1]), chosen)
    spread = sample_frames(len(rest), min(wanted, seen.shape[1]) - len(chosen))
    return sorted([*chosen, *rest[spread].tolist()])


def _points(scene: Scene, frame_id: int, max_depth_m: float) -> NDArray[np.float32]:
    """Points (N, 3) of the known pixels of a frame, metres."""
    depth_mm = scene.depth_mm(frame_id)[::STRIDE_PX, ::STRIDE_PX]
    intrinsics = scene.intrinsic_depth_of(frame_id).copy()
    intrinsics[:2] /= STRIDE_PX  # pixel i of the thinned image is pixel i * STRIDE_PX of the whole one
    points, valid = backproject(depth_mm, intrinsics, scene.pose(frame_id), max_depth_m)
    return points[valid]
