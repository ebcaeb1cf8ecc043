"""Ask a model every held-out question: each scene is opened once, answers are written as they come, a kill loses none.

An evaluation folder holds ``evaluation.json`` (what is evaluated), ``predictions.jsonl`` (a line a question) and
``layouts.jsonl`` (a line a scene). Running again goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loc3r.errors import DataError
from loc3r.evaluate.predictions import LAYOUTS_FILE, PREDICTIONS_FILE, LayoutError, Prediction
from loc3r.files import hash_json, read_json, write_json
from loc3r.journal import Journal

if TYPE_CHECKING:
    from rich.console import Console

    from loc3r.model.inference import Localiser, SceneMemory
    from loc3r.scenes.shards import PreparedData, PreparedSample, PreparedScene

IDENTITY_FILE = "evaluation.json"
SCORES_FILE = "scores.json"
"""Written when the predictions are whole (``loc3r.evaluate.evaluation``)."""
BENCHMARK_FILE = "benchmark.json"
"""The plan of an evaluation on a benchmark (``loc3r.benchmark``), which has a folder of its own."""
FORMAT = 1
"""Raise it when predictions of the same model on the same data would differ."""
QUESTIONS_AT_ONCE = 64
"""Answers between two writes: what a kill can cost."""


@dataclass(frozen=True)
class Evaluation:
    """What decides the predictions."""

    model_hash: str
    data_hash: str
    limit_scenes: int | None
    max_new_tokens: int
    format: int = FORMAT

    @property
    def protocol(self) -> str:
        """Names the held-out samples: evaluations of one protocol can be compared sample by sample."""
        return hash_json([self.data_hash, self.limit_scenes, self.format])

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """What an evaluation folder evaluates.

        Raises:
            DataError: it is not an evaluation folder.
        """
        path = folder / IDENTITY_FILE
        if not path.is_file():
            raise DataError(
                "not an evaluation", received=folder, expected=IDENTITY_FILE, fix="loc3r evaluate writes it"
            )
        return cls(**read_json(path))


def begin(folder: Path, evaluation: Evaluation) -> bool:
    """Make ``folder`` ready for ``evaluation``; True if another one's results had to be removed first.

    Raises:
        DataError: it holds an evaluation on a benchmark.
    """
    path = folder / IDENTITY_FILE
    if (folder / BENCHMARK_FILE).is_file():
        raise DataError(f"{folder} holds an evaluation on a benchmark", fix="give another --out")
    other = path.is_file() and read_json(path) != asdict(evaluation)
    if other:
        for name in (PREDICTIONS_FILE, LAYOUTS_FILE, SCORES_FILE):
            (folder / name).unlink(missing_ok=True)
    write_json(path, asdict(evaluation))
    return other


def scenes_of(data: PreparedData, limit_scenes: int | None) -> Sequence[str]:
    """The scenes that an evaluation covers, in order.

    Raises:
        DataError: none of them has a question.
    """
    scene_ids = [scene_id for scene_id in data.scene_ids if data.samples_of(scene_id)][:limit_scenes]
    if not scene_ids:
        raise DataError("nothing to evaluate: no scene has a question", received=data.folder)
    return scene_ids


def predict(
    localiser: Localiser, data: PreparedData, folder: Path, evaluation: Evaluation, console: Console | None = None
) -> None:
    """Write what is missing of the folder's predictions and layout errors, with a progress bar."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    predictions, layouts = Journal(folder / PREDICTIONS_FILE), Journal(folder / LAYOUTS_FILE)
    asked = {(line["dataset"], line["sample_id"]) for line in predictions.read()}
    scene_ids = scenes_of(data, evaluation.limit_scenes)
    laid = {line["scene_id"] for line in layouts.read()}
    if not localiser.model.config.loss.layout:  # the head was not trained: there is nothing to measure
        laid = set(scene_ids)
    total = sum(len(data.samples_of(scene_id)) for scene_id in scene_ids)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=console is None) as progress:
        task = progress.add_task("questions", total=total, completed=len(asked))
        for scene_id in scene_ids:
            left = [s for s in data.samples_of(scene_id) if (s.dataset, s.sample_id) not in asked]
            if not left and scene_id in laid:
                continue
            scene = data.scene(scene_id)
            memory = localiser.open_scene(scene.frames, scene.camera_tokens)
            if scene_id not in laid:
                layouts.append([asdict(layout_error(localiser, memory, scene))])
            for first in range(0, len(left), QUESTIONS_AT_ONCE):
                some = left[first : first + QUESTIONS_AT_ONCE]
                answers = ask(localiser, memory, some, evaluation.max_new_tokens)
                predictions.append([asdict(answer) for answer in answers])
                progress.advance(task, len(some))


def ask(
    localiser: Localiser, memory: SceneMemory, samples: Sequence[PreparedSample], max_new_tokens: int
) -> list[Prediction]:
    """Predictions for samples of one open scene."""
    from loc3r.model.inference import Query
    from loc3r.model.pose_text import MAX_TOKENS

    queries = [Query(s.situation, s.question) for s in samples]
    if localiser.processor.writes_pose:
        written = localiser.ask(memory, queries, MAX_TOKENS + max_new_tokens)
        return [Prediction.written(sample, answer.text) for sample, answer in zip(samples, written, strict=True)]
    answers = localiser.ask(memory, queries, max_new_tokens)
    return [Prediction.of(sample, answer) for sample, answer in zip(samples, answers, strict=True)]


def layout_error(localiser: Localiser, memory: SceneMemory, scene: PreparedScene) -> LayoutError:
    """Distance between where the vision tokens are put and where they belong; unknown depth does not count."""
    places_m, _ = localiser.layout(memory)
    known = scene.patch_valid
    distances = np.linalg.norm(places_m[known].astype(np.float64) - scene.patch_xy_m[known], axis=-1)
    return LayoutError(scene.scene_id, int(known.sum()), float(distances.sum()))
