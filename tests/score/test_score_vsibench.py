"""VSI-Bench: what each profile reads in an answer, MRA at its bounds, and the mean over eight tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_lines import metrics, report, vsi

from loc3r.errors import ScoreError
from loc3r.score.english_numbers import first_number
from loc3r.score.vsibench import FLOAT32_THRESHOLDS, THRESHOLDS, TYPES, spatial_mllm_number

ORDER = "obj_appearance_order"
COUNT = "object_counting"
EIGHT = {
    "object_rel_direction", "object_rel_distance", "route_planning", ORDER, "object_abs_distance", COUNT,
    "object_size_estimation", "room_size_estimation",
}  # fmt: skip
TRUTH = {kind: "A" if kind in TYPES[:6] else "3" for kind in TYPES}


def score(profile: str, kind: str, pred: str, truth: Any) -> float:
    name = "spatial-mllm" if profile == "spatial" else profile
    return metrics("vsibench", name, [vsi(kind, pred, truth), *PAD])[kind]


PAD = [vsi(kind, "A", "A", 1 + i) for i, kind in enumerate(TYPES[:3])]
"""One question of each direction level, without which lmms-eval stops."""


# answer -> right by the official script (and lmms-eval's letters), by Spatial-MLLM
LETTERS = {
    "A": (1, 1), "a": (1, 1), "A.": (1, 1), "A. chair": (1, 0), "A\n": (1, 1), " A": (0, 1), "A)": (0, 0),
    "(A)": (0, 0), "A.\n": (0, 1), "A...": (1, 1), "": (0, 0), "B": (0, 0), "<answer>A</answer>": (0, 1),
    "<answer>B</answer> no: <answer>a.</answer>": (0, 1), "The answer is A": (0, 0), "A .": (1, 1),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), LETTERS.items(), ids=repr)
def test_letters(answer: str, expected: tuple[int, int]) -> None:
    assert score("official", ORDER, answer, "A") == score("lmms-eval", ORDER, answer, "A") == 100 * expected[0]
    assert score("spatial", ORDER, answer, "A") == 100 * expected[1]


# answer to "3" -> right by official, lmms-eval, Spatial-MLLM
NUMBERS = {
    "3": (1, 1, 1), "3.0 m": (1, 1, 0), "3.": (1, 1, 1), "3.0": (1, 1, 1), "3m": (0, 1, 0), "three": (0, 1, 0),
    "There are three.": (0, 1, 0), "": (0, 0, 0), "none": (0, 0, 0), " 3": (0, 1, 1), "3\n": (1, 1, 1),
    "nan": (0, 0, 0), "inf": (0, 0, 0), "+3": (1, 1, 1), "<answer>3</answer>": (0, 1, 1), "one or 3": (0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "expected"), NUMBERS.items(), ids=repr)
def test_numbers(answer: str, expected: tuple[int, int, int]) -> None:
    for profile, right in zip(("official", "lmms-eval", "spatial"), expected, strict=True):
        assert score(profile, COUNT, answer, "3") == pytest.approx(100 * right), profile


def test_a_comma_is_a_thousand_for_spatial_mllm_only() -> None:
    assert score("official", COUNT, "1,200", "1200") == score("lmms-eval", COUNT, "1,200", "1200") == 0
    assert score("spatial", COUNT, "1,200", "1200") == 100
    assert score("lmms-eval", COUNT, "1,200", "1") == 100


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("twenty-one", 21), ("three hundred and twenty-one", 321), ("two thousand five", 2005), ("hundred", 100),
        ("one apple, room 2", 1), ("room 2, one apple", 2), ("two three", 5), ("and", None), ("Seven chairs.", 7),
        ("someone", None), ("-4 m", -4), ("3.5.6", 3.5), ("two and a half", 2), ("one and 2", 1), ("x7", 7), ("", None),
        ("five hundred thousand", 500_000), ("twelve, and thirteen", 25), ("zero", 0),
    ],
)  # fmt: skip
def test_the_first_number_in_english(text: str, number: float | None) -> None:
    assert first_number(text) == number


@pytest.mark.parametrize(
    ("guess", "share"), [("1", 1), ("0.95", 1), ("0.5", 0.1), ("1.5", 0.1), ("0.49", 0), ("2", 0), ("0.7", 0.5)]
)
def test_mean_relative_accuracy_counts_its_bounds(guess: str, share: float) -> None:
    """Ten thresholds from .50 to .95, and an error of exactly 50 % still meets the first."""
    assert score("official", COUNT, guess, "1") == pytest.approx(100 * share)


def test_spatial_mllm_measures_in_single_precision_and_strictly() -> None:
    assert spatial_mllm_number("0.95", "1.0") == 0.8999999761581421
    assert spatial_mllm_number("0.5", "1") == 0
    assert spatial_mllm_number("0", "0") == 1  # its epsilon keeps it from dividing by zero
    assert spatial_mllm_number("1e39", "1") == 0
    # What torch.arange(0.5, 0.975, 0.05, dtype=torch.float32) prints.
    assert FLOAT32_THRESHOLDS.tolist() == [
        0.5, 0.550000011920929, 0.6000000238418579, 0.6499999761581421, 0.699999988079071, 0.75, 0.800000011920929,
        0.8500000238418579, 0.8999999761581421, 0.949999988079071,
    ]  # fmt: skip
    assert len(THRESHOLDS) == int((0.95 - 0.5) / 0.05 + 2) == 10


def test_overall_is_the_plain_mean_of_eight_tasks() -> None:
    right = {"object_rel_direction_easy", ORDER}
    lines = [vsi(kind, TRUTH[kind] if kind in right else "no", TRUTH[kind], i) for i, kind in enumerate(TYPES)]
    lines += [vsi(ORDER, "A", "A", 100 + i) for i in range(50)]  # more questions, the same weight
    for profile in ("official", "lmms-eval", "spatial-mllm"):
        found = metrics("vsibench", profile, lines)
        assert EIGHT | {"overall"} <= set(found)
        assert found["object_rel_direction"] == pytest.approx(100 / 3)
        assert found["overall"] == pytest.approx((100 / 3 + 100) / 8)
    assert found["micro"] == pytest.approx(100 * 52 / 60)


def test_a_missing_direction_level_counts_as_each_original_counts_it() -> None:
    lines = [vsi(kind, TRUTH[kind], TRUTH[kind], i) for i, kind in enumerate(TYPES) if not kind.endswith("hard")]
    official, theirs, spatial = (report("vsibench", p, lines) for p in ("official", "lmms-eval", "spatial-mllm"))
    assert official.metrics["object_rel_direction"] == pytest.approx(200 / 3)
    assert official.metrics["overall"] == pytest.approx((700 + 200 / 3) / 8)
    assert spatial.metrics["object_rel_direction"] == spatial.metrics["overall"] == pytest.approx(100)
    assert theirs.to_json()["metrics"]["overall"] is None and "stops" in theirs.missing["object_rel_direction"]
    assert theirs.metrics[COUNT] == 100


def test_a_missing_task_is_said_and_left_out_of_the_mean() -> None:
    found = report("vsibench", "official", [*PAD, vsi(ORDER, "B", "A", 9)])
    assert found.metrics["overall"] == pytest.approx(50)
    assert found.to_json()["metrics"][COUNT] is None and found.missing[COUNT] == "no such question in the file"


def test_a_true_value_of_zero_is_refused_where_the_original_divides_by_it() -> None:
    with pytest.raises(ScoreError, match="zero"):
        score("official", COUNT, "1", "0")
    assert score("spatial", COUNT, "1", 0) == 0


@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, 500), st.floats(0, 1000))
def test_mra_agrees_with_its_definition(truth: float, guess: float) -> None:
    expected = np.mean([abs(guess - truth) / truth <= 1 - t for t in np.linspace(0.5, 0.95, 10)])
    assert score("official", COUNT, repr(guess), repr(truth)) == pytest.approx(100 * expected)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(TYPES), st.sampled_from(["A", "3", "3 m", "", "two"])), min_size=1, max_size=9)
)
def test_the_order_of_rows_changes_nothing(cases: list[tuple[str, str]]) -> None:
    lines = [vsi(kind, pred, TRUTH[kind], i) for i, (kind, pred) in enumerate(cases)]
    for profile in ("official", "spatial-mllm"):
        assert metrics("vsibench", profile, lines) == pytest.approx(metrics("vsibench", profile, lines[::-1]))


def test_perfect_answers_score_100_and_empty_ones_0() -> None:
    for profile in ("official", "lmms-eval", "spatial-mllm"):
        perfect = report("vsibench", profile, [vsi(k, TRUTH[k], TRUTH[k], i) for i, k in enumerate(TYPES)])
        assert {round(value, 9) for value in perfect.metrics.values()} == {100}
        empty = report("vsibench", profile, [vsi(k, "", TRUTH[k], i) for i, k in enumerate(TYPES)])
        assert set(empty.metrics.values()) == {0} and empty.empty_answers == 10
