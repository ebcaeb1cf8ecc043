"""Exact match of short answers, after the normaliser that published SQA3D numbers use.

The rules and their order follow ``clean_answer`` of LEO (embodied-generalist, data/data_utils.py), which twelve
public code bases copy; its quirks are kept, since scores depend on them: only ASCII spaces are stripped, ``tv``
becomes ``TV`` again, ``none`` becomes ``zero``, and 21 and 22 stay digits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SCORER = "sqa3d-leo-em"
"""Name of this scorer's profile, written beside every score."""

_WORDS = {
    "letf": "left", "let": "left", "tehre": "there", "rigth": "right", "rght": "right", "behine": "behind",
    "tv": "TV", "chai": "chair", "wasing": "washing", "waslked": "walked", "oclock": "o'clock",
}  # fmt: skip

_NUMBERS = {
    "0": "zero", "none": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six",
    "7": "seven", "8": "eight", "9": "nine", "10": "ten", "11": "eleven", "12": "twelve", "13": "thirteen",
    "14": "fourteen", "15": "fifteen", "16": "sixteen", "17": "seventeen", "18": "eighteen", "19": "nineteen",
    "20": "twenty", "23": "twenty-three",
}  # fmt: skip


def _whole_words(table: dict[str, str]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(rf"\b{word}\b"), new) for word, new in table.items()]


_RULES: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"[ ]+$"), ""),
    (re.compile(r"^[ ]+"), ""),
    (re.compile(r" {2,}"), " "),
    (re.compile(r"[^a-zA-Z0-9,'\s\-:]+"), ""),
    *_whole_words(_WORDS),
    (re.compile(r"\bo'[ ]+clock\b"), "o'clock"),
    *_whole_words(_NUMBERS),
    (re.compile(r"\b([a-zA-Z]+)([0-9])\b"), r"\1"),
    (re.compile(r"\ba\b ([a-zA-Z]+)"), r"\1"),
    (re.compile(r"\ban\b ([a-zA-Z]+)"), r"\1"),
    (re.compile(r"\bthe\b ([a-zA-Z]+)"), r"\1"),
    (re.compile(r"\bbackwards\b"), "backward"),
]


def clean_answer(text: str) -> str:
    """The normal form of an answer, by LEO's rules."""
    text = text.lower()
    for pattern, new in _RULES:
        text = pattern.sub(new, text)
    return text


def exact_match(predicted: str, references: Sequence[str]) -> bool:
    """Whether the normal form of ``predicted`` is that of any reference."""
    return clean_answer(predicted) in {clean_answer(reference) for reference in references}
