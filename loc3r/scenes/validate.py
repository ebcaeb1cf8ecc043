"""Check scene folders and annotations: every fault with its file, its field, what was expected and received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loc3r.datasets.sample import Sample
from loc3r.errors import FrameError, Loc3RError, SceneError
from loc3r.files import read_json
from loc3r.scenes.bev_samples import read_raw_samples
from loc3r.scenes.format import SceneFolder, open_scene, scene_folders

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Fault:
    """One thing wrong. An error makes a scene or sample unusable; a warning is used, but not as it may seem."""

    file: Path
    field: str
    received: str
    expected: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        return f"{self.severity}: {self.file}: {self.field}: received {self.received}, expected {self.expected}"


def validate_root(root: Path) -> Iterator[Fault]:
    """Faults of every scene and of the annotations of a data set, as they are found.

    Raises:
        SceneError: there are no scenes at all.
    """
    folders = scene_folders(root)
    for folder in folders:
        yield from validate_scene(folder)
    yield from _annotation_faults(root, folders)
    yield from _class_name_faults(root, folders)


def validate_scene(path: Path) -> list[Fault]:
    """Faults of one scene: every file is opened, not only the first that fails."""
    try:
        scene = open_scene(path)
    except SceneError as error:
        return [_fault(path, "frames", error)]
    faults = [fault for field, check in _SCENE_CHECKS.items() for fault in _try(path, field, check, scene)]
    for frame_id in scene.frame_ids:
        faults += _frame_faults(scene, frame_id)
    if not any(fault.field == "pose" for fault in faults) and not scene.posed_frame_ids:
        faults.append(Fault(path, "pose", "no finite pose", "at least one"))
    return faults


def _frame_faults(scene: SceneFolder, frame_id: int) -> Iterator[Fault]:
    yield from _try(scene.color_path(frame_id), "color", lambda s: s.color(frame_id), scene)
    yield from _try(scene.instance_path(frame_id), "instance", lambda s: _check_instances(s, frame_id), scene)
    try:
        if not scene.depth_mm(frame_id).any():
            yield Fault(scene.depth_path(frame_id), "depth", "no known pixel", "some depth", "warning")
    except SceneError as error:
        yield _fault(scene.depth_path(frame_id), "depth", error)
    try:
        lost = np.isneginf(scene.stored_pose(frame_id)).any()
        if lost:  # how ScanNet marks a frame that it lost; prepare passes over it
            yield Fault(scene.pose_path(frame_id), "pose", "-inf: a lost frame", "finite numbers", "warning")
        else:
            scene.pose(frame_id)
    except SceneError as error:
        yield _fault(scene.pose_path(frame_id), "pose", error)


def _check_intrinsics(matrix: NDArray[np.float64], size_px: tuple[int, int]) -> None:
    focal, center = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    if not np.isfinite(matrix).all() or (focal <= 0).any() or (center < 0).any() or (center > size_px).any():
        raise SceneError(
            "impossible intrinsics", received=matrix.tolist(), expected=f"focal > 0, centre within {size_px} px"
        )


def _check_alignment(scene: SceneFolder) -> None:
    rotation = scene.axis_alignment[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise SceneError("axisAlignment is not rigid", received=rotation.tolist(), expected="a rotation")


def _check_frame_count(scene: SceneFolder) -> None:
    """A frame without colour is not walked, so only the files beside it tell that it is missing."""
    color = {scene.color_path(i).stem for i in scene.frame_ids}
    for folder in ("depth", "pose"):
        orphans = {path.stem for path in (scene.path / folder).glob("[0-9]*")} - color
        if orphans:
            raise FrameError(
                f"color/{min(orphans)}.jpg is missing", received=f"{folder}/{min(orphans)}.*", expected="both"
            )


def _check_objects(scene: SceneFolder) -> None:
    ids = [thing.object_id for thing in scene.objects]
    if len(set(ids)) != len(ids) or 0 in ids:
        raise SceneError("object ids clash", received=sorted(ids), expected="different numbers from 1")
    for thing in scene.objects:
        numbers = np.array([*thing.center_m, *thing.size_m, thing.yaw_rad])
        if not np.isfinite(numbers).all() or min(thing.size_m) < 0:
            raise SceneError(f"object {thing.object_id} has an impossible box", received=numbers, expected="finite")


def _check_instances(scene: SceneFolder, frame_id: int) -> None:
    ids = scene.instances(frame_id)
    if ids is None or not scene.objects:
        return
    strangers = set(np.unique(ids).tolist()) - {thing.object_id for thing in scene.objects} - {0}
    if strangers:
        raise SceneError("unknown object ids", received=sorted(strangers), expected="ids of objects.json")


_SCENE_CHECKS: dict[str, Callable[[SceneFolder], object]] = {
    "intrinsic_color": lambda s: _check_intrinsics(s.intrinsic_color, s.color_size_px),
    "intrinsic_depth": lambda s: _check_intrinsics(s.intrinsic_depth, s.depth_size_px),
    "axisAlignment": _check_alignment,
    "color": _check_frame_count,
    "objects": _check_objects,
}


def _annotation_faults(root: Path, folders: list[Path]) -> Iterator[Fault]:
    annotations = root / "annotations"
    if not annotations.is_dir():
        return
    splits = [split for split in SPLITS if list(annotations.glob(f"*/*_{split}*.json"))]
    known = {folder.name for folder in folders}
    for split in splits or SPLITS[-1:]:
        try:
            samples = read_raw_samples(root, split, folders)
        except Loc3RError as error:
            yield _fault(annotations, split, error)
            continue
        yield from (fault for sample in samples for fault in _sample_faults(annotations, sample, known))


def _sample_faults(annotations: Path, sample: Sample, known: set[str]) -> Iterator[Fault]:
    field = f"{sample.dataset} {sample.sample_id}"
    if not sample.question.strip():
        yield Fault(annotations, f"{field} question", "nothing", "a question")
    if sample.situation is not None and not sample.situation.strip():
        yield Fault(annotations, f"{field} situation", "nothing", "a situation")
    if sample.scene_id not in known:
        yield Fault(annotations, f"{field} scene_id", sample.scene_id, "a scene of this root", "warning")


def _class_name_faults(root: Path, folders: list[Path]) -> Iterator[Fault]:
    """Names that a manifest's list lacks would silently be of no class."""
    manifest = root / "manifest.json"
    if not manifest.is_file():
        return
    known = set(read_json(manifest).get("class_names", ()))
    for folder in folders if known else ():
        try:
            strangers = {thing.name for thing in open_scene(folder).objects} - known
        except SceneError:
            continue  # told already
        if strangers:
            yield Fault(folder / "objects.json", "name", str(sorted(strangers)), f"names in {manifest}", "warning")


def _try(file: Path, field: str, check: Callable[[SceneFolder], object], scene: SceneFolder) -> Iterator[Fault]:
    try:
        check(scene)
    except SceneError as error:
        yield _fault(file, field, error)


def _fault(file: Path, field: str, error: Loc3RError) -> Fault:
    received = error.message if error.received is None else f"{error.message} ({error.received})"
    return Fault(file, field, received, str(error.expected or "-"))
