"""Text that knows which of its characters name which object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Literal

from loc3r.datasets.sample import Mention


@dataclass(frozen=True)
class Text:
    """Characters and the spans among them that name an object: (start, end, object_id)."""

    text: str
    spans: tuple[tuple[int, int, int], ...] = ()

    def __add__(self, other: Text) -> Text:
        shift = len(self.text)
        moved = tuple((start + shift, end + shift, thing) for start, end, thing in other.spans)
        return Text(self.text + other.text, self.spans + moved)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects in the order in which they are named."""
        return tuple(thing for _, _, thing in self.spans)

    def mentions(self, field: Literal["situation", "question"]) -> tuple[Mention, ...]:
        """The spans as a sample's mentions."""
        return tuple(Mention(field=field, start=s, end=e, object_id=thing) for s, e, thing in self.spans)


def naming(words: str, object_id: int) -> Text:
    """Words that all name one object."""
    return Text(words, ((0, len(words), object_id),))


def fill(template: str, roles: Mapping[str, Text | str]) -> Text:
    """A template's ``{role}`` places filled in; spans follow their words."""
    result = Text("")
    for literal, role, _, _ in Formatter().parse(template):
        result += Text(literal)
        if role is not None:
            value = roles[role]
            result += Text(value) if isinstance(value, str) else value
    return result
