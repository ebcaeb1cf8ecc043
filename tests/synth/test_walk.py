"""The camera goes where a person can go, turns as fast as a person turns, and sees the furniture."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from loc3r.synth.floor import Floor
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import Parameters, film
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room
from loc3r.synth.walk import walk

FRAMES = 32


@cache
def walks() -> tuple[tuple[Room, NDArray[np.float64]], ...]:
    rooms = [furnish(seed, split, FurniturePack.load()) for split in ("train", "test") for seed in range(12)]
    return tuple((room, walk(room, FRAMES, np.random.default_rng(room.seed)).poses) for room in rooms)


def test_poses_are_rigid_and_at_eye_height() -> None:
    for room, poses in walks():
        assert poses.shape == (FRAMES, 4, 4), room.scene_id
        turns = poses[:, :3, :3]
        assert np.allclose(turns @ turns.transpose(0, 2, 1), np.eye(3), atol=1e-9)
        assert np.allclose(np.linalg.det(turns), 1)
        assert ((poses[:, 2, 3] >= 1.45) & (poses[:, 2, 3] <= 1.7)).all()


def test_neighbouring_frames_overlap() -> None:
    for room, poses in walks():
        steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        between = np.einsum("tij,tij->t", poses[1:, :3, :3], poses[:-1, :3, :3])
        turned = np.degrees(np.arccos(np.clip((between - 1) / 2, -1, 1)))
        assert steps.max() <= 0.45, room.scene_id
        assert turned.max() <= 22, room.scene_id


def test_the_camera_looks_a_little_down_and_hardly_rolls() -> None:
    for room, poses in walks():
        pitch = np.degrees(np.arcsin(poses[:, 2, 2]))
        roll = np.degrees(np.arcsin(poses[:, 2, 0]))
        assert (pitch > -26).all() and (pitch < 0).all(), room.scene_id
        assert np.abs(roll).max() < 4, room.scene_id


def test_the_first_view_is_into_the_room_from_a_door() -> None:
    for room, poses in walks():
        doors = np.array([thing.center_m[:2] for thing in room.objects if thing.name == "door"])
        assert np.linalg.norm(doors - poses[0, :2, 3], axis=1).min() < 0.7, room.scene_id
        inwards = np.array(room.size_m[:2]) / 2 - poses[0, :2, 3]
        assert poses[0, :2, 2] @ inwards > 0


def test_nobody_walks_through_furniture() -> None:
    for room, poses in walks():
        places = poses[:, :2, 3]
        for thing in room.furniture:
            low = thing.center_m[2] - thing.size_m[2] / 2
            if thing.size_m[2] > 0.05 and low < 1.6:
                assert thing.distance_xy_m(places).min() > 0.15, (room.scene_id, thing)
        assert (places > 0.15).all() and (places < np.array(room.size_m[:2]) - 0.15).all()


def test_people_see_almost_all_they_plan_to_see_in_the_rendered_masks() -> None:
    seen, tries = [], []
    for split, seed in (("train", 3), ("train", 21), ("test", 0), ("test", 8)):
        filmed = film(seed, Parameters(split, FRAMES, 0, split == "train"))  # type: ignore[arg-type]
        for index, thing in enumerate(filmed.room.objects):
            count = int((filmed.video.instances == thing.object_id).sum())
            assert count == filmed.visible_px[:, index].sum()
            if thing.kind == "furniture":
                tries.append(filmed.visible_px[:, index].max() >= 60)
        seen.append(filmed.seen_share)
    assert min(seen) >= 0.9
    assert np.mean(tries) >= 0.9


def test_a_short_walk_takes_no_longer_steps() -> None:
    room = walks()[0][0]
    poses = walk(room, 6, np.random.default_rng(0)).poses
    assert poses.shape == (6, 4, 4)
    assert np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1).max() <= 0.45


def test_the_same_generator_state_gives_the_same_walk() -> None:
    room, poses = walks()[5]
    assert (walk(room, FRAMES, np.random.default_rng(room.seed)).poses == poses).all()
    assert (walk(room, FRAMES, np.random.default_rng(99)).poses != poses).any()


@pytest.mark.parametrize("point", [(0.0, 0.0), (2.999, 1.999), (3.0, 2.0)])
def test_every_point_of_the_floor_has_a_cell(point: tuple[float, float]) -> None:
    floor = Floor((3.0, 2.0))
    row, column = floor.cell_at(point)
    assert np.abs(floor.points_m[row, column] - point).max() <= 0.026
