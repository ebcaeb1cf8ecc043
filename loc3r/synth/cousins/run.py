"""Rebuild every room of a layout file that people speak of, and write it as a data set; on all cores, resumable.

A room is done when its *part* is there, as in ``loc3r.synth.generate``. The manifest says what was dropped, and why.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from loc3r import __version__
from loc3r.datasets.readers import box_centers, read_sqa3d_files, read_sqa3d_localization_files
from loc3r.datasets.records import SceneRecord, dumped, read_record_map
from loc3r.datasets.sample import Sample
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import AnnotationError, DataError, SceneError
from loc3r.files import hash_json, read_json, write_json
from loc3r.scenes.format import SceneFolder
from loc3r.scenes.writer import write_scene
from loc3r.synth.cousins.rebuild import Cousin, rebuild
from loc3r.synth.cousins.table import load_table
from loc3r.synth.cousins.text import Judge
from loc3r.synth.cousins.tour import tour
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import STRUCTURE_NAMES, SplitName, code_hash, mesh_vertices
from loc3r.synth.render import render
from loc3r.synth.room import Floats, Room
from loc3r.synth.walk import furniture_seen
from loc3r.synth.workers import make_all

GENERATOR = "loc3r synth cousins"
TIER = "T2"
NO_BOXES = "of scenes without boxes"


@dataclass(frozen=True)
class Sources:
    """The real files: boxes, situations with their poses, and perhaps questions with their answers."""

    boxes: Path
    situations: Path
    annotations: Path
    questions: Path | None = None
    answers: Path | None = None


@dataclass(frozen=True)
class Job:
    """One room to rebuild: its boxes and what people say in it, poses in the boxes' frame."""

    scene_id: str
    scene: SceneRecord
    samples: tuple[Sample, ...]
    split: SplitName
    frames: int

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with the room, its texts and the code."""
        texts = [sample.model_dump(mode="json") for sample in self.samples]
        return hash_json([self.scene_id, dumped(self.scene), texts, self.split, self.frames, cousins_code_hash()])

    @property
    def pool(self) -> Literal["train", "test"]:
        """The furniture models it may use."""
        return "train" if self.split == "train" else "test"


@cache
def cousins_code_hash() -> str:
    """Twelve hex digits that name the generator of cousins: its sources, the class table, and what rooms share."""
    folder = Path(__file__).parent
    sources = [*sorted(folder.glob("*.py")), folder.parent / "pack" / "cousins.json"]
    return hash_json([code_hash(), {path.name: path.read_text() for path in sources}])


def make_cousins(
    sources: Sources, root: Path, split: SplitName = "test", frames: int = 32, workers: int | None = None
) -> dict[str, Any]:
    """Rebuild the scenes that have boxes and situations under ``root``; returns the manifest.

    What is there and made of the same is kept. Scene ids, texts and poses stay those of the sources.

    Raises:
        AnnotationError: a source breaks its format, or no scene has both boxes and situations.
        DataError: the folder holds other rooms.
    """
    jobs, left_out = read_jobs(sources, split, frames)
    _check_folder(root, jobs)
    for half_made in (root / "scans").glob(".*"):
        shutil.rmtree(half_made)  # a stopped run's
    todo = [job for job in jobs if not _is_done(root, job)]
    make_all("cousins", partial(make_cousin, root), todo, workers or os.cpu_count() or 1, len(jobs))
    parts = {job.scene_id: read_json(_part_path(root, job.scene_id)) for job in jobs}
    write_annotations(root, split, [part["annotations"] for part in parts.values() if "annotations" in part])
    manifest = _manifest(sources, parts, left_out, split, frames)
    write_json(root / "manifest.json", manifest)
    return manifest


def read_jobs(sources: Sources, split: SplitName, frames: int) -> tuple[list[Job], Counter[str]]:
    """The rooms to rebuild, sorted, and how many samples of each data set have no boxes.

    Raises:
        AnnotationError: a source breaks its format, or no scene has both boxes and situations.
    """
    scenes = read_record_map(sources.boxes, SceneRecord)
    centers = box_centers(scenes)

    def center_of(scene_id: str) -> Sequence[float]:
        return centers(scene_id) if scene_id in scenes else (0.0, 0.0, 0.0)  # left out below

    samples = read_sqa3d_localization_files(sources.situations, sources.annotations, center_of)
    if sources.questions and sources.answers:
        samples += read_sqa3d_files(sources.questions, sources.answers, center_of)
    spoken: dict[str, list[Sample]] = {}
    for sample in samples:
        spoken.setdefault(sample.scene_id, []).append(sample)
    left_out: Counter[str] = Counter(sample.dataset for sample in samples if sample.scene_id not in scenes)
    jobs = [
        Job(scene_id, scenes[scene_id], tuple(spoken[scene_id]), split, frames)
        for scene_id in sorted(spoken.keys() & scenes.keys())
    ]
    if not jobs:
        raise AnnotationError(
            "no scene has both boxes and situations",
            received=f"{len(scenes)} scenes in {sources.boxes}, {len(spoken)} in {sources.situations}",
            expected="some scene in both",
            fix="take the files of the same split",
        )
    return jobs, left_out


def make_cousin(root: Path, job: Job) -> None:
    """Make one room on disk: its scene folder, then the part that says it is done, or why it can't be."""
    try:
        part = _made(root, job)
    except SceneError as error:
        shutil.rmtree(root / "scans" / job.scene_id, ignore_errors=True)
        part = {"dropped": str(error), "texts": dict(Counter(sample.dataset for sample in job.samples))}
    write_json(_part_path(root, job.scene_id), {"made_by": job.hash, **part})


def _made(root: Path, job: Job) -> dict[str, Any]:
    pack, table = FurniturePack.load(), load_table()
    people = [sample.position_m for sample in job.samples if sample.position_m]
    cousin = rebuild(job.scene_id, job.scene, people, pack, table, job.pool)
    room = replace(cousin.room, poses=tour(cousin.room, job.frames).poses)
    video = render(room, pack)
    mesh = centred_mesh(room, np.array(job.scene.room_center))
    folder = write_scene(root, room, video.frames, video.depth_mm, video.instances, mesh)
    kept, dropped = _judged(job, Judge(table, set(cousin.was.values())))
    count = len(room.objects)
    visible_px = np.stack([np.bincount(ids.ravel(), minlength=count + 1)[1:] for ids in video.instances])
    center = SceneFolder(folder).box_center_m.tolist()
    return {
        "annotations": room_part(as_named_there(cousin), kept, center, "cousins"),
        "objects": [_object_row(cousin, number) for number in cousin.was],
        "seen_share": furniture_seen(room, visible_px),
        "boxes_dropped": dict(cousin.unknown),
        "texts_dropped": dropped,
    }


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


def as_named_there(cousin: Cousin) -> Room:
    """The room with its things called what the layout file calls them."""
    named = [replace(thing, name=cousin.was.get(thing.object_id, thing.name)) for thing in cousin.room.objects]
    return replace(cousin.room, objects=tuple(named))


def _judged(job: Job, judge: Judge) -> tuple[list[Sample], dict[str, dict[str, int]]]:
    """The samples that hold in the room; how many of each data set are dropped, by reason."""
    kept: list[Sample] = []
    dropped: dict[str, Counter[str]] = {}
    for sample in job.samples:
        asks = sample.dataset == "sqa3d"
        fault = judge.fault_of_question(sample) if asks else judge.fault_of_situation(sample.situation or "")
        if fault is None:
            kept.append(sample)
        else:
            dropped.setdefault(sample.dataset, Counter())[fault] += 1
    return kept, {dataset: dict(faults) for dataset, faults in dropped.items()}


def _object_row(cousin: Cousin, number: int) -> dict[str, Any]:
    thing = cousin.room.by_id(number)
    stretch = cousin.stretch.get(number)
    return {
        "object_id": number,
        "class": cousin.was[number],
        "name": thing.name,
        "model_id": thing.model_id,
        "stretch": None if stretch is None else round(stretch, 3),
    }


# --- what is there already, and what is said of it


def _part_path(root: Path, scene_id: str) -> Path:
    return root / "parts" / f"{scene_id}.json"


def _is_done(root: Path, job: Job) -> bool:
    path = _part_path(root, job.scene_id)
    if not path.exists():
        return False
    part = read_json(path)
    return bool(part["made_by"] == job.hash) and ("dropped" in part or (root / "scans" / job.scene_id).is_dir())


def _check_folder(root: Path, jobs: Sequence[Job]) -> None:
    there = {path.stem for path in (root / "parts").glob("*.json")}
    if others := sorted(there - {job.scene_id for job in jobs}):
        raise DataError(
            "the folder holds other rooms already",
            received=f"{root} with {others[0]} and {len(others) - 1} more",
            expected="the scenes of the files given, or none",
            fix="give another --out, or delete the folder",
        )


def _manifest(
    sources: Sources, parts: dict[str, dict[str, Any]], left_out: Counter[str], split: SplitName, frames: int
) -> dict[str, Any]:
    made = [part for part in parts.values() if "annotations" in part]
    objects = [row for part in made for row in part["objects"]]
    kept = Counter(sample["dataset"] for part in made for sample in part["annotations"]["samples"])
    plain = {name for name, row in load_table().classes.items() if not row.models}
    return {
        "generator": GENERATOR,
        "tier": TIER,
        "version": __version__,
        "code_hash": cousins_code_hash(),
        "sources": {name: path.name for name, path in vars(sources).items() if path},
        "split": split,
        "frames": frames,
        "rooms": len(made),
        "samples": dict(kept),
        "furniture": len(objects),
        "plain_boxes": sum(row["model_id"] is None for row in objects),
        "median_stretch": round(float(np.median([row["stretch"] for row in objects if row["stretch"]])), 3),
        "furniture_seen_share": round(float(np.mean([part["seen_share"] for part in made])), 4),
        "dropped": {
            "scenes": {scene_id: part["dropped"] for scene_id, part in parts.items() if "dropped" in part},
            "boxes": dict(sum((Counter(part["boxes_dropped"]) for part in made), Counter())),
            "texts": _dropped_texts(parts, left_out),
        },
        "class_names": sorted({*FurniturePack.load().names(), *STRUCTURE_NAMES, *plain}),
    }


def _dropped_texts(parts: dict[str, dict[str, Any]], left_out: Counter[str]) -> dict[str, dict[str, int]]:
    """Samples left out, by data set and reason."""
    total: dict[str, Counter[str]] = {dataset: Counter({NO_BOXES: count}) for dataset, count in left_out.items()}
    for part in parts.values():
        for dataset, faults in part.get("texts_dropped", {}).items():
            total.setdefault(dataset, Counter()).update(faults)
        for dataset, count in part.get("texts", {}).items():
            total.setdefault(dataset, Counter())["of scenes that could not be rebuilt"] += count
    return {dataset: dict(faults) for dataset, faults in total.items()}
