"""VSI-Bench-style questions, in that benchmark's own words: letters for choices, numbers for estimates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loc3r.datasets.sample import Sample
from loc3r.synth.language.nouns import plural, written
from loc3r.synth.language.questions import APPEARANCE_FRAMES, NEARER_M, NEARER_RATIO, countable
from loc3r.synth.language.situations import Stage
from loc3r.synth.language.text import Text, fill
from loc3r.synth.room import RoomObject

_TRIES = 30
_ROBOT = (
    "You are a robot beginning at the {a} facing the {b}. You want to navigate to the {c}. You will perform the "
    "following actions (Note: for each [please fill in], choose either 'turn back,' 'turn left,' or 'turn right.'): "
    "1. Go forward until the {b} 2. [please fill in] 3. Go forward until the {c}. You have reached the final "
    "destination."
)
_QUADRANTS = (
    "If I am standing by the {a} and facing the {b}, is the {c} to my front-left, front-right, back-left, or "
    "back-right? The directions refer to the quadrants of a Cartesian plane (if I am standing at the origin and "
    "facing along the positive y-axis)."
)
_THREE_WAYS = (
    "If I am standing by the {a} and facing the {b}, is the {c} to my left, right, or back? An object is to my back "
    "if I would have to turn at least 135 degrees in order to face it."
)

Asked = tuple[Text, tuple[str, ...], str]
"""Question, options without their letters, answer: one of the options, or a number where there are none."""


def room_size_estimation(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Square metres of floor."""
    width_m, depth_m, _ = stage.view.room.size_m
    text = (
        "What is the size of this room (in square meters)? If multiple rooms are shown, estimate the size of the "
        "combined space."
    )
    return Text(text), (), f"{width_m * depth_m:.1f}"


def object_counting(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """How many of a class that is there at least twice, as the benchmark does."""
    options = [(noun, ids) for noun, ids in countable(stage).items() if len(ids) >= 2]
    if not options:
        return None
    noun, ids = options[int(rng.integers(len(options)))]
    return Text(f"How many {plural(written(noun))} are in this room?"), (), str(len(ids))


def object_abs_distance(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Metres between the closest points of two boxes."""
    a, b = _draw(stage, rng, 2) or (None, None)
    if a is None or b is None or (gap_m := box_gap_m(stage, a, b)) < 0.3:
        return None
    text = (
        "Measuring from the closest point of each object, what is the distance between the {a} and the {b} (in meters)?"
    )
    return fill(text, _names(stage, a=a, b=b)), (), f"{gap_m:.1f}"


def object_size_estimation(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Centimetres of the longest side."""
    things = _draw(stage, rng, 1)
    if things is None:
        return None
    text = "What is the length of the longest dimension (length, width, or height) of the {a}, measured in centimeters?"
    return fill(text, _names(stage, a=things[0])), (), str(round(100 * max(things[0].size_m)))


def object_rel_distance(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Which of four is the closest to a fifth, by a clear margin."""
    things = _draw(stage, rng, 5)
    if things is None:
        return None
    target, *options = things
    gaps = [box_gap_m(stage, target, option) for option in options]
    first, second = sorted(gaps)[:2]
    if second < first * NEARER_RATIO or second - first < NEARER_M:
        return None
    names = _names(stage, a=options[0], b=options[1], c=options[2], d=options[3], x=target)
    text = (
        "Measuring from the closest point of each object, which of these objects ({a}, {b}, {c}, {d}) is the closest "
        "to the {x}?"
    )
    best = names["abcd"[int(np.argmin(gaps))]]
    return fill(text, names), tuple(names[role].text for role in "abcd"), best.text


def object_rel_direction_easy(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Left or right of the line from a to b."""
    text = "If I am standing by the {a} and facing the {b}, is the {c} to the left or the right of the {b}?"
    return _turned(stage, rng, text, lambda t: ("left" if t > 0 else "right") if 30 <= abs(t) <= 150 else None, 2)


def object_rel_direction_medium(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Left, right or back."""

    def way(turn_deg: float) -> str | None:
        if abs(turn_deg) >= 150:
            return "back"
        return ("left" if turn_deg > 0 else "right") if 30 <= abs(turn_deg) <= 120 else None

    return _turned(stage, rng, _THREE_WAYS, way, 3)


def object_rel_direction_hard(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """The quadrant, at least 20 degrees from its borders."""

    def way(turn_deg: float) -> str | None:
        if not 20 <= abs(turn_deg) % 90 <= 70:
            return None
        return ("front" if abs(turn_deg) < 90 else "back") + ("-left" if turn_deg > 0 else "-right")

    return _turned(stage, rng, _QUADRANTS, way, 4)


def obj_appearance_order(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """The order in which four things first come into view, each clearly before the next."""
    view = stage.view
    ordered: list[RoomObject] = []
    for thing in sorted(_draw(stage, rng, None) or (), key=lambda t: view.first_clear[t.object_id]):
        if not ordered or (
            view.first_clear[ordered[-1].object_id] + APPEARANCE_FRAMES <= view.first_glimpse[thing.object_id]
        ):
            ordered.append(thing)
    if len(ordered) < 4:
        return None
    chosen = [ordered[i] for i in sorted(rng.permutation(len(ordered))[:4])]
    names = [stage.plain[thing.object_id].text for thing in chosen]
    orders = {", ".join(names)}
    while len(orders) < 4:
        orders.add(", ".join(names[i] for i in rng.permutation(4)))
    roles = dict(zip("abcd", (stage.plain[chosen[i].object_id] for i in rng.permutation(4)), strict=True))
    text = "What will be the first-time appearance order of the following categories in the video: {a}, {b}, {c}, {d}?"
    options = sorted(orders)
    return fill(text, roles), tuple(options[i] for i in rng.permutation(4)), ", ".join(names)


def route_planning(stage: Stage, rng: np.random.Generator) -> Asked | None:
    """Which way to turn at b, coming from a, to go on to c."""
    for _ in range(_TRIES):
        things = _draw(stage, rng, 3)
        if things is None:
            return None
        a, b, c = (np.array(thing.center_m[:2]) for thing in things)
        turn_deg = _turn_deg(b - a, c - b)
        way = "Turn Back" if abs(turn_deg) >= 150 else "Turn Left" if turn_deg > 0 else "Turn Right"
        apart = min(np.linalg.norm(b - a), np.linalg.norm(c - b)) > 1
        if apart and (way == "Turn Back" or 60 <= abs(turn_deg) <= 120):
            roles = _names(stage, a=things[0], b=things[1], c=things[2])
            return fill(_ROBOT, roles), ("Turn Back", "Turn Left", "Turn Right"), way
    return None


VSI_TYPES: dict[str, Callable[[Stage, np.random.Generator], Asked | None]] = {
    "room_size_estimation": room_size_estimation,
    "object_counting": object_counting,
    "object_abs_distance": object_abs_distance,
    "object_size_estimation": object_size_estimation,
    "object_rel_distance": object_rel_distance,
    "object_rel_direction_easy": object_rel_direction_easy,
    "object_rel_direction_medium": object_rel_direction_medium,
    "object_rel_direction_hard": object_rel_direction_hard,
    "obj_appearance_order": obj_appearance_order,
    "route_planning": route_planning,
}


def vsi_samples(stage: Stage, rng: np.random.Generator, first_id: int, count: int = 4) -> list[Sample]:
    """Up to ``count`` samples of different types; options shuffled and lettered, answers letters or numbers."""
    samples: list[Sample] = []
    for kind in rng.permutation(list(VSI_TYPES)):
        asked = VSI_TYPES[kind](stage, rng) if len(samples) < count else None
        if asked is None:
            continue
        text, options, answer = asked
        if options:
            order = [options[i] for i in rng.permutation(len(options))]
            answer = "ABCD"[order.index(answer)]
            options = tuple(f"{letter}. {option}" for letter, option in zip("ABCD", order, strict=False))
        samples.append(
            Sample(
                sample_id=str(first_id + len(samples)),
                dataset="vsibench",
                scene_id=stage.view.room.scene_id,
                question=text.text,
                answers=(answer,),
                question_type=str(kind),
                mentions=text.mentions("question"),
                options=options,
            )
        )
    return samples


def box_gap_m(stage: Stage, a: RoomObject, b: RoomObject) -> float:
    """Distance between the closest points of two upright boxes."""
    up_m = abs(a.center_m[2] - b.center_m[2]) - (a.size_m[2] + b.size_m[2]) / 2
    return float(np.hypot(stage.view.gap_m(a, b), max(up_m, 0)))


def _turned(
    stage: Stage, rng: np.random.Generator, text: str, way: Callable[[float], str | None], options: int
) -> Asked | None:
    """A question about c from a facing b, whose answer ``way`` reads off the turn; None where it is unclear."""
    words = {
        2: ("left", "right"),
        3: ("left", "right", "back"),
        4: ("front-left", "front-right", "back-left", "back-right"),
    }[options]
    for _ in range(_TRIES):
        things = _draw(stage, rng, 3)
        if things is None:
            return None
        a, b, c = (np.array(thing.center_m[:2]) for thing in things)
        apart = min(np.linalg.norm(p - q) for p, q in ((a, b), (a, c), (b, c))) > 1
        answer = way(_turn_deg(b - a, c - a)) if apart else None
        if answer is not None:
            return fill(text, _names(stage, a=things[0], b=things[1], c=things[2])), words, answer
    return None


def _draw(stage: Stage, rng: np.random.Generator, count: int | None) -> list[RoomObject] | None:
    """Different things that their class alone picks out, as the benchmark names them; None for too few."""
    clear = [stage.view.by_id[i] for i, name in stage.plain.items() if name.text == written(stage.view.by_id[i].name)]
    chosen = [clear[i] for i in rng.permutation(len(clear))[:count]]
    return chosen if count is None or len(chosen) == count else None


def _names(stage: Stage, **things: RoomObject) -> dict[str, Text]:
    return {role: stage.plain[thing.object_id] for role, thing in things.items()}


def _turn_deg(
    start: np.ndarray[tuple[int, ...], np.dtype[np.float64]], end: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> float:
    """Angle from one vector (2,) to another, counter-clockwise, in (-180, 180]."""
    return float(np.degrees(np.arctan2(start[0] * end[1] - start[1] * end[0], start @ end)))
