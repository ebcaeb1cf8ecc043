"""The command: one JSON object or a table, and errors that name file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from score_lines import QUICK, sqa3d, vsi, write

from loc3r.cli import loc3r
from loc3r.errors import JudgeError, ScoreError
from loc3r.evaluate.intervals import Bootstrap, Observations, mean_interval, mean_of_means, resampled_totals
from loc3r.score.command import NAMES
from loc3r.score.measures import Scored, means
from loc3r.score.rows import read_rows
from loc3r.score.scoring import BENCHMARKS, score_file
from loc3r.score.sqa3d import SQA3DRow


def run(*arguments: str) -> str:
    result = CliRunner().invoke(loc3r, ["score", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    lines = [sqa3d("chair", "chair", number=i) for i in range(3)] + [sqa3d("", "desk", number=3)]
    return write(tmp_path / "predictions.jsonl", lines)


def test_json_is_one_object(predictions: Path) -> None:
    found = json.loads(run("sqa3d", "--predictions", str(predictions), "--profile", "leo", "--split", "val", "--json"))
    assert (found["benchmark"], found["profile"], found["split"]) == ("sqa3d", "leo", "val")
    assert (found["n"], found["empty_answers"]) == (4, 1)
    assert found["metrics"]["em"] == 75 and found["metrics"]["em_r"] == 100
    low, high = found["intervals"]["em"]
    assert 0 <= low < 75 < high <= 100
    assert found["bootstrap"] == {"samples": 2000, "confidence": 0.95, "seed": 0, "over": "questions", "units": 4}
    assert found["baselines"]["frequent answer"]["em"] == 75


def test_the_table_says_what_was_measured_how(predictions: Path) -> None:
    said = run("sqa3d", "--predictions", str(predictions), "--profile", "chat-scene", "--split", "val")
    for part in ("sqa3d, val", "chat-scene", "utils/eval.py", "em_r", "75.00", "4 predictions, 1 empty", "frequent"):
        assert part in said, part


def test_scenes_are_drawn_where_every_line_names_its_own(tmp_path: Path) -> None:
    lines = [sqa3d("a", "a", number=i, scene_id=f"scene{i % 2}") for i in range(6)]
    told = score_file("sqa3d", write(tmp_path / "a.jsonl", lines), "leo", bootstrap=QUICK)
    assert (told.over, told.units) == ("scenes", 2)
    del lines[0]["scene_id"]
    untold = score_file("sqa3d", write(tmp_path / "b.jsonl", lines), "leo", bootstrap=QUICK)
    assert (untold.over, untold.units) == ("questions", 6)


GOOD = json.dumps(sqa3d("a", "a"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question_id": 1', ["not a JSON object", "EOF"]),
        ("[1]", ["not a JSON object", "[1]"]),
        ('{"question_id": 1, "question": "?", "pred": "a"}', ["field gt", "nothing", "Field required"]),
        ('{"question_id": 1, "question": "?", "gt": "a", "pred": null}', ["field pred", "None", "string"]),
        ('{"question_id": 1, "question": "?", "gt": "a", "pred": 3}', ["field pred", "3", "string"]),
        ('{"question_id": 1, "question": 2, "gt": ["a"], "pred": "a"}', ["field question", "2 faults"]),
    ],
)
def test_a_bad_line_is_named_with_what_was_wrong(tmp_path: Path, line: str, said: list[str]) -> None:
    path = write(tmp_path / "predictions.jsonl", [GOOD, "", line])
    with pytest.raises(ScoreError) as error:
        read_rows(path, SQA3DRow)
    for part in (f"{path}:3: ", "received:", "expected:", "fix:", "question_id, question, pred, gt", *said):
        assert part in str(error.value), part


def test_an_unknown_question_type_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "vsi.jsonl", [vsi("object_height", "1", "1")])
    with pytest.raises(ScoreError, match=r"vsi.jsonl:1: field question_type"):
        score_file("vsibench", path, "official")


def test_empty_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="no predictions"):
        score_file("sqa3d", write(tmp_path / "empty.jsonl", [""]), "leo")
    with pytest.raises(ScoreError, match="No such file"):
        score_file("sqa3d", tmp_path / "nowhere.jsonl", "leo")


def test_other_line_breaks_inside_an_answer_end_no_line(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(sqa3d("a\u2028b\x85", "a"), ensure_ascii=False) + "\r\n", encoding="utf-8")
    assert read_rows(path, SQA3DRow)[0].pred == "a\u2028b\x85"


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert read_rows(path, SQA3DRow)[0].pred == "a"


def test_an_unknown_profile_suggests_the_nearest(predictions: Path) -> None:
    with pytest.raises(ScoreError) as error:
        score_file("sqa3d", predictions, "chatscene")
    assert "leo, chat-scene, video3dllm" in str(error.value) and "did you mean chat-scene?" in str(error.value)
    with pytest.raises(ScoreError, match="no such benchmark"):
        score_file("sqa4d", predictions, "leo")


def test_a_judge_must_be_configured(predictions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOC3R_JUDGE_URL", "")
    arguments = ["score", "msqa", "--predictions", str(predictions), "--profile", "msr3d", "--judge", "endpoint"]
    assert isinstance(CliRunner().invoke(loc3r, arguments).exception, JudgeError)


def test_the_help_knows_every_benchmark_and_profile() -> None:
    assert list(BENCHMARKS) == NAMES
    said = run("--help")
    assert all(name in said for benchmark in BENCHMARKS.values() for name in (benchmark.name, *benchmark.profiles))


def test_intervals_are_those_of_evaluations() -> None:
    rng = np.random.default_rng(0)
    values, scenes = rng.random(300), [f"s{i}" for i in rng.integers(0, 20, 300)]
    part = rng.random(300) < 0.3
    bootstrap = Bootstrap(samples=300)
    scored = Scored([means({"all": values}), means({"part": np.where(part, values, np.nan)})])
    found, known = scored.intervals(scenes, bootstrap), mean_interval(Observations.of(values, scenes), bootstrap)
    assert found["all"] == pytest.approx((100 * known.low, 100 * known.high))
    assert scored.values()["part"] == pytest.approx(100 * values[part].mean())
    totals = resampled_totals(np.stack([values, part], axis=1), scenes, bootstrap)
    both = mean_of_means([Observations.of(values, scenes)], bootstrap)
    assert totals.shape == (300, 2) and bootstrap.bounds(totals[:, 0] / 300)[0] < both.value < totals[:, 0].max() / 300
