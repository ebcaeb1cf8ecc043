"""Names that pick out one thing: by class, by colour, or by what it stands next to."""

from __future__ import annotations

from loc3r.synth.language.nouns import LANDMARKS, clearly_other, has_plural, may_be_called, written
from loc3r.synth.language.text import Text, naming
from loc3r.synth.language.view import RoomView
from loc3r.synth.room import RoomObject

NEXT_TO_M = 0.5
NOT_NEXT_TO_M = 1.2
CLOSEST_TO_M = 2.0
CLOSEST_MARGIN_M = 0.45
MOST_RIVALS = 7


def rivals(view: RoomView, thing: RoomObject) -> list[RoomObject]:
    """Other things of the room, seen or not, that the thing's class name could mean."""
    return [o for o in view.things if o is not thing and may_be_called(o.name, thing.name)]


def plain_names(view: RoomView) -> dict[int, Text]:
    """Seen things that their class, or colour and class, picks out: "desk", "red chair"."""
    names = {}
    for thing in view.seen:
        others = rivals(view, thing)
        if not others:
            names[thing.object_id] = naming(written(thing.name), thing.object_id)
        elif all(clearly_other(thing.colour, other.colour) for other in others):
            names[thing.object_id] = naming(f"{thing.colour} {written(thing.name)}", thing.object_id)
    return names


def relational_names(view: RoomView, plain: dict[int, Text]) -> dict[int, Text]:
    """Seen things that only a landmark picks out: "chair next to the window", "chair closest to the door"."""
    anchors = [t for t in view.seen if t.object_id in plain and t.name in LANDMARKS]
    names = {}
    for thing in view.seen:
        if thing.object_id in plain:
            continue
        others = rivals(view, thing)
        near = sorted((view.gap_m(thing, a), a.object_id) for a in anchors if a.object_id != thing.support_id)
        for gap_m, anchor_id in near:
            relation = _relation(gap_m, min(view.gap_m(other, view.by_id[anchor_id]) for other in others))
            if relation:
                name = naming(written(thing.name), thing.object_id)
                names[thing.object_id] = name + Text(f" {relation} the ") + plain[anchor_id]
                break
    return names


def loose_names(view: RoomView) -> dict[int, Text]:
    """Seen things by their class alone: where there are a few of it, the rest of a text can tell which one is meant."""
    few = [thing for thing in view.seen if len(rivals(view, thing)) <= MOST_RIVALS and has_plural(thing.name)]
    return {thing.object_id: naming(written(thing.name), thing.object_id) for thing in few}


def _relation(gap_m: float, rival_gap_m: float) -> str | None:
    """How a landmark tells a thing from its nearest rival, by their gaps to it; None where it doesn't."""
    if gap_m <= NEXT_TO_M and rival_gap_m > NOT_NEXT_TO_M:
        return "next to"
    return "closest to" if gap_m <= CLOSEST_TO_M and rival_gap_m >= gap_m + CLOSEST_MARGIN_M else None
