"""Change the version that a running Triton serves: load it, ask it something, keep it or go back.

Triton loads the new version beside the old one (explicit model control, version policy "specific") and changes over
when it is ready; a version that fails its smoke question is never ready. It is tried with a configuration that goes
with the call. config.pbtxt, which a restarted Triton reads, names it once it has answered over the wire.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from loc3r.client.wire import MODEL
from loc3r.errors import Loc3RError, ServiceError
from loc3r.settings import load_settings
from serving.check import check_served, serves
from serving.repository import ModelRepository

ADMIN_HEADER = "triton-grpc-protocol-admin-key"


@dataclass(frozen=True)
class Deployment:
    """Outcome of a deployment."""

    version: str
    previous: str | None
    """Served before; None for the first one."""


def deploy(repository: ModelRepository, url: str, version: int | None = None, *, timeout_s: float = 180) -> Deployment:
    """Serve ``version`` (the newest when None) from the Triton at ``url``, if it passes its check.

    Killed at any moment and run again, it ends the same.

    Raises:
        ServiceError: no such version or server; or the version failed, and the one before serves again.
    """
    history = repository.history or [repository.served]
    version = version or repository.versions[-1]
    after = history if version == history[-1] else [*history, version]
    return _change(repository, url, version, previous=history[-1], after=after, timeout_s=timeout_s)


def rollback(repository: ModelRepository, url: str, *, timeout_s: float = 180) -> Deployment:
    """Serve the version that was served before the present one.

    Raises:
        ServiceError: there was none, or it fails its check.
    """
    history = repository.history
    if len(history) < 2:
        raise ServiceError("nothing to roll back to", received=f"versions deployed so far: {history}")
    *after, previous = history
    return _change(repository, url, after[-1], previous=previous, after=after, timeout_s=timeout_s)


def _change(
    repository: ModelRepository, url: str, version: int, *, previous: int, after: list[int], timeout_s: float
) -> Deployment:
    """Load and check ``version``, then write down that it serves (``after``: the history), or go back."""
    try:
        if not serves(url, str(version), repository.model_hash_of(version)):  # a load would close the open scenes
            load(url, repository.config(version), timeout_s=timeout_s)
        check_served(url, str(version), repository.model_hash_of(version), timeout_s)
    except Loc3RError as error:
        raise _gone_back(repository, url, version, previous, error, timeout_s) from error
    repository.pin(version)
    repository.record(after)
    return Deployment(str(version), str(previous) if previous != version else None)


def load(url: str, config: str = "", *, timeout_s: float) -> None:
    """Have Triton load the version that ``config`` (else its config.pbtxt) names; returns when it is ready.

    Raises:
        ServiceError: it can't, or may not: what was served before still is.
    """
    key = load_settings().triton_admin_key.get_secret_value()
    metadata = [(ADMIN_HEADER, key)] if key else None
    request = service_pb2.RepositoryModelLoadRequest(model_name=MODEL)
    if config:
        message = text_format.Parse(config, model_config_pb2.ModelConfig())
        request.parameters["config"].string_param = json_format.MessageToJson(message, preserving_proto_field_name=True)
    with grpc.insecure_channel(url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            stub.RepositoryModelLoad(request, timeout=timeout_s, metadata=metadata)
        except grpc.RpcError as error:
            raise ServiceError(
                "Triton did not load the model", received=f"{error.code().name}: {error.details()}"[:800],
                fix="is it running (loc3r serve), over this repository? Does LOC3R_TRITON_ADMIN_KEY fit?",
            ) from error  # fmt: skip


def _gone_back(
    repository: ModelRepository, url: str, version: int, previous: int, cause: Loc3RError, timeout_s: float
) -> ServiceError:
    """Serve the version before again; the error to raise."""
    outcome = "nothing else was served before"
    if previous != version:
        try:
            if not serves(url, str(previous), repository.model_hash_of(previous)):  # a failed load left it in place
                load(url, timeout_s=timeout_s)
            outcome = f"version {previous} serves again"
        except Loc3RError as error:
            outcome = f"version {previous} could not be loaded either: {error.message}"
    return ServiceError(f"version {version} failed its check; {outcome}", received=str(cause), fix=cause.fix)
