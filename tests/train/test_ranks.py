"""Training on 1, 2 and 4 real ranks: the same loss, gradients and weights, also when their number changes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import run_ranks
from safetensors.torch import load_file
from small import small_recipe, write_data, write_recipe

from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.job import TrainingJob
from loc3r.train.metrics import MetricsLog

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
FROZEN = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": True}
SPREAD = [(1, 1, 2), (2, 2, 1), (2, 1, 2), (2, 1, 3), (4, 1, 2), (4, 1, 3)]
"""Ranks, videos in a micro-batch, ZeRO stage."""


def spread_recipe(**train: Any) -> Recipe:
    """A part is frozen, as at scale; vectors don't decay and matrices do."""
    model = small_recipe().model.model_dump(exclude_defaults=True)
    return small_recipe(model={**model, "vision": FROZEN}, train={"steps": 8, "checkpoint_every_steps": 4, **train})


def first_gradients(group: Any, recipe: Recipe, data: Path, out: Path) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss of step 0 and every gradient, put together from the ranks."""
    from deepspeed.utils import safe_get_full_grad

    from loc3r.train.batches import TrainingData
    from loc3r.train.engine import Engine
    from loc3r.train.start import build

    prepared = PreparedData(data)
    model, processor = build(recipe, prepared, None, out, group, resuming=False)
    mine = TrainingData(prepared, recipe, processor, group.rank, group.ranks).load(0)
    engine = Engine(model, recipe, group)
    gradients: dict[str, torch.Tensor] = {}

    def keep_then_step() -> None:
        if engine.deepspeed.is_gradient_accumulation_boundary():
            trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
            gradients.update({name: safe_get_full_grad(weight).clone() for name, weight in trained})
        take_step()

    take_step, engine.deepspeed.step = engine.deepspeed.step, keep_then_step
    terms = engine.train_step(mine.batches, group.sum(mine.counts))
    group.leave()
    return engine.loss(terms), {name: value.numpy() for name, value in gradients.items()}  # type: ignore[misc]


def test_loss_and_gradients_are_the_same_on_any_number_of_ranks(tmp_path: Path) -> None:
    recipe = spread_recipe()
    data = write_data(tmp_path / "data", recipe)
    run = partial(_gradients_of, data=data, out=tmp_path)
    loss, gradients = run(1, 4, 2)
    assert len(gradients) > 50 and all(abs(value).max() > 0 for value in gradients.values())
    for ranks, per_micro_batch, stage in SPREAD:
        told = f"{ranks} ranks x {per_micro_batch} videos, ZeRO-{stage}"
        other_loss, others = run(ranks, per_micro_batch, stage)
        assert other_loss == pytest.approx(loss, rel=1e-6), told
        assert others.keys() == gradients.keys()
        for name, value in gradients.items():
            # A key's bias moves no attention: its gradient is rounding noise.
            if not name.endswith("k_proj.bias"):
                size = abs(value).max()
                assert abs(others[name] - value).max() < 1e-4 * size, f"{told}: {name}"


def _gradients_of(ranks: int, per_micro_batch: int, stage: int, *, data: Path, out: Path) -> tuple[float, Any]:
    recipe = spread_recipe(scenes_per_micro_batch=per_micro_batch, zero_stage=stage)
    results = run_ranks(first_gradients, ranks, recipe, data, out / f"{ranks}-{per_micro_batch}-{stage}")
    assert all(loss == results[0][0] for loss, _ in results), "every rank tells the same loss"
    loss, gradients = results[0]
    return loss, gradients


def train(group: Any, job: TrainingJob) -> None:
    """A whole training, as one rank of ``loc3r train`` does it."""
    from loc3r.train.trainer import Trainer

    prepared = PreparedData(job.data)
    Trainer(job, job.identity(prepared.data_hash), prepared, group, stopping=lambda: False).run()
    group.leave()


def make_job(folder: Path, **train: Any) -> TrainingJob:
    recipe = spread_recipe(scenes_per_micro_batch=1, **train)
    folder.mkdir(exist_ok=True)
    path = write_recipe(folder / "recipe.yaml", **recipe.model_dump(mode="json", include={"model", "train"}))
    data = write_data(folder / "data", recipe)
    return TrainingJob(path, (), load_recipe(path), data, folder / "whole", None, None, None, "cpu")


@pytest.mark.parametrize(("stage", "before", "after"), [(1, 2, 1), (2, 2, 4), (3, 2, 1), (3, 2, 4)])
def test_training_goes_on_with_another_number_of_ranks(tmp_path: Path, stage: int, before: int, after: int) -> None:
    whole = make_job(tmp_path, zero_stage=stage)
    run_ranks(train, before, whole)
    broken = replace(whole, out=tmp_path / "broken")
    shutil.copytree(whole.out, broken.out, ignore=shutil.ignore_patterns("model", "step_00000008"))
    run_ranks(train, after, broken)

    records, resumed = (MetricsLog(job.out / "metrics.jsonl").read() for job in (whole, broken))
    assert [r.step for r in resumed] == [r.step for r in records] == list(range(1, 9))
    assert [r.learning_rate for r in resumed] == [r.learning_rate for r in records]
    assert [r.loss for r in resumed] == pytest.approx([r.loss for r in records], rel=1e-5)
    weights, others = (load_file(job.model / "model.safetensors") for job in (whole, broken))
    for name, weight in weights.items():
        if not name.endswith("k_proj.bias"):
            torch.testing.assert_close(others[name], weight, atol=2e-6, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    assert not (broken.checkpoints / "universal").exists()


@pytest.mark.parametrize("stage", [2, 3])
def test_offloaded_training_is_the_same_training(tmp_path: Path, stage: int) -> None:
    plain = make_job(tmp_path, zero_stage=stage)
    offloaded = replace(make_job(tmp_path / "other", zero_stage=stage, offload=True), data=plain.data)
    for job in (plain, offloaded):
        run_ranks(train, 1, job)
    losses = [[r.loss for r in MetricsLog(job.out / "metrics.jsonl").read()] for job in (plain, offloaded)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
