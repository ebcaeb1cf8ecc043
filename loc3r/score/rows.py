"""Prediction files: one JSON object a line, checked line by line before anything is scored."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from loc3r.errors import ScoreError


class Row(BaseModel):
    """One line of a predictions file. Further keys are ignored, numbers are never read out of strings."""

    model_config = ConfigDict(frozen=True, strict=True)

    scene_id: str | None = None
    """Optional: intervals are drawn over scenes where every line names its own."""

    @property
    def key(self) -> str:
        """What the line is about: the question's id."""
        raise NotImplementedError

    @property
    def scene(self) -> str | None:
        """The scene that the line belongs to, if that is known."""
        return self.scene_id

    @property
    def empty(self) -> bool:
        """Whether the model gave no answer."""
        raise NotImplementedError


RowT = TypeVar("RowT", bound=Row)


class AnswerRow(Row):
    """A question that was answered in words."""

    question_id: int | str
    question: str
    pred: str

    @property
    def key(self) -> str:
        return str(self.question_id)

    @property
    def empty(self) -> bool:
        return not self.pred.strip()


def read_rows(path: Path, kind: type[RowT]) -> list[RowT]:
    """The lines of a predictions file; blank lines are skipped.

    Raises:
        ScoreError: the file is missing or empty, or a line breaks the format: names file, line and field.
    """
    try:
        content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise ScoreError(
            f"{path}: {error.strerror}", expected="a file of predictions, one JSON object a line"
        ) from None
    lines = content.split(b"\n")  # not splitlines: answers may hold other line breaks
    rows = [_parsed(path, number, line, kind) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise ScoreError(f"{path}: no predictions", received="an empty file", expected=example(kind))
    return rows


def example(kind: type[Row]) -> str:
    """The fields of a line, optional ones in brackets."""
    names = [name if field.is_required() else f"[{name}]" for name, field in kind.model_fields.items()]
    return "lines of {" + ", ".join(names) + "}"


def _parsed(path: Path, number: int, line: bytes, kind: type[RowT]) -> RowT:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        broken = first["type"] == "json_invalid" or not where
        more = f" ({error.error_count()} faults in this line)" if error.error_count() > 1 else ""
        raise ScoreError(
            f"{path}:{number}: {'not a JSON object' if broken else f'field {where}'}{more}",
            received="nothing" if first["type"] == "missing" else repr(first["input"])[:200],
            expected=first["msg"],
            fix=f"write {example(kind)}",
        ) from None
