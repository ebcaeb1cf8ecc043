"""Situations in which things are told apart by all that is said, as people tell them.

"I am facing a table with the door behind me" is clear among four tables if only at one of them the door is behind who
faces it. So a thing with rivals may go by its class alone ("a table", "another chair"), what is said of the sides may
speak of such things or of several ("two chairs on my left"), and a thing in the open is faced from any of its sides.
What a text leaves open, as far as ``told_apart`` can see, is not told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from loc3r.geometry.headings import turn_matrix, wrap_rad
from loc3r.synth.language.nouns import NUMBER_WORDS, has_plural, may_be_called, plural, written
from loc3r.synth.language.referents import rivals
from loc3r.synth.language.situations import Placement, Situation, Stage, between_things, is_sight, pick, way_rad
from loc3r.synth.language.text import Text, naming
from loc3r.synth.language.view import RoomView, Sight
from loc3r.synth.language.wide import CLOCK_SHARE, HOURS, sides_of, word_widely
from loc3r.synth.room import Floats, RoomObject

FIRST_REMARK_SHARE, SECOND_REMARK_SHARE, THIRD_REMARK_SHARE = 0.62, 0.22, 0.05
LOOSE_REMARK_SHARE = 0.5
"""Remarks on things that have rivals, where there are any."""
DOING_SHARE = 0.35
TRIES = 8
SAME_PLACE_M, SAME_WAY_RAD = 0.3, 0.3
"""Two poses this near to each other are one as far as words go."""


Pose = tuple[Floats, float]
"""Where (2,) in the room frame and which way in radians."""


@dataclass(frozen=True)
class Remark:
    """Something said of a side: that one or more of some things are there."""

    name: Text
    where: str
    """A side or an hour of the clock."""
    object_ids: frozenset[int]
    """The things that it may speak of."""
    least: int = 1
    """How many of them are there."""

    def holds(self, sights: Mapping[int, Sight]) -> bool:
        """Whether someone else could say it, who has the things around them like this."""
        return sum(self.where in sides_of(sights[number]) for number in self.object_ids) >= self.least


def word_freely(stage: Stage, placement: Placement, rng: np.random.Generator) -> Situation | None:
    """Put a placement into words that tell it from its like; None where none are found.

    ``stage`` knows the names that pick out one thing; the placement may speak of others as well.
    """
    loose = _loose(stage, placement)
    others = [stage.view.sights(*pose) for pose in _others(stage.view, placement, loose)]
    for _ in range(TRIES):
        remarks = _remarks(stage, placement, rng)
        if told_apart(others, remarks):
            return word_widely(stage, placement, rng, [(remark.name, remark.where) for remark in remarks])
    return None


def told_apart(others: list[dict[int, Sight]], remarks: list[Remark]) -> bool:
    """Whether at each of the other poses, given by what is around them, something that was remarked isn't so."""
    return not any(all(remark.holds(sights) for remark in remarks) for sights in others)


def facing(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """At a free side of something, facing its middle or doing something there."""
    thing = pick(rng, stage.places)
    spots = [] if thing is None else list(_before_sides(stage.view, thing))
    if thing is None or not spots:
        return None
    position, heading = spots[int(rng.integers(len(spots)))]
    wording = f"using {thing.name}" if thing.name in stage.uses and rng.random() < DOING_SHARE else "facing"
    return Placement("facing", wording, position, heading, {"x": stage.names[thing.object_id]}, thing.object_id)


def between_two(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Between the only two things of a class, facing a third."""
    pairs = [(t, *rivals(stage.view, t)) for t in stage.places if has_plural(t.name)]
    pairs = [pair for pair in pairs if len(pair) == 2 and pair[1] in stage.places and pair[0].name == pair[1].name]
    y = pick(rng, stage.sights)
    if not pairs or y is None:
        return None
    x, z = pairs[int(rng.integers(len(pairs)))]
    placement = None if y in (x, z) else between_things(stage, x, z, y)
    both = Text(plural(written(x.name)))
    return placement and replace(placement, wording="between two", roles={"xs": both, "y": placement.roles["y"]})


def _loose(stage: Stage, placement: Placement) -> list[RoomObject]:
    """The things that a placement names by a class that has rivals."""
    numbers = [name.object_ids[0] for name in placement.roles.values() if name.spans]
    told = placement.form == "sit_at"  # the table tells its chair
    return [stage.view.by_id[number] for number in numbers if number not in stage.names and not told]


def _others(view: RoomView, placement: Placement, loose: list[RoomObject]) -> Iterator[Pose]:
    """Poses that the placement's words could mean as well, but for what is remarked."""
    if placement.form == "facing":
        thing = view.by_id[placement.roles["x"].object_ids[0]]
        for meant in (thing, *(rivals(view, thing) if loose else ())):
            yield from (pose for pose in _before_sides(view, meant) if not _is_at(placement, *pose))
        return
    for thing in loose:
        for rival in rivals(view, thing):
            position, heading = _instead(view, placement, thing, rival)
            possible = placement.occupied or view.is_free(position)
            if possible and not _is_at(placement, position, heading):
                yield position, heading


def _instead(view: RoomView, placement: Placement, thing: RoomObject, rival: RoomObject) -> Pose:
    """The placement's pose if a rival were meant: as far from it, and facing what is faced."""
    faced = view.by_id[placement.roles["y"].object_ids[0]] if "y" in placement.roles else None
    position, heading = placement.position_m, placement.heading_rad
    if faced is thing:
        return position, wrap_rad(heading + way_rad(position, rival) - way_rad(position, thing))
    turn = rival.yaw_rad - thing.yaw_rad
    moved = np.array(rival.center_m[:2]) + turn_matrix(turn) @ (position - np.array(thing.center_m[:2]))
    if faced is not None:
        turn = way_rad(moved, faced) - way_rad(position, faced)
    return moved, wrap_rad(heading + turn)


def _remarks(stage: Stage, placement: Placement, rng: np.random.Generator) -> list[Remark]:
    """Up to three things or groups of things, each with where it is: a side or an hour."""
    sights = stage.view.sights(placement.position_m, placement.heading_rad)
    used = {*(number for name in placement.roles.values() for number in name.object_ids), *placement.occupied}
    around = [
        sight for number, sight in sights.items()
        if number in stage.view.seen_ids and number not in used and is_sight(sight.thing) and sight.distance_m > 0.3
    ]  # fmt: skip
    plain = [
        Remark(stage.plain[sight.thing.object_id], where, frozenset((sight.thing.object_id,)))
        for sight in around
        if sight.thing.object_id in stage.plain
        for where in sides_of(sight)
    ]
    loose = list(_loose_remarks(stage, around))
    draw = rng.random()
    count = sum(draw < share for share in (FIRST_REMARK_SHARE, SECOND_REMARK_SHARE, THIRD_REMARK_SHARE))
    by_clock = rng.random() < CLOCK_SHARE
    chosen: dict[str, Remark] = {}
    for _ in range(count):
        among = loose if rng.random() < LOOSE_REMARK_SHARE else plain
        among = [remark for remark in among if (remark.where in HOURS) == by_clock]
        if among:
            remark = among[int(rng.integers(len(among)))]
            chosen.setdefault(remark.name.text, remark)
    return list(chosen.values())


def _loose_remarks(stage: Stage, around: list[Sight]) -> Iterator[Remark]:
    """A thing that has rivals, or several of its class on one side."""
    there: dict[tuple[str, str], list[int]] = defaultdict(list)
    for sight in around:
        if sight.thing.object_id not in stage.plain and has_plural(sight.thing.name):
            for where in sides_of(sight):
                there[sight.thing.name, where].append(sight.thing.object_id)
    for (name, where), numbers in there.items():
        alike = frozenset(t.object_id for t in stage.view.things if may_be_called(t.name, name))
        if len(numbers) == 1:
            yield Remark(naming(written(name), numbers[0]), where, alike)
        else:
            words = NUMBER_WORDS[len(numbers)] if len(numbers) < 5 else "several"
            yield Remark(Text(f"{words} {plural(written(name))}"), where, alike, least=2)


def _before_sides(view: RoomView, thing: RoomObject) -> Iterator[Pose]:
    """The free places before the four sides of a thing, and the headings from there to its middle."""
    for quarter in range(4):
        out = turn_matrix(quarter * np.pi / 2) @ thing.front
        spot = view.free_spot(thing, out)
        if spot is not None:
            yield spot, float(np.arctan2(-out[1], -out[0]))


def _is_at(placement: Placement, position_m: Floats, heading_rad: float) -> bool:
    away_m = float(np.linalg.norm(position_m - placement.position_m))
    return away_m < SAME_PLACE_M and abs(wrap_rad(heading_rad - placement.heading_rad)) < SAME_WAY_RAD
