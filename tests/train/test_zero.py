from __future__ import annotations

import json
from pathlib import Path

import pytest
from small import small_recipe

from loc3r.errors import RecipeError
from loc3r.recipe import load_recipe
from loc3r.train.zero import config as zero
from loc3r.train.zero.config import deepspeed_config

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("path", sorted(Path(zero.__file__).parent.glob("*.json")), ids=lambda path: path.stem)
def test_every_file_is_one_that_deepspeed_takes_and_does_what_its_name_says(path: Path) -> None:
    stage, offload = int(path.stem[4]), path.stem.endswith("_offload")
    recipe = small_recipe(train={"zero_stage": stage, "offload": offload, "precision": "fp16" if stage else "fp32"})
    config = deepspeed_config(recipe, ranks=2)
    assert config.keys() == json.loads(path.read_text()).keys()
    assert "auto" not in json.dumps(config)
    parts = config["zero_optimization"]
    assert parts["stage"] == stage
    assert ("offload_optimizer" in parts) == offload and ("offload_param" in parts) == (offload and stage == 3)
    assert config["fp16"] == {**config["fp16"], "enabled": bool(stage), "loss_scale": 0}, "scaled as gradients allow"
    assert not config["bf16"]["enabled"]


def test_the_recipe_decides_batch_and_precision_and_its_own_settings_come_on_top() -> None:
    mine = {"zero_optimization": {"reduce_bucket_size": 7}, "wall_clock_breakdown": True}
    config = deepspeed_config(small_recipe(train={"precision": "bf16", "deepspeed": mine}), ranks=2)
    batch = ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    assert [config[name] for name in batch] == [2, 1, 1.0]
    assert config["bf16"]["enabled"] and not config["fp16"]["enabled"] and config["wall_clock_breakdown"]
    assert config["zero_optimization"]["reduce_bucket_size"] == 7
    assert config["zero_optimization"]["contiguous_gradients"], "the rest of a section stays"


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"offload": True, "zero_stage": 1}, "train.offload needs train.zero_stage of 2 or 3"),
        ({"precision": "fp16", "zero_stage": 0}, "train.precision=fp16 needs train.zero_stage of 1, 2 or 3"),
        ({"deepspeed": {"bf16": {"enabled": True}}}, "set train.precision instead"),
        ({"deepspeed": {"zero_optimization": {"stage": 3}}}, "set train.zero_stage instead"),
        ({"deepspeed": {"train_batch_size": 64}}, "set train.scenes_per_step instead"),
        ({"deepspeed": {"optimizer": {"type": "Lion"}}}, "set optimiser instead"),
        ({"lora": {"alpha": 64}}, "need a train.lora.rank above 0"),
        ({"lora": {"rnk": 8}}, "did you mean 'rank'?"),
    ],
)
def test_what_contradicts_itself_is_refused(train: dict[str, object], told: str) -> None:
    with pytest.raises(RecipeError) as refused:
        small_recipe(train=train)
    assert told in str(refused.value)


def test_what_came_later_leaves_the_hashes_of_older_recipes_alone() -> None:
    """Models in the world carry them."""
    assert load_recipe(RECIPES / "loc3r-7b.yaml").hash == "76abfe522d6c"
    assert small_recipe(train={"lora": {"rank": 4}}).hash != small_recipe().hash
    assert small_recipe(train={"deepspeed": {"wall_clock_breakdown": True}}).hash != small_recipe().hash
