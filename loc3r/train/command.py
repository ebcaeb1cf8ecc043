"""``loc3r train``: check the job, start its ranks here or on a cluster, end with one message."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import click

from loc3r.cluster.command import CLUSTER_OPTIONS, cluster_options, resume_on_cluster, train_on_cluster
from loc3r.train.job import Identity, TrainingJob, already_trained, job_options, load_job

LOCAL_OPTIONS = frozenset({"out", "device", "ranks", "replace", "estimate", "gpu"})
RESUME_OPTIONS = frozenset({"on", "resume", "namespace", "yes"})


@click.command()
@job_options(required=False)
@click.option("--ranks", type=click.IntRange(1), help="Processes on this machine. Default: its GPUs, else 2 at most.")
@click.option("--replace", is_flag=True, help="If --out holds a training of other recipe, data or start: remove it.")
@click.option("--estimate", is_flag=True, help="Print memory, tokens a step and time an epoch, and train nothing.")
@click.option(
    "--gpu", metavar="NAME", help="With --estimate: the GPU to plan for, such as H100. Default: what is here."
)
@cluster_options
def train(on: str, ranks: int | None, replace: bool, estimate: bool, gpu: str | None, **arguments: Any) -> None:
    """Train a recipe with DeepSpeed: tracked by MLflow, resumed where it stopped, not repeated when done.

    \b
    Example: loc3r train --recipe recipes/rooms-tiny.yaml --data data/prepared/train --out runs/tiny
             loc3r train --recipe recipes/loc3r-7b-8x80gb.yaml --estimate --ranks 8 --gpu H100
             loc3r train --recipe recipes/loc3r-7b.yaml --data data/prepared/train --on kubernetes \\
               --nodes 2 --gpus-per-node 4

    \b
    --out gets  metrics.jsonl  one line a step: losses, learning rate, questions, seconds
                checkpoints/   resumable state, every train.checkpoint_every_steps and at a signal
                model/         the finished model: weights, tokenizer, recipe, lineage, card
                run.json       the MLflow run

    On Kubernetes the plan is shown first; then the job is submitted and followed, and its exit code is this command's.
    Ctrl-C only stops following. The same command again, or --resume NAME, goes on: loc3r jobs lists what there is.
    """
    ctx = click.get_current_context()
    there = {name: arguments.pop(name) for name in CLUSTER_OPTIONS}
    if on == "here":
        _refuse_given(ctx, CLUSTER_OPTIONS, "--on here")
        _require(ctx, "recipe_path", *([] if estimate else ["data", "out"]))
        if estimate:
            _print_estimate(ranks, gpu, arguments)
            return
        _train_here(ranks, replace, arguments)
    elif there["resume"]:
        _refuse_given(ctx, frozenset(ctx.params) - RESUME_OPTIONS, "--resume: the job goes on as it was submitted")
        resume_on_cluster(there["resume"], there["namespace"])
    else:
        _refuse_given(ctx, LOCAL_OPTIONS, "--on kubernetes")
        there |= {name: value for name, value in arguments.items() if name not in LOCAL_OPTIONS}
        del there["resume"]
        train_on_cluster(**there)


def _train_here(ranks: int | None, replace: bool, arguments: dict[str, Any]) -> None:
    from loc3r.scenes.shards import PreparedData

    job = load_job(**arguments)
    if replace:
        _remove_other(job, job.identity(PreparedData(job.data).data_hash))
    train_job(job, ranks)


def _print_estimate(ranks: int | None, gpu: str | None, arguments: dict[str, Any]) -> None:
    from loc3r.scenes.shards import PreparedData
    from loc3r.train import estimate
    from loc3r.train.batches import sampler_of, select_samples
    from loc3r.train.sampler import check_division

    job = load_job(**{**arguments, "out": arguments["out"] or Path()})
    ranks = ranks or (1 if gpu else _default_ranks(job.device))
    train = job.recipe.train
    check_division(train.scenes_per_step, ranks=ranks, per_micro_batch=train.scenes_per_micro_batch)
    device = estimate.named(gpu, train.precision) if gpu else estimate.here(job.device, ranks, train.precision)
    units = sampler_of(select_samples(PreparedData(job.data), train), job.recipe).units_per_epoch if job.data else None
    for what, value in estimate.estimate(job.recipe, ranks, device, units).rows():
        click.echo(f"{what:<22}{value}")


def _refuse_given(ctx: click.Context, names: frozenset[str], where: str) -> None:
    """An option that means nothing where the training runs would be accepted and ignored."""
    for option in ctx.command.params:
        given = option.name and ctx.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE
        if given and option.name in names:
            raise click.UsageError(f"{option.opts[0]} means nothing with {where}.", ctx)


def _require(ctx: click.Context, *names: str) -> None:
    for option in ctx.command.params:
        if option.name in names and ctx.params[option.name] is None:
            raise click.MissingParameter(ctx=ctx, param=option)


def train_job(job: TrainingJob, ranks: int | None = None) -> None:
    """Train a job on this machine, from where it stopped, unless it is done.

    Raises:
        DataError, CheckpointError, TrainingError, ServiceError: the job can't run, or a rank failed.
        SystemExit: a signal stopped it after a checkpoint.
    """
    from loc3r.scenes.shards import PreparedData
    from loc3r.train.batches import check_data, select_samples
    from loc3r.train.device import check_device
    from loc3r.train.launch import launch
    from loc3r.train.record import mend_record
    from loc3r.train.sampler import check_division
    from loc3r.train.start import check_start

    prepared, train = PreparedData(job.data), job.recipe.train
    if identity := already_trained(job, prepared.data_hash):
        mend_record(job, identity, click.echo)
        click.echo(f"already trained: {job.model}")
        return
    ranks = _default_ranks(job.device) if ranks is None else ranks
    # All of this is checked by the ranks too; here it takes a second instead of twenty.
    check_data(prepared, job.recipe)
    check_device(job.device, ranks, train.precision)
    check_division(train.scenes_per_step, ranks=ranks, per_micro_batch=train.scenes_per_micro_batch)
    check_start(job.recipe, prepared, job.init)
    select_samples(prepared, train)
    _check_resume(job, prepared.data_hash)
    _check_tracking(job)
    launch(job, ranks)
    click.echo(f"model: {job.model}")


def _check_resume(job: TrainingJob, data_hash: str) -> None:
    from loc3r.train.checkpoints import newest

    found = newest(job.checkpoints, tell=lambda _: None)
    if found:
        found.check(job.identity(data_hash))


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
