"""ScanNet as it is downloaded: ``<scene>/<scene>.sens`` with ``<scene>.txt`` and the mesh beside it.

Nothing is extracted: the frames that are asked for are read from the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import SceneError
from loc3r.scenes.scene import Floats, Scene
from loc3r.scenes.sens import SensFile


class SensScene(Scene):
    """One scan in a ``.sens`` file.

    Raises:
        SceneError: the folder does not exist, or the file holds no frames, breaks the format or was cut short.
    """

    files = "<scene>.sens"
    parent = "scans"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        if self.sens.fault is not None:  # what is left of a scan is no scan: to keep it is a decision, not a default
            raise self.sens.fault

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether there is a ``.sens`` of the folder's name."""
        return _sens_path(path).is_file()

    @cached_property
    def sens(self) -> SensFile:
        """The file."""
        return SensFile(_sens_path(self.path))

    def oddities(self) -> Iterator[SceneError]:
        """IMU records that are cut short."""
        try:
            self.sens.check_end()
        except SceneError as error:
            yield error

    @cached_property
    def frame_ids(self) -> tuple[int, ...]:
        """0 to N - 1."""
        return tuple(range(len(self.sens)))

    def color_path(self, frame_id: int) -> Path:
        """The one file that holds everything."""
        return self.sens.path

    def depth_path(self, frame_id: int) -> Path:
        """The one file that holds everything."""
        return self.sens.path

    def pose_path(self, frame_id: int) -> Path:
        """The one file that holds everything."""
        return self.sens.path

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image."""
        return self.sens.color_image(frame_id)

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres, 0 = unknown."""
        return self.sens.depth_mm(frame_id)

    def stored_pose(self, frame_id: int) -> Floats:
        """What the file says, (4, 4); -inf where tracking was lost."""
        return np.asarray(self.sens.poses[frame_id], np.float64)

    @property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the colour frames."""
        return self.sens.header.color_size_px

    @property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the depth frames."""
        return self.sens.header.depth_size_px

    @property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the colour frames."""
        return self.sens.header.intrinsic_color[:3, :3]

    @property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the depth frames."""
        return self.sens.header.intrinsic_depth[:3, :3]


def _sens_path(path: Path) -> Path:
    return path / f"{path.name}.sens"
