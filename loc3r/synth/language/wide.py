"""Situations in people's words: patterns of ``people`` filled in, remarks anywhere, and things called by other names.

What a text means is what ``situations`` defines: only the words differ, so that a model trained on them reads what
people write. Templates (``phrases``) stay what T0 is told in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import chain, repeat

import numpy as np

from loc3r.synth.language.nouns import has_plural, may_be_called, with_article, written
from loc3r.synth.language.people import (
    BITS,
    PEOPLE_CLOCK_REMARKS,
    PEOPLE_OPENINGS,
    PEOPLE_REMARKS,
    PEOPLE_SECOND_REMARKS,
    PEOPLE_USES,
    PEOPLE_USING,
    PEOPLE_WORDINGS,
)
from loc3r.synth.language.situations import Placement, Situation, Stage
from loc3r.synth.language.text import Text, fill, naming
from loc3r.synth.language.view import RoomView, Sight
from loc3r.synth.synonyms import SYNONYMS

FIRST_REMARK_SHARE, SECOND_REMARK_SHARE, CLOCK_SHARE, OPENING_SHARE = 0.58, 0.17, 0.16, 0.15
"""As in the train texts: 52 % say one thing of a side, 8 % two or more, 5 % by the clock."""
CLOCK_DEG = 12.0
"""A thing is in a clock direction where it is this near to it."""
OTHER_NAME_SHARE, INDEFINITE_SHARE, MY_SHARE, BARE_SHARE = 0.4, 0.27, 0.05, 0.03
NO_STOP_SHARE, ANOTHER_SHARE = 0.01, 0.7
ROOM_KIND_SHARE = 0.3
SIDE_WORDS = ("left", "right", "behind")
HOURS = ("twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
NEXT_TO = ("next to", "next to", "by", "near", "beside", "close to", "right next to")
CLOSEST_TO = ("closest to", "closest to", "nearest to", "that is closest to")

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_BIT = re.compile(r"<([^<>]+)>")
_DOUBLED = frozenset("bgmnpt")
_PAST = {
    "brush": "brushed", "get": "got", "put": "put", "take": "took", "throw": "threw", "make": "made", "set": "set",
    "write": "wrote", "read": "read", "draw": "drew", "hang": "hung", "cut": "cut", "feed": "fed", "lean": "leaned",
    "boil": "boiled", "heat": "heated", "clean": "cleaned", "fill": "filled", "feel": "felt", "do": "did",
    "look": "looked", "turn": "turned", "load": "loaded", "wait": "waited", "open": "opened", "water": "watered",
    "answer": "answered", "empty": "emptied", "dry": "dried", "reach": "reached", "cook": "cooked", "pee": "peed",
}  # fmt: skip


def word_widely(
    stage: Stage, placement: Placement, rng: np.random.Generator, remarks: list[tuple[Text, str]] | None = None
) -> Situation:
    """Put a placement into words as one of many people might.

    ``remarks`` are names and their sides or hours; by default up to two of things that a plain name picks out.
    """
    kind = stage.view.room.room_kind
    roles: dict[str, Text | str] = {**placement.roles, "room": kind if rng.random() < ROOM_KIND_SHARE else "room"}
    text = fill(expand(_choice(rng, _wordings(stage, placement)), rng), _with_doing(placement, roles, rng))
    remarks = _remarks(stage, placement, text, rng) if remarks is None else list(remarks)
    opens = text.text.startswith(("I ", "I'm ")) and rng.random() < OPENING_SHARE
    if opens and remarks and remarks[0][1] in ("left", "right"):
        text = _remark(PEOPLE_OPENINGS, *remarks.pop(0), rng) + text
    more = chain([PEOPLE_REMARKS], repeat(PEOPLE_SECOND_REMARKS))
    for patterns, (name, direction) in zip(more, remarks, strict=False):
        text += _remark(patterns, name, direction, rng)
    told = placement.roles.values() if placement.form == "sit_at" else ()  # the table tells which chair
    clear = {*stage.plain, *(number for name in told for number in name.object_ids)}
    return Situation(placement, _finished(_renamed(text, stage.view, clear, rng), rng))


def expand(pattern: str, rng: np.random.Generator) -> str:
    """A pattern with every choice made; ``{roles}`` stay."""
    while found := _CHOICE.search(pattern) or _BIT.search(pattern):
        if found[0][0] == "[":
            chosen = _choice(rng, tuple(found[1].split("|")))
        else:
            chosen = _choice(rng, BITS[found[1].lower()])
            chosen = chosen if found[1].islower() else chosen[:1].upper() + chosen[1:]
        pattern = pattern[: found.start()] + chosen + pattern[found.end() :]
    return pattern


def sides_of(sight: Sight) -> Iterator[str]:
    """What can be said of where a thing is: a side, and a clock direction."""
    if sight.direction in SIDE_WORDS:
        yield str(sight.direction)
    hour = -sight.bearing_deg / 30
    if abs(hour - round(hour)) * 30 <= CLOCK_DEG:
        yield HOURS[round(hour) % 12]


def _wordings(stage: Stage, placement: Placement) -> tuple[str, ...]:
    if placement.wording.startswith("using "):
        return PEOPLE_USING
    if placement.wording == "between two":
        return tuple(words.replace("the {x} and the {z}", "two {xs}") for words in PEOPLE_WORDINGS["between"])
    wordings = PEOPLE_WORDINGS[placement.wording]
    more = PEOPLE_WORDINGS.get(f"{placement.wording} behind")
    if more is None:
        return wordings
    sight = stage.view.sights(placement.position_m, placement.heading_rad)[placement.roles["x"].object_ids[0]]
    return wordings + more if sight.direction == "behind" else wordings


def _with_doing(
    placement: Placement, roles: Mapping[str, Text | str], rng: np.random.Generator
) -> Mapping[str, Text | str]:
    """The roles, and where something is done also what, in each form of its verb."""
    if not placement.wording.startswith("using "):
        return roles
    use = expand(_choice(rng, PEOPLE_USES[placement.wording.removeprefix("using ")]), rng)
    verb, _, rest = use.partition(" ")
    forms = {"do": verb, "doing": _ing(verb), "did": _past(verb), "Doing": _ing(verb).capitalize()}
    return {**roles, **{form: fill(f"{word} {rest}", roles) for form, word in forms.items()}}


def _ing(verb: str) -> str:
    if verb in ("get", "put", "set", "cut", "drop", "grab", "chop"):
        return f"{verb}{verb[-1]}ing"
    return f"{verb[:-1]}ing" if verb.endswith("e") and not verb.endswith("ee") else f"{verb}ing"


def _past(verb: str) -> str:
    if verb in _PAST:
        return _PAST[verb]
    if verb in ("drop", "grab", "chop"):
        return f"{verb}{verb[-1]}ed"
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def _remarks(stage: Stage, placement: Placement, said: Text, rng: np.random.Generator) -> list[tuple[Text, str]]:
    """Up to two more things that a plain name picks out, each with where it is: a side or an hour."""
    sights = stage.view.sights(placement.position_m, placement.heading_rad)
    used = {*said.object_ids, *placement.occupied}
    by_clock = rng.random() < CLOCK_SHARE
    options = [
        (name, where)
        for thing_id, name in stage.plain.items()
        if thing_id not in used and sights[thing_id].thing in stage.sights and sights[thing_id].distance_m > 0.3
        for where in sides_of(sights[thing_id])
        if (where in HOURS) == by_clock
    ]
    draw = rng.random()
    count = (draw < FIRST_REMARK_SHARE) + (draw < SECOND_REMARK_SHARE)
    return [options[i] for i in rng.permutation(len(options))[:count]]


def _remark(patterns: tuple[str, ...], name: Text, where: str, rng: np.random.Generator) -> Text:
    roles: dict[str, Text | str] = {"t": name}
    if where in HOURS:
        patterns = PEOPLE_CLOCK_REMARKS
        roles["hour"] = where if rng.random() < 0.6 else str(HOURS.index(where) or 12)
    pattern = _choice(rng, patterns).replace("<side>", f"<{where}>").replace("<Side>", f"<{where.capitalize()}>")
    return fill(expand(pattern if name.spans else _of_many(pattern), rng), roles)


def _of_many(pattern: str) -> str:
    """A remark's pattern for "two chairs", which name no single thing."""
    for one, many in (("the {t}", "{t}"), ("<is>", "are"), (" is ", " are "), ("There is", "There are")):
        pattern = pattern.replace(one, many)
    return pattern


def _renamed(text: Text, view: RoomView, clear: Collection[int], rng: np.random.Generator) -> Text:
    """Every thing by a name that people may use for it in this room, behind the article of their choice.

    ``clear`` are the things that their plain names pick out.
    """
    result, done = Text(""), 0
    named: set[str] = set()
    for index, (start, end, thing_id) in enumerate(text.spans):
        words = text.text[start:end]
        name = view.by_id[thing_id].name
        if rng.random() < OTHER_NAME_SHARE:
            words = _other_name(view, thing_id, words, rng)
        related = text.text[end:].startswith((" next to the ", " closest to the "))
        literal = text.text[done:start]
        if thing_id in clear or related or literal[-4:].lower() != "the ":
            before = _before(literal, words, related, index, rng)
        else:
            before = _before_loose(literal, words, name in named, rng)
        result += Text(before) + naming(words, thing_id)
        done = end
        named.add(name)
    return result + Text(text.text[done:])


def _other_name(view: RoomView, thing_id: int, words: str, rng: np.random.Generator) -> str:
    """A synonym that no thing of another class of the room goes by, behind the colour if there was one."""
    thing = view.by_id[thing_id]
    others = {other.name for other in view.things} - {thing.name}
    free = tuple(
        word
        for word in SYNONYMS.get(thing.name, ())
        if not any(may_be_called(other, word) or word in SYNONYMS.get(other, ()) for other in others)
    )
    return words.removesuffix(written(thing.name)) + _choice(rng, free) if free else words


def _before(literal: str, words: str, related: bool, index: int, rng: np.random.Generator) -> str:
    """What stands before a name: another relation or another article."""
    for relation, others in ((" next to the ", NEXT_TO), (" closest to the ", CLOSEST_TO)):
        if literal == relation and index:
            return f" {_choice(rng, others)} the "
    draw = rng.random()
    if not literal.endswith("the ") or related:
        return literal
    stem = literal[:-4]
    if draw < INDEFINITE_SHARE or stem.endswith(("here is ", "here was ")):
        if not has_plural(words):
            return stem
        return stem + with_article(words).removesuffix(words)
    if draw < INDEFINITE_SHARE + MY_SHARE:
        return stem + "my "
    return stem if draw < INDEFINITE_SHARE + MY_SHARE + BARE_SHARE else literal


def _before_loose(literal: str, words: str, another: bool, rng: np.random.Generator) -> str:
    """The article of a name that doesn't pick out one thing."""
    article = "another " if another and rng.random() < ANOTHER_SHARE else with_article(words).removesuffix(words)
    return literal[:-4] + (article if literal.endswith("the ") else article.capitalize())


def _finished(text: Text, rng: np.random.Generator) -> Text:
    """With a capital and, nearly always, a full stop."""
    first = text.text[0].upper() + text.text[1:]
    return Text(first, text.spans) + Text("" if rng.random() < NO_STOP_SHARE else ".")


def _choice(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]
