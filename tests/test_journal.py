"""A file of answers: many writers, any cut, no line lost and none twice."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loc3r.errors import DataError
from loc3r.journal import Journal, encoded

LINES = [{"sample_id": str(number), "pred": f"ä\u2028 {number}"} for number in range(12)]


def ids(journal: Journal) -> list[str]:
    return list(journal.by("sample_id"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_cut_anywhere_it_keeps_the_whole_lines_and_goes_on(tmp_path: Path, data: Any) -> None:
    journal, whole = Journal(tmp_path / "predictions.jsonl"), encoded(LINES)
    cut = data.draw(st.integers(0, len(whole)))
    journal.path.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert ids(journal) == [line["sample_id"] for line in LINES[:kept]]
    journal.append(LINES[kept:])
    assert journal.path.read_bytes() == whole
    assert journal.read() == LINES


def test_writers_beside_each_other_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    batches = [[{"sample_id": f"{i}-{k}", "pred": "x" * 500} for k in range(20)] for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda lines: Journal(path).append(lines), batches))
    written = [json.loads(text)["sample_id"] for text in path.read_text().splitlines()]
    assert sorted(written) == sorted(line["sample_id"] for lines in batches for line in lines)
    starts = [written.index(lines[0]["sample_id"]) for lines in batches]
    for start, lines in zip(starts, batches, strict=True):  # a batch stays together
        assert written[start : start + 20] == [line["sample_id"] for line in lines]


def test_the_first_line_of_an_id_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "predictions.jsonl")
    journal.append([{"sample_id": "1", "pred": "first"}])
    journal.append([{"sample_id": "1", "pred": "second"}, {"sample_id": "2", "pred": ""}])
    assert {key: line["pred"] for key, line in journal.by("sample_id").items()} == {"1": "first", "2": ""}


def test_replacing_by_the_same_lines_leaves_the_file_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "predictions.jsonl")
    journal.append(LINES[::-1])
    journal.replace(LINES)
    stamp = journal.path.stat().st_mtime_ns
    journal.replace(LINES)
    assert ids(journal) == [line["sample_id"] for line in LINES] and journal.path.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("line", ["{", "[]", '{"pred": "x"}', '{"sample_id": 1}'])
def test_a_strange_line_is_named(line: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "predictions.jsonl")
    journal.path.write_bytes(encoded(LINES[:1]) + f"{line}\n".encode())
    with pytest.raises(DataError, match=r"predictions\.jsonl:2"):
        journal.by("sample_id")
