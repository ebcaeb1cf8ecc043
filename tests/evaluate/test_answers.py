from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.evaluate.answers import clean_answer, exact_match

# Outputs of the original clean_answer (embodied-generalist, data/data_utils.py), run on these inputs.
GOLDEN = {
    "tv stand": "TV stand",
    "none": "zero",
    "let": "left",
    "(A)": "a",
    "a the chair": "chair",
    "The": "the",
    "mat2": "mat",
    "mat22": "mat22",
    "21": "21",
    "2nd": "2nd",
    "12 oclock": "twelve o'clock",
    "left; right": "left right",
    "café": "caf",
    "it’s": "its",
    "chair\n": "chair\n",
    "": "",
    "  Brown  Chair. ": "brown chair",
    "o' clock": "o'clock",
    "23": "twenty-three",
    "backwards": "backward",
    "tehre is an apple": "there is apple",
}


@pytest.mark.parametrize(("raw", "clean"), GOLDEN.items())
def test_the_normaliser_is_the_published_one(raw: str, clean: str) -> None:
    assert clean_answer(raw) == clean


@given(st.text())
def test_every_answer_matches_itself(text: str) -> None:
    assert exact_match(text, [text])


def test_any_reference_will_do() -> None:
    assert exact_match("2", ["a pair", "two"])
    assert not exact_match("chair\n", ["chair"])  # the published rule: only spaces are stripped
    assert not exact_match("chair", [])
