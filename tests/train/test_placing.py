"""Trainings that start from files: weights go to their ranks one at a time, whole or cut, and are the files'."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from forked import run_ranks
from safetensors.torch import load_file, save_file
from small import RECIPE, small_recipe, write_data

from loc3r.errors import CheckpointError
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.job import TrainingJob
from loc3r.train.metrics import MetricsLog
from loc3r.train.start import build, tokenizer_texts

pytestmark = pytest.mark.timeout(600)


def published_recipe(**train: Any) -> Recipe:
    """LLaVA-Video's parts, small, and its tower frozen."""
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


def test_broken_weights_stop_the_start(tmp_path: Path) -> None:
    recipe = published_recipe(scenes_per_micro_batch=1)
    data, init = write_data(tmp_path / "data", recipe), tmp_path / "published"
    init.mkdir()
    publish(init, recipe, PreparedData(data))
    shards = {path: load_file(path) for path in sorted(init.glob("*.safetensors"))}
    shard, name = next((path, n) for path, some in shards.items() for n in some if n.endswith("up_proj.weight"))
    shards[shard][name][0, 0] = torch.nan
    save_file(shards[shard], shard)
    alone: Any = SimpleNamespace(first=True, ranks=1, device=torch.device("cpu"), barrier=lambda: None)
    with pytest.raises(CheckpointError, match=r"NaN or infinity in vlm\.model.*up_proj\.weight"):
        build(recipe, PreparedData(data), init, tmp_path, alone, resuming=False)


def train(group: Any, job: TrainingJob) -> None:
    """A whole training, as one rank of ``loc3r train`` does it."""
    from loc3r.train.trainer import Trainer

    identity = group.agree(lambda: job.identity(PreparedData(job.data).data_hash))
    Trainer(job, identity, PreparedData(job.data), group, stopping=lambda: False).run()
    group.leave()


@pytest.mark.slow
def test_a_cut_start_goes_on_with_another_number_of_ranks(tmp_path: Path) -> None:
    recipe = published_recipe(scenes_per_micro_batch=1, zero_stage=3, steps=4, checkpoint_every_steps=2)
    path, init = tmp_path / "recipe.yaml", tmp_path / "published"
    path.write_text(recipe.to_yaml())
    init.mkdir()
    data = write_data(tmp_path / "data", recipe)
    publish(init, recipe, PreparedData(data))
    whole = TrainingJob(path, (), recipe, data, tmp_path / "whole", init, None, None, "cpu")
    run_ranks(train, 2, whole)
    broken = replace(whole, out=tmp_path / "broken")
    shutil.copytree(whole.out, broken.out, ignore=shutil.ignore_patterns("model", "step_00000004"))
    run_ranks(train, 1, broken)
    losses, resumed = ([r.loss for r in MetricsLog(job.out / "metrics.jsonl").read()] for job in (whole, broken))
    assert len(resumed) == 4 and resumed == pytest.approx(losses, rel=1e-5)
    weights, others = (load_file(job.model / "model.safetensors") for job in (whole, broken))
    for name, weight in weights.items():
        if not name.endswith("k_proj.bias"):  # its gradient is rounding noise
            torch.testing.assert_close(others[name], weight, atol=2e-6, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
