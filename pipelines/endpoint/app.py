"""The REST API of Kubeflow Pipelines, v2beta1: the part that ``kfp``'s command line and SDK use for runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pipelines.endpoint import catalogue, pages
from pipelines.endpoint.filters import Query
from pipelines.endpoint.pages import Served
from pipelines.endpoint.replies import run_reply
from pipelines.endpoint.runs import Runs
from pipelines.endpoint.shapes import Json, accept
from pipelines.endpoint.status import ApiError, ForbiddenError, UnimplementedError, status_json

API = "/apis/v2beta1"
api = APIRouter(prefix=API)
Fields = Annotated[Json, Body()]
EMPTY: Json = {}
RPC_CODES = {404: 5, 405: 12}
"""google.rpc.Code of what the web framework itself refuses; the rest are invalid arguments (3)."""


def list_query(page_token: str = "", page_size: int = 0, sort_by: str = "", filter: str = "") -> Query:
    """The parameters that every list takes."""
    return Query(page_token=page_token, page_size=page_size or 20, sort_by=sort_by, filter=filter)


Listed = Annotated[Query, Depends(list_query)]


@api.get("/healthz")
def healthz() -> Json:
    """Here, and for one user."""
    return {"multi_user": False, "pipeline_store": "database"}


@api.get("/experiments")
def list_experiments(runs: Served, query: Listed) -> Json:
    """A page of experiments."""
    return runs.store.page("experiment", query).reply("experiments")


@api.post("/experiments")
def create_experiment(runs: Served, fields: Fields) -> Json:
    """A new experiment."""
    return catalogue.create_experiment(runs.store, accept("V2beta1Experiment", fields))


@api.get("/experiments/{experiment_id}")
def get_experiment(experiment_id: str, runs: Served) -> Json:
    """One experiment."""
    return runs.store.get("experiment", experiment_id)


@api.delete("/experiments/{experiment_id}")
def delete_experiment(experiment_id: str, runs: Served) -> Json:
    """Forget an experiment; its runs stay."""
    runs.store.get("experiment", experiment_id)
    runs.store.delete("experiment", experiment_id)
    return EMPTY


@api.post("/experiments/{experiment_id}:archive")
def archive_experiment(experiment_id: str, runs: Served) -> Json:
    """Archive an experiment and its runs."""
    catalogue.archive_experiment(runs.store, experiment_id)
    return EMPTY


@api.post("/experiments/{experiment_id}:unarchive")
def unarchive_experiment(experiment_id: str, runs: Served) -> Json:
    """Take an experiment back; its runs stay archived."""
    runs.store.update("experiment", experiment_id, storage_state="AVAILABLE")
    return EMPTY


@api.get("/pipelines")
def list_pipelines(runs: Served, query: Listed) -> Json:
    """A page of pipelines."""
    return runs.store.page("pipeline", query).reply("pipelines")


@api.post("/pipelines")
def create_pipeline(runs: Served, fields: Fields) -> Json:
    """A new pipeline without versions."""
    return catalogue.create_pipeline(runs.store, accept("V2beta1Pipeline", fields))


@api.post("/pipelines/upload")
def upload_pipeline(
    uploadfile: UploadFile, runs: Served, name: str = "", display_name: str = "", description: str = ""
) -> Json:
    """A new pipeline from a package file."""
    return catalogue.upload_pipeline(runs.store, uploadfile.file.read(), display_name or name, description)


@api.post("/pipelines/upload_version")
def upload_version(
    uploadfile: UploadFile, pipelineid: str, runs: Served, name: str = "", display_name: str = "", description: str = ""
) -> Json:
    """A new version of a pipeline from a package file."""
    data = uploadfile.file.read()
    return catalogue.upload_version(runs.store, data, pipelineid, display_name or name, description)


@api.get("/pipelines/{pipeline_id}")
def get_pipeline(pipeline_id: str, runs: Served) -> Json:
    """One pipeline."""
    return runs.store.get("pipeline", pipeline_id)


@api.delete("/pipelines/{pipeline_id}")
def delete_pipeline(pipeline_id: str, runs: Served, cascade: bool = False) -> Json:
    """Delete a pipeline."""
    catalogue.delete_pipeline(runs.store, pipeline_id, cascade=cascade)
    return EMPTY


@api.get("/pipelines/{pipeline_id}/versions")
def list_versions(pipeline_id: str, runs: Served, query: Listed) -> Json:
    """A page of a pipeline's versions."""
    runs.store.get("pipeline", pipeline_id)
    return runs.store.page("version", query, {"pipeline_id": pipeline_id}).reply("pipeline_versions")


@api.get("/pipelines/{pipeline_id}/versions/{version_id}")
def get_version(pipeline_id: str, version_id: str, runs: Served) -> Json:
    """One version, with its package."""
    return catalogue.get_version(runs.store, pipeline_id, version_id)


@api.delete("/pipelines/{pipeline_id}/versions/{version_id}")
def delete_version(pipeline_id: str, version_id: str, runs: Served) -> Json:
    """Delete a version."""
    catalogue.get_version(runs.store, pipeline_id, version_id)
    runs.store.delete("version", version_id)
    return EMPTY


@api.get("/runs")
def list_runs(runs: Served, query: Listed, experiment_id: str = "") -> Json:
    """A page of runs, without their tasks."""
    equal = {"experiment_id": experiment_id} if experiment_id else {}
    return runs.store.page("run", query, equal).reply("runs")


@api.post("/runs")
def create_run(runs: Served, fields: Fields) -> Json:
    """Start a run."""
    wanted = accept("V2beta1Run", fields)
    package = catalogue.package_of_run(runs.store, wanted)
    experiment_id = catalogue.experiment_of_run(runs.store, wanted.get("experiment_id"))["experiment_id"]
    run = runs.create({**wanted, "experiment_id": experiment_id}, package)
    runs.store.update("experiment", experiment_id, last_run_created_at=run["created_at"])
    return run


@api.get("/runs/{run_id}")
def get_run(run_id: str, runs: Served, request: Request) -> Json:
    """One run with its tasks."""
    run = runs.store.get("run", run_id)
    return run_reply(run, runs.record(run_id), str(runs.folder(run_id)), str(request.base_url))


@api.delete("/runs/{run_id}")
def delete_run(run_id: str, runs: Served) -> Json:
    """Forget a run that is over."""
    runs.delete(run_id)
    return EMPTY


@api.post("/runs/{run_id}:terminate")
def terminate_run(run_id: str, runs: Served) -> Json:
    """Stop a run and everything that it started."""
    runs.terminate(run_id)
    return EMPTY


@api.post("/runs/{run_id}:archive")
def archive_run(run_id: str, runs: Served) -> Json:
    """Put a run aside."""
    runs.store.update("run", run_id, storage_state="ARCHIVED")
    return EMPTY


@api.post("/runs/{run_id}:unarchive")
def unarchive_run(run_id: str, runs: Served) -> Json:
    """Take a run back."""
    runs.store.update("run", run_id, storage_state="AVAILABLE")
    return EMPTY


@api.api_route("/{rest:path}", methods=["GET", "POST", "PATCH", "PUT", "DELETE"], include_in_schema=False)
def unimplemented(rest: str, request: Request) -> Json:
    """Everything else of v2beta1, above all recurring runs and retries."""
    raise UnimplementedError(
        "this endpoint does not do that", received=f"{request.method} {API}/{rest}",
        fix="recurring runs and retries need Kubeflow on a cluster; here, run the package again",
    )  # fmt: skip


def make_app(runs: Runs, hosts: list[str]) -> FastAPI:
    """The server's application; ``hosts`` are the names that it answers to (a rebound DNS name is not among them)."""
    app = FastAPI(title="Loc3R pipelines", openapi_url=None, max_body_size=catalogue.PACKAGE_BYTES)
    app.state.runs = runs
    app.include_router(api)
    app.include_router(pages.router)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    app.middleware("http")(_refuse_other_origins)
    app.exception_handler(ApiError)(_api_error)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_request_error)
    return app


async def _refuse_other_origins(request: Request, call_next: Callable[[Request], Any]) -> Response:
    """Runs are programs: a page that the user visits elsewhere must not be able to start one."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        return await _api_error(request, ForbiddenError("requests of other web pages are refused", received=origin))
    response: Response = await call_next(request)
    return response


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(status_json(str(error), error.rpc_code), error.http_status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(status_json(error.detail, RPC_CODES.get(error.status_code, 3)), error.status_code)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return JSONResponse(status_json(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 3), 400)
