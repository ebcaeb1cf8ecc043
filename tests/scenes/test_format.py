from __future__ import annotations

import numpy as np
import pytest
from box_rooms import box_room, mesh_corners, paint, write_box_room
from folders import hash_folder
from PIL import Image

from loc3r.errors import DataError, FrameError, PoseError, SceneError
from loc3r.scenes.format import SceneFolder, open_scene, read_manifest, scene_folders
from loc3r.scenes.ply import ply_bytes, read_vertices


@pytest.fixture
def scene(tmp_path):
    return SceneFolder(write_box_room(tmp_path))


def test_what_is_written_is_read_back(scene):
    room = box_room()
    frames, depth, instances = paint(room)
    assert len(scene.frame_ids) == 6 and scene.frame_ids[0] == 0
    assert np.abs(scene.color(2).astype(int) - frames[2]).mean() < 8  # JPEG
    np.testing.assert_array_equal(scene.depth_mm(2), depth[2])
    np.testing.assert_array_equal(scene.instances(2), instances[2])
    np.testing.assert_allclose(scene.pose(3), room.raw_from_room @ room.poses[3], atol=1e-6)
    np.testing.assert_allclose(scene.intrinsic_depth, room.camera.matrix)
    assert scene.objects == room.objects


def test_alignment_and_box_centre_are_of_the_raw_frame(scene):
    room = box_room()
    np.testing.assert_allclose(scene.axis_alignment @ room.raw_from_room, np.eye(4), atol=1e-6)
    raw = mesh_corners() @ room.raw_from_room[:3, :3].T + room.raw_from_room[:3, 3]
    np.testing.assert_allclose(scene.box_center_m, (raw.min(0) + raw.max(0)) / 2, atol=1e-5)


def test_same_room_same_bytes_and_nothing_left_over(tmp_path):
    once, twice = write_box_room(tmp_path / "a"), write_box_room(tmp_path / "b")
    assert hash_folder(once) == hash_folder(twice) == hash_folder(write_box_room(tmp_path / "a"))
    assert [p.name for p in (tmp_path / "a" / "scans").iterdir()] == ["room_000001_00"]


def test_a_scan_without_instances_objects_and_meta_is_read(scene):
    for path in [*(scene.path / "instance").iterdir(), scene.path / "objects.json", scene.path / "room_000001_00.txt"]:
        path.unlink()
    (scene.path / "instance").rmdir()
    bare = SceneFolder(scene.path)
    assert bare.instances(0) is None and bare.objects == () and bare.depth_size_px == (48, 36)
    np.testing.assert_array_equal(bare.axis_alignment, np.eye(4))


def test_frames_of_scannet_are_ordered_by_number(tmp_path):
    folder = tmp_path / "scene0000_00" / "color"
    folder.mkdir(parents=True)
    for stem in ("10", "9", "100"):
        (folder / f"{stem}.jpg").touch()
    assert SceneFolder(folder.parent).frame_ids == (9, 10, 100)


def test_each_fault_names_its_file(scene):
    jpeg = scene.color_path(1)
    jpeg.write_bytes(jpeg.read_bytes()[:200])
    with pytest.raises(FrameError, match=r"000001\.jpg"):
        scene.color(1)
    Image.new("RGB", (20, 20)).save(scene.color_path(2))
    with pytest.raises(FrameError, match="20x20"):
        scene.color(2)
    Image.new("L", (48, 36)).save(scene.depth_path(0))
    with pytest.raises(FrameError, match="16-bit"):
        scene.depth_mm(0)
    scene.depth_path(1).unlink()
    with pytest.raises(FrameError, match="missing"):
        scene.depth_mm(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [("nan " * 16, "NaN"), ("-inf " * 16, "NaN or infinity"), ("2 " * 16, "not rigid"), (None, "missing")],
)
def test_a_bad_pose_is_an_error(scene, text, message):
    path = scene.pose_path(0)
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(PoseError, match=message):
        scene.pose(0)


def test_a_pose_of_fifteen_numbers_is_an_error(scene):
    scene.pose_path(0).write_text("1 " * 15)
    with pytest.raises(SceneError, match="16 numbers"):
        scene.pose(0)


def test_no_folder_no_frames_no_scenes(tmp_path):
    with pytest.raises(SceneError, match="no such scene folder"):
        open_scene(tmp_path / "absent")
    with pytest.raises(SceneError, match="no frames"):
        open_scene(tmp_path)
    with pytest.raises(SceneError, match="no scenes found"):
        scene_folders(tmp_path)


def test_ply_round_trip_and_faults(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(ply_bytes(mesh_corners()))
    np.testing.assert_allclose(read_vertices(path), mesh_corners())
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(SceneError, match="truncated"):
        read_vertices(path)
    path.write_bytes(b"ply\nformat ascii 1.0\nend_header\n")
    with pytest.raises(SceneError, match="binary little-endian"):
        read_vertices(path)


def test_rooms_without_their_manifest_are_half_made(tmp_path):
    folder = write_box_room(tmp_path)
    (tmp_path / "parts").mkdir()
    with pytest.raises(SceneError, match="half made"):
        scene_folders(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    assert scene_folders(tmp_path) == [folder]


@pytest.mark.parametrize("text", ["{", "[1]", "\xff", "[" * 100_000])
def test_a_broken_manifest_is_named(tmp_path, text):
    assert read_manifest(tmp_path) == {}
    (tmp_path / "manifest.json").write_bytes(text.encode("latin1"))
    with pytest.raises(DataError, match=r"manifest\.json can't be read"):
        read_manifest(tmp_path)
