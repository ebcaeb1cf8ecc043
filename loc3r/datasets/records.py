"""The public annotation formats, one model a record: what the readers accept and what the writers write.

Sources: SQA3D v1.0 and ScanQA v1.0 as published, MSQA's and Beacon3D's ScanNet parts, VSI-Bench's ``test.jsonl`` and
scene metadata; ``GroundingRecord`` is ours. Keys that we don't use are ignored on reading.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, TypeAdapter, ValidationError

from loc3r.datasets.sample import Mention
from loc3r.errors import AnnotationError


class Record(BaseModel):
    """Base of all records: immutable, extra keys ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


RecordT = TypeVar("RecordT", bound=Record)


class Position(Record):
    """Metres from the centre of the raw mesh's box; SQA3D's z is always 0."""

    x: FiniteFloat
    y: FiniteFloat
    z: FiniteFloat


class Rotation(Record):
    """SQA3D's quaternion: turned about z, looking along -x at identity. Read by key: files order it differently."""

    x: FiniteFloat = Field(alias="_x")
    y: FiniteFloat = Field(alias="_y")
    z: FiniteFloat = Field(alias="_z")
    w: FiniteFloat = Field(alias="_w")


class QuestionRecord(Record):
    """SQA3D ``v1_balanced_questions``."""

    scene_id: str
    situation: str
    alternative_situation: list[str]
    question: str
    question_id: int


class AnswerRecord(Record):
    """One answer of an SQA3D annotation."""

    answer: str
    answer_confidence: str
    answer_id: int


class AnnotationRecord(Record):
    """SQA3D ``v1_balanced_sqa_annotations``."""

    scene_id: str
    question_type: str
    answer_type: str
    question_id: int
    answers: list[AnswerRecord] = Field(min_length=1)
    rotation: Rotation
    position: Position


class SituationRecord(Record):
    """SQA3D ``v1_situations``. ``augmented`` marks further wordings of a situation."""

    scene_id: str
    situation: str
    situation_id: int
    augmented: bool


class LocalizationRecord(Record):
    """SQA3D ``v1_localization_annotations``."""

    scene_id: str
    situation_id: int
    position: Position
    rotation: Rotation


class ScanQARecord(Record):
    """``ScanQA_v1.0``; the test split has no answers."""

    answers: list[str] = []
    object_ids: list[int] = []
    object_names: list[str] = []
    question: str
    question_id: str
    scene_id: str


class MSQARecord(Record):
    """MSQA's rows; both vectors are in the *axis-aligned* scan frame, x, y, z."""

    index: int
    scan_id: str
    type: str
    situation: str
    question: str
    answers: list[str]
    location: list[FiniteFloat] = Field(min_length=3, max_length=3)
    """Metres."""
    orientation: list[FiniteFloat] | None = Field(None, min_length=3, max_length=3)
    """The direction looked along; published test rows lack it."""


class Beacon3DRecord(Record):
    """Beacon3D ``scannet_qa.json``. Ids are ``<scene>_<object>_<n>_<tag>_<extra knowledge>``."""

    question_id: str = Field(pattern=r"_[^_]+_[^_]*$")
    scene_id: str
    question: str
    answers: list[str]
    object_ids: list[int] = []

    @property
    def tag(self) -> str:
        """What the benchmark breaks its scores down by: class, appearance, geometry, spatial, existence, ..."""
        return self.question_id.split("_")[-2]


class VSIRecord(Record):
    """VSI-Bench ``test.jsonl``; ``options`` is null for questions that are answered by a number."""

    id: int
    dataset: str
    scene_name: str
    question_type: str
    question: str
    options: list[str] | None = None
    ground_truth: str


class BoxRecord(Record):
    """An oriented box of VSI-Bench's scene metadata: three axes as rows, each with its length.

    Its frame is the raw scan frame moved, not turned: there ``room_center`` is the centre of the raw mesh's box, from
    which SQA3D's positions are counted. ``min`` and ``max`` bound the box; it may lean (its axes are principal ones).
    """

    centroid: list[FiniteFloat] = Field(min_length=3, max_length=3)
    axes_lengths: list[FiniteFloat] = Field(alias="axesLengths", min_length=3, max_length=3)
    normalized_axes: list[FiniteFloat] = Field(alias="normalizedAxes", min_length=9, max_length=9)
    min: list[FiniteFloat] = Field(min_length=3, max_length=3)
    max: list[FiniteFloat] = Field(min_length=3, max_length=3)

    @property
    def corners_m(self) -> NDArray[np.float64]:
        """Its corners, (8, 3)."""
        signs = np.array(list(itertools.product((-1, 1), repeat=3)))
        half_edges = np.array(self.normalized_axes).reshape(3, 3) * np.array(self.axes_lengths)[:, None] / 2
        return np.asarray(np.array(self.centroid) + signs @ half_edges)


class SceneRecord(Record):
    """VSI-Bench's metadata of one scene; ``room_size`` in square metres."""

    room_size: FiniteFloat
    object_counts: dict[str, int]
    object_bbox: dict[str, list[BoxRecord]]
    room_center: list[FiniteFloat] = Field(min_length=3, max_length=3)
    video_path: str
    dataset: str


class GroundingRecord(Record):
    """What synthetic rooms know beyond the public formats, one line of ``grounding.jsonl``."""

    sample_id: str
    situation_form: str | None
    question_type: str
    look_at_object_id: int | None
    mentions: list[Mention]


def read_records(path: Path, key: str | None, kind: type[RecordT]) -> list[RecordT]:
    """The records of a JSON file: of its list ``key``, or of the file itself where ``key`` is None.

    Raises:
        AnnotationError: naming the file, the field, and what was received and expected.
    """
    content = _read_json(path)
    if key is not None:
        if not isinstance(content, dict) or key not in content:
            received = sorted(content) if isinstance(content, dict) else type(content).__name__
            raise AnnotationError(f"{path}: no field {key!r}", received=received, expected=f"an object with {key!r}")
        content = content[key]
    records: list[RecordT] = _validated(path, key or "", TypeAdapter(list[kind]), content)  # type: ignore[valid-type]
    return records


def read_record_map(path: Path, kind: type[RecordT]) -> dict[str, RecordT]:
    """The records of a JSON object, by its keys.

    Raises:
        AnnotationError: as ``read_records``.
    """
    records: dict[str, RecordT] = _validated(path, "", TypeAdapter(dict[str, kind]), _read_json(path))  # type: ignore[valid-type]
    return records


def read_record_lines(path: Path, kind: type[RecordT]) -> list[RecordT]:
    """The records of a JSON-lines file.

    Raises:
        AnnotationError: as ``read_records``; the field begins with the line's number less one.
    """
    lines = _read_text(path).split("\n")  # not splitlines: texts may hold other line breaks
    rows = [_parsed(path, line, number) for number, line in enumerate(lines, 1) if line.strip()]
    records: list[RecordT] = _validated(path, "", TypeAdapter(list[kind]), rows)  # type: ignore[valid-type]
    return records


def dumped(record: Record) -> dict[str, Any]:
    """A record as its file has it."""
    return record.model_dump(by_alias=True)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte order mark
    except FileNotFoundError as error:
        raise AnnotationError(
            f"{path}: no such file", received="nothing", expected="an annotation file", fix="check the folder and split"
        ) from error
    except OSError as error:
        raise AnnotationError(
            f"{path}: can't be read", received=error.strerror, expected="an annotation file"
        ) from error
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{path}: not text", received=str(error), expected="UTF-8 JSON") from error


def _read_json(path: Path) -> Any:
    return _parsed(path, _read_text(path), None)


def _parsed(path: Path, text: str, line: int | None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{line or error.lineno}"
        raise AnnotationError(f"{where}: not JSON", received=error.msg, expected="complete JSON") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, lists in lists in lists
        raise AnnotationError(f"{path}: not JSON of ours", received=str(error), expected="records") from error


def _validated(path: Path, key: str, adapter: TypeAdapter[Any], content: Any) -> Any:
    try:
        return adapter.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = key + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
        more = f" ({error.error_count()} faults in all)" if error.error_count() > 1 else ""
        received = "nothing" if first["type"] == "missing" else repr(first["input"])[:200]
        raise AnnotationError(
            f"{path}: field {field.lstrip('.')}{more}", received=received, expected=first["msg"]
        ) from error
