"""Colour words: of single colours, and of models as people see them."""

from __future__ import annotations

import numpy as np

from loc3r.synth.colour import SHADES, colour_word, is_called, seen_areas
from loc3r.synth.furniture import COLOURS, FurniturePack


def test_colour_words_name_their_own_shades() -> None:
    assert set(SHADES) == set(COLOURS)
    for word, shades in SHADES.items():
        assert is_called(word, np.array(shades, float)).all()
        for shade in shades:
            assert colour_word(np.array([shade], float), np.ones(1)) == word


def test_the_larger_area_names_the_whole() -> None:
    red_and_blue = np.array([SHADES["red"][0], SHADES["blue"][0]], float)
    assert colour_word(red_and_blue, np.array([3.0, 2.0])) == "red"
    assert colour_word(red_and_blue, np.array([2.0, 3.0])) == "blue"


def test_the_shipped_words_are_what_the_rule_says() -> None:
    pack = FurniturePack.load()
    for model in pack.models[::40]:
        mesh = pack.mesh(model.model_id)
        areas = seen_areas(mesh.vertices_m, mesh.faces)
        assert colour_word(mesh.colours.astype(float), areas) == model.colour, model.model_id
