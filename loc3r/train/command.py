"""``loc3r train``: check the job, start its ranks, end with one message."""

from __future__ import annotations

import os
import shutil
from typing import Any

import click

from loc3r.train.job import Identity, TrainingJob, already_trained, job_options, load_job


@click.command()
@job_options
@click.option("--ranks", type=click.IntRange(1), help="Processes on this machine. Default: its GPUs, else 2 at most.")
@click.option("--replace", is_flag=True, help="If --out holds a training of other recipe, data or start: remove it.")
def train(ranks: int | None, replace: bool, **arguments: Any) -> None:
    """Train a recipe with DeepSpeed: tracked by MLflow, resumed where it stopped, not repeated when done.

    \b
    Example: loc3r train --recipe recipes/rooms-tiny.yaml --data data/prepared/train --out runs/tiny
    On a cluster: torchrun -m loc3r.train.worker with the same options (torchrun reads PET_* itself).

    \b
    --out gets  metrics.jsonl  one line a step: losses, learning rate, questions, seconds
                checkpoints/   resumable state, every train.checkpoint_every_steps and at a signal
                model/         the finished model: weights, tokenizer, recipe, lineage, card
                run.json       the MLflow run
    """
    from loc3r.scenes.shards import PreparedData

    job = load_job(**arguments)
    if replace:
        _remove_other(job, job.identity(PreparedData(job.data).data_hash))
    train_job(job, ranks)


def train_job(job: TrainingJob, ranks: int | None = None) -> None:
    """Train a job on this machine, from where it stopped, unless it is done.

    Raises:
        DataError, CheckpointError, TrainingError, ServiceError: the job can't run, or a rank failed.
        SystemExit: a signal stopped it after a checkpoint.
    """
    from loc3r.scenes.shards import PreparedData
    from loc3r.train.batches import check_data, select_samples
    from loc3r.train.launch import launch
    from loc3r.train.record import mend_record
    from loc3r.train.sampler import check_division

    prepared = PreparedData(job.data)
    identity = job.identity(prepared.data_hash)
    if already_trained(job, identity):
        mend_record(job, identity, click.echo)
        click.echo(f"already trained: {job.model}")
        return
    ranks = ranks or _default_ranks(job.device)
    # All of this is checked by the ranks too; here it takes a second instead of twenty.
    check_data(prepared, job.recipe)
    select_samples(prepared, job.recipe.train)
    train_recipe = job.recipe.train
    check_division(train_recipe.scenes_per_step, ranks=ranks, per_micro_batch=train_recipe.scenes_per_micro_batch)
    _check_resume(job, identity, ranks)
    _check_tracking(job)
    launch(job, ranks)
    click.echo(f"model: {job.model}")


def _check_resume(job: TrainingJob, identity: Identity, ranks: int) -> None:
    from loc3r.train.checkpoints import newest

    found = newest(job.checkpoints, tell=lambda _: None)
    if found:
        found.check(identity, ranks)


def _check_tracking(job: TrainingJob) -> None:
    if job.tracking_uri:
        from loc3r.tracking.runs import connect

        connect(job.tracking_uri)


def _remove_other(job: TrainingJob, identity: Identity) -> None:
    """Remove what another job left in ``--out``: its checkpoints, model, tokenizer and curve."""
    from loc3r.tracking.lineage import read_lineage
    from loc3r.train.checkpoints import newest

    found = newest(job.checkpoints, tell=lambda _: None)
    lineage = read_lineage(job.model)
    others = [*([found.identity] if found else []), *([Identity.of(lineage)] if lineage else [])]
    if any(other.differences(identity) for other in others):
        for name in ("checkpoints", "model", "tokenizer", "errors"):
            shutil.rmtree(job.out / name, ignore_errors=True)
        for name in ("metrics.jsonl", "metrics.csv", "run.json", "recipe.yaml"):
            (job.out / name).unlink(missing_ok=True)


def _default_ranks(device: str) -> int:
    if device == "cuda":
        import torch

        return torch.cuda.device_count()
    return min(2, len(os.sched_getaffinity(0)))
