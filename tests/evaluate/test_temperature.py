"""Calibrating a checkpoint on small rooms: what it writes, and what evaluation then says and refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_rooms import write_model, write_rooms

from loc3r.errors import CheckpointError, DataError
from loc3r.evaluate.calibrate_command import calibrate
from loc3r.evaluate.evaluation import evaluate_model
from loc3r.evaluate.predictions import read_predictions
from loc3r.evaluate.temperature import calibrate_model, tempered
from loc3r.files import read_json
from loc3r.model.calibration import read_calibration
from loc3r.scenes.shards import PreparedData
from loc3r.tracking.lineage import model_hash


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms")
    for first, split in enumerate(("train", "val", "test")):
        write_rooms(folder / split, split, first=500 * first)
    write_model(folder / "model")
    return folder


@pytest.fixture(scope="module")
def calibrated(rooms: Path) -> Path:
    model = shutil.copytree(rooms / "model", rooms / "calibrated")
    arguments = ["--model", model, "--data", rooms / "val", "--out", rooms / "calibration"]
    result = CliRunner().invoke(calibrate, [str(a) for a in arguments], catch_exceptions=False)
    found = read_calibration(model)
    assert found and f"sigma x {found.sigma_temperature:g}" in result.output
    return model


def test_the_factor_makes_the_error_smaller_and_the_checkpoint_another_model(rooms: Path, calibrated: Path) -> None:
    found = read_calibration(calibrated)
    assert found and (found.situations, found.scenes) == (40, 10)
    assert found.data_hash == PreparedData(rooms / "val").data_hash
    assert found.error_after <= found.error_before
    assert found.weights == model_hash(rooms / "model") != model_hash(calibrated)
    assert (rooms / "calibration" / "reliability.png").stat().st_size > 10_000


def test_doing_it_again_starts_from_the_networks_own_sigma(rooms: Path, calibrated: Path) -> None:
    before = read_calibration(calibrated)
    stamp = (rooms / "calibration" / "predictions.jsonl").stat().st_mtime_ns
    assert calibrate_model(calibrated, PreparedData(rooms / "val"), rooms / "calibration") == before
    assert (rooms / "calibration" / "predictions.jsonl").stat().st_mtime_ns == stamp  # nothing was asked again


def test_an_evaluation_says_how_sure_the_calibrated_model_is(rooms: Path, calibrated: Path) -> None:
    splits = PreparedData(rooms / "test"), PreparedData(rooms / "train")
    raw, done = (
        evaluate_model(model, *splits, rooms / f"{model.name}-out", limit_scenes=3)
        for model in (rooms / "model", calibrated)
    )
    factor = done.record["calibration"]["sigma_temperature"]
    assert raw.record["calibration"] is None
    for own, wanted in zip(read_predictions(done.folder), tempered(read_predictions(raw.folder), factor), strict=True):
        assert own.sigma_m == pytest.approx(wanted.sigma_m, rel=1e-4)
    curves = read_json(done.folder / "reliability.json")
    assert curves["decline"]["acc_1.0m"]["coverage"][-1] == 1
    assert {f"decline/{name}" for name in curves["decline"]} <= set(done.scores)
    assert done.scores["calibration_error/place"].n == done.scores["calibration_error/heading"].n == 12
    for name in ("report.md", "report.html"):
        page = (done.folder / name).read_text()
        assert f"multiplied by {factor}" in page and "Locate or decline" in page
        assert "multiplied" not in (raw.folder / name).read_text()


def test_a_model_calibrated_on_the_test_split_or_for_other_weights_is_refused(
    rooms: Path, calibrated: Path, tmp_path: Path
) -> None:
    val, train = PreparedData(rooms / "val"), PreparedData(rooms / "train")
    with pytest.raises(DataError, match="calibrated on the test split"):
        evaluate_model(calibrated, val, train, tmp_path / "out")
    other = write_model(tmp_path / "other", seed=1)
    shutil.copy(calibrated / "calibration.json", other)
    with pytest.raises(CheckpointError, match="other weights"):
        evaluate_model(other, PreparedData(rooms / "test"), train, tmp_path / "out")
