"""What may be done with a training on a cluster: submit it, wait for it, stop it, go on with it."""

from __future__ import annotations

import time

from loc3r.cluster.api import Cluster, Conflict, NotFound
from loc3r.cluster.environment import Object
from loc3r.cluster.follow import COMPLETE, FAILED, STOPPED, Tell, follow, state_of
from loc3r.cluster.plan import TrainingPlan
from loc3r.cluster.train_job import API_VERSION, OUTCOME, PLAN, QUEUE, render
from loc3r.errors import ClusterError

GONE_AFTER_S = 300
"""Pods get 180 s for their last checkpoint."""


def submit(plan: TrainingPlan, cluster: Cluster | None = None) -> str:
    """Make a plan's TrainJob; the name to wait for.

    The same plan again finds its job: one that runs or is complete is left alone, a failed or stopped one goes on
    from its last checkpoint, with another number of ranks if the plan has another.

    Raises:
        ClusterError: the job is refused, or another plan's job has this name.
    """
    cluster = cluster or Cluster.connect(plan.namespace)
    job = render(plan)
    try:
        cluster.create(job)
    except Conflict:
        found = cluster.get(plan.name)
        if _may_be_replaced(found, job):
            _make_again(cluster, job)
        else:
            _check_same(found, job)
            resume(plan.name, cluster)
    return plan.name


def wait(name: str, *, cluster: Cluster | None = None, namespace: str | None = None, tell: Tell | None = None) -> int:
    """Wait for a job's end; its exit code. ``tell`` hears its states and the log of rank 0.

    Raises:
        ClusterError: it was removed, or the API server is away for ten minutes.
    """
    return follow(cluster or Cluster.connect(namespace), name, tell or (lambda _: None))


def stop(name: str, cluster: Cluster | None = None) -> None:
    """Stop a job's pods after a last checkpoint; the job stays and can go on.

    Raises:
        ClusterError: a queue owns the job: Kueue would start it again.
    """
    cluster = cluster or Cluster.connect()
    if _is_queued(_get(cluster, name)):
        raise ClusterError(
            f"the queue decides when {name} runs", received="a job with a queue", expected="one without",
            fix=f"kubectl delete trainjob {name} stops it; the command that submitted it goes on with it",
        )  # fmt: skip
    cluster.suspend(name, True)


def resume(name: str, cluster: Cluster | None = None) -> str:
    """Go on with a stopped or failed job from its last checkpoint; one that runs, waits or is complete is left alone.

    Raises:
        NotFound: no such job; its checkpoints may still be in the volume.
    """
    cluster = cluster or Cluster.connect()
    job = _get(cluster, name)
    state = state_of(job)
    if state == FAILED:
        _make_again(cluster, _as_submitted(job))
    elif state == STOPPED and not _is_queued(job):  # Kueue alone ends its own suspension
        cluster.suspend(name, False)
    return name


def _may_be_replaced(found: Object, wanted: Object) -> bool:
    """Whether it has no pods and the wanted job may take its place: it failed, or stopped and has another size."""
    state = state_of(found)
    return state == FAILED or (state == STOPPED and _agree(found, wanted, OUTCOME) and not _agree(found, wanted, PLAN))


def _agree(found: Object, wanted: Object, annotation: str) -> bool:
    has, asked = (each["metadata"].get("annotations", {}).get(annotation) for each in (found, wanted))
    return bool(has == asked)


def _is_queued(job: Object) -> bool:
    return QUEUE in job["metadata"].get("labels", {})


def _get(cluster: Cluster, name: str) -> Object:
    try:
        return cluster.get(name)
    except NotFound as error:
        raise NotFound(
            f"no job {name} in {cluster.namespace}", received=error.received,
            fix="the command that submitted it goes on from its checkpoints; loc3r jobs lists the jobs that there are",
        ) from error  # fmt: skip


def _make_again(cluster: Cluster, job: Object) -> None:
    """A TrainJob that failed, or has another size, can't be started again: another of its name takes its folder."""
    name = job["metadata"]["name"]
    cluster.delete(name)
    until = time.monotonic() + GONE_AFTER_S
    while _exists(cluster, name):
        if time.monotonic() > until:
            raise ClusterError(f"{name} does not go away", fix=f"kubectl describe trainjob {name}")
        time.sleep(cluster.look_every_s)
    cluster.create(job)


def _exists(cluster: Cluster, name: str) -> bool:
    try:
        cluster.get(name)
    except NotFound:
        return False
    return True


def _as_submitted(job: Object) -> Object:
    """What was sent, without what the server added."""
    kept = {name: value for name, value in job["metadata"].items() if name in ("name", "namespace", "labels")}
    kept["annotations"] = {k: v for k, v in job["metadata"].get("annotations", {}).items() if k.startswith("loc3r.io/")}
    spec = {name: value for name, value in job["spec"].items() if name != "suspend"}
    return {"apiVersion": API_VERSION, "kind": "TrainJob", "metadata": kept, "spec": spec}


def _check_same(found: Object, wanted: Object) -> None:
    """A job that is over needs only the same weights; one that is not must be the same in all."""
    decisive = OUTCOME if state_of(found) == COMPLETE else PLAN
    if not _agree(found, wanted, decisive):
        name = wanted["metadata"]["name"]
        raise ClusterError(
            f"{name} is another plan's job",
            received=f"a job that is {state_of(found)}, of another {decisive}",
            expected=f"{decisive} {wanted['metadata']['annotations'][decisive]}",
            fix=f"another --name; or kubectl delete trainjob {name}, to go on from its checkpoint with the new plan",
        )
