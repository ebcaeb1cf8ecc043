"""SQA3D: golden answers of each profile, by the definitions of the published evaluators."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_lines import metrics, real_sqa3d, report, sqa3d

from loc3r.evaluate.answers import clean_answer
from loc3r.score import matching
from loc3r.score.sqa3d import chat_scene_prepare

TEXTS = st.text(alphabet=st.sampled_from("abtv2 .,\n'TheL"), max_size=12)

# prediction, truth -> (em, em_r) by leo, chat-scene, video3dllm
GOLDEN = {
    ("chair", "chair"): "11 11 11",
    ("Chair.", "chair"): "11 11 11",
    ("the chair", "chair"): "11 11 11",
    ("TV", "tv"): "11 11 11",
    ("2", "two"): "11 11 11",
    ("none", "0"): "11 11 11",
    ("22", "twenty-two"): "00 00 00",
    ("chair\n", "chair"): "01 01 01",  # only spaces are stripped; containment ignores white space
    ("chair .", "chair"): "01 11 01",  # Chat-Scene drops a final full stop before it strips
    ("brown", "dark brown"): "01 01 01",
    ("dark brown wood", "brown"): "01 01 01",
    ("bed room", "bedroom"): "01 01 01",
    ("left", "right"): "00 00 00",
    ("", "chair"): "01 00 01",  # an empty answer is contained in everything
    ("", ""): "11 00 11",
    ("?!", "chair"): "01 00 01",  # nothing is left of it
    ("right", "r"): "01 01 01",
    ("clothes", "clothes'"): "01 01 01",
}


@pytest.mark.parametrize(("texts", "expected"), GOLDEN.items(), ids=repr)
def test_each_profile_matches_as_its_original(texts: tuple[str, str], expected: str) -> None:
    for profile, flags in zip(("leo", "chat-scene", "video3dllm"), expected.split(), strict=True):
        found = metrics("sqa3d", profile, [sqa3d(*texts)])
        assert (found["em"], found["em_r"]) == (100 * int(flags[0]), 100 * int(flags[1])), profile


def test_in_leo_an_early_partial_match_hides_a_later_exact_one() -> None:
    assert matching.leo("chair", ["brown chair", "chair"]) == (False, True)
    assert matching.leo("chair", ["chair", "brown chair"]) == (True, True)
    assert matching.chat_scene("chair", ["brown chair", "chair"]) == (True, True)
    assert matching.leo("chair", []) == matching.chat_scene("chair", []) == (False, False)


@settings(deadline=None, max_examples=30)
@given(TEXTS, TEXTS)
def test_exact_implies_refined_and_refined_is_symmetric(a: str, b: str) -> None:
    for rule in (matching.leo, matching.chat_scene):
        exact, refined = rule(a, [b])
        assert refined or not exact
    assert matching.contained(a, b) == matching.contained(b, a)


@settings(deadline=None, max_examples=30)
@given(TEXTS)
def test_chat_scene_differs_from_leo_by_a_space_before_a_full_stop_at_most(text: str) -> None:
    ours, theirs = chat_scene_prepare(text), clean_answer(text)
    assert ours == theirs or text.endswith((" .", ".."))


def test_questions_are_counted_by_their_first_letters() -> None:
    asked = {
        "What": "what", " what's": "what", "Is": "is", "Isn't it": "is", "Are": "others", "How": "how", "Can": "can",
        "Which": "which", "Where": "others",
    }  # fmt: skip
    for question, kind in asked.items():
        assert f"em/{kind}" in metrics("sqa3d", "leo", [sqa3d("a", "a", question)]), question


def test_em_is_a_plain_mean_over_questions() -> None:
    lines = [sqa3d("a", "a", "What?", 0), sqa3d("b", "c", "What?", 1), sqa3d("d", "d", "Is it?", 2)]
    found = metrics("sqa3d", "leo", lines)
    assert found["em"] == pytest.approx(200 / 3)
    assert (found["em/what"], found["em/is"]) == (50, 100)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8), st.randoms())
def test_the_order_of_rows_changes_nothing(pairs: list[tuple[str, str]], random: object) -> None:
    lines = [sqa3d(*pair, number=i) for i, pair in enumerate(pairs)]
    shuffled = sorted(lines, key=lambda line: random.random())  # type: ignore[attr-defined]
    first, second = (report("sqa3d", "leo", some) for some in (lines, shuffled))
    assert first.metrics == pytest.approx(dict(second.metrics))
    assert all(bounds == pytest.approx(second.intervals[name]) for name, bounds in first.intervals.items())
    assert first.empty_answers == second.empty_answers == sum(not predicted.strip() for predicted, _ in pairs)


def test_the_real_questions(shared_data: Path) -> None:
    for profile in ("leo", "chat-scene", "video3dllm"):
        perfect = report("sqa3d", profile, real_sqa3d(shared_data))
        assert perfect.n == 3261 and perfect.empty_answers == 0 and set(perfect.metrics.values()) == {100}
    assert sum(perfect.counts.values()) == 3261 and (perfect.units, perfect.over) == (65, "scenes")
    empty = report("sqa3d", "leo", real_sqa3d(shared_data, ""))
    assert empty.empty_answers == 3261 and (empty.metrics["em"], empty.metrics["em_r"]) == (0, 100)
    frequent = empty.baselines["frequent answer"]["em"]
    assert 20 < frequent < 22 and not math.isnan(frequent)
