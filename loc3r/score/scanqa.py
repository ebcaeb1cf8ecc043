"""ScanQA: exact match (EM@1) and the n-gram metrics, under three ways to prepare the texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from pydantic import Field

from loc3r.datasets.readers import question_type
from loc3r.evaluate.answers import clean_answer
from loc3r.score import matching
from loc3r.score.baselines import most_frequent_by
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.measures import Measure, Scored, means
from loc3r.score.ngrams import MeteorError, meteor_measure, ngram_measures
from loc3r.score.ptb import PTB_PORT, ptb_tokenize
from loc3r.score.rows import AnswerRow

Texts = tuple[list[str], list[list[str]]]
"""Predictions, and the references of each, ready for the n-gram metrics."""


class ScanQARow(AnswerRow):
    """An answer beside the ones that people gave."""

    answers: list[str] = Field(min_length=1)

    @property
    def scene(self) -> str | None:
        found = re.search(r"scene\d{4}", self.key)  # ids are like val-scene0011-0
        return self.scene_id or (found[0] if found else None)


@dataclass(frozen=True)
class Style:
    """How a code base compares answers and prepares their texts."""

    match: Callable[[ScanQARow], tuple[bool, bool | None]]
    """EM, and EM-R where the original measures it."""
    texts: Callable[[Sequence[ScanQARow]], tuple[Texts, list[str]]]
    """The texts, and notes on how they came about."""
    texts_by_id: bool = False
    """Whether the original keeps texts, but not matches, in a dictionary: of a repeated id the last line's count."""

    def score(self, rows: Sequence[ScanQARow], extras: Extras) -> Scored:
        """EM@1 and the n-gram metrics; METEOR where ``extras`` asks for it and Java runs."""
        matches = [self.match(row) for row in rows]
        columns = {"em1": [exact for exact, _ in matches]}
        refined = [found for _, found in matches if found is not None]
        if refined:
            columns["em_r"] = refined
        places = list(
            {row.key: place for place, row in enumerate(rows)}.values() if self.texts_by_id else range(len(rows))
        )
        (predictions, references), notes = self.texts([rows[place] for place in places])
        if len(places) < len(rows):
            notes.append(f"{len(rows) - len(places)} lines repeat an id: em1 counts each, the n-gram metrics the last")
        with ThreadPoolExecutor(1) as pool:  # METEOR takes long to load: let it load while the others are computed
            meteor = pool.submit(meteor_measure, predictions, references) if extras.meteor else None
            measures = ngram_measures(predictions, references)
        missing = {}
        if meteor and isinstance(error := meteor.exception(), MeteorError):
            missing["meteor"] = str(error)
        elif meteor:
            measures.append(meteor.result())
        return Scored([means(columns), *(_spread(measure, places, len(rows)) for measure in measures)], missing, notes)


def _spread(measure: Measure, places: Sequence[int], rows: int) -> Measure:
    """A measure of the lines at ``places`` as one of all: the others add nothing to it."""
    sums = np.zeros((rows, measure.sums.shape[1]))
    sums[places] = measure.sums
    return replace(measure, sums=sums)


def raw_match(row: ScanQARow) -> tuple[bool, None]:
    """The raw answer is one of the raw references: "Two." is not "Two"."""
    return row.pred in row.answers, None


def leo_match(row: ScanQARow) -> tuple[bool, bool]:
    """LEO's rule on normalised texts."""
    return matching.leo(clean_answer(row.pred), [clean_answer(answer) for answer in row.answers])


def official_texts(rows: Sequence[ScanQARow]) -> tuple[Texts, list[str]]:
    """Penn Treebank tokens on both sides."""
    references, by_port = ptb_tokenize([answer for row in rows for answer in row.answers])
    predictions, _ = ptb_tokenize([row.pred for row in rows])
    tokens = iter(references)
    return (predictions, [[next(tokens) for _ in row.answers] for row in rows]), [PTB_PORT] if by_port else []


def leo_texts(rows: Sequence[ScanQARow]) -> tuple[Texts, list[str]]:
    """Normalised texts, words split at spaces."""
    return ([clean_answer(row.pred) for row in rows], [[clean_answer(a) for a in row.answers] for row in rows]), []


def video3dllm_texts(rows: Sequence[ScanQARow]) -> tuple[Texts, list[str]]:
    """Raw texts, the predictions without final full stops."""
    return ([row.pred.rstrip(".") for row in rows], [list(row.answers) for row in rows]), []


def guesses(rows: Sequence[ScanQARow]) -> dict[str, list[ScanQARow]]:
    """The most frequent true answer to each type of question."""
    best = most_frequent_by((question_type(row.question), answer) for row in rows for answer in row.answers)
    return {"frequent answer": [row.model_copy(update={"pred": best[question_type(row.question)]}) for row in rows]}


SCANQA = Benchmark(
    name="scanqa",
    row=ScanQARow,
    profiles={
        "official": Profile("ScanQA, scripts/score.py", Style(raw_match, official_texts).score, last_of_id=True),
        "leo": Profile("LEO, evaluator/scanqa_eval.py", Style(leo_match, leo_texts).score),
        "video3dllm": Profile(
            "Video-3D-LLM, llava/eval/eval_scanqa.py", Style(raw_match, video3dllm_texts, texts_by_id=True).score
        ),
    },
    guesses=guesses,
)
