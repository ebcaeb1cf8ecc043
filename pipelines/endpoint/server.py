"""The endpoint as a process: its folder, its address, and uvicorn over the application."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from loc3r.errors import ServiceError
from pipelines.endpoint.app import make_app
from pipelines.endpoint.runs import Runs
from pipelines.endpoint.store import Store

LOOPBACK = ("127.0.0.1", "localhost")


def serve(folder: Path, host: str, port: int, *, venv: bool, on_listening: Callable[[str], None]) -> None:
    """Serve until interrupted; runs that are under way go on, and the next server picks them up.

    Args:
        folder: holds ``endpoint.db`` and a folder for each run.
        host: address to listen on; there is no password, so whoever reaches it can run programs here.
        port: 0 takes any free one.
        venv: whether each step gets a fresh virtual environment.
        on_listening: called with the server's address before the first request is answered.

    Raises:
        ServiceError: the address is taken, or another endpoint uses the folder.
    """
    with _held(folder), _listening(host, port) as listener:
        runs = Runs(Store(folder / "endpoint.db"), folder.resolve() / "runs", venv=venv)
        app = make_app(runs, [host, *LOOPBACK] if host not in ("0.0.0.0", "::") else ["*"])
        on_listening(f"http://{host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5)
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise ServiceError("can't listen", received=f"{host}:{port}: {error}", fix="give another --port") from error
    with listener:
        yield listener


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "endpoint.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceError(
                "another endpoint uses this folder", received=folder, fix="stop it, or set LOC3R_STATE_DIR"
            ) from error
        yield
