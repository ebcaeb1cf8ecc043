"""What layouts share whose colour frames are JPEGs, and poses texts, named by their numbers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from loc3r.errors import PoseError
from loc3r.scenes.read import numbered, read_matrix
from loc3r.scenes.scene import Floats, Scene


class NumberedFrames(Scene):
    """A scene whose colour frames are ``<number>.jpg`` in ``color_folder``.

    Unless a layout says otherwise, their poses are ``<number>.txt`` in ``pose_folder``.
    """

    color_folder = "."
    pose_folder = "."

    @property
    def frame_ids(self) -> tuple[int, ...]:
        """Numbers of the colour frames, in walking order."""
        return tuple(self._stems)

    @cached_property
    def _stems(self) -> dict[int, str]:
        return numbered(self.path / self.color_folder)

    def color_path(self, frame_id: int) -> Path:
        """File of a colour frame."""
        return self.path / self.color_folder / f"{self._stems[frame_id]}.jpg"

    def pose_path(self, frame_id: int) -> Path:
        """File that holds a frame's pose."""
        return self.path / self.pose_folder / f"{self._stems[frame_id]}.txt"

    def stored_pose(self, frame_id: int) -> Floats:
        """What the file says, (4, 4)."""
        path = self.pose_path(frame_id)
        if not path.is_file():
            raise PoseError("a pose is missing", received=path, expected="a 4x4 matrix in a text file")
        return read_matrix(path)
