"""Mixtures: what they ask for is what is drawn, by the seed alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.datasets.mixture import Mixture, read_mixture
from loc3r.datasets.sample import DatasetName, Sample
from loc3r.errors import DataError

AVAILABLE: dict[DatasetName, int] = {"sqa3d": 60, "scanqa": 40, "msqa": 20}


def sample(dataset: DatasetName, number: int, **fields: object) -> Sample:
    row = {"sample_id": f"{number}", "dataset": dataset, "scene_id": "s", "question": "?", "answers": ("a",)}
    return Sample.model_validate(row | {"question_type": "what"} | fields)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [sample(name, number) for name, count in AVAILABLE.items() for number in range(count)]


def drawn_counts(mixture: Mixture, samples: list[Sample]) -> dict[str, int]:
    return dict(Counter(s.dataset for s in mixture.draw(samples).samples))


def mixture(**fields: object) -> Mixture:
    return Mixture.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"parts": {"sqa3d": {}, "msqa": {"count": 5}}}, {"sqa3d": 60, "msqa": 5}),
        ({"parts": {"sqa3d": {"weight": 3}, "scanqa": {"weight": 1}}, "total": 40}, {"sqa3d": 30, "scanqa": 10}),
        ({"parts": {"sqa3d": {"weight": 1}, "msqa": {"weight": 1}}}, {"sqa3d": 20, "msqa": 20}),
        (
            {"parts": {"msqa": {"count": 10}, "sqa3d": {"weight": 2}, "scanqa": {"weight": 1}}, "total": 41},
            {"msqa": 10, "sqa3d": 21, "scanqa": 10},
        ),
    ],
)
def test_counts_and_weights_are_kept(fields: dict[str, object], counts: dict[str, int], samples: list[Sample]) -> None:
    assert drawn_counts(mixture(**fields), samples) == counts


def test_a_draw_depends_on_the_seed_and_not_on_the_order(samples: list[Sample]) -> None:
    half = {"parts": {"sqa3d": {"count": 30}}}
    shuffled = [samples[i] for i in np.random.default_rng(0).permutation(len(samples))]
    first, again, other = (mixture(seed=seed, **half).draw(samples).samples for seed in (1, 1, 2))
    assert first == again and first != other
    assert set(first) == set(mixture(seed=1, **half).draw(shuffled).samples)
    assert [int(s.sample_id) for s in first] == sorted(int(s.sample_id) for s in first)


@given(st.integers(1, 59), st.integers(1, 60), st.integers(0, 99))
def test_a_larger_count_holds_the_smaller_one(few: int, more: int, seed: int) -> None:
    everything = [sample("sqa3d", number) for number in range(60)]
    small, large = (
        set(mixture(seed=seed, parts={"sqa3d": {"count": count}}).draw(everything).samples)
        for count in sorted((few, more))
    )
    assert small <= large


def test_the_record_says_what_was_drawn(samples: list[Sample]) -> None:
    chosen = mixture(seed=3, parts={"scanqa": {"count": 7}})
    record = chosen.draw(samples).record
    assert record["drawn"] == {"scanqa": {"available": 40, "drawn": 7}}
    assert record["mixture"]["seed"] == 3 and record["hash"] == chosen.hash
    assert chosen.hash != mixture(seed=4, parts={"scanqa": {"count": 7}}).hash


def test_wordings_and_answers_become_samples_of_their_own() -> None:
    told = sample("sqa3d", 1, situation="I sit.", alternative_situations=("I am sitting.", "Seated."))
    asked = sample("scanqa", 2, answers=("two", "2", "two"))
    chosen = mixture(parts={"sqa3d": {"every_wording": True}, "scanqa": {"every_answer": True}})
    found = chosen.draw([told, asked]).samples
    assert [(s.sample_id, s.situation, s.answers) for s in found] == [
        ("1", "I sit.", ("a",)), ("1-w1", "I am sitting.", ("a",)), ("1-w2", "Seated.", ("a",)),
        ("2-a0", None, ("two",)), ("2-a1", None, ("2",)),
    ]  # fmt: skip


def test_more_than_there_is_is_refused(samples: list[Sample]) -> None:
    with pytest.raises(DataError, match="more msqa than there is"):
        mixture(parts={"msqa": {"count": 21}}).draw(samples)
    with pytest.raises(DataError, match="more beacon3d than there is"):
        mixture(parts={"beacon3d": {}}).draw(samples)
    with pytest.raises(DataError, match="too little for its weights"):
        mixture(parts={"sqa3d": {"count": 9}, "msqa": {"weight": 1}}, total=9).draw(samples)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("parts: {sqa3d: {weight: 1, count: 2}}", "not both"),
        ("parts: {sqa3: {weight: 1}}", "parts.sqa3"),
        ("parts: {sqa3d: {weight: -1}}", "parts.sqa3d.weight"),
        ("parts: {sqa3d: {weight: .inf}}", "parts.sqa3d.weight"),
        ("parts: {sqa3d: {}}\ntotal: 5", "no part has one"),
        ("parts: [", "can't be read"),
    ],
)
def test_a_broken_mixture_names_its_field(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mixture.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        read_mixture(path)
