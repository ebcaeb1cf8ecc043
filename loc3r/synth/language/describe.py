"""From a furnished room and what its video showed to samples: situations, questions, answers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loc3r.datasets.sample import Sample
from loc3r.geometry.headings import wrap_rad
from loc3r.synth.language.free import between_two, facing, word_freely
from loc3r.synth.language.people import PEOPLE_USES
from loc3r.synth.language.phrases import USES
from loc3r.synth.language.plain import plain_samples
from loc3r.synth.language.questions import TYPES, Question, Scene
from loc3r.synth.language.situations import FORMS, Draw, Placement, Situation, Stage, word
from loc3r.synth.language.view import RoomView
from loc3r.synth.language.vsi import vsi_samples
from loc3r.synth.language.wide import word_widely
from loc3r.synth.room import Room

Language = Literal["templates", "wide", "free"]
"""How situations are told: in a few templates, in the words of many people, or in these with names that only the whole
text makes clear ("a chair with the door on its left")."""

SAME_POSE_SHARE = 0.1
"""Situations that say the pose before them in other words."""
FIRST_ID = 900_000_000_000
"""Question ids start here, far from the public files' own."""
MOST_SITUATIONS = 900
_DRAWS = 40


@dataclass(frozen=True)
class _Way:
    """A way to tell situations."""

    tell: Callable[[Stage, Placement, np.random.Generator], Situation | None]
    uses: frozenset[str]
    forms: Mapping[str, tuple[Draw, float]] = field(default_factory=lambda: FORMS)
    loose: bool = False
    """Whether situations may be drawn that speak of things by names that don't pick out one."""


_FREE_FORMS = {**FORMS, "facing": (facing, 0.24), "between two": (between_two, 0.05)}
_WAYS: dict[Language, _Way] = {
    "templates": _Way(word, frozenset(USES)),
    "wide": _Way(word_widely, frozenset(PEOPLE_USES)),
    "free": _Way(word_freely, frozenset(PEOPLE_USES), _FREE_FORMS, loose=True),
}


def describe(
    room: Room,
    visible_px: NDArray[np.integer],
    rng: np.random.Generator,
    situations: int = 24,
    language: Language = "templates",
) -> list[Sample]:
    """Samples of a room, poses in the raw scan frame: ``situations`` SQA3D-style, 4 ScanQA-, 4 VSI-Bench-style.

    ``visible_px`` is (T, N): how many pixels of each frame show each of ``room.objects``. Only what was
    seen is spoken of. Fewer samples come back where the room has too few nameable things.
    """
    if not 0 <= situations <= MOST_SITUATIONS:
        raise ValueError(f"situations must be 0 to {MOST_SITUATIONS}, received {situations}")
    way = _WAYS[language]
    stage = Stage(RoomView(room, visible_px), way.uses)
    first_id = FIRST_ID + room.seed * 1000
    used = _Balance()
    samples: list[Sample] = []
    for situation in _situations(stage, way, rng, situations):
        question = used.choose(Scene(stage, situation, rng))
        if question is not None:
            samples.append(_sample(room, first_id + len(samples), situation, question, rng))
    return samples + plain_samples(stage, rng) + vsi_samples(stage, rng, first_id + MOST_SITUATIONS)


def blind_guess_rates(samples: Iterable[Sample]) -> dict[str, float]:
    """Share of each question type that always giving its most frequent answer gets right."""
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        if sample.answers:
            answers[sample.question_type][sample.answers[0]] += 1
    return {kind: max(counts.values()) / counts.total() for kind, counts in sorted(answers.items())}


def _situations(stage: Stage, way: _Way, rng: np.random.Generator, count: int) -> list[Situation]:
    """Situations with different texts, forms drawn by their share among those that the room allows."""
    drawn_on = Stage(stage.view, way.uses, loose=True) if way.loose else stage
    open_forms = {name: share for name, (_, share) in way.forms.items()}
    found: list[Situation] = []
    texts: set[str] = set()
    while open_forms and len(found) < count:
        if found and rng.random() < SAME_POSE_SHARE:
            situation = way.tell(stage, found[-1].placement, rng)
        else:
            shares = np.array(list(open_forms.values()))
            form = list(open_forms)[int(rng.choice(len(shares), p=shares / shares.sum()))]
            draw = way.forms[form][0]
            placements = (draw(drawn_on, rng) for _ in range(_DRAWS))
            tried = (way.tell(stage, placement, rng) for placement in placements if placement is not None)
            situation = next((told for told in tried if told is not None), None)
            if situation is None:
                del open_forms[form]
        if situation is None:
            continue
        if situation.text.text in texts:
            form = situation.placement.form
            open_forms[form] = open_forms.get(form, 0) / 2  # it runs dry: draw it less
            if open_forms[form] < 1e-3:
                del open_forms[form]
            continue
        texts.add(situation.text.text)
        found.append(situation)
    return found


class _Balance:
    """Chooses questions so that types, and the answers within a type, stay even."""

    def __init__(self) -> None:
        self._types: Counter[str] = Counter()
        self._answers: dict[str, Counter[str]] = defaultdict(Counter)

    def choose(self, scene: Scene) -> Question | None:
        """The next question about a scene; None where nothing is clear enough to ask."""
        order = scene.rng.permutation(list(TYPES))
        for kind in sorted(order, key=lambda name: self._types[name]):
            question = self._least_used(TYPES[kind](scene), scene.rng)
            if question is not None:
                self._types[kind] += 1
                self._answers[kind][question.answer] += 1
                return question
        return None

    def _least_used(self, candidates: Sequence[Question], rng: np.random.Generator) -> Question | None:
        """A candidate with the answer used least so far, answers before candidates."""
        if not candidates:
            return None
        answers = sorted({candidate.answer for candidate in candidates})
        order = rng.permutation(len(answers))
        answer = min((answers[i] for i in order), key=lambda a: self._answers[candidates[0].question_type][a])
        options = [candidate for candidate in candidates if candidate.answer == answer]
        return options[int(rng.integers(len(options)))]


def _sample(room: Room, sample_id: int, situation: Situation, question: Question, rng: np.random.Generator) -> Sample:
    """The typed sample, its pose carried into the raw scan frame."""
    placement = situation.placement
    turn = room.raw_from_room
    x_m, y_m = (turn[:2, :2] @ placement.position_m + turn[:2, 3]).tolist()
    asked = question.worded(rng)
    return Sample(
        sample_id=str(sample_id),
        dataset="sqa3d",
        scene_id=room.scene_id,
        situation=situation.text.text,
        question=asked.text,
        answers=(question.answer,),
        question_type=question.question_type,
        situation_form=placement.form,
        position_m=(x_m, y_m),
        heading_rad=wrap_rad(placement.heading_rad + float(np.arctan2(turn[1, 0], turn[0, 0]))),
        mentions=situation.text.mentions("situation") + asked.mentions("question"),
        look_at_object_id=placement.look_at_id,
    )
