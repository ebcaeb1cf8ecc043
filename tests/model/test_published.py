"""Published checkpoints of true size are judged by their headers: nothing missing, nothing left over, nothing cut."""

import json
from pathlib import Path

import published
import pytest
import torch
from tokenizers import Tokenizer, models

from loc3r.errors import CheckpointError, RecipeError
from loc3r.model.backbones.published import check_published, init_new_tokens, read_shards
from loc3r.model.config import Loc3RConfig, SpecialTokens
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import SPECIALS, load_tokenizer, train_tokenizer
from loc3r.recipe import Recipe, load_recipe, parse_recipe
from loc3r.train.start import check_start

RECIPES = Path(__file__).parents[2] / "recipes"
ROLES = ("pad", "im_start", "im_end")
"""Tokens that Qwen2 has of its own."""


BEFORE_4_52 = (
    ("model.vision_tower.vision_tower.", "vision_tower."),
    ("model.mm_projector.0", "multi_modal_projector.linear_1"),
    ("model.mm_projector.2", "multi_modal_projector.linear_2"),
    ("model.image_newline", "image_newline"),
    ("model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
SINCE_4_52 = (
    ("model.vision_tower.vision_tower.", "model.vision_tower."),
    ("model.mm_projector.0", "model.multi_modal_projector.linear_1"),
    ("model.mm_projector.2", "model.multi_modal_projector.linear_2"),
    ("model.image_newline", "model.image_newline"),
    ("model.", "model.language_model."),
    ("lm_head.", "lm_head."),
)
"""Published name to that in llava-hf's conversions, as transformers wrote them."""


def config_of(recipe: Recipe) -> Loc3RConfig:
    return Loc3RConfig(data=recipe.data, model=recipe.model)


@pytest.fixture(scope="module")
def paper() -> Loc3RConfig:
    return config_of(load_recipe(RECIPES / "loc3r-7b.yaml"))


@pytest.fixture
def folder(tmp_path) -> Path:
    return published.write_shards(tmp_path, published.llava_video_7b(), 4, "LlavaQwenForCausalLM")


def test_llava_video_fits_the_papers_recipe(paper, folder):
    read = read_shards(folder)
    assert [len(read), sum(len(shard.shapes) for shard in read)] == [4, 765]
    assert sum(path.stat().st_size for path in folder.iterdir()) > 16e9  # true sizes, of which the disk holds nothing
    assert sum(path.stat().st_blocks for path in folder.iterdir()) * 512 < 1e6
    check_published(paper, folder)


def test_onevision_fits_in_every_layout(tmp_path):
    config = config_of(load_recipe(RECIPES / "llava-onevision-7b.yaml"))
    shapes = published.llava_video_7b()
    check_published(config, published.write_shards(tmp_path, shapes, 1, "LlavaQwenForCausalLM"))
    for new_names in (BEFORE_4_52, SINCE_4_52):
        renamed = {}
        for name, shape in shapes.items():
            old, new = next(pair for pair in new_names if name.startswith(pair[0]))
            renamed[new + name.removeprefix(old)] = shape
        assert len(renamed) == len(shapes)
        check_published(config, published.write_shards(tmp_path, renamed, 1, "LlavaOnevisionForConditionalGeneration"))


def test_qwen25_vl_fits_its_recipe_and_no_other(paper, tmp_path):
    published.write_shards(tmp_path, published.qwen25_vl_7b(), 2, "Qwen2_5_VLForConditionalGeneration")
    check_published(config_of(load_recipe(RECIPES / "qwen2.5-vl-7b.yaml")), tmp_path)
    with pytest.raises(CheckpointError) as caught:
        check_published(paper, tmp_path)
    told = str(caught.value)
    assert "Qwen2_5_VLForConditionalGeneration; 426 missing (first: model.image_newline)" in told
    assert "390 unexpected" in told and "model.backbone" in caught.value.fix


def test_other_sizes_are_told(paper, tmp_path):
    shapes = published.llava_video_7b() | {"model.embed_tokens.weight": (151649, 3584)}
    with pytest.raises(CheckpointError, match=r"1 of another shape.*\(151649, 3584\) instead of \(152064, 3584\)"):
        check_published(paper, published.write_shards(tmp_path, shapes, 1, "LlavaQwenForCausalLM"))


def test_a_truncated_shard_is_named_before_anything_is_read(paper, folder):
    shard = folder / "model-00003-of-00004.safetensors"
    with shard.open("r+b") as file:
        file.truncate(shard.stat().st_size - 1)
    with pytest.raises(CheckpointError, match=r"model-00003-of-00004.safetensors is truncated") as caught:
        check_published(paper, folder)
    assert "loc3r fetch" in caught.value.fix


def test_a_missing_shard_is_named(paper, folder):
    (folder / "model-00002-of-00004.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"without model-00002-of-00004.safetensors"):
        check_published(paper, folder)


SEVEN_B = {"num_attention_heads": 28, "num_key_value_heads": 4, "rope_theta": 1000000.0}
"""What LLaVA-Video-7B's config.json says beside its layout."""


@pytest.mark.parametrize(
    ("papers", "told"),
    [
        ({"config.json": {"mm_newline_position": "one_token"}}, "mm_newline_position means video, the recipe row"),
        ({"config.json": {"num_attention_heads": 56}}, "num_attention_heads means 56, the recipe 28"),
        ({"config.json": {"text_config": {"rope_parameters": {"rope_theta": 1e4}}}}, "rope_theta means 10000.0"),
        ({"fetched.json": {"name": "llava-onevision-7b"}}, "fetched.json calls it llava-onevision-7b"),
    ],
)
def test_another_model_of_the_same_shapes_is_told_by_its_papers(paper, tmp_path, papers, told):
    said = {**SEVEN_B, "mm_newline_position": "grid"}
    published.write_shards(tmp_path, published.llava_video_7b(), 1, "LlavaQwenForCausalLM", **said)
    (tmp_path / "fetched.json").write_text(json.dumps({"name": "llava-video-7b"}))
    check_published(paper, tmp_path)
    for name, changed in papers.items():
        (tmp_path / name).write_text(json.dumps(changed))
    with pytest.raises(CheckpointError, match=f"is not the recipe's backbone(.*\n)+.*{told}"):
        check_published(paper, tmp_path)


@pytest.mark.parametrize("index", ["", "{", "{}", '{"weight_map": {}}', '["model-00001-of-00004.safetensors"]'])
def test_a_damaged_index_is_told_with_what_brings_it_back(paper, folder, index):
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=r"index\.json (names no shard|is damaged)") as caught:
        check_published(paper, folder)
    assert "loc3r fetch" in caught.value.fix


def test_what_the_index_does_not_name_is_not_read_and_no_weight_comes_twice(paper, folder):
    shard = folder / "model-00001-of-00004.safetensors"
    (folder / "consolidated.safetensors").write_bytes(b"no header")
    check_published(paper, folder)
    (folder / "consolidated.safetensors").unlink()
    (folder / "again.safetensors").hardlink_to(shard)
    (folder / "model.safetensors.index.json").unlink()
    with pytest.raises(CheckpointError, match=r"in again\.safetensors and model-00001"):
        check_published(paper, folder)


def test_quantised_weights_are_refused(paper, tmp_path):
    shapes = published.llava_video_7b()
    published.write_shards(tmp_path, shapes, 1, "LlavaQwenForCausalLM", kind="F8_E4M3")
    with pytest.raises(CheckpointError, match=r"are quantised(.*\n)+.*of type F8_E4M3"):
        check_published(paper, tmp_path)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """As long as Qwen2's: 151,643 words and its three special tokens."""
    folder = tmp_path_factory.mktemp("tokenizer")
    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(151_643)}, unk_token="w0"))
    words.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    words.save(str(folder / "tokenizer.json"))
    return load_tokenizer(folder)


def test_new_tokens_take_unused_rows_of_the_vocabulary(paper, tokenizer):
    recipe = load_recipe(RECIPES / "loc3r-7b.yaml")
    tokens = Loc3RConfig.from_recipe(recipe, (), tokenizer).tokens
    assert tokens.model_dump() == {
        "pad": 151643, "im_start": 151644, "im_end": 151645,
        "image": 151646, "cam": 151647, "newline": 151648, "pos": 151649, "ori": 151650,
    }  # fmt: skip
    assert max(tokens.model_dump().values()) < paper.model.language.vocabulary == 152064
    language = recipe.model.language.model_copy(update={"vocabulary": 151_650})
    short = recipe.model_copy(update={"model": recipe.model.model_copy(update={"language": language})})
    with pytest.raises(CheckpointError, match="at least 151651"):
        Loc3RConfig.from_recipe(short, (), tokenizer)


def test_words_and_merges_do_where_there_is_no_tokenizer_json(tmp_path):
    whole, apart = tmp_path / "whole", tmp_path / "apart"
    apart.mkdir()
    trained = train_tokenizer(["I'm beside the chair, facing the lamp."] * 3, 330)
    trained.save_pretrained(str(whole))
    trained.backend_tokenizer.model.save(str(apart))
    (apart / "added_tokens.json").write_text(json.dumps({SPECIALS[r]: trained.vocab[SPECIALS[r]] for r in ROLES}))
    read, wanted = load_tokenizer(apart), load_tokenizer(whole)
    assert SpecialTokens.of(read) == SpecialTokens.of(wanted)
    text = "<|im_start|>user\n<cam>I'm beside the chair.<Pos><Ori>What é?<|im_end|>"
    assert read.encode(text) == wanted.encode(text) and read.decode(read.encode(text)) == text
    for text, told in (("{", "is damaged"), (Tokenizer(models.WordLevel({"a": 0}, "a")).to_str(), "another model's")):
        (apart / "tokenizer.json").write_text(text)
        with pytest.raises(CheckpointError, match=told):
            load_tokenizer(apart)
    (apart / "tokenizer.json").unlink()
    (apart / "merges.txt").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer.json, or vocab.json and merges.txt"):
        load_tokenizer(apart)


def test_new_rows_are_the_mean_of_the_words():
    table = torch.arange(20.0)[:, None].expand(-1, 3)
    tokens = SpecialTokens(image=10, cam=11, newline=12, pos=13, ori=14)
    assert torch.equal(init_new_tokens(table, tokens)[:, 0], torch.tensor([*range(10), *[4.5] * 5, *range(15, 20)]))


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ({"backbone": "llava-vdeo-7b"}, {}, "did you mean llava-video-7b"),
        ({"backbone": "llava-video-7b", "language": {"kind": "qwen3"}}, {}, "needs model.language.kind=qwen2"),
        ({"backbone": "qwen2.5-vl"}, {"frame_size_px": 392}, "needs model.vision.kind=qwen2.5-vl"),
        ({"backbone": "qwen2.5-vl", "vision": {"kind": "qwen2.5-vl"}}, {}, "frame_size_px a multiple of 28"),
        ({"backbone": "scratch", "vision": {"kind": "qwen2.5-vl"}}, {}, "vision.kind=siglip or lite0"),
        ({}, {"prior": "cutr3r"}, "unknown data.prior cutr3r; did you mean cut3r"),
        ({"frame_interval_s": 2.0}, {}, "frame_interval_s needs model.video_sentence=time"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(model, data, words):
    with pytest.raises(RecipeError, match=words):
        parse_recipe({"name": "x", "model": model, "data": data})


def test_training_asks_for_the_weights_that_its_recipe_starts_from():
    recipe = load_recipe(RECIPES / "loc3r-7b.yaml")
    with pytest.raises(CheckpointError, match="loc3r fetch llava-video-7b"):
        check_start(recipe, prepared=None, init=None)


def test_backbones_share_one_way_in():
    """What the rest of the system calls of a model does not depend on its backbone."""
    with torch.device("meta"):
        for name in ("loc3r-7b", "llava-onevision-7b", "qwen2.5-vl-7b"):
            model = Loc3R(config_of(load_recipe(RECIPES / f"{name}.yaml")))
            trained = {n.split(".")[2] for n, p in model.named_parameters() if p.requires_grad and "vlm.model" in n}
            assert "language_model" in trained and not any("encoder" in n for n in trained)
            assert model.language.embed_tokens.weight.shape == (152064, 3584)
            assert any("projector" in n for n in trained)
            recipe = load_recipe(RECIPES / f"{name}.yaml", ("model.projector_frozen=true",))
            frozen = {n for n, p in Loc3R(config_of(recipe)).named_parameters() if not p.requires_grad}
            assert len([n for n in frozen if "projector" in n]) > 3
