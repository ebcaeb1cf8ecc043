from __future__ import annotations

import io
import itertools
import os
import tracemalloc

import numpy as np
import pytest
from box_rooms import box_room, paint
from click.testing import CliRunner
from folders import hash_folder
from PIL import Image
from sens_writer import SENSOR, sens_sections, write_sens_scene

from loc3r.errors import FrameError, SceneError
from loc3r.files import write_json
from loc3r.recipe import Recipe
from loc3r.recipe_sections import DataRecipe
from loc3r.scenes import sens as sens_module
from loc3r.scenes.command import data
from loc3r.scenes.extract import extract
from loc3r.scenes.format import SceneFolder, open_scene
from loc3r.scenes.layouts.sens import SensScene
from loc3r.scenes.prepare import prepare
from loc3r.scenes.sens import SensFile
from loc3r.scenes.shards import PreparedData
from loc3r.scenes.validate import validate_scene

HEADER_SECTIONS = 11
FRAMES = 4


def written(tmp_path, sections):
    path = tmp_path / "a.sens"
    path.write_bytes(b"".join(sections))
    return SensFile(path)


@pytest.mark.parametrize("depth", ["zlib", "raw"])
@pytest.mark.parametrize("color", ["jpeg", "png", "raw"])
def test_what_is_written_is_read_back(tmp_path, color, depth):
    sens, room = written(tmp_path, sens_sections(color=color, depth=depth)), box_room()
    frames, depths, _ = paint(room)
    assert len(sens) == sens.header.frames == 6 and sens.header.sensor == SENSOR.decode() and sens.fault is None
    assert sens.header.color_size_px == sens.header.depth_size_px == (48, 36)
    np.testing.assert_allclose(sens.poses, room.raw_from_room @ room.poses, atol=1e-6)
    np.testing.assert_allclose(sens.header.intrinsic_depth[:3, :3], room.camera.matrix)
    for i in sens.every():
        np.testing.assert_array_equal(sens.depth_mm(i), depths[i])
        difference = np.abs(np.asarray(sens.color_image(i)).astype(int) - frames[i])
        assert difference.mean() < 8 if color == "jpeg" else difference.max() == 0
    sens.check_end()


def test_depth_of_another_unit_becomes_millimetres(tmp_path):
    sens = written(tmp_path, sens_sections(shift=5000.0))
    np.testing.assert_array_equal(sens.depth_mm(1), paint(box_room())[1][1])


@pytest.mark.parametrize("cut", range(HEADER_SECTIONS))
def test_a_header_cut_at_any_section_is_named(tmp_path, cut):
    with pytest.raises(SceneError, match="truncated") as told:
        written(tmp_path, sens_sections()[:cut])
    assert f"0 bytes of the {WORDS[cut]}" in str(told.value) and "fetch it again" in str(told.value)


WORDS = (
    "version",
    "length of the sensor's name",
    "sensor's name",
    "colour camera's intrinsic",
    "colour camera's extrinsic",
    "depth camera's intrinsic",
    "depth camera's extrinsic",
    "kinds of compression",
    "image sizes",
    "depth unit",
    "number of frames",
)


@pytest.mark.parametrize("missing", [0, 1], ids=["at the boundary", "a byte before"])
@pytest.mark.parametrize("cut", range(HEADER_SECTIONS, HEADER_SECTIONS + 3 * FRAMES))
def test_a_file_cut_at_any_section_gives_the_frames_before_it(tmp_path, cut, missing):
    whole = b"".join(sens_sections(FRAMES)[: cut + missing])
    sens = written(tmp_path, [whole[: len(whole) - missing]])
    frame, part = divmod(cut - HEADER_SECTIONS, 3)
    told = []
    with pytest.raises(SceneError, match="truncated") as error:
        told.extend(sens.every())
    assert told == list(range(frame)) and len(sens) == frame
    assert f"frame {frame} of {FRAMES}: {('its head', 'colour', 'depth')[part]}" in str(error.value)
    for i in told:
        np.testing.assert_array_equal(sens.depth_mm(i), paint(box_room(frames=FRAMES))[1][i])


def test_cut_imu_records_are_told_and_harm_no_frame(tmp_path):
    folder = write_sens_scene(tmp_path, frames=FRAMES)
    path = folder / "scene0000_00.sens"
    path.write_bytes(path.read_bytes()[:-1])
    assert [(f.severity, "IMU" in f.received) for f in validate_scene(folder)] == [("warning", True)]
    assert list(open_scene(folder).posed_frame_ids) == list(range(FRAMES))
    assert written(tmp_path, sens_sections(FRAMES)[:-2]).check_end() is None  # some writers leave them out


@pytest.mark.parametrize(
    ("section", "value", "message"),
    [(0, b"\3\0\0\0", "no .sens"), (7, b"\2\0\0\0\2\0\0\0", "depth compression"), (8, bytes(16), "image sizes")],
)
def test_an_unknown_header_is_an_error(tmp_path, section, value, message):
    sections = sens_sections()
    sections[section] = value
    with pytest.raises(SceneError, match=message):
        written(tmp_path, sections)


def test_a_length_beyond_the_file_is_an_error_and_no_allocation(tmp_path):
    sections = sens_sections()
    sections[1] = b"\xff" * 7 + b"\x0f"
    with pytest.raises(SceneError, match="truncated"):
        written(tmp_path, sections)


def test_a_broken_frame_is_named_and_spares_the_others(tmp_path):
    sections = sens_sections()
    color, depth = HEADER_SECTIONS + 3 * 2 + 1, HEADER_SECTIONS + 3 * 4 + 2
    sections[color] = b"\xff\xd8" + bytes(len(sections[color]) - 2)
    sections[depth] = bytes(len(sections[depth]))
    sens = written(tmp_path, sections)
    with pytest.raises(FrameError, match="frame 2: colour"):
        sens.color_image(2)
    with pytest.raises(FrameError, match="frame 4: depth"):
        sens.depth_mm(4)
    assert sens.depth_mm(2).any() and sens.color_image(4)


def test_only_what_is_asked_for_is_read(tmp_path, monkeypatch):
    sections, read = sens_sections(frames=40), []
    path = tmp_path / "a.sens"
    path.write_bytes(b"".join(sections))
    pread = os.pread

    def counted(file, count, at):
        read.append(count)
        return pread(file, count, at)

    monkeypatch.setattr(sens_module.os, "pread", counted)
    sens = SensFile(path)
    for i in sens.every(10):
        sens.color_image(i), sens.depth_mm(i)
    images = sum(len(sections[HEADER_SECTIONS + 3 * i + part]) for i in (0, 10, 20, 30) for part in (1, 2))
    assert sum(read) == sum(map(len, sections[:HEADER_SECTIONS])) + 40 * 96 + images


def test_memory_does_not_grow_with_the_file(tmp_path):
    def peak_of(frames):
        sens = written(tmp_path, sens_sections(6) if frames == 6 else repeated(frames))
        tracemalloc.start()
        for i in sens.every():
            sens.color_image(i), sens.depth_mm(i)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    def repeated(frames):
        sections = sens_sections(6)
        body = sections[HEADER_SECTIONS:-2]
        head = [*sections[: HEADER_SECTIONS - 1], frames.to_bytes(8, "little")]
        return [*head, *itertools.islice(itertools.cycle(body), 3 * frames), bytes(8)]

    grown = peak_of(200) - peak_of(6)
    assert grown < 200 * 400  # heads and offsets; the decoded images alone are 200 * 8,000 bytes


def test_lost_frames_are_dropped_and_counted(tmp_path):
    scene = open_scene(write_sens_scene(tmp_path, lost=(1, 4)))
    assert isinstance(scene, SensScene)
    assert scene.posed_frame_ids == (0, 2, 3, 5) and len(scene.frame_ids) == 6
    faults = validate_scene(scene.path)
    assert [(f.field, f.severity) for f in faults] == [("pose", "warning")] and "2 of 6" in faults[0].received


def test_a_scan_that_was_cut_short_is_no_scene(tmp_path):
    folder = write_sens_scene(tmp_path)
    path = folder / "scene0000_00.sens"
    path.write_bytes(path.read_bytes()[:-6000])
    with pytest.raises(SceneError, match="truncated"):
        open_scene(folder)
    (fault,) = validate_scene(folder)
    assert fault.severity == "error" and "truncated" in fault.received and "fetch it again" in fault.expected


def test_extraction_writes_what_an_exporter_would_and_resumes(tmp_path):
    folder, out = write_sens_scene(tmp_path, frames=7, lost=(2,)), tmp_path / "out" / "scene0000_00"
    sens = SensFile(folder / "scene0000_00.sens")
    stopped = extract(sens, out, 2)
    assert next(stopped) == 0 and next(stopped) == 2
    stopped.close()
    with pytest.raises(SceneError, match="matrix is missing"):  # half a scan is no scene
        SceneFolder(out).intrinsic_color  # noqa: B018
    kept = (out / "color" / "000000.jpg").stat().st_mtime_ns
    assert list(extract(sens, out, 2)) == [0, 2, 4, 6]
    assert (out / "color" / "000000.jpg").stat().st_mtime_ns == kept
    ours, theirs = open_scene(out), open_scene(folder)
    assert ours.frame_ids == (0, 2, 4, 6) and ours.posed_frame_ids == (0, 4, 6)
    assert (out / "color" / "000004.jpg").read_bytes() == sens.color_bytes(4)
    np.testing.assert_array_equal(ours.depth_mm(4), theirs.depth_mm(4))
    np.testing.assert_allclose(ours.pose(4), theirs.pose(4))
    np.testing.assert_allclose(ours.axis_alignment, theirs.axis_alignment)
    np.testing.assert_allclose(ours.box_center_m, theirs.box_center_m)
    before = hash_folder(out)
    list(extract(sens, out, 2))
    assert hash_folder(out) == before


def test_the_verb_keeps_the_frames_before_a_cut_and_goes_on_once_the_file_is_whole(tmp_path):
    folder = write_sens_scene(tmp_path)
    path, whole = folder / "scene0000_00.sens", (folder / "scene0000_00.sens").read_bytes()
    run = lambda: CliRunner().invoke(data, ["extract", str(tmp_path), "--out", str(tmp_path / "o"), "--every", "2"])  # noqa: E731
    path.write_bytes(whole[: len(whole) // 2])
    cut = run()
    assert cut.exit_code == 1 and "truncated" in cut.output
    kept = open_scene(tmp_path / "o" / "scans" / "scene0000_00").frame_ids
    path.write_bytes(whole)
    assert run().exit_code == 0 and 0 < len(kept) < 3
    assert open_scene(tmp_path / "o" / "scans" / "scene0000_00").frame_ids == (0, 2, 4)


def test_a_png_file_is_extracted_as_jpeg(tmp_path):
    out = tmp_path / "out" / "a"
    list(extract(written(tmp_path, sens_sections(2, color="png")), out))
    assert Image.open(io.BytesIO((out / "color" / "000001.jpg").read_bytes())).format == "JPEG"


def test_prepare_reads_sens_files_and_drops_one_that_was_cut_by_name(tmp_path):
    recipe = Recipe(name="t", data=DataRecipe(frames=3, frame_size_px=32, patch_px=8, prior="none"))
    write_sens_scene(tmp_path / "scannet", "scene0000_00", lost=(1,))
    cut = write_sens_scene(tmp_path / "scannet", "scene0001_00") / "scene0001_00.sens"
    cut.write_bytes(cut.read_bytes()[:-6000])
    prepared = PreparedData(prepare([tmp_path / "scannet"], "train", recipe, tmp_path / "out", workers=1))
    assert prepared.scene_ids == ("scene0000_00",)
    assert "truncated" in prepared.manifest["dropped"]["scene0001_00"]
    assert prepared.manifest["counts"]["frames_without_pose"] == 1
    assert prepared.scene("scene0000_00").patch_valid.all()


def test_a_cut_scan_among_msqa_s_scenes_is_dropped_by_name_and_the_others_keep_their_samples(tmp_path):
    recipe = Recipe(name="t", data=DataRecipe(frames=3, frame_size_px=32, patch_px=8, prior="none"))
    root = tmp_path / "scannet"
    write_sens_scene(root, "scene0000_00")
    cut = write_sens_scene(root, "scene0001_00") / "scene0001_00.sens"
    cut.write_bytes(cut.read_bytes()[:-6000])
    row = {"type": "counting", "situation": "I sit.", "question": "?", "answers": ["two"], "location": [1, 2, 0]}
    rows = [{**row, "index": number, "scan_id": f"scene000{number}_00"} for number in (0, 1)]
    write_json(root / "annotations" / "msqa" / "msqa_scannet_test.json", rows)
    prepared = PreparedData(prepare([root], "test", recipe, tmp_path / "out", workers=1))
    assert [sample.scene_id for sample in prepared.samples] == ["scene0000_00"]
    assert "truncated" in prepared.manifest["dropped"]["scene0001_00"]
    assert prepared.manifest["samples_without_scene"] == 1
