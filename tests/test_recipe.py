"""Recipes: defaults, inheritance, overrides, and messages that contain the fix."""

import re
from functools import reduce
from pathlib import Path

import pytest
import yaml

from loc3r.datasets.mixture import read_mixture
from loc3r.errors import RecipeError
from loc3r.recipe import Recipe, load_recipe, parse_recipe
from loc3r.recipe_sections import hashed

RECIPES = Path(__file__).parent.parent / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_box_is_valid_and_survives_a_round_trip(path, tmp_path):
    recipe = load_recipe(path)
    (tmp_path / "copy.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "copy.yaml") == recipe
    assert recipe.name == path.stem


def test_an_extension_changes_only_what_it_names():
    tiny, demo = load_recipe(RECIPES / "rooms-tiny.yaml"), load_recipe(RECIPES / "rooms-demo.yaml")
    assert (demo.data, demo.model, demo.loss) == (tiny.data, tiny.model, tiny.loss)
    assert demo.train.steps != tiny.train.steps
    assert demo.train.questions_per_scene == tiny.train.questions_per_scene


def test_an_override_reaches_its_field_and_changes_the_hash():
    plain = load_recipe(RECIPES / "rooms-tiny.yaml")
    changed = load_recipe(RECIPES / "rooms-tiny.yaml", ("train.steps=7", "loss.naming=0.25"))
    assert (changed.train.steps, changed.loss.naming) == (7, 0.25)
    assert changed.hash != plain.hash


def test_the_hash_does_not_depend_on_the_order_of_keys():
    one = parse_recipe({"name": "x", "train": {"steps": 5, "packed": False}})
    assert one.hash == parse_recipe({"train": {"packed": False, "steps": 5}, "name": "x"}).hash


def test_an_unknown_key_suggests_the_nearest_name():
    with pytest.raises(RecipeError, match="did you mean 'learning_rate'"):
        parse_recipe({"name": "x", "optimiser": {"learning_rat": 1e-3}})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "x", "train": {"steps": 0}}, "train.steps = 0"),
        ({"name": "x", "train": {"scenes_per_step": 6, "scenes_per_micro_batch": 4}}, "not a multiple"),
        ({}, "name"),
        ({"name": "x", "model": {"language": {"kv_heads": 5}}}, "model.language.kv_heads=5"),
        ({"name": "x", "model": {"vision": {"heads": 7}}}, "model.vision.heads=7"),
        ({"name": "x", "model": {"language": {"layers": 0}}}, "model.language.layers = 0"),
        ({"name": "x", "model": {"mention_layer": 29}}, "one of the 28 layers"),
        ({"name": "x", "loss": {"naming": 1}}, "loss.naming needs model.naming_layer"),
        ({"name": "x", "loss": {"answer": float("nan")}}, "loss.answer = nan"),
        ({"name": "x", "loss": {"pointing": -1}}, "loss.pointing = -1"),
        ({"name": "x", "optimiser": {"betas": [0.9, 1]}}, "optimiser.betas.1 = 1"),
        ({"name": "x", "optimiser": {"learning_rate": float("inf")}}, "learning_rate = inf"),
        ({"name": "x", "data": {"patch_px": 400}}, "data.patch_px must not be larger"),
        ({"name": "x", "seed": -1}, "seed = -1"),
    ],
)
def test_a_wrong_value_says_what_was_received(values, words):
    with pytest.raises(RecipeError, match=words):
        parse_recipe(values)


def test_a_missing_file_and_a_file_that_is_not_yaml_are_explained(tmp_path):
    with pytest.raises(RecipeError, match="no such recipe"):
        load_recipe(tmp_path / "none.yaml")


BAD_FILES = {
    "a: [1": r"not YAML\n.*line 1, column 6",
    "name: x\ntrain:\n\tsteps: 3": r"line 3, column 1: found character '\\t'",
    "train: {steps: 3}\ntrain: {precision: fp32}": r"line 2, column 1: the key 'train' comes twice",
    "train:\n  steps: 3\n  steps: 4000": r"line 3, column 3: the key 'steps' comes twice",
    "extends: middle.yaml": r"circle\n.*bad.yaml -> middle.yaml -> bad.yaml",
    "extends: [a.yaml]": "extends one other recipe",
    "extends: none.yaml": r"none.yaml\n(.*\n)+.*bad.yaml extends it",
    "name: caf\udce9": "not YAML",
    "- a": "not a recipe",
    "name: x\nbase: &base {steps: 3}\ntrain: *base": "unknown key 'base'",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_a_file_that_cannot_be_meant_is_explained_where_it_is_wrong(text, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    (tmp_path / "middle.yaml").write_text("extends: bad.yaml")
    with pytest.raises(RecipeError, match=BAD_FILES[text]):
        load_recipe(tmp_path / "bad.yaml")


def test_an_anchor_and_a_merged_section_are_yaml_as_any(tmp_path):
    text = "name: x\nmodel: &sizes {prior_dim: 62}\ndata: {prior: rooms-vo}\nloss: {}\n"
    (tmp_path / "plain.yaml").write_text(text)
    (tmp_path / "merged.yaml").write_text(text.replace("&sizes {", "\n  <<: {prior_dim: 5}\n  ").replace("}\nd", "\nd"))
    assert load_recipe(tmp_path / "plain.yaml") == load_recipe(tmp_path / "merged.yaml")


@pytest.mark.parametrize("override", ["train.steps=[1", "train.steps=\t3", "train.steps", "name.first=x"])
def test_an_override_that_is_none_is_explained(override):
    with pytest.raises(RecipeError, match="override"):
        load_recipe(RECIPES / "loc3r-7b.yaml", (override,))


LATER_HOLES = {
    ("data", "bird_eye_yaw"): ("first_camera", "scan", "north"),
    ("model", "head_activation"): ("gelu", "relu", "tanh"),
    ("model", "heading_bin_offset"): (0.5, 0.0, 1.0),
    ("model", "pose_token_spacing"): ("none", "newline", "tab"),
    ("model", "pose_tokens_without_situation"): (True, False, "perhaps"),
    ("loss", "layout_datasets"): ([], ["scannet", "arkitscenes"], ["matterport"]),
}
"""What the paper leaves open and became a field later: its default, another choice, and what is refused."""


@pytest.mark.parametrize("field", LATER_HOLES, ids=".".join)
def test_what_the_paper_leaves_open_is_a_field_whose_default_changes_no_hash(field):
    (section, name), (default, other, wrong) = field, LATER_HOLES[field]
    plain = Recipe(name="paper")
    assert parse_recipe({"name": "paper", section: {name: default}}) == plain
    changed = parse_recipe({"name": "paper", section: {name: other}})
    assert changed.hash != plain.hash
    assert name not in hashed(getattr(plain, section)) and name in hashed(getattr(changed, section))
    with pytest.raises(RecipeError, match=rf"{section}\.{name}"):
        parse_recipe({"name": "paper", section: {name: wrong}})


@pytest.mark.parametrize("field", [{"pose_token_spacing": "space"}, {"pose_tokens_without_situation": False}])
def test_a_pose_in_words_has_no_pose_tokens_to_place(field):
    with pytest.raises(RecipeError, match=r"need model\.pose=heads"):
        parse_recipe({"name": "x", "model": {"pose": "text", **field}, "loss": {"situation": 0}})


def test_fidelity_tells_fields_that_exist_and_the_values_that_they_have():
    text = (RECIPES.parent / "docs" / "fidelity.md").read_text()
    tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    told = dict(re.findall(r"`((?:model|data|loss|optimiser|train)\.[a-z_.]+)`:? ([\w.+-]+|\[.*?\])", tables))
    assert len(told) > 38
    paper = load_recipe(RECIPES / "loc3r-7b.yaml")
    for field, value in told.items():
        has = reduce(getattr, field.split("."), paper)
        if value == "empty":
            assert not has, field
        elif isinstance(has, float):
            assert float(value) == has, field
        else:
            assert yaml.safe_load(value) == (list(has) if isinstance(has, tuple) else has), field


def test_the_papers_mixture_is_its_four_data_sets():
    parts = read_mixture(RECIPES / "mixtures" / "paper.yaml").parts
    assert parts["sqa3d"].every_wording and parts["scanqa"].every_answer
    assert 79_445 + 26_515 + (parts["msqa"].count or 0) + (parts["vsibench"].count or 0) == 272_566


def test_paper_defaults():
    recipe = Recipe(name="paper")
    assert (recipe.data.frames, recipe.data.frame_size_px, recipe.data.tokens_a_side) == (32, 384, 14)
    assert (recipe.loss.layout, recipe.loss.situation, recipe.loss.heading) == (0.05, 0.075, 3.5)
