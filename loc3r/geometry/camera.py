"""Pinhole cameras: OpenCV axes (x right, y down, z ahead), camera-to-world poses, z-up worlds.

The centre of the top left pixel is (0, 0), as in OpenCV and ScanNet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def backproject(
    depth_mm: NDArray[np.uint16],
    intrinsics: NDArray[Any],
    cam_to_world: NDArray[Any],
    max_depth_m: float = np.inf,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """World points (H, W, 3) in metres of a depth image (H, W), and which of them are known (H, W).

    ``intrinsics`` (3, 3) or (4, 4) are the depth camera's. Unknown pixels (depth 0 or beyond
    ``max_depth_m``) are NaN, so that no mean can take them in unnoticed.
    """
    height, width = depth_mm.shape
    depth_m = depth_mm.astype(np.float64) / 1000
    valid = (depth_mm > 0) & (depth_m <= max_depth_m)
    depth_m[~valid] = np.nan
    x = (np.arange(width) - intrinsics[0, 2]) / intrinsics[0, 0] * depth_m
    y = (np.arange(height)[:, None] - intrinsics[1, 2]) / intrinsics[1, 1] * depth_m
    points = np.stack([x, y, depth_m], -1) @ np.asarray(cam_to_world)[:3, :3].T + cam_to_world[:3, 3]
    return points.astype(np.float32), valid


def project(points_m: ArrayLike, intrinsics: NDArray[Any], cam_to_world: NDArray[Any]) -> tuple[Floats, Floats]:
    """Pixels (..., 2) and depths (...) in metres of world points (..., 3); a depth <= 0 is behind the camera."""
    pose = np.asarray(cam_to_world, np.float64)
    local = (np.asarray(points_m, np.float64) - pose[:3, 3]) @ pose[:3, :3]
    depth_m = local[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        uv = local[..., :2] / depth_m[..., None]
    focal = np.array([intrinsics[0, 0], intrinsics[1, 1]])
    return uv * focal + np.array([intrinsics[0, 2], intrinsics[1, 2]]), depth_m


def scale_intrinsics(intrinsics: NDArray[Any], scale_x: float, scale_y: float) -> Floats:
    """Intrinsics (3, 3) of the same camera after its image was resized by these factors."""
    scaled = np.array(intrinsics[:3, :3], np.float64)
    for axis, scale in enumerate((scale_x, scale_y)):
        scaled[axis, axis] *= scale
        scaled[axis, 2] = (scaled[axis, 2] + 0.5) * scale - 0.5  # pixel edges scale, pixel centres don't
    return scaled


def look_at(eye_m: ArrayLike, target_m: ArrayLike) -> Floats:
    """Camera-to-world pose (4, 4) of an upright camera at ``eye_m`` (3,) that looks at ``target_m`` (3,).

    Looking straight up or down, the image's vertical lies along the world's y axis.
    """
    eye = np.asarray(eye_m, np.float64)
    ahead = np.asarray(target_m, np.float64) - eye
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    length = np.linalg.norm(right)
    right = right / length if length > 1e-9 else np.array([1.0, 0.0, 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(ahead, right), ahead], -1)
    pose[:3, 3] = eye
    return pose
