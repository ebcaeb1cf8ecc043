"""Which human texts hold in a rebuilt room: those that name what was rebuilt and ask for geometry alone.

Colours, materials, patterns and the state of things are not the real ones, and only some classes are rebuilt. So a
question is kept where each of its words is of space, number or grammar, or names a rebuilt class; what it was dropped
for is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from loc3r.datasets.sample import Sample
from loc3r.synth.cousins.table import Table

UNNAMED = "names nothing that was rebuilt"
NOT_GEOMETRIC = "not of geometry alone"
NOT_REBUILT = "about things that were not rebuilt"
ABSENT = ("no", "zero", "none", "false")
"""Answers that hold, too, where a thing is nowhere in the room."""
_WORDS = re.compile(r"[a-z0-9']+")


class Judge:
    """Decides on the texts of one room, from the classes that it holds."""

    def __init__(self, table: Table, classes: Collection[str]) -> None:
        self._table = table
        self._classes = frozenset(classes)
        longest_first = sorted(table.meanings, key=lambda phrase: (-len(phrase), phrase))
        self._phrases = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b")

    def fault_of_situation(self, text: str) -> str | None:
        """Why a situation can't be told from the room, or None: it names nothing that is there."""
        _, named = self._read(text)
        return None if any(classes & self._classes for classes in named) else UNNAMED

    def fault_of_question(self, sample: Sample) -> str | None:
        """Why a question is dropped, or None; its situation counts as well."""
        if fault := self.fault_of_situation(sample.situation or ""):
            return fault
        rest, named = self._read(sample.question)
        answer_rest, answer_named = self._read(" ".join(sample.answers))
        if not (rest <= self._table.question_words and answer_rest <= self._table.answer_words):
            return NOT_GEOMETRIC
        may_lack = bool(set(sample.answers) & set(ABSENT))
        there = [bool(classes & self._classes) for classes in named]
        holds = all(bool(classes & self._classes) for classes in answer_named) and (may_lack or all(there))
        return None if holds else NOT_REBUILT

    def _read(self, text: str) -> tuple[set[str], list[frozenset[str]]]:
        """The words that name nothing, and the classes that each name may mean."""
        text = text.lower().replace("’", "'").replace("/", "'")
        named = [self._table.meanings[phrase] for phrase in self._phrases.findall(text)]
        return set(_WORDS.findall(self._phrases.sub(" ", text))), named
