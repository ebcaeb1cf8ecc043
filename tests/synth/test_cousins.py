"""Cousins: a real layout's boxes, poses and texts survive being rebuilt."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_speakers import FACING, SITTING, named_by
from scipy.spatial import Delaunay
from scipy.spatial.transform import Rotation

from loc3r.datasets.readers import box_centers, read_sqa3d, read_sqa3d_localization
from loc3r.datasets.records import BoxRecord, SceneRecord, read_record_map
from loc3r.datasets.sample import Sample
from loc3r.errors import AnnotationError, SceneError
from loc3r.geometry.headings import angle_between_deg
from loc3r.synth.boxes import bottom_m, inside_room, top_m
from loc3r.synth.cousins.boxes import Upright, main_direction_rad, upright
from loc3r.synth.cousins.disk import make_rooms
from loc3r.synth.cousins.match import Surroundings, match
from loc3r.synth.cousins.rebuild import LOWEST_DOOR_M, Cousin, rebuild
from loc3r.synth.cousins.run import Job
from loc3r.synth.cousins.table import load_table
from loc3r.synth.cousins.text import NOT_GEOMETRIC, NOT_REBUILT, UNNAMED, Judge
from loc3r.synth.cousins.tour import tour
from loc3r.synth.floor import PERSON_M
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.room import Floats, RoomObject

TABLE = load_table()


def leaning_box(size_m: tuple[float, float, float], turn: Rotation, center_m: tuple[float, float, float]) -> BoxRecord:
    axes, center = turn.as_matrix().T, np.array(center_m)
    reach = np.abs(axes).T @ np.array(size_m) / 2
    return BoxRecord(
        centroid=list(center_m), axes_lengths=list(size_m), normalized_axes=axes.ravel().tolist(),
        min=(center - reach).tolist(), max=(center + reach).tolist(),
    )  # fmt: skip


def scene_of(boxes: dict[str, list[BoxRecord]]) -> SceneRecord:
    counts = {name: len(group) for name, group in boxes.items()}
    return SceneRecord(
        room_size=20, object_counts=counts, object_bbox=boxes, room_center=[0.2, -0.1, 1.1], video_path="", dataset="s"
    )


def rebuilt(scene: SceneRecord, people: list[tuple[float, float]] | None = None, pool: str = "test") -> Cousin:
    return rebuild("scene0001_00", scene, people or [], FurniturePack.load(), TABLE, pool)  # type: ignore[arg-type]


SIDE = st.floats(0.05, 3.0)


@settings(max_examples=60, deadline=None)
@given(st.tuples(SIDE, SIDE, SIDE), st.floats(-180, 180), st.floats(-45, 45), st.floats(-45, 45), st.integers(0, 99))
def test_who_is_inside_a_leaning_box_is_inside_the_upright_one(
    size_m: tuple[float, float, float], yaw: float, pitch: float, roll: float, seed: int
) -> None:
    box = leaning_box(size_m, Rotation.from_euler("ZYX", [yaw, pitch, roll], degrees=True), (1.0, -2.0, 0.5))
    found = upright("chair", box)
    weights = np.random.default_rng(seed).dirichlet(np.ones(8), 20)
    inside_m = weights @ box.corners_m[:, :2]
    assert (Delaunay(found.corners_m * (1 + 1e-9)).find_simplex(inside_m) >= 0).all()
    assert found.size_m[2] <= box.max[2] - box.min[2] + 1e-9


def test_an_upright_box_stays_itself() -> None:
    box = leaning_box((2.0, 0.6, 0.8), Rotation.from_euler("z", 30, degrees=True), (1.0, 2.0, 0.4))
    found = upright("table", box)
    assert sorted(found.size_m[:2]) == pytest.approx([0.6, 2.0]) and found.size_m[2] == pytest.approx(0.8)
    long_side = found.yaw_rad if found.size_m[0] > 1 else found.yaw_rad + math.pi / 2
    assert math.degrees(long_side) % 180 == pytest.approx(30)
    assert math.degrees(main_direction_rad([found])) % 90 == pytest.approx(30)


def table_scene(door_out_m: float = 0.0) -> SceneRecord:
    """A table with a chair on its west side, a bed, a lamp over the table, and a door in or before the south wall."""
    level = Rotation.identity()
    return scene_of(
        {
            "table": [leaning_box((1.6, 0.8, 0.75), level, (0.0, 0.0, 0.375))],
            "chair": [leaning_box((0.5, 0.5, 0.9), level, (-1.1, 0.0, 0.45))],
            "bed": [leaning_box((1.5, 2.1, 0.6), level, (2.5, 1.2, 0.3))],
            "lamp": [leaning_box((0.3, 0.3, 0.4), level, (0.3, 0.1, 1.05))],
            "door": [leaning_box((0.9, 0.1, 1.5), level, (1.0, -1.6 + door_out_m, 1.2))],
            "chandelier": [leaning_box((0.5, 0.5, 0.5), level, (0.0, 0.0, 2.2))],
        }
    )


def only(cousin: Cousin, was: str) -> RoomObject:
    return next(cousin.room.by_id(number) for number, name in cousin.was.items() if name == was)


def test_a_room_is_rebuilt_with_its_layout() -> None:
    cousin = rebuilt(table_scene(), [(-2.4, 1.0)])
    assert cousin.unknown == {"chandelier": 1}
    table, chair, lamp, door = (only(cousin, name) for name in ("table", "chair", "lamp", "door"))
    towards = np.array(table.center_m[:2]) - np.array(chair.center_m[:2])
    assert chair.front @ towards / np.linalg.norm(towards) > 0.99
    assert lamp.support_id == table.object_id and bottom_m(lamp) == pytest.approx(0.75)
    assert (bottom_m(door), top_m(door)) == (0.0, pytest.approx(1.95)) and top_m(door) >= LOWEST_DOOR_M
    assert door.front == pytest.approx([0, 1]) and sum(thing.name == "wall" for thing in cousin.room.objects) == 4
    assert all(inside_room(thing, cousin.room.size_m) for thing in cousin.room.furniture)
    person = np.linalg.inv(cousin.room.raw_from_room) @ [-2.4, 1.0, 0, 1]
    assert 0.29 < person[0] < cousin.room.size_m[0]


def test_boxes_without_a_shape_are_left_out_and_counted() -> None:
    scene = table_scene()
    whole = scene.object_bbox["table"][0]
    flat = whole.model_copy(update={"axes_lengths": [0.0, 0.0, 0.0]})
    broken = [whole.model_copy(update={"normalized_axes": [0.0] * 9}),
              whole.model_copy(update={"axes_lengths": [1e6, 1.0, 1.0]})]  # fmt: skip
    boxes = {**scene.object_bbox, "table": [whole, flat, *broken]}
    cousin = rebuilt(scene.model_copy(update={"object_bbox": boxes}))
    assert cousin.unknown["table, without a shape"] == 2
    assert list(cousin.was.values()).count("table") == 2
    with pytest.raises(SceneError, match="can be rebuilt"):
        rebuilt(scene_of({"table": broken}))


def test_a_speaker_far_away_is_refused_before_any_floor_is_laid() -> None:
    with pytest.raises(SceneError, match="no room is so large"):
        rebuilt(table_scene(), [(1e9, 0.0)])


@pytest.mark.parametrize("scene_id", ["", "a/b", "../a", ".a", "a\0", "x" * 300])
def test_an_id_that_names_no_folder_is_refused(tmp_path: Path, scene_id: str) -> None:
    job = Job(scene_id, table_scene(), (), "test", 2)
    with pytest.raises(AnnotationError, match="names its folder"):
        make_rooms("cousins", tmp_path, [job], print, 1)


def test_a_door_inside_the_room_gets_its_own_wall() -> None:
    cousin = rebuilt(table_scene(door_out_m=0.9), [(0.0, -1.6)])
    door = only(cousin, "door")
    walls = [thing for thing in cousin.room.objects if thing.name == "wall"]
    assert len(walls) == 5 and walls[-1].yaw_rad == door.yaw_rad and walls[-1].size_m[0] > door.size_m[0]
    gap = (np.array(door.center_m[:2]) - np.array(walls[-1].center_m[:2])) @ door.front
    assert gap == pytest.approx((door.size_m[1] + walls[-1].size_m[1]) / 2)


def test_the_same_layout_gives_the_same_room_and_walk() -> None:
    first, second = (rebuilt(table_scene()) for _ in range(2))
    assert first.room.objects == second.room.objects and first.stretch == second.stretch
    assert np.array_equal(tour(first.room, 4).poses, tour(second.room, 4).poses)


def test_training_never_shows_the_models_of_the_test() -> None:
    pack = FurniturePack.load()
    for pool in ("train", "test"):
        cousin = rebuilt(table_scene(), pool=pool)
        models = [pack.by_id(thing.model_id) for thing in cousin.room.objects if thing.model_id]
        assert models and {model.split for model in models} == {pool}


def test_a_model_is_the_one_that_is_stretched_least() -> None:
    pack = FurniturePack.load()
    model = next(m for m in pack.candidates("bed", "train"))
    width, depth, height = model.size_m
    box = Upright("bed", (2.0, depth / 2, height / 2), (width, depth, height), 0.0)
    found = match(box, TABLE.classes["bed"], pack, "train", Surroundings((5, 5, 2.5), []), (), np.random.default_rng(0))
    assert found.stretch < 1.3 and abs(math.sin(found.yaw_rad)) > 0.99  # it lies along the box's second axis


def test_a_walk_keeps_to_the_floor_and_a_full_room_is_refused() -> None:
    cousin = rebuilt(table_scene())
    eyes = tour(cousin.room, 6).poses[:, :3, 3]
    size = np.array(cousin.room.size_m[:2])
    assert (eyes[:, :2] > PERSON_M - 0.05).all() and (eyes[:, :2] < size - PERSON_M + 0.05).all()
    assert all(float(only(cousin, "bed").distance_xy_m(eye)) > 0 for eye in eyes[:, :2])
    crate = leaning_box((1.2, 1.2, 1.0), Rotation.identity(), (0, 0, 0.5))
    with pytest.raises(SceneError, match="no floor to walk on"):
        tour(rebuilt(scene_of({"crate": [crate]})).room, 2)
    with pytest.raises(SceneError, match="nothing of this layout"):
        rebuilt(scene_of({"chandelier": [crate]}))


def asked(situation: str, question: str, answer: str) -> Sample:
    return Sample(
        sample_id="1", dataset="sqa3d", scene_id="s", situation=situation, question=question, answers=(answer,),
        question_type="what",
    )  # fmt: skip


SEATED = "I am sitting on the couch with a guitar."


@pytest.mark.parametrize(
    ("sample", "fault"),
    [
        (asked(SEATED, "How many chairs are to my left?", "two"), None),
        (asked(SEATED, "What is behind me?", "trash can"), None),
        (asked(SEATED, "Which direction should I go if I want to exit the room?", "left"), None),
        (asked(SEATED, "Is there a mirror to my left?", "no"), None),
        (asked(SEATED, "Is there a mirror to my left?", "yes"), NOT_REBUILT),
        (asked(SEATED, "What is behind me?", "mirror"), NOT_REBUILT),
        (asked(SEATED, "What is behind me?", "chandelier"), NOT_GEOMETRIC),
        (asked(SEATED, "What color is the chair?", "left"), NOT_GEOMETRIC),
        (asked(SEATED, "Is the door in front of me open?", "no"), NOT_GEOMETRIC),
        (asked("I play the guitar.", "What is behind me?", "chair"), UNNAMED),
    ],
)
def test_only_questions_of_geometry_about_what_is_there_are_kept(sample: Sample, fault: str | None) -> None:
    judge = Judge(TABLE, {"chair", "sofa", "door", "trash bin"})
    assert judge.fault_of_question(sample) == fault


# The real rooms.


@pytest.fixture(scope="module")
def scenes(shared_data: Path) -> dict[str, SceneRecord]:
    return read_record_map(shared_data / "vsibench" / "scannet_meta_info_val.json", SceneRecord)


Read = Callable[[Path, str, Callable[[str], list[float]]], list[Sample]]


@pytest.fixture(scope="module")
def real(shared_data: Path, scenes: dict[str, SceneRecord]) -> dict[str, tuple[Cousin, list[Sample]]]:
    """The 22 val scenes that have boxes, rebuilt, and all that people say in them."""
    centers = box_centers(scenes)
    spoken: dict[str, list[Sample]] = {}
    readers: tuple[Read, ...] = (read_sqa3d_localization, read_sqa3d)
    for read in readers:
        for sample in read(shared_data / "sqa3d", "val", lambda s: list(centers(s)) if s in scenes else [0, 0, 0]):
            if sample.scene_id in scenes:
                spoken.setdefault(sample.scene_id, []).append(sample)
    made = {}
    for scene_id, samples in spoken.items():
        people = [sample.position_m for sample in samples if sample.position_m]
        cousin = rebuild(scene_id, scenes[scene_id], people, FurniturePack.load(), TABLE, "test")
        made[scene_id] = (cousin, samples)
    return made


def in_room(cousin: Cousin, sample: Sample) -> tuple[Floats, float]:
    """A speaker's place (2,) and heading in the room frame."""
    room_from_raw = np.linalg.inv(cousin.room.raw_from_room)
    place = (room_from_raw @ [*(sample.position_m or ()), 0, 1])[:2]
    return place, (sample.heading_rad or 0.0) + math.atan2(room_from_raw[1, 0], room_from_raw[0, 0])


def things_of(cousin: Cousin, name: str) -> list[tuple[int, RoomObject]]:
    """The objects of a class, numbered as their boxes in the layout."""
    return list(enumerate(cousin.room.by_id(number) for number, was in cousin.was.items() if was == name))


def test_every_box_becomes_one_object(
    real: dict[str, tuple[Cousin, list[Sample]]], scenes: dict[str, SceneRecord]
) -> None:
    assert len(real) == 22
    for scene_id, (cousin, _) in real.items():
        boxes = Counter({name: len(group) for name, group in scenes[scene_id].object_bbox.items()})
        assert Counter(cousin.was.values()) + cousin.unknown == boxes
        furniture = cousin.room.furniture
        assert all(bottom_m(thing) >= -1e-6 and top_m(thing) <= cousin.room.size_m[2] + 1e-6 for thing in furniture)
    stretches = [value for cousin, _ in real.values() for value in cousin.stretch.values()]
    assert np.median(stretches) < 2


def test_who_sat_on_a_real_thing_sits_on_the_rebuilt_one(
    real: dict[str, tuple[Cousin, list[Sample]]], scenes: dict[str, SceneRecord]
) -> None:
    seated = []
    for scene_id, (cousin, samples) in real.items():
        for sample in (s for s in samples if s.dataset == "sqa3d-localization"):
            name = named_by(SITTING, sample.situation)
            place, _ = in_room(cousin, sample)
            for number, thing in things_of(cousin, name):
                box = scenes[scene_id].object_bbox[name][number]
                was_inside = Delaunay(box.corners_m[:, :2]).find_simplex(np.array(sample.position_m)) >= 0
                assert not was_inside or float(thing.distance_xy_m(place)) < 1e-6
            distances = [float(thing.distance_xy_m(place)) for _, thing in things_of(cousin, name)]
            seated += [min(distances) < 1e-6] if distances else []
    assert len(seated) > 50 and np.mean(seated) >= 0.8


def test_who_faces_a_thing_faces_the_rebuilt_one(real: dict[str, tuple[Cousin, list[Sample]]]) -> None:
    errors = []
    for cousin, samples in real.values():
        for sample in (s for s in samples if s.dataset == "sqa3d-localization"):
            things = things_of(cousin, named_by(FACING, sample.situation))
            if len(things) == 1:
                place, heading = in_room(cousin, sample)
                away = np.array(things[0][1].center_m[:2]) - place
                errors.append(float(angle_between_deg(math.atan2(away[1], away[0]), heading)))
    assert len(errors) > 20 and np.median(errors) < 15


def test_left_and_right_stay_what_people_answered(real: dict[str, tuple[Cousin, list[Sample]]]) -> None:
    agree = []
    for cousin, samples in real.values():
        judge = Judge(TABLE, set(cousin.was.values()))
        for sample in (s for s in samples if s.dataset == "sqa3d" and s.answers[0] in ("left", "right")):
            named = [name for name, row in TABLE.classes.items() if any(f" {w}" in sample.question for w in row.says)]
            things = things_of(cousin, named[0]) if len(named) == 1 else []
            if len(things) == 1 and judge.fault_of_question(sample) is None:
                place, heading = in_room(cousin, sample)
                away = np.array(things[0][1].center_m[:2]) - place
                turn = math.sin(math.atan2(away[1], away[0]) - heading)
                agree.append((turn > 0) == (sample.answers[0] == "left"))
    assert len(agree) >= 15 and np.mean(agree) > 0.75
