from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.errors import DataError, TrainingError
from loc3r.train.sampler import StepSampler, micro_batches

counts = st.dictionaries(st.text("ab", min_size=1, max_size=3), st.integers(0, 9), min_size=1, max_size=6).filter(
    lambda questions: any(questions.values())
)


def sampler(questions: dict[str, int], size: int = 3, scenes: int = 4, seed: int = 0) -> StepSampler:
    return StepSampler(questions, questions_per_scene=size, scenes_per_step=scenes, seed=seed)


@given(counts, st.integers(1, 4), st.integers(1, 5), st.integers(0, 50))
def test_a_step_depends_on_seed_and_step_alone(questions: dict[str, int], size: int, scenes: int, step: int) -> None:
    walked = sampler(questions, size, scenes)
    for before in range(step):
        walked.step(before)
    shuffled = dict(reversed(questions.items()))
    assert walked.step(step) == sampler(shuffled, size, scenes).step(step)


@given(counts, st.integers(1, 4))
def test_an_epoch_asks_every_question_and_repeats_only_to_fill_a_scenes_last_unit(
    questions: dict[str, int], size: int
) -> None:
    one = sampler(questions, size, scenes=1)
    seen = Counter()
    for step in range(one.units_per_epoch):
        (unit,) = one.step(step)
        assert len(unit.questions) == size
        seen.update((unit.scene_id, question) for question in unit.questions)
    assert set(seen) == {(scene, i) for scene, count in questions.items() for i in range(count)}
    for scene, count in questions.items():
        asked = [seen[scene, i] for i in range(count)]
        assert not asked or (max(asked) - min(asked) <= 1 and sum(asked) - count < size)


def test_epochs_and_seeds_differ_in_order() -> None:
    questions = {f"scene {i}": 6 for i in range(20)}
    one = sampler(questions, scenes=40)
    assert one.step(0) != one.step(1)
    assert one.step(0) != sampler(questions, scenes=40, seed=1).step(0)
    assert {unit.scene_id for unit in one.step(0)} == set(questions)


@given(st.sampled_from([1, 2, 3, 6]), st.sampled_from([1, 2]))
def test_ranks_share_the_same_step(ranks: int, per_micro_batch: int) -> None:
    units = sampler({f"scene {i}": 3 for i in range(12)}, scenes=12).step(0)
    shares = [micro_batches(units, rank=r, ranks=ranks, per_micro_batch=per_micro_batch) for r in range(ranks)]
    assert [unit for share in shares for batch in share for unit in batch] == list(units)
    assert {len(batch) for share in shares for batch in share} == {per_micro_batch}


def test_what_can_not_be_shared_or_sampled_is_explained() -> None:
    units = sampler({"scene": 3}).step(0)
    with pytest.raises(TrainingError, match="does not divide over the ranks"):
        micro_batches(units, rank=0, ranks=3, per_micro_batch=1)
    with pytest.raises(DataError, match="no scene has a question"):
        sampler({"scene": 0})


def test_half_of_the_units_are_mirrored_and_nothing_else_changes() -> None:
    questions = {f"scene {i}": 40 for i in range(20)}
    plain = sampler(questions, scenes=200)
    mirrored = StepSampler(questions, questions_per_scene=3, scenes_per_step=200, seed=0, mirror=True)
    seen = mirrored.step(0)
    assert [(unit.scene_id, unit.questions) for unit in seen] == [(u.scene_id, u.questions) for u in plain.step(0)]
    assert 70 < sum(unit.mirrored for unit in seen) < 130
    assert seen == StepSampler(questions, questions_per_scene=3, scenes_per_step=200, seed=0, mirror=True).step(0)
    assert {unit.mirrored for unit in plain.step(0)} == {False}
    one = next(unit for unit in seen if unit.mirrored)
    assert [part.mirrored for part in one.split()] == [True] * 3


def test_half_of_the_units_are_on_other_maps_and_mirrors_stay_the_same() -> None:
    questions = {f"scene {i}": 40 for i in range(20)}
    sizes = {"questions_per_scene": 3, "scenes_per_step": 200, "seed": 0}
    mirrored = StepSampler(questions, **sizes, mirror=True)
    both = StepSampler(questions, **sizes, mirror=True, move_map=True)
    seen = both.step(0)
    assert [replace(unit, other_map=None) for unit in seen] == list(mirrored.step(0))
    assert seen == StepSampler(questions, **sizes, mirror=True, move_map=True).step(0)
    maps = [unit.other_map for unit in seen if unit.other_map]
    assert 70 < len(maps) < 130 and len(set(maps)) == len(maps)
    assert all(0 <= along < 1 and abs(turned_rad) <= math.pi for along, turned_rad in maps)
    later = both.step(both.units_per_epoch // 200)  # of the next epoch
    assert not {unit.other_map for unit in later if unit.other_map} & set(maps)
