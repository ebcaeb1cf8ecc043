"""The parts of drawn furniture, and the furniture made of them: closed, of true size, made the same each time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))  # its modules import each other by name, as when it is run

import build_furniture_pack as builder  # noqa: E402
from parametric import beds, chairs, containers, kitchens, pieces, sofas, storage, tables  # noqa: E402
from parametric.parts import Parts  # noqa: E402
from wavefront import Model  # noqa: E402

RED = (1.0, 0.0, 0.0)
MAKERS = {
    name: make
    for module in (beds, chairs, containers, kitchens, pieces, sofas, storage, tables)
    for name, make in module.MAKERS.items()
}
HEIGHTS_CM = {
    "chair": (75, 115), "office chair": (80, 135), "armchair": (60, 120), "couch": (60, 115), "stool": (38, 110),
    "table": (70, 78), "coffee table": (30, 50), "desk": (70, 145), "bed": (30, 140), "nightstand": (40, 68),
    "wardrobe": (175, 245), "bookshelf": (70, 220), "kitchen cabinet": (84, 93), "tv stand": (35, 65),
}  # fmt: skip


def is_closed(model: Model) -> bool:
    """Whether every edge has a face on both sides, equal corners being one."""
    grid = np.rint(model.vertices / np.ptp(model.vertices, axis=0).max() * 1e4 + 0.1234)  # few values lie between
    faces = np.unique(grid, axis=0, return_inverse=True)[1].reshape(-1)[model.faces]
    faces = faces[(np.diff(np.sort(faces, 1), axis=1) > 0).all(1)]
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] % 2 == 0).all())


def volume(model: Model) -> float:
    """Positive where faces look outwards, in cm³."""
    a, b, c = model.vertices[model.faces].transpose(1, 0, 2)
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


sizes = st.tuples(*[st.floats(5, 200)] * 3)


@given(sizes, st.floats(0.1, 30))
@settings(max_examples=30, deadline=None)
def test_a_block_is_a_box_without_its_edges(size: tuple[float, float, float], bevel: float) -> None:
    build = Parts()
    build.block((0, 0, 0), size, RED, bevel)
    model = build.model()
    assert np.ptp(model.vertices, axis=0) == pytest.approx(size)
    assert is_closed(model) and np.prod(size) / 6 < volume(model) < np.prod(size)


@given(sizes, st.integers(3, 12))
@settings(max_examples=30, deadline=None)
def test_a_tube_goes_from_point_to_point(end: tuple[float, float, float], sides: int) -> None:
    build = Parts()
    build.tube((0, 0, 0), end, 2, RED, sides=sides)
    model = build.model()
    assert is_closed(model) and volume(model) > 0
    assert model.vertices.max(0) == pytest.approx(end, abs=3) and model.vertices.min(0) == pytest.approx(0, abs=3)


def test_lathes_hoops_and_prisms_are_closed_and_look_outwards() -> None:
    build = Parts()
    build.lathe((3, 4), [(0, 0), (3, 1), (2, 8), (0, 8)], RED)
    build.hoop((30, 4), (4, 5), 0, 2, RED)
    build.prism([(0, 0), (4, 0), (4, 4)], 50, 60, 2, RED)
    assert is_closed(build.model())
    for part in (
        lambda b: b.lathe((0, 0), [(0, 0), (3, 0), (3, 8), (0, 8)], RED, 64),
        lambda b: b.hoop((0, 0), (0, 3), 0, 8, RED, 64),
    ):
        build = Parts()
        part(build)
        assert volume(build.model()) == pytest.approx(np.pi * 9 * 8, rel=0.01)


def test_a_turn_about_x_leans_the_top_to_the_front() -> None:
    build = Parts()
    with build.moved((0, 0, 5)), build.turned_by(30, (0, 0, 0)):
        build.box((0, 0, 0), (1, 10, 1), RED)
    top = build.model().vertices[build.model().vertices[:, 1].argmax()]
    assert top == pytest.approx([0, 10 * np.cos(np.pi / 6), 10], abs=1) and top[2] > 9


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_furniture_is_closed_stands_and_has_a_true_height(name: str) -> None:
    low, high = HEIGHTS_CM.get(name, (5, 250))
    for seed in range(3):
        model = MAKERS[name](np.random.default_rng(seed))
        assert is_closed(model) and volume(model) > 0
        assert -3 < model.vertices[:, 1].min() < 3
        assert low <= np.ptp(model.vertices[:, 1]) <= high
        assert len(model.faces) < 1500


def test_drawn_entries_join_training_and_leave_the_splits_alone() -> None:
    row = builder.own_row("chair1", MAKERS["chair"](np.random.default_rng(0)), 0.0)
    found = [
        builder.Entry(f"scopia/{name}{i}", row, name, "floor", name == "table")
        for name, count in (("chair", 9), ("table", 2)) for i in range(count)
    ]  # fmt: skip
    splits = builder.choose_splits(found)
    drawn = builder.draw_entries(found, splits, {name: MAKERS[name] for name in ("chair", "table")})
    assert [sum(e.variant == name for e in drawn) for name in ("chair", "table")] == [6, 9]
    assert {e.library for e in drawn} == {"parametric"} and not {e.model_id for e in drawn} & set(splits)
    assert all(e.holds == (e.variant == "table") for e in drawn)
    assert len({e.own.vertices.tobytes() for e in drawn if e.own}) == len(drawn)
    model, mesh = builder.build(drawn[-1], "train")
    assert model.model_id == "parametric/table_09" and model.name == "table" and model.split == "train"
    assert model.top_m == pytest.approx(model.size_m[2], abs=0.02) and len(mesh) < 4000
