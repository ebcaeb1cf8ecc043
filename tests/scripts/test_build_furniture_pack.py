"""The script that builds the furniture pack: its parts that can go wrong unseen."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))  # its modules import each other by name, as when it is run

import build_furniture_pack as builder  # noqa: E402
import own_models  # noqa: E402
from simplify import normals_of, parts_of, simplify, weld  # noqa: E402
from wavefront import Material, read_obj  # noqa: E402


def ball(rings: int, sides: int) -> tuple[np.ndarray, np.ndarray]:
    """A welded unit sphere."""
    build = own_models.Builder()
    turns = np.linspace(-np.pi / 2, np.pi / 2, rings)
    build.turned([(max(float(np.cos(t)), 1e-3), float(np.sin(t))) for t in turns], (1, 0, 0), sides)
    model = build.model()
    return weld(model.vertices, model.faces)[:2]


def test_simplify_keeps_the_shape() -> None:
    vertices, faces = ball(60, 60)
    points, triangles = simplify(vertices, faces, 400)
    assert len(triangles) <= 520 < len(faces)
    assert normals_of(points, triangles)[1].sum() == pytest.approx(4 * np.pi, rel=0.1)


def test_simplify_keeps_small_parts_beside_a_fine_one() -> None:
    """A board of two triangles must survive a ball of thousands."""
    vertices, faces = ball(60, 60)
    board = np.array([[2, 0, 0], [3, 0, 0], [3, 1, 0], [2, 1, 0.0]])
    both = np.vstack([faces, len(vertices) + np.array([[0, 1, 2], [0, 2, 3]])])
    points, triangles = simplify(np.vstack([vertices, board]), both, 300)
    assert parts_of(triangles, len(points)).max() == 1
    assert points[:, 0].max() == pytest.approx(3)


def test_a_crowd_of_leaves_is_thinned_but_keeps_its_area() -> None:
    rng = np.random.default_rng(0)
    leaf = np.array([[0, 0, 0], [0.05, 0, 0], [0.05, 0.05, 0], [0, 0.05, 0.0]])
    vertices = (leaf[None] + rng.uniform(-1, 1, (2000, 1, 3))).reshape(-1, 3)
    faces = (np.array([[0, 1, 2], [0, 2, 3]])[None] + 4 * np.arange(2000)[:, None, None]).reshape(-1, 3)
    points, triangles = simplify(vertices, faces, 1500)
    assert len(triangles) < 2000
    assert normals_of(points, triangles)[1].sum() == pytest.approx(normals_of(vertices, faces)[1].sum(), rel=0.15)


@given(arrays(np.bool_, (6, 7)))
@settings(max_examples=60, deadline=None)
def test_largest_rectangle_is_free_and_largest(free: np.ndarray) -> None:
    area, (r0, c0, r1, c1) = builder.largest_rectangle(free)
    assert free[r0:r1, c0:c1].all() and area == (r1 - r0) * (c1 - c0)
    sizes = [
        (b - a) * (d - c)
        for a in range(6) for b in range(a + 1, 7) for c in range(7) for d in range(c + 1, 8)
        if free[a:b, c:d].all()
    ]  # fmt: skip
    assert area == max(sizes, default=0)


def test_panes_are_told_from_frames() -> None:
    brown = np.array([0.7, 0.36, 0.3])
    mixes = np.array([[*(share * builder.PANE_KEY + (1 - share) * brown), 1.0] for share in (0.0, 0.2, 0.9)])
    rgba, is_pane = builder.without_key(mixes)
    assert is_pane.tolist() == [False, False, True]
    assert np.abs(rgba[1, :3] - brown).max() < 0.25


def test_obj_reader_takes_polygons_negative_indices_and_textures(tmp_path: Path) -> None:
    (tmp_path / "a.mtl").write_text("newmtl red\nKd 1 0 0\nd 0.3\n")
    (tmp_path / "a.obj").write_text(
        "mtllib a.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 1\nusemtl red\n"
        "f -4/1 -3/2 -2//5 -1\nusemtl none\nf 1 2 3\n"
    )
    model = read_obj(tmp_path / "a.obj")
    assert model.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    assert model.uv[0].tolist() == [[0, 0], [1, 1], [0, 0]]
    assert model.materials[model.material[0]].opacity == pytest.approx(0.3)
    assert model.colour_at(np.array([0]), np.array([[1 / 3] * 3]))[0].tolist() == [1, 0, 0, 1]


def test_textures_are_sampled_from_the_bottom_up() -> None:
    texture = np.zeros((2, 2, 4), np.uint8)
    texture[0, 0] = 255  # top left
    assert Material(texture=texture).sample(np.array([[0.1, 0.9], [0.1, 0.1]]))[:, 0].tolist() == [1, 0]
