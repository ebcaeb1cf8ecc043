"""Numbers in running English, as lmms-eval reads them (lmms_eval/tasks/vsibench/utils.py, extract_number)."""

from __future__ import annotations

import re
from itertools import dropwhile, takewhile

WORDS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100, "thousand": 1000,
}  # fmt: skip
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_LETTERS = re.compile(r"[a-z]+")


def first_number(text: str) -> float | None:
    """The number that begins first, in digits or in words; None without any.

    A run of number words may hold "and" and be broken by anything that is not a letter ("twenty-one"); it ends at the
    first other word. Words are added up, so "two three" is 5; "1,200" is 1.
    """
    text = text.strip().lower()
    digits = _DIGITS.search(text)
    words = dropwhile(lambda found: found[0] not in WORDS, _LETTERS.finditer(text))
    run = list(takewhile(lambda found: found[0] in WORDS or found[0] == "and", words))
    if digits and (not run or digits.start() < run[0].start()):
        return float(digits[0])
    return float(_value([found[0] for found in run if found[0] != "and"])) if run else None


def _value(words: list[str]) -> int:
    total = current = 0
    for word in words:
        value = WORDS[word]
        if value == 100:
            current = max(current, 1) * 100
        elif value == 1000:
            total, current = total + max(current, 1) * 1000, 0
        else:
            current += value
    return total + current
