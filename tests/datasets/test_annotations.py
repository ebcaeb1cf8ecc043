"""Annotation files: ours and the real ones through the same readers, and back without loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.datasets.readers import (
    question_type,
    read_annotations,
    read_beacon3d,
    read_grounding,
    read_msqa,
    read_scanqa,
    read_sqa3d,
    read_sqa3d_localization,
    read_sqa3d_localization_files,
    read_vsibench,
    with_grounding,
)
from loc3r.datasets.records import SceneRecord, read_record_map
from loc3r.datasets.sample import Sample
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import AnnotationError
from loc3r.geometry.headings import angle_between_deg
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.language import describe
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room

CENTER = (1.25, -2.5, 0.75)


def box_center(scene_id: str) -> tuple[float, float, float]:
    return CENTER


@pytest.fixture(scope="module")
def rooms() -> list[tuple[Room, list[Sample]]]:
    made = []
    for seed in (3, 4):
        room = furnish(seed, "test", FurniturePack.load())
        visible_px = np.where(np.arange(24)[:, None] >= np.arange(len(room.objects)) % 20, 200, 0)
        made.append((room, describe(room, visible_px, np.random.default_rng(seed))))
    return made


@pytest.fixture(scope="module")
def root(rooms: list[tuple[Room, list[Sample]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("annotated")
    parts = [room_part(room, samples, CENTER) for room, samples in rooms]
    write_annotations(folder, "train", [json.loads(json.dumps(part)) for part in parts])
    return folder


def assert_same(before: Sample, after: Sample) -> None:
    poses = {"position_m", "heading_rad", "alternative_situations"}  # the writer tells which texts share a pose
    assert after.model_dump(exclude=poses) == before.model_dump(exclude=poses)
    assert (before.position_m is None) == (after.position_m is None)
    if before.position_m is not None and before.heading_rad is not None and after.heading_rad is not None:
        assert after.position_m == pytest.approx(before.position_m, abs=1e-6)
        assert np.radians(angle_between_deg(before.heading_rad, after.heading_rad)) < 1e-6


def test_rooms_come_back_from_their_files(rooms: list[tuple[Room, list[Sample]]], root: Path) -> None:
    read = {sample.sample_id: sample for sample in read_annotations(root, "train", box_center)}
    written = [sample for _, samples in rooms for sample in samples]
    assert len(read) == len(written)
    for sample in written:
        assert_same(sample, read[sample.sample_id])


@settings(max_examples=30, deadline=None)
@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(-3.14159, 3.14159), st.text(min_size=1).filter(str.strip))
def test_any_pose_and_text_come_back(
    rooms: list[tuple[Room, list[Sample]]],
    tmp_path_factory: pytest.TempPathFactory,
    x_m: float,
    y_m: float,
    heading_rad: float,
    text: str,
) -> None:
    room, samples = rooms[0]
    update = {"position_m": (x_m, y_m), "heading_rad": heading_rad, "situation": text, "question": text, "mentions": ()}
    sample = samples[0].model_copy(update=update)
    folder = tmp_path_factory.mktemp("one")
    write_annotations(folder, "val", [room_part(room, [sample], CENTER)])
    (back,) = read_annotations(folder, "val", box_center)
    assert_same(sample, back)


def test_the_same_parts_give_the_same_bytes(rooms: list[tuple[Room, list[Sample]]], root: Path, tmp_path: Path) -> None:
    write_annotations(tmp_path, "train", [room_part(room, samples, CENTER) for room, samples in rooms])
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    assert len(files) == 8
    assert all((root / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_localisation_files_hold_the_same_poses(rooms: list[tuple[Room, list[Sample]]], root: Path) -> None:
    poses = {s.sample_id: s for s in read_sqa3d_localization(root / "annotations" / "sqa3d", "train", box_center)}
    for sample in (s for _, samples in rooms for s in samples if s.dataset == "sqa3d"):
        pose = poses[sample.sample_id]
        assert pose.situation == sample.situation and pose.answers == ()
        assert pose.position_m == pytest.approx(sample.position_m, abs=1e-6)


def test_further_wordings_of_a_pose_are_marked_augmented(root: Path) -> None:
    folder = root / "annotations" / "sqa3d"
    situations = json.loads((folder / "v1_situations_train_scannetv2.json").read_text())["situations"]
    questions = json.loads((folder / "v1_balanced_questions_train_scannetv2.json").read_text())["questions"]
    assert any(row["augmented"] for row in situations) and not all(row["augmented"] for row in situations)
    for row, question in zip(situations, questions, strict=True):
        assert bool(question["alternative_situation"]) or not row["augmented"]


def test_boxes_are_the_room_s_in_the_raw_frame(rooms: list[tuple[Room, list[Sample]]], root: Path) -> None:
    scenes = read_record_map(root / "annotations" / "vsibench" / "scannet_meta_info_train.json", SceneRecord)
    for room, _ in rooms:
        scene = scenes[room.scene_id]
        assert scene.room_size == pytest.approx(room.size_m[0] * room.size_m[1])
        for thing in room.furniture:
            raw = room.raw_from_room @ np.array([*thing.center_m, 1.0])
            box = min(scene.object_bbox[thing.name], key=lambda b: float(np.abs(np.array(b.centroid) - raw[:3]).sum()))
            assert box.centroid == pytest.approx(raw[:3].tolist())
            corners = np.array([[*corner, 0, 1] for corner in thing.footprint_m]) @ room.raw_from_room.T
            assert box.min[:2] == pytest.approx(corners[:, :2].min(0).tolist())
            assert box.max[:2] == pytest.approx(corners[:, :2].max(0).tolist())


def keys(value: Any) -> Any:
    """The shape of a JSON value: its keys, and those of a list's first row."""
    if isinstance(value, dict):
        return {key: keys(item) for key, item in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else type(value) is str


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("sqa3d/v1_balanced_questions_{}_scannetv2.json", "val"),
        ("sqa3d/v1_balanced_sqa_annotations_{}_scannetv2.json", "val"),
        ("sqa3d/v1_situations_{}_scannetv2.json", "train"),
        ("sqa3d/v1_localization_annotations_{}_scannetv2.json", "train"),
        ("scanqa/ScanQA_v1.0_{}.json", "val"),
    ],
)
def test_our_files_have_the_keys_of_the_real_ones(root: Path, shared_data: Path, name: str, split: str) -> None:
    ours = json.loads((root / "annotations" / name.format("train")).read_text())
    real = json.loads((shared_data / name.format(split)).read_text())
    rows_of_ours = next(v for v in ours.values() if isinstance(v, list)) if isinstance(ours, dict) else ours
    rows_of_real = next(v for v in real.values() if isinstance(v, list)) if isinstance(real, dict) else real
    assert set(rows_of_ours[0]) == set(rows_of_real[0])
    if isinstance(real, dict):
        assert set(ours) == set(real)
    if "annotations" in name:
        assert all(set(rows_of_ours[0][k]) == set(rows_of_real[0][k]) for k in ("position", "rotation"))


def test_our_scene_metadata_has_the_keys_of_vsi_bench(root: Path, shared_data: Path) -> None:
    ours = json.loads((root / "annotations/vsibench/scannet_meta_info_train.json").read_text())
    real = json.loads((shared_data / "vsibench/scannet_meta_info_val.json").read_text())
    mine, theirs = next(iter(ours.values())), next(iter(real.values()))
    assert set(mine) == set(theirs)
    box = [next(iter(scene["object_bbox"].values()))[0] for scene in (mine, theirs)]
    assert set(box[0]) == set(box[1])


def test_real_sqa3d_is_read_whole(shared_data: Path) -> None:
    samples = read_sqa3d(shared_data / "sqa3d", "val", lambda _: (0, 0, 0))
    assert len(samples) == 3261 and len({s.scene_id for s in samples}) == 65
    assert all(len(s.answers) == 1 and s.position_m and s.heading_rad is not None for s in samples)
    first = samples[0]
    assert (first.sample_id, first.answers, first.question_type) == ("220602000037", ("right",), "which")
    assert first.position_m == pytest.approx((-1.612321909455232, 3.8766019062927524))
    moved = read_sqa3d(shared_data / "sqa3d", "val", lambda _: CENTER)[0]
    assert moved.position_m == pytest.approx((first.position_m[0] + 1.25, first.position_m[1] - 2.5))


def test_real_scanqa_and_vsi_scenes_are_read_whole(shared_data: Path) -> None:
    assert len(read_scanqa(shared_data / "scanqa", "val")) == 4675
    assert read_scanqa(shared_data / "scanqa", "test_w_obj")[0].answers == ()
    counts = {
        s: len(read_record_map(shared_data / "vsibench" / f"{s}_meta_info_val.json", SceneRecord))
        for s in ("scannet", "scannetpp", "arkitscenes")
    }
    assert counts == {"scannet": 67, "scannetpp": 50, "arkitscenes": 150}


def test_question_types_are_sqa3d_s_published_ones() -> None:
    asked = {
        "What is it?": "what",
        "isn't it?": "is",
        "Are there two?": "others",
        " How many?": "how",
        "Which one?": "which",
    }
    assert {question: question_type(question) for question in asked} == asked


def test_options_are_part_of_the_prompt() -> None:
    sample = Sample(
        sample_id="1", dataset="vsibench", scene_id="s", question="Where?", answers=("A",), question_type="t",
        options=("A. left", "B. right"),
    )  # fmt: skip
    assert sample.prompt == "Where?\nOptions:\nA. left\nB. right"
    assert sample.model_copy(update={"options": ()}).prompt == "Where?"


# Files that break their format: the error names the file, the field, what came and what was expected.

Edit = Callable[[dict[str, Any]], None]


def edit_rows(change: Callable[[list[Any]], None]) -> Edit:
    def edit(content: dict[str, Any]) -> None:
        change(next(value for value in content.values() if isinstance(value, list)))

    return edit


@pytest.mark.parametrize(
    ("file", "edit", "says"),
    [
        ("questions", edit_rows(lambda rows: rows[2].pop("situation")), r"questions\[2\]\.situation"),
        ("questions", edit_rows(lambda rows: rows[0].update(question_id="x")), r"questions\[0\]\.question_id"),
        ("questions", lambda content: content.pop("questions"), "no field 'questions'"),
        ("sqa_annotations", edit_rows(lambda rows: rows[1]["rotation"].pop("_w")), r"annotations\[1\]\.rotation\._w"),
        ("sqa_annotations", edit_rows(lambda rows: rows[1]["position"].update(x=float("nan"))), r"\[1\]\.position\.x"),
        ("sqa_annotations", edit_rows(lambda rows: rows[0].update(answers=[])), r"annotations\[0\]\.answers"),
        ("sqa_annotations", edit_rows(lambda rows: rows.pop(4)), "no annotation for id"),
        ("sqa_annotations", edit_rows(lambda rows: rows[4].update(scene_id="scene0000_00")), "no annotation for id"),
    ],
)
def test_a_broken_file_says_where_and_how(root: Path, tmp_path: Path, file: str, edit: Edit, says: str) -> None:
    for part in ("questions", "sqa_annotations"):
        name = f"v1_balanced_{part}_train_scannetv2.json"
        content = json.loads((root / "annotations/sqa3d" / name).read_text())
        if part == file:
            edit(content)
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=says) as caught:
        read_sqa3d(tmp_path, "train", box_center)
    assert f"v1_balanced_{file}_train" in str(caught.value)
    assert caught.value.received is not None and caught.value.expected is not None


def test_missing_truncated_and_empty_files_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"ScanQA_v1\.0_val\.json: no such file"):
        read_scanqa(tmp_path, "val")
    whole = (root / "annotations/vsibench/test.jsonl").read_text()
    (tmp_path / "test.jsonl").write_text(whole[:-20])
    with pytest.raises(AnnotationError, match=r"test\.jsonl:\d+: not JSON"):
        read_vsibench(tmp_path)
    with pytest.raises(AnnotationError, match="no annotations"):
        read_annotations(tmp_path, "train", box_center)


@pytest.mark.parametrize("text", ["[" * 100_000, f"[{'9' * 5000}]", '[{"question_id": "x"}]'])
def test_json_that_python_can_t_hold_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "scannet_qa.json").write_text(text)
    with pytest.raises(AnnotationError, match="scannet_qa"):
        read_beacon3d(tmp_path)
    with pytest.raises(AnnotationError, match="can't be read"):
        read_sqa3d_localization_files(tmp_path, tmp_path, box_center)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    row = {"question_id": "s_0_0_class_no", "scene_id": "s", "question": "What is it?", "answers": ["chair"]}
    (tmp_path / "scannet_qa.json").write_text(json.dumps([row]), encoding="utf-8-sig")
    assert read_beacon3d(tmp_path)[0].question_type == "class"


def test_an_alignment_that_can_t_be_undone_is_refused(tmp_path: Path) -> None:
    row = {"index": 0, "scan_id": "s", "type": "counting", "situation": "", "question": "", "answers": [],
           "location": [0, 0, 0]}  # fmt: skip
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    with pytest.raises(AnnotationError, match="axisAlignment"):
        read_msqa(tmp_path / "rows.json", lambda scan_id: np.zeros((4, 4)))


def test_lines_end_at_newlines_alone(root: Path, tmp_path: Path) -> None:
    row = json.loads((root / "annotations/vsibench/test.jsonl").read_text().split("\n")[0])
    asked = "How far\u2028is\x85the door\x0b?"
    lines = [json.dumps({**row, "id": number, "question": asked}, ensure_ascii=False) for number in (1, 2)]
    (tmp_path / "test.jsonl").write_text("\r\n".join(lines) + "\n", encoding="utf-8", newline="")
    assert [(s.sample_id, s.question) for s in read_vsibench(tmp_path)] == [("1", asked), ("2", asked)]


def test_a_mention_outside_its_text_is_refused(root: Path) -> None:
    grounding = read_grounding(root / "annotations/grounding.jsonl")
    samples = read_sqa3d(root / "annotations/sqa3d", "train", box_center)
    short = [sample.model_copy(update={"situation": "I am"}) for sample in samples]
    with pytest.raises(AnnotationError, match="outside its situation"):
        with_grounding(short, grounding)


MSQA_ROW = {
    "index": 1, "scan_id": "s", "type": "counting", "situation": "I sit.", "question": "How many?", "answers": ["two"],
    "location": [1, 2, 0],
}  # fmt: skip
BEACON_ROW = {
    "question_id": "s_4_0_spatial_1", "scene_id": "s", "question": "Where?", "answers": ["here"], "object_ids": [4],
}  # fmt: skip


def test_a_folder_s_data_sets_come_in_their_own_splits(tmp_path: Path) -> None:
    annotations = tmp_path / "annotations"
    for name, row in (("msqa/msqa_scannet_test_subset_827.json", MSQA_ROW), ("beacon3d/scannet_qa.json", BEACON_ROW)):
        (annotations / name).parent.mkdir(parents=True)
        (annotations / name).write_text(json.dumps([row]))
    with pytest.raises(AnnotationError, match="axisAlignment"):
        read_annotations(tmp_path, "test", box_center)
    samples = read_annotations(tmp_path, "test", box_center, lambda _: np.eye(4))
    assert [(s.dataset, s.question_type, s.position_m) for s in samples] == [
        ("msqa", "counting", (1.0, 2.0)), ("beacon3d", "spatial", None),
    ]  # fmt: skip
    with pytest.raises(AnnotationError, match="no annotations"):
        read_annotations(tmp_path, "train", box_center, lambda _: np.eye(4))


def test_situations_beyond_the_questions_come_too(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "annotations" / "sqa3d"
    folder.mkdir(parents=True)
    for name in ("situations", "localization_annotations"):
        file = f"v1_{name}_train_scannetv2.json"
        (folder / file).write_text((root / "annotations" / "sqa3d" / file).read_text())
    alone = read_annotations(tmp_path, "train", box_center)
    assert alone and {sample.dataset for sample in alone} == {"sqa3d-localization"}
    assert "sqa3d-localization" not in {sample.dataset for sample in read_annotations(root, "train", box_center)}
