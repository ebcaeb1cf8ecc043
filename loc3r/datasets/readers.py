"""Read public annotation files, ours or the originals, into samples in the raw scan frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from loc3r.datasets.records import (
    AnnotationRecord,
    Beacon3DRecord,
    GroundingRecord,
    LocalizationRecord,
    MSQARecord,
    Position,
    QuestionRecord,
    Rotation,
    ScanQARecord,
    SceneRecord,
    SituationRecord,
    VSIRecord,
    dumped,
    read_record_lines,
    read_records,
)
from loc3r.datasets.sample import Sample
from loc3r.errors import AnnotationError
from loc3r.geometry.headings import heading_from_sqa3d, wrap_rad

Floats = NDArray[np.float64]

BoxCenter = Callable[[str], Sequence[float]]
"""Centre (x, y, z) of the box around a scene's raw mesh, in metres: what SQA3D's positions are relative to."""

AxisAlignment = Callable[[str], Floats]
"""A scene's transform (4, 4) from the raw to the axis-aligned scan frame: what MSQA's locations are in."""

PoseT = TypeVar("PoseT", AnnotationRecord, LocalizationRecord)

LOCALISATION_QUESTION = "Where am I in the room?"
"""Asked of localisation samples, which have no question of their own."""


def read_annotations(
    root: Path, split: str, box_center_of: BoxCenter, axis_alignment_of: AxisAlignment | None = None
) -> list[Sample]:
    """Every question of a data set's ``annotations`` folder, with its grounding where that is known.

    SQA3D's localisation texts come too, but for those that are a question's situation under the same id. Beacon3D
    is only ever tested on, so only the test split has it.

    Raises:
        AnnotationError: a file breaks its format, or there is none of that split.
    """
    folder = root / "annotations"
    samples: list[Sample] = []
    if (folder / "sqa3d" / _sqa3d("questions", split)).exists():
        samples += read_sqa3d(folder / "sqa3d", split, box_center_of)
    if (folder / "sqa3d" / _situations(split)).exists():
        asked = {sample.sample_id for sample in samples}
        located = read_sqa3d_localization(folder / "sqa3d", split, box_center_of)
        samples += [sample for sample in located if sample.sample_id not in asked]
    if (folder / "scanqa" / f"ScanQA_v1.0_{split}.json").exists():
        samples += read_scanqa(folder / "scanqa", split)
    for path in sorted((folder / "msqa").glob(f"msqa_scannet_{split}*.json")):
        samples += read_msqa(path, axis_alignment_of or _unaligned)
    if (folder / "vsibench" / "test.jsonl").exists():
        samples += read_vsibench(folder / "vsibench")
    if split == "test" and (folder / "beacon3d" / "scannet_qa.json").exists():
        samples += read_beacon3d(folder / "beacon3d")
    if not samples:
        raise AnnotationError(
            "no annotations",
            received=f"{folder}, split {split!r}",
            expected="sqa3d/, scanqa/, msqa/, vsibench/ or beacon3d/ of that split",
        )
    grounding = folder / "grounding.jsonl"
    return with_grounding(samples, read_grounding(grounding)) if grounding.exists() else samples


def read_sqa3d(folder: Path, split: str, box_center_of: BoxCenter) -> list[Sample]:
    """SQA3D's questions with their answers and poses.

    Raises:
        AnnotationError: a file breaks its format, or a question has no annotation or another scene's.
    """
    return read_sqa3d_files(
        folder / _sqa3d("questions", split), folder / _sqa3d("sqa_annotations", split), box_center_of
    )


def read_sqa3d_files(questions_path: Path, annotations_path: Path, box_center_of: BoxCenter) -> list[Sample]:
    """As ``read_sqa3d``, of files whatever their names."""
    annotations = {a.question_id: a for a in read_records(annotations_path, "annotations", AnnotationRecord)}
    samples = []
    for question in read_records(questions_path, "questions", QuestionRecord):
        annotation = _partner(annotations.get(question.question_id), question, annotations_path, question.question_id)
        samples.append(
            Sample(
                sample_id=str(question.question_id),
                dataset="sqa3d",
                scene_id=question.scene_id,
                situation=question.situation,
                alternative_situations=tuple(question.alternative_situation),
                question=question.question,
                answers=tuple(answer.answer for answer in annotation.answers),
                question_type=question_type(question.question),
                position_m=_raw_xy(annotation.position, box_center_of(question.scene_id)),
                heading_rad=_heading_rad(annotation.rotation),
            )
        )
    return samples


def read_sqa3d_localization(folder: Path, split: str, box_center_of: BoxCenter) -> list[Sample]:
    """SQA3D's localisation task: situations with their poses, no answers; ids are situation ids.

    A pose has one text of its own and further wordings of it, each a sample.

    Raises:
        AnnotationError: a file breaks its format, or a situation has no pose or another scene's.
    """
    poses_path = folder / f"v1_localization_annotations_{split}_scannetv2.json"
    return read_sqa3d_localization_files(folder / _situations(split), poses_path, box_center_of)


def read_sqa3d_localization_files(texts_path: Path, poses_path: Path, box_center_of: BoxCenter) -> list[Sample]:
    """As ``read_sqa3d_localization``, of files whatever their names."""
    poses = {p.situation_id: p for p in read_records(poses_path, "annotations", LocalizationRecord)}
    samples = []
    for text in read_records(texts_path, "situations", SituationRecord):
        pose = _partner(poses.get(text.situation_id), text, poses_path, text.situation_id)
        samples.append(
            Sample(
                sample_id=str(text.situation_id),
                dataset="sqa3d-localization",
                scene_id=text.scene_id,
                situation=text.situation,
                question=LOCALISATION_QUESTION,
                answers=(),
                question_type="localisation",
                position_m=_raw_xy(pose.position, box_center_of(text.scene_id)),
                heading_rad=_heading_rad(pose.rotation),
            )
        )
    return samples


def read_scanqa(folder: Path, split: str) -> list[Sample]:
    """ScanQA's questions; ``split`` as in the file's name: train, val, test_w_obj, test_wo_obj.

    Raises:
        AnnotationError: the file breaks its format.
    """
    return [
        Sample(
            sample_id=record.question_id,
            dataset="scanqa",
            scene_id=record.scene_id,
            question=record.question,
            answers=tuple(record.answers),
            question_type=question_type(record.question),
            object_ids=tuple(record.object_ids),
        )
        for record in read_records(folder / f"ScanQA_v1.0_{split}.json", None, ScanQARecord)
    ]


def read_msqa(path: Path, axis_alignment_of: AxisAlignment) -> list[Sample]:
    """MSQA's ScanNet rows: situated questions, carried from the axis-aligned into the raw scan frame.

    Headings need no half turn, unlike SQA3D's; rows without an orientation have a place and no heading.

    Raises:
        AnnotationError: the file breaks its format.
    """
    samples = []
    for record in read_records(path, None, MSQARecord):
        raw_from_aligned = _inverse(axis_alignment_of(record.scan_id), record.scan_id)
        x_m, y_m, _, _ = (raw_from_aligned @ [*record.location, 1.0]).tolist()
        looks = None if record.orientation is None else raw_from_aligned[:3, :3] @ record.orientation
        samples.append(
            Sample(
                sample_id=str(record.index),
                dataset="msqa",
                scene_id=record.scan_id,
                situation=record.situation,
                question=record.question,
                answers=tuple(record.answers),
                question_type=record.type,
                position_m=(x_m, y_m),
                heading_rad=None if looks is None else wrap_rad(float(np.arctan2(looks[1], looks[0]))),
            )
        )
    return samples


def read_beacon3d(folder: Path) -> list[Sample]:
    """Beacon3D's ScanNet questions (``scannet_qa.json``); their type is the benchmark's tag.

    Raises:
        AnnotationError: the file breaks its format.
    """
    return [
        Sample(
            sample_id=record.question_id,
            dataset="beacon3d",
            scene_id=record.scene_id,
            question=record.question,
            answers=tuple(record.answers),
            question_type=record.tag,
            object_ids=tuple(record.object_ids),
        )
        for record in read_records(folder / "scannet_qa.json", None, Beacon3DRecord)
    ]


def read_vsibench(folder: Path) -> list[Sample]:
    """VSI-Bench's questions (``test.jsonl``).

    Raises:
        AnnotationError: the file breaks its format.
    """
    return [
        Sample(
            sample_id=str(record.id),
            dataset="vsibench",
            scene_id=record.scene_name,
            question=record.question,
            answers=(record.ground_truth,),
            question_type=record.question_type,
            options=tuple(record.options or ()),
        )
        for record in read_record_lines(folder / "test.jsonl", VSIRecord)
    ]


def box_centers(scenes: Mapping[str, SceneRecord]) -> BoxCenter:
    """SQA3D's origins in VSI-Bench's frames: poses then stand among that benchmark's boxes.

    The function raises ``AnnotationError`` for a scene that is not among ``scenes``.
    """

    def box_center_of(scene_id: str) -> Sequence[float]:
        if scene_id not in scenes:
            raise AnnotationError("no boxes of this scene", received=scene_id, expected=f"one of {len(scenes)} scenes")
        return scenes[scene_id].room_center

    return box_center_of


def read_grounding(path: Path) -> dict[str, GroundingRecord]:
    """Which characters name which object, by sample id.

    Raises:
        AnnotationError: the file breaks its format.
    """
    return {record.sample_id: record for record in read_record_lines(path, GroundingRecord)}


def with_grounding(samples: Iterable[Sample], grounding: dict[str, GroundingRecord]) -> list[Sample]:
    """The samples with what is known beyond the public format; those without a record stay as they are.

    Raises:
        AnnotationError: a mention lies outside its text.
    """
    grounded = []
    for sample in samples:
        record = grounding.get(sample.sample_id)
        if record is None:
            grounded.append(sample)
            continue
        for mention in record.mentions:
            length = len((sample.situation if mention.field == "situation" else sample.question) or "")
            if not 0 <= mention.start < mention.end <= length:
                raise AnnotationError(
                    f"grounding of sample {sample.sample_id}: a mention lies outside its {mention.field}",
                    received=f"[{mention.start}, {mention.end})",
                    expected=f"within [0, {length})",
                )
        grounded.append(sample.model_copy(update=_known(record)))
    return grounded


def question_type(question: str) -> str:
    """SQA3D's published breakdown: the question's first letters, as LEO and Video-3D-LLM count them."""
    start = question.lstrip().lower()
    return next((kind for kind in ("what", "is", "how", "can", "which") if start.startswith(kind)), "others")


def _known(record: GroundingRecord) -> dict[str, object]:
    return {
        "situation_form": record.situation_form,
        "question_type": record.question_type,
        "look_at_object_id": record.look_at_object_id,
        "mentions": tuple(record.mentions),
    }


def _inverse(alignment: Floats, scan_id: str) -> Floats:
    try:
        return np.asarray(np.linalg.inv(alignment), np.float64)
    except np.linalg.LinAlgError:
        raise AnnotationError(
            f"{scan_id}: axisAlignment can't be undone", received=alignment.tolist(), expected="a rigid transform"
        ) from None


def _sqa3d(part: str, split: str) -> str:
    return f"v1_balanced_{part}_{split}_scannetv2.json"


def _situations(split: str) -> str:
    return f"v1_situations_{split}_scannetv2.json"


def _unaligned(scene_id: str) -> Floats:
    raise AnnotationError(
        "MSQA's places can't be read without the scans",
        received=scene_id,
        expected="each scan's axisAlignment",
        fix="read the annotations together with the scans, as loc3r prepare does",
    )


def _partner(pose: PoseT | None, text: QuestionRecord | SituationRecord, path: Path, key: int) -> PoseT:
    """The pose record that belongs to a text."""
    if pose is None or pose.scene_id != text.scene_id:
        raise AnnotationError(
            f"{path}: no annotation for id {key}",
            received="nothing" if pose is None else f"scene {pose.scene_id}",
            expected=f"one of scene {text.scene_id}",
            fix="take both files from the same release and split",
        )
    return pose


def _raw_xy(position: Position, box_center_m: Sequence[float]) -> tuple[float, float]:
    return position.x + float(box_center_m[0]), position.y + float(box_center_m[1])


def _heading_rad(rotation: Rotation) -> float:
    return heading_from_sqa3d(dumped(rotation))
