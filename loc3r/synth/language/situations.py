"""Situations: a pose that the text determines. Each form fixes, by a convention written here, where and which way.

=============== ============================================================ ==============================
form            place                                                        heading
=============== ============================================================ ==============================
sit_facing      centre of the seat                                           to the centre of what is faced
sit, sit_at     centre of the seat                                           the seat's front
stand_facing    beside x towards y: the first free place 0.4 to 0.9 m out    to the centre of y
in_front_of     before x's front, the first free place 0.4 to 0.9 m out      to x
using           as in_front_of                                               to x
back_to         as in_front_of                                               away from x
between         the middle of the gap between x and z                        to the centre of y
at_door         as in_front_of                                               into the room, out, or to y
sides           as stand_facing                                              y exactly left, right or behind
lying           a quarter of the bed's length behind its centre (the head)   the bed's front (the feet)
middle_facing   the centre of the room                                       to the centre of y
=============== ============================================================ ==============================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from loc3r.geometry.headings import wrap_rad
from loc3r.synth.language.nouns import BEDS, FRONTED_SEATS, SEATS, SURFACES, with_article
from loc3r.synth.language.phrases import REMARKS, USES, USING, WORDINGS
from loc3r.synth.language.referents import loose_names, plain_names, relational_names, rivals
from loc3r.synth.language.text import Text, fill
from loc3r.synth.language.view import OVERHEAD_M, RoomView, blocks_standing, exit_m
from loc3r.synth.room import Floats, RoomObject

REMARK_SHARE = 0.62
LEAST_LOOK_M = 0.8
"""Nearer than this, a thing has no clear bearing."""
AT_TABLE_M = 0.45
NOT_AT_TABLE_M = 0.9


@dataclass(frozen=True, eq=False)
class Placement:
    """A pose and what its text must say."""

    form: str
    wording: str
    position_m: Floats
    heading_rad: float
    roles: Mapping[str, Text]
    look_at_id: int | None = None
    occupied: frozenset[int] = frozenset()
    """What the speaker sits or lies on."""


@dataclass(frozen=True, eq=False)
class Situation:
    """A placement in words."""

    placement: Placement
    text: Text


@dataclass(frozen=True)
class Stage:
    """A room view with its names and the things that can play each part."""

    view: RoomView
    uses: frozenset[str] = frozenset(USES)
    """Classes at which people do things."""
    loose: bool = False
    """Whether things that nothing picks out are named too, by their class."""
    plain: Mapping[int, Text] = field(init=False)
    names: Mapping[int, Text] = field(init=False)
    seats: tuple[RoomObject, ...] = field(init=False)
    places: tuple[RoomObject, ...] = field(init=False)
    """Named things that reach down to where people stand."""
    sights: tuple[RoomObject, ...] = field(init=False)
    """Named things that one can face."""

    def __post_init__(self) -> None:
        plain = plain_names(self.view)
        names = {**relational_names(self.view, plain), **plain}
        names = {**loose_names(self.view), **names} if self.loose else names
        named = [thing for thing in self.view.seen if thing.object_id in names and blocks_standing(thing)]
        values = {
            "plain": plain,
            "names": names,
            "seats": tuple(t for t in named if t.name in SEATS),
            "places": tuple(t for t in named if t.center_m[2] - t.size_m[2] / 2 < 1.2),
            "sights": tuple(t for t in named if is_sight(t)),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)


Draw = Callable[[Stage, np.random.Generator], "Placement | None"]


def sit_facing(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """On a seat or a bed, facing something that is in front of the seat."""
    seat = pick(rng, stage.seats + tuple(t for t in stage.places if t.name == "bed"))
    target = pick(rng, stage.sights)
    if seat is None or target is None or target is seat or target.support_id == seat.object_id:
        return None
    position = _center(seat)
    heading = _heading_to(position, target)
    if heading is None or (seat.name in FRONTED_SEATS and abs(_turn_deg(seat.yaw_rad, heading)) > 60):
        return None
    return Placement(
        "sit_facing", "sit_facing", position, heading, _roles(stage, x=seat, y=target), target.object_id, _under(seat)
    )


def sit(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """On a seat with a back, looking along its front."""
    seat = pick(rng, [t for t in stage.seats if t.name in FRONTED_SEATS])
    if seat is None:
        return None
    return Placement("sit", "sit", _center(seat), seat.yaw_rad, _roles(stage, x=seat), None, _under(seat))


def sit_at(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """On the only chair at a table, looking along the chair's front at the table."""
    seat = pick(rng, [t for t in stage.view.seen if t.name in FRONTED_SEATS - {"couch", "toilet"}])
    table = pick(rng, [t for t in stage.view.seen if t.name in SURFACES and t.object_id in stage.plain])
    if seat is None or table is None or stage.view.gap_m(seat, table) > AT_TABLE_M:
        return None
    toward = _heading_to(_center(seat), table, least_m=0)
    if toward is None or abs(_turn_deg(seat.yaw_rad, toward)) > 20:
        return None
    roles = _roles(stage, y=table)
    if seat.object_id in stage.plain:
        roles["x"] = stage.plain[seat.object_id]
    elif all(stage.view.gap_m(other, table) > NOT_AT_TABLE_M for other in rivals(stage.view, seat)):
        roles["x"] = Text(seat.name, ((0, len(seat.name), seat.object_id),))
    else:
        return None
    return Placement("sit_at", "sit_at", _center(seat), seat.yaw_rad, roles, table.object_id, _under(seat))


def stand_facing(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Beside x, on the side towards y, facing y."""
    spot = _beside(stage, rng)
    if spot is None:
        return None
    position, x, y, heading = spot
    return Placement("stand_facing", "stand_facing", position, heading, _roles(stage, x=x, y=y), y.object_id)


def sides(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Beside x, on the side towards y, with y exactly left, right or behind."""
    spot = _beside(stage, rng)
    if spot is None:
        return None
    position, x, y, toward = spot
    side, turn = [("left", -np.pi / 2), ("right", np.pi / 2), ("behind", np.pi)][int(rng.integers(3))]
    return Placement("sides", f"sides_{side}", position, wrap_rad(toward + turn), _roles(stage, x=x, y=y))


def in_front_of(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Before a wall-side thing, facing it."""
    x = pick(rng, [t for t in stage.places if t.name not in SEATS])
    spot = _before(stage, x)
    if x is None or spot is None:
        return None
    heading = _heading_to(spot, x, least_m=0)
    assert heading is not None
    return Placement("in_front_of", "in_front_of", spot, heading, _roles(stage, x=x), x.object_id)


def using(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Doing something at a wall-side thing."""
    x = pick(rng, [t for t in stage.places if t.name in stage.uses])
    spot = _before(stage, x)
    if x is None or spot is None:
        return None
    heading = _heading_to(spot, x, least_m=0)
    assert heading is not None
    return Placement("using", f"using {x.name}", spot, heading, _roles(stage, x=x), x.object_id)


def back_to(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Before a wall-side thing, facing away from it."""
    x = pick(rng, [t for t in stage.places if t.name not in SEATS])
    spot = _before(stage, x)
    if x is None or spot is None:
        return None
    toward = _heading_to(spot, x, least_m=0)
    assert toward is not None
    return Placement("back_to", "back_to", spot, wrap_rad(toward + np.pi), _roles(stage, x=x))


def at_door(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """Just inside a door: looking into the room, at something, or out."""
    door = pick(rng, [t for t in stage.places if t.name == "door"])
    spot = _before(stage, door)
    if door is None or spot is None:
        return None
    toward = _heading_to(spot, door, least_m=0)
    assert toward is not None
    wording = str(rng.choice(["enter", "leave", "enter_facing"]))
    if wording == "enter":
        return Placement("at_door", wording, spot, wrap_rad(toward + np.pi), _roles(stage, x=door))
    if wording == "leave":
        return Placement("at_door", wording, spot, toward, _roles(stage, x=door), door.object_id)
    target = pick(rng, [t for t in stage.sights if t is not door])
    heading = None if target is None else _heading_to(spot, target)
    if target is None or heading is None or abs(_turn_deg(toward, heading)) < 100:
        return None
    return Placement("at_door", wording, spot, heading, _roles(stage, x=door, y=target), target.object_id)


def between(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """In the middle of the gap between two things, facing one of them or a third."""
    x, z, y = (pick(rng, group) for group in (stage.places, stage.places, stage.sights))
    return None if x is None or y is None or z is None or x is z else between_things(stage, x, z, y)


def between_things(stage: Stage, x: RoomObject, z: RoomObject, y: RoomObject) -> Placement | None:
    """In the middle of the gap between x and z, facing y."""
    line = _center(z) - _center(x)
    length = float(np.linalg.norm(line))
    if length < 1:
        return None
    line /= length
    start, end = exit_m(x, line), length - exit_m(z, line)
    if not 0.7 <= end - start <= 2.5:
        return None
    position = _center(x) + line * (start + end) / 2
    heading = _heading_to(position, y)
    if heading is None or not stage.view.is_free(position):
        return None
    return Placement("between", "between", position, heading, _roles(stage, x=x, y=y, z=z), y.object_id)


def lying(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """On a bed, the head at its head, looking towards its foot."""
    bed = pick(rng, [t for t in stage.places if t.name in BEDS])
    if bed is None:
        return None
    head = _center(bed) - bed.front * bed.size_m[1] / 4
    return Placement("lying", "lying", head, bed.yaw_rad, _roles(stage, x=bed), None, _under(bed))


def middle_facing(stage: Stage, rng: np.random.Generator) -> Placement | None:
    """In the middle of the room, facing something."""
    target = pick(rng, stage.sights)
    position = np.array(stage.view.room.size_m[:2]) / 2
    heading = None if target is None else _heading_to(position, target)
    if target is None or heading is None or not stage.view.is_free(position):
        return None
    return Placement("middle_facing", "middle_facing", position, heading, _roles(stage, y=target), target.object_id)


FORMS: dict[str, tuple[Draw, float]] = {
    "sit_facing": (sit_facing, 0.24),
    "sit": (sit, 0.07),
    "sit_at": (sit_at, 0.1),
    "stand_facing": (stand_facing, 0.17),
    "in_front_of": (in_front_of, 0.1),
    "back_to": (back_to, 0.05),
    "between": (between, 0.06),
    "at_door": (at_door, 0.06),
    "sides": (sides, 0.05),
    "lying": (lying, 0.08),
    "using": (using, 0.12),
    "middle_facing": (middle_facing, 0.03),
}
"""How each form is drawn and its share of the situations of a room where all can be drawn."""


def pick(rng: np.random.Generator, things: tuple[RoomObject, ...] | list[RoomObject]) -> RoomObject | None:
    """One of some things at random; None of none."""
    return things[int(rng.integers(len(things)))] if things else None


def way_rad(position_m: Floats, thing: RoomObject) -> float:
    """Heading from a place (2,) to a thing's centre."""
    offset = _center(thing) - position_m
    return float(np.arctan2(offset[1], offset[0]))


def is_sight(thing: RoomObject) -> bool:
    """Whether one can face it, or have it on one's left: not so of what is overhead or underfoot."""
    return blocks_standing(thing) and thing.center_m[2] + thing.size_m[2] / 2 < OVERHEAD_M + 0.6


def word(stage: Stage, placement: Placement, rng: np.random.Generator) -> Situation:
    """Put a placement into words: a wording of its form, often a remark about one more thing, a full stop."""
    roles: dict[str, Text | str] = dict(placement.roles)
    if placement.form == "using":
        roles["use"] = fill(_choice(rng, USES[placement.wording.removeprefix("using ")]), roles)
        text = fill(_choice(rng, USING), roles)
    else:
        text = fill(_choice(rng, WORDINGS[placement.wording]), roles)
    if rng.random() < REMARK_SHARE:
        text += _remark(stage, placement, text, rng)
    return Situation(placement, text + Text("."))


def _remark(stage: Stage, placement: Placement, said: Text, rng: np.random.Generator) -> Text:
    """What else is left, right or behind: a thing that a plain name picks out; empty where there is none."""
    sights = stage.view.sights(placement.position_m, placement.heading_rad)
    used = {*said.object_ids, *placement.occupied}
    options = [
        (thing_id, direction)
        for thing_id, name in stage.plain.items()
        if thing_id not in used and sights[thing_id].thing in stage.sights and sights[thing_id].distance_m > 0.3
        for direction in [sights[thing_id].direction]
        if direction in REMARKS
    ]
    if not options:
        return Text("")
    thing_id, direction = options[int(rng.integers(len(options)))]
    name = stage.plain[thing_id]
    article = with_article(name.text).removesuffix(name.text)
    return fill(_choice(rng, REMARKS[direction]), {"t": name, "a_t": Text(article) + name})


def _beside(stage: Stage, rng: np.random.Generator) -> tuple[Floats, RoomObject, RoomObject, float] | None:
    """A place beside x towards y, and the heading from there to y."""
    x, y = pick(rng, stage.places), pick(rng, stage.sights)
    if x is None or y is None or x is y or y.object_id == x.support_id:
        return None
    line = _center(y) - _center(x)
    length = float(np.linalg.norm(line))
    if length < LEAST_LOOK_M or length < LEAST_LOOK_M + exit_m(x, line / length):
        return None
    spot = stage.view.free_spot(x, line / length)
    if spot is None or float((_center(y) - spot) @ line) <= 0:
        return None
    heading = _heading_to(spot, y)
    return None if heading is None else (spot, x, y, heading)


def _before(stage: Stage, thing: RoomObject | None) -> Floats | None:
    """The place in front of a wall-side thing."""
    into = None if thing is None else stage.view.faces_room(thing)
    return None if thing is None or into is None else stage.view.free_spot(thing, into)


def _roles(stage: Stage, **things: RoomObject) -> dict[str, Text]:
    return {role: stage.names[thing.object_id] for role, thing in things.items()}


def _choice(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _center(thing: RoomObject) -> Floats:
    return np.array(thing.center_m[:2], float)


def _under(thing: RoomObject) -> frozenset[int]:
    return frozenset((thing.object_id,))


def _heading_to(position_m: Floats, thing: RoomObject, least_m: float = LEAST_LOOK_M) -> float | None:
    """Heading from a place to a thing's centre; None where it is too near or around the place."""
    if np.linalg.norm(_center(thing) - position_m) < least_m or thing.distance_xy_m(position_m) < min(least_m, 0.3):
        return None
    return way_rad(position_m, thing)


def _turn_deg(start_rad: float, end_rad: float) -> float:
    return float(np.degrees(wrap_rad(end_rad - start_rad)))
