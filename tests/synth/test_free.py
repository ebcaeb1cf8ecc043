"""Situations whose things only the whole text tells apart: true, clear, and as various as people's."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from loc3r.datasets.sample import Mention, Sample
from loc3r.geometry.headings import wrap_rad
from loc3r.synth.check import check_samples
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.language.describe import describe
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room

SEEDS = range(12)


@cache
def told(seed: int) -> tuple[Room, NDArray[np.int64], tuple[Sample, ...]]:
    room = furnish(seed, "train", FurniturePack.load())
    visible_px = np.full((32, len(room.objects)), 200)
    said = describe(room, visible_px, np.random.default_rng(seed), language="free")
    return room, visible_px, tuple(sample for sample in said if sample.situation)


def situated() -> list[Sample]:
    return [sample for seed in SEEDS for sample in told(seed)[2]]


def complaints(sample: Sample) -> list[str]:
    room, visible_px, _ = told(int(sample.scene_id.split("_")[1]))
    return check_samples(room, visible_px, [sample])


def left_open(sample: Sample) -> list[Mention]:
    """Mentions of things that share their class with others, and that nothing in the name tells apart."""
    room, text = told(int(sample.scene_id.split("_")[1]))[0], sample.situation or ""
    classes = Counter(thing.name for thing in room.objects)
    return [
        m for m in sample.mentions
        if m.field == "situation"
        and text[m.start : m.end].lower() == room.by_id(m.object_id).name
        and classes[room.by_id(m.object_id).name] > 1
        and not re.match(" (next|by|near|beside|close|right next|that is closest|at)", text[m.end :])
    ]  # fmt: skip


def elsewhere(sample: Sample, mention: Mention) -> Iterator[Sample]:
    """The sample at the like place beside each other thing of the mention's class."""
    room = told(int(sample.scene_id.split("_")[1]))[0]
    thing = room.by_id(mention.object_id)
    assert sample.position_m is not None and sample.heading_rad is not None
    back = np.linalg.inv(room.raw_from_room)
    place_m = (back @ np.array([*sample.position_m, 0, 1]))[:2] - np.array(thing.center_m[:2])
    for other in room.objects:
        if other.name == thing.name and other is not thing:
            turn = other.yaw_rad - thing.yaw_rad
            matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            moved = np.array(other.center_m[:2]) + matrix @ place_m
            raw = room.raw_from_room @ np.array([*moved, 0, 1])
            meant = mention.model_copy(update={"object_id": other.object_id})
            yield sample.model_copy(
                update={
                    "position_m": (raw[0], raw[1]),
                    "heading_rad": wrap_rad(sample.heading_rad + turn),
                    "look_at_object_id": None if sample.look_at_object_id is None else other.object_id,
                    "mentions": tuple(meant if m is mention else m for m in sample.mentions),
                }
            )


def test_the_checker_agrees_with_every_text() -> None:
    assert [complaint for sample in situated() for complaint in complaints(sample)] == []
    assert len({sample.situation for sample in situated()}) > 0.98 * len(situated())


def test_things_with_rivals_groups_and_other_ones_are_spoken_of() -> None:
    texts = [sample.situation or "" for sample in situated()]
    assert sum(bool(left_open(sample)) for sample in situated()) > 0.15 * len(texts)
    assert sum(bool(re.search(r"\b(two|three|four|several) \w+", text)) for text in texts) > 0.03 * len(texts)
    assert any(" another " in text for text in texts) and any("between two " in text for text in texts)
    assert {"facing", "sit_facing", "using", "between"} <= {sample.situation_form for sample in situated()}


def test_beside_none_of_its_rivals_the_same_could_be_said() -> None:
    asked = 0
    for sample in situated():
        if sample.situation_form not in ("facing", "in_front_of", "using", "back_to", "sit"):
            continue
        for mention in left_open(sample)[:1]:
            if mention is not sample.mentions[0]:
                continue  # a remark
            others = list(elsewhere(sample, mention))
            asked += len(others)
            assert all(complaints(other) for other in others), sample.situation
    assert asked > 12


@pytest.mark.parametrize(("number", "more"), [("two", "four"), ("three", "several")])
def test_too_many_in_a_group_are_caught(number: str, more: str) -> None:
    pattern = re.compile(rf"\b{number} (?=[a-z ]+ (on my left|on my right|behind me)\.)")
    said = [sample for sample in situated() if pattern.search(sample.situation or "")]
    assert said
    for sample in said:
        text = sample.situation or ""
        start = pattern.search(text).start()  # type: ignore[union-attr]
        shift = len(more) - len(number)
        mentions = tuple(
            m.model_copy(update={"start": m.start + shift, "end": m.end + shift})
            if m.field == "situation" and m.start > start
            else m
            for m in sample.mentions
        )
        changed = sample.model_copy(update={"situation": pattern.sub(f"{more} ", text), "mentions": mentions})
        assert any("as the text says" in complaint for complaint in complaints(changed))
