"""ARKitScenes, ``raw`` and ``3dod``: ``lowres_wide/ lowres_depth/ lowres_wide_intrinsics/`` and ``lowres_wide.traj``.

They lie in ``<video>/`` or ``<video>/<video>_frames/``. A frame is named ``<video>_<seconds>``; its pose is the line of
the trajectory within 5 ms (seconds, axis-angle and translation from world to camera), as in Apple's tenFpsDataLoader;
frames between two lines have none. A ``.pincam`` holds width, height, focal lengths and centre of one frame. iPads were
held either way: frames are turned upright, and intrinsics and poses with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from loc3r.errors import FrameError, SceneError
from loc3r.geometry.camera import scale_intrinsics
from loc3r.geometry.turns import turn_intrinsics, turn_pose, turn_size, turns_upright
from loc3r.scenes.read import by, read_depth_mm, read_image, read_text
from loc3r.scenes.scene import NO_POSE, Floats, Scene

TOLERANCE_S = 0.005
TRAJECTORY = "lowres_wide.traj"
_TURN = {1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}


class ArkitScene(Scene):
    """One video of ARKitScenes, upright; frames are numbered in the order of time.

    Raises:
        SceneError: the folder does not exist, holds no frames, or its trajectory breaks the format.
    """

    files = f"{TRAJECTORY}, lowres_wide/*.png, lowres_depth/*.png, lowres_wide_intrinsics/*.pincam"

    @classmethod
    def fits(cls, path: Path) -> bool:
        """Whether there is a trajectory."""
        return (_frames(path) / TRAJECTORY).is_file()

    @property
    def frame_ids(self) -> tuple[int, ...]:
        """0 to N - 1, in the order of time, of the colour frames that have depth."""
        return tuple(range(len(self._shots)))

    @cached_property
    def _shots(self) -> list[tuple[float, Path, Path]]:
        """Moment, colour and depth of each frame."""
        depth = _Timeline(_frames(self.path) / "lowres_depth", ".png")
        pairs = ((seconds, path, depth.at(seconds)) for seconds, path in self._color)
        return [(seconds, color, depth) for seconds, color, depth in pairs if depth is not None]

    @cached_property
    def _color(self) -> _Timeline:
        return _Timeline(_frames(self.path) / "lowres_wide", ".png")

    @cached_property
    def _intrinsics(self) -> _Timeline:
        return _Timeline(_frames(self.path) / "lowres_wide_intrinsics", ".pincam")

    def oddities(self) -> Iterator[SceneError]:
        """Colour without depth: such a frame is not walked."""
        missing = len(self._color.paths) - len(self._shots)
        if missing:
            received = f"{missing} of {len(self._color.paths)} frames of {self._color.folder}"
            yield FrameError("colour frames have no depth", received=received, expected="one of the same moment")

    def color_path(self, frame_id: int) -> Path:
        """File of a colour frame."""
        return self._shots[frame_id][1]

    def depth_path(self, frame_id: int) -> Path:
        """File of the depth frame of the same moment."""
        return self._shots[frame_id][2]

    def pose_path(self, frame_id: int) -> Path:
        """The one file that holds every pose."""
        return _frames(self.path) / TRAJECTORY

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image, upright."""
        size_px = turn_size(self.color_size_px, self.turns)
        image = read_image(self.color_path(frame_id), size_px).convert("RGB")
        return image.transpose(_TURN[self.turns]) if self.turns else image

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres, 0 = unknown, upright."""
        return np.rot90(read_depth_mm(self.depth_path(frame_id), self._depth_stored_px), self.turns)

    def stored_pose(self, frame_id: int) -> Floats:
        """The upright camera's pose (4, 4); NaN where the trajectory has no line of that moment."""
        seconds, poses = self._trajectory
        nearest = _nearest(seconds, self._shots[frame_id][0])
        return NO_POSE if nearest is None else turn_pose(poses[nearest], self.turns)

    @cached_property
    def turns(self) -> int:
        """Quarter turns, counter-clockwise, from the stored to the upright images."""
        return turns_upright(self._trajectory[1])

    @cached_property
    def color_size_px(self) -> tuple[int, int]:
        """Width and height of the upright colour frames."""
        return turn_size(read_image(self.color_path(0)).size, self.turns)

    @cached_property
    def depth_size_px(self) -> tuple[int, int]:
        """Width and height of the upright depth frames."""
        return turn_size(self._depth_stored_px, self.turns)

    @cached_property
    def _depth_stored_px(self) -> tuple[int, int]:
        return read_image(self.depth_path(0)).size

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the first colour frame."""
        return self._turned(0, turn_size(self.color_size_px, self.turns))

    @cached_property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the first depth frame: the colour camera's, scaled where the sizes differ."""
        return self.intrinsic_depth_of(0)

    def intrinsic_depth_of(self, frame_id: int) -> Floats:
        """Intrinsics (3, 3) of one depth frame."""
        return self._turned(frame_id, self._depth_stored_px)

    def _turned(self, frame_id: int, size_px: tuple[int, int]) -> Floats:
        """One frame's intrinsics, for a stored image of ``size_px``, then upright."""
        seconds = self._shots[frame_id][0]
        path = self._intrinsics.at(seconds)
        if path is None:
            where = f"{self._intrinsics.folder}: nothing at {seconds:.3f} s"
            raise SceneError("intrinsics are missing", received=where, expected="a .pincam")
        return turn_intrinsics(_read_pincam(path, size_px), size_px, self.turns)

    @cached_property
    def _trajectory(self) -> tuple[Floats, Floats]:
        return _read_trajectory(_frames(self.path) / TRAJECTORY)

    @classmethod
    def mesh_path(cls, path: Path) -> Path:
        """The mesh that ARKit made."""
        return path / f"{path.name}_3dod_mesh.ply"


class _Timeline:
    """The files of a folder by the moment in their names."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder
        named = ((re.search(r"(?<![\d.])(\d+(?:\.\d+)?)$", path.stem), path) for path in folder.glob(f"*{suffix}"))
        pairs = sorted((float(found[1]), path) for found, path in named if found)
        self.seconds: Floats = np.array([seconds for seconds, _ in pairs])
        self.paths = [path for _, path in pairs]

    def __iter__(self) -> Iterator[tuple[float, Path]]:
        return zip(self.seconds.tolist(), self.paths, strict=True)

    def at(self, seconds: float) -> Path | None:
        """The file of that moment."""
        nearest = _nearest(self.seconds, seconds)
        return None if nearest is None else self.paths[nearest]


def _nearest(seconds: Floats, wanted: float) -> int | None:
    """Index of the moment within the tolerance of ``wanted``; moments are sorted."""
    after = int(np.searchsorted(seconds, wanted))
    near = [i for i in (after - 1, after) if 0 <= i < len(seconds) and abs(seconds[i] - wanted) <= TOLERANCE_S]
    return min(near, key=lambda i: abs(seconds[i] - wanted), default=None)


def _frames(path: Path) -> Path:
    inner = path / f"{path.name}_frames"
    return inner if inner.is_dir() else path


def _read_trajectory(path: Path) -> tuple[Floats, Floats]:
    """Moments (N,) in seconds, sorted, and camera-to-world poses (N, 4, 4)."""
    lines = [line.split() for line in read_text(path).splitlines() if line.strip()]
    try:
        table = np.array(lines, np.float64).reshape(-1, 7)
    except ValueError as error:
        raise SceneError(f"{path} breaks the format", received=str(error), expected="7 numbers a line") from error
    table = table[np.argsort(table[:, 0], kind="stable")]
    poses = np.tile(NO_POSE, (len(table), 1, 1))
    known = np.isfinite(table).all(1)
    rotations = Rotation.from_rotvec(table[known, 1:4]).as_matrix().transpose(0, 2, 1)  # of camera to world
    poses[known] = np.eye(4)
    poses[known, :3, :3] = rotations
    poses[known, :3, 3:] = -rotations @ table[known, 4:, None]
    return table[:, 0], poses


def _read_pincam(path: Path, size_px: tuple[int, int]) -> Floats:
    """Intrinsics (3, 3) for images of ``size_px``, which may be smaller or larger than the file's."""
    try:
        width, height, fx, fy, cx, cy = (float(word) for word in read_text(path).split())
    except ValueError as error:
        raise SceneError(f"{path} breaks the format", received=str(error), expected="6 numbers") from error
    if not (width > 0 and height > 0 and width / height == size_px[0] / size_px[1]):
        raise SceneError(f"{path} is of other images", received=f"{width:g}x{height:g}", expected=by(size_px))
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return scale_intrinsics(matrix, size_px[0] / width, size_px[1] / height)
