"""Check scene folders and annotations: every fault with its file, its field, what was expected and received."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from rich.progress import Progress

from loc3r.datasets.sample import Sample
from loc3r.errors import DataError, Loc3RError, SceneError
from loc3r.scenes.bev_samples import read_raw_samples
from loc3r.scenes.format import Scene, open_scene, read_manifest, scene_folders
from loc3r.scenes.read import check_intrinsics

Severity = Literal["error", "warning"]
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Fault:
    """One thing wrong. An error makes a scene or sample unusable; a warning is used, but not as it may seem."""

    file: Path
    field: str
    received: str
    expected: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.severity}: {self.file}: {self.field}: received {self.received}, expected {self.expected}"


def validate_root(root: Path, progress: Progress | None = None, every: int = 1) -> Iterator[Fault]:
    """Faults of every scene (of every ``every``-th frame) and of the annotations of a data set, as they are found.

    Raises:
        SceneError: there are no scenes at all.
    """
    folders = scene_folders(root)
    progress = progress or Progress(disable=True)
    for folder in progress.track(folders, description="scenes"):
        yield from validate_scene(folder, progress, every)
    yield from _annotation_faults(root, folders)
    yield from _class_name_faults(root, folders)


def validate_scene(path: Path, progress: Progress | None = None, every: int = 1) -> list[Fault]:
    """Faults of one scene: every file is opened, not only the first that fails."""
    try:
        scene = open_scene(path)
    except SceneError as error:
        return [_fault(path, "frames", error)]
    faults = [fault for field, check in _SCENE_CHECKS.items() for fault in _try(path, field, check, scene)]
    faults += [_fault(path, "frames", error, "warning") for error in scene.oddities()]
    focused, gaps = (
        all(fault.field != "intrinsic_depth" for fault in faults),
        _Gaps(scene, len(scene.frame_ids[::every])),
    )
    progress = progress or Progress(disable=True)
    task = progress.add_task(scene.scene_id, total=gaps.total)
    for frame_id in scene.frame_ids[::every]:
        faults += _frame_faults(scene, frame_id, gaps)
        if focused:
            faults += _try(scene.pose_path(frame_id), "intrinsic_depth", partial(_focus, frame_id=frame_id), scene)
        progress.advance(task)
    progress.remove_task(task)
    return [*dict.fromkeys(faults), *gaps.faults()]  # what one file says of all frames is told once


class _Gaps:
    """Frames without a pose or without depth: told once a scene, since a recording may have hundreds."""

    def __init__(self, scene: Scene, total: int) -> None:
        self.scene, self.total = scene, total
        self.lost: list[int] = []
        self.blind: list[int] = []

    def check_pose(self, frame_id: int) -> None:
        """Raises if the pose is no pose; a lost frame is only counted."""
        if np.isfinite(self.scene.stored_pose(frame_id)).all():
            self.scene.pose(frame_id)
        else:
            self.lost.append(frame_id)

    def check_depth(self, frame_id: int) -> None:
        """Raises if the depth can't be read; an empty frame is only counted."""
        if not self.scene.depth_mm(frame_id).any():
            self.blind.append(frame_id)

    def faults(self) -> Iterator[Fault]:
        """One for the poses, one for the depth."""
        if self.lost:
            received = f"NaN or infinity in {len(self.lost)} of {self.total} frames, the first is {self.lost[0]}"
            usable = len(self.lost) < self.total
            expected = "finite numbers; these frames are passed over" if usable else "a finite pose of some frame"
            file = self.scene.pose_path(self.lost[0])
            yield Fault(file, "pose", received, expected, "warning" if usable else "error")
        if self.blind:
            received = f"no known pixel in {len(self.blind)} of {self.total} frames, the first is {self.blind[0]}"
            yield Fault(self.scene.depth_path(self.blind[0]), "depth", received, "some depth", "warning")


def _frame_faults(scene: Scene, frame_id: int, gaps: _Gaps) -> Iterator[Fault]:
    yield from _try(scene.color_path(frame_id), "color", lambda s: s.color_image(frame_id), scene)
    yield from _try(scene.instance_path(frame_id), "instance", lambda s: _check_instances(s, frame_id), scene)
    yield from _try(scene.depth_path(frame_id), "depth", lambda _: gaps.check_depth(frame_id), scene)
    yield from _try(scene.pose_path(frame_id), "pose", lambda _: gaps.check_pose(frame_id), scene)


def _focus(scene: Scene, frame_id: int) -> None:
    check_intrinsics(scene.intrinsic_depth_of(frame_id), scene.depth_size_px)


def _check_alignment(scene: Scene) -> None:
    rotation = scene.axis_alignment[:3, :3]
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise SceneError("axisAlignment is not rigid", received=rotation.tolist(), expected="a rotation")


def _check_objects(scene: Scene) -> None:
    ids = [thing.object_id for thing in scene.objects]
    if len(set(ids)) != len(ids) or 0 in ids:
        raise SceneError("object ids clash", received=sorted(ids), expected="different numbers from 1")
    for thing in scene.objects:
        numbers = np.array([*thing.center_m, *thing.size_m, thing.yaw_rad])
        if not np.isfinite(numbers).all() or min(thing.size_m) < 0:
            raise SceneError(f"object {thing.object_id} has an impossible box", received=numbers, expected="finite")


def _check_instances(scene: Scene, frame_id: int) -> None:
    ids = scene.instances(frame_id)
    if ids is None or not scene.objects:
        return
    strangers = set(np.unique(ids).tolist()) - {thing.object_id for thing in scene.objects} - {0}
    if strangers:
        raise SceneError("unknown object ids", received=sorted(strangers), expected="ids of objects.json")


_SCENE_CHECKS: dict[str, Callable[[Scene], object]] = {
    "intrinsic_color": lambda s: check_intrinsics(s.intrinsic_color, s.color_size_px),
    "intrinsic_depth": lambda s: check_intrinsics(s.intrinsic_depth, s.depth_size_px),
    "axisAlignment": _check_alignment,
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
    try:
        known = set(read_manifest(root).get("class_names", ()))
    except DataError as error:
        yield _fault(manifest, "class_names", error)
        return
    except TypeError as error:
        yield Fault(manifest, "class_names", str(error), "a list of names")
        return
    for folder in folders if known else ():
        try:
            strangers = {thing.name for thing in open_scene(folder).objects} - known
        except SceneError:
            continue  # told already
        if strangers:
            yield Fault(folder / "objects.json", "name", str(sorted(strangers)), f"names in {manifest}", "warning")


def _try(file: Path, field: str, check: Callable[[Scene], object], scene: Scene) -> Iterator[Fault]:
    try:
        check(scene)
    except SceneError as error:
        yield _fault(file, field, error)


def _fault(file: Path, field: str, error: Loc3RError, severity: Severity = "error") -> Fault:
    received = error.message if error.received is None else f"{error.message} ({error.received})"
    expected = f"{error.expected or '-'}" + (f"; {error.fix}" if error.fix else "")
    return Fault(file, field, received, expected, severity)
