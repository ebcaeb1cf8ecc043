"""One rank: ``torchrun --nproc-per-node 2 -m loc3r.train.worker --recipe … --data … --out …``.

``loc3r train`` starts it this way on one machine; on a cluster torchrun is started by its own environment (PET_*).
A rank that fails leaves ``out/errors/rank_K.json`` and exits with 1; a signal saves a checkpoint and exits with 143.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from loc3r.errors import Loc3RError
from loc3r.files import write_json
from loc3r.services.process import die_with_parent
from loc3r.settings import load_settings
from loc3r.train.job import TrainingJob, already_trained, job_options, load_job
from loc3r.train.watchdog import StuckError, Watchdog, end_stuck

STOPPED_EXIT = 128 + signal.SIGTERM
TOLD_FIRST_S = 30


class StopSignal:
    """Remembers that a signal came, for the loop to stop between two steps; the second one kills."""

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._remember)

    def __call__(self) -> bool:
        """Whether to stop."""
        return self.came

    def _remember(self, number: int, _frame: object) -> None:
        self.came = True
        signal.signal(number, signal.SIG_DFL)


@click.command()
@job_options(required=True)
def main(**arguments: Any) -> None:
    """Run one rank of a training; torchrun calls it."""
    stop = StopSignal()
    die_with_parent()
    _be_quiet()
    rank = int(os.environ.get("RANK", 0))
    errors = Path(arguments["out"]) / "errors"
    (errors / f"rank_{rank}.json").unlink(missing_ok=True)
    try:
        _train(load_job(**arguments), stop, partial(_end_stuck, rank, errors))
    except BaseException as error:
        _leave_error(error, rank, errors)
        sys.stdout.flush()
        sys.stderr.flush()
        # Without Python's clean-up, which would wait for collectives that will never end.
        os._exit(STOPPED_EXIT if stop.came else 1)


def _train(job: TrainingJob, stop: StopSignal, report: Callable[[StuckError], None]) -> None:
    from loc3r.scenes.shards import PreparedData
    from loc3r.train.device import check_precision
    from loc3r.train.engine import Group
    from loc3r.train.trainer import Stopped, Trainer, locked

    prepared = PreparedData(job.data)
    if already_trained(job, prepared.data_hash):
        return  # a pod that was restarted after the end: there may be nobody to join
    check_precision(job.device, job.recipe.train.precision)
    with locked(job.out, first=os.environ.get("RANK") == "0"):
        group = Group.join(job.device)
        identity = group.agree(lambda: job.identity(prepared.data_hash))  # it reads all of --init
        silent_s = load_settings().stuck_after_s
        try:
            with Watchdog(job.out / "heartbeats", group.rank, group.ranks, silent_s=silent_s, report=report) as dog:
                Trainer(job, identity, prepared, group, stop, dog.at).run()
        except Stopped:
            _let_the_told_end_first(stop)
            raise
        group.leave()


def _let_the_told_end_first(stop: StopSignal) -> None:
    """Wait for the ranks that got the signal to end, or for torchrun to end this one.

    On a cluster they are those of an evicted pod, and it is the first pod to fail that decides whether the job was
    disturbed, and starts again for free, or has failed, which counts (k8s/base/training/runtime.yaml).
    """
    until_s = time.monotonic() + TOLD_FIRST_S
    while not stop() and time.monotonic() < until_s:
        time.sleep(0.1)


def _end_stuck(rank: int, errors: Path, error: StuckError) -> None:
    """End this rank, which waits for a stuck one; called while the training hangs."""
    _leave_error(error, rank, errors)
    end_stuck(error.sign)
    os._exit(1)


def _leave_error(error: BaseException, rank: int, folder: Path) -> None:
    """Write what happened for ``loc3r train``, and for torchrun's own report."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    trace = "".join(traceback.format_exception(error))
    known = isinstance(error, Loc3RError)
    message = str(error) if known else f"{type(error).__name__}: {error}"
    told = {"rank": rank, "time_s": time.time(), "known": known, "stuck": isinstance(error, StuckError)}
    write_json(folder / f"rank_{rank}.json", {**told, "message": message, "traceback": trace})
    get_error_handler().record_exception(error)


def _be_quiet() -> None:
    """Keep the libraries' chatter out of the progress; warnings stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    for module in ("torch.distributed", "transformers"):  # called by DeepSpeed; renamed after the oldest we support
        warnings.filterwarnings("ignore", category=FutureWarning, module=module)


if __name__ == "__main__":
    main()
