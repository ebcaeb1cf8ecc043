"""The shipped recipes build what they say."""

from pathlib import Path

import pytest
import torch

from loc3r.model.backbones.llava import llava_config
from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import loss_weights
from loc3r.model.modelling import Loc3R
from loc3r.recipe import load_recipe

RECIPES = Path(__file__).parents[2] / "recipes"


def config_of(name: str) -> Loc3RConfig:
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    return Loc3RConfig(data=recipe.data, model=recipe.model, loss=recipe.loss)


def test_rooms_tiny_is_a_few_megabytes():
    model = Loc3R(config_of("rooms-tiny"))
    tower, every = (sum(p.numel() for p in part.parameters()) for part in (model.vlm.model.vision_tower, model))
    assert every > 3e6 and 2 * tower + 4 * (every - tower) < 25e6  # the tower is kept in half precision


def test_loc3r_7b_has_the_papers_sizes_and_weights():
    config = config_of("loc3r-7b")
    with torch.device("meta"):
        model = Loc3R(config)
    parameters = sum(p.numel() for p in model.vlm.parameters())
    assert parameters == pytest.approx(8.03e9, rel=0.01)  # Qwen2-7B's 7.62 G and SigLIP's 0.41 G
    assert model.language.embed_tokens.weight.shape == (152064, 3584)
    assert not config.tied
    trained = {name.split(".")[2] for name, p in model.named_parameters() if p.requires_grad and "vlm.model" in name}
    assert trained == {"image_newline", "multi_modal_projector", "language_model"}
    weights = loss_weights(config.loss)
    assert (weights["layout"], weights["position"], weights["heading"]) == (0.05, 0.075, pytest.approx(0.2625))
    assert (config.data.tokens_a_side, llava_config(config).vision_config.num_hidden_layers) == (14, 26)
