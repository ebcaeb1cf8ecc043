from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.errors import DataError
from loc3r.evaluate.intervals import (
    Bootstrap,
    Observations,
    mean_interval,
    mean_of_means,
    median_interval,
    paired_difference,
)

BOOTSTRAP = Bootstrap(samples=400)


def clustered(rng: np.random.Generator, scenes: int, each: int, spread: float = 1.0) -> Observations:
    """Values whose scenes differ: what they share makes questions of one scene alike."""
    shared = rng.normal(0, spread, scenes).repeat(each)
    names = [f"scene {i:03d}" for i in range(scenes) for _ in range(each)]
    return Observations.of(shared + rng.normal(0, 0.3, scenes * each), names)


def by_hand(observed: Observations, bootstrap: Bootstrap, statistic: str) -> tuple[float, float]:
    """The same bootstrap with loops: draw scenes, glue their values together, take the statistic."""
    names = np.unique(observed.scenes)
    results = []
    for counts in bootstrap.draw(len(names)):
        drawn = [
            observed.values[observed.scenes == name] for name, n in zip(names, counts, strict=True) for _ in range(n)
        ]
        results.append(getattr(np, statistic)(np.concatenate(drawn)))
    low, high = np.quantile(results, [0.025, 0.975])
    return float(low), float(high)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-10, 10)), min_size=1, max_size=25))
@settings(max_examples=15, deadline=None)
def test_vectorised_bounds_equal_the_loop(pairs: list[tuple[int, float]]) -> None:
    observed = Observations.of([value for _, value in pairs], [f"s{scene}" for scene, _ in pairs])
    small = Bootstrap(samples=60)
    for statistic, interval in (("mean", mean_interval), ("median", median_interval)):
        found = interval(observed, small)
        assert (found.low, found.high) == pytest.approx(by_hand(observed, small, statistic), abs=1e-9)
        assert found.value == pytest.approx(getattr(np, statistic)(observed.values))
        assert found.n == len(pairs)


def test_intervals_of_scenes_cover_the_truth_and_those_of_samples_would_not() -> None:
    rng = np.random.default_rng(0)
    hits = naive_hits = 0
    for seed in range(60):
        observed = clustered(rng, scenes=25, each=12)
        alone = Observations.of(observed.values, [str(i) for i in range(len(observed.values))])
        found, naive = (mean_interval(some, Bootstrap(300, seed=seed)) for some in (observed, alone))
        hits += found.low < 0 < found.high
        naive_hits += naive.low < 0 < naive.high
    assert hits >= 51  # 95 % of 60 are 57; five standard deviations are left for luck
    assert naive_hits < 40


def test_a_model_that_is_no_better_is_rarely_called_better() -> None:
    rng = np.random.default_rng(1)
    called = 0
    for seed in range(150):
        first, second = clustered(rng, 30, 4), clustered(rng, 30, 4)
        called += paired_difference([(first, second)], Bootstrap(300, seed=seed)).low > 0
    assert called <= 12  # 2.5 % of 150 are 4


def test_pairing_sees_a_difference_that_scenes_would_hide() -> None:
    rng = np.random.default_rng(2)
    second = clustered(rng, 30, 6, spread=5)
    first = Observations.of(second.values + rng.normal(0.2, 0.3, len(second.values)), list(second.scenes))
    paired = paired_difference([(first, second)], BOOTSTRAP)
    assert paired.low > 0
    assert paired.value == pytest.approx(0.2, abs=0.1)
    apart = mean_interval(first, BOOTSTRAP), mean_interval(second, BOOTSTRAP)
    assert apart[0].low < apart[1].high  # unpaired, the intervals overlap


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    observed = clustered(np.random.default_rng(3), 10, 3)
    assert mean_interval(observed, BOOTSTRAP) == mean_interval(observed, BOOTSTRAP)
    assert mean_interval(observed, BOOTSTRAP).low != mean_interval(observed, Bootstrap(400, seed=7)).low


def test_means_of_several_metrics_weigh_each_metric_the_same() -> None:
    many = Observations.of([1.0] * 90, [f"s{i % 9}" for i in range(90)])
    few = Observations.of([0.0] * 9, [f"s{i}" for i in range(9)])
    found = mean_of_means([many, few], BOOTSTRAP)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_weights_count_what_a_sum_stands_for() -> None:
    observed = Observations.of([30.0, 1.0], ["a", "b"], [10, 1])
    found = mean_interval(observed, BOOTSTRAP)
    assert found.value == pytest.approx(31 / 11)
    assert found.n == 11
    assert (found.low, found.high) == pytest.approx((1.0, 3.0))


def test_no_observation_is_no_number() -> None:
    nothing = Observations.of([], [])
    for interval in (mean_interval, median_interval):
        assert np.isnan(interval(nothing, BOOTSTRAP).value)
        assert interval(nothing, BOOTSTRAP).n == 0


def test_holes_and_strangers_are_refused() -> None:
    with pytest.raises(DataError, match="holes"):
        Observations.of([1.0, float("nan")], ["a", "b"])
    with pytest.raises(DataError, match="different samples"):
        paired_difference([(Observations.of([1.0], ["a"]), Observations.of([1.0], ["b"]))], BOOTSTRAP)
