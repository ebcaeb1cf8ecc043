"""Tiny scenes for tests: an empty box of a room, painted by intersecting rays with its six planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loc3r.geometry.camera import look_at
from loc3r.scenes.writer import write_scene
from loc3r.synth.room import Camera, Room, RoomObject

SIZE_M = (4.0, 3.0, 2.5)
NAMES = ("floor", "ceiling", "wall", "wall", "wall", "wall")
CLASS_NAMES = ("ceiling", "floor", "table", "wall")
PLANES = ((2, 0.0), (2, SIZE_M[2]), (0, 0.0), (0, SIZE_M[0]), (1, 0.0), (1, SIZE_M[1]))
COLOURS = np.array(
    [[0, 0, 0], [90, 60, 30], [250, 250, 250], [200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40]]
)


def box_room(scene_id: str = "room_000001_00", frames: int = 6, width_px: int = 48, height_px: int = 36) -> Room:
    """An empty room, seen from a slow turn near its middle; raw frame turned and moved."""
    eye = np.array([1.7, 1.3, 1.5])
    headings = np.linspace(0.2, 0.2 + np.pi, frames)
    poses = np.stack([look_at(eye, eye + np.array([np.cos(h), np.sin(h), -0.15])) for h in headings])
    poses[:, 0, 3] += 0.02 * np.arange(frames)
    camera = Camera(width_px, height_px, 0.7 * width_px, 0.7 * width_px, (width_px - 1) / 2, (height_px - 1) / 2)
    turn = 0.6 + int(scene_id[5:11]) * 0.1
    raw = np.eye(4)
    raw[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    raw[:3, 3] = (3.0, -2.0, 0.25)
    return Room(scene_id, "living", int(scene_id[5:11]), SIZE_M, _objects(), poses, camera, raw)


def paint(room: Room) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames (T, H, W, 3) uint8, depth (T, H, W) uint16 mm and object ids (T, H, W) uint16 of ``box_room``."""
    c = room.camera
    u, v = np.meshgrid(np.arange(c.width_px), np.arange(c.height_px))
    rays = np.stack([(u - c.cx) / c.fx, (v - c.cy) / c.fy, np.ones(u.shape)], -1)
    depths, ids = [], []
    for pose in room.poses:
        directions = rays @ pose[:3, :3].T
        with np.errstate(divide="ignore", invalid="ignore"):
            hits = np.stack([(at - pose[axis, 3]) / directions[..., axis] for axis, at in PLANES])
        hits[~(hits > 0)] = np.inf
        depths.append(hits.min(0))
        ids.append(hits.argmin(0) + 1)
    instances = np.stack(ids).astype(np.uint16)
    return COLOURS[instances].astype(np.uint8), np.rint(np.stack(depths) * 1000).astype(np.uint16), instances


def write_box_room(root: Path, scene_id: str = "room_000001_00", **size: int) -> Path:
    """``box_room`` on disk; returns its folder."""
    room = box_room(scene_id, **size)
    return write_scene(root, room, *paint(room), mesh_corners())


def mesh_corners() -> np.ndarray:
    """Corners of the room, room frame, (8, 3)."""
    return np.array([[x, y, z] for x in (0, SIZE_M[0]) for y in (0, SIZE_M[1]) for z in (0, SIZE_M[2])], float)


def _objects() -> tuple[RoomObject, ...]:
    w, d, h = SIZE_M
    centers = (
        (w / 2, d / 2, 0.0),
        (w / 2, d / 2, h),
        (0, d / 2, h / 2),
        (w, d / 2, h / 2),
        (w / 2, 0, h / 2),
        (w / 2, d, h / 2),
    )
    sizes = ((w, d, 0.0), (w, d, 0.0), (0.0, d, h), (0.0, d, h), (w, 0.0, h), (w, 0.0, h))
    structure = [RoomObject(i + 1, NAMES[i], "structure", centers[i], sizes[i], np.pi / 2) for i in range(6)]
    table = RoomObject(7, "table", "furniture", (3.0, 2.0, 0.4), (1.0, 0.6, 0.8), 0.5, "table-1", 1, "brown")
    return (*structure, table)
