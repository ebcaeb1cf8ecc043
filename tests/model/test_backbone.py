"""A published LLaVA-Video checkpoint loads as it is (its layout, at toy size)."""

import re

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from loc3r.errors import CheckpointError
from loc3r.model.backbones.published import load_backbone
from loc3r.model.config import Loc3RConfig, SpecialTokens
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import load_tokenizer

PUBLISHED = (
    (r"^model\.vision_tower\.", "model.vision_tower.vision_tower.vision_model."),
    (r"^model\.multi_modal_projector\.linear_1", "model.mm_projector.0"),
    (r"^model\.multi_modal_projector\.linear_2", "model.mm_projector.2"),
    (r"^model\.language_model\.", "model."),
)


def publish(name: str) -> str:
    for pattern, replacement in PUBLISHED:
        name = re.sub(pattern, replacement, name)
    return name


@pytest.fixture(scope="module")
def config(recipe, processor) -> Loc3RConfig:
    language = recipe.model.language.model_copy(update={"kind": "qwen2"})
    model = recipe.model.model_copy(update={"backbone": "llava-video-7b", "language": language})
    return processor.config.model_copy(update={"model": model})


@pytest.fixture(scope="module")
def original(config) -> Loc3R:
    torch.manual_seed(5)
    return Loc3R(config)


@pytest.fixture
def folder(original, tmp_path):
    weights = {publish(name): value.clone() for name, value in original.vlm.state_dict().items()}
    weights["model.vision_tower.vision_tower.vision_model.head.probe"] = torch.zeros(3)
    weights["model.vision_tower.vision_tower.vision_model.encoder.layers.1.mlp.fc1.bias"] = torch.zeros(3)
    names = sorted(weights)
    for shard in range(2):
        save_file({name: weights[name] for name in names[shard::2]}, tmp_path / f"model-{shard}.safetensors")
    return tmp_path


def test_every_published_weight_arrives(config, original, folder):
    torch.manual_seed(6)
    model = Loc3R(config)
    assert model.vlm.lm_head.weight is not model.language.embed_tokens.weight
    load_backbone(model, folder)
    new = [config.tokens.image, config.tokens.cam, config.tokens.newline, config.tokens.pos, config.tokens.ori]
    expected = dict(original.vlm.state_dict())
    for name, value in model.vlm.state_dict().items():
        kept = torch.ones(len(value), dtype=torch.bool) if value.ndim else ...
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            kept[new] = False
            assert torch.allclose(value[new], expected[name][: min(new)].mean(0))
        assert torch.equal(value[kept], expected[name][kept]), name


def test_a_missing_weight_is_named(config, folder):
    shard = folder / "model-0.safetensors"
    shard.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_backbone(Loc3R(config), folder)


def test_another_models_weight_is_named(config, folder):
    save_file({"model.wings": torch.zeros(1)}, folder / "model-9.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.wings"):
        load_backbone(Loc3R(config), folder)


def test_no_weights_is_an_error(config, tmp_path):
    with pytest.raises(CheckpointError, match="no weights"):
        load_backbone(Loc3R(config), tmp_path)


def test_new_tokens_come_behind_the_vocabulary(tmp_path):
    published = Tokenizer(models.BPE())
    published.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<other>"])
    published.save(str(tmp_path / "tokenizer.json"))
    assert SpecialTokens.of(load_tokenizer(tmp_path)).model_dump() == {
        "pad": 0,
        "im_start": 1,
        "im_end": 2,
        "image": 4,
        "cam": 5,
        "newline": 6,
        "pos": 7,
        "ori": 8,
    }
