"""``posed_images`` folders, as MMDetection3D and EmbodiedScan extract ScanNet: everything of a frame in one folder.

``posed_images/<scene>/00000.jpg .png .txt`` with ``intrinsic.txt`` (colour) and ``depth_intrinsic.txt``. The older
extraction (MMDetection3D's) has no depth. The axis alignment is in ``axis_align_matrix.txt``, or in ScanNet's
``<scene>.txt``, there or in ``scans/<scene>`` beside ``posed_images``, where the mesh is too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import FrameError, SceneError
from loc3r.scenes.layouts.numbered import NumberedFrames
from loc3r.scenes.read import numbered, read_depth_mm, read_image, read_matrix, read_meta
from loc3r.scenes.scene import Floats


class PosedImages(NumberedFrames):
    """One folder of posed images.

    Raises:
        SceneError: the folder does not exist or holds no frames.
    """

    files = "intrinsic.txt, 00000.jpg, 00000.txt, 00000.png"
    parent = "posed_images"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether numbered frames lie beside ``intrinsic.txt``."""
        return (path / "intrinsic.txt").is_file() and bool(numbered(path))

    def oddities(self) -> Iterator[SceneError]:
        """Depth and poses without colour: such a frame is not walked."""
        orphans = {**self._depth_stems, **numbered(self.path, ".txt")}.keys() - self._stems.keys()
        if orphans:
            missing, received = f"{min(orphans):05d}.jpg is missing", f"its depth or pose; {len(orphans)} such"
            yield FrameError(missing, received=received, expected="colour, depth and pose")

    def depth_path(self, frame_id: int) -> Path:
        """File of a depth frame."""
        return self.path / f"{self._stems[frame_id]}.png"

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image."""
        return read_image(self.color_path(frame_id), self.color_size_px).convert("RGB")

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres; all 0 where the extraction kept no depth."""
        if not self._depth_stems:
            return np.zeros(self.depth_size_px[::-1], np.uint16)
        return read_depth_mm(self.depth_path(frame_id), self.depth_size_px)

    @cached_property
    def _depth_stems(self) -> dict[int, str]:
        return numbered(self.path, ".png")

    @cached_property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the first colour frame."""
        return read_image(self.color_path(self.frame_ids[0])).size

    @cached_property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the first depth frame; the colour frames' where there is no depth."""
        first = next(iter(self._depth_stems.values()), None)
        return self.color_size_px if first is None else read_image(self.path / f"{first}.png").size

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the colour frames."""
        return read_matrix(self.path / "intrinsic.txt")[:3, :3]

    @cached_property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the depth frames; the colour frames' where there is no depth."""
        if not self._depth_stems:
            return self.intrinsic_color
        return read_matrix(self.path / "depth_intrinsic.txt")[:3, :3]

    @cached_property
    def meta(self) -> dict[str, str]:
        """Fields of ScanNet's ``<scene>.txt``, here or in the scan's own folder."""
        name = f"{self.scene_id}.txt"
        return read_meta(self.path / name) or read_meta(_scan(self.path) / name)

    @cached_property
    def axis_alignment(self) -> Floats:
        """Raw scan frame to axis-aligned frame (4, 4); the identity where none is known."""
        path = self.path / "axis_align_matrix.txt"
        return read_matrix(path) if path.is_file() else super().axis_alignment

    @classmethod
    def mesh_path(cls, path: Path) -> Path:
        """The mesh, here or in the scan's own folder."""
        own = super().mesh_path(path)
        return own if own.is_file() else super().mesh_path(_scan(path))


def _scan(path: Path) -> Path:
    """The scan that the images were taken from, as ScanNet and EmbodiedScan lay both out."""
    return path.resolve().parent.parent / "scans" / path.name
