"""One scene on disk to one row of a shard: frames, patch targets, camera tokens and the map, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import PoseError
from loc3r.geometry.bev import BevFrame
from loc3r.geometry.camera import backproject
from loc3r.geometry.patches import Cells, TokenGrid, dominant_labels, patch_targets
from loc3r.priors.cache import cached_prior
from loc3r.recipe_sections import DataRecipe
from loc3r.scenes import oracle
from loc3r.scenes.coverage import coverage_frames
from loc3r.scenes.format import Scene, open_scene
from loc3r.scenes.ply import read_vertices
from loc3r.scenes.read import check_intrinsics
from loc3r.scenes.shards import encode_frame
from loc3r.scenes.video import fit_image, sample_frames
from loc3r.synth.room import RoomObject

MIN_CLASS_SHARE = 0.25
"""A token shows a class when at least this share of its pixels does."""
MIN_FURNITURE_SHARE = 0.1
"""Of furniture, doors and windows this much is enough: people speak of them, not of the wall behind."""
CANDIDATES_A_FRAME = 8
"""Coverage chooses among this many frames, evenly spread, for each that it takes."""
Floats = NDArray[np.float64]
Row = dict[str, Any]


def scene_row(path: Path, data: DataRecipe, class_names: Sequence[str]) -> Row:
    """Everything a shard stores of one scene.

    Raises:
        SceneError: a frame that is needed is missing or corrupt, no pose is finite, a file breaks the format, or holds
            impossible intrinsics.
    """
    scene = open_scene(path)
    check_intrinsics(scene.intrinsic_color, scene.color_size_px)
    check_intrinsics(scene.intrinsic_depth, scene.depth_size_px)
    walked, shown = _choose_frames(scene, data)
    poses = np.stack([scene.pose(i) for i in walked])
    bev = BevFrame.from_first_pose(poses[0], _floor_z_m(scene), data.bird_eye_yaw)
    images = [fit_image(scene.color_image(i), data.frame_size_px, data.frame_fit) for i in walked]
    xy_m, valid = patch_places(scene, shown, bev, data)
    row: Row = {
        "scene_id": scene.scene_id,
        "frame_ids": shown,
        "frames": [encode_frame(image) for image in images[:: data.prior_oversampling]],
        "patch_xy_m": xy_m.ravel(),
        "patch_valid": valid.ravel(),
        "patch_class": patch_classes(scene, shown, data, class_names).ravel(),
        "objects": [_map_object(thing, scene, bev) for thing in scene.objects],
        "room_outline_m": bev.from_world(_outline_m(scene)).tolist(),
        "bev": [bev.origin_x_m, bev.origin_y_m, bev.yaw_rad, bev.floor_z_m],
        "lost_frames": len(scene.frame_ids) - len(scene.posed_frame_ids),
    }
    row["digest"] = _digest(row)
    # Left out of the digest: their last bits depend on the machine; the prior's fingerprint stands for them.
    row["camera_tokens"] = _camera_tokens(np.stack(images), poses, bev, data).ravel()
    return row


def _choose_frames(scene: Scene, data: DataRecipe) -> tuple[list[int], list[int]]:
    """Frames that the prior walks, and every such-th of them that the model is shown."""
    posed = scene.posed_frame_ids
    if not posed:
        raise PoseError(
            f"{scene.path} has no finite pose", received=f"{len(scene.frame_ids)} frames", expected="at least 1"
        )
    if data.frame_sampling == "coverage" and len(posed) > data.frames:
        candidates = sample_frames(len(posed), min(len(posed), CANDIDATES_A_FRAME * data.frames))
        walked = coverage_frames(scene, [posed[i] for i in candidates], data.frames, data.max_depth_m)
        return walked, walked
    walked = [posed[i] for i in sample_frames(len(posed), data.frames * data.prior_oversampling)]
    return walked, walked[:: data.prior_oversampling]


def patch_places(
    scene: Scene, frame_ids: list[int], bev: BevFrame, data: DataRecipe
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Places (T, R, R, 2) and validity (T, R, R) of the tokens."""
    width, height = scene.depth_size_px
    grid = _grid(data)
    cells = grid.cells((height, width), scene.color_size_px, scene.intrinsic_depth, scene.intrinsic_color)
    places = []
    for i in frame_ids:
        points, valid = backproject(scene.depth_mm(i), scene.intrinsic_depth_of(i), scene.pose(i), data.max_depth_m)
        places.append(patch_targets(points[..., :2], valid, cells, grid.side, data.min_valid_depth_share))
    # The mean comes first: turning the tokens into the bird's-eye frame is cheaper than turning the pixels.
    xy_m = np.stack([bev.from_world(world) for world, _ in places])
    return xy_m.astype(np.float32), np.stack([valid for _, valid in places])


def patch_classes(
    scene: Scene, frame_ids: list[int], data: DataRecipe, class_names: Sequence[str]
) -> NDArray[np.int16]:
    """Class of each token, (T, R, R) index into ``class_names``; -1 where none covers enough of it."""
    index = {name: at for at, name in enumerate(class_names)}
    return _patch_labels(scene, frame_ids, data, {t.object_id: index.get(t.name, -1) for t in scene.objects})


def patch_things(scene: Scene, frame_ids: list[int], data: DataRecipe) -> NDArray[np.int16]:
    """Object id of each token, (T, R, R); -1 where no object covers enough of it."""
    return _patch_labels(scene, frame_ids, data, {t.object_id: t.object_id for t in scene.objects})


def _patch_labels(
    scene: Scene, frame_ids: list[int], data: DataRecipe, label_of: Mapping[int, int]
) -> NDArray[np.int16]:
    """The label of what covers each token, (T, R, R), of object id to label; -1 where nothing covers enough of it."""
    grid = _grid(data)
    structure = _by_id([thing for thing in scene.objects if thing.kind == "structure"], scene, label_of)
    things = _by_id([thing for thing in scene.objects if thing.kind != "structure"], scene, label_of)
    labels = np.full((len(frame_ids), grid.side, grid.side), -1, np.int16)
    for at, i in enumerate(frame_ids):
        ids = scene.instances(i)
        if ids is None:
            break
        cells, known = _instance_cells(scene, grid, ids.shape), np.where(ids < len(things), ids, 0)
        walls = dominant_labels(structure[known], cells, grid.side, MIN_CLASS_SHARE)
        named = dominant_labels(things[known], cells, grid.side, MIN_FURNITURE_SHARE)
        labels[at] = np.where(named >= 0, named, walls)
    return labels


def _by_id(things: Sequence[RoomObject], scene: Scene, label_of: Mapping[int, int]) -> NDArray[np.int64]:
    """Labels by object id; -1 for ids that are not among ``things``."""
    labels = np.full(max((thing.object_id for thing in scene.objects), default=0) + 1, -1, np.int64)
    for thing in things:
        labels[thing.object_id] = label_of[thing.object_id]
    return labels


def _instance_cells(scene: Scene, grid: TokenGrid, shape: tuple[int, ...]) -> Cells:
    height, width = shape
    if (width, height) == scene.color_size_px:
        return grid.cells((height, width))
    return grid.cells((height, width), scene.color_size_px, scene.intrinsic_depth, scene.intrinsic_color)


def _camera_tokens(frames: NDArray[np.uint8], poses: Floats, bev: BevFrame, data: DataRecipe) -> NDArray[np.float32]:
    """Tokens (T, D) of the frames that the model is shown."""
    every = data.prior_oversampling
    if data.prior == oracle.NAME:
        return oracle.oracle_tokens(poses[::every], bev)
    return cached_prior(data.prior, data.prior_size_px).encode(frames)[::every]


def _map_object(thing: RoomObject, scene: Scene, bev: BevFrame) -> Row:
    return {
        "object_id": thing.object_id,
        "name": thing.name,
        "kind": thing.kind,
        "xy_m": bev.from_world(_raw_xy(scene, np.array(thing.center_m[:2]))).tolist(),
        "footprint_m": bev.from_world(_raw_xy(scene, thing.footprint_m)).tolist(),
        "height_m": thing.size_m[2],
    }


def _outline_m(scene: Scene) -> Floats:
    """Corners (N, 2) of the room, raw frame: the floor's, else the mesh's aligned box; none where neither is known."""
    floor = _floor(scene)
    if floor is not None:
        return _raw_xy(scene, floor.footprint_m)
    mesh = scene.mesh_path(scene.path)
    if not mesh.is_file():
        return np.zeros((0, 2))
    aligned = read_vertices(mesh) @ scene.axis_alignment[:3, :3].T + scene.axis_alignment[:3, 3]
    (x0, y0), (x1, y1) = aligned.min(0)[:2], aligned.max(0)[:2]
    return _raw_xy(scene, np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))


def _floor(scene: Scene) -> RoomObject | None:
    return next((thing for thing in scene.objects if thing.name == "floor"), None)


def _floor_z_m(scene: Scene) -> float:
    """Height of the floor in the raw frame; the aligned frame's zero where no floor is known."""
    floor = _floor(scene)
    top_m = 0.0 if floor is None else floor.center_m[2] + floor.size_m[2] / 2
    return float((np.linalg.inv(scene.axis_alignment) @ [0.0, 0.0, top_m, 1.0])[2])


def _raw_xy(scene: Scene, aligned_xy_m: Floats) -> Floats:
    """Axis-aligned points (..., 2) on the floor plane in the raw scan frame."""
    raw_from_aligned = np.linalg.inv(scene.axis_alignment)
    return np.asarray(aligned_xy_m @ raw_from_aligned[:2, :2].T + raw_from_aligned[:2, 3])


def _grid(data: DataRecipe) -> TokenGrid:
    return TokenGrid(data.frame_fit, data.frame_size_px, data.patch_px, data.pool)


def _digest(row: Row) -> str:
    """SHA-256 of a row's content; floats to the micrometre, which no library's rounding reaches."""
    digest = hashlib.sha256()
    for key in sorted(row):
        value = row[key]
        if isinstance(value, np.ndarray):
            value = np.round(value, 6).tobytes() if value.dtype.kind == "f" else value.tobytes()
        elif key == "frames":
            value = b"".join(value)
        else:
            value = rounded(value)
        digest.update(key.encode() + b"\0" + (value if isinstance(value, bytes) else repr(value).encode()) + b"\n")
    return digest.hexdigest()


def rounded(value: Any) -> Any:
    """The same nested lists and dicts with floats of six digits, so that no library's rounding moves a hash."""
    if isinstance(value, float):
        return round(value, 6) + 0.0  # no negative zero
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value
