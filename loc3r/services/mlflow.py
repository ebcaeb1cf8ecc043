"""The embedded MLflow server: runs and registry in SQLite, artifacts on S3 or in a folder, served by the server."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from loc3r.services.process import ServerProcess, free_port
from loc3r.services.s3 import S3Access


class MlflowServer(ServerProcess):
    """An MLflow tracking server on the loopback address, with MLflow's own host and origin checks on.

    Args:
        folder: holds the database and, without ``s3``, the artifacts.
        s3: where artifacts go (bucket ``mlflow``); clients still reach them through the server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        s3: S3Access | None = None,
        workers: int = 1,
        log: Path | None = None,
        timeout_s: float = 600,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        artifacts = "s3://mlflow" if s3 else str(folder.resolve() / "artifacts")
        super().__init__(
            "the MLflow server",
            [
                sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port),
                "--workers", str(workers), "--backend-store-uri", f"sqlite:///{folder.resolve() / 'mlflow.db'}",
                "--artifacts-destination", artifacts,
            ],
            log=log or folder.with_suffix(".log"),
            is_ready=lambda: answers(self.url),
            environment={**_ENVIRONMENT, **(s3.environment if s3 else {})},
            timeout_s=timeout_s,  # the first start migrates the database: 20 s, minutes on a loaded machine
        )  # fmt: skip


_ENVIRONMENT: Mapping[str, str] = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else eight more processes, which outlive the server
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def answers(url: str, timeout_s: float = 5) -> bool:
    """Whether an MLflow server is healthy at ``url``."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/health", timeout=timeout_s) as response:
            return bool(response.status == 200)
    except OSError:
        return False
