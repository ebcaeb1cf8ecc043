"""Furniture that is drawn by rules: every family gives sound models, each of them another."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))  # its modules import each other by name, as when it is run

import parametric  # noqa: E402
from wavefront import Material  # noqa: E402

TABLE = yaml.safe_load((SCRIPTS / "furniture_classes.yaml").read_text())
LARGEST_CM = {"top": 190, "wall": 300, "floor": 330, "ceiling": 130, "opening": 260}
"""The longest side that a thing of each placement may have."""


def test_every_family_is_a_class_of_the_table() -> None:
    assert not set(parametric.MAKERS) - set(TABLE)


def test_what_hangs_says_how_high() -> None:
    hung = {name for name in parametric.MAKERS if TABLE[name].get("placement") in ("wall", "ceiling")}
    assert hung <= set(parametric.ELEVATION_CM)
    assert all(0 < parametric.ELEVATION_CM[name] < 220 for name in hung)


@pytest.mark.parametrize("name", sorted(parametric.MAKERS))
def test_models_are_sound_and_differ(name: str) -> None:
    models = [parametric.MAKERS[name](np.random.default_rng(seed)) for seed in range(4)]
    for model in models:
        size = np.ptp(model.vertices, axis=0)
        assert np.isfinite(model.vertices).all() and 20 <= len(model.faces) < 8000
        assert 4 < size.max() < LARGEST_CM[TABLE[name].get("placement", "floor")], size
        assert len(model.material) == len(model.uv) == len(model.faces)
    assert len({looks(model.vertices, model.materials) for model in models}) == len(models)


def looks(vertices: np.ndarray, materials: list[Material]) -> tuple[bytes, bytes]:
    """Shape and colours."""
    return vertices.tobytes(), np.stack([material.colour for material in materials]).tobytes()


def test_the_same_seed_gives_the_same_model() -> None:
    first, second = (parametric.MAKERS["table lamp"](np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.vertices, second.vertices)
