"""How people say in SQA3D where they sit and what they face, and what VSI-Bench calls those things."""

from __future__ import annotations

import re

SITTING = re.compile(
    r"\b(?:sitting|sit|sat|seated|lying|laying) (?:down )?(?:on|in) "
    r"(?:(?:the|a|an|my|edge|side|middle|left|right|of|office|black|brown|rolling) )*(chair|bed|couch|sofa|armchair)\b",
    re.IGNORECASE,
)
FACING = re.compile(r"\bfacing (?:the|a|an|my) (\w+)", re.IGNORECASE)
_CALLED = {"couch": "sofa", "armchair": "chair", "desk": "table", "television": "tv"}


def named_by(pattern: re.Pattern[str], text: str | None) -> str:
    """VSI-Bench's class of the thing that a text names in a pattern; empty where it names none."""
    found = pattern.search(text or "")
    return _CALLED.get(found[1].lower(), found[1].lower()) if found else ""
