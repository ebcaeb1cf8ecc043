"""A server as a child process: a free port, a log file, readiness, a clean stop, the log's tail when it fails."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from loc3r.errors import ServiceError

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the one that started it dies: it must not go on writing alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tools_path() -> str:
    """``PATH`` for children that call loc3r or dvc by name: the environment that runs us comes first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def free_port() -> int:
    """A TCP port that is free on the loopback address now."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """TCP ports, all different, that are free on the loopback address now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def preferred_port(port: int) -> int:
    """``port`` where nothing listens on it on the loopback address, else another one that is free."""
    return free_port() if listens(f"127.0.0.1:{port}") else port


def listens(address: str) -> bool:
    """Whether something accepts connections at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except OSError:
        return False


def stop_group(pid: int, wait: Callable[[float], object], *, first: int, grace_s: float) -> None:
    """Send ``first`` to a process group, and kill what is left of it; ``wait`` waits so long for its leader."""
    for number, wait_s in ((first, grace_s), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            wait(wait_s)


class ServerProcess:
    """A running server; a context manager that stops it.

    ``is_ready`` is called until it returns True; an exception in it means "not yet".
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
        timeout_s: float = 120,
        stop_signal: int = signal.SIGTERM,
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = log
        self.stop_signal = stop_signal
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(command),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # Ctrl-C reaches us first; then we stop the children in order
            )
        try:
            self._wait_until(is_ready, timeout_s)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Process id, which is also the process group."""
        return self.process.pid

    def stop(self, grace_s: float = 10) -> None:
        """Ask the process group to stop, then kill what is left of it."""
        stop_group(self.pid, self.process.wait, first=self.stop_signal, grace_s=grace_s)

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _wait_until(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServiceError(
                    f"{self.name} stopped while starting (exit {self.process.returncode})",
                    received=self.tail(),
                    fix=f"the whole log is {self.log}",
                )
            try:
                if is_ready():
                    return
            except Exception:  # any failure to connect means "not yet"
                pass
            time.sleep(0.1)
        raise ServiceError(
            f"{self.name} was not ready within {timeout_s:g} s",
            received=self.tail(),
            fix=f"the whole log is {self.log}",
        )

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
