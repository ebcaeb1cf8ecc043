"""Data sets on disk: the same bytes however they were made, whole after a kill, never two splits in one seed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from folders import hash_folder

from loc3r.cli import loc3r
from loc3r.errors import DataError
from loc3r.files import read_json
from loc3r.scenes.format import SceneFolder
from loc3r.synth.generate import generate

ROOMS, FRAMES, SITUATIONS, SEED = 2, 5, 6, 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set, made in this process."""
    root = tmp_path_factory.mktemp("synth") / "one" / "train"
    return generate(root, ROOMS, SEED, "train", workers=1, frames=FRAMES, situations=SITUATIONS)


def test_scenes_read_back_whole(made: Path) -> None:
    manifest = read_json(made / "manifest.json")
    assert (manifest["rooms"], manifest["seed"], manifest["split"]) == (ROOMS, SEED, "train")
    assert {"chair", "door", "floor", "wall"} <= set(manifest["class_names"])
    for seed in range(SEED, SEED + ROOMS):
        scene = SceneFolder(made / "scans" / f"room_{seed:06d}_00")
        assert len(scene.frame_ids) == FRAMES
        assert {thing.name for thing in scene.objects} <= set(manifest["class_names"])
        corners = np.array([*scene.box_center_m, 1]) @ scene.axis_alignment.T
        floor = next(thing for thing in scene.objects if thing.name == "floor")
        middle = (floor.size_m[1] / 2, floor.size_m[0] / 2)  # of the room, in its own frame
        raw_size = np.abs(scene.axis_alignment[:2, :2]) @ np.array([floor.size_m[1], floor.size_m[0]])
        assert corners[:2] == pytest.approx(middle, abs=1e-3), raw_size


def test_annotations_speak_of_the_scenes(made: Path) -> None:
    questions = read_json(made / "annotations" / "sqa3d" / "v1_balanced_questions_train_scannetv2.json")["questions"]
    assert len(questions) >= ROOMS
    assert {row["scene_id"] for row in questions} <= {path.name for path in (made / "scans").iterdir()}
    assert read_json(made / "manifest.json")["samples"] >= len(questions)


def test_the_number_of_workers_does_not_show(made: Path, tmp_path: Path) -> None:
    other = generate(tmp_path / "train", ROOMS, SEED, "train", workers=2, frames=FRAMES, situations=SITUATIONS)
    assert hash_folder(other) == hash_folder(made)


def test_workers_end_with_the_run_that_was_killed(tmp_path: Path) -> None:
    root = tmp_path / "train"  # the rooms of tests beside this one are no neighbours of it
    call = ["synth", "--rooms", "40", "--seed", str(SEED), "--frames", "2", "--workers", "2", "--out", str(root)]
    run = subprocess.Popen([sys.executable, "-m", "loc3r", *call])
    deadline = time.monotonic() + 120
    while not list(root.glob("parts/*.json")):
        assert run.poll() is None and time.monotonic() < deadline, "no room was made"
        time.sleep(0.1)
    workers = [child for child in psutil.Process(run.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(workers) == 2
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_a_killed_run_goes_on_where_it_was(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "train"
    call = ["synth", "--rooms", str(ROOMS), "--seed", str(SEED), "--frames", str(FRAMES), "--workers", "1"]
    call += ["--situations", str(SITUATIONS), "--out", str(root)]
    process = subprocess.Popen([sys.executable, "-m", "loc3r", *call], start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(root.glob("parts/room_*.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (root / "manifest.json").exists()
    (root / "scans" / ".room_999999_00.half").mkdir(exist_ok=True)  # what a kill in mid-write leaves
    kept = (root / "parts" / f"room_{SEED:06d}_00.json").stat()
    result = CliRunner().invoke(loc3r, call)
    assert result.exit_code == 0, result.output
    assert (root / "parts" / f"room_{SEED:06d}_00.json").stat().st_mtime_ns == kept.st_mtime_ns
    assert hash_folder(root) == hash_folder(made)


def test_more_rooms_keep_those_that_are_there_and_other_parameters_do_not(tmp_path: Path) -> None:
    root = tmp_path / "val"
    generate(root, 1, 800_001, "val", workers=1, frames=2, situations=2)
    part = root / "parts" / "room_800001_00.json"
    before = part.stat().st_mtime_ns
    generate(root, 2, 800_001, "val", workers=1, frames=2, situations=2)
    assert part.stat().st_mtime_ns == before
    generate(root, 2, 800_001, "val", workers=1, frames=3, situations=2)
    assert part.stat().st_mtime_ns != before
    assert len(SceneFolder(root / "scans" / "room_800001_00").frame_ids) == 3


def test_a_neighbour_that_is_no_data_set_does_not_matter(tmp_path: Path) -> None:
    for name, content in (("broken", "{rooms"), ("foreign", "[1]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(content)
    (tmp_path / "odd" / "manifest.json").mkdir(parents=True)
    generate(tmp_path / "rooms", 1, SEED, "train", workers=1, frames=2, situations=1)


def test_no_seed_may_be_in_two_splits(made: Path) -> None:
    with pytest.raises(DataError, match="another split") as caught:
        generate(made.parent / "test", 5, SEED + ROOMS - 1, "test", workers=1)
    assert "900000" in str(caught.value)
    with pytest.raises(DataError, match="other rooms"):
        generate(made, 1, SEED + 7, "train", workers=1)
    with pytest.raises(DataError, match="impossible"):
        generate(made.parent / "late", 5, 999_998, "train", workers=1)
    assert not (made.parent / "test").exists()
