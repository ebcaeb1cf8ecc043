"""A pose written in words: what a language model without situation modelling can say of a place.

    x 1.2 y -0.4 heading 90; a lamp

Places in the bird's-eye frame to the decimetre, headings to ten degrees, as fine as the paper's 36 bins; then the
answer. The usual alternative to heads, kept for the ablation (recipe field ``model.pose``).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from loc3r.geometry.headings import wrap_rad

if TYPE_CHECKING:
    from loc3r.scenes.shards import PreparedSample

HEADING_STEP_DEG = 10
MAX_TOKENS = 32
"""Tokens that a pose may take, in tokenizers that cut numbers into digits too."""
_POSE = re.compile(r"x (-?\d+(?:\.\d+)?) y (-?\d+(?:\.\d+)?) heading (-?\d+(?:\.\d+)?)")


class WrittenPose(NamedTuple):
    """A place in the bird's-eye frame and a heading in [-pi, pi)."""

    position_m: tuple[float, float]
    heading_rad: float


def write_pose(position_m: tuple[float, float], heading_rad: float) -> str:
    """The words for a pose."""
    x_m, y_m = (round(value, 1) + 0.0 for value in position_m)  # no negative zero
    heading_deg = HEADING_STEP_DEG * round(math.degrees(heading_rad) / HEADING_STEP_DEG)
    return f"x {x_m:.1f} y {y_m:.1f} heading {(heading_deg + 180) % 360 - 180}"


def read_pose(text: str) -> tuple[WrittenPose | None, str]:
    """The pose in what a model wrote, None where it can't be read, and the answer behind it."""
    head, semicolon, answer = text.partition(";")
    match = _POSE.fullmatch(head.strip())
    if match is None:
        return None, (answer if semicolon else text).strip()
    x_m, y_m, heading_deg = (float(value) for value in match.groups())
    return WrittenPose((x_m, y_m), float(wrap_rad(math.radians(heading_deg)))), answer.strip()


def response(sample: PreparedSample, *, pose: str) -> str | None:
    """What a model learns to write: the answer, None where there is none; behind the pose with ``pose="text"``."""
    answer = sample.answers[0] if sample.answers else None
    if pose != "text" or not sample.situation or sample.position_m is None or sample.heading_rad is None:
        return answer
    pose_words = write_pose(sample.position_m, sample.heading_rad)
    return f"{pose_words}; {answer}" if answer else pose_words
