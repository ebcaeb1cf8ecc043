"""Training in float16: what overflows is skipped and scaled less, as PyTorch's own loss scaler does it.

PyTorch multiplies float16 on every CPU, slowly; DeepSpeed only asks whether it is fast, and these tests answer yes.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
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
STEPS, KEPT = 12, 4
SCALE_POWER = 18
"""Too much for these gradients, which overflow a few times at first."""


def fp16_train(**train: Any) -> dict[str, Any]:
    values = {"steps": STEPS, "checkpoint_every_steps": KEPT, "scenes_per_step": 2, "scenes_per_micro_batch": 1}
    scaling = {"initial_scale_power": SCALE_POWER, **train.pop("scaling", {})}
    return {"precision": "fp16", "deepspeed": {"fp16": scaling}, **values, **train}


def pretend_that_float16_is_fast() -> None:
    from deepspeed.accelerator import get_accelerator

    get_accelerator().is_fp16_supported = lambda: True


def train(group: Any, job: TrainingJob) -> list[bool]:
    """A whole training, as one rank of ``loc3r train`` does it; whether each step changed any weight of this rank."""
    from loc3r.train.trainer import Trainer

    pretend_that_float16_is_fast()
    prepared = PreparedData(job.data)
    trainer = Trainer(job, job.identity(prepared.data_hash), prepared, group, stopping=lambda: False)
    changed, take_step = [], trainer.engine.train_step

    def watch(*arguments: Any) -> Any:
        before = [held.clone() for held in held_weights(trainer.engine.model)]
        terms = take_step(*arguments)
        after = held_weights(trainer.engine.model)
        changed.append(any(not torch.equal(*pair) for pair in zip(before, after, strict=True)))
        return terms

    trainer.engine.train_step = watch
    trainer.run()
    group.leave()
    return changed


def held_weights(model: torch.nn.Module) -> list[torch.Tensor]:
    """What this rank holds of them: under ZeRO-3 its parts."""
    return [getattr(weight, "ds_tensor", weight).detach() for weight in model.parameters()]


@pytest.mark.parametrize(("stage", "ranks"), [(2, 1), (3, 2)])
def test_steps_that_overflow_train_nothing_and_the_next_ones_are_scaled_less(
    tmp_path: Path, stage: int, ranks: int
) -> None:
    path = write_recipe(tmp_path / "recipe.yaml", train=fp16_train(zero_stage=stage))
    recipe = load_recipe(path)
    data = write_data(tmp_path / "data", recipe)
    job = TrainingJob(path, (), recipe, data, tmp_path / "whole", None, None, None, "cpu")
    changed = run_ranks(train, ranks, job)[0]

    records = MetricsLog(job.out / "metrics.jsonl").read()
    skipped = [record.gradient_norm is None for record in records]
    assert changed == [not each for each in skipped]
    assert skipped[:2] == [True, True] and sum(skipped) < STEPS
    # DeepSpeed lets the first overflow pass (hysteresis 2), then halves at each.
    powers = [SCALE_POWER + 1 - sum(skipped[: step + 1]) for step in range(STEPS)]
    assert [record.loss_scale for record in records] == [2.0**power for power in powers]
    rates = [record.learning_rate for record in records]
    assert all(later == rate for rate, later, skip in zip(rates, rates[1:], skipped, strict=False) if skip)
    assert all(weight.isfinite().all() for weight in load_file(job.model / "model.safetensors").values())
    assert "loss_scale" in (job.out / "metrics.csv").read_text().splitlines()[0]

    broken = replace(job, out=tmp_path / "broken")
    shutil.copytree(job.out, broken.out, ignore=shutil.ignore_patterns("model", f"step_{STEPS:08d}"))
    run_ranks(train, ranks, broken)
    assert told(broken) == told(job), "the scale goes on where it was"


def told(job: TrainingJob) -> list[tuple[Any, ...]]:
    records = MetricsLog(job.out / "metrics.jsonl").read()
    return [(record.loss, record.loss_scale, record.gradient_norm) for record in records]


def first_steps(group: Any, recipe: Recipe, data: Path, out: Path) -> list[tuple[float, float, bool]]:
    """Loss, the scale after it and whether it trained, of each step of DeepSpeed's engine."""
    from loc3r.train.batches import TrainingData
    from loc3r.train.engine import Engine
    from loc3r.train.start import build

    pretend_that_float16_is_fast()
    prepared = PreparedData(data)
    model, processor = build(recipe, prepared, None, out, group, resuming=False)
    steps = TrainingData(prepared, recipe, processor, group.rank, group.ranks)
    engine, rows = Engine(model, recipe, group), []
    for number in range(STEPS):
        mine = steps.load(number)
        loss = engine.loss(engine.train_step(mine.batches, group.sum(mine.counts)))
        assert engine.loss_scale is not None
        rows.append((loss, engine.loss_scale, engine.gradient_norm is not None))
    group.leave()
    return rows


def first_plain_steps(group: Any, recipe: Recipe, data: Path, out: Path) -> list[tuple[float, float, bool]]:
    """The same with PyTorch alone: a model in float16, its weights in float32 beside it, ``torch.amp.GradScaler``."""
    from loc3r.model.losses import joint_loss
    from loc3r.train.batches import TrainingData
    from loc3r.train.engine import adamw
    from loc3r.train.schedule import warmup_cosine
    from loc3r.train.start import build

    prepared = PreparedData(data)
    model, processor = build(recipe, prepared, None, out, group, resuming=False)
    steps, model = TrainingData(prepared, recipe, processor, 0, 1), model.half().train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = adamw(model, recipe, fused=False)
    masters = {weight: weight.detach().float().requires_grad_() for weight in trained}
    for group_of in optimiser.param_groups:
        group_of["params"] = [masters[weight] for weight in group_of["params"]]
    schedule = warmup_cosine(optimiser, recipe.train.steps, recipe.optimiser)
    scaler, rows = torch.amp.GradScaler("cpu", init_scale=2.0**SCALE_POWER), []
    for number in range(STEPS):
        mine, loss = steps.load(number), 0.0
        for batch in mine.batches:
            part = joint_loss(model(batch), batch, model.config).total(mine.counts)
            scaler.scale(part).backward()
            loss += part.item()
        for weight, master in masters.items():
            master.grad, weight.grad = weight.grad.float() if weight.grad is not None else None, None
        scaler.unscale_(optimiser)
        torch.nn.utils.clip_grad_norm_(masters.values(), recipe.optimiser.clip_norm)
        before = scaler.get_scale()
        scaler.step(optimiser)
        scaler.update()
        trained_one = scaler.get_scale() >= before
        if trained_one:
            schedule.step()
            for weight, master in masters.items():
                weight.data.copy_(master.data)
        rows.append((loss, scaler.get_scale(), trained_one))
    group.leave()
    return rows


def test_the_scale_falls_as_pytorchs_own_does_and_the_losses_are_the_same(tmp_path: Path) -> None:
    recipe = small_recipe(train=fp16_train(zero_stage=2, scaling={"hysteresis": 1}))
    data = write_data(tmp_path / "data", recipe)
    (rows,), (plain,) = (
        run_ranks(work, 1, recipe, data, tmp_path / "out") for work in (first_steps, first_plain_steps)
    )
    assert [row[1:] for row in rows] == [row[1:] for row in plain]
    assert [row[2] for row in rows].count(False) > 1 and rows[-1][2]
    assert [row[0] for row in rows] == pytest.approx([row[0] for row in plain], rel=2e-3)
