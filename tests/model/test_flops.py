"""Counted operations against PyTorch's own counter on the model that runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from loc3r.model.backbones import backbone_of
from loc3r.model.config import Loc3RConfig
from loc3r.model.flops import Work, layer_weights, tower_flops, training_flops
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R, visible
from loc3r.model.tower import Lite0
from loc3r.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
PLAIN = {"naming_layer": None, "mention_layer": None, "look_at": False, "egocentric_layer": None}
NO_LOSS = {"naming": 0.0, "mention": 0.0, "look_at": 0.0, "pointing": 0.0, "pose_pointing": 0.0}
WORK = Work(videos=1, encoded=1, questions=8, tokens=7152, pairs=25_000_000, answers=40)


def products(counter: FlopCounterMode) -> int:
    """Operations of every product with weights and every convolution; those of attention are others."""
    counts = counter.get_flop_counts()["Global"]
    return sum(count for op, count in counts.items() if "attention" not in str(op) and "bmm" not in str(op))


@pytest.fixture
def plain(switched):
    return switched(NO_LOSS, **PLAIN)


@pytest.fixture
def batch(plain, scene, sample):
    return plain.collate([plain.pack(scene(v), [sample(3 * v + i, v) for i in range(2 + v)]) for v in range(2)])


def test_a_pass_counts_what_pytorch_counts(plain, batch):
    torch.manual_seed(0)
    model, config, work = Loc3R(plain.config).train(), plain.config, Work.of(batch)
    padding = batch.owner.numel() - work.tokens
    attention_in_tower = config.data.frames * work.videos * config.model.vision.layers * 4 * 16**2 * 16
    padded = replace(work, tokens=work.tokens + padding, pairs=0)
    with FlopCounterMode(display=False) as forward:
        terms = joint_loss(model(batch), batch, config)
    counted = training_flops(config, padded) - 3 * attention_in_tower
    assert 3 * products(forward) == pytest.approx(counted, rel=1e-3)
    with FlopCounterMode(display=False) as backward:
        terms.total().backward()
    both = products(forward) + products(backward)
    # The first matrices of the tower, the projector's camera input and the heads need no gradient of their input.
    assert both == pytest.approx(counted, rel=0.02)


def test_pairs_are_those_that_the_mask_shows(batch):
    there = batch.owner >= 0
    assert Work.of(batch).pairs == int((visible(batch.owner)[:, 0] & there[:, :, None]).sum())


def test_kept_features_spare_the_tower(plain, batch):
    kept = replace(batch, features=torch.zeros(1))
    assert Work.of(kept).encoded == 0
    saved = training_flops(plain.config, Work.of(batch)) - training_flops(plain.config, Work.of(kept))
    assert saved == 3 * tower_flops(plain.config, 2) > 0


def test_the_small_tower_counts_what_pytorch_counts():
    recipe = load_recipe(RECIPES / "rooms-tiny.yaml")
    side = recipe.data.frame_size_px
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        Lite0()(torch.zeros(recipe.data.frames, 3, side, side))
    config = Loc3RConfig(data=recipe.data, model=recipe.model)
    assert products(counter) == tower_flops(config, 1)


def test_qwens_tower_counts_what_pytorch_counts() -> None:
    recipe = load_recipe(RECIPES / "qwen2.5-vl-7b.yaml")
    sizes = {"hidden": 32, "intermediate": 48, "layers": 8, "heads": 2}
    small = recipe.model.language.model_copy(
        update={"hidden": 64, "layers": 1, "heads": 4, "kv_heads": 2, "vocabulary": 100}
    )
    vision = recipe.model.vision.model_copy(update=sizes)
    data = recipe.data.model_copy(update={"frames": 2, "frame_size_px": 224})
    model = recipe.model.model_copy(update={"vision": vision, "language": small, "prior_dim": 4})
    config = Loc3RConfig(data=data, model=model)
    backbone = backbone_of(config)
    vlm = backbone.build()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone.see(vlm, torch.zeros(2, 3, 224, 224))
    patches, full, windows = 16**2, 4, 4
    attention = 4 * 2 * patches * 32 * (full * patches + windows * 64)
    assert products(counter) + attention == pytest.approx(tower_flops(config, 1), rel=1e-3)


def test_the_papers_model_costs_what_its_size_says():
    recipe = load_recipe(RECIPES / "loc3r-7b.yaml")
    config = Loc3RConfig(data=recipe.data, model=recipe.model)
    assert recipe.model.language.layers * layer_weights(recipe.model.language) == pytest.approx(6.53e9, rel=0.01)
    assert tower_flops(config, 1) == pytest.approx(21e12, rel=0.05)
    whole, frozen = (training_flops(config, WORK, language_trained=trained) for trained in (True, False))
    assert whole == pytest.approx(3 * 2 * 6.53e9 * WORK.tokens + 21e12, rel=0.15)
    assert whole - frozen == pytest.approx(2 * 6.53e9 * WORK.tokens, rel=0.02)
