from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from box_rooms import CLASS_NAMES, SIZE_M, box_room, write_box_room
from click.testing import CliRunner
from PIL import Image

from loc3r.errors import DataError, UnknownSceneError
from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import sqa3d_from_heading
from loc3r.priors.pose_token import DIM
from loc3r.recipe import Recipe
from loc3r.scenes import prepare as prepare_module
from loc3r.scenes.command import prepare as prepare_verb
from loc3r.scenes.format import SceneFolder
from loc3r.scenes.prepare import prepare
from loc3r.scenes.shards import PreparedData

SCENES = ("room_000001_00", "room_000002_00", "room_000003_00")
RECIPE = Recipe.model_validate(
    {
        "name": "t",
        "data": {"frames": 3, "frame_size_px": 32, "patch_px": 8, "pool": 2, "prior": "none", "frame_fit": "squash"},
    }
)
STAND_M, HEADING_RAD = np.array([1.0, 2.5]), 0.7  # in the room frame


@pytest.fixture(autouse=True)
def two_a_shard(monkeypatch):
    monkeypatch.setattr(prepare_module, "SCENES_A_SHARD", 2)


@pytest.fixture
def root(tmp_path):
    for scene_id in SCENES:
        write_box_room(tmp_path / "rooms", scene_id)
    (tmp_path / "rooms" / "manifest.json").write_text(json.dumps({"class_names": CLASS_NAMES}))
    write_annotations(tmp_path / "rooms")
    return tmp_path / "rooms"


def write_annotations(root):
    """One SQA3D question a scene: the speaker stands at STAND_M and faces the table."""
    questions, annotations, grounding = [], [], []
    for number, scene_id in enumerate(SCENES, 1):
        raw = box_room(scene_id).raw_from_room
        center = SceneFolder(root / "scans" / scene_id).box_center_m
        x, y = raw[:2, :2] @ STAND_M + raw[:2, 3] - center[:2]
        turn = np.arctan2(raw[1, 0], raw[0, 0])
        situation = "I am facing the table."
        questions.append(
            {
                "scene_id": scene_id,
                "situation": situation,
                "alternative_situation": [],
                "question": "What is this?",
                "question_id": number,
            }
        )
        annotations.append(
            {
                "scene_id": scene_id, "question_type": "N/A", "answer_type": "other", "question_id": number,
                "answers": [{"answer": "table", "answer_confidence": "yes", "answer_id": 1}],
                "rotation": sqa3d_from_heading(HEADING_RAD + turn), "position": {"x": x, "y": y, "z": 0},
            }
        )  # fmt: skip
        mention = {"field": "situation", "start": 16, "end": 21, "object_id": 7}
        grounding.append(
            {
                "sample_id": str(number),
                "situation_form": "facing",
                "question_type": "name",
                "look_at_object_id": 7,
                "mentions": [mention],
            }
        )
    folder = root / "annotations" / "sqa3d"
    folder.mkdir(parents=True)
    (folder / "v1_balanced_questions_train_scannetv2.json").write_text(json.dumps({"questions": questions}))
    (folder / "v1_balanced_sqa_annotations_train_scannetv2.json").write_text(json.dumps({"annotations": annotations}))
    scanqa = {"scene_id": SCENES[0], "question_id": "q1", "question": "What colour?", "answers": ["red", "brown"]}
    (root / "annotations" / "scanqa").mkdir()
    (root / "annotations" / "scanqa" / "ScanQA_v1.0_train.json").write_text(
        json.dumps([scanqa | {"object_ids": [7], "object_names": ["table"]}])
    )
    (root / "annotations" / "grounding.jsonl").write_text("".join(json.dumps(line) + "\n" for line in grounding))


def test_patches_lie_on_the_walls_and_know_their_class(root, tmp_path):
    data = PreparedData(prepare([root], "train", RECIPE, tmp_path / "out", workers=1))
    scene, room = data.scene(SCENES[0]), box_room(SCENES[0])
    bev = BevFrame.from_first_pose(room.poses[0])
    xy = bev.to_world(scene.patch_xy_m)
    assert scene.frames.shape == (3, 32, 32, 3) and scene.patch_xy_m.shape == (3, 2, 2, 2)
    assert scene.patch_valid.all() and scene.camera_tokens.shape == (3, 8)
    assert (xy > -0.02).all() and (xy < np.array(SIZE_M[:2]) + 0.02).all()
    upper = scene.patch_class[:, 0]
    assert {data.class_names[i] for i in upper.ravel()} <= {"wall", "ceiling"}


def test_samples_objects_and_outline_are_in_the_frame_of_the_first_camera(root, tmp_path):
    data = PreparedData(prepare([root], "train", RECIPE, tmp_path / "out", workers=1))
    for scene_id in SCENES:
        sample, scene = data.samples_of(scene_id)[0], data.scene(scene_id)
        bev = BevFrame.from_first_pose(box_room(scene_id).poses[0])
        np.testing.assert_allclose(sample.position_m, bev.from_world(STAND_M), atol=1e-5)
        np.testing.assert_allclose(sample.heading_rad, bev.heading_from_world(HEADING_RAD), atol=1e-6)
        table = next(thing for thing in scene.objects if thing.name == "table")
        np.testing.assert_allclose(table.xy_m, bev.from_world([3.0, 2.0]), atol=1e-5)
        np.testing.assert_allclose(sample.look_at_m, table.xy_m)
        field, start, end, x, y = sample.mentions[0]
        assert getattr(sample, field)[start:end] == "table" and (x, y) == sample.look_at_m
        corners = bev.to_world(scene.room_outline_m)
        np.testing.assert_allclose([corners.min(0), corners.max(0)], [[0, 0], SIZE_M[:2]], atol=1e-5)


def test_the_scan_s_axes_turn_every_target_alike(root, tmp_path):
    """Against the default: the same frames, and every target where the other map has it."""
    scan = RECIPE.model_copy(update={"data": RECIPE.data.model_copy(update={"bird_eye_yaw": "scan"})})
    one, other = (
        PreparedData(prepare([root], "train", recipe, tmp_path / name, workers=1, only=SCENES[:1]))
        for name, recipe in (("first", RECIPE), ("scan", scan))
    )
    bev, turned = one.bev(SCENES[0]), other.bev(SCENES[0])
    assert turned.yaw_rad == 0 != bev.yaw_rad and one.data_hash != other.data_hash
    usual, scene = one.scene(SCENES[0]), other.scene(SCENES[0])
    assert (scene.frames == usual.frames).all() and (scene.patch_valid == usual.patch_valid).all()
    places = turned.to_world(scene.patch_xy_m), bev.to_world(usual.patch_xy_m)
    np.testing.assert_allclose(*places, atol=1e-5)
    for thing, same in zip(scene.objects, usual.objects, strict=True):
        np.testing.assert_allclose(turned.to_world(thing.footprint_m), bev.to_world(same.footprint_m), atol=1e-5)
    for sample, same in ((data.samples[0] for data in (other, one)),):
        np.testing.assert_allclose(turned.to_world(sample.position_m), bev.to_world(same.position_m), atol=1e-5)
        assert turned.heading_to_world(sample.heading_rad) == pytest.approx(bev.heading_to_world(same.heading_rad))


def test_a_sample_without_a_situation_has_no_pose(root, tmp_path):
    data = PreparedData(prepare([root], "train", RECIPE, tmp_path / "out", workers=1))
    sample = next(sample for sample in data.samples if sample.dataset == "scanqa")
    assert (sample.situation, sample.position_m, sample.heading_rad, sample.look_at_m) == (None,) * 4
    assert sample.answers == ("red", "brown") and sample.mentions == ()
    assert [s.dataset for s in data.samples_of(SCENES[0])] == ["sqa3d", "scanqa"]


def test_rerun_recomputes_only_what_changed_and_keeps_the_hash(root, tmp_path, monkeypatch):
    out = prepare([root], "train", RECIPE, tmp_path / "out", workers=1)
    before, made = PreparedData(out).manifest, []
    real = prepare_module.scene_row
    monkeypatch.setattr(prepare_module, "scene_row", lambda path, *rest: made.append(path.name) or real(path, *rest))
    prepare([root], "train", RECIPE, out, workers=1)
    assert made == [] and PreparedData(out).manifest == before
    os.utime(root / "scans" / SCENES[2] / "objects.json")
    (out / "scenes-00009.parquet").touch()
    prepare([root], "train", RECIPE, out, workers=1)
    assert made == [SCENES[2]] and PreparedData(out).data_hash == before["data_hash"]
    assert not (out / "scenes-00009.parquet").exists()
    fewer = RECIPE.model_copy(update={"data": RECIPE.data.model_copy(update={"frames": 2})})
    prepare([root], "train", fewer, out, workers=1)
    assert made[1:] == list(SCENES) and PreparedData(out).data_hash != before["data_hash"]


def test_several_data_sets_are_one_preparation(root, tmp_path):
    other = tmp_path / "more"
    write_box_room(other, "room_000009_00")
    (other / "manifest.json").write_text(json.dumps({"class_names": [*CLASS_NAMES[::-1], "zebra"], "tier": "T1"}))
    both = PreparedData(prepare([root, other], "train", RECIPE, tmp_path / "both", workers=1))
    alone = PreparedData(prepare([root], "train", RECIPE, tmp_path / "alone", workers=1))
    assert both.scene_ids == (*SCENES, "room_000009_00") and both.samples == alone.samples
    assert both.class_names == (*sorted(CLASS_NAMES), "zebra")
    assert "tier" not in both.manifest  # only half of it may be called T1
    names = [np.array(data.class_names)[data.scene(SCENES[0]).patch_class] for data in (both, alone)]
    np.testing.assert_array_equal(*names)
    assert prepare([other], "train", RECIPE, tmp_path / "t1", workers=1)
    assert PreparedData(tmp_path / "t1").manifest["tier"] == "T1"


def test_a_scene_in_two_data_sets_is_refused_before_work(root, tmp_path):
    write_box_room(tmp_path / "more", SCENES[1])
    with pytest.raises(DataError, match=f"(?s)scene of one name.*1 such.*{SCENES[1]}"):
        prepare([root, tmp_path / "more"], "train", RECIPE, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_stopped_half_way_it_resumes(root, tmp_path, monkeypatch):
    real = prepare_module.scene_row

    def stop_at_the_third(path, *rest):
        if path.name == SCENES[2]:
            raise KeyboardInterrupt
        return real(path, *rest)

    monkeypatch.setattr(prepare_module, "scene_row", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        prepare([root], "train", RECIPE, tmp_path / "out", workers=1)
    with pytest.raises(DataError, match="unfinished"):
        PreparedData(tmp_path / "out")
    made = []
    monkeypatch.setattr(prepare_module, "scene_row", lambda path, *rest: made.append(path.name) or real(path, *rest))
    prepare([root], "train", RECIPE, tmp_path / "out", workers=1)
    assert made == [SCENES[2]]


def test_processes_give_the_same_data_as_one(root, tmp_path):
    hashes = {PreparedData(prepare([root], "train", RECIPE, tmp_path / f"{n}", workers=n)).data_hash for n in (1, 2)}
    assert len(hashes) == 1


def test_a_broken_scene_is_dropped_by_name_and_the_rest_is_kept(root, tmp_path):
    scenes = [SceneFolder(root / "scans" / scene_id) for scene_id in SCENES]
    scenes[0].color_path(0).write_bytes(b"\xff\xd8 not a picture")
    scenes[1].pose_path(0).write_text("nan " * 16)
    for i in scenes[2].frame_ids:
        Image.fromarray(np.zeros((36, 48), np.uint16)).save(scenes[2].depth_path(i))
    data = PreparedData(prepare([root], "train", RECIPE, tmp_path / "out", workers=1))
    assert data.scene_ids == SCENES[1:] and "000000.jpg" in data.manifest["dropped"][SCENES[0]]
    assert data.manifest["counts"]["frames_without_pose"] == 1 and data.manifest["samples_without_scene"] == 2
    assert np.isfinite(data.scene(SCENES[1]).patch_xy_m).all()
    blind = data.scene(SCENES[2])
    assert not blind.patch_valid.any() and np.isnan(blind.patch_xy_m).all()


def test_no_sound_scene_is_an_error(root, tmp_path):
    for scene_id in SCENES:
        (root / "scans" / scene_id / "pose" / "000000.txt").unlink()
    with pytest.raises(DataError, match="no scene could be prepared"):
        prepare([root], "train", RECIPE, tmp_path / "out", workers=1)


def test_oversampling_walks_more_frames_than_it_shows(root, tmp_path):
    data = RECIPE.data.model_copy(update={"frames": 3, "prior_oversampling": 2})
    out = PreparedData(prepare([root], "train", RECIPE.model_copy(update={"data": data}), tmp_path / "out", workers=1))
    scene, room = out.scene(SCENES[0]), box_room(SCENES[0])
    assert len(scene.frames) == len(scene.camera_tokens) == 3
    assert out.manifest["counts"]["frames"] == 9 and len(room.poses) == 6


def test_oracle_tokens_tell_poses_apart_and_never_reach_serving(root, tmp_path):
    from loc3r.errors import RecipeError
    from loc3r.priors.base import load_prior

    recipe = RECIPE.model_copy(update={"data": RECIPE.data.model_copy(update={"prior": "oracle"})})
    data = PreparedData(prepare([root], "train", recipe, tmp_path / "out", workers=1))
    tokens = data.scene(SCENES[0]).camera_tokens
    assert tokens.shape == (3, DIM) and data.manifest["prior"]["name"] == "oracle"
    assert np.linalg.norm(tokens[0] - tokens[2]) > 1
    # The same walk in three raw frames has the same tokens: they are in the bird's-eye frame.
    np.testing.assert_allclose(tokens, data.scene(SCENES[1]).camera_tokens, atol=1e-4)
    with pytest.raises(RecipeError):
        load_prior("oracle")


def test_prepared_data_travels_to_another_process(root, tmp_path):
    data = pickle.loads(pickle.dumps(PreparedData(prepare([root], "train", RECIPE, tmp_path / "out", workers=1))))
    assert data.scene(SCENES[2]).scene_id == SCENES[2] and len(data.samples) == 4
    with pytest.raises(UnknownSceneError):
        data.scene("room_000009_00")


def test_the_verb_prepares_and_names_what_it_dropped(root, tmp_path):
    (root / "scans" / SCENES[0] / "pose" / "000000.txt").unlink()
    recipe = tmp_path / "r.yaml"
    recipe.write_text(RECIPE.to_yaml())
    arguments = [
        "--root",
        root,
        "--recipe",
        recipe,
        "--out",
        tmp_path / "out",
        "--workers",
        1,
        "--set",
        "data.frames=2",
    ]
    result = CliRunner().invoke(prepare_verb, [str(a) for a in arguments])
    assert result.exit_code == 0 and "2 scenes, 2 samples" in result.output and f"dropped {SCENES[0]}" in result.output
    assert PreparedData(tmp_path / "out").manifest["recipe"]["frames"] == 2


CLIPS = Path(__file__).parents[3] / "shared" / "data" / "video"


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the posed clips of ../shared/data are not here")
def test_real_posed_clips_give_a_plausible_map(tmp_path):
    data = PreparedData(prepare([CLIPS], "val", RECIPE, tmp_path / "out", workers=1))
    assert len(data.scene_ids) == 2 and data.samples == []
    for scene_id in data.scene_ids:
        scene = data.scene(scene_id)
        assert scene.patch_valid.mean() > 0.9
        assert (scene.patch_xy_m[0, ..., 1] > 0.3).all()  # what the first camera sees lies ahead of it
        assert np.abs(scene.patch_xy_m[scene.patch_valid]).max() < 6
