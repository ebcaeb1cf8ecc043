"""Recompute the answer of a question from its words and the room. Part of ``loc3r.synth.check``."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from loc3r.datasets.sample import Sample
from loc3r.synth.room import RoomObject
from loc3r.synth.witness import SEEN_PX_SHARE, Speaker, Witness, edge_points, spoken

_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_SIDES = {"in front of me": "front", "behind me": "behind", "on my left": "left", "on my right": "right"}
_GO = {"front": "forward", "behind": "backward", "left": "left", "right": "right"}

Answer = str | None
"""What the room says; None where it says nothing clear."""


def expected_answer(witness: Witness, sample: Sample) -> Answer:
    """The answer to a sample's question, or None where the room gives no clear one or the type is unknown.

    Choices are answered with the option's letter.
    """
    things = [witness.things[m.object_id] for m in sample.mentions if m.field == "question"]
    speaker = Speaker.of(witness.room, sample) if sample.position_m is not None else None
    if sample.dataset == "sqa3d" and sample.question_type in _SITUATED:
        assert speaker is not None
        return _SITUATED[sample.question_type](witness, sample, speaker, things)
    if sample.dataset == "scanqa" and sample.question_type in _PLAIN:
        return _PLAIN[sample.question_type](witness, sample, things)
    if sample.dataset == "vsibench" and sample.question_type in _BENCHMARK:
        answer = _BENCHMARK[sample.question_type](witness, sample, things)
        return _letter(sample, answer) if sample.options else answer
    return None


def _letter(sample: Sample, answer: Answer) -> Answer:
    fitting = [option[0] for option in sample.options if option[3:] == answer]
    return fitting[0] if len(fitting) == 1 else None


def _side_of(speaker: Speaker, thing: RoomObject, sides: tuple[str, ...]) -> Answer:
    fitting = [side for side in sides if speaker.is_on(side, thing)]
    return fitting[0] if len(fitting) == 1 else None


def _left_right(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    return _side_of(speaker, things[0], ("left", "right"))


def _direction(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    """Ahead or behind within 31 degrees, beside from 59 degrees: what lies between has no one answer."""
    off_deg = abs(speaker.way_to(things[0]))
    return _side_of(speaker, things[0], ("left", "right") if 59 <= off_deg <= 121 else ("front", "behind"))


def _route(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    side = _direction(witness, sample, speaker, things)
    return _GO[side] if side else None


def _egocentric_object(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    """The nearest in a quadrant; what stands on it does not compete."""
    center = {"front": 0, "right": 90, "behind": 180, "left": -90}[_place(sample.question) or "front"]
    under = [t for t in witness.things.values() if witness.distance_m(speaker.place_m, t) == 0]
    around = []
    for thing in witness.things.values():
        turned = (speaker.clock_deg(edge_points(thing)) - center + 180) % 360 - 180
        if witness.in_the_way(thing) and thing not in under and (np.abs(turned) < 45).any():
            around.append((witness.distance_m(speaker.place_m, thing), thing))
    around = [(d, t) for d, t in around if t.support_id not in [u.object_id for u in under]]
    if not around:
        return None
    around.sort(key=lambda pair: pair[0])
    first_m, first = around[0]
    rest = [distance for distance, thing in around[1:] if thing.support_id != first.object_id]
    return spoken(first.name) if witness.seen(first.object_id) and min(rest, default=99.0) > first_m + 0.35 else None


def _distance(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    distance_m = witness.distance_m(speaker.place_m, things[0])
    return _NUMBERS[round(distance_m)] if distance_m < 6.5 and abs(distance_m - round(distance_m)) < 0.26 else None


def _counting(witness: Witness, sample: Sample, speaker: Speaker | None, things: list[RoomObject]) -> Answer:
    members = _asked_class(witness, sample.question)
    if not members or not all(witness.seen(thing.object_id) for thing in members):
        return None
    place = _place(sample.question)
    if place is None or speaker is None:
        return _NUMBERS[len(members)]
    where = [_side_of(speaker, thing, ("left", "right")) for thing in members]
    return None if None in where else _NUMBERS[where.count(place)]


def _asked_class(witness: Witness, question: str) -> list[RoomObject]:
    """The things of the class whose plural a "how many" question holds; empty where the noun is not clear."""
    stems = {spoken(thing.name): spoken(thing.name).removesuffix("f") for thing in witness.things.values()}
    fitting = [n for n, stem in stems.items() if re.search(rf"(how many|number of) {stem}[a-z]+ ", question, re.I)]
    members = witness.called(max(fitting, key=len)) if fitting else []
    return members if len({thing.name for thing in members}) == 1 else []


def _existence(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    found = re.search(r"\ban? (.+) (in the room|on my left|on my right|behind me)\?", sample.question)
    if found is None:
        return None
    members, place = witness.called(found[1]), found[2]
    if place == "in the room":
        return ("yes" if any(witness.seen(t.object_id) for t in members) else None) if members else "no"
    other = {"left": "right", "right": "left", "behind": "ahead"}[_SIDES[place]]
    there = [speaker.is_on(_SIDES[place], thing) for thing in members]
    elsewhere = [
        speaker.is_on(other, thing)
        if other != "ahead"
        else bool((np.abs(speaker.clock_deg(edge_points(thing))) < 80).all())
        for thing in members
    ]
    if not members or not all(a or b for a, b in zip(there, elsewhere, strict=True)):
        return None
    return "yes" if any(there) else "no"


def _relative_direction(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    """Sides as seen: both before the speaker, and no overlap of what they cover."""
    ordered = things[::-1] if "side of the" in sample.question else things
    first, second = (speaker.clock_deg(edge_points(thing)) for thing in ordered)
    if max(abs(speaker.way_to(thing)) for thing in things) > 91 or max(np.ptp(first), np.ptp(second)) > 180:
        return None
    return "left" if first.max() < second.min() else "right" if first.min() > second.max() else None


def _nearest(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    distances = [witness.distance_m(speaker.place_m, thing) for thing in things]
    return _named(sample, int(np.argmin(distances)) if abs(distances[0] - distances[1]) > 0.39 else None)


def _size(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    heights = [thing.size_m[2] for thing in things]
    return _named(sample, int(np.argmax(heights)) if abs(heights[0] - heights[1]) > 0.24 else None)


def _appearance_order(witness: Witness, sample: Sample, speaker: Speaker, things: list[RoomObject]) -> Answer:
    glimpses = [witness.frames_showing(thing.object_id) for thing in things]
    order = int(np.argmin([frames[0] for frames in glimpses]))
    clear = witness.frames_showing(things[order].object_id, SEEN_PX_SHARE)
    return _named(sample, order if clear and clear[0] + 2 <= glimpses[1 - order][0] else None)


def _colour(witness: Witness, sample: Sample, *rest: object) -> Answer:
    thing = next(witness.things[m.object_id] for m in sample.mentions if m.field == "question")
    return thing.colour if len(witness.called(spoken(thing.name))) == 1 else None


def _named(sample: Sample, index: int | None) -> Answer:
    """The words by which the question names one of its things."""
    if index is None:
        return None
    mention = [m for m in sample.mentions if m.field == "question"][index]
    return sample.question[mention.start : mention.end]


def _place(question: str) -> str | None:
    return next((side for words, side in _SIDES.items() if words in question), None)


def _next_to(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    standing = [t for t in witness.things.values() if witness.in_the_way(t) and t.support_id is None]
    gaps = sorted((witness.gap_m(things[0], t), t.name) for t in standing if t is not things[0])
    clear = gaps[0][0] < 0.45 and (len(gaps) == 1 or gaps[1][0] > gaps[0][0] + 0.4)
    return spoken(gaps[0][1]) if clear else None


def _on_top(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    carried = [t for t in witness.things.values() if t.support_id == things[0].object_id]
    return spoken(carried[0].name) if len(carried) == 1 and witness.seen(carried[0].object_id) else None


def _plain_counting(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    return _counting(witness, sample, None, things)


def _plain_colour(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    return _colour(witness, sample)


def _room_size(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    floor = next(t for t in witness.room.objects if t.name == "floor")
    area_m2 = witness.room.size_m[0] * witness.room.size_m[1]
    return f"{area_m2:.1f}" if floor.size_m[0] * floor.size_m[1] > 0.9 * area_m2 else None


def _digit_count(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    word = _counting(witness, sample, None, things)
    return None if word is None else str(_NUMBERS.index(word))


def _apart(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    """The stated metres where they are right to the rounding and this file's own."""
    gap_m = witness.box_gap_m(*things)
    return sample.answers[0] if abs(float(sample.answers[0]) - gap_m) < 0.11 else f"{gap_m:.1f}"


def _longest(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    return f"{100 * max(things[0].size_m):.0f}"


def _closest(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    *options, target = things
    gaps = [witness.box_gap_m(option, target) for option in options]
    first, second = sorted(gaps)[:2]
    return spoken(options[gaps.index(first)].name) if second > first + 0.3 else None


def _turn(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    """Stand at the first thing, face the second: where is the third?"""
    at, facing, asked = (np.array(thing.center_m[:2]) for thing in things[:3])
    clock = float(Speaker(at, (facing - at) / np.linalg.norm(facing - at)).clock_deg(asked))
    side = "left" if clock < 0 else "right"
    if sample.question_type.endswith("easy"):
        return side if 29 < abs(clock) < 151 else None
    if sample.question_type.endswith("medium"):
        return "back" if abs(clock) > 149 else side if 29 < abs(clock) < 121 else None
    return f"{'front' if abs(clock) < 90 else 'back'}-{side}" if 19 < abs(clock) % 90 < 71 else None


def _route_turn(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    """Coming from the first thing to the second: which way to the third?"""
    start, corner, goal = (np.array(things[i].center_m[:2]) for i in (0, 1, 2))
    clock = float(Speaker(corner, (corner - start) / np.linalg.norm(corner - start)).clock_deg(goal))
    if abs(clock) > 149:
        return "Turn Back"
    return ("Turn Left" if clock < 0 else "Turn Right") if 59 < abs(clock) < 121 else None


def _order(witness: Witness, sample: Sample, things: list[RoomObject]) -> Answer:
    shown = sorted(things, key=lambda t: witness.frames_showing(t.object_id)[0])
    clear = all(
        witness.frames_showing(a.object_id, SEEN_PX_SHARE)[0] < witness.frames_showing(b.object_id)[0]
        for a, b in pairwise(shown)
    )
    return ", ".join(spoken(thing.name) for thing in shown) if clear else None


_SITUATED: dict[str, Callable[[Witness, Sample, Speaker, list[RoomObject]], Answer]] = {
    "left_right": _left_right,
    "direction": _direction,
    "route": _route,
    "egocentric_object": _egocentric_object,
    "distance": _distance,
    "counting": _counting,
    "existence": _existence,
    "relative_direction": _relative_direction,
    "nearest": _nearest,
    "size": _size,
    "appearance_order": _appearance_order,
    "colour": _colour,
}
_PLAIN: dict[str, Callable[[Witness, Sample, list[RoomObject]], Answer]] = {
    "colour": _plain_colour,
    "counting": _plain_counting,
    "next_to": _next_to,
    "on_top": _on_top,
}
_BENCHMARK: dict[str, Callable[[Witness, Sample, list[RoomObject]], Answer]] = {
    "room_size_estimation": _room_size,
    "object_counting": _digit_count,
    "object_abs_distance": _apart,
    "object_size_estimation": _longest,
    "object_rel_distance": _closest,
    "object_rel_direction_easy": _turn,
    "object_rel_direction_medium": _turn,
    "object_rel_direction_hard": _turn,
    "route_planning": _route_turn,
    "obj_appearance_order": _order,
}
