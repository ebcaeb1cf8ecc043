from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

from loc3r.train.metrics import MetricsLog, StepRecord

RECORD = StepRecord(
    step=1, loss=0.1 + 0.2, terms={"answer": 1 / 3}, learning_rate=1e-3, gradient_norm=2.0, questions=12, time_s=5.0,
    duration_s=0.5, data_wait_s=0.1, tokens=900, mfu=0.25, peak_memory_bytes=2**29,
)  # fmt: skip


def log_of(path: Path, steps: int) -> MetricsLog:
    log = MetricsLog(path)
    log.begin_with(None)
    for step in range(1, steps + 1):
        log.append(replace(RECORD, step=step))
    return log


def test_floats_survive_exactly(tmp_path: Path) -> None:
    assert log_of(tmp_path / "m.jsonl", 1).read() == [RECORD]


def test_a_resumed_log_forgets_later_steps_and_half_lines(tmp_path: Path) -> None:
    earlier = log_of(tmp_path / "checkpoint" / "m.jsonl", 3)
    log = log_of(tmp_path / "m.jsonl", 5)
    with log.path.open("a") as file:
        file.write('{"step": 6, "lo')
    assert [record.step for record in log.read()] == [1, 2, 3, 4, 5]
    log.begin_with(earlier.path)
    log.append(replace(RECORD, step=4))
    assert [record.step for record in log.read()] == [1, 2, 3, 4]
    log.begin_with(None)
    assert log.read() == []


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    log = log_of(tmp_path / "m.jsonl", 2)
    first, offset = log.read_from(0)
    with log.path.open("a") as file:
        file.write('{"step": 3')
    assert len(first) == 2 and log.read_from(offset) == ([], offset)
    with log.path.open("a") as file:
        file.write(json.dumps(asdict(replace(RECORD, step=3))).removeprefix('{"step": 3') + "\n")
    assert [record.step for record in log.read_from(offset)[0]] == [3]


def test_lines_from_before_tokens_were_counted_are_read(tmp_path: Path) -> None:
    log = log_of(tmp_path / "m.jsonl", 1)
    later = ("tokens", "mfu", "peak_memory_bytes")
    old = {name: value for name, value in asdict(RECORD).items() if name not in later}
    log.path.write_text(json.dumps(old) + "\n")
    log.append(replace(RECORD, step=2))
    assert [record.tokens for record in log.read()] == [0, 900]
    log.write_table(tmp_path / "m.csv")
    assert len(list(csv.DictReader((tmp_path / "m.csv").open()))) == 2


def test_figures_and_table(tmp_path: Path) -> None:
    assert RECORD.flat()["train/questions_per_s"] == 24
    assert RECORD.flat()["train/data_wait_share"] == 0.2
    assert RECORD.flat()["train/tokens_per_s"] == 1800
    assert RECORD.flat()["train/mfu"] == 0.25
    assert RECORD.flat()["train/peak_memory_gib"] == 0.5
    log_of(tmp_path / "m.jsonl", 3).write_table(tmp_path / "m.csv")
    rows = list(csv.DictReader((tmp_path / "m.csv").open()))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["loss"]) == RECORD.loss and float(rows[0]["answer"]) == 1 / 3


def test_a_curve_that_begins_with_a_skipped_step_has_all_columns(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "m.jsonl")
    log.append(replace(RECORD, gradient_norm=None, loss_scale=65536.0))
    log.append(replace(RECORD, step=2, loss_scale=32768.0))
    log.write_table(tmp_path / "m.csv")
    first, second = csv.DictReader((tmp_path / "m.csv").open())
    assert (first["gradient_norm"], second["gradient_norm"]) == ("", "2.0")
    assert (first["loss_scale"], second["loss_scale"]) == ("65536.0", "32768.0")
