"""Real annotation files: read whole, and their places and headings agree with real boxes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from real_speakers import FACING, SITTING, named_by
from scipy.spatial import Delaunay

from loc3r.datasets.readers import (
    box_centers,
    read_beacon3d,
    read_msqa,
    read_sqa3d,
    read_sqa3d_localization,
)
from loc3r.datasets.records import BoxRecord, SceneRecord, read_record_map
from loc3r.datasets.sample import Sample
from loc3r.errors import AnnotationError
from loc3r.files import read_json
from loc3r.geometry.headings import angle_between_deg


def boxes_of(shared_data: Path, source: str) -> dict[str, SceneRecord]:
    return read_record_map(shared_data / "vsibench" / f"{source}_meta_info_val.json", SceneRecord)


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> dict[str, SceneRecord]:
    return boxes_of(shared_data, "scannet")


@pytest.fixture(scope="module")
def speakers(shared_data: Path, scenes: dict[str, SceneRecord]) -> list[Sample]:
    """Every situation text of the val scenes that have boxes, placed among the boxes."""
    centers = box_centers(scenes)
    everyone = read_sqa3d_localization(
        shared_data / "sqa3d", "val", lambda scene: centers(scene) if scene in scenes else (np.nan,) * 3
    )
    known = [sample for sample in everyone if sample.scene_id in scenes]
    assert len(known) == 685 and len({sample.scene_id for sample in known}) == 22
    return known


def inside(box: BoxRecord, place_m: tuple[float, float] | None) -> bool:
    return bool(Delaunay(box.corners_m[:, :2]).find_simplex(np.array(place_m)) >= 0)


def share_seated(speakers: list[Sample], scenes: dict[str, SceneRecord], turn: int = 1) -> float:
    """Share of "sitting on an X" who are inside an X; ``turn`` -1 mirrors their places in the room's centre."""
    found = []
    for sample in speakers:
        boxes = scenes[sample.scene_id].object_bbox.get(named_by(SITTING, sample.situation), ())
        if boxes:
            center = np.array(scenes[sample.scene_id].room_center[:2])
            x, y = center + turn * (np.array(sample.position_m) - center)
            found.append(any(inside(box, (x, y)) for box in boxes))
    assert len(found) > 50
    return float(np.mean(found))


def facing_errors_deg(speakers: list[Sample], scenes: dict[str, SceneRecord]) -> NDArray[np.float64]:
    """How far from the X those look who face "the X", where there is one X."""
    errors = []
    for sample in speakers:
        boxes = scenes[sample.scene_id].object_bbox.get(named_by(FACING, sample.situation), ())
        if len(boxes) == 1:
            away = np.array(boxes[0].centroid[:2]) - np.array(sample.position_m)
            errors.append(float(angle_between_deg(np.arctan2(away[1], away[0]), sample.heading_rad or 0.0)))
    assert len(errors) > 20
    return np.array(errors)


def test_who_sits_on_a_thing_is_inside_one(speakers: list[Sample], scenes: dict[str, SceneRecord]) -> None:
    assert share_seated(speakers, scenes) >= 0.8
    assert share_seated(speakers, scenes, turn=-1) < 0.4


def test_who_faces_a_thing_looks_at_it_and_away_when_flipped(
    speakers: list[Sample], scenes: dict[str, SceneRecord]
) -> None:
    flipped = [s.model_copy(update={"heading_rad": (s.heading_rad or 0.0) + np.pi}) for s in speakers]
    assert np.median(facing_errors_deg(speakers, scenes)) < 15
    assert np.median(facing_errors_deg(flipped, scenes)) > 165


def test_alternatives_are_other_words_for_the_same_pose(shared_data: Path) -> None:
    questions = read_sqa3d(shared_data / "sqa3d", "val", lambda _: (0, 0, 0))
    located = read_sqa3d_localization(shared_data / "sqa3d", "val", lambda _: (0, 0, 0))
    assert sum(len(sample.alternative_situations) for sample in questions) == 6491
    pose = {(sample.scene_id, sample.situation): sample.position_m for sample in located}
    told = [(sample, text) for sample in questions for text in sample.alternative_situations]
    same = [pose.get((sample.scene_id, text)) == sample.position_m for sample, text in told]
    assert np.mean(same) > 0.99


def test_localisation_files_are_read_whole(shared_data: Path) -> None:
    for split, count, scene_count in (("train", 16229, 518), ("val", 1997, 65)):
        samples = read_sqa3d_localization(shared_data / "sqa3d", split, lambda _: (0, 0, 0))
        assert len(samples) == count and len({sample.scene_id for sample in samples}) == scene_count
        assert all(sample.situation and sample.dataset == "sqa3d-localization" for sample in samples)


def test_msqa_is_read_whole_and_lies_in_the_raw_scans(shared_data: Path) -> None:
    matrices = read_json(shared_data / "scannet_meta" / "scans_axis_alignment_matrices.json")
    alignments = {scene: np.reshape(numbers, (4, 4)) for scene, numbers in matrices.items()}
    path = shared_data / "msqa" / "msqa_scannet_test_subset_827.json"
    samples = read_msqa(path, alignments.__getitem__)
    assert len(samples) == 827 and len({sample.scene_id for sample in samples}) == 67
    assert all(sample.answers and sample.situation and sample.heading_rad is None for sample in samples)
    # A raw scan begins at its origin: places are positive there, and around zero before they are un-aligned.
    raw, aligned = (
        np.array([sample.position_m for sample in some]) for some in (samples, read_msqa(path, lambda _: np.eye(4)))
    )
    assert (raw > 0).all(1).mean() > 0.95 and (aligned > 0).all(1).mean() < 0.5


def test_an_msqa_orientation_is_the_direction_looked_along(tmp_path: Path) -> None:
    quarter = np.array([[0, -1, 0, 2.0], [1, 0, 0, 3.0], [0, 0, 1, 0], [0, 0, 0, 1]])
    row = '{"index": 7, "scan_id": "s", "type": "counting", "situation": "I", "question": "?", "answers": ["a"],'
    path = tmp_path / "msqa.json"
    path.write_text(f'[{row} "location": [1.0, 5.0, 0.0], "orientation": [0.0, 1.0, 0.0]}}]')
    (sample,) = read_msqa(path, lambda _: quarter)
    assert sample.position_m == pytest.approx((2.0, 1.0)) and sample.heading_rad == pytest.approx(0.0)


def test_beacon3d_is_read_whole(shared_data: Path) -> None:
    samples = read_beacon3d(shared_data / "beacon3d")
    assert len(samples) == 1155 and len({sample.scene_id for sample in samples}) == 16
    assert Counter(sample.question_type for sample in samples) == {
        "appearance": 333, "spatial": 305, "existence": 245, "geometry": 158, "class": 111, "functionality": 3,
    }  # fmt: skip
    assert all(len(sample.answers) == 1 and len(sample.object_ids) == 1 for sample in samples)


def test_boxes_are_bounded_by_their_min_and_max(shared_data: Path) -> None:
    scenes = {
        (source, scene): record
        for source in ("scannet", "scannetpp", "arkitscenes")
        for scene, record in boxes_of(shared_data, source).items()
    }
    assert len(scenes) == 267
    boxes = [box for record in scenes.values() for group in record.object_bbox.values() for box in group]
    assert len(boxes) == 2891
    for box in boxes:
        assert box.corners_m.min(0) == pytest.approx(box.min, abs=1e-6)
        assert box.corners_m.max(0) == pytest.approx(box.max, abs=1e-6)


def test_a_scene_without_boxes_is_named(scenes: dict[str, SceneRecord]) -> None:
    with pytest.raises(AnnotationError, match="scene9999_00"):
        box_centers(scenes)("scene9999_00")
