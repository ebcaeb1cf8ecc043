"""MLflow runs: opened by a key so that a second call resumes the first, written to in batches.

Only the server named by ``uri`` is touched; MLflow's global "active run" is not used.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from loc3r.errors import ServiceError
from loc3r.services.mlflow import answers
from loc3r.tracking.lineage import PREFIX, model_hash, read_lineage, tags_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

Item = TypeVar("Item")
RUN_KEY = f"{PREFIX}key"
_CLIENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""MLflow's client takes these from the environment only."""
Row = tuple[int, float, Mapping[str, float]]
"""One step's metrics: step, seconds since the epoch, values by name."""


def connect(uri: str) -> MlflowClient:
    """A client of the MLflow server at ``uri``, or of a database without a server (``sqlite:///mlflow.db``).

    Raises:
        ServiceError: nothing healthy answers there (MLflow's own client would retry for minutes).
    """
    if not uri.startswith("sqlite:") and not answers(uri):
        raise ServiceError(
            "MLflow does not answer", received=uri, expected="a running MLflow server",
            fix="loc3r up, or set LOC3R_TRACKING_URI, or pass --tracking-uri none",
        )  # fmt: skip
    for name, value in _CLIENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@dataclass(frozen=True)
class TrackedRun:
    """A run on an MLflow server."""

    uri: str
    run_id: str
    experiment_id: str
    client: MlflowClient = field(repr=False)

    @property
    def url(self) -> str:
        """The run's page."""
        return f"{self.uri.rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Record nested parameters as ``section.field``; a resumed run may record the same ones again."""
        from mlflow.entities import Param

        params = [Param(name, str(value)[:6000]) for name, value in flatten(values)]
        for some in _batches(params, 100):
            self.client.log_batch(self.run_id, params=some)

    def log_rows(self, rows: Iterable[Row]) -> None:
        """Record metrics of many steps in few requests."""
        from mlflow.entities import Metric

        metrics = (
            Metric(name, float(value), int(time_s * 1000), step)
            for step, time_s, values in rows
            for name, value in values.items()
        )
        for some in _batches(metrics, 1000):
            self.client.log_batch(self.run_id, metrics=some)

    def log_metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Record metrics of one step, now."""
        self.log_rows([(step, time.time(), values)])

    def tag(self, values: Mapping[str, Any]) -> None:
        """Set tags (prefixed with ``loc3r.``); None is left out."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in tags_of(values).items()])

    def tags(self) -> dict[str, str]:
        """The run's tags, as the server has them now."""
        return dict(self.client.get_run(self.run_id).data.tags)

    def status(self) -> str:
        """``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``."""
        return str(self.client.get_run(self.run_id).info.status)

    def fetch(self, artifact: str, into: Path) -> Path:
        """Download a file, or all of a folder, that was uploaded; where it lies in ``into``."""
        return Path(self.client.download_artifacts(self.run_id, artifact, str(into)))

    def log_artifacts(self, path: Path, folder: str | None = None) -> None:
        """Upload a file, or all of a folder, under ``folder``."""
        upload = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        upload(self.run_id, str(path), folder)

    @contextmanager
    def system_metrics(self, interval_s: float = 10) -> Iterator[None]:
        """Record CPU, memory, disk, network (and GPU) use in the background."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(
            self.run_id, sampling_interval=interval_s, resume_logging=True, tracking_uri=self.uri
        )
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    def finish(self, status: str = "FINISHED") -> None:
        """End the run: ``FINISHED``, ``FAILED`` or ``KILLED``. Opening it again resumes it."""
        self.client.set_terminated(self.run_id, status)


def open_run(
    uri: str,
    experiment: str,
    *,
    name: str,
    key: str,
    tags: Mapping[str, Any] | None = None,
    parent_run: str | None = None,
) -> TrackedRun:
    """Resume the run that carries ``key``, or start it; its status is ``RUNNING`` afterwards.

    Args:
        name: what people read.
        key: what makes it the same run again, such as a hash of the recipe, the data and the output folder.
        tags: lineage (recipe_hash, data_hash, code_commit, seed, …), stored with the prefix ``loc3r.``.
        parent_run: id of the run that this one is a step of.
    """
    client = connect(uri)
    experiment_id = _experiment(client, experiment)
    found = client.search_runs([experiment_id], f"tags.`{RUN_KEY}` = '{key}'", max_results=1)
    if found:
        run = TrackedRun(uri, found[0].info.run_id, experiment_id, client)
        client.update_run(run.run_id, "RUNNING")
        run.tag(tags or {})
        return run
    parent = {"mlflow.parentRunId": parent_run} if parent_run else {}
    created = client.create_run(experiment_id, run_name=name, tags={RUN_KEY: key, **tags_of(tags or {}), **parent})
    return TrackedRun(uri, created.info.run_id, experiment_id, client)


def known_run(uri: str, run_id: str) -> TrackedRun:
    """A run by its id."""
    client = connect(uri)
    return TrackedRun(uri, run_id, client.get_run(run_id).info.experiment_id, client)


def find_run(uri: str, experiment: str, tags: Mapping[str, Any]) -> TrackedRun | None:
    """The newest run of an experiment that carries all of ``tags`` (given without prefix), or None."""
    client = connect(uri)
    experiment_id = _experiment(client, experiment)
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags_of(tags).items())
    found = client.search_runs([experiment_id], wanted, max_results=1, order_by=["attributes.start_time DESC"])
    return TrackedRun(uri, found[0].info.run_id, experiment_id, client) if found else None


def finished_runs(uri: str, experiment: str) -> list[TrackedRun]:
    """Every finished run of an experiment, the oldest first."""
    client = connect(uri)
    experiment_id = _experiment(client, experiment)
    found, token = [], None
    while True:
        page = client.search_runs(
            [experiment_id], "attributes.status = 'FINISHED'", order_by=["attributes.start_time ASC"], page_token=token
        )
        found += [TrackedRun(uri, run.info.run_id, experiment_id, client) for run in page]
        token = page.token
        if not token:
            return found


def run_of_model(uri: str, experiment: str, checkpoint: Path) -> TrackedRun:
    """The run that trained a checkpoint, or one of its own for a model that was trained elsewhere."""
    lineage = read_lineage(checkpoint)
    made_by = {"kind": "train", **{key: lineage.get(key) for key in ("recipe_hash", "data_hash", "init")}}
    found = find_run(uri, experiment, made_by) if lineage else None
    if found:
        return found
    digest = model_hash(checkpoint)
    tags = {**lineage, "kind": "imported", "model_hash": digest}
    run = open_run(uri, experiment, name=f"imported {lineage.get('name', digest)}", key=f"model:{digest}", tags=tags)
    run.finish()
    return run


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Pairs of dotted name and plain value of a nested mapping."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    source = iter(items)
    while some := list(islice(source, size)):
        yield some


def _experiment(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=_artifacts_beside(client.tracking_uri)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # another process was first
                raise
            found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def _artifacts_beside(uri: str) -> str | None:
    """A folder beside a database without a server; MLflow's own choice would be where the program was started."""
    database = uri.removeprefix("sqlite:///")
    return None if database == uri else (Path(database).resolve().parent / "artifacts").as_uri()
