"""Follow a job: its state, the words of its first rank, and at its end why it ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from loc3r.cluster.api import Cluster, NotFound, Unavailable
from loc3r.cluster.environment import Object

PATIENCE_S = 600
"""How long the API server may be away before we stop to follow; the job does not notice."""
LAST_WORDS = 20
"""Lines of a failed pod."""
LOG_TRIES = 5
"""How often the log of a pod that has ended is asked for: its node may be gone."""
COMPLETE, FAILED, STOPPED = "complete", "failed", "stopped, or waiting in the queue"
Tell = Callable[[str], None]
Answer = TypeVar("Answer")


def state_of(job: Object) -> str:
    """A TrainJob's state in words. Its conditions say how it ended; who is active says what it does."""
    conditions = {each["type"]: each for each in job.get("status", {}).get("conditions", [])}
    for kind, state in (("Complete", COMPLETE), ("Failed", FAILED)):
        if conditions.get(kind, {}).get("status") == "True":
            return state
    if job["spec"].get("suspend"):
        return STOPPED
    steps = {each["name"]: each for each in job.get("status", {}).get("jobsStatus", [])}
    if steps.get("node", {}).get("active"):
        return "training" if steps["node"]["ready"] else "starting its ranks"
    return "fetching data" if steps.get("dataset-initializer", {}).get("active") else "being made"


def follow(cluster: Cluster, name: str, tell: Tell) -> int:
    """Tell a job's states and the log of its data step and its rank 0, through restarts, until it ends.

    Returns:
        0 when it is complete, else the exit code of the rank that failed first.

    Raises:
        NotFound: the job was removed.
        Unavailable: the API server was away for ``PATIENCE_S``.
    """
    told, logs = "", _Logs(cluster, tell)
    while True:
        state = state_of(patiently(cluster, cluster.get, name))
        pods = patiently(cluster, cluster.pods, name)
        line = f"{name}: {state}{_hindrance(pods)}"
        if line != told:
            tell(line)
            told = line
        if logs.read_next(pods):
            continue
        if state in (COMPLETE, FAILED):
            return 0 if state == COMPLETE else _explain_failure(cluster, name, tell)
        time.sleep(cluster.look_every_s)


def patiently(cluster: Cluster, ask: Callable[[str], Answer], name: str) -> Answer:
    """Ask until the API server answers; what it refuses is raised at once."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask(name)
        except Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(cluster.look_every_s)


class _Logs:
    """Reads each log once, though connections break and pods come anew."""

    def __init__(self, cluster: Cluster, tell: Tell) -> None:
        self._cluster, self._tell = cluster, tell
        self._last: dict[str, datetime | None] = {}
        self._lost: Counter[str] = Counter()
        self._done: set[str] = set()

    def read_next(self, pods: list[Any]) -> bool:
        """Read the log of the oldest pod that still has something to say; False when none has."""
        pod = next((pod for pod in pods if _speaks(pod) and pod.metadata.uid not in self._done), None)
        if pod:
            self._read(pod)
        return pod is not None

    def _read(self, pod: Any) -> None:
        uid, name = pod.metadata.uid, pod.metadata.name
        if uid not in self._last:
            self._last[uid] = None
            self._tell(f"-- {name}")
        before = self._last[uid]
        try:
            for written, text in self._cluster.log(name, after=before):
                self._last[uid] = written
                self._tell(text)
            over = True
        except Unavailable:
            self._lost[uid] += 1
            over = self._lost[uid] >= LOG_TRIES
        except NotFound:
            over = True
        if over and _ended(pod):  # looked at before its log was read: nothing can follow
            self._done.add(uid)
        elif self._last[uid] == before:
            time.sleep(self._cluster.look_every_s)


def _speaks(pod: Any) -> bool:
    """Whether it is the data step or holds rank 0, and its container has begun."""
    labels = pod.metadata.labels or {}
    first = labels.get("batch.kubernetes.io/job-completion-index") == "0"
    statuses = pod.status.container_statuses or []
    return first and any(each.state.running or each.state.terminated for each in statuses)


def _hindrance(pods: list[Any]) -> str:
    """What keeps a pod from starting, if anything does: no node for it, an image that can't be pulled."""
    for pod in pods:
        unplaced = [each.message for each in pod.status.conditions or [] if each.reason == "Unschedulable"]
        waiting = [each.state.waiting for each in pod.status.container_statuses or [] if each.state.waiting]
        stuck = unplaced + [f"{each.reason} {each.message}" for each in waiting if each.message]
        if stuck:
            return f", but {pod.metadata.name}: {stuck[0]}"
    return ""


def _ended(pod: Any) -> bool:
    return all(each.state.terminated for each in pod.status.container_statuses or [])


def _explain_failure(cluster: Cluster, name: str, tell: Tell) -> int:
    """Tell why, with the last words of each failed pod that was not followed; the first failure's exit code."""
    job = patiently(cluster, cluster.get, name)
    tell(next((each["message"] for each in job["status"]["conditions"] if each["type"] == "Failed"), "failed"))
    failures = sorted(_failures(patiently(cluster, cluster.pods, name)), key=lambda each: str(each["time"]))
    for each in failures:
        tell(f"-- {each['pod']} ended with {each['code']} ({each['reason']})")
        if not each["followed"]:
            tell(_last_words(cluster, each["pod"]))
    return int(failures[0]["code"]) if failures else 1


def _failures(pods: list[Any]) -> list[Mapping[str, Any]]:
    ended = [(pod, status.state.terminated) for pod in pods for status in pod.status.container_statuses or []]
    return [
        {"pod": pod.metadata.name, "code": end.exit_code, "reason": end.reason, "time": end.finished_at,
         "followed": _speaks(pod)}
        for pod, end in ended if end and end.exit_code
    ]  # fmt: skip


def _last_words(cluster: Cluster, pod: str) -> str:
    try:
        return cluster.last_words(pod, LAST_WORDS)
    except (NotFound, Unavailable):
        return "(its log is gone)"
