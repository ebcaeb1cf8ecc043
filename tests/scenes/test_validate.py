from __future__ import annotations

import json

import numpy as np
import pytest
from box_rooms import CLASS_NAMES, write_box_room
from click.testing import CliRunner
from PIL import Image

from loc3r.scenes.command import data
from loc3r.scenes.format import SceneFolder
from loc3r.scenes.validate import validate_root, validate_scene


@pytest.fixture
def scene(tmp_path):
    return SceneFolder(write_box_room(tmp_path))


def edit_objects(scene, change):
    path = scene.path / "objects.json"
    objects = json.loads(path.read_text())
    change(objects)
    path.write_text(json.dumps(objects))


def paint(path, value):
    Image.fromarray(np.full((36, 48), value, np.uint16)).save(path)


FAULTS = {
    "corrupt colour": (lambda s: s.color_path(1).write_bytes(b"\xff\xd8"), "000001.jpg", "color", "error"),
    "missing colour": (lambda s: s.color_path(1).unlink(), "room", "frames", "warning"),
    "small colour": (lambda s: Image.new("RGB", (9, 9)).save(s.color_path(2)), "000002.jpg", "color", "error"),
    "missing depth": (lambda s: s.depth_path(1).unlink(), "000001.png", "depth", "error"),
    "zero depth": (lambda s: paint(s.depth_path(3), 0), "000003.png", "depth", "warning"),
    "missing pose": (lambda s: s.pose_path(1).unlink(), "000001.txt", "pose", "error"),
    "pose of bytes": (lambda s: s.pose_path(1).write_bytes(b"\xff\xfe"), "000001.txt", "pose", "error"),
    "nan pose": (lambda s: s.pose_path(1).write_text("nan " * 16), "000001.txt", "pose", "warning"),
    "lost pose": (lambda s: s.pose_path(1).write_text("-inf " * 16), "000001.txt", "pose", "warning"),
    "stretched pose": (lambda s: s.pose_path(1).write_text("3 " * 16), "000001.txt", "pose", "error"),
    "no focal length": (
        lambda s: (s.path / "intrinsic/intrinsic_depth.txt").write_text("0 " * 16), "room", "intrinsic_depth", "error"
    ),
    "bad alignment": (
        lambda s: (s.path / f"{s.scene_id}.txt").write_text("axisAlignment = 1 2 3\n"), "room", "axisAlignment", "error"
    ),
    "unknown instance": (
        lambda s: paint(s.instance_path(0), 99), "000000.png", "instance", "error"
    ),
    "clashing ids": (
        lambda s: edit_objects(s, lambda o: o[1].update(object_id=1)), "room", "objects", "error"
    ),
    "endless box": (
        lambda s: edit_objects(s, lambda o: o[1].update(size_m=[1, float("inf"), 1])), "room", "objects", "error"
    ),
}  # fmt: skip


def test_a_sound_scene_has_no_faults(scene):
    assert validate_scene(scene.path) == []


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_told_once_with_file_and_field(scene, name):
    spoil, file, field, severity = FAULTS[name]
    spoil(scene)
    faults = [f for f in validate_scene(scene.path) if not (name == "clashing ids" and f.field == "instance")]
    assert [(f.field, f.severity) for f in faults] == [(field, severity)]
    assert file in str(faults[0].file) and faults[0].received and faults[0].expected not in ("", "-")


def test_every_fault_is_told_not_only_the_first(scene):
    for name in ("corrupt colour", "nan pose", "zero depth"):
        FAULTS[name][0](scene)
    assert {f.field for f in validate_scene(scene.path)} == {"color", "pose", "depth"}


def test_the_verb_exits_with_1_only_on_errors(scene, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"class_names": CLASS_NAMES}))
    run = lambda: CliRunner().invoke(data, ["validate", str(tmp_path)])  # noqa: E731
    assert run().exit_code == 0 and "0 errors, 0 warnings" in run().output
    FAULTS["zero depth"][0](scene)
    assert run().exit_code == 0 and "0 errors, 1 warnings" in run().output
    FAULTS["stretched pose"][0](scene)
    assert run().exit_code == 1 and "000001.txt: pose" in run().output


def test_of_a_huge_data_set_some_frames_can_be_looked_at(scene):
    for name in ("stretched pose", "zero depth"):
        FAULTS[name][0](scene)  # of frames 1 and 3
    assert validate_scene(scene.path, every=2) == []
    assert [fault.field for fault in validate_scene(scene.path, every=3)] == ["depth"]


def test_class_names_and_annotations_are_checked(scene, tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"class_names": ["wall"]}))
    scanqa = tmp_path / "annotations" / "scanqa"
    scanqa.mkdir(parents=True)
    record = {
        "scene_id": "elsewhere",
        "question_id": "q1",
        "question": " ",
        "answers": ["x"],
        "object_ids": [],
        "object_names": [],
    }
    (scanqa / "ScanQA_v1.0_val.json").write_text(json.dumps([record]))
    told = [str(fault) for fault in validate_root(tmp_path)]
    assert len(told) == 3 and "scanqa q1 question" in told[0] and "elsewhere" in told[1] and "table" in told[2]
    (scanqa / "ScanQA_v1.0_val.json").write_text("[{}]")
    assert any(fault.severity == "error" and fault.field == "val" for fault in validate_root(tmp_path))
