"""When is a normalised answer right? Each code base has its own rule; each rule is named after its home.

A rule takes one normalised prediction and the normalised references, and says (exact, refined). The refined match
also counts an answer that is contained in a reference or contains it, spaces aside: so an empty answer is contained in
everything, except where Chat-Scene refuses it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Rule = Callable[[str, Sequence[str]], tuple[bool, bool]]


def leo(predicted: str, references: Sequence[str]) -> tuple[bool, bool]:
    """LEO's evaluator/scanqa_eval.py: the first reference that matches in any way decides.

    A partial match with an early reference hides an exact one with a later reference. Beacon3D's rule is the same.
    """
    for reference in references:
        if predicted == reference:
            return True, True
        if contained(predicted, reference):
            return False, True
    return False, False


def chat_scene(predicted: str, references: Sequence[str]) -> tuple[bool, bool]:
    """Chat-Scene's utils/helper.py: any exact match first; an empty answer never matches."""
    if not predicted:
        return False, False
    if predicted in references:
        return True, True
    return False, any(contained(predicted, reference) for reference in references)


def contained(predicted: str, reference: str) -> bool:
    """Whether either text holds the other, without their white space."""
    a, b = "".join(predicted.split()), "".join(reference.split())
    return a in b or b in a
