"""What the official files ask: counts of the real ones, and files whose truth is hidden."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loc3r.benchmark.questions import read_official
from loc3r.errors import AnnotationError, DataError


@pytest.mark.parametrize(("benchmark", "split", "count"), [
    ("sqa3d", "val", 3261), ("sqa3d-localization", "val", 668), ("sqa3d-localization", "train", 5439),
    ("scanqa", "val", 4675), ("msqa", "test", 827), ("beacon3d", "test", 1155),
])  # fmt: skip
def test_real_files_are_asked_whole(shared_data: Path, tmp_path: Path, benchmark: str, split: str, count: int) -> None:
    (tmp_path / "annotations").symlink_to(shared_data)
    samples = read_official(benchmark, tmp_path, split)
    assert len(samples) == count and {sample.dataset for sample in samples} == {benchmark}


def test_hidden_answers_and_missing_files_are_refused(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "annotations").symlink_to(shared_data)
    with pytest.raises(DataError, match="nothing to score scanqa against"):
        read_official("scanqa", tmp_path, "test_w_obj")
    for benchmark in ("sqa3d", "sqa3d-localization", "msqa", "vsibench"):
        with pytest.raises(AnnotationError, match="no such file"):
            read_official(benchmark, tmp_path, "nowhere")


def test_questions_that_can_t_be_told_apart_are_refused(tmp_path: Path) -> None:
    row = {"answers": ["a"], "question": "?", "question_id": "val-scene0011-0", "scene_id": "scene0011_00"}
    (tmp_path / "annotations" / "scanqa").mkdir(parents=True)
    (tmp_path / "annotations" / "scanqa" / "ScanQA_v1.0_val.json").write_text(json.dumps([row, row]))
    with pytest.raises(DataError, match="same id"):
        read_official("scanqa", tmp_path, "val")
