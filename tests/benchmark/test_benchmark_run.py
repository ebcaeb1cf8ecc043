"""Evaluations on a benchmark, in this process: what is asked, resumed, merged, refused and scored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rooms_on_disk import write_asked_model, write_root
from small_rooms import write_model, write_rooms

from loc3r.benchmark.plan import Plan
from loc3r.benchmark.questions import LOCALISATION, read_official
from loc3r.benchmark.run import Request, evaluate_benchmark, make_plan, score_plan
from loc3r.benchmark.worker import work
from loc3r.errors import DataError, LeakageError
from loc3r.evaluate.run import Evaluation, begin
from loc3r.files import read_json
from loc3r.model.inference import Localiser, SceneMemory
from loc3r.scenes.shards import PreparedData


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``root``: rooms on disk; ``prepared``: prepared ones; a model for each."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_root(folder / "root")
    write_asked_model(folder / "model")
    write_rooms(folder / "prepared", scenes=5)
    write_model(folder / "other")
    manifest = read_json(folder / "prepared" / "manifest.json")
    (folder / "prepared" / "manifest.json").write_text(json.dumps({**manifest, "prior": {"name": "none", "dim": 4}}))
    return folder


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes are prepared in this process: others would cost seconds to start."""
    monkeypatch.setattr("os.cpu_count", lambda: 1)


@pytest.fixture
def request_of(rooms: Path, tmp_path: Path) -> Request:
    return Request("sqa3d", rooms / "model", rooms / "root", tmp_path / "out")


def asked(plan: Plan, ranks: int = 1, only: Sequence[int] | None = None) -> Plan:
    """As the processes do, one after the other, the last rank first; ``only`` some of them."""
    for rank in reversed(range(ranks)) if only is None else only:
        work(plan, plan.left(rank, ranks))
    return plan


def finished(request: Request, ranks: int = 1) -> bytes:
    asked(make_plan(request), ranks)
    return evaluate_benchmark(request, ranks).journal.path.read_bytes()  # nothing is left: only merges


def test_official_files_are_asked_whole_and_scored(request_of: Request) -> None:
    lines = [json.loads(text) for text in finished(request_of).decode().splitlines()]
    official = read_official("sqa3d", request_of.data, "val")
    assert [line["question_id"] for line in lines] == [int(sample.sample_id) for sample in official]
    assert [(line["situation"], line["gt"]) for line in lines] == [(s.situation, "table") for s in official]
    for line in lines:
        before, _, after = line["prompt"].partition("<Pos><Ori>")
        assert line["situation"] in before and line["question"] in after and "assistant" in after
    plan = Plan.read(request_of.out)
    reports = score_plan(plan)
    assert set(reports) == {"leo", "chat-scene", "video3dllm"}
    for name, report in reports.items():
        assert read_json(plan.folder / "scores" / f"{name}.json") == json.loads(json.dumps(report.to_json()))
        assert report.n == 16 and report.split == "val" and report.to_json()["bootstrap"]["over"] == "scenes"
        assert report.baselines["frequent answer"]["em"] == 100
    assert "<cam>" in read_json(plan.folder / "prompt.json")["before_every_prompt"]


def test_localisation_asks_the_own_text_of_each_pose_in_the_official_frame(request_of: Request) -> None:
    request = replace(request_of, benchmark=LOCALISATION)
    lines = [json.loads(text) for text in finished(request).decode().splitlines()]
    assert len(lines) == 12 and not any("I stand" in line["situation"] for line in lines)  # the second wordings
    file = read_json(request.data / "annotations/sqa3d/v1_localization_annotations_val_scannetv2.json")
    poses = {str(row["situation_id"]): row for row in file["annotations"]}
    data = PreparedData(request.out / "prepared")
    for line in lines:
        true = poses[line["sample_id"]]
        assert line["gt_pos"] == pytest.approx([true["position"][axis] for axis in "xyz"])
        turn = [true["rotation"][f"_{axis}"] for axis in "xyzw"]
        assert abs(np.dot(line["gt_quat_xyzw"], turn)) == pytest.approx(1)  # q and -q are the same turn
        bev = data.bev(line["scene_id"])
        assert np.hypot(*(np.array(line["pred_pos"][:2]) - bev.to_world([0, 0]))) < 50
    scored = score_plan(Plan.read(request.out), ["single"])["single"]
    assert set(scored.baselines) == {"scene centre, best constant heading"} and scored.n == 12


def test_prepared_data_gives_the_same_errors_as_official_files(request_of: Request, tmp_path: Path) -> None:
    official = replace(request_of, benchmark=LOCALISATION)
    finished(official)
    prepared = replace(official, data=official.out / "prepared", out=tmp_path / "again")
    finished(prepared)
    one, other = (score_plan(Plan.read(request.out), ["single"])["single"] for request in (official, prepared))
    assert one.n == other.n and one.metrics == other.metrics
    errors = []
    for request in (official, prepared):
        lines = Plan.read(request.out).journal.by("sample_id")
        errors.append({i: np.subtract(line["pred_pos"], line["gt_pos"]) for i, line in lines.items()})
    assert all(errors[1][key] == pytest.approx(error, abs=1e-4) for key, error in errors[0].items())


def test_ranks_and_cuts_give_the_same_bytes(request_of: Request, rooms: Path, tmp_path: Path) -> None:
    whole = finished(request_of)
    assert finished(replace(request_of, out=tmp_path / "three"), ranks=3) == whole
    request = replace(request_of, out=tmp_path / "cut")
    plan = asked(make_plan(request), ranks=2, only=[1])
    assert len(plan.left()) == 2
    text = plan.journal.path.read_bytes()
    plan.journal.path.write_bytes(text[:-30])  # killed while it wrote the second scene
    assert len(make_plan(request).left()) == 3
    assert finished(request) == whole


def test_answered_scenes_are_not_asked_again(request_of: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = asked(make_plan(request_of), ranks=2, only=[0])
    opened = []

    def open_scene(self: Localiser, *arguments: np.ndarray) -> SceneMemory:
        opened.append(1)
        return original(self, *arguments)

    original = Localiser.open_scene
    monkeypatch.setattr(Localiser, "open_scene", open_scene)
    left = plan.left()
    finished(request_of)
    assert len(left) == len(opened) == 2  # each once, whatever the number of its questions
    finished(request_of)
    assert len(opened) == 2


def test_another_evaluation_is_refused_by_what_differs(request_of: Request, rooms: Path, tmp_path: Path) -> None:
    finished(request_of)
    before = (request_of.out / "predictions.jsonl").read_bytes()
    other = write_asked_model(tmp_path / "model", seed=1)
    for change, says in (
        ({"model": other}, "by model"),
        ({"benchmark": LOCALISATION}, LOCALISATION),
        ({"limit_scenes": 2}, "limit_scenes=None"),
        ({"data": write_root(tmp_path / "more", texts=2)}, "questions_hash"),
    ):
        with pytest.raises(DataError, match="another evaluation") as caught:
            make_plan(replace(request_of, **change))
        assert says in str(caught.value) and caught.value.fix
    assert (request_of.out / "predictions.jsonl").read_bytes() == before
    with pytest.raises(DataError, match="on a benchmark"):
        begin(request_of.out, Evaluation("m", "d", None, 3))
    begin(tmp_path / "plain", Evaluation("m", "d", None, 3))
    with pytest.raises(DataError, match="without a benchmark"):
        make_plan(replace(request_of, out=tmp_path / "plain"))


def test_what_is_not_asked_is_counted(request_of: Request, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root")
    scans = sorted((root / "scans").iterdir())
    shutil.rmtree(scans[0])
    for picture in (scans[1] / "color").iterdir():
        picture.write_bytes(b"no picture")
    plan = make_plan(replace(request_of, data=root, limit_scenes=2))
    assert plan.facts["not_asked"] == {
        "scene not in the data": 4,
        "scene with a fault": 4,
        "beyond the first scenes": 4,
    }
    assert list(plan.questions()) == ["room_000003_00"] and "room_000002_00" in plan.facts["dropped_scenes"]


def test_prepared_samples_are_asked_with_their_own_ids(rooms: Path, tmp_path: Path) -> None:
    request = Request("scanqa", rooms / "other", rooms / "prepared", tmp_path / "out", limit_scenes=3)
    lines = [json.loads(text) for text in finished(request).decode().splitlines()]
    assert [line["question_id"] for line in lines] == [f"room_{i:06d}_00-4" for i in range(3)]
    assert all(line["answers"] == ["two"] and line["situation"] is None for line in lines)
    with pytest.raises(DataError, match="one split"):
        make_plan(replace(request, split="val"))
    with pytest.raises(DataError, match="another recipe"):
        make_plan(Request("scanqa", write_odd_model(tmp_path / "odd", rooms / "other"), rooms / "prepared", tmp_path))


def write_odd_model(folder: Path, like: Path) -> Path:
    folder.mkdir()
    for path in like.iterdir():
        (folder / path.name).write_bytes(path.read_bytes().replace(b"frame_fit: squash", b"frame_fit: crop"))
    return folder


def test_rooms_that_were_trained_on_are_refused(rooms: Path, tmp_path: Path) -> None:
    training = write_rooms(tmp_path / "train", "train", scenes=2, first=4)
    request = Request("sqa3d", rooms / "other", rooms / "prepared", tmp_path / "out", training=training)
    with pytest.raises(LeakageError, match="room_000004_00"):
        make_plan(request)


def test_changed_questions_are_noticed_and_mended(request_of: Request) -> None:
    plan = make_plan(request_of)
    path = plan.folder / "questions.jsonl"
    path.write_text(path.read_text().replace("What is near?", "What is far?"))
    with pytest.raises(DataError, match="were changed"):
        plan.questions()
    assert all(s.question == "What is near?" for some in make_plan(request_of).questions().values() for s in some)
