"""On a map of other axes every distance, every angle and what a camera sees stay as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import wrap_rad
from loc3r.priors.pose_token import moved_tokens, places_m, pose_tokens
from loc3r.scenes.other_axes import axes_under, sample_on, scene_on
from loc3r.scenes.shards import MapObject, PreparedSample, PreparedScene

WALK = st.lists(st.tuples(*[st.floats(-3, 3)] * 6), min_size=1, max_size=4)
AXES = st.builds(BevFrame, st.floats(-4, 4), st.floats(-4, 4), st.floats(-3, 3))


@given(WALK, AXES)
def test_tokens_are_those_of_the_same_walk_on_the_other_map(walk: list[tuple[float, ...]], axes: BevFrame) -> None:
    places, angles = np.array(walk)[:, :3], np.array(walk)[:, 3:]
    doubts = np.abs(places[:, :2])
    elsewhere = np.concatenate([axes.from_world(places[:, :2]), places[:, 2:]], -1)
    expected = pose_tokens(elsewhere, angles - [axes.yaw_rad, 0, 0], doubts)
    tokens = pose_tokens(places, angles, doubts)
    assert places_m(tokens) == pytest.approx(places, abs=1e-4)
    assert moved_tokens(tokens, axes) == pytest.approx(expected, abs=1e-3)


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True), st.floats(-3, 3))
def test_the_speaker_stands_and_looks_as_before(seed: int, along: float, turned_rad: float) -> None:
    rng = np.random.default_rng(seed)
    scene = _scene(rng)
    (place, mention, look_at), heading_rad = rng.normal(size=(3, 2)).tolist(), float(rng.uniform(-3, 3))
    sample = PreparedSample(
        "s", "sqa3d", scene.scene_id, "By the bed.", "Where?", ("left",), "where", "sit", tuple(place), heading_rad,
        (("situation", 7, 10, *mention),), tuple(look_at),
    )  # fmt: skip
    axes = axes_under(scene, along, turned_rad)
    there, said = scene_on(axes, scene), sample_on(axes, sample)

    assert said.situation == sample.situation and said.mentions[0][:3] == sample.mentions[0][:3]
    before = _egocentric(sample, [*scene.patch_xy_m.reshape(-1, 2), scene.objects[0].xy_m, mention, look_at])
    assert said.look_at_m is not None
    after = _egocentric(
        said, [*there.patch_xy_m.reshape(-1, 2), there.objects[0].xy_m, said.mentions[0][3:], said.look_at_m]
    )
    assert after == pytest.approx(before, abs=1e-4)
    assert there.objects[0].footprint_m == pytest.approx(axes.from_world(scene.objects[0].footprint_m))
    turn = BevFrame(0, 0, axes.yaw_rad)
    assert there.objects[0].front == pytest.approx(turn.from_world(scene.objects[0].front))
    assert there.room_outline_m == pytest.approx(axes.from_world(scene.room_outline_m))
    assert there.frames is scene.frames and there.patch_xy_m.dtype == scene.patch_xy_m.dtype

    under = places_m(there.camera_tokens)[int(along * len(scene.frames))]
    assert under[:2] == pytest.approx([0, 0], abs=1e-4)
    turn_rad = np.arctan2(there.camera_tokens[0, 24], there.camera_tokens[0, 30 + 24])  # the first camera's
    assert wrap_rad(turn_rad - (0.4 - turned_rad)) == pytest.approx(0, abs=1e-4)


def test_a_question_without_a_place_has_none_elsewhere() -> None:
    sample = PreparedSample(
        "s", "scanqa", "a room", None, "What is it?", ("a bed",), "what", None, None, None, (), None
    )
    assert sample_on(BevFrame(1, 2, 3), sample) == sample


def _egocentric(sample: PreparedSample, places_m: list[np.ndarray]) -> np.ndarray:
    """Places (N, 2) as the speaker has them: ahead, and to the left."""
    assert sample.position_m and sample.heading_rad is not None
    return BevFrame(*sample.position_m, sample.heading_rad).from_world(np.array(places_m))


def _scene(rng: np.random.Generator) -> PreparedScene:
    thing = MapObject(1, "bed", "furniture", rng.normal(size=2), rng.normal(size=(4, 2)), 0.5)
    angles = np.concatenate([[[0.4, 0, 0]], rng.normal(size=(2, 3))])
    return PreparedScene(
        "a room",
        frames=rng.integers(0, 255, (3, 8, 8, 3), np.uint8),
        patch_xy_m=rng.normal(size=(3, 4, 4, 2)).astype(np.float32),
        patch_valid=np.ones((3, 4, 4), bool),
        patch_class=np.zeros((3, 4, 4), np.int16),
        camera_tokens=pose_tokens(rng.normal(size=(3, 3)), angles),
        objects=(thing,),
        room_outline_m=rng.normal(size=(5, 2)),
    )
