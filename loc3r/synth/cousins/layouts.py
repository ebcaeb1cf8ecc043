"""Rebuild the rooms of layout files and describe them in our own words (tier T1), to train on or to test on.

Nothing here needs people's texts, so that every real layout will do. Scenes keep their public ids: ``loc3r data
leakage`` finds those that something else is tested on, and rooms to train on are refused where that is likely.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from loc3r import __version__
from loc3r.datasets.leakage import check_leakage, room_of, scenes_in
from loc3r.datasets.records import SceneRecord, dumped, read_record_map
from loc3r.datasets.sample import Sample
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import AnnotationError, DataError, LeakageError, SceneError
from loc3r.files import hash_file, hash_json, write_json
from loc3r.scenes.format import read_manifest
from loc3r.synth.check import check_sample
from loc3r.synth.cousins import run
from loc3r.synth.cousins.disk import (
    Part,
    Shown,
    cousins_code_hash,
    dropped_rooms,
    make_rooms,
    rebuilt_names,
    rebuilt_part,
    rebuilt_summary,
    show,
    write_part,
)
from loc3r.synth.cousins.rebuild import rebuild, seed_of
from loc3r.synth.cousins.table import load_table
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import Parameters, SplitName
from loc3r.synth.language.describe import describe
from loc3r.synth.witness import Witness

GENERATOR = "loc3r synth layouts"
TIER = "T1"


@dataclass(frozen=True)
class Job:
    """One room to rebuild and describe."""

    scene_id: str
    scene: SceneRecord
    parameters: Parameters

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with the boxes, the parameters and the code."""
        return hash_json([self.scene_id, dumped(self.scene), asdict(self.parameters), cousins_code_hash()])


def make_layouts(
    boxes: Sequence[Path],
    root: Path,
    parameters: Parameters,
    leave_out: Sequence[Path] = (),
    workers: int | None = None,
) -> dict[str, Any]:
    """Rebuild and describe the scenes of box files under ``root``; returns the manifest.

    What is there and made of the same is kept. ``leave_out`` holds files or folders, as ``scenes_in`` reads them;
    no room that they name is made.

    Raises:
        AnnotationError: a file breaks its format, two hold one scene, or no scene is left.
        DataError: the folder holds other rooms.
        LeakageError: a room to train on is tested on by a data set beside ``root``, or may well be by a benchmark.
    """
    jobs, left_out = read_jobs(boxes, parameters, leave_out)
    _check_apart(root, [job.scene_id for job in jobs], parameters.split)
    parts = make_rooms(f"{parameters.split} layouts", root, jobs, partial(make_layout, root), workers)
    write_annotations(root, parameters.split, [part["annotations"] for part in parts.values() if "objects" in part])
    sources = {"boxes": _fingerprints(boxes), "left_out": _fingerprints(leave_out)}
    manifest = _manifest(sources, jobs, parts, left_out)
    write_json(root / "manifest.json", manifest)
    return manifest


def read_jobs(boxes: Sequence[Path], parameters: Parameters, leave_out: Sequence[Path]) -> tuple[list[Job], list[str]]:
    """The rooms to make and the scenes that are left out, both sorted by scene id; training never gets T2's rooms.

    Raises:
        AnnotationError: a file breaks its format, two hold one scene, or no scene is left.
        LeakageError: training asks for rooms of ScanNet and nothing is left out.
    """
    scenes, trains = _read_scenes(boxes), parameters.split == "train"
    if trains and not leave_out:
        _check_untested(scenes)
    named, table = {room_of(scene_id) for path in leave_out for scene_id in scenes_in(path)}, load_table()
    left_out = sorted(
        scene_id for scene_id in scenes if room_of(scene_id) in named or (trains and table.tests(scene_id))
    )
    jobs = [Job(scene_id, scenes[scene_id], parameters) for scene_id in sorted(scenes.keys() - set(left_out))]
    if not jobs:
        raise AnnotationError(
            "no scene is left to rebuild",
            received=f"{len(scenes)} scenes, {len(left_out)} of them left out",
            expected="some scene that is not left out",
            fix="give other --boxes",
        )
    return jobs, left_out


def _read_scenes(boxes: Sequence[Path]) -> dict[str, SceneRecord]:
    scenes: dict[str, SceneRecord] = {}
    for path in boxes:
        found = read_record_map(path, SceneRecord)
        if twice := sorted(scenes.keys() & found.keys()):
            raise AnnotationError("two box files hold one scene", received=f"{twice[0]}, again in {path}")
        scenes |= found
    return scenes


def _check_untested(scenes: Iterable[str]) -> None:
    """Refuse rooms of ScanNet, whose ids tell rescans: many a benchmark tests on some, beside tier T2."""
    scannet = sorted(scene_id for scene_id in scenes if room_of(scene_id) != scene_id)
    if scannet:
        raise LeakageError(
            "rooms to train on may be tested on: benchmarks share ScanNet's rooms",
            received=f"{len(scannet)} scenes of ScanNet, from {scannet[0]} to {scannet[-1]}",
            expected="the scenes that you test on, by name",
            fix="--leave-out v1_situations_val_scannetv2.json, SQA3D's; once more for each other benchmark's file",
        )


def _check_apart(root: Path, scene_ids: Sequence[str], split: SplitName) -> None:
    """Refuse rooms that a data set of real layouts beside ``root`` has on the other side of training and test."""
    for path in sorted(root.absolute().parent.glob("*/manifest.json")):
        try:
            manifest = read_manifest(path.parent)
        except DataError:  # no JSON, and so not ours
            continue
        if manifest.get("generator") not in (GENERATOR, run.GENERATOR):
            continue
        if manifest["rooms"] and (manifest["split"] == "train") != (split == "train"):
            sides = scene_ids, scenes_in(path.parent)
            check_leakage(*(sides if split == "train" else sides[::-1]))


def make_layout(root: Path, job: Job) -> None:
    """Make one room on disk: its scene folder, then the part that says it is done, or why it can't be."""
    write_part(root, job, partial(_made, root, job), {})


def _made(root: Path, job: Job) -> Part:
    parameters, seed = job.parameters, seed_of(job.scene_id)
    pack = parameters.furniture(seed)
    cousin = rebuild(job.scene_id, job.scene, (), pack, load_table(), parameters.pool, job.scene.room_size)
    shown = show(root, cousin, job.scene.room_center, parameters.frames, pack)
    rng = np.random.default_rng([seed, 3])
    said = describe(shown.room, shown.visible_px, rng, parameters.situations, parameters.language)
    kept, doubted = confirmed(shown, said)
    if not any(sample.situation for sample in kept):
        raise SceneError("nothing to say of this room", received=f"{len(cousin.was)} things", expected="a situation")
    return {
        "source": job.scene.dataset,
        "annotations": room_part(shown.room, kept, shown.box_center_m, "layouts"),
        **rebuilt_part(cousin, shown),
        "texts_dropped": doubted,
    }


def confirmed(shown: Shown, samples: Iterable[Sample]) -> tuple[list[Sample], dict[str, int]]:
    """The samples that the checker agrees with, and how many it doubts, by what it doubts.

    The language reckons with rooms as our generator furnishes them. Real boxes overlap and stand in the open.
    """
    witness = Witness(shown.room, shown.visible_px)
    kept, doubted = [], Counter[str]()
    for sample in samples:
        complaints = check_sample(witness, sample)
        if complaints:
            doubted[complaints[0].partition(":")[0]] += 1
        else:
            kept.append(sample)
    return kept, dict(doubted)


def _fingerprints(paths: Iterable[Path]) -> list[dict[str, str]]:
    """Name and SHA-256 of each file; a folder is named alone."""
    return [{"name": path.name, **({"sha256": hash_file(path)} if path.is_file() else {})} for path in paths]


def _manifest(
    sources: dict[str, Any], jobs: Sequence[Job], parts: dict[str, Part], left_out: Sequence[str]
) -> dict[str, Any]:
    parameters, made = jobs[0].parameters, [part for part in parts.values() if "objects" in part]
    kept = Counter(sample["dataset"] for part in made for sample in part["annotations"]["samples"])
    return {
        "generator": GENERATOR,
        "tier": TIER,
        "version": __version__,
        "code_hash": cousins_code_hash(),
        "sources": sources,
        "parameters": asdict(parameters),
        "split": parameters.split,
        "scenes": dict(Counter(part["source"] for part in made)),
        "left_out": list(left_out),
        "samples": dict(kept),
        **(rebuilt_summary(made) if made else {"rooms": 0}),
        "of_the_other_pool": _strangers(made, parameters),
        "dropped": {
            **dropped_rooms(parts),
            "texts": dict(sum((Counter(part["texts_dropped"]) for part in made), Counter())),
        },
        "class_names": rebuilt_names(),
    }


def _strangers(made: Sequence[Part], parameters: Parameters) -> int:
    """Things whose model is of the other pool: rooms to test on have some, of classes that their own pool lacks."""
    pack = FurniturePack.load()
    ids = [row["model_id"] for part in made for row in part["objects"] if row["model_id"]]
    return sum(pack.by_id(model_id).split != parameters.pool for model_id in ids)
