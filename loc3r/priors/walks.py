"""Walks with known geometry: what the pose prior is trained on. Pure numpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loc3r.scenes.format import SceneFolder
from loc3r.scenes.video import fit_image

Floats = NDArray[np.float64]
STRIDE_PX = 8
SAME_PLACE = 0.08
"""Two depths show the same place when they differ by less than this share of them, and"""
SAME_PLACE_M = 0.1
"""this much."""


@dataclass(frozen=True)
class Walk:
    """A video of T frames with C = side² cells each, and where everything in it is."""

    frames: NDArray[np.uint8]
    """(T, S, S, 3)."""
    points_m: NDArray[np.float32]
    """(T, C, 3) forward, left and height above the floor, from the floor below each camera; NaN unknown."""
    plane: Floats
    """(T, 3) x, y in metres and yaw in radians of each camera in the scan's frame."""
    attitude: Floats
    """(T, 3) height in metres, pitch up and roll in radians."""
    poses: Floats
    """(T, 4, 4) camera to world."""
    depth_m: NDArray[np.float32]
    """(T, 4 side, 4 side); 0 unknown."""
    intrinsics: Floats
    """(3, 3) for coordinates that go from 0 to 1 over the frame."""

    @property
    def side(self) -> int:
        """Cells on a side."""
        return int(self.frames.shape[1]) // STRIDE_PX

    def motion(self, later: int, earlier: int) -> Floats:
        """(3,) x, y and turn that take the later camera's plane to the earlier one's."""
        (x, y), turn = self.plane[later, :2] - self.plane[earlier, :2], self.plane[earlier, 2]
        cos, sin = np.cos(turn), np.sin(turn)
        return np.array([x * cos + y * sin, -x * sin + y * cos, self.plane[later, 2] - turn])

    def found(self, later: int, earlier: int) -> Floats:
        """(C, 2) column and row, in cells, where the later frame's cells are in the earlier one; NaN: not seen."""
        world = self._world(later)
        pose = self.poses[earlier]
        camera = (world - pose[:3, 3]) @ pose[:3, :3]
        depth = np.where(camera[:, 2] > 0.05, camera[:, 2], np.nan)
        at = (camera / depth[:, None]) @ self.intrinsics.T
        inside = (at[:, :2] > 0).all(-1) & (at[:, :2] < 1).all(-1)
        fine = self.depth_m.shape[1]
        column, row = (np.nan_to_num(at[:, :2]) * fine).astype(int).clip(0, fine - 1).T
        there = self.depth_m[earlier, row, column]
        same = (np.abs(there - depth) < SAME_PLACE * depth + SAME_PLACE_M) & (there > 0)
        return np.where((inside & same)[:, None], at[:, :2] * self.side - 0.5, np.nan)

    def _world(self, frame: int) -> Floats:
        """(C, 3) the cells of a frame in the scan's frame, with the floor at zero."""
        x, y, yaw = self.plane[frame]
        forward, left, height = self.points_m[frame].T
        cos, sin = np.cos(yaw), np.sin(yaw)
        floor_z_m = self.poses[frame, 2, 3] - self.attitude[frame, 0]
        return np.stack([x + forward * cos - left * sin, y + forward * sin + left * cos, height + floor_z_m], -1)


def read_walk(folder: Path, size_px: int) -> Walk:
    """Read a scene's video at ``size_px`` with the geometry of its cells."""
    scene = SceneFolder(folder)
    ids = scene.frame_ids
    frames = np.stack([fit_image(scene.color_image(i), size_px, "squash") for i in ids])
    poses = np.stack([scene.pose(i) for i in ids])
    plane, attitude = planar(poses)
    width, height = scene.depth_size_px
    # The centre of pixel 0 is at 0.5 / width of the frame.
    intrinsics = np.diag([1 / width, 1 / height, 1]) @ scene.intrinsic_depth[:3, :3]
    intrinsics[:2, 2] += [0.5 / width, 0.5 / height]
    depth_m = np.stack([_sampled(scene.depth_mm(i), size_px // STRIDE_PX * 4) for i in ids]) / np.float32(1000)
    points_m = _cell_points(depth_m, intrinsics, poses, plane, attitude)
    return Walk(frames, points_m.astype(np.float32), plane, attitude, poses, depth_m, intrinsics)


def planar(poses: Floats) -> tuple[Floats, Floats]:
    """Camera-to-world poses (T, 4, 4), z up, floor at z = 0, as plane (T, 3) x, y, yaw and attitude (T, 3)."""
    forward, down, right, place = poses[:, :3, 2], poses[:, :3, 1], poses[:, :3, 0], poses[:, :3, 3]
    yaw = np.unwrap(np.arctan2(forward[:, 1], forward[:, 0]))
    pitch = np.arcsin(np.clip(forward[:, 2], -1, 1))
    roll = np.arctan2(right[:, 2], -down[:, 2])
    return np.concatenate([place[:, :2], yaw[:, None]], -1), np.stack([place[:, 2], pitch, roll], -1)


def _sampled(depth_mm: NDArray[np.uint16], side: int) -> NDArray[np.float32]:
    """The pixel in the middle of each of side x side boxes."""
    height, width = depth_mm.shape
    rows = ((np.arange(side) + 0.5) * height / side).astype(int)
    columns = ((np.arange(side) + 0.5) * width / side).astype(int)
    sampled: NDArray[np.float32] = depth_mm[rows[:, None], columns].astype(np.float32)
    return sampled


def _cell_points(
    depth_m: NDArray[np.float32], intrinsics: Floats, poses: Floats, plane: Floats, attitude: Floats
) -> Floats:
    """Each cell's middle, at the median depth of the four samples around it."""
    count, fine, _ = depth_m.shape
    side = fine // 4
    inner = depth_m.reshape(count, side, 4, side, 4)[:, :, 1:3, :, 1:3].transpose(0, 1, 3, 2, 4)
    depth = np.median(inner.reshape(count, side * side, 4), -1)
    depth = np.where(inner.reshape(count, side * side, 4).min(-1) > 0, depth, np.nan)
    axis = (np.arange(side) + 0.5) / side
    columns, rows = np.meshgrid(axis, axis)
    rays = np.stack([columns.ravel(), rows.ravel(), np.ones(side * side)], -1) @ np.linalg.inv(intrinsics).T
    world = np.einsum("tij,tcj->tci", poses[:, :3, :3], rays * depth[..., None])
    cos, sin = np.cos(plane[:, 2:]), np.sin(plane[:, 2:])
    x, y = world[..., 0], world[..., 1]
    return np.stack([x * cos + y * sin, -x * sin + y * cos, world[..., 2] + attitude[:, :1]], -1)
