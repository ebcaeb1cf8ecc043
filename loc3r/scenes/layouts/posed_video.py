"""A folder with one video file, its cameras in ``meta.json`` where they are known, and no depth.

``meta.json`` is a posed clip's: ``K`` (3, 3) of the upright pictures, and ``cam2world_opencv`` for every picture, or
for those that ``source_index`` numbers, from 0. The others have no pose.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import FrameError, SceneError, VideoError
from loc3r.scenes.layouts.clip import read_cameras, z_up
from loc3r.scenes.read import by
from loc3r.scenes.scene import NO_POSE, Floats, Scene
from loc3r.scenes.video import VideoFile

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")


class PosedVideo(Scene):
    """One video; a frame's number is its picture's.

    Raises:
        SceneError: the folder does not exist, or its video can't be read.
    """

    files = "one video (*.mp4, *.mov, *.mkv, …), meta.json"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether there are videos; a scene with more than one is told as a fault."""
        return bool(_videos(path))

    @property
    def frame_ids(self) -> tuple[int, ...]:
        """Numbers of the pictures."""
        return tuple(range(len(self._video)))

    @cached_property
    def _video(self) -> VideoFile:
        if len(names := [path.name for path in _videos(self.path)]) > 1:
            fix = "give each video a folder of its own"
            raise SceneError(f"{self.path} holds several videos", received=", ".join(names), expected="one", fix=fix)
        try:
            return VideoFile(self.video_path)
        except VideoError as error:
            raise SceneError(error.message, received=error.received, expected=error.expected, fix=error.fix) from error

    @property
    def video_path(self) -> Path:
        """The video file."""
        return _videos(self.path)[0]

    def color_path(self, frame_id: int) -> Path:
        """The video file."""
        return self.video_path

    def depth_path(self, frame_id: int) -> Path:
        """The video file, which has no depth."""
        return self.video_path

    def pose_path(self, frame_id: int) -> Path:
        """The one file that holds every pose."""
        return self.path / "meta.json"

    def color_image(self, frame_id: int) -> Image.Image:
        """Picture ``frame_id`` as an RGB image, upright."""
        image = picture(self._video, frame_id)
        if frame_id and image.size != self.color_size_px:
            where = f"{self.video_path}: picture {frame_id} has the wrong size"
            raise FrameError(where, received=by(image.size), expected=by(self.color_size_px))
        return image

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """All 0, (H, W) uint16: unknown."""
        return np.zeros(self.depth_size_px[::-1], np.uint16)

    def stored_pose(self, frame_id: int) -> Floats:
        """What ``meta.json`` says, (4, 4), turned z up; NaN for a picture without a pose."""
        return self._poses.get(frame_id, NO_POSE)

    @cached_property
    def _poses(self) -> dict[int, Floats]:
        path = self.path / "meta.json"
        if not path.is_file():
            return {}
        cameras = read_cameras(path)
        poses, pictures = cameras["cam2world_opencv"], self.frame_ids
        numbers = cameras.get("source_index", pictures)
        if len(numbers) != len(poses):
            received = f"{len(poses)} poses for {len(numbers)} pictures"
            fix = "source_index lists the number of each pose's picture"
            raise SceneError(f"{path}: cam2world_opencv", received=received, expected="one pose a picture", fix=fix)
        if not all(type(number) is int and 0 <= number < len(pictures) for number in numbers):
            expected = f"whole numbers from 0 to {len(pictures) - 1}"
            raise SceneError(f"{path}: source_index", received=str(numbers)[:80], expected=expected)
        if len(set(numbers)) < len(numbers):
            raise SceneError(f"{path}: source_index", received="one picture twice", expected="each once")
        return {number: z_up(pose, str(path)) for number, pose in zip(numbers, poses, strict=True)}

    @cached_property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the upright pictures."""
        return self.color_image(0).size

    @property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the pictures."""
        return self.color_size_px

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the upright pictures."""
        return np.asarray(read_cameras(self.path / "meta.json")["K"])

    @property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the upright pictures."""
        return self.intrinsic_color


def picture(video: VideoFile, number: int) -> Image.Image:
    """Picture ``number`` of a scene's video.

    Raises:
        FrameError: it can't be decoded.
    """
    try:
        return Image.fromarray(video.picture(number))
    except VideoError as error:
        raise FrameError(error.message, received=error.received, expected=error.expected) from error


def _videos(path: Path) -> list[Path]:
    """Videos of a folder, without what macOS leaves beside them (``._kitchen.mp4``)."""
    return sorted(file for file in path.glob("[!.]*") if file.suffix.lower() in VIDEO_SUFFIXES)
