"""Varied furniture: every thing is right in itself, and rooms that are tested on have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.errors import DataError
from loc3r.synth.boxes import FLAT_M, collides, inside_rectangle, inside_room
from loc3r.synth.colour import colour_word, seen_areas
from loc3r.synth.furniture import GLASS, FurnitureModel, FurniturePack, Mesh
from loc3r.synth.generate import Parameters
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room
from loc3r.synth.variety import UNPAINTED, Variation, VariedPack

PACK = FurniturePack.load()
TRAIN = [model for model in PACK.models if model.split == "train"]
models, seeds = st.sampled_from(TRAIN), st.integers(0, 2**32 - 1)


def volume_m3(mesh: Mesh) -> float:
    """Signed: positive where faces wind counter-clockwise seen from outside."""
    a, b, c = (mesh.vertices_m[mesh.faces[:, i]].astype(float) for i in range(3))
    return float(np.einsum("fc,fc->f", a, np.cross(b, c)).sum() / 6)


def varied(model: FurnitureModel, seed: int, **changes: object) -> tuple[FurnitureModel, Mesh]:
    """The model and its mesh, varied by a drawn variation with some changes."""
    variation = replace(Variation.draw(model, np.random.default_rng(seed)), **changes)  # type: ignore[arg-type]
    return variation.resize(model), variation.remake(PACK.mesh(model.model_id), model.colour)


@given(models, seeds)
@settings(max_examples=60, deadline=None)
def test_meshes_fill_boxes_of_about_the_models_size(model: FurnitureModel, seed: int) -> None:
    resized, mesh = varied(model, seed)
    width, depth, height = resized.size_m
    np.testing.assert_allclose(np.ptp(mesh.vertices_m, axis=0), (depth, width, height), atol=1e-3)
    shares = np.array(resized.size_m) / model.size_m
    assert (shares > 0.8).all() and (shares < 1.25).all()
    if model.placement == "opening":
        assert resized.size_m == model.size_m
    assert (model.size_m[2] <= FLAT_M) == (resized.size_m[2] <= FLAT_M)


@given(st.sampled_from([m for m in TRAIN if m.top_area_m]), seeds, st.booleans())
@settings(max_examples=30, deadline=None)
def test_tops_go_with_the_mesh(model: FurnitureModel, seed: int, mirrored: bool) -> None:
    resized, _ = varied(model, seed, mirrored=mirrored)
    assert model.top_area_m and resized.top_area_m and model.top_m and resized.top_m
    scale = np.array(resized.size_m) / model.size_m
    assert resized.top_m == pytest.approx(model.top_m * scale[2], abs=1e-3)
    back, right, front, left = np.array(model.top_area_m) * scale[[1, 0, 1, 0]]
    expected = (back, -left, front, -right) if mirrored else (back, right, front, left)
    assert resized.top_area_m == pytest.approx(expected, abs=1e-3)


@given(models, seeds)
@settings(max_examples=30, deadline=None)
def test_a_mirrored_mesh_is_the_other_way_round_with_its_outside_out(model: FurnitureModel, seed: int) -> None:
    _, plain = varied(model, seed, mirrored=False)
    _, mirrored = varied(model, seed, mirrored=True)
    np.testing.assert_array_equal(mirrored.vertices_m, plain.vertices_m * np.float32([1, -1, 1]))
    assert volume_m3(mirrored) == pytest.approx(volume_m3(plain), rel=1e-3, abs=1e-6)


@given(models, seeds)
@settings(max_examples=40, deadline=None)
def test_lamps_plants_and_panes_keep_their_colours(model: FurnitureModel, seed: int) -> None:
    before, after = PACK.mesh(model.model_id).colours, varied(model, seed, paint=(180.0, 30.0, 30.0))[1].colours
    panes = (before == np.array(GLASS)).all(1)
    assert (after[panes] == GLASS).all()
    variation = Variation.draw(model, np.random.default_rng(seed))
    if model.name in UNPAINTED or model.name.endswith("lamp"):
        assert variation.paint is None and variation.tint == (1, 1, 1)


def test_paint_goes_on_the_main_material_and_keeps_its_shades() -> None:
    mesh = PACK.mesh("scopia/bed1")
    colour = PACK.colour("scopia/bed1")
    plain = Variation((1.0, 1.0, 1.0), False, (1.0, 1.0, 1.0), None)
    np.testing.assert_array_equal(plain.remake(mesh, colour).colours, mesh.colours)
    red = replace(plain, paint=(180.0, 30.0, 30.0)).remake(mesh, colour).colours
    changed = (red != mesh.colours).any(1)
    assert colour_word(red.astype(float), seen_areas(mesh.vertices_m, mesh.faces)) == "red"
    assert changed.mean() > 0.2


def test_words_are_those_of_the_varied_meshes() -> None:
    """The pack counts what is seen of the model's own shape; of the varied shape it is near enough the same."""
    pack = VariedPack(PACK, np.random.default_rng(5))
    agree, changed = [], []
    for model in TRAIN[::12]:
        mesh = pack.mesh(model.model_id)
        word = colour_word(mesh.colours.astype(float), seen_areas(mesh.vertices_m, mesh.faces))
        agree.append(word == pack.colour(model.model_id))
        changed.append(word != model.colour)
    assert np.mean(agree) >= 0.95
    assert 0.2 < np.mean(changed) < 0.8


def test_unknown_model_says_so() -> None:
    with pytest.raises(DataError, match="no such furniture model"):
        VariedPack(PACK, np.random.default_rng(0)).mesh("scopia/sphinx")


def furnished(seed: int) -> tuple[Room, FurniturePack]:
    """A training room and what furnished it."""
    pack = Parameters("train", 2, 0, varied=True).furniture(seed)
    return furnish(seed, "train", pack), pack


@pytest.mark.parametrize("seed", [3, 11, 28])
def test_rooms_of_varied_things_hold_together(seed: int) -> None:
    room, pack = furnished(seed)
    assert furnished(seed)[0].objects == room.objects
    by_id = {thing.object_id: thing for thing in room.objects}
    for thing in room.furniture:
        model = pack.by_id(str(thing.model_id))
        assert thing.size_m == model.size_m and thing.colour == pack.colour(model.model_id)
        assert inside_room(thing, room.size_m)
        assert not collides(thing, (t for t in room.furniture if t is not thing))
        if thing.support_id:
            area_m = pack.by_id(str(by_id[thing.support_id].model_id)).top_area_m
            assert area_m and inside_rectangle(thing, by_id[thing.support_id], area_m)


def test_each_room_has_its_own_variety() -> None:
    packs = [Parameters("train", 2, 0, varied=True).furniture(seed) for seed in (1, 2)]
    assert all(a.size_m != b.size_m for a, b in zip(*(p.models for p in packs), strict=True) if a.placement == "floor")


def test_rooms_may_be_stretched_more_on_request() -> None:
    asked = [Parameters("train", 2, 0, varied=True), Parameters("train", 2, 0, varied=True, stretched=1.25)]
    usual, more = ([np.array(m.size_m) for m in each.furniture(3).models if m.placement == "floor"] for each in asked)
    own = [np.array(m.size_m) for m in PACK.models if m.placement == "floor"]

    def shapes(sizes_m: list[np.ndarray]) -> list[float]:
        """How much more one side on the floor is stretched than the other, either way."""
        factors = [(size_m / model_m)[:2] for size_m, model_m in zip(sizes_m, own, strict=True)]
        return [float(each.max() / each.min()) for each in factors]

    assert max(shapes(usual)) < 1.06**2 + 0.01
    assert 1.4 < max(shapes(more)) < 1.25**2 + 0.01
    assert asked[0].hash != asked[1].hash


def test_what_is_not_varied_can_t_be_stretched() -> None:
    with pytest.raises(DataError, match="only varied things"):
        Parameters.of("val", 2, 0, None, None, stretched=1.25)


def test_rooms_as_modelled_have_the_catalogue_s_models_alone() -> None:
    found = Parameters("train", 2, 0).furniture(1)
    assert found.models == tuple(model for model in PACK.models if not model.is_drawn)
    assert len(found.models) < len(PACK.models)
    model = found.models[0].model_id
    assert np.array_equal(found.mesh(model).vertices_m, PACK.mesh(model).vertices_m)


@pytest.mark.parametrize("split", ["val", "test"])
def test_rooms_for_tests_have_the_models_of_that_pool_as_they_are(split: str) -> None:
    found = Parameters(split, 2, 0).furniture(900_000)  # type: ignore[arg-type]
    assert [m for m in found.models if m.split == "test"] == [m for m in PACK.models if m.split == "test"]
