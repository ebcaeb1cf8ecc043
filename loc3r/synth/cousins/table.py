"""What a layout's classes become and what people call them: ``pack/cousins.json``, read once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

from loc3r.datasets.leakage import room_of
from loc3r.files import hash_json
from loc3r.synth.furniture import COLOURS


@dataclass(frozen=True)
class ClassRow:
    """One class of the layout files."""

    models: tuple[str, ...]
    """Classes of the furniture pack that may stand for it; none: a plain box of ``colour`` does."""
    says: tuple[str, ...]
    """Words and phrases that people name it by, lower case."""
    colour: str | None = None


@dataclass(frozen=True)
class Table:
    """The classes, the words of geometric questions and answers, and what is only for tests."""

    classes: dict[str, ClassRow]
    question_words: frozenset[str]
    answer_words: frozenset[str]
    tested_rooms: frozenset[str]
    """Digests of the rooms of tier T2's scenes, so that none is trained on by mistake."""

    def tests(self, scene_id: str) -> bool:
        """Whether tier T2 tests on the room of a scene, in whichever scan of it."""
        return hash_json(room_of(scene_id)) in self.tested_rooms

    @cached_property
    def meanings(self) -> dict[str, frozenset[str]]:
        """Phrase to the classes that it may name."""
        found: dict[str, set[str]] = {}
        for name, row in self.classes.items():
            for phrase in row.says:
                found.setdefault(phrase, set()).add(name)
        return {phrase: frozenset(names) for phrase, names in found.items()}


@cache
def load_table() -> Table:
    """The table shipped with the package."""
    content = json.loads((files("loc3r.synth") / "pack" / "cousins.json").read_text())
    classes = {
        name: ClassRow(tuple(row["models"]), tuple(row["says"]), row.get("colour"))
        for name, row in content["classes"].items()
    }
    assert all(row.models or row.colour in COLOURS for row in classes.values())
    names = ("question_words", "answer_words", "tested_rooms")
    return Table(classes, *(frozenset(content[name]) for name in names))
