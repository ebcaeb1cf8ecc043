"""What is true of a scene must be true of it in the mirror, word for word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.datasets.sample import Mention, Sample
from loc3r.files import read_json
from loc3r.priors.pose_token import mirrored_tokens, pose_tokens
from loc3r.scenes.mirror import mirrored_sample, mirrored_scene, mirrored_text, moved_to
from loc3r.scenes.shards import MapObject, PreparedSample, PreparedScene
from loc3r.synth.check import check_samples
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.language.describe import describe
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room, RoomObject

FLIP = np.diag([-1.0, 1, 1, 1])


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("The sofa is on my left.", "The sofa is on my right."),
        ("To my right is a door, Left of it a lamp", "To my left is a door, Right of it a lamp"),
        ("turn left or right, then turn clockwise", "turn right or left, then turn counterclockwise"),
        (
            "the leftmost chair, front-left, on my right-hand side",
            "the rightmost chair, front-right, on my left-hand side",
        ),
        ("The bed is right behind me and to my right.", "The bed is right behind me and to my left."),
        ("in front of me to my right in the corner", "in front of me to my left in the corner"),
        ("I left my bag on the left of the desk", "I left my bag on the right of the desk"),
        ("a window is left of me", "a window is right of me"),
        ("at my 2 o'clock, in my Ten o'clock direction", "at my 10 o'clock, in my Two o'clock direction"),
        (
            "a clock at 12 o'clock, an upright piano at 6 o'clock",
            "a clock at 12 o'clock, an upright piano at 6 o'clock",
        ),
        ("What is left-right of LEFT?", "What is right-left of RIGHT?"),
        ("with the tub right to the left of me", "with the tub right to the right of me"),
        ("the chair to the right to the left", "the chair to the left to the right"),
        ("two chairs on my left, right next to me", "two chairs on my right, right next to me"),
        ("on the right right infront of me", "on the left right infront of me"),
        ("the door to my right and left the room", "the door to my left and left the room"),
        ("between 9 and 10 o'clock", "between 3 and 2 o'clock"),
    ],
)
def test_sides_and_hours_change_places(text: str, mirrored: str) -> None:
    assert mirrored_text(text)[0] == mirrored
    assert mirrored_text(mirrored)[0] == text


def test_turns_are_written_in_many_ways() -> None:
    assert mirrored_text("counter-clockwise, Anti clockwise, clockwise")[0] == "clockwise, Clockwise, counterclockwise"


def test_a_persons_text_mirrored_twice_is_what_it_was(shared_data: Path) -> None:
    texts = set(_strings(read_json(shared_data / "sqa3d" / "v1_balanced_questions_val_scannetv2.json")))
    sided = [text for text in texts if mirrored_text(text)[1]]
    back = [mirrored_text(mirrored_text(text)[0])[0] for text in sided]
    kept = sum(a.lower() == b.lower() for a, b in zip(sided, back, strict=True))
    assert len(sided) > 1000 and kept / len(sided) > 0.997


SAID = ["left", "right", "clockwise", "a door", "3 o'clock", "my", "in front"]


@given(st.lists(st.sampled_from(SAID), max_size=9), st.data())
def test_a_mention_covers_the_same_words(words: list[str], data: st.DataObject) -> None:
    before, after = " ".join([*words, ""]), " ".join(["", *data.draw(st.permutations(words))])
    text, grown = mirrored_text(f"{before}sofa bed{after}")
    start, end = moved_to(len(before), grown), moved_to(len(before) + len("sofa bed"), grown)
    assert text[start:end] == "sofa bed"


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 6), min_size=1, max_size=4))
def test_tokens_are_those_of_the_mirrored_walk(walk: list[tuple[float, ...]]) -> None:
    places, angles = np.array(walk)[:, :3], np.array(walk)[:, 3:]
    doubts = np.abs(places[:, :2])
    expected = pose_tokens(places * [-1, 1, 1], angles * [-1, 1, -1], doubts)
    assert mirrored_tokens(pose_tokens(places, angles, doubts)) == pytest.approx(expected, abs=1e-6)


def test_a_scene_keeps_each_token_with_its_place() -> None:
    rng = np.random.default_rng(0)
    thing = MapObject(1, "bed", "furniture", np.array([1.0, 2]), rng.normal(size=(4, 2)), 0.5)
    scene = PreparedScene(
        "a room",
        frames=rng.integers(0, 255, (2, 8, 8, 3), np.uint8),
        patch_xy_m=rng.normal(size=(2, 4, 4, 2)).astype(np.float32),
        patch_valid=rng.random((2, 4, 4)) < 0.5,
        patch_class=rng.integers(0, 9, (2, 4, 4)).astype(np.int16),
        camera_tokens=pose_tokens(rng.normal(size=(2, 3)), rng.normal(size=(2, 3))),
        objects=(thing,),
        room_outline_m=rng.normal(size=(5, 2)),
    )
    seen = mirrored_scene(scene)
    assert (seen.frames[:, 3, 1] == scene.frames[:, 3, 6]).all()
    assert (seen.patch_xy_m[1, 2, 0] == scene.patch_xy_m[1, 2, 3] * [-1, 1]).all()
    assert (seen.patch_valid[:, :, 1] == scene.patch_valid[:, :, 2]).all()
    assert (seen.patch_class[:, :, 0] == scene.patch_class[:, :, 3]).all()
    assert (seen.objects[0].footprint_m == thing.footprint_m * [-1, 1]).all()
    assert (seen.objects[0].xy_m == [-1, 2]).all() and seen.room_outline_m[4, 0] == -scene.room_outline_m[4, 0]
    assert seen.objects[0].front == pytest.approx(thing.front * [-1, 1])
    twice = mirrored_scene(seen)
    for name in ("frames", "patch_xy_m", "patch_valid", "patch_class", "camera_tokens", "room_outline_m"):
        assert (getattr(twice, name) == getattr(scene, name)).all(), name


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("language", ["wide", "free"])
def test_the_independent_checker_finds_nothing_wrong_in_the_mirror(seed: int, language: str) -> None:
    room = furnish(seed, "train", FurniturePack.load())
    visible_px = np.full((32, len(room.objects)), 200)
    said = describe(room, visible_px, np.random.default_rng(seed), language=language)
    there = _mirrored_room(room)
    assert check_samples(there, visible_px, [_mirrored(sample, room) for sample in said]) == []
    # It does see a side that was left as it was.
    sided = [sample for sample in said if mirrored_text(sample.situation or "")[1]]
    half = [_mirrored(s, room).model_copy(update={"situation": s.situation, "mentions": s.mentions}) for s in sided]
    assert len(check_samples(there, visible_px, half)) > 0.5 * len(sided) > 3


def _mirrored(sample: Sample, room: Room) -> Sample:
    """The sample as training sees it in the mirror, of the raw scan frame's x."""
    position = sample.position_m
    prepared = PreparedSample(
        sample.sample_id, sample.dataset, sample.scene_id, sample.situation, sample.question, sample.answers,
        sample.question_type, sample.situation_form, position, sample.heading_rad,
        tuple((m.field, m.start, m.end, *room.by_id(m.object_id).center_m[:2]) for m in sample.mentions),
        look_at_m=position,
    )  # fmt: skip
    seen = mirrored_sample(prepared)
    assert seen.look_at_m == seen.position_m
    mentions = [
        Mention(field=old.field, start=new[1], end=new[2], object_id=old.object_id)
        for old, new in zip(sample.mentions, seen.mentions, strict=True)
    ]
    names = ("situation", "question", "answers", "position_m", "heading_rad")
    changed = {name: getattr(seen, name) for name in names}
    options = tuple(mirrored_text(option)[0] for option in sample.options)
    return sample.model_copy(update=changed | {"mentions": tuple(mentions), "options": options})


def _mirrored_room(room: Room) -> Room:
    """The room whose own x runs the other way, in a raw frame whose x does so too."""
    turned = FLIP.copy()
    turned[0, 3] = room.size_m[0]
    return replace(
        room,
        objects=tuple(_mirrored_object(thing, room.size_m[0]) for thing in room.objects),
        poses=turned @ room.poses @ FLIP,
        raw_from_room=FLIP @ room.raw_from_room @ np.linalg.inv(turned),
    )


def _mirrored_object(thing: RoomObject, width_m: float) -> RoomObject:
    x_m, *others = thing.center_m
    return replace(thing, center_m=(width_m - x_m, *others), yaw_rad=np.pi - thing.yaw_rad)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)
