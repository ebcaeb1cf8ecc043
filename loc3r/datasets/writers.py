"""Write a data set's annotation files in the public formats, from per-room parts.

A *part* is a plain JSON value that ``room_part`` makes when a room is done; whoever generates rooms can keep
parts on disk and write the files at the end, so that a stopped run resumes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from loc3r.datasets.records import (
    AnnotationRecord,
    AnswerRecord,
    BoxRecord,
    GroundingRecord,
    LocalizationRecord,
    Position,
    QuestionRecord,
    Record,
    Rotation,
    ScanQARecord,
    SceneRecord,
    SituationRecord,
    VSIRecord,
    dumped,
)
from loc3r.datasets.sample import Sample
from loc3r.files import write_text
from loc3r.geometry.headings import sqa3d_from_heading
from loc3r.synth.room import Floats, Room, RoomObject

Row = tuple[dict[str, Any], Sample]
"""A sample and the part of the room that it is asked in."""
Source = Literal["synthetic", "cousins", "layouts"]
_DESCRIPTIONS: dict[Source, str] = {
    "synthetic": "Synthetic rooms in the format of SQA3D v1.0.",
    "cousins": "Synthetic furniture in real layouts, with SQA3D v1.0's texts and poses; not ScanNet, not SQA3D.",
    "layouts": "Synthetic furniture and texts in real layouts, in the format of SQA3D v1.0; not the real scans.",
}


def room_part(
    room: Room, samples: Sequence[Sample], box_center_m: Sequence[float], source: Source = "synthetic"
) -> dict[str, Any]:
    """All that the annotation files say of one room, as JSON.

    ``box_center_m`` is the centre (x, y, z) of the box around the room's raw mesh.
    """
    center = [float(value) for value in box_center_m]
    return {
        "scene_id": room.scene_id,
        "box_center_m": center,
        "source": source,
        "scene": dumped(_scene_record(room, center, source)),
        "names": {str(thing.object_id): thing.name for thing in room.objects},
        "samples": [sample.model_dump(mode="json") for sample in samples],
    }


def write_annotations(root: Path, split: str, parts: Sequence[dict[str, Any]]) -> None:
    """Write ``root/annotations`` (SQA3D, ScanQA, VSI-Bench, grounding) from parts in the order given.

    Each file is whole or absent; the same parts give the same bytes. Where no sample is of the localisation task,
    its files hold the situations of the questions.
    """
    folder = root / "annotations"
    by_set: dict[str, list[Row]] = {"sqa3d": [], "sqa3d-localization": [], "scanqa": [], "vsibench": []}
    for part in parts:
        for row in part["samples"]:
            sample = Sample.model_validate(row)
            by_set[sample.dataset].append((part, sample))
    _write_questions(folder / "sqa3d", split, by_set["sqa3d"])
    _write_situations(folder / "sqa3d", split, by_set["sqa3d-localization"] or by_set["sqa3d"])
    if by_set["scanqa"]:
        _write_json(folder / "scanqa" / f"ScanQA_v1.0_{split}.json", [_scanqa(*row) for row in by_set["scanqa"]])
    if by_set["vsibench"]:
        _write_lines(folder / "vsibench" / "test.jsonl", (_vsi(part, sample) for part, sample in by_set["vsibench"]))
    scenes = {part["scene_id"]: part["scene"] for part in parts}
    _write_json(folder / "vsibench" / f"scannet_meta_info_{split}.json", scenes)
    _write_lines(folder / "grounding.jsonl", (_grounding(s) for rows in by_set.values() for _, s in rows))


def _write_questions(folder: Path, split: str, rows: list[Row]) -> None:
    """SQA3D's questions and answers, where there are any."""
    wordings = _wordings(sample for _, sample in rows)
    questions, annotations = [], []
    for part, sample in rows:
        position, rotation = _pose(sample, part["box_center_m"])
        number, text = int(sample.sample_id), sample.situation or ""
        others = sample.alternative_situations or [other for other in wordings[_pose_key(sample)] if other != text]
        questions.append(
            QuestionRecord(
                scene_id=sample.scene_id,
                situation=text,
                alternative_situation=list(others),
                question=sample.question,
                question_id=number,
            )
        )
        annotations.append(
            AnnotationRecord(
                scene_id=sample.scene_id,
                question_type="N/A",
                answer_type="other",
                question_id=number,
                answers=[
                    AnswerRecord(answer=answer, answer_confidence="yes", answer_id=index)
                    for index, answer in enumerate(sample.answers, 1)
                ],
                rotation=rotation,
                position=position,
            )
        )
    if rows:
        header, task = _header(rows), {"task_type": "Situated question answering"}
        _write_sqa3d(folder, "balanced_questions", split, header | task, "questions", questions)
        _write_sqa3d(folder, "balanced_sqa_annotations", split, header, "annotations", annotations)


def _write_situations(folder: Path, split: str, rows: list[Row]) -> None:
    """SQA3D's localisation task, where there is any."""
    wordings = _wordings(sample for _, sample in rows)
    situations, localizations = [], []
    for part, sample in rows:
        position, rotation = _pose(sample, part["box_center_m"])
        scene_id, number, text = sample.scene_id, int(sample.sample_id), sample.situation or ""
        augmented = text != wordings[_pose_key(sample)][0]
        situations.append(SituationRecord(scene_id=scene_id, situation=text, situation_id=number, augmented=augmented))
        localizations.append(
            LocalizationRecord(scene_id=scene_id, situation_id=number, position=position, rotation=rotation)
        )
    if rows:
        header, task = _header(rows), {"task_type": "Semantic localization"}
        _write_sqa3d(folder, "situations", split, header | task, "situations", situations)
        _write_sqa3d(folder, "localization_annotations", split, header, "annotations", localizations)


def _write_sqa3d(
    folder: Path, name: str, split: str, header: dict[str, Any], key: str, records: Sequence[Record]
) -> None:
    content = {**header, key: [dumped(record) for record in records]}
    _write_json(folder / f"v1_{name}_{split}_scannetv2.json", content)


def _header(rows: list[Row]) -> dict[str, Any]:
    source: Source = rows[0][0]["source"]
    return {
        "info": {"description": _DESCRIPTIONS[source], "version": "1.0", "contributor": "Loc3R"},
        "license": {"url": "http://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"},
        "data_type": source,
        "data_subtype": "v1",
    }


def _wordings(samples: Iterable[Sample]) -> dict[Any, list[str]]:
    """The texts of each pose, in order; the first is the original, the rest are "augmented"."""
    found: dict[Any, list[str]] = {}
    for sample in samples:
        texts = found.setdefault(_pose_key(sample), [])
        if sample.situation and sample.situation not in texts:
            texts.append(sample.situation)
    return found


def _pose_key(sample: Sample) -> tuple[object, ...]:
    return sample.scene_id, sample.position_m, sample.heading_rad


def _pose(sample: Sample, box_center_m: Sequence[float]) -> tuple[Position, Rotation]:
    if sample.position_m is None or sample.heading_rad is None:
        raise ValueError(f"SQA3D needs a pose, sample {sample.sample_id} has none")
    x_m, y_m = (value - center for value, center in zip(sample.position_m, box_center_m, strict=False))
    return Position(x=x_m, y=y_m, z=0), Rotation.model_validate(sqa3d_from_heading(sample.heading_rad))


def _scanqa(part: dict[str, Any], sample: Sample) -> dict[str, Any]:
    record = ScanQARecord(
        answers=list(sample.answers),
        object_ids=list(sample.object_ids),
        object_names=[part["names"][str(thing)] for thing in sample.object_ids],
        question=sample.question,
        question_id=sample.sample_id,
        scene_id=sample.scene_id,
    )
    return dumped(record)


def _vsi(part: dict[str, Any], sample: Sample) -> Record:
    return VSIRecord(
        id=int(sample.sample_id),
        dataset=part["source"],
        scene_name=sample.scene_id,
        question_type=sample.question_type,
        question=sample.question,
        options=list(sample.options) or None,
        ground_truth=sample.answers[0],
    )


def _grounding(sample: Sample) -> Record:
    return GroundingRecord(
        sample_id=sample.sample_id,
        situation_form=sample.situation_form,
        question_type=sample.question_type,
        look_at_object_id=sample.look_at_object_id,
        mentions=list(sample.mentions),
    )


def _scene_record(room: Room, box_center_m: list[float], source: Source) -> SceneRecord:
    boxes: dict[str, list[BoxRecord]] = {}
    for thing in room.objects:
        if thing.kind != "structure":
            boxes.setdefault(thing.name, []).append(_box(thing, room.raw_from_room))
    return SceneRecord(
        room_size=room.size_m[0] * room.size_m[1],
        object_counts={name: len(group) for name, group in boxes.items()},
        object_bbox=boxes,
        room_center=box_center_m,
        video_path=f"scans/{room.scene_id}/color",
        dataset=source,
    )


def _box(thing: RoomObject, raw_from_room: Floats) -> BoxRecord:
    """The object's oriented box in the raw frame: axes across, along the front, up."""
    forward = np.array([*thing.front, 0.0])
    axes = np.stack([np.array([-forward[1], forward[0], 0.0]), forward, np.array([0.0, 0.0, 1.0])])
    raw_axes = axes @ raw_from_room[:3, :3].T
    center = raw_from_room[:3, :3] @ np.array(thing.center_m) + raw_from_room[:3, 3]
    reach = np.abs(raw_axes).T @ (np.array(thing.size_m) / 2)
    return BoxRecord(
        centroid=center.tolist(),
        axes_lengths=list(map(float, thing.size_m)),
        normalized_axes=raw_axes.ravel().tolist(),
        min=(center - reach).tolist(),
        max=(center + reach).tolist(),
    )


def _write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content) + "\n")


def _write_lines(path: Path, records: Iterable[Record]) -> None:
    write_text(path, "".join(json.dumps(dumped(record)) + "\n" for record in records))
