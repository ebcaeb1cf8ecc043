"""The MLflow run of a training, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from small import small_recipe, write_recipe

from loc3r.files import read_json
from loc3r.services.mlflow import MlflowServer
from loc3r.train import record
from loc3r.train.job import Identity, TrainingJob
from loc3r.train.metrics import METRICS_FILE, MetricsLog, StepRecord
from loc3r.train.record import finish_record, mend_record, open_recorder

ME = Identity("recipe-hash", "data-hash", None)
RECORD = StepRecord(
    step=1, loss=1.0, terms={"answer": 0.5}, learning_rate=1e-3, gradient_norm=2.0, questions=12, time_s=1e9,
    duration_s=0.5, data_wait_s=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow") / "state") as running:
        yield running


def job_of(folder: Path, uri: str) -> TrainingJob:
    recipe = write_recipe(folder / "recipe.yaml")
    return TrainingJob(recipe, (), small_recipe(), folder / "data", folder / "out", None, uri, None, "cpu")


def test_a_run_is_recorded_resumed_and_mended(
    tmp_path: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "SEND_EVERY_S", 0.2)
    job, told = job_of(tmp_path, server.url), []
    log = MetricsLog(job.out / METRICS_FILE)
    log.begin_with(None)

    first = open_recorder(job, ME, 2, told.append)
    assert first
    first.start()
    for step in (1, 2, 3):
        log.append(replace(RECORD, step=step, loss=1 / step))
    finish_record(job, first, "KILLED")
    run = first.run.client.get_run(first.run.run_id)
    assert run.info.status == "KILLED"
    assert run.data.params["train.steps"] == "20" and run.data.params["ranks"] == "2"
    assert run.data.tags["loc3r.recipe_hash"] == "recipe-hash" and run.data.tags["loc3r.code_commit"]
    assert [file.path for file in first.run.client.list_artifacts(first.run.run_id)] == ["recipe.yaml"]

    # Resumed from step 2: step 3 is made again and must not appear twice.
    log.begin_with(None)
    for step in (1, 2):
        log.append(replace(RECORD, step=step, loss=1 / step))
    second = open_recorder(job, ME, 2, told.append)
    assert second and second.run.run_id == first.run.run_id
    second.start()
    for step in (3, 4):
        log.append(replace(RECORD, step=step, loss=1 / step))
    finish_record(job, second, "FINISHED")
    history = second.run.client.get_metric_history(second.run.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25)]
    assert read_json(job.out / "run.json")["finished"] is True
    assert told == []

    # The server goes away before the last steps are sent: the same command mends the record.
    third = open_recorder(job, ME, 2, told.append)
    assert third
    log.append(replace(RECORD, step=5))
    monkeypatch.setattr(third.run.client, "set_terminated", _refuse)
    finish_record(job, third, "FINISHED")
    assert "run the same command again" in told[0]
    assert read_json(job.out / "run.json")["finished"] is False
    mend_record(job, ME, told.append)
    assert read_json(job.out / "run.json")["finished"] is True
    assert len(third.run.client.get_metric_history(third.run.run_id, "train/loss")) == 5

    other = open_recorder(job, replace(ME, recipe_hash="other"), 2, told.append)
    assert other and other.run.run_id != first.run.run_id


def test_nothing_is_recorded_without_a_server(tmp_path: Path) -> None:
    assert open_recorder(replace(job_of(tmp_path, ""), tracking_uri=None), ME, 2, pytest.fail) is None


def _refuse(*_: object) -> None:
    raise ConnectionError("refused")
