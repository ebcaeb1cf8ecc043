"""MSQA: exact and refined match without a judge, and MSR3D's rating by a judge where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from loc3r.evaluate.answers import clean_answer
from loc3r.score import matching
from loc3r.score.baselines import most_frequent_by
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.judge import Question
from loc3r.score.measures import Scored, means, split
from loc3r.score.rows import Row

MERGED = {
    "counting": "counting", "existence": "existence", "attribute": "attribute_description",
    "description": "attribute_description", "spatial relationship": "spatial_refer", "refer": "spatial_refer",
    "navigation": "navigation", "affordance": "others", "room type": "others",
}  # fmt: skip
"""Types of question in the files, to the six that are reported."""


def _known(kind: str) -> str:
    if not any(name in kind.lower() for name in MERGED):
        raise ValueError(f"one of {', '.join(MERGED)}")
    return kind


class MSQARow(Row):
    """A row of MSQA's test files with what a model said; like the original, only its first answer is looked at."""

    index: int | str
    scan_id: str
    type: Annotated[str, AfterValidator(_known)]
    question: str
    answers: list[str] = Field(min_length=1)
    pred: str

    @property
    def key(self) -> str:
        return f"{self.scan_id} {self.index}"

    @property
    def scene(self) -> str:
        return self.scan_id

    @property
    def empty(self) -> bool:
        return not self.pred.strip()


def score(rows: Sequence[MSQARow], extras: Extras) -> Scored:
    """EM (the original's em1_strict), EM-R (its em1) and, with a judge, its gpt_score, over all and by merged type."""
    matches = [matching.leo(clean_answer(row.pred), [clean_answer(row.answers[0])]) for row in rows]
    # The original normalises twice before the strict match: "a a chair" needs it to become "chair".
    strict = [clean_answer(clean_answer(row.pred)) == clean_answer(clean_answer(row.answers[0])) for row in rows]
    columns = {"em": np.array(strict, np.float64), "em_r": np.array([refined for _, refined in matches], np.float64)}
    if extras.judge:
        ratings = extras.judge.rate([Question(row.question, row.pred, row.answers[0]) for row in rows])
        columns["judge"] = (np.array(ratings) - 1) / 4
    kinds = [_merged(row.type) for row in rows]
    missing = {} if extras.judge else {"judge": "no judge was given (--judge)"}
    counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    return Scored([means(columns), split(columns, kinds)], missing, counts=counts)


def guesses(rows: Sequence[MSQARow]) -> dict[str, list[MSQARow]]:
    """The most frequent true answer to each merged type."""
    best = most_frequent_by((_merged(row.type), row.answers[0]) for row in rows)
    return {"frequent answer": [row.model_copy(update={"pred": best[_merged(row.type)]}) for row in rows]}


def _merged(kind: str) -> str:
    return next(merged for name, merged in MERGED.items() if name in kind.lower())


MSQA = Benchmark(
    name="msqa",
    row=MSQARow,
    profiles={"msr3d": Profile("MSR3D, evaluator/evaluate_msqa.py", score)},
    guesses=guesses,
    judged=True,
)
