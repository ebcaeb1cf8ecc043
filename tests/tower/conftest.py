"""Two small rendered rooms and a checkpoint whose tower can be taught."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from taught import NAMES, VALUES

from loc3r.files import write_json, write_text
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe, parse_recipe
from loc3r.synth.generate import generate


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return parse_recipe(VALUES)


@pytest.fixture(scope="session")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training rooms of eight frames, alone in their folder."""
    root = tmp_path_factory.mktemp("taught") / "rooms"
    return generate(root, rooms=2, seed=40, split="train", frames=8, situations=0, workers=1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> Path:
    """An untrained model of the smallest size with the tower that ships."""
    folder = tmp_path_factory.mktemp("untaught") / "model"
    tokenizer = train_tokenizer([" ".join(NAMES), "I am at the bed."], 600)
    torch.manual_seed(0)
    Loc3R(Loc3RConfig.from_recipe(recipe, NAMES, tokenizer)).save(folder, tokenizer)
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    write_json(folder / "lineage.json", {"name": "test", "situations_seen": 5})
    return folder
