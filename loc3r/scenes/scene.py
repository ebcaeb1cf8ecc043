"""What every layout of scenes on disk offers to ``prepare``, ``validate`` and the benchmarks.

A layout is one class in ``loc3r/scenes/layouts``: it says which folders are its own and reads frames, poses and
intrinsics from them. Poses are camera-to-world with OpenCV axes, in a world in metres with z up; depth is uint16
millimetres, 0 = unknown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import SceneError
from loc3r.scenes.read import box_center_m, check_pose, parse_matrix, read_meta, read_objects
from loc3r.synth.room import RoomObject

Floats = NDArray[np.float64]
NO_POSE: Floats = np.full((4, 4), np.nan)
"""The stored pose of a frame that the recording has none for; such frames are passed over and counted."""


class Scene(ABC):
    """One scene on disk. Files are read when asked for; nothing but small matrices is kept.

    Raises:
        SceneError: the folder does not exist or holds no frames.
    """

    files: ClassVar[str]
    """The files that show a folder to be of this layout, for messages."""
    parent: ClassVar[str | None] = None
    """Folder of a data set that usually holds the scenes."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.scene_id = self.path.name
        if not self.path.is_dir():
            raise SceneError("no such scene folder", received=self.path, expected=f"a folder with {self.files}")
        if not self.frame_ids:
            raise SceneError("the scene has no frames", received=self.path, expected=self.files)

    @classmethod
    @abstractmethod
    def fits(cls, path: Path) -> bool:
        """Whether the files present are this layout's."""

    @property
    @abstractmethod
    def frame_ids(self) -> tuple[int, ...]:
        """Numbers of the colour frames, in walking order; every reader below takes one of them."""

    @abstractmethod
    def color_path(self, frame_id: int) -> Path:
        """The file that holds a colour frame."""

    @abstractmethod
    def depth_path(self, frame_id: int) -> Path:
        """The file that holds a depth frame."""

    @abstractmethod
    def pose_path(self, frame_id: int) -> Path:
        """The file that holds a frame's pose."""

    @abstractmethod
    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image, upright where the layout says which way is up.

        Raises:
            FrameError: missing, corrupt, or not of the scene's size.
        """

    @abstractmethod
    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres, 0 = unknown; all 0 where the scene has no depth.

        Raises:
            FrameError: missing, corrupt, not 16-bit, or of another size than the first.
        """

    @abstractmethod
    def stored_pose(self, frame_id: int) -> Floats:
        """What the files say, (4, 4): it may hold NaN or infinity, as ScanNet marks frames it lost.

        Raises:
            PoseError: missing, or not a 4x4 matrix.
        """

    @property
    @abstractmethod
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the colour frames."""

    @property
    @abstractmethod
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the depth frames."""

    @property
    @abstractmethod
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the colour frames; the first frame's where they vary."""

    @property
    @abstractmethod
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the depth frames; the first frame's where they vary."""

    def intrinsic_depth_of(self, frame_id: int) -> Floats:
        """Intrinsics (3, 3) of one depth frame: phones refocus as they walk."""
        return self.intrinsic_depth

    def oddities(self) -> Iterator[SceneError]:
        """What no single frame shows: files that belong together and are not all there. The scene can be used."""
        yield from ()

    def color(self, frame_id: int) -> NDArray[np.uint8]:
        """Frame ``frame_id``, (H, W, 3) uint8 RGB.

        Raises:
            FrameError: as ``color_image``.
        """
        return np.asarray(self.color_image(frame_id))

    def instance_path(self, frame_id: int) -> Path:
        """File of a frame's object ids."""
        return self.path / "instance" / f"{frame_id:06d}.png"

    def instances(self, frame_id: int) -> NDArray[np.uint16] | None:
        """Object ids of frame ``frame_id``, (H, W) uint16, 0 = nothing known; None where the scene has none.

        Their size is the depth frames' (ours) or the colour frames' (ScanNet's).

        Raises:
            FrameError: the scene has instances but not this one, or it is corrupt, or of another size.
        """
        return None

    def pose(self, frame_id: int) -> Floats:
        """Camera-to-world pose (4, 4) of frame ``frame_id`` in the raw scan frame, OpenCV axes, z up.

        Raises:
            PoseError: missing, not a 4x4 matrix, NaN or infinite (ScanNet's lost frames), or not rigid.
        """
        return check_pose(self.stored_pose(frame_id), f"{self.pose_path(frame_id)}: frame {frame_id}")

    @cached_property
    def posed_frame_ids(self) -> tuple[int, ...]:
        """Frames whose pose is finite, in walking order."""
        return tuple(i for i in self.frame_ids if np.isfinite(self.stored_pose(i)).all())

    @cached_property
    def meta(self) -> dict[str, str]:
        """Fields of ScanNet's ``<scene>.txt``; empty where there is none."""
        return read_meta(self.path / f"{self.scene_id}.txt")

    @cached_property
    def axis_alignment(self) -> Floats:
        """Raw scan frame to axis-aligned frame (4, 4); the identity where the scan has none.

        Raises:
            SceneError: the meta file's ``axisAlignment`` is not 16 finite numbers.
        """
        text = self.meta.get("axisAlignment")
        return np.eye(4) if text is None else parse_matrix(text, f"{self.scene_id}.txt: axisAlignment")

    @classmethod
    def mesh_path(cls, path: Path) -> Path:
        """Where the mesh of the scene in ``path`` is, if it has one; its frames are not looked at."""
        return path / f"{path.name}_vh_clean_2.ply"

    @cached_property
    def objects(self) -> tuple[RoomObject, ...]:
        """The scene's boxes in the axis-aligned frame; empty where none are known.

        Raises:
            SceneError: ``objects.json`` is not a list of boxes.
        """
        path = self.path / "objects.json"
        return read_objects(path) if path.is_file() else ()

    @cached_property
    def box_center_m(self) -> Floats:
        """Centre (3,) of the raw mesh's bounding box: SQA3D's positions are relative to it.

        Raises:
            SceneError: the scene has no mesh.
        """
        return box_center_m(self.mesh_path(self.path))
