"""Change the version that a running Triton serves: load it, ask it something, keep it or go back."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from dataclasses import dataclass
from struct import pack

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loc3r.client import Loc3R
from loc3r.client.wire import MODEL
from loc3r.errors import Loc3RError, ServiceError
from loc3r.settings import load_settings
from serving.repository import ModelRepository

ADMIN_HEADER = "triton-grpc-protocol-admin-key"


@dataclass(frozen=True)
class Deployment:
    """Outcome of a deployment."""

    version: int
    previous: int | None
    """Served before; None for the first one."""


def deploy(repository: ModelRepository, url: str, version: int | None = None, *, timeout_s: float = 180) -> Deployment:
    """Serve ``version`` (the newest when None) from the Triton at ``url``, if it passes its check.

    Triton keeps answering with the version before until the new one is loaded.

    Raises:
        ServiceError: no such version or server; or the version failed, and the one before serves again.
    """
    history = repository.history or [repository.served]
    version = version or repository.versions[-1]
    previous = history[-1]
    repository.pin(version)
    try:
        if not _serves(url, version, repository.model_hash_of(version)):  # a load would close the open scenes
            _load(url, timeout_s)
        check(url, version, repository.model_hash_of(version), timeout_s)
    except Loc3RError as error:
        raise _gone_back(repository, url, version, previous, error, timeout_s) from error
    repository.record([*history, version] if version != previous else history)
    return Deployment(version, previous if previous != version else None)


def rollback(repository: ModelRepository, url: str, *, timeout_s: float = 180) -> Deployment:
    """Serve the version that was served before the present one.

    Raises:
        ServiceError: there was none, or it fails its check.
    """
    history = repository.history
    if len(history) < 2:
        raise ServiceError("nothing to roll back to", received=f"versions deployed so far: {history}")
    done = deploy(repository, url, history[-2], timeout_s=timeout_s)
    repository.record(history[:-1])
    return done


def check(url: str, version: int, model_hash: str, timeout_s: float) -> None:
    """Ask the served model about a small generated video.

    Raises:
        ServiceError: another model answers, or a number in the pose is not finite.
    """
    with Loc3R(url, timeout_s=timeout_s) as client, client.open_scene(check_video()) as scene:
        answer = scene.ask("I am standing in the room.", "What is in front of me?")
    served = (answer.model.version, answer.model.model_hash)
    if served != (str(version), model_hash):
        raise ServiceError("another model answers", received=served, expected=(str(version), model_hash))
    pose = answer.pose
    numbers = (pose.x_m, pose.y_m, pose.sigma_x_m, pose.sigma_y_m, pose.heading_rad)
    if not all(math.isfinite(number) for number in numbers):
        raise ServiceError("the pose is not finite", received=numbers)


def check_video(frames: int = 4, side_px: int = 64) -> bytes:
    """A few frames of moving stripes, as a zip of PNG files: made here, so that no image library is needed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for frame in range(frames):
            rows = b"".join(
                b"\0"
                + bytes((4 * (x + frame) * (channel + 1) + y) % 256 for x in range(side_px) for channel in range(3))
                for y in range(side_px)
            )
            archive.writestr(zipfile.ZipInfo(f"{frame:06d}.png"), _png(side_px, rows))
    return buffer.getvalue()


def _png(side_px: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _serves(url: str, version: int, model_hash: str) -> bool:
    try:
        with Loc3R(url, timeout_s=10) as client:
            model = client.info()
    except Loc3RError:
        return False
    return (model.version, model.model_hash) == (str(version), model_hash)


def _load(url: str, timeout_s: float) -> None:
    """Make Triton read config.pbtxt again and load the version that it names; returns when it is ready."""
    key = load_settings().triton_admin_key.get_secret_value()
    metadata = [(ADMIN_HEADER, key)] if key else None
    request = service_pb2.RepositoryModelLoadRequest(model_name=MODEL)
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
    repository.pin(previous)
    outcome = "nothing else was served before"
    if previous != version:
        try:
            if not _serves(url, previous, repository.model_hash_of(previous)):  # a failed load left it in place
                _load(url, timeout_s)
            outcome = f"version {previous} serves again"
        except Loc3RError as error:
            outcome = f"version {previous} could not be loaded either: {error.message}"
    return ServiceError(f"version {version} failed its check; {outcome}", received=str(cause), fix=cause.fix)
