"""Beacon3D question answering: matches without a judge, and the case and object scores where there is one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from loc3r.evaluate.answers import clean_answer
from loc3r.score import matching
from loc3r.score.baselines import most_frequent_by
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.judge import HIGHEST, CachedJudge, Question
from loc3r.score.measures import Floats, Measure, Scored, means, split
from loc3r.score.rows import AnswerRow

GOOD = 4
"""An answer with this rating or a better one counts as right in object scores and in the grounding chain."""


class Beacon3DRow(AnswerRow):
    """A row of Beacon3D's files with what a model said. Ids are like scene0025_00_27_0_appearance_0."""

    scene_id: str
    question_id: Annotated[str, Field(pattern=r"^.+_[^_]+_[^_]+_[^_]+_[01]$")]
    """Scene, object, number of the question, what it asks for, and whether it needs extra knowledge."""
    answers: list[str] = Field(min_length=1)
    grounded: bool | None = None
    """Optional: whether the model found the object from each of its three descriptions."""

    @property
    def thing(self) -> str:
        """The object that is asked about."""
        return self.question_id.rsplit("_", 3)[0]

    @property
    def tag(self) -> str:
        """What is asked for: class, appearance, geometry, spatial, existence or functionality."""
        return self.question_id.rsplit("_", 2)[1].lower()

    @property
    def extra_knowledge(self) -> bool:
        """Whether the answer needs more than the object's description."""
        return self.question_id.endswith("1")


def score(rows: Sequence[Beacon3DRow], extras: Extras) -> Scored:
    """EM and EM-R over all and by tag; with a judge, the case score by tag, the object score and the chain."""
    texts = [(clean_answer(row.pred), [clean_answer(answer) for answer in row.answers]) for row in rows]
    matches = [matching.leo(*text) for text in texts]
    columns: dict[str, Floats] = {
        "em": np.array([exact for exact, _ in matches], np.float64),
        "em_r": np.array([refined for _, refined in matches], np.float64),
    }
    tags = [row.tag for row in rows]
    counts = {tag: tags.count(tag) for tag in sorted(set(tags))}
    if not extras.judge:
        reason = "no judge was given (--judge)"
        return Scored([means(columns), split(columns, tags)], {"case": reason, "object": reason}, counts=counts)
    ratings = _ratings(rows, texts, matches, extras.judge)
    columns["case"] = (ratings - 1) / 4
    measures = [means(columns), split(columns, tags), _objects(rows, ratings)]
    if all(row.grounded is not None for row in rows):
        measures.append(_chain(rows, ratings))
    return Scored(measures, counts=counts)


def is_binary(truths: Sequence[str]) -> bool:
    """Whether the original takes a question for one of yes or no: so "piano" and "brown note" are."""
    return any("yes" in truth.lower() or "no" in truth.lower() for truth in truths)


def _ratings(
    rows: Sequence[Beacon3DRow],
    texts: Sequence[tuple[str, list[str]]],
    matches: Sequence[tuple[bool, bool]],
    judge: CachedJudge,
) -> Floats:
    """5 for an exact match and for a refined one to yes or no (N,); the judge decides the rest."""
    settled = np.array(
        [exact or (refined and is_binary(truths)) for (exact, refined), (_, truths) in zip(matches, texts, strict=True)]
    )
    ratings = np.full(len(rows), float(HIGHEST))
    asked = [
        Question(row.question, predicted, str(truths))  # the list as Python prints it: the original does
        for row, (predicted, truths), known in zip(rows, texts, settled, strict=True)
        if not known
    ]
    ratings[~settled] = judge.rate(asked)
    return ratings


def _objects(rows: Sequence[Beacon3DRow], ratings: Floats) -> Measure:
    """Share of objects with three good answers; an object counts once, at its first row."""
    of_object: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        of_object[row.thing].append(i)
    values = np.full(len(rows), np.nan)
    for indices in of_object.values():
        values[indices[0]] = bool((ratings[indices] >= GOOD).all())
    return means({"object": values})


def _chain(rows: Sequence[Beacon3DRow], ratings: Floats) -> Measure:
    """How answers go with grounding.

    R1 (higher is better): of wrong answers that need no extra knowledge, the share about objects that were grounded.
    R2 (lower is better): of right answers, the share about objects that were not.
    """
    good = ratings >= GOOD
    grounded = np.array([bool(row.grounded) for row in rows])
    plain = np.array([not row.extra_knowledge for row in rows])
    return means({"r1": _among(grounded, ~good & plain), "r2": _among(~grounded, good)})


def _among(values: NDArray[np.bool_], known: NDArray[np.bool_]) -> Floats:
    return np.where(known, values.astype(np.float64), np.nan)


def guesses(rows: Sequence[Beacon3DRow]) -> dict[str, list[Beacon3DRow]]:
    """The most frequent true answer to each kind of question."""
    best = most_frequent_by((row.tag, row.answers[0]) for row in rows)
    return {"frequent answer": [row.model_copy(update={"pred": best[row.tag]}) for row in rows]}


BEACON3D = Benchmark(
    name="beacon3d",
    row=Beacon3DRow,
    profiles={"beacon3d": Profile("Beacon3D, evaluate_qa.py", score)},
    guesses=guesses,
    judged=True,
)
