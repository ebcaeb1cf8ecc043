"""English for things: how a class is written, counted and told apart, and what people do with it."""

from __future__ import annotations

import re

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip

SEATS = frozenset(("chair", "armchair", "office chair", "couch", "stool", "bench", "beanbag", "toilet", "child chair"))
FRONTED_SEATS = SEATS - {"stool", "bench", "beanbag"}
"""Seats with a back: who sits on them looks along their front."""

BEDS = frozenset(("bed", "mattress"))
"""What people lie on."""

SURFACES = frozenset(("table", "desk", "workbench", "dressing table", "piano", "keyboard piano"))
"""What people sit at."""

LANDMARKS = frozenset(
    (
        "door", "window", "table", "desk", "coffee table", "bed", "bunk bed", "couch", "tv stand", "wardrobe",
        "dresser", "bookshelf", "refrigerator", "sink", "stove", "bathtub", "shower", "toilet", "fireplace", "piano",
        "pool table", "washing machine", "nightstand", "radiator", "cabinet", "whiteboard", "kitchen cabinet",
    )
)  # fmt: skip
"""Things that others of their class are told apart by ("the chair next to the window")."""

SMALL_OBSTACLES = frozenset(("rug", "ball", "shoes"))
"""On the floor, but nobody walks around them."""

ASKABLE_ABSENT = (
    "bed", "couch", "toilet", "sink", "refrigerator", "tv", "bathtub", "piano", "bookshelf", "desk", "wardrobe",
    "plant", "trash can", "radiator", "stove", "printer", "mirror", "rug", "microwave", "fireplace", "whiteboard",
    "backpack", "floor lamp", "armchair", "washing machine", "computer", "coffee table", "nightstand", "dresser",
    "stool", "vase",
)  # fmt: skip
"""Classes asked for in rooms that lack them."""

_NEAR_COLOURS = tuple(
    map(
        frozenset,
        (
            ("white", "grey"), ("grey", "black"), ("white", "beige"), ("brown", "beige"), ("brown", "orange"),
            ("brown", "black"), ("red", "pink"), ("red", "orange"), ("pink", "purple"), ("blue", "purple"),
            ("yellow", "orange"), ("yellow", "beige"), ("brown", "red"), ("blue", "turquoise"), ("green", "turquoise"),
        ),
    )
)  # fmt: skip


def written(name: str) -> str:
    """A class as people write it: ``tv`` is "TV", the rest is as it is."""
    return re.sub(r"\btv\b", "TV", name)


def with_article(noun: str) -> str:
    """The noun behind "a" or "an"."""
    return ("an " if noun[0] in "aeio" else "a ") + noun


def plural(noun: str) -> str:
    """More than one of a noun."""
    if noun.endswith("shelf"):
        return noun[:-1] + "ves"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    return noun + "s"


def has_plural(name: str) -> bool:
    """False for what is a plural or a mass already ("blinds", "toilet paper")."""
    return not name.endswith(("s", "paper", "towel", "clothes"))


def may_be_called(name: str, noun: str) -> bool:
    """Whether a listener could take ``noun`` for a thing of class ``name``: an office chair is a chair too."""
    return name.endswith(noun)


def clearly_other(colour: str | None, other: str | None) -> bool:
    """Whether nobody would take one colour word for the other; False where a colour is unknown."""
    if colour is None or other is None or colour == other:
        return False
    return frozenset((colour, other)) not in _NEAR_COLOURS
