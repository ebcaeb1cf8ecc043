"""``loc3r train --on kubernetes`` and ``loc3r jobs``: trainings on a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loc3r.train.job import split_tags

if TYPE_CHECKING:
    from loc3r.cluster.api import Cluster
    from loc3r.cluster.environment import Object
    from loc3r.cluster.plan import TrainingPlan

DETACHED_EXIT = 130
"""What a shell gives a command that Ctrl-C ended."""
OPTIONS = (
    click.option("--yes", is_flag=True, help="Submit without asking."),
    click.option("--resume", metavar="JOB", help="Go on with a stopped or failed job, as it was submitted."),
    click.option("--name", metavar="JOB", help="Default: of recipe, data and start, so the same job again."),
    click.option("--queue", metavar="NAME", help="LocalQueue of Kueue that the job waits in."),
    click.option("--namespace", help="Default: LOC3R_NAMESPACE."),
    click.option("--image", help="Image of the ranks. Default: that of the ClusterTrainingRuntime."),
    click.option("--data-revision", metavar="REV", help="Git revision of dvc.lock, or DVC's hash of the folder."),
    click.option("--rooms", type=click.IntRange(1), help="No --data: synthetic rooms that the job itself makes."),
    click.option("--memory-per-node", type=click.IntRange(1), metavar="GIB", help="Default: 50 a GPU."),
    click.option("--cpus-per-node", type=click.IntRange(1), help="Default: 6 a GPU."),
    click.option("--gpus-per-node", type=click.IntRange(0), default=0, help="A rank each; 0: one CPU rank a node."),
    click.option("--nodes", type=click.IntRange(1), default=1, help="Pods."),
    click.option("--on", type=click.Choice(["here", "kubernetes"]), default="here", show_default=True),
)
CLUSTER_OPTIONS = frozenset(
    {
        "nodes", "gpus_per_node", "cpus_per_node", "memory_per_node", "rooms", "data_revision", "image", "namespace",
        "queue", "name", "resume", "yes",
    }
)  # fmt: skip
"""Names of those that mean nothing on this machine."""


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where to train, and how large."""
    for option in OPTIONS:
        command = option(command)
    return command


def train_on_cluster(*, yes: bool, **arguments: Any) -> None:
    """Show the plan, submit it, follow it; exits with the training's code.

    Raises:
        RecipeError, DataError, TrainingError: the plan is wrong; nothing was sent.
        ClusterError: Kubernetes refuses it.
        SystemExit: always, when the job was followed.
    """
    from loc3r.cluster.api import Cluster
    from loc3r.cluster.jobs import submit

    plan = _plan(**arguments)
    for what, value in plan.rows():
        click.echo(f"{what:8}{value}")
    cluster = Cluster.connect(plan.namespace)
    click.echo(_judged(plan, cluster))
    if not yes:
        click.confirm("Submit?", abort=True)
    _follow(cluster, submit(plan, cluster))


def resume_on_cluster(name: str, namespace: str | None) -> None:
    """Go on with a job as it was submitted, and follow it; exits with the training's code.

    Raises:
        ClusterError: there is no such job.
        SystemExit: always, when the job was followed.
    """
    from loc3r.cluster.api import Cluster
    from loc3r.cluster.jobs import resume

    cluster = Cluster.connect(namespace)
    _follow(cluster, resume(name, cluster))


def _plan(
    *, recipe_path: Path | None, data: Path | None, rooms: int | None, init: Path | None, tags: tuple[str, ...],
    memory_per_node: int | None, **options: Any,
) -> TrainingPlan:  # fmt: skip
    from loc3r.cluster.plan import plan_training

    if recipe_path is None:
        raise click.UsageError("Give --recipe, or --resume JOB.")
    if (data is None) == (rooms is None):
        raise click.UsageError("Give one of --data and --rooms.")
    return plan_training(
        recipe_path,
        data=f"rooms://{rooms}" if rooms else str(data),
        init=str(init) if init else None,
        tags=split_tags(tags),
        memory_per_node_gib=memory_per_node,
        **options,
    )


def _judged(plan: TrainingPlan, cluster: Cluster) -> str:
    """What the API server says to the plan, before anybody is asked."""
    from loc3r.cluster.api import Conflict
    from loc3r.cluster.follow import state_of
    from loc3r.cluster.train_job import render

    try:
        cluster.create(render(plan), dry_run=True)
    except Conflict:
        return f"{plan.name} exists: {state_of(cluster.get(plan.name))}; submitting goes on with it."
    return "The API server would take it (dry run)."


def _follow(cluster: Cluster, name: str) -> None:
    from loc3r.cluster.jobs import wait

    try:
        sys.exit(wait(name, cluster=cluster, tell=click.echo))
    except KeyboardInterrupt:
        there = f" --namespace {cluster.namespace}"
        click.echo(f"\nNot following any more; {name} goes on.", err=True)
        click.echo(f"  look again  loc3r jobs{there} follow {name}", err=True)
        click.echo(f"  stop it     loc3r jobs{there} stop {name}", err=True)
        sys.exit(DETACHED_EXIT)


@click.group(invoke_without_command=True)
@click.option("--namespace", help="Default: LOC3R_NAMESPACE.")
@click.pass_context
def jobs(ctx: click.Context, namespace: str | None) -> None:
    """List the trainings on the cluster, follow or stop one.

    \b
    Example: loc3r jobs
             loc3r jobs follow rooms-tiny-1f2e3d4c
    To go on with a stopped or failed one: loc3r train --on kubernetes --resume NAME
    """
    from loc3r.cluster.api import Cluster

    ctx.obj = Cluster.connect(namespace)
    if ctx.invoked_subcommand is None:
        rows = [_row(job) for job in ctx.obj.jobs()]
        for row in [("JOB", "STATE", "RANKS", "AGE", "RECIPE"), *rows]:
            click.echo("{:34}{:40}{:>6}{:>8}  {}".format(*row))


@jobs.command()
@click.argument("name")
@click.pass_obj
def follow(cluster: Cluster, name: str) -> None:
    """Follow a job's states and its first rank's log; exits with the training's code.

    Example: loc3r jobs follow rooms-tiny-1f2e3d4c
    """
    _follow(cluster, name)


@jobs.command()
@click.argument("name")
@click.pass_obj
def stop(cluster: Cluster, name: str) -> None:
    """Stop a job after a last checkpoint; it can go on later.

    Example: loc3r jobs stop rooms-tiny-1f2e3d4c
    """
    from loc3r.cluster.jobs import stop as stop_job

    stop_job(name, cluster)
    click.echo(f"{name} stops. To go on: loc3r train --on kubernetes --namespace {cluster.namespace} --resume {name}")


def _row(job: Object) -> tuple[str, ...]:
    from loc3r.cluster.environment import world_size
    from loc3r.cluster.follow import state_of

    metadata: Mapping[str, Any] = job["metadata"]
    recipe = metadata.get("annotations", {}).get("loc3r.io/recipe", "")
    made = datetime.fromisoformat(metadata["creationTimestamp"])
    return (
        metadata["name"],
        state_of(job),
        str(world_size(job)),
        _age((datetime.now(UTC) - made).total_seconds()),
        recipe,
    )


def _age(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
