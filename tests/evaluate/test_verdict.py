from __future__ import annotations

import pytest
from guesses import guess, guesses_of

from loc3r.errors import DataError
from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.verdict import FEWEST_SCENES, compare

BOOTSTRAP = Bootstrap(500)


def test_a_clearly_better_model_is_better_and_the_other_way_round_is_not() -> None:
    good, poor = guesses_of(0.8, seed=1), guesses_of(0.3, seed=2)
    verdict = compare(good, poor, "the champion loc3r/1", BOOTSTRAP)
    assert verdict.better
    assert verdict.evidence["low"] > 0
    assert verdict.evidence["difference"] == pytest.approx(0.5, abs=0.1)
    assert set(verdict.evidence["components"]) == {"acc_1.0m", "acc_30deg", "answer_em"}
    assert "loc3r/1" in verdict.reason
    assert not compare(poor, good, "it", BOOTSTRAP).better


def test_the_same_model_is_not_better_than_itself() -> None:
    made = guesses_of(0.5)
    verdict = compare(made, made, "itself", BOOTSTRAP)
    assert not verdict.better
    assert verdict.evidence["difference"] == verdict.evidence["high"] == 0


def test_luck_is_not_enough() -> None:
    verdict = compare(guesses_of(0.52, seed=1), guesses_of(0.5, seed=2), "it", BOOTSTRAP)
    assert not verdict.better
    assert verdict.evidence["low"] < 0 < verdict.evidence["high"]


def test_few_scenes_decide_nothing_however_good_the_model() -> None:
    few = FEWEST_SCENES - 1
    verdict = compare(guesses_of(1.0, scenes=few), guesses_of(0.0, scenes=few), "it", BOOTSTRAP)
    assert not verdict.better
    assert "Too few scenes" in verdict.reason


def test_order_does_not_matter_but_the_questions_do() -> None:
    good, poor = guesses_of(0.8, seed=1), guesses_of(0.3, seed=2)
    assert compare(good, poor[::-1], "it", BOOTSTRAP).evidence == compare(good, poor, "it", BOOTSTRAP).evidence
    with pytest.raises(DataError, match="same questions"):
        compare(good, poor[1:], "it", BOOTSTRAP)


def test_questions_without_poses_decide_nothing() -> None:
    plain = [guess(str(i), situation=None, true_position_m=None, true_heading_rad=None) for i in range(9)]
    with pytest.raises(DataError, match="nothing to decide"):
        compare(plain, plain, "it", BOOTSTRAP)
