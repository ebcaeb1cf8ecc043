"""A gallery that nobody picked by hand: from the best localised sixth of the situations to the worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loc3r.evaluate.pictures import MapPicture, TokenPlaces, save_sheet
from loc3r.evaluate.predictions import Prediction, poses

if TYPE_CHECKING:
    from loc3r.model.inference import Localiser
    from loc3r.scenes.shards import PreparedData, PreparedScene

SIXTHS = ("best", "second", "third", "fourth", "fifth", "worst")
CASES = len(SIXTHS)


def representative(predictions: Sequence[Prediction], cases: int = CASES) -> list[Prediction]:
    """The middle situation of each sixth, sorted by position error, the best sixth first.

    Situations that are equally far off are sorted by data set and sample id. Where the middle one's room is shown
    already, the next worse one of another room is taken, so that a room is shown once if there are rooms enough.
    """
    ranked = sorted(poses(predictions), key=lambda p: (_error_m(p), p.dataset, p.sample_id))
    chosen: list[Prediction] = []
    for part in range(min(cases, len(ranked))):
        middle = (2 * part + 1) * len(ranked) // (2 * min(cases, len(ranked)))
        shown = {p.scene_id for p in chosen}
        chosen.append(next((p for p in ranked[middle:] if p.scene_id not in shown), ranked[middle]))
    return chosen


def draw_gallery(path: Path, localiser: Localiser, data: PreparedData, predictions: Sequence[Prediction]) -> None:
    """Write the representative cases as one PNG: guess, truth, and the layout that the model puts around them."""
    pictures = []
    chosen = representative(predictions)
    for number, prediction in enumerate(chosen):
        scene = data.scene(prediction.scene_id)
        note = f"median of the {SIXTHS[number]} sixth" if len(chosen) == CASES else ""
        tokens = _token_places(localiser, scene, data.class_names)
        pictures.append(MapPicture.of(scene, prediction, note, tokens))
    if pictures:
        save_sheet(path, pictures)


def _token_places(localiser: Localiser, scene: PreparedScene, class_names: Sequence[str]) -> TokenPlaces | None:
    """The predicted places, if they were trained; what a token shows is the truth, and only colours its dot."""
    if not localiser.model.config.loss.layout:
        return None
    memory = localiser.open_scene(scene.frames, scene.camera_tokens)
    places_m, _ = localiser.layout(memory)
    names = [*class_names, ""]  # -1: unknown
    return TokenPlaces(np.asarray(places_m, np.float64).reshape(-1, 2), [names[i] for i in scene.patch_class.ravel()])


def _error_m(prediction: Prediction) -> float:
    assert prediction.position_m is not None and prediction.true_position_m is not None
    return math.dist(prediction.position_m, prediction.true_position_m)
