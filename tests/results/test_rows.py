"""Rows of the results page, in words."""

from __future__ import annotations

from dataclasses import replace

from loc3r.evaluate.scores import T0, T2
from loc3r.results.rows import Row, short, to_markdown

ROW = Row(
    benchmark="sqa3d-localization", label=T2, data_hash="abc", split="test", n=1586, left_out="", profile="single",
    metric="acc@0.5m", value=12.345, low=10.0, high=14.96, baseline=("scene centre", 0.0), model="rooms-tiny",
    model_hash="1234", commit=f"{'a' * 40}-dirty",
)  # fmt: skip


def test_a_row_says_what_it_is_about() -> None:
    assert to_markdown([ROW]).splitlines()[-1] == (
        "| sqa3d-localization | T2 `abc` | test | 1,586 | single | acc@0.5m | 12.3 | 10.0 – 15.0 | 0.0 scene centre | "
        "rooms-tiny `1234` | `aaaaaaaaaa-dirty` |"
    )
    less = replace(ROW, left_out="12 not asked, first 3 scenes", baseline=None, commit="loc3r-0.1.0")
    cells = to_markdown([less]).splitlines()[-1]
    assert "| 1,586 (12 not asked, first 3 scenes) |" in cells and "| – |" in cells and "| `loc3r-0.1.0` |" in cells


def test_tiers_are_explained_above_the_table() -> None:
    text = to_markdown([ROW, replace(ROW, label=T0), replace(ROW, label="val split, own preparation")])
    assert text.startswith(f"* {T2}\n* {T0}\n\n| benchmark |") and "| val split, own preparation `abc` |" in text
    assert [short(label) for label in (T0, T2)] == ["T0", "T2"]
    columns = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert columns == {12}


def test_rows_stand_by_benchmark_then_data_then_model() -> None:
    rows = [replace(ROW, benchmark="scanqa"), ROW, replace(ROW, model="a"), replace(ROW, benchmark="rooms")]
    ordered = [(row.benchmark, row.model) for row in sorted(rows, key=lambda row: row.order)]
    assert ordered == [
        ("rooms", "rooms-tiny"), ("sqa3d-localization", "a"), ("sqa3d-localization", "rooms-tiny"),
        ("scanqa", "rooms-tiny"),
    ]  # fmt: skip
