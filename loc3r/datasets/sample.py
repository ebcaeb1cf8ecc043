"""One typed sample for every benchmark: a question about a scene, with or without a situation."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

DatasetName = Literal["sqa3d", "sqa3d-localization", "scanqa", "msqa", "vsibench", "beacon3d"]


class Mention(BaseModel):
    """A span of text that names an object of the scene: ``text[start:end]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: Literal["situation", "question"]
    start: int
    end: int
    object_id: int


class Sample(BaseModel):
    """A question, its answers and, where annotated, the speaker's pose in the *raw scan frame*."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_id: str
    dataset: DatasetName
    scene_id: str
    situation: str | None = None
    """None: the prompt gets "I am standing in the room" and the pose is unsupervised."""
    alternative_situations: tuple[str, ...] = ()
    """Other words for the same pose (SQA3D): the paper trains on them too; tests ask by ``situation`` alone."""
    question: str
    answers: tuple[str, ...]
    """What counts as right; empty where the benchmark hides it or asks for the pose alone."""
    question_type: str
    situation_form: str | None = None
    """Template family of a synthetic situation; None for human text."""
    position_m: tuple[float, float] | None = None
    """Speaker's place, raw scan frame x and y."""
    heading_rad: float | None = None
    """Direction that the speaker looks along, counter-clockwise from +x of the raw scan frame."""
    mentions: tuple[Mention, ...] = ()
    look_at_object_id: int | None = None
    """The object that the speaker faces, where the situation names it."""
    object_ids: tuple[int, ...] = ()
    """Objects that the answer is about, where the benchmark names them (ScanQA)."""
    options: tuple[str, ...] = ()
    """Choices behind their letters ("A. left"), where the benchmark gives some (VSI-Bench)."""

    @property
    def prompt(self) -> str:
        """The question as it is put to a model: with its options, if it has any."""
        return "\n".join((self.question, "Options:", *self.options)) if self.options else self.question
