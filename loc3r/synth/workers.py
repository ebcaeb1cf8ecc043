"""Make many rooms: in processes of their own, one core each, with a bar that counts those made before as well."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from loc3r.services.process import die_with_parent

Job = TypeVar("Job")


def make_all(title: str, make: Callable[[Job], None], todo: Sequence[Job], workers: int, total: int) -> None:
    """Call ``make`` on each of ``todo``; the bar counts to ``total``. What runs when one fails is finished first.

    With more than one worker, ``make`` and the jobs must be picklable.
    """
    with _bar() as progress:
        task = progress.add_task(title, total=total, completed=total - len(todo), made=0)
        for number, _ in enumerate(_made(make, todo, min(workers, len(todo))), 1):
            progress.update(task, advance=1, made=number)


def _made(make: Callable[[Job], None], todo: Sequence[Job], workers: int) -> Iterator[None]:
    """Make the jobs and yield as each is done."""
    if workers <= 1:
        for job in todo:
            make(job)
            yield
        return
    # Spawned workers inherit no threads or locks; each computes on one core.
    context = multiprocessing.get_context("spawn")
    with _one_thread_each(), ProcessPoolExecutor(workers, context, initializer=die_with_parent) as pool:
        futures: list[Future[None]] = [pool.submit(make, job) for job in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile run their linear algebra on one thread."""
    name, before = "OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS")
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


class _RoomsPerSecond(ProgressColumn):
    """Rooms made in this run, a second."""

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(f"{task.fields['made'] / max(task.elapsed or 0, 1e-9):.2f} rooms/s")


def _bar() -> Progress:
    text = TextColumn("{task.description}")
    return Progress(text, BarColumn(), MofNCompleteColumn(), _RoomsPerSecond(), TimeRemainingColumn())
