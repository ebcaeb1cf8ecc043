"""Which data set a scene is of, told by its name."""

from __future__ import annotations

import re

SCENE_NAMES = {"scannet": r"scene\d{4}_\d\d", "arkitscenes": r"\d{8}", "scannetpp": r"[0-9a-f]{10}"}
"""How the sources of VSI-Bench name their scenes."""


def source_of(scene_id: str) -> str:
    """The data set that a scene's name belongs to; rooms of our own are synthetic."""
    known = (source for source, pattern in SCENE_NAMES.items() if re.fullmatch(pattern, scene_id))
    return next(known, "synthetic")
