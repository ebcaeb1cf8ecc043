"""Start the ranks of an evaluation as processes of this machine, show how far they are, and say which one failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loc3r.benchmark.plan import Plan
from loc3r.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

LOOK_EVERY_S = 0.5


def launch(plan: Plan, ranks: int, console: Console | None = None) -> None:
    """Run ranks until every question is answered.

    Raises:
        DataError: a rank failed or was killed; what was answered is kept.
    """
    ranks = min(ranks, len(plan.left()))
    logs = [plan.folder / "ranks" / f"rank_{rank}.log" for rank in range(ranks)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for rank, log in enumerate(logs):
            processes.append(_start(plan, rank, ranks, log))
        codes = _wait(plan, processes, console)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    for rank, code in enumerate(codes):
        if code:
            raise _failure(rank, code, logs[rank])


def _start(plan: Plan, rank: int, ranks: int, log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    threads = {"OMP_NUM_THREADS": "1"} if plan.identity.device == "cpu" else {}
    command = [sys.executable, "-m", "loc3r.benchmark.worker", str(plan.folder)]
    environment = {**os.environ, **threads, "RANK": str(rank), "WORLD_SIZE": str(ranks)}
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)


def _wait(plan: Plan, processes: Sequence[subprocess.Popen[bytes]], console: Console | None) -> list[int | None]:
    """Show progress until all ranks are done or one fails; their exit codes then."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    total = sum(map(len, plan.questions().values()))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=console is None) as progress:
        task = progress.add_task("questions", total=total)
        while True:
            codes = [process.poll() for process in processes]
            progress.update(task, completed=_lines(plan.journal.path))
            if any(codes) or None not in codes:
                return codes
            time.sleep(LOOK_EVERY_S)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def _failure(rank: int, code: int, log: Path) -> DataError:
    again = "the same command goes on: what was answered is kept"
    if code < 0:
        return DataError(f"rank {rank} was killed by {signal.Signals(-code).name}", fix=again)
    said = log.read_text(errors="replace").strip()
    return DataError(f"rank {rank} failed", received=said[-2000:], fix=f"{log} has all of it; {again}")
