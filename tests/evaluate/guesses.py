"""Predictions made by hand."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from loc3r.evaluate.predictions import Prediction
from loc3r.journal import Journal

Q = {
    "dataset": "sqa3d", "scene_id": "room_000000_00", "question_type": "counting", "situation_form": "beside",
    "situation": "I am beside the bed.", "question": "How many chairs are there?", "answers": ("two",),
    "true_position_m": (1.0, 2.0), "true_heading_rad": 0.0, "text": "two", "position_m": (1.0, 2.0),
    "sigma_m": (0.5, 0.5), "heading_rad": 0.0, "heading_concentration": 0.9,
}  # fmt: skip


def guess(sample_id: str = "0", **fields: Any) -> Prediction:
    """A perfect guess, with some fields changed."""
    return Prediction(**{"sample_id": sample_id, **Q, **fields})


def guesses_of(skill: float, scenes: int = 12, each: int = 8, seed: int = 0) -> list[Prediction]:
    """Predictions that are right with probability ``skill`` in place, direction and answer; truth needs no seed."""
    rng, found = np.random.default_rng(seed), []
    for number in range(scenes * each):
        right = rng.random(3) < skill
        found.append(
            guess(
                str(number),
                scene_id=f"room_{number // each:06d}_00",
                situation=f"I am at place {number}.",
                position_m=(1.0, 2.0) if right[0] else (5.0, 2.0),
                heading_rad=0.0 if right[1] else math.pi,
                text="two" if right[2] else "three",
            )
        )
    return found


def write_guesses(path: Path, skill: float, *, seed: int) -> None:
    """``guesses_of`` in a file, as an evaluation writes its own."""
    Journal(path).replace([asdict(guess) for guess in guesses_of(skill, seed=seed)])
