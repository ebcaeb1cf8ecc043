"""Whole evaluations of an untrained model on small rooms: what is written, resumed and not done twice."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_rooms import write_model, write_rooms

from loc3r.errors import DataError
from loc3r.evaluate import evaluation
from loc3r.evaluate.evaluation import Evaluated, evaluate_model, identify, label_of
from loc3r.evaluate.predictions import read_layout_errors, read_predictions
from loc3r.evaluate.report import Row, terminal_table
from loc3r.evaluate.run import Evaluation, begin, predict
from loc3r.evaluate.scores import Score
from loc3r.journal import Journal
from loc3r.model.inference import Answer, Localiser, Query, SceneMemory
from loc3r.scenes.shards import PreparedData


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    write_rooms(folder / "test")
    write_rooms(folder / "train", "train", first=500)
    write_model(folder / "model")
    return folder


@pytest.fixture(scope="module")
def done(rooms: Path) -> Evaluated:
    return evaluate_model(rooms / "model", *splits(rooms), rooms / "out")


def splits(rooms: Path) -> tuple[PreparedData, PreparedData]:
    return PreparedData(rooms / "test"), PreparedData(rooms / "train")


class Killed(Localiser):
    """A localiser whose process dies at the fifth scene, in the middle of writing a line."""

    asked = 0

    def ask(self, memory: SceneMemory, queries: Sequence[Query], max_new_tokens: int = 16) -> list[Answer]:
        self.asked += 1
        if self.asked == 5:
            raise KeyboardInterrupt
        return super().ask(memory, queries, max_new_tokens)


def test_every_question_is_answered_once_beside_its_truth(rooms: Path, done: Evaluated) -> None:
    data = splits(rooms)[0]
    predictions = read_predictions(done.folder)
    assert [p.sample_id for p in predictions] == [s.sample_id for s in data.samples]
    for prediction, sample in zip(predictions, data.samples, strict=True):
        assert prediction.true_position_m == sample.position_m
        assert prediction.answers == sample.answers
    assert [error.scene_id for error in read_layout_errors(done.folder)] == list(data.scene_ids)
    valid = sum(int(data.scene(scene_id).patch_valid.sum()) for scene_id in data.scene_ids)
    assert done.scores["layout_error_m"].n == valid


def test_scores_say_what_they_are(rooms: Path, done: Evaluated) -> None:
    record = json.loads((done.folder / "scores.json").read_text())
    assert record["label"] == "T0: unseen synthetic rooms"
    assert record["data"] == {
        "hash": splits(rooms)[0].data_hash, "split": "test", "scenes": 10, "situations": 40, "questions": 50,
    }  # fmt: skip
    assert record["model"]["recipe_hash"]
    assert record["bootstrap"] == {"samples": 200, "confidence": 0.95, "seed": 0, "over": "scenes"}
    for name, score in record["metrics"].items():
        assert score["low"] <= score["value"] <= score["high"], name
        assert score["n"] > 0 and score["scorer"]
    assert record["metrics"]["acc_1.0m"]["n"] == 40
    assert set(record["metrics"]["answer_em"]["baselines"]) == {"frequent answer", "text only"}


def test_an_interrupted_evaluation_goes_on_and_ends_the_same(rooms: Path, done: Evaluated, tmp_path: Path) -> None:
    data = splits(rooms)[0]
    wanted = identify(rooms / "model", data, None)
    begin(tmp_path, wanted)
    with pytest.raises(KeyboardInterrupt):
        predict(Killed.load(rooms / "model"), data, tmp_path, wanted)
    broken = tmp_path / "predictions.jsonl"
    lines = broken.read_text()
    assert lines.count("\n") == 20
    broken.write_text(lines[:-40])  # as if the last line was not wholly written
    assert not begin(tmp_path, wanted)
    predict(Localiser.load(rooms / "model"), data, tmp_path, wanted)
    again = {p.sample_id: p for p in read_predictions(tmp_path)}
    assert len(Journal(broken).read()) == len(again) == 50
    for prediction in read_predictions(done.folder):
        assert again[prediction.sample_id].text == prediction.text
        assert again[prediction.sample_id].position_m == pytest.approx(prediction.position_m, abs=1e-4)
    assert len(read_layout_errors(tmp_path)) == 10


def test_a_second_call_runs_nothing_and_another_model_starts_over(
    rooms: Path, done: Evaluated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = (done.folder / "scores.json").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "predictions_of", lambda *_, **__: pytest.fail("asked again"))
        again = evaluate_model(rooms / "model", *splits(rooms), done.folder)
    assert again.was_done
    assert again.scores == done.scores
    assert (done.folder / "scores.json").stat().st_mtime_ns == stamp
    first = evaluate_model(rooms / "model", *splits(rooms), tmp_path / "out", limit_scenes=2)
    other = evaluate_model(write_model(tmp_path / "other", seed=1), *splits(rooms), tmp_path / "out", limit_scenes=2)
    assert not other.was_done
    assert other.record["model"]["hash"] != first.record["model"]["hash"]
    assert len(read_predictions(tmp_path / "out")) == 10


def test_the_reports_hold_every_score_and_the_pictures(done: Evaluated) -> None:
    markdown, page = ((done.folder / name).read_text() for name in ("report.md", "report.html"))
    for name, score in done.scores.items():
        row = Row.of(name, score)
        assert f"| {row.title} | {row.score} | {row.interval} |" in markdown
        assert row.title in page.replace("&#39;", "'")
    images = [base64.b64decode(image) for image in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    assert images == [(done.folder / name).read_bytes() for name in ("reliability.png", "birds_eye.png")]
    assert not re.search(r'(src|href)="(?!data:)', page)  # needs no other file


def test_the_picture_shows_guess_and_truth(done: Evaluated) -> None:
    pixels = np.asarray(Image.open(done.folder / "birds_eye.png").convert("RGB")).reshape(-1, 3).astype(int)
    for colour in ((0xD6, 0x33, 0x6C), (0x2B, 0x8A, 0x3E)):
        assert (np.abs(pixels - colour).max(1) < 3).sum() > 300


def test_labels_claim_only_what_the_data_are(rooms: Path) -> None:
    test, train = splits(rooms)
    assert label_of(test) == "T0: unseen synthetic rooms"
    assert "train" in label_of(train)
    test.manifest["tier"] = "T2"
    assert "not SQA3D" in label_of(test)
    test.manifest["tier"] = train.manifest["tier"] = "T1"
    assert "not the real scans" in label_of(test)
    assert label_of(train).endswith("train split")


def test_splits_that_share_rooms_are_refused(rooms: Path, tmp_path: Path) -> None:
    overlapping = PreparedData(write_rooms(tmp_path / "train", "train", scenes=3, first=9))
    with pytest.raises(DataError, match="are trained on"):
        evaluate_model(rooms / "model", splits(rooms)[0], overlapping, tmp_path / "out")


def test_a_folder_that_is_no_evaluation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not an evaluation"):
        Evaluation.read(tmp_path)
    with pytest.raises(DataError, match="no predictions"):
        read_predictions(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "baseline", "up", "verdict"),
    [
        (0.5, 0.7, 0.4, True, "better"),
        (0.5, 0.7, 0.8, True, "worse"),
        (0.5, 0.7, 0.6, True, ""),
        (0.5, 0.7, 0.8, False, "better"),
        (0.5, 0.7, 0.4, False, "worse"),
    ],
)
def test_a_score_is_coloured_only_when_its_interval_excludes_the_baseline(
    low: float, high: float, baseline: float, up: bool, verdict: str
) -> None:
    score = Score("Acc", "share", "s", 0.6, low, high, 10, 5, {"it": baseline}, higher_is_better=up)
    assert Row.of("acc", score).verdict == verdict


def test_the_terminal_table_shows_scores_beside_baselines(done: Evaluated) -> None:
    table = terminal_table(done.scores, "T0", 0.95)
    titles = list(table.columns[0].cells)
    assert titles[:2] == ["Primary", "Acc@0.5 m"]
    assert any("scene centre" in str(cell) for cell in table.columns[3].cells)
