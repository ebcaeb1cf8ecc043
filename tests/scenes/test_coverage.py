from __future__ import annotations

import numpy as np
import pytest
from box_rooms import write_box_room
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loc3r.geometry.camera import backproject
from loc3r.scenes.coverage import coverage_frames, max_coverage, seen_voxels
from loc3r.scenes.format import open_scene

VISIBILITIES = st.tuples(st.integers(1, 40), st.integers(1, 12)).flatmap(lambda shape: arrays(bool, shape))


def greedy_by_sets(seen, wanted):
    """The plain way: count again what each frame would add."""
    sets = [set(np.flatnonzero(column).tolist()) for column in seen.T]
    covered, chosen = set(), []
    while len(chosen) < wanted:
        gains = [-1 if i in chosen else len(voxels - covered) for i, voxels in enumerate(sets)]
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        covered |= sets[best]
        chosen.append(best)
    return chosen


@settings(max_examples=80, deadline=None)
@given(seen=VISIBILITIES, wanted=st.integers(1, 14))
def test_the_choice_is_the_plain_greedy_one_filled_up(seen, wanted):
    chosen, plain = max_coverage(seen, wanted), greedy_by_sets(seen, wanted)
    assert chosen == sorted(set(chosen)) and len(chosen) == min(wanted, seen.shape[1])
    assert set(plain) <= set(chosen)


@settings(max_examples=30, deadline=None)
@given(seen=VISIBILITIES, wanted=st.integers(1, 12))
def test_the_order_of_the_voxels_changes_nothing(seen, wanted):
    assert max_coverage(seen[::-1], wanted) == max_coverage(seen, wanted)


def test_voxels_are_told_apart_and_shared_ones_are_one():
    clouds = [np.array([[0, 0, 0], [0.04, 0, 0], [1, 0, 0]]), np.array([[1.01, 0, 0]]), np.zeros((0, 3))]
    seen = seen_voxels(clouds)
    assert seen.shape == (2, 3) and seen.sum(0).tolist() == [2, 1, 0]
    assert seen_voxels([np.zeros((0, 3))]).shape == (0, 1)


def test_frames_of_a_turn_are_spread_and_a_repeated_view_is_left_out(tmp_path):
    scene = open_scene(write_box_room(tmp_path, frames=8))
    for name in ("pose", "depth"):  # frames 1 to 3 show what frame 0 shows
        first = next((scene.path / name).glob("000000.*"))
        for i in (1, 2, 3):
            (scene.path / name / f"00000{i}{first.suffix}").write_bytes(first.read_bytes())
    scene = open_scene(scene.path)
    chosen = coverage_frames(scene, scene.posed_frame_ids, 4)
    assert chosen == coverage_frames(scene, scene.posed_frame_ids, 4)
    assert len(set(chosen) & {0, 1, 2, 3}) <= 1 and len(chosen) == 4
    assert covered(scene, chosen) > covered(scene, [0, 2, 4, 7])


def covered(scene, frame_ids):
    clouds = [backproject(scene.depth_mm(i), scene.intrinsic_depth, scene.pose(i))[0] for i in frame_ids]
    return len(np.unique(np.rint(np.concatenate(clouds).reshape(-1, 3) / 0.1), axis=0))


@pytest.mark.parametrize("wanted", [3, 8, 20])
def test_more_frames_than_there_are_gives_all_of_them(tmp_path, wanted):
    scene = open_scene(write_box_room(tmp_path, frames=5))
    assert len(coverage_frames(scene, scene.posed_frame_ids, wanted)) == min(wanted, 5)


def test_prepare_shows_the_frames_that_coverage_chose(tmp_path):
    from loc3r.recipe_sections import DataRecipe
    from loc3r.scenes.scene_row import scene_row

    path = write_box_room(tmp_path, frames=10)
    data = DataRecipe(frames=4, frame_size_px=32, patch_px=8, prior="none", frame_sampling="coverage")
    scene = open_scene(path)
    assert scene_row(path, data, ())["frame_ids"] == coverage_frames(scene, scene.posed_frame_ids, 4)
    with pytest.raises(ValueError, match="prior_oversampling"):
        DataRecipe(frame_sampling="coverage", prior_oversampling=2)
