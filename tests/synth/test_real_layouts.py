"""Tier T1: real layouts in our own words, and no room trained on that is tested on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from folders import hash_folder
from hypothesis import given
from hypothesis import strategies as st

from loc3r.cli import loc3r
from loc3r.datasets.leakage import scenes_in
from loc3r.datasets.records import BoxRecord
from loc3r.errors import AnnotationError, DataError, LeakageError, SceneError
from loc3r.files import hash_file, read_json
from loc3r.scenes.format import scene_folders
from loc3r.scenes.validate import validate_root
from loc3r.synth.cousins.boxes import AT_WALL_M, widened
from loc3r.synth.cousins.disk import Shown
from loc3r.synth.cousins.layouts import confirmed, read_jobs
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import Parameters
from loc3r.synth.language import describe
from loc3r.synth.layout import furnish

FRAMES = 6
HOME, HALL, SCAN, RESCAN = "77000001", "77000004", "scene9001_00", "scene9001_01"
FURNITURE: dict[str, list[tuple[tuple[float, float, float], tuple[float, float, float]]]] = {
    "door": [((0.0, 0.8, 1.0), (0.1, 0.9, 2.0))],
    "window": [((2.5, 4.0, 1.5), (1.2, 0.1, 1.2))],
    "bed": [((4.0, 3.0, 0.3), (2.0, 1.6, 0.6))],
    "sofa": [((2.5, 0.5, 0.4), (2.0, 0.9, 0.8))],
    "table": [((0.8, 3.2, 0.37), (1.2, 0.8, 0.74))],
    "chair": [((0.8, 2.4, 0.45), (0.5, 0.5, 0.9))],
    "refrigerator": [((4.6, 0.4, 0.9), (0.6, 0.6, 1.8))],
    "whiteboard": [((4.95, 1.5, 1.5), (0.05, 1.0, 0.8))],
    "headphones": [((0.8, 3.2, 0.8), (0.2, 0.2, 0.1))],
}
"""Class to (centre, size) of its boxes, all upright, in a room of 5 m by 4 m."""


def scene_of(boxes: dict[str, list[Any]], dataset: str, floor_m2: float = 20.0) -> dict[str, Any]:
    records = {name: [box(center, size) for center, size in group] for name, group in boxes.items()}
    counts = {name: len(group) for name, group in boxes.items()}
    center = [2.4, 2.1, 1.0]
    row = {"room_size": floor_m2, "object_counts": counts, "room_center": center, "video_path": "", "dataset": dataset}
    return row | {"object_bbox": records}


def box(center_m: tuple[float, float, float], size_m: tuple[float, float, float]) -> dict[str, Any]:
    center, half = np.array(center_m), np.array(size_m) / 2
    record = BoxRecord(
        centroid=list(center_m), axes_lengths=list(size_m), normalized_axes=np.eye(3).ravel().tolist(),
        min=(center - half).tolist(), max=(center + half).tolist(),
    )  # fmt: skip
    return record.model_dump(by_alias=True)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home, one that is all bed, one of unknown things, and one of which little was boxed."""
    scenes = {
        HOME: scene_of(FURNITURE, "arkitscenes"),
        "77000002": scene_of({"bed": [((2.0, 2.0, 0.4), (4.0, 4.0, 0.8))]}, "arkitscenes", 16.0),
        "77000003": scene_of({"headphones": FURNITURE["headphones"]}, "arkitscenes"),
        HALL: scene_of({"bed": FURNITURE["bed"], "chair": FURNITURE["chair"]}, "arkitscenes", 30.0),
    }
    return written(tmp_path_factory.mktemp("boxes") / "homes.json", scenes)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rooms with ScanNet's ids."""
    scenes = {name: scene_of(FURNITURE, "scannet") for name in (SCAN, "scene9002_00")}
    return written(tmp_path_factory.mktemp("boxes") / "scans.json", scenes)


def written(path: Path, scenes: dict[str, Any]) -> Path:
    path.write_text(json.dumps(scenes))
    return path


def run(boxes: Path, out: Path, *more: str) -> Result:
    arguments = ["synth", "layouts", "--boxes", str(boxes), "--out", str(out), "--frames", str(FRAMES)]
    return CliRunner().invoke(loc3r, [*arguments, "--workers", "1", *more], catch_exceptions=False)


@pytest.fixture(scope="module")
def made(homes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Rooms to train on."""
    out = tmp_path_factory.mktemp("layouts") / "train"
    return out, run(homes, out)


@pytest.fixture(scope="module")
def tested(homes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rooms to test on."""
    out = tmp_path_factory.mktemp("layouts") / "test"
    run(homes, out, "--split", "test")
    return out


def test_a_room_is_sound_and_what_is_lost_is_said(homes: Path, made: tuple[Path, Result]) -> None:
    root, result = made
    assert [str(fault) for fault in validate_root(root) if fault.severity == "error"] == []
    assert [folder.name for folder in scene_folders(root)] == sorted(scenes_in(root)) == [HOME, HALL]
    manifest = read_json(root / "manifest.json")
    assert (manifest["tier"], manifest["split"], manifest["scenes"]) == ("T1", "train", {"arkitscenes": 2})
    assert manifest["sources"]["boxes"] == [{"name": "homes.json", "sha256": hash_file(homes)}]
    assert manifest["dropped"]["boxes"] == {"headphones": 1}
    assert "no floor to walk on" in manifest["dropped"]["scenes"]["77000002"]
    assert "nothing of this layout" in manifest["dropped"]["scenes"]["77000003"]
    assert all(f"dropped {scene_id}: " in result.output for scene_id in manifest["dropped"]["scenes"])
    assert "dropped 1 boxes: no furniture for 'headphones'" in result.output


def test_texts_are_ours_in_the_public_files_and_the_source_s_frame(made: tuple[Path, Result]) -> None:
    root, _ = made
    header = read_json(root / "annotations/sqa3d/v1_balanced_questions_train_scannetv2.json")
    manifest = read_json(root / "manifest.json")
    assert len(header["questions"]) == manifest["samples"]["sqa3d"] > 10
    assert header["data_type"] == "layouts" and "not the real scans" in header["info"]["description"]
    metas = read_json(root / "annotations/vsibench/scannet_meta_info_train.json")
    assert metas[HALL]["room_size"] == pytest.approx(30.0)
    meta = metas[HOME]
    assert meta["room_center"] == pytest.approx([2.4, 2.1, 1.0], abs=1e-5)
    bed = meta["object_bbox"]["bed"][0]
    assert bed["centroid"][:2] == pytest.approx([4.0, 3.0])
    assert sorted(bed["axesLengths"][:2]) == pytest.approx([1.6, 2.0])


def test_training_has_furniture_and_words_of_its_own(made: tuple[Path, Result], tested: Path) -> None:
    pack = FurniturePack.load()
    manifests = [read_json(root / "manifest.json") for root in (made[0], tested)]
    models = [
        [pack.by_id(row["model_id"]) for row in read_json(root / "parts" / f"{HOME}.json")["objects"]]
        for root in (made[0], tested)
    ]
    assert {model.split for model in models[0]} == {"train"} and manifests[0]["of_the_other_pool"] == 0
    assert {model.name for model in models[1] if model.split == "train"} == {"whiteboard"}  # no other has one
    assert manifests[1]["of_the_other_pool"] == 1 and not any(model.is_drawn for model in models[1])
    told = [(manifest["parameters"]["varied"], manifest["parameters"]["language"]) for manifest in manifests]
    assert told == [(True, "wide"), (False, "templates")]


def test_a_second_run_makes_only_what_is_missing(homes: Path, made: tuple[Path, Result]) -> None:
    root, _ = made
    before, times = hash_folder(root), {path: path.stat().st_mtime_ns for path in (root / "scans").rglob("*")}
    run(homes, root)
    assert {path: path.stat().st_mtime_ns for path in (root / "scans").rglob("*")} == times
    part = root / "parts" / f"{HOME}.json"
    part.unlink()
    run(homes, root)
    assert part.exists() and hash_folder(root) == before


def test_a_kill_leaves_a_half_made_set_that_says_so_and_is_made_whole(homes: Path, made: tuple[Path, Result]) -> None:
    root, _ = made
    before = hash_folder(root)
    (root / "manifest.json").unlink()
    for half in ("parts/.77000001.json.ab12.json", "annotations/sqa3d/.v1.json.ab12.json", ".manifest.json.ab12.json"):
        (root / half).write_text('{"half": ')  # what a kill leaves of loc3r.files.atomic_path
    (root / "scans" / ".77000001.ab12").mkdir()
    for read in (scene_folders, validate_root, scenes_in):
        with pytest.raises(SceneError, match=r"half made[^$]*run the same loc3r synth again"):
            list(read(root))
    run(homes, root)
    assert hash_folder(root) == before


PLACE = st.tuples(st.floats(-5, 5), st.floats(-5, 5))


@given(PLACE, st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), st.floats(0, 90))
def test_a_room_gets_the_floor_it_has(low: tuple[float, float], sides: tuple[float, float], floor_m2: float) -> None:
    before = np.array(low), np.array(low) + sides
    after = widened(*before, np.array([before[0]]), floor_m2)
    assert np.prod(after[1] - after[0]) == pytest.approx(max(floor_m2, sides[0] * sides[1]))
    moved = min(sides) > AT_WALL_M  # else what stands at one wall stands at the opposite one, too
    assert not moved or after[0] == pytest.approx(before[0])


def test_other_rooms_in_the_folder_are_refused(scans: Path, tested: Path) -> None:
    with pytest.raises(DataError, match="holds other rooms"):
        run(scans, tested, "--split", "test")


def test_rooms_of_scannet_are_trained_on_only_without_those_that_are_tested_on(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(LeakageError, match="may be tested on") as refusal:
        run(scans, tmp_path / "out")
    assert "--leave-out v1_situations_val" in str(refusal.value)
    asked = {"situations": [{"scene_id": RESCAN, "situation": "I am here.", "situation_id": 1, "augmented": False}]}
    situations = written(tmp_path / "v1_situations_val_scannetv2.json", asked)
    jobs, left_out = read_jobs([scans], Parameters("train", FRAMES, 4), [situations])
    assert ([job.scene_id for job in jobs], left_out) == (["scene9002_00"], [SCAN])
    with pytest.raises(AnnotationError, match="no scene is left"):
        run(scans, tmp_path / "out", "--leave-out", str(situations), "--leave-out", str(scans))
    assert not (tmp_path / "out").exists()


def test_no_scene_of_t2_is_trained_on_whatever_is_left_out(shared_data: Path, tmp_path: Path) -> None:
    boxes = shared_data / "vsibench" / "scannet_meta_info_val.json"
    t2 = scenes_in(boxes) & scenes_in(shared_data / "sqa3d" / "v1_situations_val_scannetv2.json")
    (tmp_path / "list.txt").write_text(SCAN)
    _, left_out = read_jobs([boxes], Parameters("train", FRAMES, 4), [tmp_path / "list.txt"])
    assert set(left_out) == t2 and len(t2) == 22
    jobs, left_out = read_jobs([boxes], Parameters("test", FRAMES, 4), [])
    assert (len(jobs), left_out) == (67, [])


def test_a_data_set_of_real_layouts_that_tests_on_them_is_enough_to_refuse(homes: Path, tested: Path) -> None:
    with pytest.raises(LeakageError, match=HOME):
        run(homes, tested.parent / "train")
    result = run(homes, tested.parent / "val", "--split", "val", "--leave-out", str(tested), "--situations", "1")
    assert result.exit_code == 0 and f"left out 2 scenes: {HOME} {HALL}" in result.output
    assert read_json(tested.parent / "val" / "manifest.json")["rooms"] == 0


def test_one_scene_in_two_files_is_refused(homes: Path, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="two box files hold one scene"):
        run(homes, tmp_path / "out", "--boxes", str(homes))


def test_what_the_checker_doubts_is_dropped_and_counted() -> None:
    room = furnish(3, "train", FurniturePack.load())
    visible_px = np.full((8, len(room.objects)), 200)
    said = describe(room, visible_px, np.random.default_rng(3), 12)
    wrong = said[0].model_copy(update={"answers": ("a purple elephant",)})
    shown = Shown(replace(room, poses=np.zeros((8, 4, 4))), visible_px, [0.0, 0.0, 0.0], 1.0)
    assert confirmed(shown, [wrong, *said[1:]]) == (said[1:], {"answer": 1})
