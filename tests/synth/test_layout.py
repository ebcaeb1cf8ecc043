"""Rooms look furnished by a person: checked on a hundred of them, by other code than furnished them."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from loc3r.errors import DataError
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room, RoomObject

SEEDS = range(50)
SLACK_M = 0.01
TABLES = ("table", "desk")
BACKED = (
    "bed", "couch", "wardrobe", "dresser", "bookshelf", "cabinet", "nightstand", "desk", "tv stand", "sink",
    "toilet", "stove", "refrigerator", "kitchen cabinet", "shelf", "fireplace", "bathtub", "shower",
)  # fmt: skip


@cache
def rooms() -> tuple[Room, ...]:
    pack = FurniturePack.load()
    return tuple(furnish(seed, split, pack) for split in ("train", "test") for seed in SEEDS)


def spread(box: RoomObject) -> NDArray[np.float64]:
    """Points (225, 2) over a footprint less a centimetre."""
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 15)] * 2), -1).reshape(-1, 2)
    half = np.maximum(np.array([box.size_m[1], box.size_m[0]]) / 2 - SLACK_M, 0)
    return np.array(box.center_m[:2]) + (steps * half) @ np.stack([box.front, [-box.front[1], box.front[0]]])


def span(box: RoomObject) -> tuple[float, float]:
    return box.center_m[2] - box.size_m[2] / 2, box.center_m[2] + box.size_m[2] / 2


def is_rug(box: RoomObject) -> bool:
    return box.name == "rug"


def share_space(a: RoomObject, b: RoomObject) -> bool:
    if min(span(a)[1], span(b)[1]) - max(span(a)[0], span(b)[0]) <= SLACK_M:
        return False
    return bool((b.distance_xy_m(spread(a)) == 0).any() or (a.distance_xy_m(spread(b)) == 0).any())


def test_nothing_runs_into_anything() -> None:
    for room in rooms():
        things = [thing for thing in room.objects if thing.kind != "structure" and not is_rug(thing)]
        for i, a in enumerate(things):
            for b in things[i + 1 :]:
                if a.object_id != b.support_id and b.object_id != a.support_id:
                    assert not share_space(a, b), (room.scene_id, a, b)


def test_everything_stays_inside_the_room() -> None:
    for room in rooms():
        assert min(room.size_m[:2]) >= 2.0 and max(room.size_m[:2]) <= 7.0
        for thing in room.furniture:
            corners = thing.footprint_m
            assert corners.min() >= -SLACK_M, (room.scene_id, thing)
            assert (corners.max(0) <= np.array(room.size_m[:2]) + SLACK_M).all(), (room.scene_id, thing)
            assert span(thing)[0] >= -SLACK_M and span(thing)[1] <= room.size_m[2] + SLACK_M


def free_floor(room: Room) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Points of a 5 cm grid (rows, columns, 2) and the number of the walkable part each belongs to; 0 = taken."""
    x, y = (np.arange(0.025, side, 0.05) for side in room.size_m[:2])
    points = np.stack(np.meshgrid(x, y), -1)
    free = (points.min(-1) >= 0.2) & ((np.array(room.size_m[:2]) - points).min(-1) >= 0.2)
    for thing in room.furniture:
        if not is_rug(thing) and span(thing)[0] < 1.7:
            free &= thing.distance_xy_m(points) >= 0.2
    return points, ndimage.label(free)[0]


def test_a_person_walks_from_each_door_to_all_furniture() -> None:
    for room in rooms():
        points, parts = free_floor(room)
        doors = [thing for thing in room.objects if thing.name == "door"]
        assert 1 <= len(doors) <= 2
        at_doors = set()
        for door in doors:
            place = np.array(door.center_m[:2]) + 0.45 * door.front
            nearest = np.linalg.norm(points - place, axis=-1).argmin()
            at_doors.add(int(parts.reshape(-1)[nearest]))
        assert len(at_doors) == 1 and 0 not in at_doors, (room.scene_id, "doors", at_doors)
        walkable = parts == at_doors.pop()
        for thing in room.furniture:
            small = thing.size_m[0] * thing.size_m[1] < 0.25 or "chair" in thing.name or thing.name == "stool"
            if thing.support_id is None and not is_rug(thing) and span(thing)[0] < 0.5 and not small:
                assert (walkable & (thing.distance_xy_m(points) <= 0.8)).any(), (room.scene_id, thing)


def test_doors_and_windows_are_in_the_walls_and_not_blocked() -> None:
    for room in rooms():
        openings = [thing for thing in room.objects if thing.kind == "opening"]
        assert 1 <= sum(thing.name == "window" for thing in openings) <= 2
        for opening in openings:
            x, y = np.array(opening.center_m[:2]) - opening.front * opening.size_m[1] / 2
            assert min(abs(x), abs(y), abs(room.size_m[0] - x), abs(room.size_m[1] - y)) < SLACK_M
            reach = 0.8 if opening.name == "door" else 0.25
            front = np.array(opening.center_m[:2]) + opening.front * np.array([[0.1], [reach]])
            for thing in room.furniture:
                over = min(span(thing)[1], span(opening)[1]) - max(span(thing)[0], span(opening)[0])
                if thing.support_id is None and not is_rug(thing) and over > 0.05:
                    assert (thing.distance_xy_m(front) > 0).all(), (room.scene_id, opening.name, thing)


def test_things_rest_on_the_tops_of_what_holds_them() -> None:
    pack = FurniturePack.load()
    resting = 0
    for room in rooms():
        for thing in room.furniture:
            if thing.support_id is None:
                continue
            support = room.by_id(thing.support_id)
            top = pack.by_id(str(support.model_id)).top_m
            assert top is not None
            assert span(thing)[0] == pytest.approx(span(support)[0] + top, abs=0.002)
            assert (support.distance_xy_m(thing.footprint_m) < SLACK_M).all(), (room.scene_id, thing)
            resting += 1
    assert resting >= len(rooms())


def test_chairs_face_their_table() -> None:
    chairs = 0
    for room in rooms():
        tables = [thing for thing in room.furniture if thing.name in TABLES]
        for chair in room.furniture:
            if chair.name in ("chair", "office chair"):
                ahead = np.array(chair.center_m[:2]) + np.linspace(0.1, 1.0, 19)[:, None] * chair.front
                assert any((table.distance_xy_m(ahead) == 0).any() for table in tables), (room.scene_id, chair)
                chairs += 1
    assert chairs >= 100


def test_furniture_has_its_back_to_the_wall() -> None:
    for room in rooms():
        width, depth = room.size_m[:2]
        for thing in room.furniture:
            if thing.name in BACKED:
                x, y = np.array(thing.center_m[:2]) - thing.front * thing.size_m[1] / 2
                assert min(x, y, width - x, depth - y) < 0.08, (room.scene_id, thing)


def test_people_would_find_it_in_place() -> None:
    facing, beside = [], []
    for room in rooms():
        by_name = {thing.name: thing for thing in room.furniture}
        if room.room_kind == "living room" and "tv" in by_name:
            facing.append(math.cos(by_name["tv"].yaw_rad - by_name["couch"].yaw_rad))
        for thing in room.furniture:
            if thing.name == "nightstand" and "bed" in by_name:
                beside.append(float(by_name["bed"].distance_xy_m(spread(thing)).min()))
    assert len(facing) >= 5 and max(facing) < -0.9
    assert len(beside) >= 20 and max(beside) < 0.2


def test_rooms_differ_and_suit_language() -> None:
    kinds = Counter(room.room_kind for room in rooms())
    assert len(kinds) >= 6
    names = [Counter(thing.name for thing in room.furniture) for room in rooms()]
    assert all(6 <= sum(count.values()) <= 16 for count in names)
    unique = [sum(n == 1 for n in count.values()) / sum(count.values()) for count in names]
    assert np.mean(unique) > 0.5
    assert np.mean([max(count.values()) >= 2 for count in names]) > 0.5
    assert len({name for count in names for name in count}) >= 80


def test_the_splits_share_no_model() -> None:
    half = len(SEEDS)
    train, test = (
        {thing.model_id for room in part for thing in room.objects if thing.model_id}
        for part in (rooms()[:half], rooms()[half:])
    )
    assert train and test and not train & test


def test_a_seed_is_a_room() -> None:
    pack = FurniturePack.load()
    again = furnish(7, "train", pack)
    first = rooms()[7]
    assert again.objects == first.objects
    assert (again.raw_from_room == first.raw_from_room).all()
    assert again.objects != furnish(7, "train", pack, variant=1).objects
    assert again.room_kind == furnish(7, "train", pack, variant=1).room_kind


def test_the_raw_frame_keeps_the_floor_level() -> None:
    turns = []
    for room in rooms():
        turn = room.raw_from_room
        assert turn[2, :2] == pytest.approx(0) and turn[2, 2] == 1 and turn[2, 3] == 0
        assert np.linalg.det(turn[:3, :3]) == pytest.approx(1)
        turns.append(math.atan2(turn[1, 0], turn[0, 0]))
    assert np.ptp(turns) > 5


def test_a_pack_without_furniture_is_an_error_that_says_so() -> None:
    pack = FurniturePack.load()
    doors = tuple(model for model in pack.models if model.placement == "opening")
    with pytest.raises(DataError, match="no room could be furnished"):
        furnish(0, "train", FurniturePack(doors, {}, b""))
