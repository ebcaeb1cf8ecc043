"""Rebuild every room of a layout file that people speak of, and write it as a data set; on all cores, resumable.

A room is done when its *part* is there, as in ``loc3r.synth.generate``. The manifest says what was dropped, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from loc3r import __version__
from loc3r.datasets.readers import box_centers, read_sqa3d_files, read_sqa3d_localization_files
from loc3r.datasets.records import SceneRecord, dumped, read_record_map
from loc3r.datasets.sample import Sample
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import AnnotationError
from loc3r.files import hash_json, write_json
from loc3r.synth.cousins.disk import (
    Part,
    cousins_code_hash,
    dropped_rooms,
    make_rooms,
    rebuilt_names,
    rebuilt_part,
    rebuilt_summary,
    show,
    write_part,
)
from loc3r.synth.cousins.rebuild import Cousin, rebuild
from loc3r.synth.cousins.table import load_table
from loc3r.synth.cousins.text import Judge
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import SplitName
from loc3r.synth.room import Room

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
    parts = make_rooms("cousins", root, jobs, partial(make_cousin, root), workers)
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
    lost = {"texts": dict(Counter(sample.dataset for sample in job.samples))}
    write_part(root, job, partial(_made, root, job), lost)


def _made(root: Path, job: Job) -> Part:
    pack, table = FurniturePack.load(), load_table()
    people = [sample.position_m for sample in job.samples if sample.position_m]
    cousin = rebuild(job.scene_id, job.scene, people, pack, table, job.pool)
    shown = show(root, cousin, job.scene.room_center, job.frames, pack)
    kept, dropped = _judged(job, Judge(table, set(cousin.was.values())))
    named = as_named_there(cousin, shown.room)
    return {
        "annotations": room_part(named, kept, shown.box_center_m, "cousins"),
        **rebuilt_part(cousin, shown),
        "texts_dropped": dropped,
    }


def as_named_there(cousin: Cousin, room: Room) -> Room:
    """The room with its things called what the layout file calls them."""
    named = [replace(thing, name=cousin.was.get(thing.object_id, thing.name)) for thing in room.objects]
    return replace(room, objects=tuple(named))


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


def _manifest(
    sources: Sources, parts: dict[str, Part], left_out: Counter[str], split: SplitName, frames: int
) -> dict[str, Any]:
    made = [part for part in parts.values() if "annotations" in part]
    kept = Counter(sample["dataset"] for part in made for sample in part["annotations"]["samples"])
    return {
        "generator": GENERATOR,
        "tier": TIER,
        "version": __version__,
        "code_hash": cousins_code_hash(),
        "sources": {name: path.name for name, path in vars(sources).items() if path},
        "split": split,
        "frames": frames,
        "samples": dict(kept),
        **rebuilt_summary(made),
        "dropped": {**dropped_rooms(parts), "texts": _dropped_texts(parts, left_out)},
        "class_names": rebuilt_names(),
    }


def _dropped_texts(parts: dict[str, Part], left_out: Counter[str]) -> dict[str, dict[str, int]]:
    """Samples left out, by data set and reason."""
    total: dict[str, Counter[str]] = {dataset: Counter({NO_BOXES: count}) for dataset, count in left_out.items()}
    for part in parts.values():
        for dataset, faults in part.get("texts_dropped", {}).items():
            total.setdefault(dataset, Counter()).update(faults)
        for dataset, count in part.get("texts", {}).items():
            total.setdefault(dataset, Counter())["of scenes that could not be rebuilt"] += count
    return {dataset: dict(faults) for dataset, faults in total.items()}
