from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.evaluate.answers import exact_match
from loc3r.evaluate.baselines import (
    CENTRE,
    FREQUENT,
    HEADING,
    TEXT_ONLY,
    TextOnly,
    TrivialGuesses,
    baselines_of,
    best_constant_heading,
    most_frequent_answers,
    polygon_centre,
)
from loc3r.scenes.shards import PreparedSample


def sample(number: int, question: str, answer: str, **fields: Any) -> PreparedSample:
    given = {"question_type": "existence", "situation": "I am here.", "position_m": (0.0, 0.0), "heading_rad": 1.0}
    return PreparedSample(
        sample_id=str(number), dataset="sqa3d", scene_id="room_000001_00", question=question, answers=(answer,),
        **{**given, **fields},
    )  # fmt: skip


@given(st.floats(-math.pi, math.pi), st.floats(-5, 5), st.floats(-5, 5), st.floats(0.5, 6), st.floats(0.5, 6))
def test_the_centre_of_a_turned_rectangle_is_its_middle(
    turn_rad: float, x_m: float, y_m: float, width_m: float, depth_m: float
) -> None:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width_m / 2, depth_m / 2]
    rotation = np.array([[math.cos(turn_rad), -math.sin(turn_rad)], [math.sin(turn_rad), math.cos(turn_rad)]])
    assert polygon_centre(corners @ rotation.T + [x_m, y_m]) == pytest.approx((x_m, y_m), abs=1e-6)


def test_extra_corners_on_one_wall_do_not_pull_the_centre() -> None:
    corners = np.array([[0, 0], [1, 0], [2, 0], [3, 0], [4, 0], [4, 2], [0, 2]], float)
    assert polygon_centre(corners) == pytest.approx((2, 1))


def test_the_best_constant_heading_is_the_best() -> None:
    headings = np.deg2rad([170, 175, -178, -170, 20, 90, -60])
    assert abs(np.rad2deg(best_constant_heading(headings.tolist()))) > 165
    assert best_constant_heading([]) == 0.0


def test_frequent_answers_are_counted_after_normalising_and_ties_are_fixed() -> None:
    samples = [sample(0, "", "2"), sample(1, "", "two"), sample(2, "", "red"), sample(3, "", "b", question_type="x")]
    samples.append(sample(4, "", "a", question_type="x"))
    assert most_frequent_answers(samples) == {"existence": "two", "x": "a", "": "two"}


def test_the_text_only_model_learns_what_words_give_away() -> None:
    rng = np.random.default_rng(0)
    samples = [
        sample(i, f"Is there a {thing} near the {rng.choice(['bed', 'lamp'])}?", {"sofa": "yes", "tiger": "no"}[thing])
        for i, thing in enumerate(rng.choice(["sofa", "tiger"], 120))
    ]
    model = TextOnly.fit(samples[:80])
    answers = model.answer(samples[80:])
    assert np.mean([exact_match(a, s.answers) for a, s in zip(answers, samples[80:], strict=True)]) == 1.0


def test_one_answer_or_words_that_never_repeat_still_make_a_model() -> None:
    assert TextOnly.fit([sample(0, "a?", "yes"), sample(1, "b?", "yes")]).answer([sample(2, "c?", "no")]) == ["yes"]
    strangers = [sample(i, f"q{i}", answer, situation=None) for i, answer in enumerate(["no", "no", "yes"])]
    assert TextOnly.fit(strangers).answer(strangers[:1]) == ["no"]


def test_each_baseline_guesses_only_what_it_knows() -> None:
    training = [sample(i, "Is there a sofa?", "yes", heading_rad=2.0) for i in range(5)]
    made = TrivialGuesses.fit(training).predict([sample(9, "Is there a lamp?", "no")], {"room_000001_00": (3.0, 4.0)})
    assert made[CENTRE][0].position_m == (3.0, 4.0)
    assert made[CENTRE][0].heading_rad is None
    assert made[HEADING][0].heading_rad == pytest.approx(2.0, abs=0.3)
    assert made[FREQUENT][0].text == made[TEXT_ONLY][0].text == "yes"
    assert made[FREQUENT][0].position_m is None


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        ("acc_1.0m/beside", (CENTRE,)),
        ("acc_15deg", (HEADING,)),
        ("heading_error_deg", (HEADING,)),
        ("answer_em/counting", (FREQUENT, TEXT_ONLY)),
        ("layout_error_m", ()),
    ],
)
def test_a_metric_is_shown_beside_its_own_baselines(metric: str, names: tuple[str, ...]) -> None:
    assert baselines_of(metric) == names
