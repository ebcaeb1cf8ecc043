"""LLaVA-Video at toy width: a published checkpoint loads as it is, and frames take LLaVA-Video's way."""

import re
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models

from loc3r.errors import CheckpointError
from loc3r.model.backbones.published import load_backbone
from loc3r.model.bare import Read, set_weight
from loc3r.model.config import Loc3RConfig, SpecialTokens
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import load_tokenizer
from loc3r.recipe import Recipe
from loc3r.train.engine import Group
from loc3r.train.start import build, check_start

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


def put(model: Loc3R, name: str, read: Read) -> None:
    set_weight(model, name, read().clone())


def never(name: str, read: Read) -> None:
    raise AssertionError(f"{name} was read")


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
    model = Loc3R(config, bare=True)
    load_backbone(model, folder, partial(put, model))
    assert model.vlm.lm_head.weight is not model.language.embed_tokens.weight
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
        load_backbone(Loc3R(config, bare=True), folder, never)


def test_another_models_weight_is_named(config, folder):
    save_file({"model.wings": torch.zeros(1)}, folder / "model-9.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.wings"):
        load_backbone(Loc3R(config, bare=True), folder, never)


def test_no_weights_is_an_error(config, tmp_path):
    with pytest.raises(CheckpointError, match="no weights"):
        load_backbone(Loc3R(config, bare=True), tmp_path, never)


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


@pytest.fixture(scope="module")
def paper_grid(config) -> Loc3R:
    """Frames of 384 px, so 27 x 27 patches and 14 x 14 tokens, through a tower 16 wide."""
    data = config.data.model_copy(update={"frame_size_px": 384, "patch_px": 14, "pool": 2, "frames": 2})
    torch.manual_seed(7)
    model = Loc3R(config.model_copy(update={"data": data})).eval()
    torch.nn.init.normal_(model.vlm.model.vision_tower.post_layernorm.weight)
    return model


@torch.no_grad()
def test_features_are_taken_before_the_towers_norm(paper_grid):
    pixels = torch.rand(1, 2, 3, 384, 384) * 2 - 1
    features = paper_grid.see(pixels)
    told = paper_grid.vlm.model.vision_tower(pixels[0], output_hidden_states=True)
    assert features.shape == (1, 2, 27, 27, 16)
    torch.testing.assert_close(features[0].flatten(1, 2), told.hidden_states[-1])
    assert not torch.allclose(features[0].flatten(1, 2), told.last_hidden_state, atol=0.1)  # normed


@torch.no_grad()
def test_pooling_comes_after_the_projector_and_is_llavas(paper_grid):
    features = torch.randn(1, 2, 27, 27, 16)
    tokens = paper_grid.project(features)
    inner = paper_grid.vlm.model
    theirs = inner.apply_pooling(inner.multi_modal_projector(features[0].flatten(1, 2)))
    assert tokens.shape[:4] == (1, 2, 14, 14)
    torch.testing.assert_close(tokens[0].flatten(1, 2), theirs)
    pooled = torch.nn.functional.interpolate(features[0].permute(0, 3, 1, 2), (14, 14), mode="bilinear")
    assert not torch.allclose(inner.multi_modal_projector(pooled.permute(0, 2, 3, 1)), tokens[0], atol=1e-3)


def test_every_row_of_a_frame_ends_with_the_newline(paper_grid, processor):
    config = paper_grid.config
    special = config.tokens
    frame = [special.cam, *([special.image] * 14 + [special.newline]) * 14]
    ids = Processor(config, processor.tokenizer).prefix_ids()
    assert ids[-2 * len(frame) :] == frame * 2 and frame.count(special.newline) == 14 and len(frame) == 211
    batch = torch.tensor([ids])
    with torch.no_grad():
        embeddings = paper_grid.embed_prefix(batch, torch.randn(1, 2, 27, 27, 16), torch.zeros(1, 2, 6))
    at_newlines = embeddings[0][batch[0] == special.newline]
    assert torch.equal(at_newlines, paper_grid.vlm.model.image_newline.expand(28, -1))


def test_onevision_has_one_newline_behind_the_video(paper_grid, processor):
    model = paper_grid.config.model.model_copy(update={"backbone": "llava-onevision"})
    config = paper_grid.config.model_copy(update={"model": model})
    special = config.tokens
    ids = Processor(config, processor.tokenizer).prefix_ids()
    assert ids[-394:] == [*[special.cam, *[special.image] * 196] * 2, special.newline][-394:]
    assert ids.count(special.newline) == 1


def test_a_recipe_adds_sentences_to_the_shared_prefix(processor, switched):
    plain = processor.prefix_ids()
    told = switched(system_sentence=True, video_sentence="time", frame_interval_s=0.5)
    text = processor.tokenizer.decode(told.prefix_ids())
    assert text.startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<cam>")
    assert text.endswith("located at 0.00s,0.50s,1.00s.Please answer the following questions related to this video.")
    assert processor.tokenizer.decode(plain) in text
    assert switched().prefix_ids() == plain


def test_a_typed_question_is_asked_as_in_training(processor):
    data = processor.config.data.model_copy(update={"answer_format": "siblings"})
    told = Processor(processor.config.model_copy(update={"data": data}), processor.tokenizer)
    sentence = "Answer the question using a single word or phrase."
    typed, prepared = told.suffix_ids("I sit.", "Where?"), told.suffix_ids("I sit.", f"Where? {sentence}")
    assert typed == prepared == processor.suffix_ids("I sit.", f"Where? {sentence}")


def test_a_training_starts_from_the_published_folder(config, original, folder, processor, tmp_path):
    """As ``loc3r train --init`` does: judged first, then built, with the data's class names."""
    processor.tokenizer.save_pretrained(str(folder))
    prepared = SimpleNamespace(class_names=("bed", "chair"), manifest={"prior": {}})
    recipe = Recipe(name="t", data=config.data, model=config.model)
    check_start(recipe, prepared, folder)
    alone = Group(0, 1, torch.device("cpu"))
    model, made = build(recipe, prepared, folder, tmp_path, alone, resuming=False)
    assert made.config.class_names == ("bed", "chair")
    assert torch.equal(model.vlm.model.image_newline, original.vlm.model.image_newline.bfloat16())
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}, "as the recipe trains it"
    assert not model.vlm.model.vision_tower.post_layernorm.weight.requires_grad
    assert model.language.rotary_emb.inv_freq.dtype == torch.float32
    made.config.save(folder)  # now it is a checkpoint of ours, and a cut one
    (folder / "model-0.safetensors").write_bytes((folder / "model-0.safetensors").read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="truncated"):
        check_start(recipe, prepared, folder)
