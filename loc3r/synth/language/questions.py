"""Questions that a speaker asks about what is around them, each with the one answer that geometry gives.

Every type lists its candidates for a situation; margins keep out what two people could answer differently.
Nothing that the situation's own text tells is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from loc3r.synth.language.nouns import (
    ASKABLE_ABSENT,
    NUMBER_WORDS,
    has_plural,
    may_be_called,
    plural,
    with_article,
    written,
)
from loc3r.synth.language.situations import Situation, Stage
from loc3r.synth.language.text import Text, fill
from loc3r.synth.language.view import Sight, blocks_standing

NEARER_RATIO, NEARER_M = 1.25, 0.4
TALLER_RATIO, TALLER_M = 1.3, 0.25
APPEARANCE_FRAMES = 2
WHOLE_METRE_M = 0.25
_PAIRS = 30

QUESTIONS: dict[str, tuple[str, ...]] = {
    "left_right": (
        "Is the {x} on my left or right?",
        "Is the {x} to my left or to my right?",
        "Which side of me is the {x} on, left or right?",
        "On which side is the {x}, my left or my right?",
    ),
    "direction": (
        "In which direction from me is the {x}?",
        "Where is the {x} from where I am?",
        "Is the {x} in front of me, behind me, on my left or on my right?",
        "Which direction is the {x} from me?",
    ),
    "egocentric_object": (
        "What is the closest thing {side}?",
        "What is the nearest object {side}?",
        "Which thing {side} is closest to me?",
    ),
    "distance": (
        "How many meters away from me is the {x}?",
        "How far away is the {x} from me in meters?",
        "How many meters is it from me to the {x}?",
    ),
    "counting": (
        "How many {nouns} are {place}?",
        "How many {nouns} can be found {place}?",
        "What is the number of {nouns} {place}?",
    ),
    "existence": (
        "Is there {a_noun} {place}?",
        "Can I find {a_noun} {place}?",
        "Is {a_noun} {place}?",
    ),
    "relative_direction": (
        "From where I am, is the {x} to the left or to the right of the {y}?",
        "Looking from here, is the {x} left or right of the {y}?",
        "As I see it, on which side of the {y} is the {x}, left or right?",
    ),
    "nearest": (
        "Which is closer to me, the {x} or the {y}?",
        "What is nearer to me, the {x} or the {y}?",
        "Am I closer to the {x} or to the {y}?",
        "Which is closest to me; the {x} or the {y}?",
    ),
    "size": (
        "Which is taller, the {x} or the {y}?",
        "What is taller, the {x} or the {y}?",
        "Of the {x} and the {y}, which one is taller?",
    ),
    "appearance_order": (
        "Which appears first in the video, the {x} or the {y}?",
        "What does the video show first, the {x} or the {y}?",
        "Of the {x} and the {y}, which one comes first in the video?",
    ),
    "route": (
        "Which direction should I go if I want to reach the {x}?",
        "Which way should I go to get to the {x}?",
        "In what direction do I have to go if I want to use the {x}?",
        "Should I go forward, backward, left or right to reach the {x}?",
    ),
    "colour": (
        "What color is the {x}?",
        "What is the color of the {x}?",
        "Which color does the {x} have?",
    ),
}  # fmt: skip

SIDES = {"front": "in front of me", "behind": "behind me", "left": "on my left", "right": "on my right"}
_ROUTES = {"front": "forward", "behind": "backward", "left": "left", "right": "right"}
_CENTER_DEG = {"front": 0, "left": 90, "right": -90, "behind": 180}


@dataclass(frozen=True)
class Question:
    """What is asked, before it is put into words, and its answer."""

    question_type: str
    roles: dict[str, Text | str]
    answer: str

    def worded(self, rng: np.random.Generator) -> Text:
        """One of the type's wordings."""
        wordings = QUESTIONS[self.question_type]
        return fill(wordings[int(rng.integers(len(wordings)))], self.roles)


@dataclass(frozen=True, eq=False)
class Scene:
    """What one speaker can ask about."""

    stage: Stage
    situation: Situation
    rng: np.random.Generator

    @cached_property
    def sights(self) -> dict[int, Sight]:
        """Every thing of the room from the speaker's pose."""
        placement = self.situation.placement
        return self.stage.view.sights(placement.position_m, placement.heading_rad)

    @cached_property
    def said(self) -> frozenset[int]:
        """Things that the situation names or that the speaker is on."""
        return frozenset(self.situation.text.object_ids) | self.situation.placement.occupied

    @cached_property
    def around(self) -> list[Sight]:
        """Things with a plain name, apart from the speaker."""
        ids = self.stage.plain.keys() - self.situation.placement.occupied
        return [self.sights[i] for i in sorted(ids) if self.sights[i].distance_m > 0.3]

    @cached_property
    def untold(self) -> list[Sight]:
        """Of these, the ones that the situation does not place."""
        return [sight for sight in self.around if sight.thing.object_id not in self.said]

    def name(self, sight: Sight) -> Text:
        """Its plain name."""
        return self.stage.plain[sight.thing.object_id]

    def pairs(self, sights: list[Sight]) -> list[tuple[Sight, Sight]]:
        """Some ordered pairs of different things, in random order."""
        draws = self.rng.integers(max(len(sights), 1), size=(_PAIRS, 2))
        return [(sights[i], sights[j]) for i, j in draws if i != j]

    def choice(self, question_type: str, a: Sight, b: Sight, winner: Sight) -> Question:
        """A question whose answer is one of the two things that it names."""
        return Question(question_type, {"x": self.name(a), "y": self.name(b)}, self.name(winner).text)


def left_right(scene: Scene) -> list[Question]:
    """Answers: left, right."""
    return [Question("left_right", {"x": scene.name(s)}, s.side) for s in scene.untold if s.side is not None]


def direction(scene: Scene) -> list[Question]:
    """Answers: front, behind, left, right."""
    found = [(s, s.direction) for s in scene.untold]
    return [Question("direction", {"x": scene.name(s)}, d) for s, d in found if d is not None]


def route(scene: Scene) -> list[Question]:
    """Answers: forward, backward, left, right. Only for what stands on the floor more than a metre away."""
    found = [(s, s.direction) for s in scene.untold if s.distance_m > 1 and s.thing.support_id is None]
    return [Question("route", {"x": scene.name(s)}, _ROUTES[d]) for s, d in found if d is not None]


def egocentric_object(scene: Scene) -> list[Question]:
    """Answers: the class of the thing that is clearly the nearest in a quadrant."""
    found = []
    around = [s for s in scene.sights.values() if blocks_standing(s.thing) and not _is_under(scene, s)]
    for side, center_deg in _CENTER_DEG.items():
        ranked = sorted((s for s in around if _touches(s, center_deg, 50)), key=lambda s: s.distance_m)
        if not ranked or ranked[0].thing.object_id in scene.said | (scene.sights.keys() - scene.stage.plain.keys()):
            continue
        best = ranked[0]
        others = [s for s in ranked[1:] if s.thing.support_id != best.thing.object_id]
        off_deg = abs((best.bearing_deg - center_deg + 180) % 360 - 180)
        if off_deg > 25 or not 0.3 < best.distance_m < 3.5 or (others and not _nearer(best, others[0])):
            continue
        found.append(Question("egocentric_object", {"side": SIDES[side]}, written(best.thing.name)))
    return found


def distance(scene: Scene) -> list[Question]:
    """Answers: whole metres in words, asked where the distance is within 0.25 m of them."""
    found = []
    for sight in scene.around:
        metres = round(sight.distance_m)
        if 1 <= metres <= 6 and abs(sight.distance_m - metres) <= WHOLE_METRE_M:
            found.append(Question("distance", {"x": scene.name(sight)}, NUMBER_WORDS[metres]))
    return found


def counting(scene: Scene) -> list[Question]:
    """Answers: numbers in words; in the room, on my left, on my right."""
    found = []
    for noun, members in countable(scene.stage).items():
        nouns = plural(written(noun))
        found.append(Question("counting", {"nouns": nouns, "place": "in the room"}, NUMBER_WORDS[len(members)]))
        where = [scene.sights[i].side for i in members]
        if None in where or scene.said.intersection(members):
            continue
        for side in ("left", "right"):
            roles: dict[str, Text | str] = {"nouns": nouns, "place": SIDES[side]}
            found.append(Question("counting", roles, NUMBER_WORDS[where.count(side)]))
    return found


def countable(stage: Stage) -> dict[str, list[int]]:
    """Classes that can be counted, and their members: all were seen, and no other class shares the noun."""
    found = {}
    for noun in sorted({thing.name for thing in stage.view.seen}):
        called = [thing for thing in stage.view.things if may_be_called(thing.name, noun)]
        ids = [thing.object_id for thing in called]
        alike = all(thing.name == noun for thing in called) and stage.view.seen_ids.issuperset(ids)
        if alike and has_plural(noun) and len(ids) < len(NUMBER_WORDS):
            found[noun] = ids
    return found


def existence(scene: Scene) -> list[Question]:
    """Answers: yes, no; in the room, on my left, on my right, behind me."""
    found = []
    names = [thing.name for thing in scene.stage.view.things]
    for noun in ASKABLE_ABSENT:
        present = noun in names and any(scene.stage.view.by_id[i].name == noun for i in scene.stage.view.seen_ids)
        if present or not any(may_be_called(name, noun) for name in names):
            found.append(_exists(noun, "in the room", present))
    for noun in sorted({sight.thing.name for sight in scene.untold}):
        called = [s for s in scene.sights.values() if may_be_called(s.thing.name, noun)]
        if scene.said.intersection(s.thing.object_id for s in called):
            continue
        if all(s.side is not None for s in called):
            found += [_exists(noun, SIDES[side], any(s.side == side for s in called)) for side in ("left", "right")]
        if all(s.direction == "behind" or max(abs(s.low_deg), abs(s.high_deg)) < 75 for s in called):
            found.append(_exists(noun, SIDES["behind"], any(s.direction == "behind" for s in called)))
    return found


def relative_direction(scene: Scene) -> list[Question]:
    """Answers: left, right; between two things before the speaker."""
    found = []
    for a, b in scene.pairs([s for s in scene.around if abs(s.bearing_deg) <= 90]):
        left = a.low_deg - b.high_deg > 5 and a.bearing_deg - b.bearing_deg >= 25
        right = b.low_deg - a.high_deg > 5 and b.bearing_deg - a.bearing_deg >= 25
        if (left or right) and abs(a.bearing_deg - b.bearing_deg) <= 130:
            roles: dict[str, Text | str] = {"x": scene.name(a), "y": scene.name(b)}
            found.append(Question("relative_direction", roles, "left" if left else "right"))
    return found


def nearest(scene: Scene) -> list[Question]:
    """Answers: the clearly nearer of two things, by nearest point and by centre."""
    pairs = scene.pairs(scene.around)
    return [scene.choice("nearest", a, b, w) for a, b in pairs for w, o in ((a, b), (b, a)) if _nearer(w, o)]


def size(scene: Scene) -> list[Question]:
    """Answers: the clearly taller of two things."""
    found = []
    for a, b in scene.pairs(scene.around):
        low, high = sorted((a, b), key=lambda sight: sight.thing.size_m[2])
        if high.thing.size_m[2] >= max(low.thing.size_m[2] * TALLER_RATIO, low.thing.size_m[2] + TALLER_M):
            found.append(scene.choice("size", a, b, high))
    return found


def appearance_order(scene: Scene) -> list[Question]:
    """Answers: the thing that was clearly shown two frames before the other came into view at all."""
    view = scene.stage.view
    found = []
    for a, b in scene.pairs(scene.around):
        for first, second in ((a, b), (b, a)):
            shown = view.first_clear[first.thing.object_id]
            if shown + APPEARANCE_FRAMES <= view.first_glimpse[second.thing.object_id]:
                found.append(scene.choice("appearance_order", a, b, first))
    return found


def colour(scene: Scene) -> list[Question]:
    """Answers: colour words, of things that their class alone picks out."""
    named = [s for s in scene.around if scene.name(s).text == written(s.thing.name)]
    return [Question("colour", {"x": scene.name(s)}, s.thing.colour) for s in named if s.thing.colour is not None]


TYPES: dict[str, Callable[[Scene], list[Question]]] = {
    "left_right": left_right,
    "direction": direction,
    "egocentric_object": egocentric_object,
    "distance": distance,
    "counting": counting,
    "existence": existence,
    "relative_direction": relative_direction,
    "nearest": nearest,
    "size": size,
    "appearance_order": appearance_order,
    "route": route,
    "colour": colour,
}


def _exists(noun: str, place: str, answer: bool) -> Question:
    return Question("existence", {"a_noun": with_article(written(noun)), "place": place}, "yes" if answer else "no")


def _nearer(a: Sight, b: Sight) -> bool:
    """Whether ``a`` is clearly nearer than ``b``."""
    return all(
        far >= near * NEARER_RATIO and far - near >= NEARER_M
        for near, far in ((a.distance_m, b.distance_m), (a.center_distance_m, b.center_distance_m))
    )


def _touches(sight: Sight, center_deg: float, half_deg: float) -> bool:
    """Whether part of a footprint is within ``half_deg`` of a direction."""
    middle = (sight.bearing_deg - center_deg + 180) % 360 - 180
    low, high = middle + sight.low_deg - sight.bearing_deg, middle + sight.high_deg - sight.bearing_deg
    return low < half_deg and high > -half_deg


def _is_under(scene: Scene, sight: Sight) -> bool:
    occupied = scene.situation.placement.occupied
    return sight.thing.object_id in occupied or sight.thing.support_id in occupied
