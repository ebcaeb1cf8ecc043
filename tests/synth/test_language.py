"""What is said about rooms: true, unambiguous, of seen things only, and caught by the checker where it is not."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loc3r.datasets.sample import Mention, Sample
from loc3r.geometry.headings import angle_between_deg, wrap_rad
from loc3r.synth.check import FACING_DEG, check_samples
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.language import blind_guess_rates, describe
from loc3r.synth.language.phrases import REMARKS, USES, USING, WORDINGS
from loc3r.synth.language.plain import PLAIN_QUESTIONS
from loc3r.synth.language.questions import QUESTIONS, TYPES
from loc3r.synth.language.situations import FORMS
from loc3r.synth.layout import furnish
from loc3r.synth.room import Camera, Room, RoomObject
from loc3r.synth.witness import Speaker

SEEDS = range(24)
AREA_PX = 200


def turned(angle_rad: float, x_m: float, y_m: float) -> NDArray[np.float64]:
    transform = np.eye(4)
    transform[:2, :2] = [[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]]
    transform[:2, 3] = x_m, y_m
    return transform


def shown(room: Room, seed: int) -> NDArray[np.int64]:
    """Pixels of 32 frames: every thing comes into view at some frame and stays."""
    first = np.random.default_rng(seed).integers(0, 20, len(room.objects))
    return np.where(np.arange(32)[:, None] >= first, AREA_PX, 0)


@cache
def furnished(seed: int) -> tuple[Room, NDArray[np.int64], tuple[Sample, ...]]:
    room = furnish(seed, "train", FurniturePack.load())
    visible_px = shown(room, seed)
    return room, visible_px, tuple(describe(room, visible_px, np.random.default_rng(seed)))


def every() -> list[Sample]:
    return [sample for seed in SEEDS for sample in furnished(seed)[2]]


def situated() -> list[Sample]:
    return [sample for sample in every() if sample.dataset == "sqa3d"]


def complaints(sample: Sample) -> list[str]:
    room, visible_px, _ = furnished(int(sample.scene_id.split("_")[1]))
    return check_samples(room, visible_px, [sample])


samples = st.integers(0, 10_000).map(lambda i: every()[i % len(every())])
situated_samples = st.integers(0, 10_000).map(lambda i: situated()[i % len(situated())])


def test_the_checker_agrees_with_every_sample() -> None:
    for seed in SEEDS:
        room, visible_px, said = furnished(seed)
        assert check_samples(room, visible_px, said) == []


def test_rooms_give_the_samples_asked_for() -> None:
    counts = Counter((s.scene_id, s.dataset) for s in every())
    assert {n for (_, dataset), n in counts.items() if dataset == "sqa3d"} == {24}
    assert {n for (_, dataset), n in counts.items() if dataset != "sqa3d"} == {4}
    assert len({s.sample_id for s in every()}) == len(every())


def test_forms_and_types_are_many_and_each_has_paraphrases() -> None:
    bedroom = room_of(thing(2, "bed", 1, 4, 0, size_m=(1.4, 2, 0.5)), thing(3, "desk", 5, 1), thing(4, "plant", 1, 1))
    spoken = {s.situation_form for s in situated() + said_of(bedroom) if s.situation_form}
    assert set(FORMS) == spoken and len(FORMS) >= 8
    assert set(TYPES) == {s.question_type for s in situated()} and len(TYPES) >= 8
    assert all(len(wordings) >= 3 for wordings in (*WORDINGS.values(), *QUESTIONS.values(), *PLAIN_QUESTIONS.values()))
    assert len({(s.scene_id, s.situation) for s in situated()}) == len(situated())


def test_texts_follow_sqa3d_in_length_and_openings() -> None:
    words = [len((s.situation or "").split()) for s in situated()]
    assert 15 <= np.mean(words) <= 19
    openings = Counter((s.situation or "").removeprefix("I am ").split()[0].lower() for s in situated())
    assert min(openings["sitting"], openings["facing"], openings["standing"]) >= 0.08 * len(situated())


def test_every_answer_is_short_and_no_type_can_be_guessed() -> None:
    assert max(len(s.answers[0].split()) for s in situated()) <= 3
    rates = blind_guess_rates(situated())
    assert all(rates[kind] <= 0.65 for kind in ("left_right", "relative_direction", "existence"))
    assert all(
        rate <= 0.6 for kind, rate in rates.items() if kind not in ("left_right", "relative_direction", "existence")
    )


def test_blind_guess_rate_is_the_share_of_the_most_frequent_answer() -> None:
    base = situated()[0]
    rows = [base.model_copy(update={"question_type": "t", "answers": (a,)}) for a in ("left", "left", "right")]
    assert blind_guess_rates(rows) == {"t": pytest.approx(2 / 3)}


def test_mentions_spell_names_and_templates_name_only_their_roles() -> None:
    for sample in every():
        room = furnished(int(sample.scene_id.split("_")[1]))[0]
        for mention in sample.mentions:
            text = sample.situation if mention.field == "situation" else sample.question
            words = (text or "")[mention.start : mention.end].lower()
            assert words.endswith(room.by_id(mention.object_id).name)
    texts = [t for group in (WORDINGS, USES, REMARKS) for ts in group.values() for t in ts] + list(USING)
    assert all(re.search(r"\{(x|y|z|t|a_t|use)\}", text) for text in texts)


def test_the_same_seed_says_the_same() -> None:
    room, visible_px, said = furnished(3)
    assert tuple(describe(room, visible_px, np.random.default_rng(3))) == said
    assert tuple(describe(room, visible_px, np.random.default_rng(4))) != said


def test_only_what_was_seen_is_spoken_of() -> None:
    room, visible_px, said = furnished(5)
    hidden = next(m.object_id for s in said for m in s.mentions)
    column = next(i for i, thing in enumerate(room.objects) if thing.object_id == hidden)
    dark = visible_px.copy()
    dark[:, column] = 0
    assert all(m.object_id != hidden for s in describe(room, dark, np.random.default_rng(5)) for m in s.mentions)
    assert any("was not seen" in complaint for complaint in check_samples(room, dark, said))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 23), st.floats(-3, 3), st.floats(-5, 5), st.floats(-5, 5))
def test_poses_turn_with_the_raw_frame_and_texts_stay(seed: int, angle_rad: float, x_m: float, y_m: float) -> None:
    room, visible_px, _ = furnished(seed)
    plain = replace(room, raw_from_room=np.eye(4))
    moved = replace(room, raw_from_room=turned(angle_rad, x_m, y_m))
    pairs = zip(
        describe(plain, visible_px, np.random.default_rng(seed), situations=3),
        describe(moved, visible_px, np.random.default_rng(seed), situations=3),
        strict=True,
    )
    for before, after in pairs:
        assert (before.situation, before.question, before.answers) == (after.situation, after.question, after.answers)
        if before.position_m is not None and before.heading_rad is not None and after.heading_rad is not None:
            expected = turned(angle_rad, x_m, y_m) @ np.array([*before.position_m, 0, 1])
            np.testing.assert_allclose(after.position_m, expected[:2], atol=1e-9)
            assert angle_between_deg(after.heading_rad, before.heading_rad + angle_rad) < 1e-6


@settings(max_examples=60, deadline=None)
@given(situated_samples, st.floats(5, 355))
def test_another_heading_breaks_the_situation(sample: Sample, turn_deg: float) -> None:
    """Every form fixes the heading: no turn of 5 degrees or more goes unnoticed, but one to another thing's side."""
    assert sample.heading_rad is not None
    heading = wrap_rad(sample.heading_rad + np.radians(turn_deg))
    there = sample.model_copy(update={"heading_rad": heading, "look_at_object_id": None})
    # The checker asks that something is exactly at the side that is said of it; of two things it takes either.
    assume(sample.situation_form != "sides" or not has_a_thing_exactly_at_a_side(there))
    assert complaints(there)


def has_a_thing_exactly_at_a_side(sample: Sample) -> bool:
    room = furnished(int(sample.scene_id.split("_")[1]))[0]
    speaker = Speaker.of(room, sample)
    ways_deg = [speaker.way_to(room.by_id(m.object_id)) for m in sample.mentions if m.field == "situation"]
    return any(abs(way_deg % 90 - 45) >= 45 - FACING_DEG for way_deg in ways_deg)


@settings(max_examples=60, deadline=None)
@given(situated_samples, st.floats(0, 6.2), st.floats(1.5, 4))
def test_another_place_breaks_the_situation(sample: Sample, angle_rad: float, away_m: float) -> None:
    assert sample.position_m is not None
    x_m, y_m = sample.position_m
    there = (x_m + away_m * np.cos(angle_rad), y_m + away_m * np.sin(angle_rad))
    assert complaints(sample.model_copy(update={"position_m": there}))


def test_turning_around_swaps_left_and_right() -> None:
    for sample in situated():
        if sample.question_type == "left_right":
            assert sample.heading_rad is not None
            around = sample.model_copy(update={"heading_rad": wrap_rad(sample.heading_rad + np.pi)})
            other = {"left": "right", "right": "left"}[sample.answers[0]]
            assert any(f"the room says {other!r}" in complaint for complaint in complaints(around))


@settings(max_examples=60, deadline=None)
@given(samples, samples)
def test_another_answer_is_caught(sample: Sample, other: Sample) -> None:
    if sample.question_type == "object_abs_distance":
        wrong = f"{float(sample.answers[0]) + 0.5:.1f}"
    else:
        wrong = other.answers[0] if other.answers != sample.answers else "nothing"
    assert any("answer" in c for c in complaints(sample.model_copy(update={"answers": (wrong,)})))


@settings(max_examples=40, deadline=None)
@given(samples, st.integers(0, 100))
def test_another_object_behind_a_mention_is_caught(sample: Sample, pick: int) -> None:
    if not sample.mentions:
        return
    room = furnished(int(sample.scene_id.split("_")[1]))[0]
    first, *rest = sample.mentions
    others = [thing.object_id for thing in room.furniture if thing.object_id != first.object_id]
    wrong = first.model_copy(update={"object_id": others[pick % len(others)]})
    assert complaints(sample.model_copy(update={"mentions": (wrong, *rest)}))


def test_shifted_mentions_unseen_forms_and_other_scenes_are_caught() -> None:
    sample = next(s for s in situated() if s.situation_form == "stand_facing" and s.mentions)
    first, *rest = sample.mentions
    shifted = Mention(field=first.field, start=first.start - 1, end=first.end - 1, object_id=first.object_id)
    assert complaints(sample.model_copy(update={"mentions": (shifted, *rest)}))
    assert complaints(sample.model_copy(update={"situation_form": "lying"}))
    room, visible_px, _ = furnished(23)
    assert check_samples(room, visible_px, [sample])


# A room made by hand, with the answers known.


def thing(object_id: int, name: str, x_m: float, y_m: float, yaw_deg: float = 90, **more: object) -> RoomObject:
    kind = more.pop("kind", "furniture")
    size = more.pop("size_m", (0.6, 0.5, 0.8))
    center = (x_m, y_m, float(size[2]) / 2)  # type: ignore[index]
    return RoomObject(object_id, name, kind, center, size, np.radians(yaw_deg), **more)  # type: ignore[arg-type]


def room_of(*things: RoomObject) -> Room:
    floor = RoomObject(1, "floor", "structure", (3, 2.5, -0.05), (6, 5, 0.1), 0.0)
    camera = Camera(320, 240, 300, 300, 160, 120)
    return Room("room_000007_00", "test", 7, (6.0, 5.0, 2.7), (floor, *things), np.zeros((0, 4, 4)), camera, np.eye(4))


def said_of(room: Room, visible_px: NDArray[np.int64] | None = None) -> list[Sample]:
    counts = np.full((8, len(room.objects)), 500) if visible_px is None else visible_px
    said = [s for seed in range(6) for s in describe(room, counts, np.random.default_rng(seed))]
    assert check_samples(room, counts, said) == []
    return said


def names_of(said: list[Sample], object_id: int) -> set[str]:
    texts = [(s.situation if m.field == "situation" else s.question, m) for s in said for m in s.mentions]
    return {(text or "")[m.start : m.end] for text, m in texts if m.object_id == object_id}


def test_twins_are_told_apart_by_colour_or_by_a_landmark_or_not_named() -> None:
    desk, door = thing(2, "desk", 1, 4.7, 270, size_m=(1.4, 0.6, 0.75)), thing(3, "door", 5.9, 2.5, 180, kind="opening")
    red, blue = thing(4, "chair", 1.5, 1.5, colour="red"), thing(5, "chair", 4.5, 1.5, colour="blue")
    said = said_of(room_of(desk, door, red, blue))
    assert names_of(said, 4) == {"red chair"} and names_of(said, 5) == {"blue chair"}
    grey, black = replace(red, colour="grey"), replace(blue, colour="black")
    assert not names_of(said_of(room_of(desk, door, grey, black)), 5) & {"chair", "black chair"} - {"chair"}
    near = thing(4, "chair", 1, 3.9)
    said = said_of(room_of(desk, door, near, thing(5, "chair", 3, 1.0)))
    assert any("chair next to the desk" in (s.situation or "") for s in said)


def test_an_unseen_twin_still_makes_a_name_ambiguous() -> None:
    room = room_of(
        thing(2, "desk", 1, 4.7, 270), thing(3, "couch", 5, 1), thing(4, "chair", 2, 2), thing(5, "chair", 3, 2)
    )
    counts = np.full((8, len(room.objects)), 500)
    counts[:, -1] = 0
    said = said_of(room, counts)
    assert "How many chairs" not in " ".join(s.question for s in said)
    assert not any(
        re.search(r"\bthe chair (?!next|closest|at|in front)", (s.situation or "") + s.question) for s in said
    )


def test_an_office_chair_is_a_chair_too() -> None:
    room = room_of(
        thing(2, "desk", 1, 4.7, 270), thing(3, "office chair", 5, 1), thing(4, "chair", 2, 1), thing(5, "bed", 5, 4)
    )
    assert "How many chairs" not in " ".join(s.question for s in said_of(room))


def test_conventions_hold_in_a_room_made_by_hand() -> None:
    """The sink's front looks along +y from y = 0.3: who washes hands stands before it and looks along -y."""
    room = room_of(thing(2, "sink", 2, 0.3, 90), thing(3, "couch", 5, 1.2, 180), thing(4, "plant", 4.8, 4.5))
    said = said_of(room)
    washing = [s for s in said if s.situation_form == "using"]
    assert washing
    for sample in washing:
        assert sample.position_m == pytest.approx((2, 0.95)) and sample.heading_rad == pytest.approx(-np.pi / 2)
        assert sample.look_at_object_id == 2
    for sample in said:
        if sample.situation_form == "sit":
            assert sample.position_m == pytest.approx((5, 1.2))
            assert abs(sample.heading_rad or 0) == pytest.approx(np.pi)
    sides = {s.answers[0] for s in washing if s.question_type == "left_right" and "plant" in s.question}
    assert sides <= {"left"}


def test_a_bare_room_gives_no_samples_about_things() -> None:
    room = room_of(thing(2, "rug", 3, 2.5, size_m=(2, 1, 0.02)))
    counts = np.full((2, 2), 500)
    assert all(s.dataset != "sqa3d" for s in describe(room, counts, np.random.default_rng(0)))


def test_too_many_situations_are_refused() -> None:
    room, visible_px, _ = furnished(0)
    with pytest.raises(ValueError, match="901"):
        describe(room, visible_px, np.random.default_rng(0), situations=901)
