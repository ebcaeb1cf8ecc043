"""The pages: all runs, and one run with its tasks, logs, metrics and artifacts. Plain HTML, no script of ours but one.

That one sends ``/#/runs/details/ID``, the address that kfp's client prints, to the run's page.
"""

from __future__ import annotations

import mimetypes
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment

from pipelines.endpoint.filters import Query
from pipelines.endpoint.record import Artifact
from pipelines.endpoint.replies import PAGES, metrics_of
from pipelines.endpoint.runs import Runs
from pipelines.endpoint.status import NotFoundError

router = APIRouter(include_in_schema=False)
SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts", "X-Content-Type-Options": "nosniff"}
"""What a step wrote is shown as a stranger's page: it can't command this server."""


def runs_of(request: Request) -> Runs:
    """The runs of the server that got the request."""
    runs: Runs = request.app.state.runs
    return runs


Served = Annotated[Runs, Depends(runs_of)]


@router.get("/")
def index(runs: Served) -> HTMLResponse:
    """All runs, the newest first."""
    page = runs.store.page("run", Query(page_size=200, sort_by="created_at desc"))
    experiments = {each["experiment_id"]: each["display_name"] for each in runs.store.find("experiment")}
    return _render("index.html", runs=page.items, total=page.total_size, experiments=experiments)


@router.get("/runs/{run_id}")
def run_page(run_id: str, runs: Served) -> HTMLResponse:
    """One run."""
    run = runs.store.get("run", run_id)
    record, folder = runs.record(run_id), runs.folder(run_id)
    metrics = {task.path: list(metrics_of(task)) for task in record.tasks}
    return _render("run.html", run=run, record=record, folder=folder, metrics=metrics, pages=PAGES)


@router.get("/runs/{run_id}/log")
def run_log(run_id: str, runs: Served) -> Response:
    """What the run's process printed."""
    runs.store.get("run", run_id)
    return _text(runs.folder(run_id) / "run.log")


@router.get("/runs/{run_id}/log/{task:path}")
def task_log(run_id: str, task: str, runs: Served) -> Response:
    """What a task printed, so far."""
    runs.store.get("run", run_id)
    found = next((each for each in runs.record(run_id).tasks if each.path == task), None)
    if found is None:
        raise NotFoundError("no task of this path", received=task)
    return _text(runs.folder(run_id) / found.log)


@router.get("/runs/{run_id}/artifacts/{artifact_id}")
@router.get("/runs/{run_id}/artifacts/{artifact_id}/{inside:path}")
def artifact(run_id: str, artifact_id: int, runs: Served, inside: str = "") -> Response:
    """A file that a task wrote, or the list of a folder's files."""
    runs.store.get("run", run_id)
    every = [each for task in runs.record(run_id).tasks for each in task.artifacts]
    found = next((each for each in every if each.id == artifact_id), None)
    if found is None:
        raise NotFoundError("no artifact of this number", received=artifact_id)
    root = Path(found.uri.removeprefix("file://")).resolve()
    path = (root / inside).resolve() if inside else root
    if not path.exists() or not path.is_relative_to(root):
        raise NotFoundError("the artifact has no such file here", received=str(path))
    if path.is_dir():
        names = sorted(str(each.relative_to(root)) for each in path.rglob("*") if each.is_file())
        return _render("folder.html", artifact=found, names=names, base=f"/runs/{run_id}/artifacts/{artifact_id}")
    return FileResponse(path, media_type=_media_type(found, path), headers=SANDBOX)


def _media_type(artifact: Artifact, path: Path) -> str:
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return PAGES.get(artifact.type, guessed)


def _text(path: Path) -> Response:
    return PlainTextResponse(path.read_text(errors="replace") if path.is_file() else "", headers=SANDBOX)


def _render(name: str, **facts: Any) -> HTMLResponse:
    return HTMLResponse(_environment().get_template(f"{name}.j2").render(**facts))


@cache
def _environment() -> Environment:
    from jinja2 import FunctionLoader

    folder = files("pipelines.endpoint").joinpath("templates")
    loader = FunctionLoader(lambda name: folder.joinpath(name).read_text())
    return Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
