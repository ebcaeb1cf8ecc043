"""Posed clips: a few frames as ``000.jpg`` and ``000.depth.png``, and all cameras in ``meta.json``.

``meta.json``: ``K`` (3, 3), ``cam2world_opencv`` (one 4x4 a frame). A clip's world is its first camera's (y down); it
is turned z up, as upright as that camera was held.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import PoseError, SceneError
from loc3r.scenes.layouts.numbered import NumberedFrames
from loc3r.scenes.read import as_matrix, numbered, read_depth_mm, read_image, read_text
from loc3r.scenes.scene import Floats

Z_UP_FROM_Y_DOWN: Floats = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


class PosedClip(NumberedFrames):
    """One posed clip.

    Raises:
        SceneError: the folder does not exist or holds no frames.
    """

    files = "meta.json, 000.jpg, 000.depth.png"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether numbered frames lie beside ``meta.json``."""
        return (path / "meta.json").is_file() and bool(numbered(path))

    def depth_path(self, frame_id: int) -> Path:
        """File of a depth frame."""
        return self.path / f"{self._stems[frame_id]}.depth.png"

    def pose_path(self, frame_id: int) -> Path:
        """The one file that holds every pose."""
        return self.path / "meta.json"

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image."""
        return read_image(self.color_path(frame_id), self.color_size_px).convert("RGB")

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres, 0 = unknown."""
        return read_depth_mm(self.depth_path(frame_id), self.depth_size_px)

    def stored_pose(self, frame_id: int) -> Floats:
        """What the file says, (4, 4), turned z up."""
        poses, at = self.cameras["cam2world_opencv"], self.frame_ids.index(frame_id)
        if at >= len(poses):
            where = f"{self.pose_path(frame_id)}: {len(poses)} poses"
            raise PoseError("a pose is missing", received=where, expected=f"{len(self.frame_ids)} poses")
        return z_up(poses[at], str(self.pose_path(frame_id)))

    @cached_property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the first colour frame."""
        return read_image(self.color_path(self.frame_ids[0])).size

    @cached_property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the first depth frame."""
        return read_image(self.depth_path(self.frame_ids[0])).size

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the colour and the depth frames."""
        return np.asarray(self.cameras["K"])

    @cached_property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the colour and the depth frames."""
        return self.intrinsic_color

    @cached_property
    def cameras(self) -> dict[str, Any]:
        """Fields of ``meta.json``.

        Raises:
            SceneError: it lacks a field or is no JSON.
        """
        return read_cameras(self.path / "meta.json")


def read_cameras(path: Path) -> dict[str, Any]:
    """Fields of a clip's ``meta.json``.

    Raises:
        SceneError: missing, no JSON, or without ``K`` or ``cam2world_opencv``.
    """
    try:
        cameras: dict[str, Any] = json.loads(read_text(path))
        missing = {"K", "cam2world_opencv"} - cameras.keys()
    except (ValueError, RecursionError, AttributeError) as error:
        raise SceneError(f"{path} can't be read", received=str(error), expected="a JSON object") from error
    if missing:
        raise SceneError(f"{path} lacks {', '.join(sorted(missing))}", received=sorted(cameras), expected="both")
    for name in {"cam2world_opencv", "source_index"} & cameras.keys():
        if not isinstance(cameras[name], list):
            raise SceneError(f"{path}: {name}", received=str(cameras[name])[:80], expected="a list, one a frame")
    return {**cameras, "K": as_matrix(cameras["K"], (3, 3), f"{path}: K")}


def z_up(pose: Any, where: str) -> Floats:
    """A pose (4, 4) of a world with y down in one with z up.

    Raises:
        PoseError: not a 4x4 matrix; ``where`` names the file.
    """
    with np.errstate(invalid="ignore"):  # infinity marks a frame that tracking lost
        return np.asarray(Z_UP_FROM_Y_DOWN @ as_matrix(pose, (4, 4), where), np.float64)
