"""The tables and the verdict: computed from predictions whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from guesses import guesses_of

from loc3r.ablate.results import LOCALISATION, Step, scores, steps, verdict
from loc3r.errors import DataError
from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.predictions import Prediction

FAST = Bootstrap(samples=200)
Runs = dict[str, dict[int, list[Prediction]]]


def runs_of(**skills: tuple[float, ...]) -> Runs:
    """Variants of some skill with each seed; names with _ for +."""
    return {
        name.replace("_", "+"): {seed: guesses_of(skill, seed=10 * seed + 3) for seed, skill in enumerate(some)}
        for name, some in skills.items()
    }


def found(runs: Runs) -> dict[tuple[str, str], Step]:
    return {(step.variant, step.over): step for step in steps(runs, FAST) if step.metrics == LOCALISATION}


def test_scores_are_means_over_seeds_with_their_spread() -> None:
    seeds = {0: guesses_of(0.3, seed=1), 1: guesses_of(0.7, seed=2)}
    pooled = scores(seeds, FAST)
    for name, metric in (("acc_0.5m", "position_m"), ("answer_em", "text"), ("acc_30deg", "heading_rad")):
        right = [np.mean([getattr(p, metric) in ((1.0, 2.0), "two", 0.0) for p in some]) for some in seeds.values()]
        assert list(pooled[name].seeds.values()) == pytest.approx(right)
        assert pooled[name].interval.value == pytest.approx(np.mean(right))
        assert pooled[name].spread == pytest.approx(abs(right[0] - right[1]) / 2)
        assert pooled[name].interval.low < pooled[name].interval.value < pooled[name].interval.high
    four = [pooled[name].interval.value for name in LOCALISATION]
    assert pooled["localisation"].interval.value == pytest.approx(np.mean(four))


def test_an_unreadable_pose_is_wrong_and_counted() -> None:
    perfect = guesses_of(1.0)
    half = [
        replace(p, position_m=None, sigma_m=None, heading_rad=None, unreadable=True) if i % 2 else p
        for i, p in enumerate(perfect)
    ]
    pooled = scores({0: half}, FAST)
    assert pooled["unreadable"].interval.value == pooled["acc_1.0m"].interval.value == 0.5
    assert pooled["acc_30deg"].interval.value == 0.5 and pooled["answer_em"].interval.value == 1.0
    assert pooled["acc_1.0m"].interval.n == len(perfect)


def test_differences_are_paired_whatever_the_order() -> None:
    runs = runs_of(situation=(0.4, 0.4), _layout=(0.6, 0.6))
    shuffled = {**runs, "+layout": {seed: some[::-1] for seed, some in runs["+layout"].items()}}
    step = found(runs)["+layout", "situation"]
    assert found(shuffled)["+layout", "situation"].difference == step.difference
    values = [scores(runs[name], FAST)["localisation"].interval.value for name in ("+layout", "situation")]
    assert step.difference.interval.value == pytest.approx(values[0] - values[1])
    # The same guesses differ by nothing, in every resample: that is what pairing means.
    same = found({"situation": runs["situation"], "+layout": runs["situation"]})["+layout", "situation"]
    assert (same.difference.interval.low, same.difference.interval.high) == (0, 0)


@pytest.mark.parametrize(
    ("skills", "states", "words"),
    [
        (((0.2, 0.2), (0.5, 0.5), (0.8, 0.8)), ["shown", "shown"], "+camera shows."),
        (((0.2, 0.2), (0.5, 0.5), (0.5, 0.5)), ["shown", "not shown"], "+camera shows in part."),
        (((0.5, 0.5), (0.5, 0.5), (0.5, 0.5)), ["not shown", "not shown"], "+camera does not show."),
        (((0.8, 0.8), (0.5, 0.5), (0.2, 0.2)), ["reversed", "reversed"], "+camera is reversed."),
        # On average better, but one seed says the contrary: another training might, too.
        (((0.5, 0.5), (0.95, 0.4), (1.0, 1.0)), ["not shown", "shown"], "+camera shows in part."),
    ],
)
def test_the_verdict_follows_from_intervals_and_seeds(
    skills: tuple[tuple[float, ...], ...], states: list[str], words: str
) -> None:
    runs = runs_of(situation=skills[0], _layout=skills[1], _camera=skills[2])
    links = found(runs)
    assert [links["+layout", "situation"].shown, links["+camera", "+layout"].shown] == states
    told = verdict(list(links.values()), FAST)
    assert words in told and told.startswith("situation < +layout <")
    assert f"+layout over situation: {states[0]}," in told and "12 scenes; seeds" in told


def test_what_is_missing_is_said() -> None:
    runs = runs_of(situation=(0.2, 0.2), _layout=(0.5,))
    assert list(found(runs)["+layout", "situation"].difference.seeds) == [0]
    assert "not decided" in verdict(steps(runs, FAST), FAST)
    few = {name: {0: guesses_of(skill, scenes=4)} for name, skill in (("situation", 0.0), ("+layout", 1.0))}
    assert found(few)["+layout", "situation"].shown == "too few scenes"
    with pytest.raises(DataError, match="different samples"):
        scores({0: guesses_of(0.5), 1: guesses_of(0.5, scenes=11)}, FAST)
