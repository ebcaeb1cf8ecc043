"""Accuracy against coverage: what sureness is worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from guesses import guess, guesses_of
from hypothesis import given
from hypothesis import strategies as st

from loc3r.evaluate.decline import Ranked, decline_curves, rankings
from loc3r.evaluate.intervals import Bootstrap

FEW = Bootstrap(100)
answers = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


def ranked_of(pairs: list[tuple[bool, float]]) -> Ranked:
    right, sureness = zip(*pairs, strict=True)
    scenes = [f"room {i % 5}" for i in range(len(pairs))]
    return Ranked.of(np.array(right), np.array(sureness, np.float64), scenes)


@given(answers, st.randoms())
def test_the_order_of_equally_sure_guesses_does_not_matter(pairs: list[tuple[bool, float]], random: object) -> None:
    shuffled = sorted(pairs, key=lambda _: random.random())  # type: ignore[attr-defined]
    first, second = ranked_of(pairs), ranked_of(shuffled)
    np.testing.assert_allclose(first.right, second.right)
    assert first.area(FEW).value == pytest.approx(second.area(FEW).value)


@given(answers)
def test_the_area_is_the_mean_accuracy_over_all_coverages(pairs: list[tuple[bool, float]]) -> None:
    found = ranked_of(pairs)
    count = len(pairs)
    assert found.area(FEW).value == pytest.approx(found.at(np.arange(1, count + 1) / count).mean())
    assert found.at(np.array([1.0]))[0] == pytest.approx(found.accuracy)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_sureness_that_knows_is_worth_most_and_one_that_says_nothing_is_worth_nothing(right: list[bool]) -> None:
    knowing, silent, wrong = (
        ranked_of([(r, sure) for r, sure in zip(right, sureness, strict=True)])
        for sureness in (right, [0] * len(right), [-r for r in right])
    )
    assert silent.area(FEW).value == pytest.approx(silent.accuracy)
    areas = [each.area(FEW).value for each in (wrong, silent, knowing)]
    assert areas == sorted(areas) or areas == pytest.approx(sorted(areas))
    if 0 < sum(right) < len(right):
        assert areas[0] < areas[1] < areas[2]


def test_each_metric_declines_by_its_own_sureness() -> None:
    made = [
        replace(p, sigma_m=(0.1, 0.1) if p.position_m == (1.0, 2.0) else (2.0, 2.0))
        for p in guesses_of(0.5)  # their headings all state the same concentration
    ]
    found = rankings(made)
    assert set(found) == {"acc_0.5m", "acc_1.0m", "acc_15deg", "acc_30deg"}
    place, heading = found["acc_1.0m"], found["acc_30deg"]
    assert place.at(np.array([0.3]))[0] == 1
    assert place.area(FEW).low > place.accuracy
    assert heading.at(np.array([0.3]))[0] == pytest.approx(heading.accuracy)
    curve = decline_curves(made)["acc_1.0m"]
    assert curve["coverage"][-1] == 1 and curve["accuracy"][-1] == pytest.approx(place.accuracy, abs=1e-5)


def test_nothing_stated_is_nothing_ranked() -> None:
    assert rankings([guess(sigma_m=None, heading_concentration=None)]) == {}
