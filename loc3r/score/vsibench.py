"""VSI-Bench: accuracy of letters, mean relative accuracy (MRA) of numbers, and the mean over its eight tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from loc3r.errors import ScoreError
from loc3r.score.baselines import most_frequent_by
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.english_numbers import first_number
from loc3r.score.measures import Measure, Scored, means
from loc3r.score.rows import Row

Floats = NDArray[np.float64]
DIRECTION = "object_rel_direction"
DIRECTIONS = tuple(f"{DIRECTION}_{level}" for level in ("easy", "medium", "hard"))
LETTER_TYPES = (*DIRECTIONS, "object_rel_distance", "route_planning", "obj_appearance_order")
NUMBER_TYPES = ("object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation")
TYPES = (*LETTER_TYPES, *NUMBER_TYPES)
PLAIN_TASKS = TYPES[len(DIRECTIONS) :]
QuestionType = Literal[
    "object_rel_direction_easy", "object_rel_direction_medium", "object_rel_direction_hard", "object_rel_distance",
    "route_planning", "obj_appearance_order", "object_abs_distance", "object_counting", "object_size_estimation",
    "room_size_estimation",
]  # fmt: skip


def _written(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


class VSIRow(Row):
    """A question of VSI-Bench's ``test.jsonl`` with what a model said."""

    id: int | str
    dataset: str
    scene_name: str
    question_type: QuestionType
    question: str
    options: list[str] | None = None
    ground_truth: Annotated[str, BeforeValidator(_written)]
    pred: str

    @property
    def key(self) -> str:
        return str(self.id)

    @property
    def scene(self) -> str:
        return f"{self.dataset}/{self.scene_name}"

    @property
    def empty(self) -> bool:
        return not self.pred.strip()


@dataclass(frozen=True)
class Rules:
    """How a code base reads answers, and what it makes of a direction level that no question asks."""

    letter: Callable[[str, str], bool]
    """Whether a prediction is the true letter."""
    number: Callable[[str, str], float]
    """MRA of a prediction."""
    absent_level: Literal["zero", "refuse", "skip"]
    micro: bool = False
    """Whether the plain mean over questions is reported too."""
    notes: tuple[str, ...] = ()

    def score(self, rows: Sequence[VSIRow], extras: Extras) -> Scored:
        """The eight tasks, the three direction levels, and the mean over tasks."""
        scores = np.array([self._one(row) for row in rows])
        of_type = np.array([[row.question_type == kind for kind in TYPES] for row in rows])
        asked: NDArray[np.bool_] = np.any(of_type, axis=0)
        sums = np.concatenate([of_type * scores[:, None], of_type], axis=1)
        names, missing = self._names(asked)
        levels = tuple(kind for kind, known in zip(TYPES, asked, strict=True) if known and kind in DIRECTIONS)
        measures = [Measure(names, sums, lambda totals: self._tasks(totals, asked, names))]
        if levels:
            measures.append(means({kind: np.where(of_type[:, TYPES.index(kind)], scores, np.nan) for kind in levels}))
        if self.micro:
            measures.append(means({"micro": scores}))
        counts = dict(zip(TYPES, map(int, of_type.sum(0)), strict=True))
        counts[DIRECTION] = sum(counts[kind] for kind in DIRECTIONS)
        return Scored(measures, missing, self.notes, counts)

    def _one(self, row: VSIRow) -> float:
        if row.question_type in LETTER_TYPES:
            return float(self.letter(row.pred, row.ground_truth))
        try:
            return self.number(row.pred, row.ground_truth)
        except ZeroDivisionError:
            raise ScoreError(
                f"question {row.key}: a true value of zero has no relative error", received=row.ground_truth,
                expected="a number other than 0 (VSI-Bench holds no zero)",
            ) from None  # fmt: skip

    def _names(self, asked: NDArray[np.bool_]) -> tuple[tuple[str, ...], dict[str, str]]:
        """The scores that these question types give, and why others can't be had."""
        missing = {
            kind: "no such question in the file"
            for kind, known in zip(TYPES, asked, strict=True)
            if not known and kind in PLAIN_TASKS
        }
        levels = int(asked[: len(DIRECTIONS)].sum())
        if self.absent_level == "refuse" and levels < len(DIRECTIONS):
            reason = "the original stops where a direction level has no question"
            missing |= {DIRECTION: reason, "overall": reason}
        if self.absent_level == "skip" and not levels:
            missing[DIRECTION] = "no such question in the file"
        return tuple(name for name in ("overall", DIRECTION, *PLAIN_TASKS) if name not in missing), missing

    def _tasks(self, totals: Floats, asked: NDArray[np.bool_], names: tuple[str, ...]) -> Floats:
        """Task scores in percent (S, len(names)) from sums and counts of each type (S, 2 x types)."""
        values, counts = np.split(totals, 2, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            of_type = dict(zip(TYPES, np.where(asked, 100 * values / counts, 0).T, strict=True))
        levels = [of_type[kind] for kind, known in zip(DIRECTIONS, asked, strict=False) if known]
        divisor = len(levels) if self.absent_level == "skip" else len(DIRECTIONS)
        tasks = {name: of_type[name] for name in names if name in PLAIN_TASKS}
        if DIRECTION in names:
            tasks[DIRECTION] = np.add.reduce(levels) / divisor if levels else np.zeros(len(totals))
        if "overall" in names:
            tasks["overall"] = np.mean(list(tasks.values()), axis=0)
        return np.stack([tasks[name] for name in names], axis=1)


THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""The original asks for int((.95 - .5) / .05 + 2) of them, and that is int(10.9999…)."""


def first_piece(text: str) -> str:
    """What the official script reads of an answer: up to the first space, so that a leading space hides it all."""
    return text.split(" ")[0].rstrip(".").strip()


def official_letter(predicted: str, truth: str) -> bool:
    """The first piece is the letter, case aside."""
    return first_piece(predicted).lower() == truth.lower()


def official_number(predicted: str, truth: str) -> float:
    """MRA of the first piece; 0 where it is no number."""
    return relative_accuracy(_as_float(first_piece(predicted)), _as_float(truth))


def lmms_eval_number(predicted: str, truth: str) -> float:
    """MRA of the first number in digits or English words, wherever it stands."""
    return relative_accuracy(first_number(predicted), _as_float(truth))


def relative_accuracy(predicted: float | None, truth: float | None) -> float:
    """Share of the thresholds t with relative error <= 1 - t, in float64.

    Raises:
        ZeroDivisionError: the truth is 0.
    """
    if predicted is None or truth is None:
        return 0.0
    return float((abs(predicted - truth) / truth <= 1 - THRESHOLDS).mean())


def spatial_mllm_clean(text: str) -> str:
    """What Spatial-MLLM compares: the last <answer>, white space collapsed, without a final full stop, lower case."""
    tagged = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    plain = re.sub(r"\s+", " ", (tagged[-1] if tagged else text).replace("\n", " ").replace("\r", " "))
    return plain.strip().rstrip(".").lower()


def spatial_mllm_letter(predicted: str, truth: str) -> bool:
    """The whole answer is the letter."""
    return spatial_mllm_clean(predicted).strip() == spatial_mllm_clean(truth).strip()


def spatial_mllm_number(predicted: str, truth: str) -> float:
    """MRA in float32 with a strict ``<``: 0.95 of 1.0 gives 0.9, which in float32 is 0.8999999761581421."""
    numbers = [_as_float(spatial_mllm_clean(text).replace(",", "")) for text in (predicted, truth)]
    if None in numbers:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        guess, target = np.array(numbers, np.float64).astype(np.float32)
        error = np.abs(guess - target) / (np.abs(target) + np.float32(1e-8))
    hits = np.count_nonzero(error < np.float32(1) - FLOAT32_THRESHOLDS)
    return float(np.float32(hits) / np.float32(len(FLOAT32_THRESHOLDS)))


FLOAT32_THRESHOLDS = (0.5 + 0.05 * np.arange(10)).astype(np.float32)
"""Bit for bit what torch.arange(0.5, 0.975, 0.05, dtype=float32) gives."""


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def guesses(rows: Sequence[VSIRow]) -> dict[str, list[VSIRow]]:
    """The most frequent true answer to each type of question."""
    best = most_frequent_by((row.question_type, row.ground_truth) for row in rows)
    return {"frequent answer": [row.model_copy(update={"pred": best[row.question_type]}) for row in rows]}


VSIBENCH = Benchmark(
    name="vsibench",
    row=VSIRow,
    profiles={
        "official": Profile(
            "thinking-in-space, lmms_eval/tasks/vsibench/utils.py",
            Rules(official_letter, official_number, absent_level="zero").score,
        ),
        "lmms-eval": Profile(
            "lmms-eval 0.7.3, lmms_eval/tasks/vsibench/utils.py",
            Rules(
                official_letter,
                lmms_eval_number,
                absent_level="refuse",
                notes=("lmms-eval itself prints shares, rounded to six digits",),
            ).score,
        ),
        "spatial-mllm": Profile(
            "Spatial-MLLM, src/evaluation/vsibench/eval_vsibench.py; overall is its macro score",
            Rules(spatial_mllm_letter, spatial_mllm_number, absent_level="skip", micro=True).score,
        ),
    },
    guesses=guesses,
)
