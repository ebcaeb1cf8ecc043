"""Rooms in training and test: found whatever the scan, the file's format and the path's kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from loc3r.datasets.leakage import check_leakage, room_of, scenes_in
from loc3r.errors import AnnotationError, DataError, LeakageError
from loc3r.scenes.command import data


def test_rescans_are_one_room() -> None:
    assert room_of("scene0012_00") == room_of("scene0012_03") == "scene0012"
    assert room_of("scannet/scene0012_01.mp4") == "scene0012"
    assert room_of("room_000012_00") == "room_000012_00" and room_of("41069025") == "41069025"


def test_a_rescan_in_training_is_refused_by_name() -> None:
    check_leakage(["scene0001_00", "scene0002_00"], ["scene0003_00"])
    with pytest.raises(LeakageError, match=r"scene0001_00 \(test: scene0001_01\)") as caught:
        check_leakage(["scene0001_00", "scene0002_00"], ["scene0001_01", "scene0003_00"])
    assert caught.value.code == "leakage"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("questions.json", {"info": {}, "questions": [{"scene_id": "scene0001_00"}, {"scene_id": "scene0002_00"}]}),
        ("rows.json", [{"scan_id": "scene0001_00"}, {"scan_id": "scene0002_00"}]),
        ("meta.json", {"scene0001_00": {"room_size": 1}, "scene0002_00": {"room_size": 2}}),
    ],
)
def test_scenes_are_found_in_every_format(tmp_path: Path, name: str, content: object) -> None:
    (tmp_path / name).write_text(json.dumps(content))
    assert scenes_in(tmp_path / name) == {"scene0001_00", "scene0002_00"}
    assert scenes_in(tmp_path) == {"scene0001_00", "scene0002_00"}


def test_scenes_of_lines_lists_and_folders(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"scene_name": "a"}\n{"scene_name": "b"}\n')
    (tmp_path / "split.txt").write_text("scene0001_00\nscene0002_00\n")
    (tmp_path / "root" / "scans" / "scene0005_00").mkdir(parents=True)
    (tmp_path / "root" / "scans" / ".half").mkdir()
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "manifest.json").write_text('{"shards": [{"file": "f", "scenes": ["x", "y"]}]}')
    assert scenes_in(tmp_path / "test.jsonl") == {"a", "b"}
    assert scenes_in(tmp_path / "split.txt") == {"scene0001_00", "scene0002_00"}
    assert scenes_in(tmp_path / "root") == {"scene0005_00"}
    assert scenes_in(tmp_path / "prepared") == {"x", "y"}


def test_a_path_that_names_no_scene_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "broken.json").write_text("[")
    for name, says in (("empty.json", "names no scene"), ("broken.json", "can't be read"), ("absent", "no such file")):
        with pytest.raises(AnnotationError, match=says):
            scenes_in(tmp_path / name)


def test_the_verb_passes_the_real_splits_and_fails_on_a_rescan(shared_data: Path, tmp_path: Path) -> None:
    situations = shared_data / "sqa3d" / "v1_situations_{}_scannetv2.json"
    train, test = (str(situations).format(split) for split in ("train", "val"))
    clean = CliRunner().invoke(data, ["leakage", "--train", train, "--test", test])
    assert clean.exit_code == 0 and "518 rooms to train on, 65 to test on, none in both" in clean.output
    tested = min(scenes_in(Path(test)))
    rescan = tmp_path / "more.txt"
    rescan.write_text(f"{tested[:-2]}77\n")
    leaking = CliRunner().invoke(data, ["leakage", "--train", train, "--train", str(rescan), "--test", test])
    assert isinstance(leaking.exception, LeakageError) and tested in str(leaking.exception)


def test_plans_say_licence_access_and_unknown_sizes() -> None:
    everything = CliRunner().invoke(data, ["plan"])
    assert all(name in everything.output for name in ("scannet", "sqa3d", "scanqa", "msqa", "vsibench", "beacon3d"))
    plan = CliRunner().invoke(data, ["plan", "scanqa"]).output
    assert "CC BY-NC-SA 3.0" in plan and "github.com/ATR-DBI/ScanQA" in plan and "size unknown" in plan
    assert "no plan for this data set" in str(CliRunner().invoke(data, ["plan", "nothing"]).exception)


def test_a_folder_of_posed_images_names_its_scenes_not_the_numbers_of_its_poses(tmp_path: Path) -> None:
    folder = tmp_path / "posed_images" / "scene0001_00"
    folder.mkdir(parents=True)
    for name in ("intrinsic.txt", "00000.jpg", "00000.txt"):
        (folder / name).write_text("1 0 0 0")
    assert scenes_in(tmp_path) == scenes_in(tmp_path / "posed_images") == {"scene0001_00"}


@pytest.mark.parametrize("text", ["[1]", "{", '{"shards": [{}]}'])
def test_a_broken_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises((AnnotationError, DataError), match="manifest"):
        scenes_in(tmp_path)
