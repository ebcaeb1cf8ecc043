"""Read one scene folder: the same code for synthetic rooms, ScanNet's exported scans and posed clips.

A scan holds ``color/ depth/ pose/ instance/ intrinsic/``, ``<scene>.txt`` and a mesh; a posed clip holds
``000.jpg``, ``000.depth.png`` and ``meta.json``. Instances, objects, the mesh and the meta file may be absent.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import FrameError, PoseError, SceneError
from loc3r.scenes.ply import read_vertices
from loc3r.synth.room import RoomObject

Floats = NDArray[np.float64]


_Z_UP_FROM_Y_DOWN = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


class SceneFolder:
    """One scene on disk. Files are read when asked for; nothing but small matrices is kept.

    Raises:
        SceneError: the folder does not exist or holds no frames.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.scene_id = self.path.name
        if not self.path.is_dir():
            raise SceneError("no such scene folder", received=self.path, expected="a folder with color/, pose/")
        if not self.frame_ids:
            raise SceneError("the scene has no frames", received=self.path, expected="color/*.jpg")

    @property
    def frame_ids(self) -> tuple[int, ...]:
        """Numbers of the colour frames, in walking order; every reader below takes one of them."""
        return tuple(self._stems)

    @cached_property
    def _stems(self) -> dict[int, str]:
        """Frame number to the stem of its files: ours are zero-padded, ScanNet's are not."""
        return _numbered(self.path / "color")

    def color_path(self, frame_id: int) -> Path:
        """File of a colour frame."""
        return self.path / "color" / f"{self._stems[frame_id]}.jpg"

    def depth_path(self, frame_id: int) -> Path:
        """File of a depth frame."""
        return self.path / "depth" / f"{self._stems[frame_id]}.png"

    def pose_path(self, frame_id: int) -> Path:
        """File that holds a frame's pose."""
        return self.path / "pose" / f"{self._stems[frame_id]}.txt"

    def instance_path(self, frame_id: int) -> Path:
        """File of a frame's object ids."""
        return self.path / "instance" / f"{self._stems[frame_id]}.png"

    def color_image(self, frame_id: int) -> Image.Image:
        """Frame ``frame_id`` as an RGB image.

        Raises:
            FrameError: missing, corrupt, or not of the size of the scene's first frame.
        """
        return read_image(self.color_path(frame_id), self.color_size_px).convert("RGB")

    def color(self, frame_id: int) -> NDArray[np.uint8]:
        """Frame ``frame_id``, (H, W, 3) uint8 RGB.

        Raises:
            FrameError: as ``color_image``.
        """
        return np.asarray(self.color_image(frame_id))

    def depth_mm(self, frame_id: int) -> NDArray[np.uint16]:
        """Depth of frame ``frame_id``, (H, W) uint16 millimetres, 0 = unknown.

        Raises:
            FrameError: missing, corrupt, not 16-bit, or of another size than the first.
        """
        return _as_uint16(read_image(self.depth_path(frame_id), self.depth_size_px), self.depth_path(frame_id))

    def instances(self, frame_id: int) -> NDArray[np.uint16] | None:
        """Object ids of frame ``frame_id``, (H, W) uint16, 0 = nothing known; None where the scene has none.

        Their size is the depth frames' (ours) or the colour frames' (ScanNet's).

        Raises:
            FrameError: the scene has instances but not this one, or it is corrupt, or of another size.
        """
        path = self.instance_path(frame_id)
        if not path.parent.is_dir():
            return None
        image = read_image(path)
        if image.size not in (self.depth_size_px, self.color_size_px):
            raise FrameError(f"{path} has the wrong size", received=_by(image.size), expected=_by(self.depth_size_px))
        return _as_uint16(image, path)

    def pose(self, frame_id: int) -> Floats:
        """Camera-to-world pose (4, 4) of frame ``frame_id`` in the raw scan frame, OpenCV axes, z up.

        Raises:
            PoseError: missing, not a 4x4 matrix, NaN or infinite (ScanNet's lost frames), or not rigid.
        """
        return check_pose(self.stored_pose(frame_id), str(self.pose_path(frame_id)))

    def stored_pose(self, frame_id: int) -> Floats:
        """What the file says, (4, 4): it may hold NaN or infinity, as ScanNet marks frames it lost.

        Raises:
            PoseError: missing, or not a 4x4 matrix.
        """
        path = self.pose_path(frame_id)
        if not path.is_file():
            raise PoseError("a pose is missing", received=path, expected="a 4x4 matrix in a text file")
        return read_matrix(path)

    @cached_property
    def posed_frame_ids(self) -> tuple[int, ...]:
        """Frames whose pose is finite, in walking order."""
        return tuple(i for i in self.frame_ids if np.isfinite(self.stored_pose(i)).all())

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

    @cached_property
    def meta(self) -> dict[str, str]:
        """Fields of ``<scene>.txt``; empty where there is none."""
        return read_meta(self.path / f"{self.scene_id}.txt")

    @cached_property
    def axis_alignment(self) -> Floats:
        """Raw scan frame to axis-aligned frame (4, 4); the identity where the scan has none.

        Raises:
            SceneError: the meta file's ``axisAlignment`` is not 16 finite numbers.
        """
        text = self.meta.get("axisAlignment")
        return np.eye(4) if text is None else _matrix(text, f"{self.scene_id}.txt: axisAlignment")

    @cached_property
    def box_center_m(self) -> Floats:
        """Centre (3,) of the raw mesh's bounding box: SQA3D's positions are relative to it.

        Raises:
            SceneError: the scene has no mesh.
        """
        return mesh_box_center_m(self.path)

    @cached_property
    def objects(self) -> tuple[RoomObject, ...]:
        """The scene's boxes in the axis-aligned frame; empty where none are known.

        Raises:
            SceneError: ``objects.json`` is not a list of boxes.
        """
        path = self.path / "objects.json"
        return read_objects(path) if path.is_file() else ()

    def _size_px(self, camera: str, first: Path) -> tuple[int, int]:
        width, height = self.meta.get(f"{camera}Width"), self.meta.get(f"{camera}Height")
        if width and height:
            return int(width), int(height)
        return read_image(first).size


class PosedClip(SceneFolder):
    """A folder of ``000.jpg``, ``000.depth.png`` and ``meta.json`` (K, cam2world_opencv).

    A clip's world is its first camera's (y down); it is turned z up, as upright as that camera was held.
    """

    @cached_property
    def _stems(self) -> dict[int, str]:
        return _numbered(self.path)

    def color_path(self, frame_id: int) -> Path:
        """File of a colour frame."""
        return self.path / f"{self._stems[frame_id]}.jpg"

    def depth_path(self, frame_id: int) -> Path:
        """File of a depth frame."""
        return self.path / f"{self._stems[frame_id]}.depth.png"

    def pose_path(self, frame_id: int) -> Path:
        """The one file that holds every pose."""
        return self.path / "meta.json"

    def stored_pose(self, frame_id: int) -> Floats:
        """What the file says, (4, 4), turned z up; it may hold NaN or infinity.

        Raises:
            PoseError: missing.
        """
        poses, at = self._clip["cam2world_opencv"], self.frame_ids.index(frame_id)
        if at >= len(poses):
            where = f"{self.pose_path(frame_id)}: {len(poses)} poses"
            raise PoseError("a pose is missing", received=where, expected=f"{len(self.frame_ids)} poses")
        return _Z_UP_FROM_Y_DOWN @ np.asarray(poses[at], np.float64)

    @cached_property
    def intrinsic_color(self) -> Floats:
        """Intrinsics (3, 3) of the colour and the depth frames."""
        return np.asarray(self._clip["K"], np.float64)

    @cached_property
    def intrinsic_depth(self) -> Floats:
        """Intrinsics (3, 3) of the colour and the depth frames."""
        return self.intrinsic_color

    @cached_property
    def _clip(self) -> dict[str, Any]:
        clip: dict[str, Any] = json.loads((self.path / "meta.json").read_text())
        return clip


def open_scene(path: Path) -> SceneFolder:
    """The reader that fits a folder: a posed clip where it has ``meta.json``, else a scan.

    Raises:
        SceneError: the folder does not exist or holds no frames.
    """
    return PosedClip(path) if (Path(path) / "meta.json").is_file() else SceneFolder(path)


def scene_folders(root: Path) -> list[Path]:
    """Every scene folder under ``root/scans`` (or ``root`` itself), sorted.

    Raises:
        SceneError: there is none.
    """
    parent = root / "scans" if (root / "scans").is_dir() else root
    candidates = (path for path in parent.glob("*") if not path.name.startswith("."))  # half-written ones
    folders = sorted(p for p in candidates if (p / "color").is_dir() or (p / "meta.json").is_file())
    if not folders:
        raise SceneError("no scenes found", received=root, expected="scans/<scene_id>/color/*.jpg")
    return folders


def _numbered(folder: Path) -> dict[int, str]:
    stems = [path.stem for path in folder.glob("*.jpg") if path.stem.isdigit()]
    return {int(stem): stem for stem in sorted(stems, key=int)}


def mesh_box_center_m(scene: Path) -> Floats:
    """Centre (3,) of the raw mesh's bounding box of a scene folder; its frames are not looked at.

    Raises:
        SceneError: the scene has no mesh.
    """
    vertices = read_vertices(scene / f"{scene.name}_vh_clean_2.ply")
    return np.asarray((vertices.min(0) + vertices.max(0)) / 2, np.float64)


def read_image(path: Path, size_px: tuple[int, int] | None = None) -> Image.Image:
    """A fully decoded image, of ``size_px`` (width, height) where that is given.

    Raises:
        FrameError: missing, corrupt or truncated, or of another size.
    """
    try:
        image: Image.Image = Image.open(path)
        image.load()
    except FileNotFoundError as error:
        raise FrameError("a frame is missing", received=path, expected="an image file") from error
    except (OSError, SyntaxError, ValueError) as error:  # PIL's words for broken JPEG and PNG
        raise FrameError(f"{path} can't be decoded", received=str(error), expected="a whole image") from error
    if size_px is not None and image.size != size_px:
        raise FrameError(f"{path} has the wrong size", received=_by(image.size), expected=_by(size_px))
    return image


def read_matrix(path: Path) -> Floats:
    """The 4x4 matrix in a text file; NaN and infinity are let through.

    Raises:
        SceneError: missing, or not 16 numbers.
    """
    if not path.is_file():
        raise SceneError("a matrix is missing", received=path, expected="a 4x4 matrix in a text file")
    return _matrix(path.read_text(), str(path))


def check_pose(pose: Floats, where: str) -> Floats:
    """``pose`` itself, if it is a finite rigid transform.

    Raises:
        PoseError: otherwise; ``where`` names the file.
    """
    if not np.isfinite(pose).all():
        raise PoseError(f"{where} holds NaN or infinity", received=pose.tolist(), expected="finite numbers")
    rotation = pose[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2) or np.linalg.det(rotation) < 0:
        raise PoseError(f"{where} is not rigid", received=rotation.tolist(), expected="a rotation matrix")
    return pose


def read_meta(path: Path) -> dict[str, str]:
    """``key = value`` lines of a ScanNet meta file; empty where there is no file."""
    if not path.is_file():
        return {}
    return dict(re.findall(r"^\s*(\w+)\s*=\s*(.*?)\s*$", path.read_text(), re.MULTILINE))


def read_objects(path: Path) -> tuple[RoomObject, ...]:
    """The boxes in an ``objects.json``.

    Raises:
        SceneError: an entry lacks a field or has an unknown one.
    """
    try:
        return tuple(_object(**entry) for entry in json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise SceneError(f"{path} is not a list of boxes", received=str(error), expected=_OBJECT_FIELDS) from error


_OBJECT_FIELDS = "object_id, name, kind, center_m [3], size_m [3], yaw_rad"


def _object(center_m: list[float], size_m: list[float], **fields: Any) -> RoomObject:
    (x, y, z), (width, depth, height) = center_m, size_m
    return RoomObject(center_m=(x, y, z), size_m=(width, depth, height), **fields)


def _matrix(text: str, where: str) -> Floats:
    try:
        return np.array(text.split(), np.float64).reshape(4, 4)
    except ValueError as error:
        raise SceneError(f"{where} is not a 4x4 matrix", received=text[:80], expected="16 numbers") from error


def _as_uint16(image: Image.Image, path: Path) -> NDArray[np.uint16]:
    values = np.asarray(image)
    if values.ndim != 2 or values.dtype.kind not in "ui" or values.itemsize < 2:
        raise FrameError(f"{path} is not a 16-bit image", received=image.mode, expected="I;16")
    return values.astype(np.uint16)


def _by(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]}x{size_px[1]}"
