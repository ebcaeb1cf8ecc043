"""Evaluate a model on a benchmark: plan, ask on some ranks, merge, score. What is done already is not done again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.benchmark.launch import launch
from loc3r.benchmark.plan import Identity, Plan, hash_questions
from loc3r.benchmark.questions import LOCALISATION, XY, read_official, read_prepared
from loc3r.datasets.leakage import check_leakage
from loc3r.datasets.sample import Sample
from loc3r.errors import DataError
from loc3r.evaluate.baselines import room_centre
from loc3r.evaluate.evaluation import label_of
from loc3r.evaluate.run import BENCHMARK_FILE
from loc3r.files import read_json, write_json
from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.format import mesh_box_center_m, read_manifest, scene_folders
from loc3r.scenes.prepare import prepare
from loc3r.scenes.shards import PreparedData
from loc3r.score.report import Report
from loc3r.score.scoring import BENCHMARKS, find_profile, score_file
from loc3r.tracking.lineage import model_hash, read_lineage
from loc3r.train.lineage import code_commit

if TYPE_CHECKING:
    from rich.console import Console

SPLITS = {"vsibench": "test", "beacon3d": "test", "msqa": "test"}
"""Splits of the benchmarks that have one only; of the others, val has public answers."""
NOT_HERE, FAULTY, LIMITED = "scene not in the data", "scene with a fault", "beyond the first scenes"


@dataclass(frozen=True)
class Request:
    """What somebody wants evaluated."""

    benchmark: str
    model: Path
    """Checkpoint folder."""
    data: Path
    """Scenes with ``annotations/``, or prepared scenes."""
    out: Path
    split: str | None = None
    limit_scenes: int | None = None
    device: str = "cpu"
    training: Path | None = None
    """Prepared training split, to make sure that none of its rooms is asked about."""
    reference: str | None = None
    """How the model was named, such as models:/loc3r@champion."""

    @property
    def is_prepared(self) -> bool:
        """Whether ``data`` is what ``loc3r prepare`` wrote."""
        return "shards" in read_manifest(self.data)


def evaluate_benchmark(request: Request, ranks: int, console: Console | None = None) -> Plan:
    """Ask a model every question of a benchmark; its plan, with ``predictions.jsonl`` whole and in order.

    Raises:
        DataError: the folder holds another evaluation, the data was prepared for another model, or a rank failed.
        AnnotationError: an annotation file is missing or breaks its format.
        LeakageError: a room that is asked about was trained on.
    """
    plan = make_plan(request)
    if plan.left():
        launch(plan, ranks, console)
    questions = [sample for samples in plan.questions().values() for sample in samples]
    lines = plan.journal.by("sample_id")
    plan.journal.replace([lines[sample.sample_id] for sample in questions])
    return plan


def score_plan(plan: Plan, profiles: Sequence[str] = ()) -> dict[str, Report]:
    """Score a whole evaluation under some profiles, or all; each goes to ``scores/<profile>.json``, too."""
    benchmark = plan.identity.benchmark
    reports = {}
    for profile in profiles or BENCHMARKS[benchmark].profiles:
        reports[profile] = score_file(benchmark, plan.journal.path, profile, split=plan.identity.split)
        write_json(plan.folder / "scores" / f"{profile}.json", reports[profile].to_json())
    return reports


def check_profiles(benchmark: str, profiles: Sequence[str]) -> None:
    """Raise ``ScoreError`` where a benchmark has no such profile."""
    for profile in profiles:
        find_profile(benchmark, profile)


def make_plan(request: Request) -> Plan:
    """Find the questions, prepare their scenes where that is needed, and write the plan down."""
    recipe = load_recipe(request.model / "recipe.yaml")
    source = _Prepared(request, recipe) if request.is_prepared else _Official(request, recipe)
    data = source.data
    asked, left_out = _choose(source.samples, data.scene_ids, source.there, request.limit_scenes)
    scene_ids = tuple(asked)
    if request.training:
        check_leakage(PreparedData(request.training).scene_ids, scene_ids)
    samples = [sample for some in asked.values() for sample in some]
    identity = Identity(
        benchmark=request.benchmark,
        split=source.split,
        model_hash=model_hash(request.model),
        data_hash=data.data_hash,
        questions_hash=hash_questions(samples),
        limit_scenes=request.limit_scenes,
        max_new_tokens=recipe.evaluate.max_new_tokens,
        device=request.device,
    )
    centres = {scene: source.centre_of(scene) for scene in scene_ids if request.benchmark == LOCALISATION}
    facts = _facts(request, data, samples, left_out)
    plan = Plan(request.out, identity, request.model.resolve(), data.folder.resolve(), facts, centres)
    plan.write(samples)
    return plan


class _Prepared:
    """Questions among the samples of prepared data."""

    def __init__(self, request: Request, recipe: Recipe) -> None:
        from loc3r.train.batches import check_data

        self.data = PreparedData(request.data)
        self.split = str(self.data.manifest["split"])
        if request.split not in (None, self.split):
            raise DataError("prepared data is of one split", received=request.split, expected=self.split)
        check_data(self.data, recipe)
        self.there = set(self.data.scene_ids)
        self.samples = read_prepared(request.benchmark, self.data, self.centre_of)

    def centre_of(self, scene_id: str) -> XY:
        """Middle of the room's outline, in the raw scan."""
        x, y = self.data.bev(scene_id).to_world(room_centre(self.data.scene(scene_id))).tolist()
        return x, y


class _Official:
    """Questions of the official files; their scenes are prepared for the model inside the evaluation's folder."""

    def __init__(self, request: Request, recipe: Recipe) -> None:
        self._folders = {folder.name: folder for folder in scene_folders(request.data)}
        self.split = request.split or read_manifest(request.data).get("split") or SPLITS.get(request.benchmark, "val")
        self.samples = read_official(request.benchmark, request.data, self.split)
        self.there = set(self._folders)
        wanted = [scene for scene in dict.fromkeys(s.scene_id for s in self.samples) if scene in self.there]
        if not wanted:
            raise DataError(
                "none of the questions is about a scene that is here", received=", ".join(sorted(self.there)[:5]),
                expected=f"scenes such as {self.samples[0].scene_id}",
            )  # fmt: skip
        _refuse_other_model(request)
        only = wanted[: request.limit_scenes]
        self.data = PreparedData(prepare([request.data], self.split, recipe, request.out / "prepared", only=only))

    def centre_of(self, scene_id: str) -> XY:
        """Middle of the raw mesh's box."""
        x, y, _ = mesh_box_center_m(self._folders[scene_id]).tolist()
        return x, y


def _choose(
    samples: Sequence[Sample], prepared: Sequence[str], there: set[str], limit: int | None
) -> tuple[dict[str, list[Sample]], dict[str, int]]:
    """The questions to ask by scene, and how many are left out, by reason."""
    by_scene: dict[str, list[Sample]] = {}
    for sample in samples:
        by_scene.setdefault(sample.scene_id, []).append(sample)
    first = [scene for scene in by_scene if scene in there][:limit]
    left_out: Counter[str] = Counter()
    for scene, some in by_scene.items():
        if scene not in there or scene not in first or scene not in prepared:
            reason = NOT_HERE if scene not in there else LIMITED if scene not in first else FAULTY
            left_out[reason] += len(some)
    return {scene: by_scene[scene] for scene in first if scene in prepared}, dict(left_out)


def _facts(
    request: Request, data: PreparedData, samples: Sequence[Sample], left_out: Mapping[str, int]
) -> dict[str, Any]:
    lineage = read_lineage(request.model)
    path = request.out / BENCHMARK_FILE
    commits = read_json(path)["facts"]["code_commits"] if path.is_file() else []
    return {
        "label": label_of(data),
        "questions": len(samples),
        "not_asked": left_out,
        "dropped_scenes": dict(data.manifest.get("dropped", {})),
        "model": {key: lineage.get(key) for key in ("name", "recipe_hash", "data_hash", "code_commit", "seed")},
        "reference": request.reference or str(request.model),
        "code_commits": list(dict.fromkeys([*commits, code_commit()])),
    }


def _refuse_other_model(request: Request) -> None:
    """Before scenes are prepared into a folder that another model's evaluation may hold."""
    if not (request.out / BENCHMARK_FILE).is_file():
        return
    known, digest = Plan.read(request.out).identity, model_hash(request.model)
    if (known.benchmark, known.model_hash) != (request.benchmark, digest):
        raise DataError(
            f"{request.out} holds another evaluation", received=f"{known.benchmark} by model {known.model_hash}",
            expected=f"{request.benchmark} by model {digest}", fix="give another --out, or remove that folder",
        )  # fmt: skip


def default_ranks(device: str) -> int:
    """The GPUs of this machine, or 2 processes at most."""
    if device == "cuda":
        import torch

        return torch.cuda.device_count()
    return min(2, len(os.sched_getaffinity(0)))
