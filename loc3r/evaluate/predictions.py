"""What a model said about each held-out question, beside the truth: one JSON line each, written as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import DataError
from loc3r.journal import Journal

if TYPE_CHECKING:
    from loc3r.model.inference import Answer
    from loc3r.scenes.shards import PreparedSample

Floats = NDArray[np.float64]
PREDICTIONS_FILE, LAYOUTS_FILE = "predictions.jsonl", "layouts.jsonl"


@dataclass(frozen=True)
class Prediction:
    """One held-out question: the truth, and the one guess that counts. Places in the bird's-eye frame."""

    sample_id: str
    dataset: str
    scene_id: str
    question_type: str
    situation_form: str | None
    situation: str | None
    question: str
    answers: tuple[str, ...]
    true_position_m: tuple[float, float] | None
    true_heading_rad: float | None
    text: str
    position_m: tuple[float, float] | None
    sigma_m: tuple[float, float] | None
    heading_rad: float | None
    heading_concentration: float | None
    unreadable: bool = False
    """The model writes its pose as text and wrote none that can be read: wrong, whatever the truth."""

    @classmethod
    def of(cls, sample: PreparedSample, answer: Answer) -> Prediction:
        """A model's answer to a sample. Without a situation there is no pose to be right about."""
        pose = answer.pose
        return cls.guess(
            sample,
            text=answer.text,
            position_m=(pose.x_m, pose.y_m),
            sigma_m=(pose.sigma_x_m, pose.sigma_y_m),
            heading_rad=pose.heading_rad,
            heading_concentration=pose.heading_concentration,
        )

    @classmethod
    def written(cls, sample: PreparedSample, text: str) -> Prediction:
        """The answer of a model that writes its pose as text."""
        from loc3r.model.pose_text import read_pose

        if not sample.situation:
            return cls.guess(sample, text=text)
        pose, answer = read_pose(text)
        if pose is None:
            return cls.guess(sample, text=answer, unreadable=True)
        return cls.guess(sample, text=answer, position_m=pose.position_m, heading_rad=pose.heading_rad)

    @classmethod
    def guess(
        cls,
        sample: PreparedSample,
        *,
        text: str = "",
        position_m: tuple[float, float] | None = None,
        sigma_m: tuple[float, float] | None = None,
        heading_rad: float | None = None,
        heading_concentration: float | None = None,
        unreadable: bool = False,
    ) -> Prediction:
        """A guess at a sample from anywhere, such as a baseline."""
        return cls(
            sample_id=sample.sample_id,
            dataset=sample.dataset,
            scene_id=sample.scene_id,
            question_type=sample.question_type,
            situation_form=sample.situation_form,
            situation=sample.situation,
            question=sample.question,
            answers=tuple(sample.answers),
            true_position_m=_pair(sample.position_m),
            true_heading_rad=sample.heading_rad,
            text=text,
            position_m=position_m,
            sigma_m=sigma_m,
            heading_rad=heading_rad,
            heading_concentration=heading_concentration,
            unreadable=unreadable,
        )

    @classmethod
    def parse(cls, line: dict[str, Any]) -> Prediction:
        """The prediction of a JSON line."""
        pairs = {name: _pair(line[name]) for name in ("true_position_m", "position_m", "sigma_m")}
        return cls(**{**line, **pairs, "answers": tuple(line["answers"])})


@dataclass(frozen=True)
class LayoutError:
    """How far a scene's vision tokens are from where they belong, over those with known depth."""

    scene_id: str
    tokens: int
    error_sum_m: float


def read_predictions(folder: Path, name: str = PREDICTIONS_FILE) -> list[Prediction]:
    """The predictions of an evaluation folder, or those of its file ``name``.

    Raises:
        DataError: there are none.
    """
    path = folder / name
    predictions = [Prediction.parse(line) for line in Journal(path).read()]
    if not predictions:
        raise DataError("no predictions", received=path, fix="loc3r evaluate writes them")
    return predictions


def read_layout_errors(folder: Path) -> list[LayoutError]:
    """The layout errors of an evaluation folder, one a scene."""
    return [LayoutError(**line) for line in Journal(folder / LAYOUTS_FILE).read()]


def poses(predictions: Sequence[Prediction]) -> list[Prediction]:
    """The ``situations`` for which there is a place."""
    return [p for p in situations(predictions) if p.position_m is not None]


def situations(predictions: Sequence[Prediction]) -> list[Prediction]:
    """One prediction for each situation whose true pose is known: many questions share one, and it counts once.

    A pose that can't be read is there too; baselines that guess none are not.
    """
    seen: set[tuple[Any, ...]] = set()
    unique = []
    for p in predictions:
        key = (p.scene_id, p.situation, p.true_position_m, p.true_heading_rad)
        guessed = p.position_m is not None or p.unreadable
        if p.situation and p.true_position_m is not None and guessed and key not in seen:
            seen.add(key)
            unique.append(p)
    return unique


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (float(values[0]), float(values[1]))
