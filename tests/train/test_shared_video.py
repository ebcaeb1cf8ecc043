"""A recipe's training packed, in rows of a token budget and one question a video: the same losses, step for step."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import CLASSES, small_recipe, write_data

from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.batches import TrainingData
from loc3r.train.start import tokenizer_texts

STEPS = 12


def train(recipe: Recipe, prepared: PreparedData) -> tuple[list[float], int]:
    """Loss of every step, and the questions seen."""
    tokenizer = train_tokenizer(tokenizer_texts(prepared), recipe.model.language.vocabulary)
    config = Loc3RConfig.from_recipe(recipe, CLASSES, tokenizer)
    torch.manual_seed(recipe.seed)
    model = Loc3R(config).train()
    data = TrainingData(prepared, recipe, Processor(config, tokenizer), 0, 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.optimiser.learning_rate)
    losses, questions = [], 0
    for number in range(STEPS):
        step, loss = data.load(number), 0.0
        optimiser.zero_grad()
        for batch in step.batches:
            part = joint_loss(model(batch), batch, config).total(step.counts)
            part.backward()
            loss += part.item()
        optimiser.step()
        losses.append(loss)
        questions += step.questions
    return losses, questions


def test_packing_changes_neither_the_losses_nor_the_questions_seen(tmp_path: Path) -> None:
    prepared = PreparedData(write_data(tmp_path, small_recipe()))
    ways = {
        "packed": {"scenes_per_micro_batch": 2},
        "budget": {"scenes_per_micro_batch": 1, "tokens_per_micro_batch": 300},
        "one question": {"scenes_per_micro_batch": 2, "packed": False},
    }
    runs = {name: train(small_recipe(train=changes), prepared) for name, changes in ways.items()}
    losses, questions = runs["one question"]
    assert losses[-1] < 0.9 * losses[0]
    for name in ("packed", "budget"):
        assert runs[name][1] == questions == STEPS * 4 * 3
        assert runs[name][0] == pytest.approx(losses, rel=1e-3), name
