"""A pose written in words: read back as it was meant, or not at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loc3r.geometry.headings import angle_between_deg
from loc3r.model.batch import UNSUPERVISED
from loc3r.model.pose_text import HEADING_STEP_DEG, read_pose, response, write_pose
from loc3r.model.processor import Processor
from loc3r.scenes.shards import PreparedSample, PreparedScene

PLACES = st.floats(-20, 20)


@given(PLACES, PLACES, st.floats(-math.pi, math.pi), st.sampled_from(["two", "a lamp; a bed", ""]))
def test_what_is_written_is_read_back(x_m: float, y_m: float, heading_rad: float, answer: str) -> None:
    pose, rest = read_pose(f"{write_pose((x_m, y_m), heading_rad)}; {answer}")
    assert pose and rest == answer
    assert np.abs(np.subtract(pose.position_m, (x_m, y_m))).max() <= 0.05 + 1e-9
    assert angle_between_deg(pose.heading_rad, heading_rad) <= HEADING_STEP_DEG / 2 + 1e-6
    assert -math.pi <= pose.heading_rad < math.pi


def test_the_words_are_plain() -> None:
    assert write_pose((1.2, -0.04), math.pi / 2) == "x 1.2 y 0.0 heading 90"
    assert write_pose((0.0, 0.0), math.pi) == write_pose((0.0, 0.0), -math.pi) == "x 0.0 y 0.0 heading -180"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", ""),
        ("two", "two"),
        ("x 1.2 y heading 90; two", "two"),
        ("x 1.2.3 y 0 heading 90; two", "two"),
        ("x 1 y 2 heading ninety", "x 1 y 2 heading ninety"),
        ("I am at x 1 y 2 heading 90; two", "two"),
    ],
)
def test_what_is_no_pose_is_not_guessed(text: str, answer: str) -> None:
    assert read_pose(text) == (None, answer)


def test_the_response_has_a_pose_only_where_one_is_known(sample: Callable[..., PreparedSample]) -> None:
    placed, plain = sample(1), sample(2, situated=False)
    assert response(placed, pose="heads") == placed.answers[0]
    pose, answer = read_pose(str(response(placed, pose="text")))
    assert pose and answer == placed.answers[0]
    assert response(plain, pose="text") == plain.answers[0]
    assert response(replace(placed, answers=()), pose="heads") is None
    assert read_pose(str(response(replace(placed, answers=()), pose="text")))[0] == pose


def test_the_pose_is_supervised_in_the_answer_and_its_tokens_are_gone(
    processor: Processor,
    scene: Callable[[int], PreparedScene],
    sample: Callable[..., PreparedSample],
    switched: Callable[..., Processor],
) -> None:
    writing, placed = switched(pose="text"), sample(1)
    packed, usual = (some.pack(scene(0), [placed]) for some in (writing, processor))
    said, answer = (some.labels[some.labels != UNSUPERVISED] for some in (packed, usual))
    assert writing.decode(said.tolist()) == response(placed, pose="text")
    special = processor.config.tokens
    assert not torch.isin(packed.ids, torch.tensor([special.pos, special.ori])).any()
    assert len(packed.ids) - len(said) == len(usual.ids) - len(answer) - 2
    # Mentions in the question moved with it.
    assert packed.ids[packed.mention_at].tolist() == usual.ids[usual.mention_at].tolist()
