"""Rebuilt rooms on disk, made on all cores and resumable: what cousins and layouts share.

A room is done when its *part* is there, as in ``loc3r.synth.generate``: what the annotation files say of it, or why
it could not be rebuilt.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import AnnotationError, DataError, SceneError
from loc3r.files import hash_json, read_json, write_json
from loc3r.scenes.format import SceneFolder
from loc3r.scenes.writer import write_scene
from loc3r.synth.cousins.rebuild import Cousin
from loc3r.synth.cousins.table import load_table
from loc3r.synth.cousins.tour import tour
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import STRUCTURE_NAMES, code_hash, mesh_vertices
from loc3r.synth.render import render
from loc3r.synth.room import Floats, Room
from loc3r.synth.walk import furniture_seen
from loc3r.synth.workers import make_all

Part = dict[str, Any]
LONGEST_ID = 200


class Job(Protocol):
    """One room to rebuild."""

    @property
    def scene_id(self) -> str:
        """Its public id."""

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with all that decides the room."""


JobT = TypeVar("JobT", bound=Job)


@dataclass(frozen=True, eq=False)
class Shown:
    """A rebuilt room with its walk, as it was written, and what its video shows."""

    room: Room
    visible_px: NDArray[np.int64]
    """(T, N): pixels of each frame that show each of ``room.objects``."""
    box_center_m: list[float]
    """Of the raw mesh, (x, y, z): the source's own."""
    seen_share: float


@cache
def cousins_code_hash() -> str:
    """Twelve hex digits that name the generator of cousins: its sources, the class table, and what rooms share."""
    folder = Path(__file__).parent
    sources = [*sorted(folder.glob("*.py")), folder.parent / "pack" / "cousins.json"]
    return hash_json([code_hash(), {path.name: path.read_text() for path in sources}])


def make_rooms(
    title: str, root: Path, jobs: Sequence[JobT], make: Callable[[JobT], None], workers: int | None
) -> dict[str, Part]:
    """Make what is missing under ``root`` with ``make``, which ends with ``write_part``; all parts by scene id.

    Raises:
        AnnotationError: a scene's id can't name a folder.
        DataError: the folder holds other rooms.
    """
    for job in jobs:
        _check_name(job.scene_id)
    _sweep(root)
    _check_folder(root, jobs)
    todo = [job for job in jobs if not _is_done(root, job)]
    if todo:
        (root / "parts").mkdir(parents=True, exist_ok=True)
        (root / "manifest.json").unlink(missing_ok=True)  # half made until it is written again
    make_all(title, make, todo, workers or os.cpu_count() or 1, len(jobs))
    return {job.scene_id: read_json(_part_path(root, job.scene_id)) for job in jobs}


def write_part(root: Path, job: Job, make: Callable[[], Part], lost: Part) -> None:
    """Write what ``make`` returns as the job's part; where it raises ``SceneError``, why, and what is lost with it."""
    try:
        part = make()
    except SceneError as error:
        shutil.rmtree(root / "scans" / job.scene_id, ignore_errors=True)
        part = {"dropped": str(error), **lost}
    write_json(_part_path(root, job.scene_id), {"made_by": job.hash, **part})


def show(root: Path, cousin: Cousin, center_m: Sequence[float], frames: int, pack: FurniturePack) -> Shown:
    """Walk through a rebuilt room, render it and write its scene folder; ``center_m`` is the source's box centre.

    Raises:
        SceneError: there is no floor to walk on.
    """
    room = replace(cousin.room, poses=tour(cousin.room, frames).poses)
    video = render(room, pack)
    mesh = centred_mesh(room, np.array(center_m))
    folder = write_scene(root, room, video.frames, video.depth_mm, video.instances, mesh)
    count = len(room.objects)
    visible_px = np.stack([np.bincount(ids.ravel(), minlength=count + 1)[1:] for ids in video.instances])
    return Shown(room, visible_px, SceneFolder(folder).box_center_m.tolist(), furniture_seen(room, visible_px))


def centred_mesh(room: Room, center_m: Floats) -> Floats:
    """The room's corners and two points more, (V, 3): their box in the raw frame has its middle at ``center_m`` (3,).

    So SQA3D's positions, which are counted from there, stay what they are in the source.
    """
    corners = mesh_vertices(room)
    turn, shift = room.raw_from_room[:3, :3], room.raw_from_room[:3, 3]
    raw = corners @ turn.T + shift
    reach = np.abs(raw - center_m).max(0)
    opposite = (np.stack([center_m - reach, center_m + reach]) - shift) @ turn
    return np.concatenate([corners, opposite])


def rebuilt_part(cousin: Cousin, shown: Shown) -> Part:
    """What a part says of how well a room was rebuilt."""
    return {
        "objects": [_object_row(cousin, number) for number in cousin.was],
        "seen_share": shown.seen_share,
        "boxes_dropped": dict(cousin.unknown),
    }


def _object_row(cousin: Cousin, number: int) -> Part:
    thing = cousin.room.by_id(number)
    stretch = cousin.stretch.get(number)
    return {
        "object_id": number,
        "class": cousin.was[number],
        "name": thing.name,
        "model_id": thing.model_id,
        "stretch": None if stretch is None else round(stretch, 3),
    }


def rebuilt_summary(parts: Sequence[Part]) -> dict[str, Any]:
    """What a manifest says of how well the rooms of these parts were rebuilt; one of them at least was."""
    objects = [row for part in parts for row in part["objects"]]
    stretches = [row["stretch"] for row in objects if row["stretch"]] or [1.0]
    return {
        "rooms": len(parts),
        "furniture": len(objects),
        "plain_boxes": sum(row["model_id"] is None for row in objects),
        "median_stretch": round(float(np.median(stretches)), 3),
        "furniture_seen_share": round(float(np.mean([part["seen_share"] for part in parts])), 4),
    }


def dropped_rooms(parts: Mapping[str, Part]) -> dict[str, Any]:
    """What a manifest says of scenes that could not be rebuilt, and of boxes of classes that the table lacks."""
    boxes: Counter[str] = Counter()
    for part in parts.values():
        boxes.update(part.get("boxes_dropped", {}))
    return {
        "scenes": {scene_id: part["dropped"] for scene_id, part in parts.items() if "dropped" in part},
        "boxes": dict(boxes),
    }


def rebuilt_names() -> list[str]:
    """Every name that a thing in a rebuilt room may have, sorted: one list for all splits."""
    plain = {name for name, row in load_table().classes.items() if not row.models}
    return sorted({*FurniturePack.load().names(), *STRUCTURE_NAMES, *plain})


def _part_path(root: Path, scene_id: str) -> Path:
    return root / "parts" / f"{scene_id}.json"


def _is_done(root: Path, job: Job) -> bool:
    path = _part_path(root, job.scene_id)
    if not path.exists():
        return False
    part = read_json(path)
    return bool(part["made_by"] == job.hash) and ("dropped" in part or (root / "scans" / job.scene_id).is_dir())


def _sweep(root: Path) -> None:
    """Remove what a stopped run left half written: scenes, parts, annotations, the manifest."""
    for half_made in (root / "scans").glob(".*"):
        shutil.rmtree(half_made)
    for half_made in (*root.glob("parts/.*"), *root.glob("annotations/**/.*"), *root.glob(".manifest.json.*")):
        half_made.unlink()


def _check_name(scene_id: str) -> None:
    plain = scene_id.isprintable() and "/" not in scene_id and not scene_id.startswith(".")
    if not scene_id or not plain or len(scene_id.encode(errors="replace")) > LONGEST_ID:
        expected = f"1 to {LONGEST_ID} bytes of a name without / and without a dot in front"
        raise AnnotationError("a scene's id names its folder", received=repr(scene_id)[:80], expected=expected)


def _check_folder(root: Path, jobs: Sequence[Job]) -> None:
    there = {path.stem for path in (root / "parts").glob("*.json")}
    if others := sorted(there - {job.scene_id for job in jobs}):
        raise DataError(
            "the folder holds other rooms already",
            received=f"{root} with {others[0]} and {len(others) - 1} more",
            expected="the scenes of the files given, or none",
            fix="give another --out, or delete the folder",
        )
