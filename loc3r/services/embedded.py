"""The embedded default: one S3 and one MLflow server for this folder, started once, found again, stopped together.

State is in ``settings.state_dir``: ``services.json`` (addresses and process ids), data and logs. A server that
the settings name explicitly and that answers is used as it is, and never stopped.
"""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loc3r.errors import ServiceError
from loc3r.files import read_json, write_json
from loc3r.services import mlflow
from loc3r.services.mlflow import MlflowServer
from loc3r.services.process import free_port, listens, preferred_port, stop_group
from loc3r.services.s3 import STOP_SIGNAL, S3Access, S3Server
from loc3r.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Services:
    """Where the servers are, and the environment that makes every tool find them."""

    tracking_uri: str
    s3_endpoint: str
    environment: dict[str, str] = field(repr=False)
    started: tuple[str, ...] = ()
    """Names of the servers that this call had to start."""


def ensure_services(settings: Settings) -> Services:
    """Start what does not run yet and say where everything is; a second call starts nothing.

    Raises:
        ServiceError: a server does not start, or one that the settings name elsewhere does not answer.
    """
    with _locked(settings.state_dir):
        state = _State(settings.state_dir)
        s3 = _ensure_s3(settings, state)
        tracking_uri = _ensure_mlflow(settings, state, s3)
    environment = {
        **s3.environment,
        "LOC3R_TRACKING_URI": tracking_uri,
        "LOC3R_S3_ENDPOINT": s3.endpoint,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return Services(tracking_uri, s3.endpoint, environment, tuple(state.started))


def stop_services(settings: Settings) -> list[str]:
    """Stop the servers that ``ensure_services`` started for this folder; the names of those that ran."""
    with _locked(settings.state_dir):
        state = _State(settings.state_dir)
        return [name for name in ("mlflow", "s3") if state.stop(name)]


def located(settings: Settings) -> Settings:
    """The settings with the addresses of running embedded servers, where none is given explicitly."""
    state = _State(settings.state_dir)
    found = {"tracking_uri": state.url("mlflow"), "s3_endpoint": state.url("s3")}
    news = {key: url for key, url in found.items() if url and key not in settings.model_fields_set}
    return settings.model_copy(update=news)


def _ensure_s3(settings: Settings, state: _State) -> S3Access:
    access_key, secret_key = settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()
    url = state.url("s3") or _outside(settings, "s3_endpoint", _listens)
    if url is None:
        server = S3Server(
            state.folder / "s3", access_key=access_key, secret_key=secret_key,
            port=_port(settings.s3_endpoint), log=state.folder / "logs" / "s3.log",
        )  # fmt: skip
        state.add("s3", server.access.endpoint, server.pid)
        url = server.access.endpoint
    return S3Access(url, access_key, secret_key)


def _ensure_mlflow(settings: Settings, state: _State, s3: S3Access) -> str:
    url = state.url("mlflow") or _outside(settings, "tracking_uri", mlflow.answers)
    if url is None:
        server = MlflowServer(
            state.folder / "mlflow", port=_port(settings.tracking_uri), s3=s3,
            log=state.folder / "logs" / "mlflow.log",
        )  # fmt: skip
        state.add("mlflow", server.url, server.pid)
        url = server.url
    return url


def _outside(settings: Settings, name: str, is_up: Callable[[str], bool]) -> str | None:
    """The address that the settings name explicitly, if a server is there; None asks for an embedded one."""
    url = str(getattr(settings, name))
    if name not in settings.model_fields_set:
        return None
    if is_up(url):
        return url
    if urlsplit(url).hostname in LOOPBACK:
        return None
    raise ServiceError(
        "a server that the settings name does not answer", received=f"LOC3R_{name.upper()}={url}",
        fix=f"start it, or unset LOC3R_{name.upper()} to have an embedded one",
    )  # fmt: skip


def _port(url: str) -> int:
    """The port of ``url`` where it is free, else another one."""
    port = urlsplit(url).port
    return free_port() if port is None else preferred_port(port)


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    return listens(f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}")


class _State:
    """``services.json``: which server is where. A process is known by its id and the time it was born."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "services.json"
        self.entries: dict[str, dict[str, Any]] = read_json(self.path) if self.path.is_file() else {}
        self.started: list[str] = []

    def url(self, name: str) -> str | None:
        """Address of a server of ours that runs."""
        entry = self.entries.get(name)
        return str(entry["url"]) if entry and self._process(entry) else None

    def add(self, name: str, url: str, pid: int) -> None:
        """Record a server that was started now."""
        import psutil

        self.entries[name] = {"url": url, "pid": pid, "born": psutil.Process(pid).create_time()}
        self.started.append(name)
        write_json(self.path, self.entries)

    def stop(self, name: str) -> bool:
        """Stop a server and its children; False if it did not run."""
        import psutil

        entry = self.entries.pop(name, None)
        process = self._process(entry) if entry else None
        if process is not None:
            first = STOP_SIGNAL if name == "s3" else signal.SIGTERM
            stop_group(process.pid, lambda wait_s: psutil.wait_procs([process], wait_s), first=first, grace_s=15)
        write_json(self.path, self.entries)
        return process is not None

    @staticmethod
    def _process(entry: dict[str, Any]) -> Any | None:
        import psutil

        try:
            process = psutil.Process(entry["pid"])
            same = abs(process.create_time() - entry["born"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if same else None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One starter or stopper at a time, over all processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "services.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
