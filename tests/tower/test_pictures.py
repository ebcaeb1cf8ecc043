"""What a tower is taught on is what the rooms say, and what prepare makes of them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from taught import NAMES

from loc3r.errors import DataError, SceneError
from loc3r.scenes.format import open_scene, scene_folders
from loc3r.scenes.scene_row import patch_things, scene_row
from loc3r.tower.pictures import CELL_PX, FACELESS, Pictures, read_room, read_rooms


def test_frames_and_token_names_are_those_that_prepare_makes(rooms, recipe):
    folder = scene_folders(rooms)[0]
    data = recipe.data.model_copy(update={"frames": 8, "prior": "none"})
    prepared, read = scene_row(folder, data, NAMES), read_room(folder, recipe.data, NAMES)
    assert read.frames.shape == (8, 64, 64, 3) and read.frames.dtype == np.uint8
    assert np.array_equal(read.token_class.ravel(), prepared["patch_class"])
    assert (read.token_class >= 0).mean() > 0.9


def test_cells_say_what_is_at_their_place(rooms, recipe):
    folder = scene_folders(rooms)[0]
    scene, read = open_scene(folder), read_room(folder, recipe.data, NAMES)
    side = recipe.data.frame_size_px // CELL_PX
    assert read.cell_class.shape == read.depth_m.shape == (8, side, side)
    depth_m = scene.depth_mm(scene.frame_ids[3]) / 1000
    height, width = depth_m.shape
    middle = depth_m[int(2.5 * height / side), int(5.5 * width / side)]
    assert read.depth_m[3, 2, 5] == np.float16(middle)
    names = {thing.object_id: thing.name for thing in scene.objects}
    ids = scene.instances(scene.frame_ids[3])
    height, width = ids.shape
    alone = 0
    for row in range(side):
        for column in range(side):
            cell = ids[row * height // side : (row + 1) * height // side]
            shown = np.unique(cell[:, column * width // side : (column + 1) * width // side])
            if len(shown) == 1 and shown[0]:
                assert NAMES[read.cell_class[3, row, column]] == names[int(shown[0])]
                alone += 1
    assert alone > side


def test_tokens_know_where_their_thing_faces_from_the_camera(rooms, recipe):
    """A wall that one sees faces the camera, more or less."""
    folder = scene_folders(rooms)[0]
    scene, read = open_scene(folder), read_room(folder, recipe.data, NAMES)
    ids = list(scene.posed_frame_ids)
    things = {thing.object_id: thing for thing in scene.objects}
    shown = patch_things(scene, ids, recipe.data.model_copy(update={"pool": 1}))
    for frame, row, column in np.ndindex(shown.shape):
        thing, front = things[int(shown[frame, row, column])], read.token_front[frame, row, column].astype(float)
        assert NAMES[read.token_class[frame, row, column]] == thing.name
        if thing.name in FACELESS:
            assert np.isnan(front).all()
            continue
        looks_x, looks_y = (scene.axis_alignment @ scene.pose(ids[frame]))[:2, 2]
        turned_rad = thing.yaw_rad - np.arctan2(looks_y, looks_x)
        assert front == pytest.approx([np.cos(turned_rad), np.sin(turned_rad)], abs=2e-3)
    walls = read.token_front[read.token_class == NAMES.index("wall")].astype(float)
    assert (walls[:, 0] < 0).mean() > 0.9


def test_a_cropped_frame_has_the_depths_of_its_middle(rooms, recipe):
    folder = scene_folders(rooms)[0]
    scene = open_scene(folder)
    read = read_room(folder, recipe.data.model_copy(update={"frame_fit": "crop", "pool": 2}), NAMES)
    depth_m = scene.depth_mm(scene.frame_ids[0]) / 1000
    height, width = depth_m.shape
    left = (width - height) / 2
    assert width > height
    assert read.depth_m[0, 2, 0] == np.float16(depth_m[int(2.5 * height / 8), int(left + 0.5 * height / 8)])
    assert read.token_class.shape == (8, 2, 2)


def test_rooms_are_read_one_by_one_and_joined(rooms, recipe):
    parts = read_rooms(rooms, recipe.data, NAMES)
    joined = Pictures.joined(parts)
    assert [len(part) for part in parts] == [8, 8] and len(joined) == 16
    assert np.array_equal(joined.frames[8:], parts[1].frames)


def test_a_scene_without_instances_is_refused(rooms, recipe, tmp_path):
    folder = tmp_path / "scans" / "mute"
    shutil.copytree(scene_folders(rooms)[0], folder)
    shutil.rmtree(folder / "instance")
    with pytest.raises(DataError, match="what its pixels show"):
        read_room(folder, recipe.data, NAMES)


def test_a_root_without_scenes_is_refused(tmp_path, recipe):
    with pytest.raises(SceneError):
        read_rooms(tmp_path, recipe.data, NAMES)
