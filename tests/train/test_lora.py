from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import small_recipe, write_data

from loc3r.errors import CheckpointError
from loc3r.model.batch import Batch
from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.batches import TrainingData
from loc3r.train.lora import add_adapters, merge_adapters
from loc3r.train.start import check_start, tokenizer_texts

LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}


def lora_recipe() -> Recipe:
    model = small_recipe().model.model_dump(exclude_defaults=True)
    language = {**model["language"], "tied": False}
    return small_recipe(model={**model, "language": language}, train={"lora": LORA, "scenes_per_step": 2})


@pytest.fixture
def prepared(tmp_path: Path) -> PreparedData:
    return PreparedData(write_data(tmp_path / "data", lora_recipe(), scenes=2))


@pytest.fixture
def case(prepared: PreparedData) -> tuple[Loc3R, Batch]:
    recipe = lora_recipe()
    tokenizer = train_tokenizer(tokenizer_texts(prepared), recipe.model.language.vocabulary)
    processor = Processor(Loc3RConfig.from_recipe(recipe, prepared.class_names, tokenizer), tokenizer)
    torch.manual_seed(0)
    (batch,) = TrainingData(prepared, recipe, processor, rank=0, ranks=1).load(0).batches
    return Loc3R(processor.config), batch


def loss_of(model: Loc3R, batch: Batch) -> torch.Tensor:
    return joint_loss(model(batch), batch, model.config).total()


def test_adapters_change_nothing_then_learn_and_then_are_part_of_the_weights(case: tuple[Loc3R, Batch]) -> None:
    model, batch = case
    names, before = set(model.state_dict()), loss_of(model, batch).item()
    special = model.config.tokens
    untouched = model.language.layers[0].mlp.up_proj.weight.clone()
    add_adapters(model, lora_recipe().train.lora)
    assert loss_of(model, batch).item() == before

    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=3e-3)
    for _ in range(5):
        optimiser.zero_grad()
        loss_of(model, batch).backward()
        optimiser.step()
    after = loss_of(model, batch).item()
    assert after < before
    assert all(weight.grad is not None for weight in trained)
    embeddings = model.language.embed_tokens.weight.clone()

    merge_adapters(model)
    assert set(model.state_dict()) == names, "a checkpoint like any other"
    assert loss_of(model, batch).item() == pytest.approx(after, rel=1e-5)
    assert not torch.equal(model.language.layers[0].mlp.up_proj.weight, untouched)
    changed = (model.language.embed_tokens.weight != embeddings).any(-1).nonzero().flatten().tolist()
    assert sorted(changed) == sorted([special.pos, special.ori])


def test_the_language_model_is_frozen_and_all_around_it_is_trained(case: tuple[Loc3R, Batch]) -> None:
    model, _ = case
    add_adapters(model, lora_recipe().train.lora)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    language = {name for name in trained if ".language_model." in name or "lm_head" in name}
    assert language and all("lora_" in name for name in language)
    around = ("heads.camera", "heads.position", "heads.heading", "multi_modal_projector", "image_newline", "token_rows")
    assert all(any(part in name for name in trained) for part in around)


def test_a_model_from_scratch_has_nothing_to_adapt(prepared: PreparedData) -> None:
    with pytest.raises(CheckpointError, match="need a trained model"):
        check_start(lora_recipe(), prepared, None)
    check_start(replace_lora(lora_recipe()), prepared, None)


def replace_lora(recipe: Recipe) -> Recipe:
    plain = recipe.train.model_copy(update={"lora": small_recipe().train.lora})
    return recipe.model_copy(update={"train": plain})
