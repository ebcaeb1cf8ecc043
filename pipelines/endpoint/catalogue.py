"""Experiments, pipelines and their versions: what runs are made from and filed under."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from pipelines.endpoint.packages import Package, parse_package, read_package
from pipelines.endpoint.shapes import Json, now, shape
from pipelines.endpoint.status import ExistsError, InvalidError, NotFoundError, StateError
from pipelines.endpoint.store import Kind, Store

DEFAULT_EXPERIMENT = "Default"
PACKAGE_BYTES = 32 * 2**20
"""Largest package, as on a cluster."""


def create_experiment(store: Store, fields: Json) -> Json:
    """A new experiment; its name must be free.

    Raises:
        InvalidError: no name.
        ExistsError: the name is taken.
    """
    name = _free_name(store, "experiment", fields.get("display_name"))
    new = {"experiment_id": str(uuid.uuid4()), "display_name": name, "created_at": now(), "storage_state": "AVAILABLE"}
    experiment = shape("V2beta1Experiment", **{**fields, **new})
    return store.put("experiment", experiment["experiment_id"], experiment)


def experiment_of_run(store: Store, experiment_id: str | None) -> Json:
    """The experiment that a run names, or the default one, made when first needed.

    Raises:
        NotFoundError: no such experiment.
    """
    if experiment_id:
        return store.get("experiment", experiment_id)
    found = store.find("experiment", display_name=DEFAULT_EXPERIMENT)
    return found[0] if found else create_experiment(store, {"display_name": DEFAULT_EXPERIMENT})


def archive_experiment(store: Store, experiment_id: str) -> None:
    """Archive an experiment and its runs."""
    store.update("experiment", experiment_id, storage_state="ARCHIVED")
    for run in store.find("run", experiment_id=experiment_id):
        store.update("run", run["run_id"], storage_state="ARCHIVED")


def create_pipeline(store: Store, fields: Json) -> Json:
    """A new pipeline without versions; its name must be free.

    Raises:
        InvalidError: no name.
        ExistsError: the name is taken.
    """
    name = _free_name(store, "pipeline", fields.get("display_name") or fields.get("name"))
    new = {"pipeline_id": str(uuid.uuid4()), "display_name": name, "name": name, "created_at": now()}
    pipeline = shape("V2beta1Pipeline", **{**fields, **new})
    return store.put("pipeline", pipeline["pipeline_id"], pipeline)


def upload_pipeline(store: Store, data: bytes, name: str, description: str) -> Json:
    """A new pipeline and its first version, from a package file.

    Raises:
        InvalidError: the package is not one.
        ExistsError: the name is taken.
    """
    package = read_package(data)
    title = name or package.name
    pipeline = create_pipeline(store, {"display_name": title, "description": description or package.description})
    _add_version(store, pipeline["pipeline_id"], package, title, description)
    return pipeline


def upload_version(store: Store, data: bytes, pipeline_id: str, name: str, description: str) -> Json:
    """A new version of a pipeline, from a package file.

    Raises:
        InvalidError: the package is not one.
        NotFoundError: no such pipeline.
        ExistsError: the pipeline has a version of that name.
    """
    package = read_package(data)
    store.get("pipeline", pipeline_id)
    title = name or package.name
    if any(each["display_name"] == title for each in store.find("version", pipeline_id=pipeline_id)):
        raise ExistsError("the pipeline has a version of this name", received=title, fix="give it another name")
    return _add_version(store, pipeline_id, package, title, description)


def get_version(store: Store, pipeline_id: str, version_id: str) -> Json:
    """A version, if it is of that pipeline.

    Raises:
        NotFoundError: it is not there.
    """
    version = store.get("version", version_id)
    if version["pipeline_id"] != pipeline_id:
        raise NotFoundError("the pipeline has no such version", received=version_id)
    return version


def delete_pipeline(store: Store, pipeline_id: str, *, cascade: bool) -> None:
    """Delete a pipeline, with its versions only where that is asked for.

    Raises:
        NotFoundError: no such pipeline.
        StateError: it has versions.
    """
    store.get("pipeline", pipeline_id)
    versions = store.find("version", pipeline_id=pipeline_id)
    if versions and not cascade:
        raise StateError(
            "the pipeline has versions", received=[each["display_name"] for each in versions],
            fix="delete them first (kfp pipeline delete-version), or ask with ?cascade=true",
        )  # fmt: skip
    for version in versions:
        store.delete("version", version["pipeline_version_id"])
    store.delete("pipeline", pipeline_id)


def package_of_run(store: Store, fields: Mapping[str, Json]) -> Package:
    """What a run shall run: the package that it brings, or the version that it names.

    Raises:
        InvalidError: neither, or a package that is not one.
        NotFoundError: no such pipeline or version.
    """
    if fields.get("pipeline_spec"):
        return parse_package(fields["pipeline_spec"])
    reference = fields.get("pipeline_version_reference") or {}
    version_id, pipeline_id = reference.get("pipeline_version_id"), reference.get("pipeline_id")
    if version_id and pipeline_id:
        return parse_package(get_version(store, pipeline_id, version_id)["pipeline_spec"])
    versions = store.find("version", pipeline_id=pipeline_id) if pipeline_id else []
    if not versions:
        raise InvalidError("the run says not what to run", expected="pipeline_spec or pipeline_version_reference")
    return parse_package(versions[-1]["pipeline_spec"])


def _add_version(store: Store, pipeline_id: str, package: Package, name: str, description: str) -> Json:
    version = shape(
        "V2beta1PipelineVersion", pipeline_id=pipeline_id, pipeline_version_id=str(uuid.uuid4()), display_name=name,
        name=name, description=description or package.description, created_at=now(), pipeline_spec=package.document(),
    )  # fmt: skip
    return store.put("version", version["pipeline_version_id"], version)


def _free_name(store: Store, kind: Kind, name: str | None) -> str:
    if not name or name.isspace():
        raise InvalidError(f"the {kind} has no name", expected="display_name")
    if store.find(kind, display_name=name):
        raise ExistsError(f"there is a {kind} of this name", received=name, fix="take another name, or delete that one")
    return name
