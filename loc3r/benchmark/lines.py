"""Predictions as the lines that ``loc3r score`` reads, each with the prompt that led to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loc3r.benchmark.questions import LOCALISATION, XY
from loc3r.datasets.sample import Sample
from loc3r.evaluate.predictions import Prediction
from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import sqa3d_from_heading
from loc3r.scenes.sources import source_of

Line = dict[str, Any]
DIGITS = 6
"""Of predicted metres and quaternions: a micrometre is enough."""


@dataclass(frozen=True)
class OfficialFrame:
    """Where a scene's bird's-eye frame lies in the frame of the benchmark's poses."""

    bev: BevFrame
    centre_m: XY
    """Origin of the benchmark's frame, in the raw scan."""

    def place(self, position_m: XY) -> list[float]:
        """A bird's-eye place as x, y, z; SQA3D's z is 0."""
        x, y = (self.bev.to_world(position_m) - self.centre_m).round(DIGITS).tolist()
        return [x, y, 0.0]

    def turn(self, heading_rad: float) -> list[float]:
        """A bird's-eye heading as a quaternion x, y, z, w."""
        return [round(value, DIGITS) for value in quaternion(self.bev.heading_to_world(heading_rad))]


def quaternion(heading_rad: float) -> list[float]:
    """SQA3D's quaternion of a heading, in the order x, y, z, w."""
    rotation = sqa3d_from_heading(heading_rad)
    return [rotation[key] for key in ("_x", "_y", "_z", "_w")]


def line_of(sample: Sample, prediction: Prediction, frame: OfficialFrame | None, prompt: str) -> Line:
    """The line of one question. ``frame`` is needed where the pose is the answer."""
    if sample.dataset == LOCALISATION:
        assert frame is not None
        fields = _localised(sample, prediction, frame)
    else:
        fields = {**FIELDS[sample.dataset](sample), "pred": prediction.text}
    asked = {"sample_id": sample.sample_id, "scene_id": sample.scene_id, "situation": sample.situation}
    return {**asked, **fields, "prompt": prompt}


def _localised(sample: Sample, prediction: Prediction, frame: OfficialFrame) -> Line:
    assert sample.position_m is not None and sample.heading_rad is not None
    place, heading = prediction.position_m, prediction.heading_rad
    return {
        "gt_pos": [*sample.position_m, 0.0],
        "gt_quat_xyzw": quaternion(sample.heading_rad),
        "pred_pos": None if place is None else frame.place(place),
        "pred_quat_xyzw": None if heading is None else frame.turn(heading),
    }


def _sqa3d(sample: Sample) -> Line:
    return {"question_id": _number(sample.sample_id), "question": sample.question, "gt": sample.answers[0]}


def _answered(sample: Sample) -> Line:
    return {"question_id": sample.sample_id, "question": sample.question, "answers": list(sample.answers)}


def _vsibench(sample: Sample) -> Line:
    return {
        "id": _number(sample.sample_id),
        "dataset": source_of(sample.scene_id),
        "scene_name": sample.scene_id,
        "question_type": sample.question_type,
        "question": sample.question,
        "options": list(sample.options) or None,
        "ground_truth": sample.answers[0],
    }


def _msqa(sample: Sample) -> Line:
    return {
        "index": _number(sample.sample_id),
        "scan_id": sample.scene_id,
        "type": sample.question_type,
        "question": sample.question,
        "answers": list(sample.answers),
    }


FIELDS: dict[str, Callable[[Sample], Line]] = {
    "sqa3d": _sqa3d,
    "scanqa": _answered,
    "beacon3d": _answered,
    "vsibench": _vsibench,
    "msqa": _msqa,
}


def _number(text: str) -> int | str:
    """Ids as the official files have them."""
    return int(text) if text.isdecimal() else text
