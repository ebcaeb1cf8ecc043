from __future__ import annotations

import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small import CLASSES, small_recipe, write_data

from loc3r.errors import DataError, RecipeError, TrainingError
from loc3r.files import read_json, write_json
from loc3r.model.config import Loc3RConfig
from loc3r.model.flops import layer_weights
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe
from loc3r.recipe_sections import hashed
from loc3r.scenes.mirror import mirrored_sample, mirrored_scene
from loc3r.scenes.other_axes import axes_under, sample_on, scene_on
from loc3r.scenes.shards import PreparedData
from loc3r.train.batches import (
    FeatureStore,
    Prefetcher,
    StepBatches,
    TrainingData,
    accumulation_steps,
    check_data,
    select_samples,
)
from loc3r.train.start import tokenizer_texts


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return PreparedData(write_data(tmp_path_factory.mktemp("data"), small_recipe()))


def processor_of(recipe: Recipe, prepared: PreparedData, class_names: tuple[str, ...] = CLASSES) -> Processor:
    tokenizer = train_tokenizer(tokenizer_texts(prepared), recipe.model.language.vocabulary)
    return Processor(Loc3RConfig.from_recipe(recipe, class_names, tokenizer), tokenizer)


def total_loss(parts: list[StepBatches], config: Loc3RConfig) -> torch.Tensor:
    """Loss of a whole step from its shares, as the ranks compute it together."""
    counts = {name: sum(part.counts[name] for part in parts) for name in parts[0].counts}
    torch.manual_seed(0)
    model = Loc3R(config).double()
    doubled = [_double(batch) for part in parts for batch in part.batches]
    return torch.stack([joint_loss(model(batch), batch, config).total(counts) for batch in doubled]).sum()


def _double(batch):
    floats = {n: v.double() for n, v in vars(batch).items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    return replace(batch, **floats)


CUTS = [
    (ranks, {"scenes_per_micro_batch": videos, "packed": packed})
    for ranks, videos, packed in ((1, 1, True), (2, 2, True), (4, 1, True), (2, 1, False), (1, 2, False))
]
BUDGETS = [
    (ranks, {"scenes_per_micro_batch": 1, "tokens_per_micro_batch": budget}, rows)
    for ranks, budget, rows in ((1, 10_000, 1), (1, 300, 2), (2, 300, 1), (2, 150, 2), (4, 10_000, 1))
]


def loss_of_step(prepared: PreparedData, recipe: Recipe, ranks: int) -> tuple[float, list[StepBatches]]:
    processor = processor_of(recipe, prepared)
    torch.set_default_dtype(torch.float64)
    try:
        parts = [TrainingData(prepared, recipe, processor, rank, ranks).load(3) for rank in range(ranks)]
        return total_loss(parts, processor.config).item(), parts
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def whole_loss(prepared: PreparedData) -> float:
    return loss_of_step(prepared, small_recipe(train={"scenes_per_micro_batch": 4}), 1)[0]


@pytest.mark.parametrize(("ranks", "train"), CUTS)
def test_the_loss_of_a_step_does_not_depend_on_how_it_is_cut(
    prepared: PreparedData, whole_loss: float, ranks: int, train: dict[str, object]
) -> None:
    cut = small_recipe(train=train)
    loss, parts = loss_of_step(prepared, cut, ranks)
    assert loss == pytest.approx(whole_loss, rel=1e-10)
    assert all(len(part.batches) == accumulation_steps(cut.train, ranks) for part in parts)
    assert sum(part.questions for part in parts) == 4 * 3


@pytest.mark.parametrize(("ranks", "train", "rows"), BUDGETS)
def test_rows_of_a_token_budget_learn_the_same_and_are_as_many_on_every_rank(
    prepared: PreparedData, whole_loss: float, ranks: int, train: dict[str, object], rows: int
) -> None:
    recipe = small_recipe(train=train)
    loss, parts = loss_of_step(prepared, recipe, ranks)
    assert loss == pytest.approx(whole_loss, rel=1e-10)
    assert [len(part.batches) for part in parts] == [rows] * ranks
    assert all(batch.ids.shape[1] <= train["tokens_per_micro_batch"] for part in parts for batch in part.batches)
    assert accumulation_steps(recipe.train, ranks) >= rows
    assert sum(part.questions for part in parts) == 4 * 3


def test_a_budget_that_no_video_fits_says_which_one_would(prepared: PreparedData) -> None:
    recipe = small_recipe(train={"scenes_per_micro_batch": 1, "tokens_per_micro_batch": 50})
    data = TrainingData(prepared, recipe, processor_of(recipe, prepared), 0, 1)
    with pytest.raises(TrainingError, match=r"--set train\.tokens_per_micro_batch=\d+") as refused:
        data.load(0)
    enough = int(re.search(r"--set train\.tokens_per_micro_batch=(\d+)", str(refused.value))[1])
    roomy = small_recipe(train={"scenes_per_micro_batch": 1, "tokens_per_micro_batch": enough})
    batches = TrainingData(prepared, roomy, processor_of(roomy, prepared), 0, 1).load(0).batches
    assert max(batch.ids.shape[1] for batch in batches) == enough


def test_a_budget_takes_the_place_of_videos_at_once() -> None:
    for contradiction in ({"packed": False, "scenes_per_micro_batch": 1}, {"scenes_per_micro_batch": 2}):
        with pytest.raises(RecipeError, match="tokens_per_micro_batch"):
            small_recipe(train={"tokens_per_micro_batch": 500, **contradiction})
    assert small_recipe().hash == small_recipe(train={"tokens_per_micro_batch": None}).hash


def test_situations_are_the_questions_with_a_place(prepared: PreparedData) -> None:
    recipe = small_recipe()
    share = TrainingData(prepared, recipe, processor_of(recipe, prepared), 0, 1).load(0)
    assert 0 < share.situations < share.questions == 12
    assert share.counts["position"] == share.situations
    assert share.tokens == sum(int((batch.owner >= 0).sum()) for batch in share.batches)
    assert share.flops > 6 * share.tokens * 3 * layer_weights(recipe.model.language)


def test_the_curriculum_keeps_the_named_forms_only(prepared: PreparedData) -> None:
    chosen = select_samples(prepared, small_recipe(train={"situation_forms": ["beside"]}).train)
    assert {sample.situation_form for samples in chosen.values() for sample in samples} == {"beside"}
    with pytest.raises(DataError, match=r"(?s)no sample.*'astride'.*'beside', 'between'"):
        select_samples(prepared, small_recipe(train={"situation_forms": ["astride"]}).train)


def test_data_of_another_recipe_is_refused(prepared: PreparedData) -> None:
    check_data(prepared, small_recipe())
    with pytest.raises(DataError, match=r"(?s)data\.frames=2.*data\.frames=3"):
        check_data(prepared, small_recipe(data={"frames": 3}))
    with pytest.raises(DataError, match=r"(?s)data\.bird_eye_yaw=first_camera.*data\.bird_eye_yaw=scan"):
        check_data(prepared, small_recipe(data={"bird_eye_yaw": "scan"}))


def test_data_from_before_a_field_came_is_that_of_its_default(prepared: PreparedData, tmp_path: Path) -> None:
    older = shutil.copytree(prepared.folder, tmp_path / "older")
    manifest = read_json(older / "manifest.json")
    del manifest["recipe"]["bird_eye_yaw"]
    write_json(older / "manifest.json", manifest)
    check_data(PreparedData(older), small_recipe())


def test_a_mirrored_video_comes_with_its_map_its_words_and_its_camera(tmp_path: Path) -> None:
    recipe = small_recipe(
        data={"prior": "oracle"}, model={"prior_dim": 62}, train={"mirror": True, "scenes_per_micro_batch": 1}
    )
    prepared = PreparedData(write_data(tmp_path, recipe))
    processor = processor_of(recipe, prepared)
    data = TrainingData(prepared, recipe, processor, 0, 1)
    plain = TrainingData(prepared, small_recipe(train={"scenes_per_micro_batch": 1}), processor, 0, 1)
    sides = [unit.mirrored for unit in data.sampler.step(0)]
    assert set(sides) == {True, False}
    for seen, shown, mirrored in zip(data.load(0).batches, plain.load(0).batches, sides, strict=True):
        sign = torch.tensor([-1 if mirrored else 1, 1])
        assert torch.equal(seen.position_m.nan_to_num(), (shown.position_m * sign).nan_to_num())
        assert torch.equal(seen.look_at_m.nan_to_num(), (shown.look_at_m * sign).nan_to_num())
        assert torch.equal(seen.mention_m, shown.mention_m * sign)
        assert torch.equal(seen.pixels, shown.pixels.flip(-1) if mirrored else shown.pixels)
        assert torch.equal(seen.camera_tokens, shown.camera_tokens) is not mirrored
        assert torch.equal(seen.ids, shown.ids)  # no side is named in them


def test_a_moved_map_moves_places_and_cameras_together(tmp_path: Path) -> None:
    oracle = {"data": {"prior": "oracle"}, "model": {"prior_dim": 62}}
    recipe = small_recipe(**oracle, train={"move_map": True, "scenes_per_micro_batch": 1})
    prepared = PreparedData(write_data(tmp_path, recipe))
    processor = processor_of(recipe, prepared)
    data = TrainingData(prepared, recipe, processor, 0, 1)
    plain = TrainingData(prepared, small_recipe(train={"scenes_per_micro_batch": 1}), processor, 0, 1)
    moved = [unit.other_map is not None for unit in data.sampler.step(0)]
    assert set(moved) == {True, False}
    for seen, shown, elsewhere in zip(data.load(0).batches, plain.load(0).batches, moved, strict=True):
        for name in ("ids", "pixels", "mention_class"):
            assert torch.equal(getattr(seen, name), getattr(shown, name)), name
        assert torch.equal(seen.camera_tokens, shown.camera_tokens) is not elsewhere
        for name in ("patch_xy_m", "mention_m", "position_m", "look_at_m", "heading_rad"):
            there, here = (torch.nan_to_num(getattr(batch, name)) for batch in (seen, shown))
            assert torch.equal(there, here) is not elsewhere, name
        apart, before = (torch.cdist(batch.mention_m, batch.mention_m) for batch in (seen, shown))
        torch.testing.assert_close(apart, before, atol=1e-4, rtol=0)


def test_a_question_is_measured_once_whatever_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small_recipe(
        data={"prior": "oracle"},
        model={"prior_dim": 62},
        train={"move_map": True, "tokens_per_micro_batch": 400, "scenes_per_micro_batch": 1},
    )
    prepared = PreparedData(write_data(tmp_path, recipe))
    processor = processor_of(recipe, prepared)
    measure, measured = processor.length, []
    monkeypatch.setattr(processor, "length", lambda asked: measured.append(asked) or measure(asked))
    data = TrainingData(prepared, recipe, processor, 0, 1)
    for step in range(12):
        data.load(step)
    assert len(measured) == len(prepared.samples)


@pytest.mark.parametrize(
    ("data", "needed"),
    [
        ({"prior": "none"}, r"data\.prior=rooms-vo or oracle.* not none"),
        ({"prior": "oracle", "patch_px": 7}, "multiple of"),
    ],
)
def test_what_cannot_be_mirrored_is_refused_before_anything_is_prepared(data: dict[str, object], needed: str) -> None:
    with pytest.raises(RecipeError, match=rf"train\.mirror needs .*{needed}"):
        small_recipe(data=data, train={"mirror": True})
    assert "mirror" not in hashed(small_recipe())["train"]


@pytest.mark.parametrize(
    ("sections", "needed"),
    [
        ({}, r"data\.prior=rooms-vo or oracle"),
        ({"data": {"prior": "rooms-vo", "bird_eye_yaw": "scan"}}, r"data\.bird_eye_yaw=first_camera or"),
        ({"data": {"prior": "oracle"}, "loss": {"situation": 0, "mention": 0, "look_at": 0}}, r"model\.pose=heads"),
    ],
)
def test_a_map_is_moved_only_where_all_of_it_can_be(sections: dict[str, dict[str, object]], needed: str) -> None:
    model = {"prior_dim": 62, **({"pose": "text"} if "loss" in sections else {})}
    with pytest.raises(RecipeError, match=rf"train\.move_map needs {needed}"):
        small_recipe(**sections, model=model, train={"move_map": True})
    assert "move_map" not in hashed(small_recipe())["train"]


def test_a_mirrored_video_is_moved_as_it_is_seen_in_the_mirror(tmp_path: Path) -> None:
    recipe = small_recipe(
        data={"prior": "oracle"},
        model={"prior_dim": 62},
        train={"mirror": True, "move_map": True, "scenes_per_micro_batch": 1},
    )
    prepared = PreparedData(write_data(tmp_path, recipe))
    processor = processor_of(recipe, prepared)
    data = TrainingData(prepared, recipe, processor, 0, 1)
    steps = ((step, unit) for step in range(9) for unit in enumerate(data.sampler.step(step)))
    step, (at, unit) = next((s, (i, u)) for s, (i, u) in steps if u.mirrored and u.other_map)
    there = mirrored_scene(prepared.scene(unit.scene_id))
    axes = axes_under(there, *unit.other_map)
    asked = [mirrored_sample(prepared.samples_of(unit.scene_id)[question]) for question in unit.questions]
    expected = processor.collate([processor.pack(scene_on(axes, there), [sample_on(axes, one) for one in asked])])
    seen = data.load(step).batches[at]
    for name in ("ids", "pixels", "camera_tokens", "patch_xy_m", "mention_m", "position_m", "heading_rad"):
        assert torch.equal(torch.nan_to_num(getattr(seen, name)), torch.nan_to_num(getattr(expected, name))), name


def test_classes_are_renumbered_for_a_model_from_other_data(prepared: PreparedData) -> None:
    recipe = small_recipe()
    own = TrainingData(prepared, recipe, processor_of(recipe, prepared), 0, 1).load(0)
    other_names = ("lamp", "chair", "table")
    other = TrainingData(prepared, recipe, processor_of(recipe, prepared, other_names), 0, 1).load(0)
    for mine, theirs in zip(own.batches, other.batches, strict=True):
        names = [other_names[i] if i >= 0 else "" for i in theirs.patch_class.flatten().tolist()]
        expected = [CLASSES[i] if i >= 0 else "" for i in mine.patch_class.flatten().tolist()]
        assert names == [name if name in other_names else "" for name in expected]


def test_prefetching_keeps_the_order_and_raises_where_it_is_read() -> None:
    def make(step: int) -> int:
        if step == 3:
            raise DataError("step 3 is bad")
        return step * 10

    with Prefetcher(make, range(1, 9), depth=2) as prefetcher:
        assert [prefetcher.next(), prefetcher.next()] == [10, 20]
        with pytest.raises(DataError, match="step 3 is bad"):
            prefetcher.next()


def test_prefetching_threads_work_at_once_and_keep_the_order() -> None:
    both = threading.Barrier(2, timeout=30)

    def make(step: int) -> int:
        both.wait()  # one thread alone would never pass
        return step

    with Prefetcher(make, range(4), threads=2) as prefetcher:
        assert [prefetcher.next() for _ in range(4)] == [0, 1, 2, 3]


def test_prefetching_stops_early_without_hanging() -> None:
    with Prefetcher(lambda step: step, range(10**6), depth=2) as prefetcher:
        assert prefetcher.next() == 0


def test_kept_features_give_the_loss_of_fresh_ones(prepared: PreparedData, tmp_path: Path) -> None:
    recipe = small_recipe(model={"vision": {**small_recipe().model.vision.model_dump(), "frozen": True}})
    processor = processor_of(recipe, prepared)
    torch.manual_seed(0)
    model = Loc3R(processor.config).eval()
    fresh = TrainingData(prepared, recipe, processor, 0, 1).load(0)
    for _ in range(2):  # computed, then found again by another training
        store = FeatureStore(model, tmp_path)
        kept = TrainingData(prepared, recipe, processor, 0, 1, store).load(0)
        for mine, theirs in zip(kept.batches, fresh.batches, strict=True):
            loss = joint_loss(model(mine), mine, processor.config).total()
            assert loss.item() == pytest.approx(
                joint_loss(model(theirs), theirs, processor.config).total().item(), rel=1e-3
            )


def test_a_video_is_encoded_once_for_all_trainings_of_one_tower(
    prepared: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Loc3R(processor_of(small_recipe(), prepared).config).eval()
    pixels = torch.rand(2, 3, *2 * (small_recipe().data.frame_size_px,))
    first = FeatureStore(model, tmp_path).of(pixels)
    with monkeypatch.context() as idle:
        idle.setattr(model, "see", lambda _: pytest.fail("encoded again"))
        assert torch.equal(FeatureStore(model, tmp_path).of(pixels), first)
    with torch.no_grad():
        next(model.vlm.model.vision_tower.parameters()).add_(1.0)
    assert not torch.equal(FeatureStore(model, tmp_path).of(pixels), first), "another tower sees other things"
