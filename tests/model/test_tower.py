"""The frozen tower: what ships, what a checkpoint keeps of it, and that mixed precision changes little."""

from __future__ import annotations

import warnings

import pytest
import torch
from conftest import TINY
from safetensors.torch import load_file

from loc3r.errors import RecipeError
from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.tower import FEATURES, Lite0
from loc3r.recipe import parse_recipe

VALUES = {
    **TINY,
    "data": {"frames": 3, "frame_size_px": 64, "frame_fit": "squash", "patch_px": 32, "pool": 1},
    "model": {**TINY["model"], "vision": {"kind": "lite0", "dropout": 0.0}},
}


@pytest.fixture(scope="module")
def tower() -> Lite0:
    return Lite0.pretrained().eval()


@torch.inference_mode()
def test_a_token_sees_its_patch_most(tower):
    pixels = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    before = tower(pixels)
    assert before.shape == (1, 4, 4, FEATURES)
    pixels[..., 40:56, 72:88] = 1.0  # inside row 1, column 2
    change = (tower(pixels) - before).norm(dim=-1)[0]
    assert change.argmax().item() == 1 * 4 + 2


@torch.inference_mode()
def test_the_shipped_weights_are_trained_and_standardised(tower):
    """Smooth pictures of different colours: features of spread about one that tell the colours apart."""
    ramp = torch.linspace(-1, 1, 64)
    picture = torch.stack([ramp[None] * ramp[:, None], ramp[None].expand(64, 64), ramp[:, None].expand(64, 64)])
    features = tower(torch.stack([picture, picture.flip(0), -picture])).flatten(1)
    assert 0.3 < features.std() < 3
    assert torch.cdist(features, features)[0, 1:].min() > 10
    assert not any(weight.requires_grad for weight in tower.parameters())


def test_a_model_made_for_its_shapes_alone_warns_of_nothing():
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Loc3R(Loc3RConfig(data=parse_recipe(VALUES).data, model=parse_recipe(VALUES).model))
    assert model.heads.layout.weight.is_meta


def test_a_checkpoint_keeps_the_tower_as_it_ships(tmp_path, processor):
    recipe = parse_recipe(VALUES)
    model = Loc3R(Loc3RConfig.from_recipe(recipe, (), processor.tokenizer)).eval()
    model.save(tmp_path, processor.tokenizer)
    kept = {name: w for name, w in load_file(tmp_path / "model.safetensors").items() if "vision_tower" in name}
    assert kept and all(weight.dtype == torch.float16 for weight in kept.values())
    pixels = torch.rand(1, 3, 3, 64, 64)
    torch.testing.assert_close(Loc3R.load(tmp_path).see(pixels), model.see(pixels))


@pytest.mark.parametrize(
    ("section", "value", "match"),
    [
        ("data", {**VALUES["data"], "patch_px": 16}, "patch_px=32"),
        ("model", {**VALUES["model"], "vision": {"kind": "lite0", "frozen": False}}, "frozen=true"),
        ("train", {"keep_features": True, "zero_stage": 3}, "zero_stage below 3"),
    ],
)
def test_recipes_that_contradict_the_tower_are_refused(section, value, match):
    with pytest.raises(RecipeError, match=match):
        parse_recipe({**VALUES, section: value})


def test_mixed_precision_changes_a_loss_by_little(make_model, processor, pack, sample):
    model = make_model().eval()  # untrained: its variances are wide, so that rounding is all that differs
    batch = processor.collate([pack(0, [sample(seed) for seed in range(4)])])

    def terms() -> dict[str, float]:
        return joint_loss(model(batch), batch, model.config).means()

    exact = terms()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = terms()
    assert mixed.keys() == exact.keys() and mixed != exact
    for name, value in exact.items():
        assert mixed[name] == pytest.approx(value, abs=0.1 + 0.05 * abs(value)), name


def test_a_shared_camera_moves_only_its_own_frame(switched, pack, sample):
    shared = switched(share_camera=True)
    batch = shared.collate([pack(0, [sample(0)])])
    torch.manual_seed(0)
    model = Loc3R(shared.config).eval()
    features = model.see(batch.pixels)
    other = batch.camera_tokens.clone()
    other[:, 1] += 1
    changed = model.embed_prefix(batch.ids, features, other) != model.embed_prefix(
        batch.ids, features, batch.camera_tokens
    )
    rows = changed.any(-1)[0]
    patches = rows[batch.ids[0] == shared.config.tokens.image].unflatten(0, (3, -1))
    assert patches[1].all() and not patches[[0, 2]].any()
    assert rows[batch.ids[0] == shared.config.tokens.cam].tolist() == [False, True, False]
