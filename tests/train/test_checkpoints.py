from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loc3r.errors import CheckpointError
from loc3r.train.checkpoints import RECORD_FILE, Checkpoint, newest, prune, step_folder
from loc3r.train.job import Identity

ME = Identity("recipe", "data", None)


def write(folder: Path, step: int) -> Checkpoint:
    path = step_folder(folder, step)
    path.mkdir(parents=True)
    (path / "shard.pt").write_bytes(bytes(step))
    checkpoint = Checkpoint(path, step, ME, 2, ("a", "b"), situations=step * 10)
    checkpoint.write()
    return checkpoint


def test_the_newest_whole_one_is_found_again(tmp_path: Path) -> None:
    write(tmp_path, 5)
    last = write(tmp_path, 10)
    assert newest(tmp_path, pytest.fail) == last
    assert (tmp_path / "latest").read_text() == last.path.name


@pytest.mark.parametrize("damage", ["no record", "short shard", "no shard"])
def test_broken_ones_are_skipped_with_a_message(tmp_path: Path, damage: str) -> None:
    good, bad = write(tmp_path, 5), write(tmp_path, 10)
    if damage == "short shard":
        (bad.path / "shard.pt").write_bytes(b"1")
    else:
        (bad.path / ("shard.pt" if damage == "no shard" else RECORD_FILE)).unlink()
    told: list[str] = []
    assert newest(tmp_path, told.append) == good
    assert told == [f"skipping {bad.path}: it was not written to its end"]


def test_pruning_keeps_the_newest_whole_ones(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    (step_folder(tmp_path, 4)).mkdir()
    prune(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.glob("step_*")) == ["step_00000002", "step_00000003"]


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        (replace(ME, recipe_hash="other"), "recipe_hash=recipe"),
        (replace(ME, data_hash="other"), "data_hash=data"),
        (replace(ME, init="other"), "init=None"),
    ],
)
def test_another_job_is_refused(tmp_path: Path, identity: Identity, told: str) -> None:
    checkpoint = write(tmp_path, 1)
    checkpoint.check(ME)
    with pytest.raises(CheckpointError) as refused:
        checkpoint.check(identity)
    assert told in str(refused.value)


def test_other_trainable_parameters_are_refused(tmp_path: Path) -> None:
    checkpoint = write(tmp_path, 1)
    checkpoint.check_trainable(("a", "b"))
    with pytest.raises(CheckpointError, match="trained other parameters"):
        checkpoint.check_trainable(("a",))
