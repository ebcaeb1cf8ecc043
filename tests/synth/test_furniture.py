from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from importlib.resources import files

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loc3r.errors import DataError
from loc3r.synth.furniture import COLOURS, FurnitureModel, FurniturePack, decode_mesh, encode_mesh

PACK = FurniturePack.load()
PACK_FOLDER = files("loc3r.synth") / "pack"
LARGEST_BYTES = 10_000_000


def test_pack_is_large_enough_and_small_enough() -> None:
    assert len(PACK.models) >= 350
    assert len(PACK.names()) >= 35
    assert sum(len((PACK_FOLDER / name).read_bytes()) for name in ("models.json", "meshes.bin")) < LARGEST_BYTES
    assert {model.colour for model in PACK.models} <= set(COLOURS)


def test_every_model_is_attributed() -> None:
    lines = (PACK_FOLDER / "ATTRIBUTION.md").read_text().splitlines()
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")}
    for model in PACK.models:
        assert model.creator and model.creator in rows[model.model_id]
        assert model.licence in ("CC0 1.0", "CC BY 3.0", "CC BY 3.0 US")
        assert model.licence in rows[model.model_id]


FOUND = [model for model in PACK.models if not model.is_drawn]
"""What the libraries have and the few of ours that are made one by one."""


def test_splits_are_disjoint_and_both_hold_what_rooms_need() -> None:
    splits = Counter(model.split for model in FOUND)
    assert 0.15 < splits["test"] / len(FOUND) < 0.35
    assert len({model.model_id for model in PACK.models}) == len(PACK.models)
    by_class: dict[tuple[str, str], set[str]] = defaultdict(set)
    for model in FOUND:
        by_class[model.name, model.placement].add(model.split)
    sizes = Counter((model.name, model.placement) for model in FOUND)
    assert all(by_class[key] == {"train", "test"} for key, count in sizes.items() if count >= 2)
    assert all(by_class[key] == {"train"} for key, count in sizes.items() if count == 1)


def test_drawn_models_are_many_and_for_training_only() -> None:
    drawn = [model for model in PACK.models if model.is_drawn]
    assert len(drawn) > 2 * len(FOUND) and {model.split for model in drawn} == {"train"}
    assert {(m.name, m.placement) for m in drawn} <= {(m.name, m.placement) for m in FOUND}  # no new classes
    assert {model.licence for model in drawn} == {"CC0 1.0"}
    kinds = Counter((model.name, model.placement) for model in drawn)
    assert min(kinds.values()) >= 6


def test_the_models_to_test_on_stay_as_they_are() -> None:
    """Scores are of rooms of these models: another list or other bytes would make them incomparable."""
    tests = [model for model in PACK.models if model.split == "test"]
    digest = hashlib.sha256()
    for model in tests:
        mesh = PACK.mesh(model.model_id)
        digest.update(repr((model.model_id, model.name, model.size_m, model.colour, model.top_area_m)).encode())
        digest.update(mesh.vertices_m.tobytes() + mesh.faces.tobytes() + mesh.colours.tobytes())
    assert len(tests) == 132 and digest.hexdigest()[:16] == "7e2950cbe5797e02"


def test_meshes_fill_their_boxes() -> None:
    for model in PACK.models:
        mesh = PACK.mesh(model.model_id)
        width, depth, height = model.size_m
        np.testing.assert_allclose(mesh.vertices_m.max(0), np.array([depth, width, height]) / 2, atol=1e-3)
        np.testing.assert_allclose(mesh.vertices_m.min(0), np.array([depth, width, height]) / -2, atol=1e-3)
        assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices_m)
        assert mesh.colours.shape == mesh.faces.shape and mesh.colours.dtype == np.uint8
        assert 4 <= len(mesh.faces) <= 6000, model.model_id


def back_offset(model: FurnitureModel) -> float:
    """Where the upper part of a model is along its front axis, in [-1, 1]; backrests are behind."""
    mesh = PACK.mesh(model.model_id)
    corners = mesh.vertices_m[mesh.faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    centres = corners.mean(1)
    upper = centres[:, 2] > 0.25 * model.size_m[2]
    return float(np.average(centres[upper, 0], weights=areas[upper]) / (model.size_m[1] / 2))


def test_headboards_are_at_the_back() -> None:
    for model in (m for m in PACK.models if m.name == "bed"):
        points = PACK.mesh(model.model_id).vertices_m
        third = model.size_m[1] / 6
        assert points[points[:, 0] < -third, 2].max() > points[points[:, 0] > third, 2].max() - 0.02, model.model_id


@pytest.mark.parametrize("name", ["chair", "armchair", "couch", "office chair", "toilet"])
def test_fronts_point_along_x(name: str) -> None:
    backed = [m for m in PACK.models if m.name == name and m.size_m[2] > 0.5]  # not a toilet that hangs on a wall
    offsets = {m.model_id: back_offset(m) for m in backed}
    forwards = {k: v for k, v in offsets.items() if v > 0.02}
    assert not forwards


def test_things_can_stand_where_the_pack_says() -> None:
    holders = [m for m in PACK.models if m.top_m is not None and m.top_area_m is not None]
    assert len(holders) > 60
    for model in holders:
        assert model.top_m is not None and model.top_area_m is not None
        mesh, scene = PACK.mesh(model.model_id), EmbreeScene()
        TriangleMesh(scene, mesh.vertices_m[mesh.faces])
        low, high = np.array(model.top_area_m[:2]), np.array(model.top_area_m[2:])
        assert (low >= -np.array(model.size_m[1::-1]) / 2 - 1e-3).all() and (low < high).all()
        places = low + (high - low) * np.random.default_rng(0).uniform(0.1, 0.9, (50, 2))
        origins = np.hstack([places, np.full((50, 1), 3.0)]).astype(np.float32)
        distance = scene.run(origins, np.tile(np.array([[0, 0, -1]], np.float32), (50, 1)), query="DISTANCE")
        heights = 3.0 - distance + model.size_m[2] / 2
        assert np.mean(np.abs(heights - model.top_m) < 0.02) > 0.9, model.model_id


def test_choose_is_deterministic_and_keeps_to_the_split() -> None:
    first = [PACK.choose("chair", "test", np.random.default_rng(i)) for i in range(20)]
    assert first == [PACK.choose("chair", "test", np.random.default_rng(i)) for i in range(20)]
    assert len({m.model_id for m in first if m}) > 1
    assert all(m and m.split == "test" and m.name == "chair" for m in first)
    assert PACK.choose("sphinx", "train", np.random.default_rng(0)) is None
    assert {m.placement for m in PACK.candidates("tv", "train", "wall")} == {"wall"}


def test_unknown_model_says_so() -> None:
    with pytest.raises(DataError, match="no such furniture model"):
        PACK.mesh("scopia/sphinx")


@given(arrays(np.int16, (12, 3), elements=st.integers(-32767, 32767)), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_encoding_keeps_triangles_windings_and_colours(grid: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    faces = np.stack([rng.permutation(12)[:3] for _ in range(20)])
    colours = rng.integers(0, 256, (20, 3)).astype(np.uint8)
    mesh = decode_mesh(encode_mesh(grid / 32767, faces, colours), (2.0, 2.0, 2.0))

    def triangles(points: np.ndarray, corners: np.ndarray, rgb: np.ndarray) -> list[tuple[int, ...]]:
        """Each face turned so that its lowest corner leads, with its colour, in a fixed order."""
        turns = [[tuple(points[c] for c in np.roll(face, k)) for k in range(3)] for face in corners]
        leads = [min(tuple(int(x) for p in turn for x in p) for turn in three) for three in turns]
        return sorted((*lead, *map(int, colour)) for lead, colour in zip(leads, rgb, strict=True))

    back = np.rint(mesh.vertices_m.astype(float) * 32767)
    assert triangles(back, mesh.faces, mesh.colours) == triangles(grid, faces, colours)
