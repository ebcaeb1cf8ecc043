"""ScanNet++'s iPhone recordings: ``iphone/pose_intrinsic_imu.json`` with colour and depth as released or as extracted.

Released: ``rgb.mkv`` (formerly ``rgb.mp4``) and ``depth.bin``; extracted by the official prepare_iphone_data.py:
``rgb/frame_000000.jpg`` and ``depth/frame_000000.png``. An entry of the JSON, ``frame_000000``, holds
``aligned_pose`` (camera to the world of the mesh), and ``intrinsic`` of the colour frame. ``depth.bin`` holds for each
frame four bytes of size and that many of lz4 (uint16 millimetres) or raw deflate (float32 metres); only the wanted
frames are read. The mesh is ``scans/mesh_aligned_0.05.ply``.
"""

from __future__ import annotations

import json
import os
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import FrameError, SceneError, VideoError
from loc3r.geometry.camera import scale_intrinsics
from loc3r.scenes.layouts.posed_video import picture
from loc3r.scenes.read import as_matrix, read_depth_mm, read_image, read_text
from loc3r.scenes.scene import NO_POSE, Floats, Scene
from loc3r.scenes.video import VideoFile

CAMERAS = "iphone/pose_intrinsic_imu.json"
DEPTH_SHAPE = (192, 256)


class ScannetppScene(Scene):
    """One iPhone recording; a frame's number is its place in the video.

    Raises:
        SceneError: the folder does not exist, holds no frames, or a file breaks the format.
    """

    files = f"{CAMERAS}, iphone/rgb.mkv or iphone/rgb/*.jpg, iphone/depth.bin or iphone/depth/*.png"
    parent = "data"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether there is the file of poses."""
        return (path / CAMERAS).is_file()

    @cached_property
    def frame_ids(self) -> tuple[int, ...]:
        """Numbers of the frames that have both an entry in the JSON and a picture."""
        if self._video is not None:
            return tuple(i for i in self._cameras if i < len(self._video))
        return tuple(i for i in self._cameras if (self._folder / "rgb" / f"{_name(i)}.jpg").is_file())

    @property
    def _folder(self) -> Path:
        return self.path / "iphone"

    @cached_property
    def _video(self) -> VideoFile | None:
        """The video, where the frames were not extracted."""
        videos = [path for name in ("rgb.mkv", "rgb.mp4") if (path := self._folder / name).is_file()]
        if (self._folder / "rgb").is_dir() or not videos:
            return None
        try:
            return VideoFile(videos[0])
        except VideoError as error:
            raise SceneError(error.message, received=error.received, expected=error.expected, fix=error.fix) from error

    @cached_property
    def _cameras(self) -> dict[int, dict[str, Any]]:
        """Entries of the JSON by frame number, sorted."""
        path = self.path / CAMERAS
        try:
            entries: dict[str, dict[str, Any]] = json.loads(read_text(path))
            return dict(sorted((int(name.removeprefix("frame_")), dict(entry)) for name, entry in entries.items()))
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise SceneError(f"{path} breaks the format", received=str(error), expected="frame_000000: {…}") from error

    def color_path(self, frame_id: int) -> Path:
        """File of a colour frame, or the video."""
        video = self._video
        return self._folder / "rgb" / f"{_name(frame_id)}.jpg" if video is None else video.path

    def depth_path(self, frame_id: int) -> Path:
        """File of a depth frame, or the file of all."""
        return self._folder / "depth.bin" if self._packed else self._folder / "depth" / f"{_name(frame_id)}.png"

    def pose_path(self, frame_id: int) -> Path:
        """The one file that holds every pose."""
        return self.path / CAMERAS

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image."""
        if self._video is not None:
            return picture(self._video, frame_id)
        return read_image(self.color_path(frame_id), self.color_size_px).convert("RGB")

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (192, 256) uint16 millimetres, 0 = unknown."""
        if self._packed:
            return self._depth_file.depth_mm(frame_id)
        return read_depth_mm(self.depth_path(frame_id), self.depth_size_px)

    @cached_property
    def _packed(self) -> bool:
        return not (self._folder / "depth").is_dir()

    @cached_property
    def _depth_file(self) -> DepthFile:
        return DepthFile(self._folder / "depth.bin")

    def stored_pose(self, frame_id: int) -> Floats:
        """The frame's ``aligned_pose`` (4, 4); NaN where the alignment found none."""
        values = self._cameras[frame_id].get("aligned_pose")
        return NO_POSE if values is None else self._matrix(frame_id, "aligned_pose", values, (4, 4))

    @cached_property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the colour frames."""
        first = self.frame_ids[0]
        return read_image(self.color_path(first)).size if self._video is None else picture(self._video, first).size

    @cached_property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the depth frames."""
        return DEPTH_SHAPE[::-1] if self._packed else read_image(self.depth_path(self.frame_ids[0])).size

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the first colour frame."""
        return self._intrinsic(self.frame_ids[0])

    @cached_property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the first depth frame: the colour frame's, scaled."""
        return self.intrinsic_depth_of(self.frame_ids[0])

    def intrinsic_depth_of(self, frame_id: int) -> Floats:
        """Intrinsics (3, 3) of one depth frame: the colour frame's, scaled."""
        (width, height), (color_width, color_height) = self.depth_size_px, self.color_size_px
        return scale_intrinsics(self._intrinsic(frame_id), width / color_width, height / color_height)

    def _intrinsic(self, frame_id: int) -> Floats:
        return self._matrix(frame_id, "intrinsic", self._cameras[frame_id].get("intrinsic"), (3, 3))

    def _matrix(self, frame_id: int, field: str, values: object, shape: tuple[int, int]) -> Floats:
        return as_matrix(values, shape, f"{self.path / CAMERAS}: {_name(frame_id)}: {field}")

    @classmethod
    def mesh_path(cls, path: Path) -> Path:
        """The mesh, in the frame of ``aligned_pose``."""
        return path / "scans" / "mesh_aligned_0.05.ply"


class DepthFile:
    """``depth.bin``: the sizes are walked once, then each wanted frame is read by itself.

    Raises:
        FrameError: missing, truncated, or of the first release, which compressed the whole file at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise FrameError("the depth is missing", received=path, expected="iphone/depth.bin or iphone/depth/*.png")
        self._records: list[tuple[int, int]] = []
        size, at = path.stat().st_size, 0
        with path.open("rb", buffering=0) as file:
            while at < size:
                length = int.from_bytes(os.pread(file.fileno(), 4, at), "little")
                self._records.append((at + 4, length))
                at += 4 + length
        if at != size:
            received = f"frame {len(self._records) - 1} ends at byte {at} of {size}"
            fix = "download it again; of the first release, extract the depth with the official toolkit"
            raise FrameError(f"{path} is truncated or of another kind", received=received, expected=size, fix=fix)

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth (192, 256) uint16 millimetres of frame ``frame_id``.

        Raises:
            FrameError: there is no such frame, or it can't be decoded.
        """
        if frame_id >= len(self._records):
            raise FrameError(f"{self.path}: frame {frame_id} is missing", received=f"{len(self._records)} frames")
        at, length = self._records[frame_id]
        with self.path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), length, at)
        try:
            return _decoded(data)
        except (ValueError, zlib.error) as error:
            where = f"{self.path}: frame {frame_id} can't be decoded"
            raise FrameError(where, received=str(error), expected="lz4 or deflate of 192x256") from error


def _decoded(data: bytes) -> NDArray[np.uint16]:
    """One frame: lz4 of uint16 millimetres, else deflate of float32 metres."""
    try:
        import lz4.block  # only this layout needs it
    except ImportError as error:
        raise FrameError("lz4 is not installed", expected="lz4, for depth.bin", fix="pip install lz4") from error
    try:
        raw = lz4.block.decompress(data, uncompressed_size=2 * DEPTH_SHAPE[0] * DEPTH_SHAPE[1])
        return np.frombuffer(raw, "<u2").reshape(DEPTH_SHAPE)
    except lz4.block.LZ4BlockError:
        metres = np.frombuffer(zlib.decompress(data, -zlib.MAX_WBITS), "<f4").reshape(DEPTH_SHAPE)
        return np.asarray(np.rint(np.nan_to_num(metres, posinf=0.0, neginf=0.0) * 1000), np.uint16)


def _name(frame_id: int) -> str:
    return f"frame_{frame_id:06d}"
