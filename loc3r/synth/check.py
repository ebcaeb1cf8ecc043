"""Check samples against the room they speak of: the second opinion on every text, pose and answer.

It reads the texts as a person would, from their words and named objects, and goes by ``witness``'s geometry.
Nothing here comes from the code that wrote the samples, so that a mistake there does not pass here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc3r.datasets.sample import Mention, Sample
from loc3r.synth.check_answers import expected_answer
from loc3r.synth.room import Floats, Room, RoomObject
from loc3r.synth.synonyms import SYNONYMS
from loc3r.synth.witness import Speaker, Witness, marked, spoken

FACING_DEG = 1.0
AT_TABLE_DEG = 21.0
CLOCK_DEG = 13.0
RELATION_MARGIN_M = 0.35

_AHEAD = r"(?:right |directly |that is )?in front of me"
_EXACTLY = "(?:exactly |directly |straight |right )?"
_FACING = (
    r"(?:facing|look(?:ing|ed)?(?: straight)? at|staring at|watching|eyes are on|opening|towards) the #(\d+)",
    rf"the #(\d+)(?: is)? {_AHEAD}",
    rf"{_AHEAD} (?:there )?(?:is|was) the #(\d+)",
)
_AT_TABLE = (r"\b(?:at|in front of) the #(\d+)", *_FACING)
_SIDE = rf"{_EXACTLY}(?:on|to|at) (?:my|the) (?:immediate )?"
_OF_ME = "(?: hand)?(?: side)?(?: of me)? (?:there )?(?:is|was)"
_OF_MANY = _OF_ME.replace("is|was", "are")
_DONE = {  # what is said of a thing -> the side it must be on
    "left": (rf"#(\d+) (?:is |was )?{_SIDE}left\b", rf"{_SIDE}left{_OF_ME} the #(\d+)"),
    "right": (rf"#(\d+) (?:is |was )?{_SIDE}right\b", rf"{_SIDE}right{_OF_ME} the #(\d+)"),
    "behind": (
        rf"#(\d+) (?:is |was )?{_EXACTLY}behind me",
        r"behind me (?:there )?(?:is|was) the #(\d+)",
        r"back (?:turned )?(?:straight )?to the #(\d+)",
        r"away from the #(\d+)",
        r"the #(\d+) with my back to it",
    ),
}
_SIDE_DEG = {"left": -90, "right": 90, "behind": 180}
_CLOCK = re.compile(r"#(\d+) (?:is )?(?:in|at|on) my (\w+) o'clock")
_HOURS = ("twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_ARTICLE = re.compile(r"(?:\b(?:the|an?|another|my) )?#")
_LEFT_OPEN = re.compile(r"\b(?:an?|another) $", re.I)
_NUMBER = "(two|three|four|several)"
_GROUPS = {  # several of a class, which no mention names -> the side that they must be on
    "left": (rf"{_NUMBER} ([a-z ]+?) (?:are )?{_SIDE}left\b", rf"{_SIDE}left{_OF_MANY} {_NUMBER} ([a-z ]+)"),
    "right": (rf"{_NUMBER} ([a-z ]+?) (?:are )?{_SIDE}right\b", rf"{_SIDE}right{_OF_MANY} {_NUMBER} ([a-z ]+)"),
    "behind": (
        rf"{_NUMBER} ([a-z ]+?) (?:are )?{_EXACTLY}behind me",
        rf"behind me (?:there )?are {_NUMBER} ([a-z ]+)",
    ),
}
_PAIR = re.compile(r"between two ([a-z ]+)", re.I)
_NEXT = r"(?:(?:right )?next to|by|near|beside|close to|(?:that is )?closest to|nearest to)"
_RELATION = re.compile(rf"#(\d+) {_NEXT} the #(\d+)")
_SEATED = ("sit_facing", "sit", "sit_at", "lying")
_SITS = r"\bs[ia]t|seat|relax|rest|loung|(?:on|in) the #"
_ACTS = r"\w+ing\b|in front of|\bi (?:\w+ )+the #"
_STANDS_BY = rf"{_NEXT} the #|next to me|beside me|within reach|leaning|standing at|got up from|behind me|back to"
_WORDS = {
    "sit_facing": _SITS,
    "sit": _SITS,
    "sit_at": _SITS,
    "lying": r"lying|laying|lay down|lie down|sleep|rest",
    "stand_facing": _STANDS_BY,
    "sides": _STANDS_BY,
    "in_front_of": _ACTS,
    "facing": _ACTS,
    "back_to": r"\bback\b|behind me|away from",
    "between": r"between",
    "at_door": r"through|via|from|room|(?:at|open\w*|up|closed|towards) the #",
    "using": _ACTS,
    "middle_facing": r"(?:middle|center) of the room",
}


def check_samples(room: Room, visible_px: NDArray[np.integer], samples: Iterable[Sample]) -> list[str]:
    """Complaints about a room's samples, each naming the sample; empty where all is well."""
    witness = Witness(room, visible_px)
    return [f"{sample.sample_id}: {complaint}" for sample in samples for complaint in check_sample(witness, sample)]


def check_sample(witness: Witness, sample: Sample) -> list[str]:
    """Complaints about one sample: its mentions, its pose, its answer."""
    if sample.scene_id != witness.room.scene_id:
        return [f"speaks of scene {sample.scene_id}, not {witness.room.scene_id}"]
    complaints = _check_mentions(witness, sample)
    if complaints:
        return complaints  # the rest reads the texts by their mentions
    if sample.situation is not None:
        complaints += _check_situation(witness, sample)
    expected = expected_answer(witness, sample)
    if (expected,) != sample.answers:
        complaints.append(f"answer: {sample.answers} to {sample.question!r}, the room says {expected!r}")
    return complaints


def _check_mentions(witness: Witness, sample: Sample) -> list[str]:
    """Every mention spells the name of a thing that was seen; what is said with "the" or "my" fits no other thing."""
    complaints = []
    for mention in sample.mentions:
        text = (sample.situation if mention.field == "situation" else sample.question) or ""
        words, thing = text[mention.start : mention.end], witness.things.get(mention.object_id)
        if thing is None or not witness.seen(mention.object_id):
            complaints.append(f"mention: {words!r} was not seen in the video")
        elif _noun(thing, words) not in (spoken(thing.name), *SYNONYMS.get(thing.name, ())):
            complaints.append(f"mention: {words!r} is no name of a {thing.colour} {thing.name}")
        elif not _LEFT_OPEN.search(text[: mention.start]) and not _is_unique(witness, thing, words, mention, sample):
            complaints.append(f"mention: {words!r} is ambiguous in {text!r}")
    return complaints


def _is_unique(witness: Witness, thing: RoomObject, words: str, mention: Mention, sample: Sample) -> bool:
    """Whether the words, or what they are related to, leave only this thing."""
    noun = _noun(thing, words)
    rivals = [t for t in witness.called(spoken(thing.name)) if t is not thing]
    if noun != spoken(thing.name):  # what else may go by the other name
        others = [t for t in witness.things.values() if t.name != thing.name]
        rivals += [t for t in others if spoken(t.name).endswith(noun) or noun in SYNONYMS.get(t.name, ())]
    if words != noun:
        rivals = [t for t in rivals if t.colour is None or t.colour == thing.colour]
    if not rivals:
        return True
    text = (sample.situation if mention.field == "situation" else sample.question) or ""
    here = [m for m in sample.mentions if m.field == mention.field]
    anchors = [
        m for m in here if m.start > mention.end and re.fullmatch(rf" {_NEXT} the ", text[mention.end : m.start])
    ]
    if not anchors and sample.situation_form == "sit_at" and mention.field == "situation":
        anchors = [m for m in here if m.object_id == sample.look_at_object_id]
    anchor = witness.things.get(anchors[0].object_id) if anchors else None
    if anchor is None:
        return False
    gap_m = witness.gap_m(thing, anchor)
    return all(witness.gap_m(rival, anchor) > gap_m + RELATION_MARGIN_M for rival in rivals)


def _noun(thing: RoomObject, words: str) -> str:
    """The words without the thing's colour."""
    return words.removeprefix(f"{thing.colour} ")


def _check_situation(witness: Witness, sample: Sample) -> list[str]:
    """The pose is where and how the text says, and the text says nothing that is not so."""
    form, speaker = sample.situation_form or "", Speaker.of(witness.room, sample)
    text = marked(sample.situation or "", tuple(m for m in sample.mentions if m.field == "situation"))
    text = _RELATION.sub(r"#\1", _ARTICLE.sub("the #", text))
    if form not in _WORDS or not re.search(_WORDS[form], text, re.I):
        return [f"situation: {text!r} is not of the form {form!r}"]
    claims = _claims(text, form)
    complaints = _check_claims(witness, speaker, claims, form) + _check_groups(witness, speaker, text)
    placed = {claim.object_id for claim in claims}
    aside = {claim.object_id for claim in claims if claim.where not in ("ahead", "behind")}
    named = [int(number) for number in re.findall(r"#(\d+)", text)]
    loose = [number for number in dict.fromkeys(named) if number not in placed]
    if len(loose) > (2 if form == "between" else 1):
        complaints.append(f"situation: nothing says how {loose[1:]} lie in {text!r}")
    if form not in _SEATED:
        complaints += _check_free(witness, speaker)
    complaints += _PLACES[form](witness, speaker, text, [number for number in named if number not in aside] or named)
    if sample.look_at_object_id is not None:
        off_deg = abs(speaker.way_to(witness.things[sample.look_at_object_id]))
        if off_deg > (AT_TABLE_DEG if form == "sit_at" else FACING_DEG):
            complaints.append(f"heading: {off_deg:.1f} degrees off the thing that is looked at")
    return complaints


@dataclass(frozen=True)
class _Claim:
    """What a text says of where one thing is."""

    object_id: int
    where: str
    clock_deg: float
    within_deg: float | None = None
    """How near to the angle it must be; None: wherever people say ``where``."""


def _claims(text: str, form: str) -> list[_Claim]:
    """All that a text says of directions."""
    ahead, within_deg = (_AT_TABLE, AT_TABLE_DEG) if form == "sit_at" else (_FACING, FACING_DEG)
    found = [_Claim(number, "ahead", 0, within_deg) for number in _numbers(ahead, text)]
    for side, patterns in _DONE.items():
        found += [_Claim(number, side, _SIDE_DEG[side]) for number in _numbers(patterns, text)]
    for number, hour in _CLOCK.findall(text):
        angle_deg = 30 * (_HOURS.index(hour) if hour in _HOURS else int(hour))
        found.append(_Claim(int(number), f"at {hour} o'clock", angle_deg, CLOCK_DEG))
    return found


def _numbers(patterns: tuple[str, ...], text: str) -> list[int]:
    return [int(number) for pattern in patterns for number in re.findall(pattern, text, re.I)]


def _check_claims(witness: Witness, speaker: Speaker, claims: list[_Claim], form: str) -> list[str]:
    """What the text says of directions holds."""
    complaints = []
    off_deg = []
    for claim in claims:
        thing = witness.things[claim.object_id]
        off_deg.append(_off_deg(speaker.way_to(thing), claim.clock_deg))
        holds = speaker.is_on(claim.where, thing) if claim.within_deg is None else off_deg[-1] < claim.within_deg
        if not holds or (
            form == "sit_at" and claim.where == "ahead" and witness.distance_m(speaker.place_m, thing) > 1.2
        ):
            complaints.append(f"situation: the {thing.name} is not {claim.where}, as the text says")
    exact = [off for off, claim in zip(off_deg, claims, strict=True) if claim.where in _SIDE_DEG]
    if form == "sides" and min(exact, default=180) > FACING_DEG:
        complaints.append("heading: nothing is exactly at the side that the text says")
    return complaints


def _check_groups(witness: Witness, speaker: Speaker, text: str) -> list[str]:
    """Where several of a class are said to be, there are as many."""
    complaints = []
    for side, patterns in _GROUPS.items():
        for number, words in (found for pattern in patterns for found in re.findall(pattern, text, re.I)):
            there = [thing for thing in _of_plural(witness, words) if speaker.is_on(side, thing)]
            if len(there) < {"two": 2, "three": 3, "four": 4}.get(number, 5):
                complaints.append(f"situation: {len(there)} {words} are {side}, not {number} as the text says")
    return complaints


def _of_plural(witness: Witness, words: str) -> list[RoomObject]:
    """Things of the class whose plural begins the words."""
    names = {thing.name for thing in witness.things.values()}
    meant = [name for name in names if re.match(rf"{re.escape(_stem(spoken(name)))}(?:e?s|ves)\b", words)]
    return witness.called(spoken(max(meant, key=len))) if meant else []


def _stem(noun: str) -> str:
    return noun.removesuffix("f") if noun.endswith("shelf") else noun


def _check_free(witness: Witness, speaker: Speaker) -> list[str]:
    """Someone who stands is in the room and in nothing."""
    size = np.array(witness.room.size_m[:2])
    complaints = []
    if (speaker.place_m < 0.2).any() or (speaker.place_m > size - 0.2).any():
        complaints.append(f"position: {speaker.place_m.round(2)} is not inside the room {size}")
    for thing in witness.things.values():
        if witness.in_the_way(thing) and witness.distance_m(speaker.place_m, thing) < 0.199:
            complaints.append(f"position: stands in the {thing.name}")
    return complaints


def _seated(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    """In the middle of what is sat on; along its front where nothing is faced."""
    found = re.search(r"\b(?:on|in) the #(\d+)", text)
    if found is None:
        return [f"situation: nothing to sit on in {text!r}"]
    seat = witness.things[int(found[1])]
    complaints = []
    if np.linalg.norm(speaker.place_m - seat.footprint_m.mean(0)) > 0.05:
        complaints.append(f"position: not in the middle of the {seat.name}")
    fronted = seat.name not in ("stool", "bench", "beanbag", "bed", "mattress")
    turn_deg = _turn_deg(seat, speaker)
    if fronted and turn_deg > 61:
        complaints.append(f"heading: {turn_deg:.0f} degrees off the front of the {seat.name}")
    return complaints


def _seated_ahead(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    found = re.search(r"\b(?:on|in) the #(\d+)", text)
    off_deg = _turn_deg(witness.things[int(found[1])], speaker) if found else 0
    ahead = [] if off_deg < FACING_DEG else [f"heading: {off_deg:.1f} degrees off the front of the seat"]
    return _seated(witness, speaker, text, named) + ahead


def _on_bed(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    bed = witness.things[named[0]]
    back_m = float((np.array(bed.center_m[:2]) - speaker.place_m) @ speaker.ahead)
    complaints = [] if _turn_deg(bed, speaker) < FACING_DEG else ["heading: not towards the foot of the bed"]
    if witness.distance_m(speaker.place_m, bed) > 0 or abs(back_m - bed.size_m[1] / 4) > 0.05:
        complaints.append("position: not at the head of the bed")
    return complaints


def _beside(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    found = re.search(
        rf"(?:{_NEXT}|standing at|got up from|leaning (?:on|against)) the #(\d+)"
        r"|#(\d+) (?:is )?(?:right next to me|beside me|within reach)",
        text,
    )
    numbers = [int(found[1] or found[2])] if found else _numbers(_DONE["behind"], text)
    things = [witness.things[number] for number in numbers]
    near = any(0.19 < witness.distance_m(speaker.place_m, thing) < 0.95 for thing in things)
    return [] if near else [f"position: not next to {things[0].name if things else 'anything'}"]


def _before(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    """Straight in front of something that has the wall behind it; facing it or away from it."""
    thing = witness.things[named[0]]
    offset = speaker.place_m - thing.footprint_m.mean(0)
    out = offset / np.linalg.norm(offset)
    complaints = []
    if not 0.19 < witness.distance_m(speaker.place_m, thing) < 0.95 or not _hits_wall(witness, thing, out):
        complaints.append(f"position: not in front of the {thing.name}")
    away = re.search(
        r"\bback\b|behind me, (?:looking|which)|away from|entering|walking into|just (?:came|walked)|entered",
        text,
        re.I,
    )
    if (
        not set(_numbers(_FACING, text)) - {thing.object_id}
        and _off_deg(speaker.way_to(thing), 180 if away else 0) > FACING_DEG
    ):
        complaints.append(f"heading: neither at nor away from the {thing.name}, as {text!r} says")
    return complaints


def _at_side(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    """Straight before one of a thing's four sides, facing its middle."""
    thing = witness.things[named[0]]
    complaints = []
    if not 0.19 < witness.distance_m(speaker.place_m, thing) < 0.95 or not _is_square(thing, speaker):
        complaints.append(f"position: not straight before a side of the {thing.name}")
    if abs(speaker.way_to(thing)) > FACING_DEG:
        complaints.append(f"heading: not at the middle of the {thing.name}")
    return complaints


def _is_square(thing: RoomObject, speaker: Speaker) -> bool:
    turn_deg = _turn_deg(thing, speaker) % 90
    return min(turn_deg, 90 - turn_deg) < FACING_DEG


def _at_door(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    found = re.search(
        r"(?:through|via|from|standing at|handle at|for|opened|open|closed|opening) the #(\d+)"
        r"|with the #(\d+) right behind",
        text,
    )
    door = int(found[1] or found[2]) if found else named[0]
    wrong = [] if witness.things[door].name == "door" else ["situation: that is no door"]
    return wrong + _before(witness, speaker, text, [door])


def _between(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    """On the line between two things, as far from the one as from the other where it leaves them."""
    found = re.search(r"between the #(\d+) and the #(\d+)", text)
    pair = _PAIR.search(text)
    both = [witness.things[int(number)] for number in found.groups()] if found else []
    both = _of_plural(witness, pair[1]) if pair else both
    if len(both) != 2:
        return [f"situation: between what, in {text!r}"]
    clocks = [speaker.way_to(thing) for thing in both]
    reach = [witness.distance_m(speaker.place_m, thing) for thing in both]
    between = _off_deg(clocks[0] - clocks[1], 180) < 1 and max(reach) < 1.3
    return [] if between else ["position: not between the two things"]


def _in_middle(witness: Witness, speaker: Speaker, text: str, named: list[int]) -> list[str]:
    off_m = np.linalg.norm(speaker.place_m - np.array(witness.room.size_m[:2]) / 2)
    return [] if off_m < 0.05 else ["position: not in the middle of the room"]


_PLACES: dict[str, Callable[[Witness, Speaker, str, list[int]], list[str]]] = {
    "sit_facing": _seated,
    "sit": _seated_ahead,
    "sit_at": _seated_ahead,
    "lying": _on_bed,
    "stand_facing": _beside,
    "sides": _beside,
    "in_front_of": _before,
    "facing": _at_side,
    "back_to": _before,
    "using": _before,
    "at_door": _at_door,
    "between": _between,
    "middle_facing": _in_middle,
}


def _turn_deg(thing: RoomObject, speaker: Speaker) -> float:
    """Between a thing's front and where the speaker looks."""
    return float(np.degrees(np.arccos(np.clip(thing.front @ speaker.ahead, -1, 1))))


def _off_deg(angle_deg: float, goal_deg: float) -> float:
    return abs((angle_deg - goal_deg + 180) % 360 - 180)


def _hits_wall(witness: Witness, thing: RoomObject, out: Floats) -> bool:
    """Whether a wall is within arm's reach behind a thing, going against ``out`` (2,)."""
    size = np.array(witness.room.size_m[:2])
    behind = thing.footprint_m.mean(0) - out * (max(thing.size_m[:2]) / 2 + 0.45)
    return bool((behind < 0.02).any() or (behind > size - 0.02).any())
