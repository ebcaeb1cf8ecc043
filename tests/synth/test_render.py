from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loc3r.geometry.camera import backproject, look_at
from loc3r.synth import textures
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.palette import mix, pack, unpack
from loc3r.synth.render import Renderer, View, render
from loc3r.synth.room import Camera, Room, RoomObject
from loc3r.synth.stage import build_stage, split_long

PACK = FurniturePack.load()
CAMERA = Camera(96, 72, 75.0, 75.0, 48.0, 36.0)
WIDTH_M, DEPTH_M, HEIGHT_M = 5.0, 4.0, 2.6
EYE = (0.5, 0.6, 1.5)
COUCH, TABLE, WINDOW = 7, 8, 9


def structure() -> list[RoomObject]:
    """Floor, ceiling and four walls, 10 cm thick, walls with their front to the inside."""
    w, d, h, t, north = WIDTH_M, DEPTH_M, HEIGHT_M, 0.1, np.pi / 2
    rows = [
        ("floor", (w / 2, d / 2, -t / 2), (w, d, t), north),
        ("ceiling", (w / 2, d / 2, h + t / 2), (w, d, t), north),
        ("wall", (w / 2, -t / 2, h / 2), (w, t, h), north),
        ("wall", (w / 2, d + t / 2, h / 2), (w, t, h), -north),
        ("wall", (-t / 2, d / 2, h / 2), (d, t, h), 0.0),
        ("wall", (w + t / 2, d / 2, h / 2), (d, t, h), np.pi),
    ]
    return [RoomObject(i, name, "structure", c, s, yaw) for i, (name, c, s, yaw) in enumerate(rows, 1)]


def furnished(model_id: str, object_id: int, x_m: float, y_m: float, yaw_rad: float) -> RoomObject:
    model = PACK.by_id(model_id)
    center = (x_m, y_m, model.elevation_m + model.size_m[2] / 2)
    return RoomObject(object_id, model.name, "furniture", center, model.size_m, yaw_rad, model_id)


@pytest.fixture(scope="module")
def room() -> Room:
    """A couch, a table and a window in a box, seen from a corner, from the middle and straight at a wall."""
    couch = furnished("scopia/beige_sofa", COUCH, 2.5, 3.4, -np.pi / 2)
    table = furnished("scopia/table4", TABLE, 3.4, 1.6, 0.3)
    window = RoomObject(WINDOW, "window", "opening", (4.97, 2.0, 1.5), (1.2, 0.06, 1.2), np.pi)
    poses = [
        look_at(EYE, (3.2, 2.6, 0.6)),
        look_at((2.0, 1.0, 1.4), (3.6, 1.8, 0.5)),
        look_at((2.0, 2.0, 1.5), (5, 2, 1.5)),
    ]
    things = (*structure(), couch, table, window)
    size = (WIDTH_M, DEPTH_M, HEIGHT_M)
    return Room("room_000001_00", "living room", 1, size, things, np.array(poses), CAMERA, np.eye(4))


def test_depth_and_instances_agree_with_the_boxes(room: Room) -> None:
    drawn = render(room, PACK)
    assert drawn.frames.shape == (3, 72, 96, 3) and drawn.frames.dtype == np.uint8
    assert drawn.depth_mm.dtype == drawn.instances.dtype == np.uint16
    for depth, ids, pose in zip(drawn.depth_mm, drawn.instances, room.poses, strict=True):
        points, valid = backproject(depth, CAMERA.matrix, pose)
        assert valid.all() and (ids > 0).all()
        for object_id in np.unique(ids):
            thing = room.by_id(int(object_id))
            local = np.dstack([thing.local_xy(points[..., :2]), points[..., 2] - thing.center_m[2]])[ids == object_id]
            half = np.array([thing.size_m[1], thing.size_m[0], thing.size_m[2]]) / 2
            assert (np.abs(local) < half + 0.012).all(), thing.name
    assert {COUCH, TABLE} <= set(np.unique(drawn.instances[0]))


def test_depth_is_along_the_optical_axis(room: Room) -> None:
    empty = replace(room, objects=tuple(structure()), poses=np.array([look_at((2.0, 2.0, 1.5), (0, 2, 1.5))]))
    depth = render(empty, PACK).depth_mm[0]
    assert (np.abs(depth[20:50, 30:60].astype(int) - 2000) <= 1).all()  # a wall seen head-on: one depth


def test_same_room_same_bytes_other_seed_other_look(room: Room) -> None:
    first, second, other = render(room, PACK), render(room, PACK), render(replace(room, seed=2), PACK)
    for name in ("frames", "depth_mm", "instances"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert first.depth_mm.tobytes() == other.depth_mm.tobytes()
    assert np.abs(first.frames.astype(int) - other.frames).mean() > 5


def test_shortcuts_draw_what_rays_would(room: Room) -> None:
    """Samples found without rays (planes, calm pixels) against a ray for each sample."""
    renderer = Renderer(room, PACK, supersample=2)
    for pose in room.poses:
        view = View(renderer, pose)
        traced = view.anything(renderer.samples.reshape(-1, 3)).reshape(-1, 4)
        exact = mix(renderer.palette.colours[traced]).reshape(72, 96, 3).astype(int)
        difference = np.abs(renderer.frame(pose)[0] - exact).max(-1)
        assert difference.mean() < 1.0
        assert (difference > 30).mean() < 0.01


def test_supersampling_converges(room: Room) -> None:
    once, twice, fine = (render(room, PACK, supersample=s).frames.astype(int) for s in (1, 2, 5))
    assert np.abs(twice - fine).mean() < 0.7 * np.abs(once - fine).mean()


def test_light_falls_off_under_the_table(room: Room) -> None:
    """The floor is darker under the table than without it."""
    bare = replace(room, objects=tuple(o for o in room.objects if o.object_id != TABLE))
    pose = look_at((3.4, 0.2, 0.5), (3.4, 1.6, 0.0))
    with_table, ids = (Renderer(room, PACK).frame(pose)[i] for i in (0, 2))
    floor = (ids == 1) & (np.indices(ids.shape)[0] > 36)
    assert floor.sum() > 200
    assert with_table[floor].mean() < Renderer(bare, PACK).frame(pose)[0][floor].mean() - 5


def test_windows_show_the_sky(room: Room) -> None:
    colour, _, ids = Renderer(room, PACK).frame(look_at((2.0, 2.3, 1.2), (5.0, 2.3, 1.7)))
    pane = colour[36 - 6 : 36, 48 - 6 : 48][ids[36 - 6 : 36, 48 - 6 : 48] == WINDOW]
    assert len(pane) > 20
    assert pane.mean() > 170


def test_far_and_void_are_unknown(room: Room) -> None:
    far = replace(
        room, poses=np.array([look_at((2.5, -40.0, 1.0), (2.5, -80.0, 1.0)), look_at((2.5, -9.0, 1.3), (2.5, 2, 1.3))])
    )
    drawn = render(far, PACK)
    assert not drawn.depth_mm[0].any() and not drawn.instances[0].any() and not drawn.frames[0].any()
    assert drawn.depth_mm[1].max() <= 10_000
    assert (drawn.instances[1] == 0)[drawn.depth_mm[1] == 0].all()


def test_things_without_a_model_are_drawn_too(room: Room) -> None:
    box = RoomObject(20, "gizmo", "furniture", (2.5, 2.0, 0.5), (0.8, 0.6, 1.0), 0.4, colour="red")
    door = RoomObject(21, "door", "opening", (2.5, 3.97, 1.0), (0.9, 0.06, 2.0), -np.pi / 2)
    pose = look_at((1.0, 0.5, 1.4), (2.5, 3.0, 0.8))
    colour, _, ids = Renderer(replace(room, objects=(*structure(), box, door)), PACK).frame(pose)
    red = colour[ids == 20].mean(0)
    assert red[0] > 1.5 * red[1] and (ids == 21).sum() > 50


def test_surfaces_look_inside(room: Room) -> None:
    stage = build_stage(room, PACK)
    middle = np.array([WIDTH_M, DEPTH_M, HEIGHT_M]) / 2
    assert [s.role for s in stage.surfaces] == ["floor", "ceiling", "wall", "wall", "wall", "wall"]
    for surface in stage.surfaces:
        assert (middle - surface.origin) @ surface.normal > 1
        np.testing.assert_allclose(np.cross(surface.along, surface.across), surface.normal, atol=1e-6)
        corners = surface.triangles.reshape(-1, 3)
        assert (corners > -1e-5).all() and (corners < np.array([WIDTH_M, DEPTH_M, HEIGHT_M]) + 1e-5).all()


@given(arrays(np.float32, (6, 3, 3), elements=st.floats(-2, 2, width=32)))
@settings(max_examples=30, deadline=None)
def test_splitting_keeps_the_area(triangles: np.ndarray) -> None:
    def areas(t: np.ndarray) -> np.ndarray:
        return np.linalg.norm(np.cross(t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]), axis=1) / 2

    pieces, source = split_long(triangles)
    np.testing.assert_allclose(np.bincount(source, areas(pieces), 6), areas(triangles), atol=1e-3)


@given(arrays(np.uint8, (17, 9, 3)))
@settings(max_examples=30, deadline=None)
def test_mix_is_the_mean(rgb: np.ndarray) -> None:
    assert (unpack(pack(rgb)) == rgb).all()
    assert np.abs(mix(pack(rgb)) - rgb.mean(1)).max() <= 0.5


@pytest.mark.parametrize("room_kind", ["living room", "kitchen", "bathroom", "office"])
def test_textures_are_deterministic_and_have_something_to_track(room_kind: str) -> None:
    for seed in range(6):
        rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
        for choose in (textures.floor_maker, textures.wall_maker):
            image = choose(room_kind, rng)((170, 260), rng)
            assert image.shape == (170, 260, 3) and image.dtype == np.float32
            assert image.min() >= 0 and image.max() <= 1
            assert np.abs(np.diff(image.mean(-1), axis=1)).mean() > 0.002
            assert (image == choose(room_kind, again)((170, 260), again)).all()
