"""A scan as ScanNet's exporter and our synthetic rooms write it: ``color/ depth/ pose/ instance/ intrinsic/``.

``<scene>.txt``, a mesh and, for ours, ``objects.json`` lie beside them; all three and the instances may be absent.
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
from loc3r.scenes.read import as_uint16, by, read_depth_mm, read_image, read_matrix
from loc3r.scenes.scene import Floats


class SceneFolder(NumberedFrames):
    """One exported scan.

    Raises:
        SceneError: the folder does not exist or holds no frames.
    """

    files = "color/*.jpg, depth/*.png, pose/*.txt"
    parent = "scans"
    color_folder = "color"
    pose_folder = "pose"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether there is a ``color`` folder."""
        return (path / "color").is_dir()

    def oddities(self) -> Iterator[SceneError]:
        """Depth and poses without colour: such a frame is not walked."""
        beside = {path.stem for folder in ("depth", "pose") for path in (self.path / folder).glob("[0-9]*")}
        orphans = beside - set(self._stems.values())
        if orphans:
            missing, received = f"color/{min(orphans)}.jpg is missing", f"its depth or pose; {len(orphans)} such"
            yield FrameError(missing, received=received, expected="colour, depth and pose")

    def depth_path(self, frame_id: int) -> Path:
        """File of a depth frame."""
        return self.path / "depth" / f"{self._stems[frame_id]}.png"

    def instance_path(self, frame_id: int) -> Path:
        """File of a frame's object ids."""
        return self.path / "instance" / f"{self._stems[frame_id]}.png"

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image."""
        return read_image(self.color_path(frame_id), self.color_size_px).convert("RGB")

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres, 0 = unknown."""
        return read_depth_mm(self.depth_path(frame_id), self.depth_size_px)

    def instances(self, frame_id: int) -> NDArray[np.uint16] | None:
        """Object ids of frame ``frame_id``, (H, W) uint16, 0 = nothing known; None where the scene has none."""
        path = self.instance_path(frame_id)
        if not path.parent.is_dir():
            return None
        image = read_image(path)
        if image.size not in (self.depth_size_px, self.color_size_px):
            raise FrameError(f"{path} has the wrong size", received=by(image.size), expected=by(self.depth_size_px))
        return as_uint16(image, path)

    @cached_property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the colour frames; the meta file's, else the first frame's."""
        return self._size_px("color", self.color_path(self.frame_ids[0]))

    @cached_property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the depth frames; the meta file's, else the first frame's."""
        return self._size_px("depth", self.depth_path(self.frame_ids[0]))

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the colour frames."""
        return read_matrix(self.path / "intrinsic" / "intrinsic_color.txt")[:3, :3]

    @cached_property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the depth frames."""
        return read_matrix(self.path / "intrinsic" / "intrinsic_depth.txt")[:3, :3]

    def _size_px(self, camera: str, first: Path) -> tuple[int, int]:
        width, height = self.meta.get(f"{camera}Width"), self.meta.get(f"{camera}Height")
        if width and height:
            return int(width), int(height)
        return read_image(first).size
