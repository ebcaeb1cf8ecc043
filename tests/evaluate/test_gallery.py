"""The gallery: a rule picks, not a hand; and what the picture shows can be found in its pixels."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
from guesses import guess
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from loc3r.evaluate.gallery import CASES, representative
from loc3r.evaluate.pictures import BOX_IN, PALETTE, MapPicture, Stand, TokenPlaces, draw_map, palette, save_sheet
from loc3r.evaluate.predictions import Prediction
from loc3r.scenes.shards import MapObject


def made(errors_m: list[float], rooms: int) -> list[Prediction]:
    return [
        guess(str(i), scene_id=f"room {i % rooms}", situation=str(i), position_m=(1 + error, 2.0))
        for i, error in enumerate(errors_m)
    ]


def error_m(prediction: Prediction) -> float:
    assert prediction.position_m and prediction.true_position_m
    return math.dist(prediction.position_m, prediction.true_position_m)


@given(st.lists(st.integers(0, 30).map(lambda n: n / 8), min_size=1, max_size=60), st.integers(1, 12), st.integers())
def test_the_choice_depends_on_nothing_but_errors_and_ids(errors_m: list[float], rooms: int, seed: int) -> None:
    predictions = made(errors_m, rooms)
    shuffled = random.Random(seed).sample(predictions, len(predictions))
    chosen = representative(predictions)
    assert representative(shuffled) == chosen
    assert len(chosen) == min(CASES, len(predictions))


@given(st.lists(st.floats(0, 5), min_size=CASES, max_size=60))
def test_with_a_room_for_each_situation_every_sixth_shows_its_middle(errors_m: list[float]) -> None:
    chosen = representative(made(errors_m, rooms=len(errors_m)))
    ranked = sorted(error_m(p) for p in made(errors_m, 1))
    middles = [ranked[int((part + 0.5) / CASES * len(ranked))] for part in range(CASES)]
    assert [error_m(p) for p in chosen] == middles


def test_a_room_is_shown_once_if_there_are_rooms_enough() -> None:
    errors_m = np.linspace(0, 3, 240)
    chosen = representative(made(errors_m.tolist(), rooms=7))
    assert len({p.scene_id for p in chosen}) == CASES
    assert [error_m(p) for p in chosen] == sorted(error_m(p) for p in chosen)
    assert len({p.scene_id for p in representative(made(errors_m.tolist(), rooms=2))}) == 2


@given(st.lists(st.sets(st.sampled_from([f"thing {i}" for i in range(30)]), max_size=len(PALETTE) // 2), max_size=6))
def test_things_that_share_a_map_differ_in_colour(maps: list[set[str]]) -> None:
    colours = palette(maps)
    few = len(set().union(*maps)) <= len(PALETTE)
    for names in maps:
        assert names <= colours.keys()
        if few:
            assert len({colours[name] for name in names}) == len(names)


def thing(object_id: int, name: str, x_m: float, y_m: float, half_m: float = 0.4) -> MapObject:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half_m + [x_m, y_m]
    return MapObject(object_id, name, "furniture", np.array([x_m, y_m]), corners, 0.5)


TOKENS = ["desk", "bed", "wall", "wall", "wall"]


def picture() -> MapPicture:
    return MapPicture(
        outline_m=np.array([[-2.0, -1.0], [2.0, -1.0], [2.0, 3.0], [-2.0, 3.0]]),
        objects=[thing(1, "bed", -1, 2), thing(2, "bed", -1, 2.1), thing(3, "desk", 1, 2)],
        guess=Stand((1.0, 2.0), 0.0, (0.3, 0.2)),
        truth=Stand((0.0, 1.0), math.pi / 2),
        title="“I am at the desk.”",
        tokens=TokenPlaces(np.array([[1.5, 0.5], [-1.5, 0.5], *([x, 2.8] for x in range(-1, 2))]), TOKENS),
    )


def test_guess_truth_and_layout_are_in_the_picture(tmp_path: Path) -> None:
    save_sheet(tmp_path / "map.png", [picture()])
    pixels = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).reshape(-1, 3).astype(int)
    colours = palette([{"bed", "desk"}])
    for colour in ("#d6336c", "#2b8a3e", "#adb5bd", colours["bed"]):
        wanted = np.array([round(255 * part) for part in to_rgb(colour)])
        assert (np.abs(pixels - wanted).max(1) < 3).sum() > 20, colour


def test_labels_cover_neither_each_other_nor_anybody() -> None:
    figure = Figure(figsize=BOX_IN)
    axes = figure.add_axes((0, 0, 1, 1))
    shown = picture()
    draw_map(axes, shown, palette([{"bed", "desk"}]))
    figure.canvas.draw()
    labels = [text for text in axes.texts if text.get_text() in ("bed", "desk")]
    boxes = [label.get_window_extent() for label in labels]
    assert "desk" in {label.get_text() for label in labels}
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    for at in axes.transData.transform([shown.guess.position_m, (0.0, 1.0)]):
        assert not any(box.contains(*at) for box in boxes)


def test_long_captions_stay_below_their_own_map() -> None:
    asked = "Looking from here, is the fireplace that stands beside the radiator left or right of the shelf?"
    shown = replace(picture(), caption=f"{asked}\n→ left (true: right)")
    figure = Figure(figsize=BOX_IN)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_map(axes, shown, palette([{"bed", "desk"}]))
    figure.canvas.draw()
    (caption,) = [text for text in axes.texts if "fireplace" in text.get_text()]
    lines = caption.get_text().split("\n")
    assert " ".join(lines[:-1]) == asked and lines[-1] == "→ left (true: right)"
    box = caption.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
