"""Writes ``.sens`` files as ScanNet's sensorData.h does, section by section, so that tests can cut them anywhere."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from box_rooms import box_room, mesh_corners, paint
from PIL import Image

from loc3r.scenes.ply import ply_bytes

SENSOR = b"StructureSensor"
COLOR = {"raw": 0, "png": 1, "jpeg": 2}
DEPTH = {"raw": 0, "zlib": 1, "occi": 2}


def header_sections(camera, frames: int, color: str, depth: str, shift: float, version: int = 4) -> list[bytes]:
    """The sections before the frames, in order."""
    intrinsic = np.eye(4, dtype="<f4")
    intrinsic[:3, :3] = camera.matrix
    sizes = (camera.width_px, camera.height_px) * 2
    return [
        struct.pack("<I", version),
        struct.pack("<Q", len(SENSOR)),
        SENSOR,
        *(intrinsic.tobytes(), np.eye(4, dtype="<f4").tobytes()) * 2,
        struct.pack("<ii", COLOR[color], DEPTH[depth]),
        struct.pack("<4I", *sizes),
        struct.pack("<f", shift),
        struct.pack("<Q", frames),
    ]


def frame_sections(pose, rgb, depth_mm, number: int, color: str, depth: str, shift: float) -> list[bytes]:
    """A frame's head, colour and depth."""
    units = np.rint(depth_mm * (shift / 1000)).astype("<u2").tobytes()
    images = [encoded(rgb, color), zlib.compress(units) if depth == "zlib" else units]
    times = struct.pack("<4Q", 1000 * number, 1000 * number + 7, *map(len, images))
    return [np.asarray(pose, "<f4").tobytes() + times, *images]


def encoded(rgb, color: str) -> bytes:
    """A frame as JPEG, PNG or plain bytes."""
    if color == "raw":
        return rgb.tobytes()
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, color.upper())
    return buffer.getvalue()


def sens_sections(
    frames: int = 6, color: str = "jpeg", depth: str = "zlib", shift: float = 1000.0, imu: int = 3, lost: tuple = ()
) -> list[bytes]:
    """Every section of the box room's file; the poses of ``lost`` frames are -inf, as ScanNet's are."""
    room = box_room(frames=frames)
    poses = room.raw_from_room @ room.poses
    poses[list(lost)] = -np.inf
    sections = header_sections(room.camera, frames, color, depth, shift)
    for i, (rgb, depth_mm, _) in enumerate(zip(*paint(room), strict=True)):
        sections += frame_sections(poses[i], rgb, depth_mm, i, color, depth, shift)
    return [*sections, struct.pack("<Q", imu), bytes(128) * imu]


def write_sens_scene(root: Path, scene_id: str = "scene0000_00", **options) -> Path:
    """The box room as it would be downloaded from ScanNet; returns its folder."""
    folder = root / "scans" / scene_id
    folder.mkdir(parents=True)
    (folder / f"{scene_id}.sens").write_bytes(b"".join(sens_sections(**options)))
    alignment = np.linalg.inv(box_room().raw_from_room).ravel()
    (folder / f"{scene_id}.txt").write_text(f"axisAlignment = {' '.join(map(str, alignment))}\nsceneType = Office\n")
    raw = mesh_corners() @ box_room().raw_from_room[:3, :3].T + box_room().raw_from_room[:3, 3]
    (folder / f"{scene_id}_vh_clean_2.ply").write_bytes(ply_bytes(raw))
    return folder
