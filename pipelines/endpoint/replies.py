"""A run as ``GET runs/{id}`` shows it: its tasks, and beside them what the steps put out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from pipelines.endpoint.record import Artifact, Record, Task
from pipelines.endpoint.runs import UNKNOWN, change_reply
from pipelines.endpoint.shapes import Json, shape
from pipelines.endpoint.status import status_json

PLUGIN = "loc3r"
"""Our name in ``plugins_output``."""
METRICS = ("system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics")
PAGES = {"system.HTML": "text/html", "system.Markdown": "text/plain"}
"""Artifacts that a browser shows, and as what."""
PLUGIN_STATES = {"RUNNING": "PLUGIN_RUNNING", "SUCCEEDED": "PLUGIN_SUCCEEDED", "FAILED": "PLUGIN_FAILED"}


def run_reply(run: Json, record: Record, folder: str, base_url: str) -> Json:
    """The run with ``run_details`` and, in ``plugins_output``, its page, logs, metrics, parameters and HTML artifacts.

    Kubeflow keeps these in its metadata store and its web pages; the API itself has no other place for them.
    """
    entries = {"page": _link(page_url(base_url, run["run_id"])), "log": {"value": f"{folder}/run.log"}}
    for name, value in record.outputs.items():
        entries[f"output/{name}"] = {"value": value}
    for task in record.tasks:
        entries.update(_entries(task, run["run_id"], folder, base_url))
    output = {"entries": entries, "state": PLUGIN_STATES.get(run["state"], "PLUGIN_STATE_UNSPECIFIED")}
    tasks = [_task_detail(task, run["run_id"]) for task in record.tasks]
    details = shape("V2beta1RunDetails", task_details=tasks)
    return {**run, "run_details": details, "plugins_output": {PLUGIN: output}}


def page_url(base_url: str, run_id: str) -> str:
    """Address of a run's page."""
    return f"{base_url.rstrip('/')}/runs/{run_id}"


def metrics_of(task: Task) -> Iterator[tuple[str, object]]:
    """``ARTIFACT/METRIC`` and value of every metric that a task logged."""
    for artifact in task.artifacts:
        if artifact.type in METRICS:
            yield from ((f"{artifact.name}/{name}", value) for name, value in artifact.metadata.items())


def _entries(task: Task, run_id: str, folder: str, base_url: str) -> Iterator[tuple[str, Json]]:
    if task.time_of("RUNNING"):
        yield f"{task.path}/log", {"value": f"{folder}/{task.log}"}
    for name, value in [*task.parameters.items(), *metrics_of(task)]:
        yield f"{task.path}/{name}", {"value": value}
    for artifact in task.artifacts:
        if artifact.type in PAGES:
            yield f"{task.path}/{artifact.name}", _link(f"{page_url(base_url, run_id)}/artifacts/{artifact.id}")


def _link(url: str) -> Json:
    return {"value": url, "render_type": "URL"}


def _task_detail(task: Task, run_id: str) -> Json:
    return shape(
        "V2beta1PipelineTaskDetail",
        run_id=run_id,
        task_id=str(uuid.uuid5(uuid.UUID(run_id), task.path)),
        display_name=task.path,
        create_time=task.history[0].time,
        start_time=task.time_of("RUNNING"),
        end_time=task.time_of("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"),
        state=task.state,
        error=status_json(task.error, UNKNOWN) if task.error else None,
        outputs=_artifact_lists(task.artifacts),
        state_history=[change_reply(each.state, each.time, each.error) for each in task.history],
    )


def _artifact_lists(artifacts: list[Artifact]) -> Json:
    names = {artifact.name for artifact in artifacts}
    return {name: {"artifact_ids": [str(each.id) for each in artifacts if each.name == name]} for name in sorted(names)}
