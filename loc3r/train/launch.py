"""Start the ranks of a training on this machine with torchrun, pass signals on, and say which rank failed and why."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.errors import TrainingError
from loc3r.files import read_json
from loc3r.train.job import TrainingJob

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

GRACE_S = 120
"""What ranks get to write a checkpoint after a signal before they are killed."""
LOST_PEER = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer", "TCPStore")
"""In the error of a rank that only noticed another one's death."""


def launch(job: TrainingJob, ranks: int) -> None:
    """Run the job on ``ranks`` processes of this machine until it is done.

    Raises:
        TrainingError: a rank failed; names it and the cause.
        SystemExit: a signal stopped the training (128 + its number) after a checkpoint.
    """
    errors = job.out / "errors"
    shutil.rmtree(errors, ignore_errors=True)
    with _environment(_rank_environment(job.device, ranks)):
        from torch.distributed.elastic.multiprocessing.api import SignalException
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.run import parse_args, run

        _silence("torch.distributed.elastic")
        # What torchrun's own main() calls; here its exceptions are data and not text.
        torchrun = ["--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(ranks)]
        try:
            run(parse_args([*torchrun, "-m", "loc3r.train.worker", *job.arguments()]))
        except ChildFailedError as error:
            raise explain(error.failures, errors) from None
        except SignalException as error:
            _told_stop(errors)
            sys.exit(128 + int(error.sigval))


def explain(failures: Mapping[int, ProcessFailure], errors: Path) -> TrainingError:
    """The first cause among the ranks: a stuck one, a killed one, a failed one, one that lost its peer."""
    told = sorted((read_json(path) for path in errors.glob("rank_*.json")), key=_cause_first)
    for each in told:
        if each.get("stuck"):
            return TrainingError(each["message"])
    for rank, failure in sorted(failures.items()):
        if failure.exitcode < 0 and -failure.exitcode not in (signal.SIGTERM, signal.SIGINT):
            name = signal.Signals(-failure.exitcode).name
            return TrainingError(
                f"rank {rank} was killed by {name}",
                fix="out of memory, if nobody sent it; the same command resumes from the last checkpoint",
            )
    if told:
        return _told_error(told[0], errors)
    rank, failure = min(failures.items())
    return TrainingError(f"rank {rank} failed", received=f"exit code {failure.exitcode}, without a message")


def _cause_first(told: Mapping[str, Any]) -> tuple[bool, float]:
    return any(word in told["message"] for word in LOST_PEER), told["time_s"]


def _told_error(told: Mapping[str, Any], errors: Path) -> TrainingError:
    rank, message = told["rank"], told["message"]
    where = "" if told["known"] else f"the traceback is in {errors / f'rank_{rank}.json'}"
    return TrainingError(f"rank {rank} failed: {message}", fix=where)


def _told_stop(errors: Path) -> None:
    import click

    for path in sorted(errors.glob("rank_*.json")):
        click.echo(read_json(path)["message"], err=True)
        return


def _rank_environment(device: str, ranks: int) -> dict[str, str]:
    threads = max(1, len(os.sched_getaffinity(0)) // ranks)
    values = {
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while others work cost more than they bring
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(GRACE_S),
    }
    if device == "cpu":
        values |= {"DS_ACCELERATOR": "cpu", "GLOO_SOCKET_IFNAME": "lo"}
    return values


def _silence(prefix: str) -> None:
    """Turn off torchrun's own log on standard error: what went wrong is told once, by us."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(prefix):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set yet, for the ranks to inherit, and take them back."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
