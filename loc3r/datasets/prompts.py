"""Sentences that a prompt may carry beside situation and question. The words are the siblings' (docs/fidelity.md)."""

from __future__ import annotations

import re
from typing import Literal

from loc3r.datasets.sample import Sample

AnswerFormat = Literal["none", "siblings"]
VideoSentence = Literal["none", "time", "space"]

SYSTEM = "You are a helpful assistant."
PHRASE = "Answer the question using a single word or phrase."
SIMPLY = "Answer the question simply."
LETTER = "Answer with the option's letter from the given choices directly."
VALUE = "Please answer the question using a single word or phrase."
SPACE = (
    "The video captures 3D spatial information of a scene. "
    "Please focus on the spatial relationships in the video and answer the following questions."
)
PICTURE = re.compile(r"<([^<>]+)-\d+-IMG>")
"""What MSQA writes where its own model sees an object's picture: ``<office chair-12-IMG>``."""


def asked(sample: Sample, answer_format: AnswerFormat) -> str:
    """The question as it is put to a model: with its options, and how its benchmark wants it answered."""
    if answer_format == "none":
        return sample.prompt
    if sample.dataset == "vsibench":
        return f"{sample.prompt}\n{LETTER if sample.options else VALUE}"
    return f"{sample.prompt} {PHRASE if sample.dataset.startswith('sqa3d') else SIMPLY}"


def with_answer_format(question: str, answer_format: AnswerFormat) -> str:
    """A question that someone types, ending as most of those that the model was trained on."""
    if answer_format == "none" or not question or question.endswith((PHRASE, SIMPLY, LETTER, VALUE)):
        return question
    return f"{question} {PHRASE}"


def video_sentence(kind: VideoSentence, frames: int, interval_s: float) -> str:
    """What is said of the video behind it: LLaVA-Video's sentence about time, Video-3D-LLM's about space, or nothing.

    LLaVA-Video writes no space before "Please".
    """
    if kind != "time":
        return SPACE if kind == "space" else ""
    times_s = ",".join(f"{frame * interval_s:.2f}s" for frame in range(frames))
    return (
        f"The video lasts for {(frames - 1) * interval_s:.2f} seconds, and {frames} frames are uniformly sampled from "
        f"it. These frames are located at {times_s}.Please answer the following questions related to this video."
    )


def name_pictures(sample: Sample) -> Sample:
    """The sample with each object's picture replaced by its noun, as MSR3D's text-only models read it."""
    texts = {
        "situation": sample.situation and PICTURE.sub(r"\1", sample.situation),
        "alternative_situations": tuple(PICTURE.sub(r"\1", text) for text in sample.alternative_situations),
        "question": PICTURE.sub(r"\1", sample.question),
        "answers": tuple(PICTURE.sub(r"\1", text) for text in sample.answers),
    }
    return sample.model_copy(update=texts)
