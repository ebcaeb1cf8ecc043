"""A whole evaluation: predictions, baselines, scores and reports of one model on one prepared test split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.datasets.leakage import check_leakage
from loc3r.errors import CheckpointError, DataError
from loc3r.evaluate.baselines import TrivialGuesses, room_centre
from loc3r.evaluate.gallery import draw_gallery
from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.plots import save_reliability
from loc3r.evaluate.predictions import (
    PREDICTIONS_FILE,
    Prediction,
    read_layout_errors,
    read_predictions,
    situations,
)
from loc3r.evaluate.report import write_reports
from loc3r.evaluate.run import SCORES_FILE, Evaluation, begin, predict
from loc3r.evaluate.scores import T0, T1, T2, Score, score_all, trivial_model
from loc3r.files import read_json, write_json
from loc3r.journal import Journal
from loc3r.model.calibration import read_calibration
from loc3r.recipe import load_recipe
from loc3r.recipe_sections import EvaluateRecipe
from loc3r.tracking.lineage import model_hash, read_lineage
from loc3r.train.lineage import code_commit

if TYPE_CHECKING:
    from rich.console import Console

    from loc3r.scenes.shards import PreparedData

TRIVIAL_FILE = "trivial.jsonl"
"""Predictions of the best trivial guesses: what the first champion has to beat."""
MAPS_FILE = "birds_eye.png"


@dataclass(frozen=True)
class Evaluated:
    """A finished evaluation folder."""

    folder: Path
    record: Mapping[str, Any]
    """What ``scores.json`` holds."""
    was_done: bool
    """Whether it was finished before this call."""

    @property
    def scores(self) -> dict[str, Score]:
        """The metrics by name."""
        return {name: Score(**values) for name, values in self.record["metrics"].items()}


def evaluate_model(
    model: Path,
    data: PreparedData,
    training: PreparedData,
    folder: Path,
    *,
    limit_scenes: int | None = None,
    label: str | None = None,
    device: str = "cpu",
    console: Console | None = None,
) -> Evaluated:
    """Evaluate a checkpoint; what is done already is not done again.

    Args:
        model: checkpoint folder.
        data: the held-out split.
        training: what the baselines are fitted on.
        folder: where everything is written.
        limit_scenes: only the first scenes.
        label: headline of the scores; by default what ``label_of`` says of the data.

    Raises:
        DataError: the two splits share scenes, or the checkpoint was calibrated on ``data``.
        CheckpointError: its calibration was fitted to other weights.
    """
    _refuse_overlap(data, training)
    _check_calibration(model, data)
    recipe = evaluate_recipe(model)
    bootstrap = Bootstrap(recipe.bootstrap_samples, recipe.confidence)
    evaluation = identify(model, data, limit_scenes)
    head = _head(model, evaluation, training, bootstrap, label or label_of(data))
    scores_path = folder / SCORES_FILE
    if all((folder / name).is_file() for name in (SCORES_FILE, PREDICTIONS_FILE, TRIVIAL_FILE, "report.html")):
        record = read_json(scores_path)
        if all(record.get(key) == value for key, value in head.items()):
            return Evaluated(folder, record, was_done=True)
    predictions = predictions_of(model, data, folder, evaluation, device=device, console=console)
    record = {**head, **_measure(predictions, data, training, folder, bootstrap), "code_commit": code_commit()}
    write_json(scores_path, record)
    finished = Evaluated(folder, read_json(scores_path), was_done=False)
    _draw(folder, model, data, predictions, device)
    write_reports(folder, finished.record, finished.scores)
    return finished


def predictions_of(
    model: Path,
    data: PreparedData,
    folder: Path,
    evaluation: Evaluation,
    *,
    device: str = "cpu",
    console: Console | None = None,
) -> list[Prediction]:
    """A model's predictions, made where they are missing."""
    from loc3r.model.inference import Localiser

    if begin(folder, evaluation) and console:
        console.print(f"{folder} held the evaluation of another model or other data; starting over")
    predict(Localiser.load(model, device), data, folder, evaluation, console)
    return read_predictions(folder)


def identify(model: Path, data: PreparedData, limit_scenes: int | None) -> Evaluation:
    """What decides the predictions of a checkpoint on prepared data."""
    return Evaluation(model_hash(model), data.data_hash, limit_scenes, evaluate_recipe(model).max_new_tokens)


def evaluate_recipe(model: Path) -> EvaluateRecipe:
    """The evaluation section of a checkpoint's recipe; the defaults without one."""
    path = model / "recipe.yaml"
    return load_recipe(path).evaluate if path.is_file() else EvaluateRecipe()


def label_of(data: PreparedData) -> str:
    """What may be claimed: our generator's rooms (``room_…``) are T0, real layouts T1 or T2, and none a real result."""
    split, tier = data.manifest["split"], data.manifest.get("tier")
    if tier == "T2":
        return T2
    if tier == "T1":
        return T1 if split == "test" else f"{T1}, {split} split"
    if not all(scene_id.startswith("room_") for scene_id in data.scene_ids):
        return f"{split} split, own preparation"
    return T0 if split == "test" else f"synthetic rooms, {split} split"


def _draw(folder: Path, model: Path, data: PreparedData, predictions: list[Prediction], device: str) -> None:
    from loc3r.model.inference import Localiser

    save_reliability(folder, predictions)
    draw_gallery(folder / MAPS_FILE, Localiser.load(model, device), data, predictions)


def _measure(
    predictions: list[Prediction], data: PreparedData, training: PreparedData, folder: Path, bootstrap: Bootstrap
) -> dict[str, Any]:
    scene_ids = sorted({p.scene_id for p in predictions})
    centres = {scene_id: room_centre(data.scene(scene_id)) for scene_id in scene_ids}
    samples = {(s.dataset, s.sample_id): s for scene_id in scene_ids for s in data.samples_of(scene_id)}
    asked = [samples[p.dataset, p.sample_id] for p in predictions]
    guesses = TrivialGuesses.fit(training.samples).predict(asked, centres)
    Journal(folder / TRIVIAL_FILE).replace([asdict(guess) for guess in trivial_model(guesses)])
    scores = score_all(predictions, read_layout_errors(folder), guesses, bootstrap)
    return {
        "metrics": {name: score.to_json() for name, score in scores.items()},
        "data": {
            "hash": data.data_hash,
            "split": data.manifest["split"],
            "scenes": len(scene_ids),
            "situations": len(situations(predictions)),
            "questions": len(predictions),
        },
        "empty_answers": sum(not p.text.strip() for p in predictions),
        "unreadable_poses": sum(p.unreadable for p in predictions),
    }


def _head(
    model: Path,
    evaluation: Evaluation,
    training: PreparedData,
    bootstrap: Bootstrap,
    label: str,
) -> dict[str, Any]:
    """The part of ``scores.json`` that says what was measured how; two equal heads have equal metrics."""
    lineage = read_lineage(model)
    calibration = read_calibration(model)
    known = ("name", "recipe_hash", "data_hash", "code_commit", "seed", "parent")
    return {
        "label": label,
        "model": {"hash": evaluation.model_hash, **{key: lineage[key] for key in known if key in lineage}},
        "evaluation": {**asdict(evaluation), "protocol": evaluation.protocol},
        "bootstrap": {**asdict(bootstrap), "over": "scenes"},
        "baselines_fitted_on": training.data_hash,
        "calibration": asdict(calibration) if calibration else None,
    }


def _refuse_overlap(data: PreparedData, training: PreparedData) -> None:
    if data.data_hash != training.data_hash:
        check_leakage(training.scene_ids, data.scene_ids)


def _check_calibration(model: Path, data: PreparedData) -> None:
    calibration = read_calibration(model)
    if calibration and calibration.weights != model_hash(model, calibrated=False):
        raise CheckpointError(
            "the calibration belongs to other weights", received=calibration.weights, expected=model,
            fix=f"loc3r calibrate --model {model} …",
        )  # fmt: skip
    if calibration and calibration.data_hash == data.data_hash:
        raise DataError(
            "the model was calibrated on the test split", received=data.folder, expected="other rooms",
            fix=f"loc3r calibrate --model {model} --data VALIDATION",
        )  # fmt: skip
