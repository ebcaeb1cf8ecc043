"""The table of variants: each changes what it says, and nothing of the budget."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from loc3r.ablate.plan import Plan, prepare_true_poses
from loc3r.ablate.variants import NO_CAMERA, NO_LAYOUT, PAPER, VARIANTS, choose_variants
from loc3r.errors import DataError, RecipeError
from loc3r.model.losses import loss_weights
from loc3r.scenes.shards import PreparedData
from loc3r.train.sampler import StepSampler

NAMES = [variant.name for variant in VARIANTS]


def test_every_variant_has_the_same_budget_data_and_order(make_plan: Callable[..., Plan]) -> None:
    plan = make_plan(seeds=(0, 3))
    children = plan.children()
    assert [(child.variant.name, child.seed) for child in children] == [(n, s) for s in (0, 3) for n in NAMES]
    assert len({child.job.out for child in children}) == len({child.job.recipe.hash for child in children}) == 14
    for child in children:
        recipe = child.job.recipe
        assert (recipe.train, recipe.optimiser, recipe.evaluate) == (
            plan.recipe.train, plan.recipe.optimiser, plan.recipe.evaluate,
        )  # fmt: skip
        frames = {"prior"} if child.variant.true_poses else set()
        assert recipe.data.model_dump(exclude=frames) == plan.recipe.data.model_dump(exclude=frames)
        assert recipe.model.language == plan.recipe.model.language
        assert child.job.tags == {"variant": child.variant.name}
    orders = {
        seed: [units_of(child.job.recipe.seed, plan) for child in children if child.seed == seed] for seed in (0, 3)
    }
    assert all(units == orders[0][0] for units in orders[0]) and orders[0][0] != orders[3][0]


def units_of(seed: int, plan: Plan) -> list[object]:
    prepared, train = PreparedData(plan.data), plan.recipe.train
    sampler = StepSampler(
        {scene_id: len(prepared.samples_of(scene_id)) for scene_id in prepared.scene_ids},
        questions_per_scene=train.questions_per_scene, scenes_per_step=train.scenes_per_step, seed=seed,
    )  # fmt: skip
    return [sampler.step(step) for step in range(4)]


def test_each_row_has_what_it_says(make_plan: Callable[..., Plan]) -> None:
    recipes = {child.variant.name: child.job.recipe for child in make_plan().children()}
    active = {name: {term for term, weight in loss_weights(r.loss).items() if weight} for name, r in recipes.items()}
    pose = {"answer", "position", "heading"}
    assert active["text-only"] == active["situation"] == pose
    assert active["coordinates-as-text"] == {"answer"}
    assert active["+layout"] == active["+camera"] == {*pose, "layout"}
    assert active["+dense-grounding"] == active["true-poses"] == {*pose, "layout", "naming", "mention", "look_at"}
    assert [name for name in NAMES if not recipes[name].model.video] == ["text-only"]
    assert [name for name in NAMES if recipes[name].model.pose == "text"] == ["coordinates-as-text"]
    assert [name for name in NAMES if recipes[name].model.camera_tokens] == NAMES[4:]
    assert [name for name in NAMES if recipes[name].data.prior == "oracle"] == ["true-poses"]
    whole = recipes["+dense-grounding"].model_copy(update={"name": make_plan().recipe.name})
    assert whole == make_plan().recipe


def test_the_paper_s_rows_add_one_thing_each() -> None:
    changes = {variant.name: set(variant.overrides) for variant in VARIANTS}
    assert [changes[less] - changes[more] for less, more in pairwise(PAPER)] == [set(NO_LAYOUT), set(NO_CAMERA)]
    assert all(over in NAMES for variant in VARIANTS for over in variant.over)


def test_a_recipe_without_dense_grounding_can_t_be_ablated_of_it(
    make_plan: Callable[..., Plan], rooms: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.yaml"
    plain.write_text(
        f"extends: {rooms / 'recipe.yaml'}\nmodel: {{naming_layer: null, mention_layer: null, look_at: false}}\n"
        "loss: {naming: 0, mention: 0, look_at: 0}\n"
    )
    chosen = choose_variants(("+camera", "+dense-grounding"))
    with pytest.raises(RecipeError, match=r"\+camera and \+dense-grounding"):
        Plan(plain, (), rooms / "train", rooms / "test", tmp_path, chosen, (0,), None, "cpu")
    with pytest.raises(RecipeError, match="unknown variant"):
        choose_variants(("situation", "+camra"))
    assert [variant.name for variant in choose_variants(("+camera", "situation"))] == ["situation", "+camera"]


def test_true_poses_ask_for_the_rooms(make_plan: Callable[..., Plan]) -> None:
    prepare_true_poses(make_plan("situation"), None)
    with pytest.raises(DataError, match="--rooms TRAIN_ROOMS TEST_ROOMS"):
        prepare_true_poses(make_plan("situation", "true-poses"), None)
