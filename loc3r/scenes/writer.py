"""Write a scene folder in ScanNet's layout: whole or absent, and the same bytes for the same room."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.scenes.ply import ply_bytes
from loc3r.synth.room import Room

JPEG_QUALITY = 92


def write_scene(
    root: Path,
    room: Room,
    frames: NDArray[np.uint8],
    depth_mm: NDArray[np.uint16],
    instances: NDArray[np.uint16],
    mesh_vertices_m: NDArray[np.floating[Any]],
) -> Path:
    """Write ``root/scans/<scene_id>`` and return it; one that is there already is replaced.

    Args:
        root: the data set's folder.
        room: poses and boxes, in the room frame; they are written in the raw frame where ScanNet has it so.
        frames: (T, H, W, 3) uint8 RGB.
        depth_mm: (T, H, W) uint16, 0 = unknown.
        instances: (T, H, W) uint16 object ids, 0 = nothing known.
        mesh_vertices_m: (N, 3) in the *room* frame; their raw bounding box is what SQA3D is relative to.
    """
    scans = root / "scans"
    scans.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=scans, prefix=f".{room.scene_id}."))
    partial.chmod(0o755)  # mkdtemp's 0700 would hide the scene from other users
    try:
        _write_images(partial, frames, depth_mm, instances)
        _write_geometry(partial, room, mesh_vertices_m)
        _write_meta(partial, room, len(frames))
        return _replace_folder(partial, scans / room.scene_id)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_images(
    folder: Path, frames: NDArray[np.uint8], depth_mm: NDArray[np.uint16], instances: NDArray[np.uint16]
) -> None:
    for name in ("color", "depth", "instance"):
        (folder / name).mkdir()
    for i, (rgb, depth, ids) in enumerate(zip(frames, depth_mm, instances, strict=True)):
        (folder / "color" / f"{i:06d}.jpg").write_bytes(_encoded(rgb, "JPEG", quality=JPEG_QUALITY))
        (folder / "depth" / f"{i:06d}.png").write_bytes(_encoded(depth, "PNG", compress_level=3))
        (folder / "instance" / f"{i:06d}.png").write_bytes(_encoded(ids, "PNG", compress_level=3))


def _write_geometry(folder: Path, room: Room, mesh_vertices_m: NDArray[np.floating[Any]]) -> None:
    (folder / "pose").mkdir()
    for i, pose in enumerate(room.raw_from_room @ room.poses):
        (folder / "pose" / f"{i:06d}.txt").write_text(_matrix_text(pose))
    intrinsics = np.eye(4)
    intrinsics[:3, :3] = room.camera.matrix
    (folder / "intrinsic").mkdir()
    for camera in ("color", "depth"):
        (folder / "intrinsic" / f"intrinsic_{camera}.txt").write_text(_matrix_text(intrinsics))
    raw = mesh_vertices_m @ room.raw_from_room[:3, :3].T + room.raw_from_room[:3, 3]
    (folder / f"{room.scene_id}_vh_clean_2.ply").write_bytes(ply_bytes(raw))
    boxes = [dataclasses.asdict(thing) for thing in room.objects]
    (folder / "objects.json").write_text(json.dumps(boxes, indent=1) + "\n")


def _write_meta(folder: Path, room: Room, frames: int) -> None:
    alignment = np.linalg.inv(room.raw_from_room).ravel()
    fields = {
        "axisAlignment": " ".join(f"{value:.9g}" for value in alignment),
        "colorHeight": room.camera.height_px,
        "colorWidth": room.camera.width_px,
        "depthHeight": room.camera.height_px,
        "depthWidth": room.camera.width_px,
        "numColorFrames": frames,
        "numDepthFrames": frames,
        "sceneType": room.room_kind,
    }
    lines = "".join(f"{key} = {value}\n" for key, value in fields.items())
    (folder / f"{room.scene_id}.txt").write_text(lines)


def _replace_folder(partial: Path, target: Path) -> Path:
    """Rename ``partial`` to ``target``; an older target is moved aside first, since a full folder blocks it."""
    if target.exists():
        old = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.old."))
        os.replace(target, old)
        os.replace(partial, target)
        shutil.rmtree(old)
    else:
        os.replace(partial, target)
    return target


def _encoded(values: NDArray[Any], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return buffer.getvalue()


def _matrix_text(matrix: NDArray[np.float64]) -> str:
    return "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in matrix)
