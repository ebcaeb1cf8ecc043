"""A run's processes: started in a session of their own, found again by a mark in their environment, stopped for sure.

The mark reaches every descendant, also one that left the process group or whose parent is gone (torchrun's workers and
servers do both), so that none is overlooked.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import psutil

from loc3r.services.process import tools_path

MARK = "LOC3R_KFP_RUN"
GRACE_S = 10.0


class Process(Protocol):
    """What can be waited for: a child of ours, or one that a server before us started."""

    pid: int

    def wait(self) -> int | None:
        """Wait for the end; the exit code where it can be known."""


def start(run_id: str, folder: Path) -> Process:
    """Start the process of a run; it prints to ``run.log`` in the run's folder."""
    with (folder / "run.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "pipelines.endpoint.execute", str(folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": tools_path(), "PYTHONUNBUFFERED": "1", MARK: run_id},
            start_new_session=True,  # Ctrl-C stops the server and leaves its runs to the next one
        )


def find(run_id: str) -> Process | None:
    """The process of a run that a server before us started, if it still runs."""
    module = "pipelines.endpoint.execute"
    return next((each for each in members(run_id) if module in _command(each)), None)


def members(run_id: str) -> list[psutil.Process]:
    """All living processes of a run."""
    return [each for each in psutil.process_iter() if _mark(each) == run_id]


def stop(run_id: str, grace_s: float = GRACE_S) -> list[psutil.Process]:
    """Ask all processes of a run to stop, kill what is left after ``grace_s``; those that nothing could end."""
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        asked: set[psutil.Process] = set()
        deadline = time.monotonic() + wait_s
        while (left := members(run_id)) and time.monotonic() < deadline:
            for each in set(left) - asked:  # a process may start another while it stops
                _signal(each, number)
                asked.add(each)
            psutil.wait_procs(left, timeout=0.1)
    return members(run_id)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK) if process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.Error, OSError):  # gone, or another user's
        return None


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
