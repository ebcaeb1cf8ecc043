"""What can be had without looking: every score is shown beside the best of these.

Fitted on the training split alone, except the scene's centre, which is told the room's outline.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loc3r.evaluate.answers import clean_answer
from loc3r.evaluate.predictions import Prediction
from loc3r.geometry.headings import angle_between_deg

if TYPE_CHECKING:
    from loc3r.scenes.shards import PreparedSample, PreparedScene

Floats = NDArray[np.float64]
CENTRE = "scene centre"
HEADING = "constant heading"
FREQUENT = "frequent answer"
TEXT_ONLY = "text only"
MAX_TRAINING_QUESTIONS = 10_000


@dataclass(frozen=True)
class TrivialGuesses:
    """Baselines that were fitted on the training split."""

    heading_rad: float
    frequent: Mapping[str, str]
    """Question type to its most frequent answer; "" for the most frequent of all."""
    text_only: TextOnly

    @classmethod
    def fit(cls, training: Sequence[PreparedSample], seed: int = 0) -> TrivialGuesses:
        """Fit all of them."""
        headings = [s.heading_rad for s in training if s.heading_rad is not None]
        return cls(best_constant_heading(headings), most_frequent_answers(training), TextOnly.fit(training, seed))

    def predict(
        self, samples: Sequence[PreparedSample], centres: Mapping[str, tuple[float, float]]
    ) -> dict[str, list[Prediction]]:
        """Each baseline's predictions; ``centres`` maps a scene to the middle of its room.

        A baseline of places or headings answers nothing, and one of answers is nowhere: only its own metrics count.
        """
        texts = self.text_only.answer(samples)
        return {
            CENTRE: [Prediction.guess(s, position_m=centres[s.scene_id]) for s in samples],
            HEADING: [
                Prediction.guess(s, position_m=centres[s.scene_id], heading_rad=self.heading_rad) for s in samples
            ],
            FREQUENT: [Prediction.guess(s, text=self.answer(s.question_type)) for s in samples],
            TEXT_ONLY: [Prediction.guess(s, text=text) for s, text in zip(samples, texts, strict=True)],
        }

    def answer(self, question_type: str) -> str:
        """The most frequent answer to a type of question."""
        return self.frequent.get(question_type, self.frequent.get("", ""))


def baselines_of(metric: str) -> tuple[str, ...]:
    """Names of the baselines that a metric is shown beside."""
    if metric.startswith(("answer_em", "plain_em")):
        return (FREQUENT, TEXT_ONLY)
    if metric.startswith(("acc_15deg", "acc_30deg", "heading")):
        return (HEADING,)
    if metric.startswith(("acc_", "position")):
        return (CENTRE,)
    return ()


def room_centre(scene: PreparedScene) -> tuple[float, float]:
    """Middle of the room's outline; without one, the mean of what the camera saw."""
    if len(scene.room_outline_m) >= 3:
        return polygon_centre(np.asarray(scene.room_outline_m, np.float64))
    x, y = scene.patch_xy_m[scene.patch_valid].mean(0)
    return float(x), float(y)


def polygon_centre(corners: Floats) -> tuple[float, float]:
    """Centroid of a simple polygon (N, 2)."""
    shifted = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * shifted[:, 1] - shifted[:, 0] * corners[:, 1]
    if abs(cross.sum()) < 1e-9:
        x, y = corners.mean(0)
    else:
        x, y = ((corners + shifted) * cross[:, None]).sum(0) / (3 * cross.sum())
    return float(x), float(y)


def best_constant_heading(headings_rad: Sequence[float]) -> float:
    """The whole degree that maximises the mean of Acc@15° and Acc@30°; 0 without data."""
    candidates = np.deg2rad(np.arange(-180, 180))
    if not len(headings_rad):
        return 0.0
    errors = angle_between_deg(candidates[:, None], np.asarray(headings_rad)[None])
    return float(candidates[((errors < 15).mean(1) + (errors < 30).mean(1)).argmax()])


def most_frequent_answers(samples: Sequence[PreparedSample]) -> dict[str, str]:
    """The most frequent normalised answer of each question type, and over all under ""; ties by the alphabet."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        for kind in (sample.question_type, "") if sample.answers else ():
            counts[kind][clean_answer(sample.answers[0])] += 1
    return {kind: min(found, key=lambda answer: (-found[answer], answer)) for kind, found in counts.items()}


@dataclass(frozen=True)
class TextOnly:
    """Bag of words and word pairs of situation and question, then logistic regression over answers."""

    pipeline: Any
    """A fitted scikit-learn pipeline; None when the training split has one answer only."""
    only_answer: str

    @classmethod
    def fit(cls, samples: Sequence[PreparedSample], seed: int = 0) -> TextOnly:
        """Train on at most ``MAX_TRAINING_QUESTIONS`` of the samples, drawn with ``seed``."""
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        chosen = [sample for sample in samples if sample.answers]
        if len(chosen) > MAX_TRAINING_QUESTIONS:
            drawn = np.random.default_rng(seed).choice(len(chosen), MAX_TRAINING_QUESTIONS, replace=False)
            chosen = [chosen[i] for i in sorted(drawn)]
        answers = [clean_answer(sample.answers[0]) for sample in chosen]
        if len(set(answers)) < 2:
            return cls(None, answers[0] if answers else "")
        words = CountVectorizer(ngram_range=(1, 2), min_df=2, binary=True, token_pattern=r"(?u)\b\w+\b")
        pipeline = make_pipeline(words, LogisticRegression(max_iter=60, tol=1e-3))
        try:
            return cls(pipeline.fit([_text(sample) for sample in chosen], answers), "")
        except ValueError:  # no word occurs twice
            return cls(None, Counter(answers).most_common(1)[0][0])

    def answer(self, samples: Sequence[PreparedSample]) -> list[str]:
        """The likeliest answer to each sample."""
        if self.pipeline is None:
            return [self.only_answer] * len(samples)
        return [str(answer) for answer in self.pipeline.predict([_text(sample) for sample in samples])]


def _text(sample: PreparedSample) -> str:
    # The question's words are marked, so that "behind" asked and "behind" told are different words.
    asked = " ".join(f"q_{word}" for word in sample.question.lower().split())
    return f"{(sample.situation or '').lower()} {asked}"
