"""SQA3D question answering: exact match (EM) and refined exact match (EM-R), over all and by question type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loc3r.datasets.readers import question_type
from loc3r.evaluate.answers import clean_answer
from loc3r.score import matching
from loc3r.score.baselines import most_frequent_by
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.measures import Scored, means, split
from loc3r.score.rows import AnswerRow


class SQA3DRow(AnswerRow):
    """An answer beside the one that SQA3D holds for true."""

    gt: str


@dataclass(frozen=True)
class Matcher:
    """How a code base prepares a prediction and compares it."""

    rule: matching.Rule
    prepare: Callable[[str], str] = clean_answer
    notes: tuple[str, ...] = ()

    def score(self, rows: Sequence[SQA3DRow], extras: Extras) -> Scored:
        """EM and EM-R, over all rows and by question type."""
        matches = [self.rule(self.prepare(row.pred), [clean_answer(row.gt)]) for row in rows]
        columns = {"em": [exact for exact, _ in matches], "em_r": [refined for _, refined in matches]}
        kinds = [question_type(row.question) for row in rows]
        counts = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
        return Scored([means(columns), split(columns, kinds)], notes=self.notes, counts=counts)


def chat_scene_prepare(text: str) -> str:
    """Chat-Scene's utils/eval.py drops one full stop before it normalises, so "chair ." is "chair" and not "chair "."""
    if len(text) > 1:
        text = text.removesuffix(".")
        text = text[0].lower() + text[1:]
    return clean_answer(text)


def guesses(rows: Sequence[SQA3DRow]) -> dict[str, list[SQA3DRow]]:
    """The most frequent true answer to each type of question."""
    best = most_frequent_by((question_type(row.question), row.gt) for row in rows)
    return {
        "frequent answer": [row.model_copy(update={"pred": best[question_type(row.question)]}) for row in rows],
    }


EM_ONLY = "eval_sqa3d.py measures em only; em_r is by LEO's rule"

SQA3D = Benchmark(
    name="sqa3d",
    row=SQA3DRow,
    profiles={
        "leo": Profile("LEO, evaluator/sqa3d_eval.py", Matcher(matching.leo).score),
        "chat-scene": Profile("Chat-Scene, utils/eval.py", Matcher(matching.chat_scene, chat_scene_prepare).score),
        "video3dllm": Profile("Video-3D-LLM, llava/eval/eval_sqa3d.py", Matcher(matching.leo, notes=(EM_ONLY,)).score),
    },
    guesses=guesses,
)
