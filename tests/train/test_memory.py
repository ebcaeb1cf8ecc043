"""Estimates against what real training holds and does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import run_ranks
from small import small_recipe, write_data, write_recipe

from loc3r.cli import main
from loc3r.errors import TrainingError
from loc3r.model.config import Loc3RConfig
from loc3r.model.flops import PEAK_TFLOPS
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.batches import TrainingData
from loc3r.train.estimate import CARD_GIB, estimate, named, planned_work
from loc3r.train.memory import activation_bytes, count_parameters, estimate_memory
from loc3r.train.start import tokenizer_texts

RECIPES = Path(__file__).parents[2] / "recipes"
GIB = 2**30


@pytest.mark.parametrize(
    ("preset", "gpu"), [("1x24gb", "RTX 4090"), ("1x80gb", "H100"), ("8x80gb", "H100"), ("16x32gb", "V100")]
)
def test_presets_fit_their_gpus_and_keep_the_paper_s_batch(preset: str, gpu: str) -> None:
    recipe = load_recipe(RECIPES / f"loc3r-7b-{preset}.yaml")
    told = estimate(recipe, int(preset.split("x")[0]), named(gpu))
    assert f"; fits in {CARD_GIB[gpu]:.1f} GiB" in dict(told.rows())["memory of a rank"]
    assert told.work.questions == 64
    assert 7.9e9 < told.parameters.all < 8.3e9


def test_what_does_not_fit_a_named_gpu_is_said_with_what_helps() -> None:
    assert CARD_GIB.keys() == PEAK_TFLOPS.keys()
    rows = dict(estimate(load_recipe(RECIPES / "loc3r-7b-8x80gb.yaml"), 8, named("RTX 4090")).rows())
    assert "DOES NOT FIT in 23.5 GiB: less is needed with" in rows["memory of a rank"]
    one = estimate(load_recipe(RECIPES / "loc3r-7b-1x24gb.yaml"), 1, named("L4"))
    assert "DOES NOT FIT" in dict(one.rows())["memory of a rank"]  # as the preset's first lines say


def test_an_epoch_takes_as_long_as_its_questions() -> None:
    recipe = load_recipe(RECIPES / "loc3r-7b-8x80gb.yaml")
    known = estimate(recipe, 8, named("H100"), units_per_epoch=80_000)
    assert dict(known.rows())["epoch"] == f"10,000 steps, {known.step_s * 10_000 / 3600:.1f} h"
    asked = dict(estimate(recipe, 8, named("H100")).rows())["epoch"]
    assert (
        asked == f"--data tells how many steps; every 10,000 questions take {known.step_s * 10_000 / 64 / 60:.0f} min"
    )


def test_more_ranks_hold_less_each_as_the_stage_says() -> None:
    recipe = load_recipe(RECIPES / "loc3r-7b-8x80gb.yaml")
    one, eight = (estimate(recipe, ranks, named("H100")).memory for ranks in (1, 8))
    assert one.optimiser == pytest.approx(8 * eight.optimiser) and one.gradients == pytest.approx(8 * eight.gradients)
    assert one.weights == eight.weights
    # DeepSpeed's own arithmetic: 16 bytes a weight
    assert (one.weights + one.gradients + one.optimiser) / GIB == pytest.approx(113, rel=0.05)


@pytest.mark.parametrize(
    ("gpu", "ranks", "told"),
    [("H1000", "1", "H100"), ("H100", "3", "does not divide over the ranks"), ("V100", "8", "precision=fp16")],
)
def test_what_can_t_be_estimated_is_explained(
    gpu: str, ranks: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(RECIPES / "loc3r-7b-8x80gb.yaml")
    with pytest.raises(SystemExit):
        main(["train", "--recipe", recipe, "--estimate", "--gpu", gpu, "--ranks", ranks])
    assert told in capsys.readouterr().err


def test_the_command_prints_memory_tokens_and_time_and_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml")
    data = write_data(tmp_path / "data", small_recipe())
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(
            ["train", "--recipe", str(recipe), "--data", str(data), "--out", str(out), "--device", "cpu", "--estimate"]
        )
    assert not ended.value.code
    told = capsys.readouterr().out
    for row in ("memory of a rank", "tokens", "step", "epoch", "training"):
        assert f"\n{row} " in told
    assert not out.exists()


def test_activations_and_weights_are_what_a_real_step_holds(tmp_path: Path) -> None:
    language = {
        **small_recipe().model.language.model_dump(),
        "hidden": 256,
        "intermediate": 768,
        "layers": 6,
        "heads": 4,
    }
    recipe = small_recipe(
        model={
            "vision": {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": True},
            "language": {**language, "kv_heads": 4}, "prior_dim": 4, "heading_bins": 12,
        },
        loss={"naming": 0, "mention": 0, "look_at": 0},
        train={"scenes_per_step": 2},
    )  # fmt: skip
    prepared = PreparedData(write_data(tmp_path / "data", recipe, scenes=2))
    tokenizer = train_tokenizer(tokenizer_texts(prepared), recipe.model.language.vocabulary)
    processor = Processor(Loc3RConfig.from_recipe(recipe, prepared.class_names, tokenizer), tokenizer)
    model = Loc3R(processor.config)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert count_parameters(recipe).trained == trained

    data = TrainingData(prepared, recipe, processor, rank=0, ranks=1).load(0)
    (batch,) = data.batches
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = joint_loss(model(batch), batch, model.config).total()
    assert math.isfinite(loss.item())
    for weight in model.parameters():
        kept.pop(weight.untyped_storage().data_ptr(), None)
    told = activation_bytes(
        recipe, tokens=batch.ids.numel(), videos=len(batch.pixels), answers=int((batch.labels >= 0).sum())
    )
    assert told == pytest.approx(sum(kept.values()), rel=0.25)
    planned = planned_work(recipe)
    assert planned.questions == data.questions and planned.videos == 2


def states_of(group: Any, recipe: Recipe, data: Path, out: Path) -> int:
    """Bytes that DeepSpeed keeps for the optimiser behind a step: two moments, and the weights that it trains."""
    from loc3r.train.engine import Engine
    from loc3r.train.start import build

    prepared = PreparedData(data)
    model, processor = build(recipe, prepared, None, out, group, resuming=False)
    mine = TrainingData(prepared, recipe, processor, group.rank, group.ranks).load(0)
    engine = Engine(model, recipe, group)
    engine.train_step(mine.batches, group.sum(mine.counts))
    zero, own = engine.deepspeed.optimizer, {weight.data_ptr() for weight in model.parameters()}
    moments = [value for state in zero.optimizer.state.values() for value in state.values() if value.ndim]
    masters = [weight for weight in zero.single_partition_of_fp32_groups if weight.data_ptr() not in own]
    group.leave()
    return sum(value.nbytes for value in [*moments, *masters])


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("stage", "precision"), [(1, "bf16"), (2, "fp32")])
def test_optimiser_states_are_what_deepspeed_holds(tmp_path: Path, stage: int, precision: str) -> None:
    recipe = small_recipe(train={"zero_stage": stage, "precision": precision})
    (held,) = run_ranks(states_of, 1, recipe, write_data(tmp_path / "data", recipe), tmp_path / "out")
    parameters = count_parameters(recipe)
    told = estimate_memory(recipe, parameters, 1, tokens=1, rows=1, answers=1).optimiser
    assert told == 12 * parameters.trained
    assert told == pytest.approx(held, rel=1e-3)  # DeepSpeed fills up to its alignment


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(TrainingError, match="unknown GPU"):
        named("Voodoo 2")
