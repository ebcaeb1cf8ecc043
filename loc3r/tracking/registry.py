"""The model registry: a checkpoint folder becomes a version, an alias names the champion, a reference is fetched.

A version is an MLflow logged model (any folder, no flavour) with the checkpoint's files and, beside them,
``evaluations/`` and ``gate/``: what was measured and what was decided.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loc3r.errors import RegistryError
from loc3r.settings import Settings
from loc3r.tracking.lineage import MODEL_HASH, model_hash, tags_of
from loc3r.tracking.runs import TrackedRun, connect

CHAMPION = "champion"
REFERENCE = re.compile(r"models:/(?P<name>[^@/]+)(@(?P<alias>[^@/]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class ModelVersion:
    """A registered checkpoint."""

    name: str
    number: int
    model_hash: str
    run_id: str | None
    model_id: str
    """The logged model that holds its files."""
    tags: Mapping[str, str]

    @property
    def reference(self) -> str:
        """How every verb can name it."""
        return f"models:/{self.name}/{self.number}"


class Registry:
    """One registered model on one MLflow server."""

    def __init__(self, uri: str, name: str) -> None:
        self.uri = uri
        self.name = name
        self.client = connect(uri)

    def register(self, folder: Path, run: TrackedRun, tags: Mapping[str, Any]) -> ModelVersion:
        """Upload a checkpoint as the next version; the same content again is the version that it already is.

        The version is made last, of files that are all there. Killed before, a call leaves a logged model that no
        version names, and the next call starts over.
        """
        digest = model_hash(folder)
        found = self.find(digest)
        if found:
            return found
        self._ensure_model()
        self._forget_unfinished(run.experiment_id, digest)
        logged = self.client.create_logged_model(
            run.experiment_id, name=self.name, source_run_id=run.run_id, model_type="loc3r", tags={MODEL_HASH: digest}
        )
        self.client.log_model_artifacts(logged.model_id, str(folder))
        self.client.finalize_logged_model(logged.model_id, "READY")
        version = self.client.create_model_version(
            self.name,
            source=f"models:/{logged.model_id}",
            run_id=run.run_id,
            model_id=logged.model_id,
            await_creation_for=0,  # an SQL registry has it at once
            tags={MODEL_HASH: digest, **tags_of(tags)},
        )
        return self._version(version)

    def find(self, digest: str) -> ModelVersion | None:
        """The version whose content has that hash."""
        found = self.client.search_model_versions(f"name = '{self.name}' and tags.`{MODEL_HASH}` = '{digest}'")
        return self._version(found[0]) if found else None

    def get(self, number: int) -> ModelVersion:
        """The version of that number.

        Raises:
            RegistryError: there is none.
        """
        return self._version(self._ask("get_model_version", str(number), what=f"{self.name}/{number}"))

    def aliased(self, alias: str) -> ModelVersion:
        """The version that carries an alias.

        Raises:
            RegistryError: none does.
        """
        return self._version(self._ask("get_model_version_by_alias", alias, what=f"{self.name}@{alias}"))

    def champion(self) -> ModelVersion | None:
        """The version that is served, or None before the first."""
        try:
            return self.aliased(CHAMPION)
        except RegistryError:
            return None

    def point(self, alias: str, version: ModelVersion) -> None:
        """Make ``alias`` name ``version``."""
        self.client.set_registered_model_alias(self.name, alias, str(version.number))

    def tag(self, version: ModelVersion, values: Mapping[str, Any]) -> None:
        """Set tags (prefixed with ``loc3r.``) on a version."""
        for key, value in tags_of(values).items():
            self.client.set_model_version_tag(self.name, str(version.number), key, value)

    def attach(self, version: ModelVersion, path: Path, folder: str) -> None:
        """Store a file, or all of a folder, beside the version's checkpoint."""
        upload = self.client.log_model_artifacts if path.is_dir() else self.client.log_model_artifact
        upload(version.model_id, str(path), folder)

    def fetch(self, version: ModelVersion, into: Path, folder: str = "") -> Path:
        """Download a version's files (or one ``folder`` of them) to ``into``; there already means done.

        Raises:
            RegistryError: the version holds no such folder.
        """
        if into.is_dir():
            return into
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        source = self.client.get_model_version_download_uri(self.name, str(version.number))
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}.") as temporary:
            try:
                got = download_artifacts(f"{source}/{folder}".rstrip("/"), dst_path=temporary, tracking_uri=self.uri)
            except MlflowException as error:
                raise RegistryError(f"{version.reference} has no {folder or 'files'}", received=error) from error
            shutil.move(got, into)
        return into

    def _ask(self, method: str, argument: str, *, what: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return getattr(self.client, method)(self.name, argument)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise RegistryError(
                f"the registry has no models:/{what}", received=str(error), fix="loc3r gate registers a model"
            ) from error

    def _forget_unfinished(self, experiment_id: str, digest: str) -> None:
        """Delete what a killed registration of the same content left: no version has it, so nothing refers to it."""
        found = self.client.search_logged_models([experiment_id], filter_string=f"tags.`{MODEL_HASH}` = '{digest}'")
        for logged in found:
            if logged.name == self.name:  # another registered model may hold the same content
                self.client.delete_logged_model(logged.model_id)

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    @staticmethod
    def _version(raw: Any) -> ModelVersion:
        return ModelVersion(
            name=raw.name,
            number=int(raw.version),
            model_hash=raw.tags.get(MODEL_HASH, ""),
            run_id=raw.run_id or None,
            model_id=raw.source.removeprefix("models:/"),
            tags=dict(raw.tags),
        )


def fetch_model(reference: str, settings: Settings) -> Path:
    """The checkpoint folder that a reference names: a folder, ``models:/loc3r@champion`` or ``models:/loc3r/3``.

    Registered models are kept in ``settings.cache_dir``, checked against the hash they were registered with.

    Raises:
        RegistryError: the registry does not know the reference, or the download is not what was registered.
        ServiceError: MLflow does not answer.
    """
    match = REFERENCE.fullmatch(reference)
    if match is None:
        return _local(reference)
    registry = Registry(settings.tracking_uri, match["name"])
    version = registry.aliased(match["alias"]) if match["alias"] else registry.get(int(match["version"]))
    return fetch_version(registry, version, settings)


def fetch_version(registry: Registry, version: ModelVersion, settings: Settings) -> Path:
    """The checkpoint folder of a version, from the cache or the registry."""
    folder = settings.cache_dir / "models" / f"{version.name}-{version.model_hash or version.model_id}"
    registry.fetch(version, folder)
    digest = model_hash(folder)
    if version.model_hash and digest != version.model_hash:
        shutil.rmtree(folder)
        raise RegistryError(
            f"{version.reference} is damaged", received=digest, expected=version.model_hash,
            fix="the bad copy was removed: try again; if it repeats, the stored files differ: loc3r rollback",
        )  # fmt: skip
    return folder


def _local(reference: str) -> Path:
    if reference.startswith("models:"):
        raise RegistryError(
            "not a model reference", received=reference, expected="models:/NAME@ALIAS or models:/NAME/VERSION"
        )
    folder = Path(reference)
    if not folder.is_dir():
        raise RegistryError(
            "no such model", received=reference, expected="a checkpoint folder or models:/loc3r@champion"
        )
    return folder
