"""A prepared scene seen in a mirror: another room for training, whose video, map, camera tokens and words still agree.

The map's +x, which is the first camera's right, changes sign. "left" and "right" change places in the texts, clock
directions their sides. People write "right behind me" and "I left my bag" too: such words stay. Where a sentence leaves
it open, so does this module's guess; 15,600 human texts were looked at for its rules.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from loc3r.geometry.headings import wrap_rad
from loc3r.priors.pose_token import mirrored_tokens
from loc3r.scenes.shards import MapObject, PreparedSample, PreparedScene

Real = TypeVar("Real", bound=np.floating[Any])

_HOURS = ("twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
_HOUR = rf"(?:1[0-2]|[1-9]|{'|'.join(_HOURS)})"
_CLOCK = r"\W{0,2}o\W{0,2}clock"
_WHERE = (
    r"(?:next|behind|beside|in|infront|inside|by|under|underneath|above|below|beneath|over|against|near|opposite|across|"
    r"between|on|at|before|after|here|there|now|outside|where|away|angle)\b"
)
"""Before one of these, "right" is no side but means exactly; so it is before another side."""
_EXACTLY = rf"(?<!\w)right(?= (?:{_WHERE}|to (?:my|the) (?:immediate )?(?:left|right)\b))"
_POINTS = r"(?:my|your|his|her|their|its|the|to|on|or|far|immediate|direct|top|bottom|upper|lower|back|front|turn)"
"""Behind one of these, "right" is a side, whatever follows."""
_LEAVES = r"(?:i|he|she|we|they|you|just|have|has|had|having|was|i've|and|but)"
"""Behind one of these, "left" may be what somebody did: always but before "of", behind "and" before some thing only."""
_LEFT_BEHIND = r"(?<!and )(?<!but )\bleft\b(?! of\b)|\bleft\b(?= (?:the|my|it|him|her|some)\b)"
_SIDE = re.compile(
    rf"(?P<said>\b{_POINTS}[ -]right\b)|(?P<exactly>{_EXACTLY})|(?P<leaves>\b{_LEAVES} (?:{_LEFT_BEHIND}))"
    r"|(?P<turn>\b(?:(?:counter|anti)[ -]?)?clockwise\b)"
    r"|(?P<side>\b(?:left|right)(?=(?:most|wards?|hand(?:ed)?|side)?\b))"
    rf"|(?P<hour>\b{_HOUR}(?=(?:(?: (?:and|or|to) |-){_HOUR})?{_CLOCK}))",
    re.IGNORECASE,
)


def mirrored_scene(scene: PreparedScene) -> PreparedScene:
    """The scene in a mirror; its camera tokens must be those of ``loc3r.priors.pose_token``."""
    return replace(
        scene,
        frames=scene.frames[:, :, ::-1],
        patch_xy_m=_flipped(scene.patch_xy_m[:, :, ::-1]),
        patch_valid=scene.patch_valid[:, :, ::-1],
        patch_class=scene.patch_class[:, :, ::-1],
        camera_tokens=mirrored_tokens(scene.camera_tokens),
        objects=tuple(_mirrored_object(thing) for thing in scene.objects),
        room_outline_m=_flipped(scene.room_outline_m),
    )


def mirrored_sample(sample: PreparedSample) -> PreparedSample:
    """The same question about the mirrored scene."""
    situation, question = mirrored_text(sample.situation or ""), mirrored_text(sample.question)
    moved = {"situation": situation[1], "question": question[1]}
    return replace(
        sample,
        situation=None if sample.situation is None else situation[0],
        question=question[0],
        answers=tuple(mirrored_text(answer)[0] for answer in sample.answers),
        position_m=sample.position_m and (-sample.position_m[0], sample.position_m[1]),
        heading_rad=None if sample.heading_rad is None else wrap_rad(np.pi - sample.heading_rad),
        mentions=tuple(
            (field, moved_to(start, moved[field]), moved_to(end, moved[field]), -x_m, y_m)
            for field, start, end, x_m, y_m in sample.mentions
        ),
        look_at_m=sample.look_at_m and (-sample.look_at_m[0], sample.look_at_m[1]),
    )


def mirrored_text(text: str) -> tuple[str, list[tuple[int, int]]]:
    """A text with its sides changed, and where it grew: (end of a changed word in ``text``, characters more)."""
    parts: list[str] = []
    grown: list[tuple[int, int]] = []
    done = 0
    for found in _SIDE.finditer(text):
        other = _other(found)
        parts += [text[done : found.start()], other]
        grown.append((found.end(), len(other) - len(found[0])))
        done = found.end()
    return "".join([*parts, text[done:]]), grown


def moved_to(at: int, grown: Sequence[tuple[int, int]]) -> int:
    """Where a place between two characters is after ``mirrored_text``."""
    return at + sum(more for end, more in grown if end <= at)


def _other(found: re.Match[str]) -> str:
    """What stands in the mirrored text for a match."""
    word = found[0]
    if found["exactly"] or found["leaves"]:
        return word
    if found["said"]:
        before, side = word[: -len("right")], word[-len("right") :]
        return before + _like(side, "left")
    if found["hour"]:
        return str(12 - int(word) % 12) if word.isdigit() else _like(word, _HOURS[-_HOURS.index(word.lower())])
    if found["turn"]:
        return _like(word, "counterclockwise" if word.lower() == "clockwise" else "clockwise")
    return _like(word, "right" if word.lower() == "left" else "left")


def _like(word: str, other: str) -> str:
    """``other`` in capitals as ``word`` has them."""
    return other.upper() if word.isupper() else other.capitalize() if word[:1].isupper() else other


def _flipped(xy_m: NDArray[Real]) -> NDArray[Real]:
    return np.asarray(xy_m * np.array([-1, 1], xy_m.dtype))


def _mirrored_object(thing: MapObject) -> MapObject:
    return replace(thing, xy_m=_flipped(thing.xy_m), footprint_m=_flipped(thing.footprint_m))
