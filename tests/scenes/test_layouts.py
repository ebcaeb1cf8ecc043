from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import layout_writers as write
import numpy as np
import pytest
from box_rooms import COLOURS, PLANES, box_room

from loc3r.errors import FrameError, SceneError
from loc3r.geometry.camera import backproject, project
from loc3r.scenes.format import open_scene, scene_folders
from loc3r.scenes.layouts.arkitscenes import ArkitScene
from loc3r.scenes.layouts.clip import PosedClip
from loc3r.scenes.layouts.exported import SceneFolder
from loc3r.scenes.layouts.posed_images import PosedImages
from loc3r.scenes.layouts.posed_video import PosedVideo
from loc3r.scenes.layouts.scannetpp import DepthFile, ScannetppScene
from loc3r.scenes.layouts.sens import SensScene
from loc3r.scenes.validate import validate_root, validate_scene

LAYOUTS = {
    "exported": (write.write_exported, SceneFolder),
    "sens": (write.write_sens, SensScene),
    "posed_images": (write.write_posed_images, PosedImages),
    "arkit upright": (write.write_arkit, ArkitScene),
    "arkit left": (partial(write.write_arkit, held=1), ArkitScene),
    "arkit upside down": (partial(write.write_arkit, held=2), ArkitScene),
    "arkit right": (partial(write.write_arkit, held=3), ArkitScene),
    "scannetpp released": (write.write_scannetpp, ScannetppScene),
    "scannetpp extracted": (partial(write.write_scannetpp, released=False), ScannetppScene),
}
CLIPS = Path(__file__).parents[3] / "shared" / "data" / "video"


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_pixel_lies_on_the_wall_that_it_shows(tmp_path, name):
    writer, layout = LAYOUTS[name]
    scene, room = open_scene(writer(tmp_path)), box_room()
    assert type(scene) is layout and len(scene.posed_frame_ids) == write.FRAMES
    room_from_raw = np.linalg.inv(room.raw_from_room)
    for i in scene.posed_frame_ids[::2]:
        points, valid = backproject(scene.depth_mm(i), scene.intrinsic_depth_of(i), scene.pose(i))
        assert valid.all()
        inside = points @ room_from_raw[:3, :3].T + room_from_raw[:3, 3]
        gaps = np.stack([np.abs(inside[..., axis] - at) for axis, at in PLANES])
        assert gaps.min(0).max() < 3e-3
        uv, _ = project(points, scene.intrinsic_color, scene.pose(i))
        column, row = np.rint(uv).astype(int).clip(0, np.array(scene.color_size_px) - 1).transpose(2, 0, 1)
        shown = scene.color(i)[row, column].astype(int)
        painted = COLOURS[gaps.argmin(0) + 1]
        assert np.median(np.abs(shown - painted).max(-1)) < 12 and np.mean(np.abs(shown - painted)) < 12


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_sound_scene_of_each_layout_has_no_faults(tmp_path, name):
    folder = LAYOUTS[name][0](tmp_path)
    assert validate_scene(folder) == []
    assert scene_folders(tmp_path) == [folder] == scene_folders(folder)


def test_posed_images_find_the_scan_that_they_were_taken_from(tmp_path):
    folder = write.write_posed_images(tmp_path)
    scene, alignment = open_scene(folder), np.linalg.inv(box_room().raw_from_room)
    np.testing.assert_allclose(scene.axis_alignment, alignment, atol=1e-6)
    assert scene.frame_ids == (0, 10, 20, 30, 40, 50)
    np.savetxt(folder / "axis_align_matrix.txt", np.eye(4))
    np.testing.assert_array_equal(open_scene(folder).axis_alignment, np.eye(4))
    (folder / "00020.jpg").unlink()
    (fault,) = validate_scene(folder)
    assert fault.severity == "warning" and "00020.jpg is missing" in fault.received


def test_posed_images_without_depth_are_unknown_and_said_to_be(tmp_path):
    scene = open_scene(write.write_posed_images(tmp_path, with_depth=False))
    assert scene.depth_mm(0).shape == (48, 64) and not scene.depth_mm(0).any()
    (fault,) = validate_scene(scene.path)
    assert (fault.field, fault.severity) == ("depth", "warning") and "6 of 6 frames" in fault.received


def test_arkit_frames_between_two_poses_or_without_depth_are_counted(tmp_path):
    folder = write.write_arkit(tmp_path)
    frames = folder / "47333462_frames"
    lines = (frames / "lowres_wide.traj").read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split()[0], "12.108")
    lines[3] = " ".join([lines[3].split()[0], *["nan"] * 6])
    (frames / "lowres_wide.traj").write_text("\n".join(lines))
    (frames / "lowres_depth" / "47333462_12.500.png").unlink()
    scene = open_scene(folder)
    assert len(scene.frame_ids) == 5 and scene.posed_frame_ids == (0, 2, 4)
    told = [(f.field, f.severity, f.received) for f in validate_scene(folder)]
    assert [t[:2] for t in told] == [("frames", "warning"), ("pose", "warning")]
    assert "1 of 6 frames" in told[0][2] and "2 of 5 frames" in told[1][2]


def test_arkit_faults_name_their_file(tmp_path):
    folder = write.write_arkit(tmp_path)
    frames = folder / "47333462_frames"
    (frames / "lowres_wide_intrinsics" / "47333462_12.300.pincam").write_text("64 48 50")
    (frames / "lowres_wide_intrinsics" / "47333462_12.400.pincam").unlink()
    told = [str(fault) for fault in validate_scene(folder)]
    assert len(told) == 2 and "12.300.pincam breaks the format" in told[0] and "nothing at 12.400 s" in told[1]
    (frames / "lowres_wide.traj").write_text("1 2 3\n")
    with pytest.raises(SceneError, match=r"lowres_wide\.traj breaks the format"):
        open_scene(folder).posed_frame_ids  # noqa: B018


def test_scannetpp_frames_without_an_aligned_pose_are_counted(tmp_path):
    folder = write.write_scannetpp(tmp_path)
    path = folder / "iphone" / "pose_intrinsic_imu.json"
    entries = json.loads(path.read_text())
    del entries["frame_000001"]["aligned_pose"]
    entries["frame_000003"]["aligned_pose"][0][3] = float("inf")
    path.write_text(json.dumps(entries))
    scene = open_scene(folder)
    assert scene.posed_frame_ids == (0, 2, 4, 5)
    (fault,) = validate_scene(folder)
    assert fault.severity == "warning" and "2 of 6" in fault.received


def test_a_depth_file_that_is_cut_or_of_the_first_release_is_an_error(tmp_path):
    path = write.write_scannetpp(tmp_path) / "iphone" / "depth.bin"
    data = path.read_bytes()
    for broken in (data[:-1], data[4:], b"\xff" * 100):
        path.write_bytes(broken)
        with pytest.raises(FrameError, match="truncated or of another kind"):
            DepthFile(path)
    size = int.from_bytes(data[:4], "little")
    path.write_bytes(data[:4] + bytes(size) + data[4 + size :])
    with pytest.raises(FrameError, match="frame 0 can't be decoded"):
        DepthFile(path).depth_mm(0)
    assert DepthFile(path).depth_mm(1).any()
    with pytest.raises(FrameError, match="frame 6 is missing"):
        DepthFile(path).depth_mm(6)


def test_a_posed_video_gives_its_poses_where_they_exist(tmp_path):
    scene, room = open_scene(write.write_posed_video(tmp_path, numbers=(0, 2, 5))), box_room()
    assert type(scene) is PosedVideo and len(scene.frame_ids) == write.FRAMES
    assert scene.posed_frame_ids == (0, 2, 5)
    _, poses, frames, _ = write.room_and_images()
    np.testing.assert_allclose(scene.pose(2), poses[2], atol=1e-9)
    np.testing.assert_allclose(scene.intrinsic_color[0, 0], 0.7 * write.SIZE["width_px"])
    assert np.median(np.abs(scene.color(4).astype(int) - frames[4])) < 10
    assert {f.field for f in validate_scene(scene.path)} == {"pose", "depth"} and room.poses.shape[1:] == (4, 4)


def test_a_video_without_cameras_is_told_so(tmp_path):
    folder = write.write_posed_video(tmp_path)
    (folder / "meta.json").unlink()
    assert open_scene(folder).posed_frame_ids == ()
    assert {f.field for f in validate_root(folder) if f.severity == "error"} == {
        "intrinsic_color",
        "intrinsic_depth",
        "pose",
    }
    (folder / "kitchen.mp4").write_bytes(b"no video")
    with pytest.raises(SceneError, match="can't be decoded"):
        open_scene(folder)


@pytest.mark.parametrize(
    ("numbers", "poses", "words"),
    [
        (None, 7, "7 poses for 6 pictures"),
        (None, 3, "3 poses for 6 pictures"),
        ([0, 1, 2], 2, "2 poses for 3 pictures"),
        ([0, 6], 2, "whole numbers from 0 to 5"),
        ([-1, 0], 2, "whole numbers from 0 to 5"),
        ([2, 2], 2, "one picture twice"),
    ],
)
def test_poses_that_are_not_of_the_video_s_pictures_are_told_once(tmp_path, numbers, poses, words):
    folder = write.write_posed_video(tmp_path)
    cameras = json.loads((folder / "meta.json").read_text())
    cameras["cam2world_opencv"] = [cameras["cam2world_opencv"][0]] * poses
    del cameras["source_index"]
    (folder / "meta.json").write_text(json.dumps(cameras | ({} if numbers is None else {"source_index": numbers})))
    (fault,) = [fault for fault in validate_scene(folder) if fault.severity == "error"]
    assert words in str(fault)


def test_the_videos_of_a_folder_are_counted_without_what_macos_leaves_there(tmp_path):
    folder = write.write_posed_video(tmp_path)
    (folder / "._kitchen.mp4").write_bytes(b"Mac OS X")
    assert len(open_scene(folder).frame_ids) == 6
    (folder / "second.mov").write_bytes(b"")
    assert "several videos" in str(validate_root(tmp_path).__next__())


def test_a_video_beside_scenes_hides_none_of_them(tmp_path):
    folder = write.write_posed_video(tmp_path)
    assert scene_folders(folder) == [folder]
    (tmp_path / "tour.mp4").write_bytes((folder / "kitchen.mp4").read_bytes())
    assert scene_folders(tmp_path) == [folder]


def test_a_scene_that_may_not_be_read_is_told_beside_the_others(tmp_path, monkeypatch):
    folder = write.write_posed_video(tmp_path)
    (locked := tmp_path / "locked").mkdir()
    fits = SceneFolder.fits

    def refuses(path):  # what Path.is_dir does for anyone but root, who the tests may run as
        if path == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return fits(path)

    monkeypatch.setattr(SceneFolder, "fits", refuses)
    assert scene_folders(tmp_path) == [folder, locked]
    (fault,) = validate_scene(locked)
    assert "Permission denied" in str(fault)


def test_a_folder_of_no_layout_says_what_each_needs(tmp_path):
    with pytest.raises(SceneError, match="known layout") as told:
        open_scene(tmp_path)
    assert all(files in str(told.value) for files in ("<scene>.sens", "lowres_wide.traj", "intrinsic.txt", "meta.json"))


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the posed clips of ../shared/data are not here")
@pytest.mark.parametrize("clip", ["7scenes_redkitchen", "icl_livingroom1"])
def test_depth_of_neighbouring_frames_of_the_real_clips_agrees_within_2_cm(clip):
    scene = open_scene(CLIPS / clip)
    assert type(scene) is PosedClip and len(scene.posed_frame_ids) == 32 and validate_scene(scene.path) == []
    pairs = list(zip(scene.frame_ids, scene.frame_ids[1:], strict=False))
    assert np.median(np.concatenate([depth_gaps_m(scene, a, b, b) for a, b in pairs])) < 0.02
    # From the pose of the frame before, no frame agrees: the test can fail.
    assert np.median(np.concatenate([depth_gaps_m(scene, a, b, a) for a, b in pairs[::4]])) > 0.03


def depth_gaps_m(scene, one, other, posed_as):
    """How far the points of one frame are from what another saw in their direction, metres."""
    points, valid = backproject(scene.depth_mm(one), scene.intrinsic_depth_of(one), scene.pose(one))
    uv, expected_m = project(points[valid], scene.intrinsic_depth_of(other), scene.pose(posed_as))
    column, row = np.rint(uv).astype(int).T
    width, height = scene.depth_size_px
    seen = (expected_m > 0) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    measured_m = scene.depth_mm(other)[row[seen], column[seen]] / 1000
    return np.abs(measured_m - expected_m[seen])[measured_m > 0]
