"""What layouts share whose colour frames are JPEGs named by their numbers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from loc3r.scenes.read import numbered
from loc3r.scenes.scene import Scene


class NumberedFrames(Scene):
    """A scene whose colour frames are ``<number>.jpg`` in ``color_folder``."""

    color_folder = "."

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
