"""ScanQA-style questions: about the room as it is, with no speaker in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loc3r.datasets.sample import Sample
from loc3r.synth.language.nouns import NUMBER_WORDS, plural, written
from loc3r.synth.language.questions import countable
from loc3r.synth.language.situations import Stage
from loc3r.synth.language.text import Text, fill
from loc3r.synth.language.view import blocks_standing

NEXT_TO_M = 0.4
SECOND_M = 0.5
"""How much farther the second-nearest thing must be than the one that is named."""

PLAIN_QUESTIONS: dict[str, tuple[str, ...]] = {
    "colour": ("What color is the {x}?", "What is the color of the {x} in the room?", "Which color is the {x}?"),
    "counting": (
        "How many {nouns} are in the room?",
        "How many {nouns} are there?",
        "How many {nouns} does the room have?",
    ),
    "next_to": (
        "What is right next to the {x}?",
        "What is the {x} right next to?",
        "What can be found beside the {x}?",
    ),
    "on_top": ("What is on top of the {x}?", "What is sitting on the {x}?", "What is on the {x}?"),
}


@dataclass(frozen=True)
class PlainQuestion:
    """A question, its answer and the objects that the answer is about."""

    question_type: str
    roles: dict[str, Text | str]
    answer: str
    object_ids: tuple[int, ...]


def plain_samples(stage: Stage, rng: np.random.Generator, count: int = 4) -> list[Sample]:
    """Up to ``count`` samples, their types as different as the room allows."""
    candidates = [*_colours(stage), *_counts(stage), *_neighbours(stage), *_tops(stage)]
    by_type: dict[str, list[PlainQuestion]] = {kind: [] for kind in PLAIN_QUESTIONS}
    for i in rng.permutation(len(candidates)):
        by_type[candidates[i].question_type].append(candidates[i])
    rounds = [group[depth] for depth in range(count) for group in by_type.values() if depth < len(group)]
    return [_sample(stage, index, chosen, rng) for index, chosen in enumerate(rounds[:count])]


def _colours(stage: Stage) -> list[PlainQuestion]:
    things = [(stage.view.by_id[i], name) for i, name in stage.plain.items()]
    return [
        PlainQuestion("colour", {"x": name}, thing.colour, (thing.object_id,))
        for thing, name in things
        if thing.colour is not None and name.text == written(thing.name)
    ]


def _counts(stage: Stage) -> list[PlainQuestion]:
    return [
        PlainQuestion("counting", {"nouns": plural(written(noun))}, NUMBER_WORDS[len(ids)], tuple(ids))
        for noun, ids in countable(stage).items()
    ]


def _neighbours(stage: Stage) -> list[PlainQuestion]:
    """Floor-standing things with one neighbour within 0.4 m and the next at least 0.5 m farther."""
    standing = [t for t in stage.view.things if blocks_standing(t) and t.support_id is None]
    found = []
    for thing in standing:
        if thing.object_id not in stage.plain or len(standing) < 2:
            continue
        gaps = sorted((stage.view.gap_m(thing, other), other.object_id) for other in standing if other is not thing)
        clear = len(gaps) == 1 or gaps[1][0] >= gaps[0][0] + SECOND_M
        best = stage.view.by_id[gaps[0][1]]
        if gaps[0][0] <= NEXT_TO_M and clear and best.object_id in stage.view.seen_ids:
            roles: dict[str, Text | str] = {"x": stage.plain[thing.object_id]}
            found.append(PlainQuestion("next_to", roles, written(best.name), (best.object_id,)))
    return found


def _tops(stage: Stage) -> list[PlainQuestion]:
    """Things that carry exactly one other thing, which was seen."""
    found = []
    for thing_id, name in stage.plain.items():
        carried = [t for t in stage.view.things if t.support_id == thing_id]
        if len(carried) == 1 and carried[0].object_id in stage.view.seen_ids:
            answer = written(carried[0].name)
            found.append(PlainQuestion("on_top", {"x": name}, answer, (carried[0].object_id,)))
    return found


def _sample(stage: Stage, index: int, question: PlainQuestion, rng: np.random.Generator) -> Sample:
    wordings = PLAIN_QUESTIONS[question.question_type]
    text = fill(wordings[int(rng.integers(len(wordings)))], question.roles)
    scene_id = stage.view.room.scene_id
    return Sample(
        sample_id=f"{scene_id}-{index}",
        dataset="scanqa",
        scene_id=scene_id,
        question=text.text,
        answers=(question.answer,),
        question_type=question.question_type,
        mentions=text.mentions("question"),
        object_ids=question.object_ids,
    )
