"""The files of scenes: images, matrices, poses, ScanNet's meta file, boxes. Each fault names its file."""

from __future__ import annotations

import json
import re
from operator import index
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import FrameError, PoseError, SceneError
from loc3r.scenes.ply import read_vertices
from loc3r.synth.room import RoomObject

Floats = NDArray[np.float64]


def box_center_m(mesh: Path) -> Floats:
    """Centre (3,) of a mesh's bounding box.

    Raises:
        SceneError: there is no mesh.
    """
    vertices = read_vertices(mesh)
    return np.asarray((vertices.min(0) + vertices.max(0)) / 2, np.float64)


def read_image(path: Path, size_px: tuple[int, int] | None = None) -> Image.Image:
    """A fully decoded image, of ``size_px`` (width, height) where that is given.

    Raises:
        FrameError: missing, corrupt or truncated, or of another size.
    """
    if not path.is_file():
        raise FrameError("a frame is missing", received=path, expected="an image file")
    return decode_image(path, str(path), size_px)


def decode_image(source: Any, where: str, size_px: tuple[int, int] | None = None) -> Image.Image:
    """The image in a path or an open file, of ``size_px`` (width, height) where that is given.

    Raises:
        FrameError: corrupt or truncated, or of another size; ``where`` names the file.
    """
    try:
        image: Image.Image = Image.open(source)
        image.load()
    except (OSError, SyntaxError, ValueError) as error:  # PIL's words for broken JPEG and PNG
        raise FrameError(f"{where} can't be decoded", received=str(error), expected="a whole image") from error
    if size_px is not None and image.size != size_px:
        raise FrameError(f"{where} has the wrong size", received=by(image.size), expected=by(size_px))
    return image


def read_depth_mm(path: Path, size_px: tuple[int, int] | None = None) -> NDArray[np.uint16]:
    """A 16-bit image (H, W) uint16: depth in millimetres, or object ids.

    Raises:
        FrameError: as ``read_image``, or not 16-bit.
    """
    return as_uint16(read_image(path, size_px), path)


def as_uint16(image: Image.Image, path: Path) -> NDArray[np.uint16]:
    """The values (H, W) of a 16-bit image.

    Raises:
        FrameError: of another depth; ``path`` names the file.
    """
    values = np.asarray(image)
    if values.ndim != 2 or values.dtype.kind not in "ui" or values.itemsize < 2:
        raise FrameError(f"{path} is not a 16-bit image", received=image.mode, expected="I;16")
    return values.astype(np.uint16)


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        SceneError: missing, a folder, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"{path} can't be read", received=str(error), expected="a text file") from error


def as_matrix(values: Any, shape: tuple[int, int], where: str) -> Floats:
    """A matrix of ``shape`` from nested lists; NaN and infinity are let through.

    Raises:
        PoseError: they don't hold so many numbers; ``where`` names the file and field.
    """
    try:
        return np.asarray(values, np.float64).reshape(shape)
    except (TypeError, ValueError, OverflowError) as error:
        raise PoseError(f"{where} is no matrix", received=str(values)[:80], expected=f"{shape} numbers") from error


def read_matrix(path: Path) -> Floats:
    """The 4x4 matrix in a text file; NaN and infinity are let through.

    Raises:
        SceneError: missing, or not 16 numbers.
    """
    if not path.is_file():
        raise SceneError("a matrix is missing", received=path, expected="a 4x4 matrix in a text file")
    return parse_matrix(read_text(path), str(path))


def parse_matrix(text: str, where: str) -> Floats:
    """The 4x4 matrix in ``text``.

    Raises:
        SceneError: not 16 numbers; ``where`` names the file.
    """
    try:
        return np.array(text.split(), np.float64).reshape(4, 4)
    except ValueError as error:
        raise SceneError(f"{where} is not a 4x4 matrix", received=text[:80], expected="16 numbers") from error


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


def check_intrinsics(matrix: Floats, size_px: tuple[int, int]) -> None:
    """Check that a matrix (3, 3) may be the intrinsics of frames of ``size_px``.

    Raises:
        SceneError: it isn't finite, a focal length isn't above 0, or the centre lies outside.
    """
    focal, center = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    if not np.isfinite(matrix).all() or (focal <= 0).any() or (center < 0).any() or (center > size_px).any():
        raise SceneError(
            "impossible intrinsics", received=matrix.tolist(), expected=f"focal > 0, centre within {size_px} px"
        )


def read_meta(path: Path) -> dict[str, str]:
    """``key = value`` lines of a ScanNet meta file; empty where there is no file.

    Raises:
        SceneError: it is no text.
    """
    if not path.is_file():
        return {}
    return dict(re.findall(r"^\s*(\w+)\s*=\s*(.*?)\s*$", read_text(path), re.MULTILINE))


def read_objects(path: Path) -> tuple[RoomObject, ...]:
    """The boxes in an ``objects.json``.

    Raises:
        SceneError: an entry lacks a field or has an unknown one.
    """
    try:
        return tuple(_object(**entry) for entry in json.loads(read_text(path)))
    except (TypeError, ValueError, RecursionError) as error:
        raise SceneError(f"{path} is not a list of boxes", received=str(error), expected=_OBJECT_FIELDS) from error


_OBJECT_FIELDS = "object_id, name, kind, center_m [3], size_m [3], yaw_rad"


def _object(object_id: int, center_m: list[float], size_m: list[float], yaw_rad: float, **fields: Any) -> RoomObject:
    (x, y, z), (width, depth, height) = map(float, center_m), map(float, size_m)
    return RoomObject(
        object_id=index(object_id), center_m=(x, y, z), size_m=(width, depth, height), yaw_rad=float(yaw_rad), **fields
    )


def numbered(folder: Path, suffix: str = ".jpg") -> dict[int, str]:
    """Frame number to the stem of its file, in walking order: ours are zero-padded, ScanNet's are not."""
    stems = [path.stem for path in folder.glob(f"*{suffix}") if path.stem.isdigit()]
    return {int(stem): stem for stem in sorted(stems, key=int)}


def by(size_px: tuple[int, int]) -> str:
    """Width and height for a message."""
    return f"{size_px[0]}x{size_px[1]}"
