"""Trainings that start from files: weights go to their ranks one at a time, whole or cut, and are the files'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from forked import run_ranks
from safetensors.torch import save_file
from small import RECIPE, small_recipe, write_data

from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.start import tokenizer_texts

pytestmark = pytest.mark.timeout(600)


def published_recipe(**train: Any) -> Recipe:
    """Two questions of LLaVA-Video's parts, its tower frozen."""
    model: Any = RECIPE["model"]
    language = {**model["language"], "kind": "qwen2"}
    model = {**model, "backbone": "llava-video-7b", "vision": {**model["vision"], "frozen": True}, "language": language}
    return small_recipe(model=model, train=train)


def publish(folder: Path, recipe: Recipe, prepared: PreparedData) -> dict[str, torch.Tensor]:
    """A folder with a tokenizer and two shards, as a backbone is published; returns what is in it."""
    tokenizer = train_tokenizer(tokenizer_texts(prepared), recipe.model.language.vocabulary)
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(3)
    vlm = Loc3R(Loc3RConfig.from_recipe(recipe, prepared.class_names, tokenizer)).vlm
    weights = {name.replace("model.language_model.", "model."): w.clone() for name, w in vlm.state_dict().items()}
    weights = {
        name.replace("model.vision_tower.", "model.vision_tower.vision_tower."): w for name, w in weights.items()
    }
    weights = {
        name.replace("multi_modal_projector.linear_1", "mm_projector.0").replace(
            "multi_modal_projector.linear_2", "mm_projector.2"
        ): w
        for name, w in weights.items()
    }
    names = sorted(weights)
    for shard in range(2):
        save_file({name: weights[name] for name in names[shard::2]}, folder / f"model-{shard}.safetensors")
    return {name: value.detach().clone() for name, value in vlm.state_dict().items()}


def start(group: Any, recipe: Recipe, data: Path, init: Path, out: Path) -> tuple[float, int, dict[str, Any]]:
    """Loss of the first step, numbers that this rank holds before DeepSpeed sees the model, and the weights after."""
    from loc3r.train.batches import TrainingData
    from loc3r.train.engine import Engine
    from loc3r.train.start import build

    prepared = PreparedData(data)
    model, processor = build(recipe, prepared, init, out, group, resuming=False)
    held = sum(getattr(weight, "ds_tensor", weight).numel() for weight in model.parameters())
    mine = TrainingData(prepared, recipe, processor, group.rank, group.ranks).load(0)
    engine = Engine(model, recipe, group)
    with engine.gathered():
        weights = {name: weight.detach().clone().numpy() for name, weight in model.named_parameters()}
    loss = engine.loss(engine.train_step(mine.batches, group.sum(mine.counts)))
    engine.save(out / "checkpoints" / "step_00000001")
    group.leave()
    return loss, held, weights


def test_weights_from_files_are_the_same_whole_and_cut(tmp_path: Path) -> None:
    recipe = published_recipe(scenes_per_micro_batch=1)
    data = write_data(tmp_path / "data", recipe)
    init = tmp_path / "published"
    init.mkdir()
    original = publish(init, recipe, PreparedData(data))
    results = {}
    for stage in (2, 3):
        staged = published_recipe(scenes_per_micro_batch=1, zero_stage=stage)
        results[stage] = run_ranks(start, 2, staged, data, init, tmp_path / f"zero{stage}")
    for (loss, _, weights), (other_loss, _, others) in zip(results[2], results[3], strict=True):
        assert other_loss == pytest.approx(loss, rel=1e-6)
        assert weights.keys() == others.keys()
        assert all((weights[name] == others[name]).all() for name in weights)
    new = slice(3, 8)  # tokens that the backbone never saw
    for name, value in original.items():
        found = torch.from_numpy(results[3][1][2][f"vlm.{name}"])
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            value[new] = value[:3].mean(0)
        assert torch.equal(found, value), name
    whole, cut = (results[stage][1][1] for stage in (2, 3))
    assert cut < 0.6 * whole, "a rank holds its part"
