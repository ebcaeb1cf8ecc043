"""Change the release that servers on a cluster serve: Kubernetes starts pods with it beside the others.

What a pod serves is written in its template (the Deployment's ``RELEASE``, the InferenceService's ``storageUri``), so
restarted and autoscaled pods serve the same. A pod is ready, and gets questions, when its checksums were right and its
model has answered the smoke question; the pods before it go only then (maxUnavailable 0).
"""

from __future__ import annotations

import contextlib
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from loc3r.cluster import Cluster
from loc3r.errors import Loc3RError, ServiceError
from serving.deploy import Deployment
from serving.releases import Release, Releases

Ask = Callable[[Any, Release], None]
"""Takes a ``V1Pod`` and the release that it should serve."""
HISTORY = "loc3r.io/releases"
"""Annotation: releases that passed their checks, in the order that they were deployed."""
FAILED_LOAD = re.compile(r".*failed to load 'loc3r'.*")


class Servers(Cluster, ABC):
    """What serves on a cluster, and the Kubernetes Deployment that runs its pods."""

    deployment: str
    grpc_port: int

    def __init__(self, api: Any, namespace: str, *, look_every_s: float = 2.0) -> None:
        from kubernetes import client

        super().__init__(api, namespace, look_every_s=look_every_s)
        self._apps = client.AppsV1Api(api)

    @abstractmethod
    def annotations(self) -> dict[str, str]:
        """Annotations of the object that names the release."""

    @abstractmethod
    def serve(self, release: Release | None) -> None:
        """Name another release; Kubernetes does the rest. None: the one of the manifest."""

    @abstractmethod
    def annotate(self, annotations: dict[str, str]) -> None:
        """Set annotations of the object that names the release."""

    @property
    def history(self) -> list[str]:
        """Releases that passed their checks, oldest first."""
        return self.annotations().get(HISTORY, "").split()

    def record(self, history: list[str]) -> None:
        """Replace the history."""
        self.annotate({HISTORY: " ".join(history)})

    def wait(self, release: str, timeout_s: float) -> list[Any]:
        """Wait until every replica serves a release; its pods.

        Raises:
            ServiceError: a pod of it failed to load, or they were not ready in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            state = self._call(self._apps.read_namespaced_deployment, self.deployment, self.namespace)
            pods = [pod for pod in self._pods(state) if release in str(pod.spec)]
            if release in str(state.spec.template) and _rolled_out(state) and self.is_settled():
                return pods
            trouble = next(filter(None, map(self._trouble, pods)), "")
            if trouble or time.monotonic() > deadline_s:
                raise ServiceError(
                    "the new pods do not become ready", received=trouble or f"not within {timeout_s:g} s",
                    fix=f"kubectl describe deploy/{self.deployment} -n {self.namespace}; docs/operations.md",
                )  # fmt: skip
            time.sleep(self.look_every_s)

    def is_settled(self) -> bool:
        """Whether whoever owns the Deployment is content too."""
        return True

    def _pods(self, state: Any) -> list[Any]:
        labels = ",".join(f"{name}={value}" for name, value in state.spec.selector.match_labels.items())
        found = self._call(self._core.list_namespaced_pod, namespace=self.namespace, label_selector=labels)
        return [pod for pod in found.items if pod.metadata.deletion_timestamp is None]

    def _trouble(self, pod: Any) -> str:
        """Why a pod will not become ready: what waits for no one to mend it."""
        statuses = [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]
        for status in statuses:
            waiting = status.state.waiting if status.state else None
            if waiting and waiting.reason in ("ImagePullBackOff", "CrashLoopBackOff", "InvalidImageName"):
                return f"{pod.metadata.name}: {waiting.reason} {waiting.message or ''}"
        if not statuses or all(status.ready for status in statuses):
            return ""
        with contextlib.suppress(Loc3RError):  # it has no log yet
            said = FAILED_LOAD.findall(self.last_words(pod.metadata.name, 200))
            return f"{pod.metadata.name}: {max(said, key=len)}" if said else ""  # the one that says why
        return ""


class TritonDeployment(Servers):
    """Our own Deployment (k8s/base/serving): each Triton reads the release from S3."""

    deployment, grpc_port = "loc3r-triton", 8001
    container, variable = "triton", "RELEASE"

    def annotations(self) -> dict[str, str]:
        state = self._call(self._apps.read_namespaced_deployment, self.deployment, self.namespace)
        return dict(state.metadata.annotations or {})

    def serve(self, release: Release | None) -> None:
        entry = {"value": release.name} if release else {"$patch": "delete"}
        container = {"name": self.container, "env": [{"name": self.variable, **entry}]}
        self._patch({"spec": {"template": {"spec": {"containers": [container]}}}})

    def annotate(self, annotations: dict[str, str]) -> None:
        self._patch({"metadata": {"annotations": annotations}})

    def _patch(self, body: dict[str, Any]) -> None:
        self._call(
            self._apps.patch_namespaced_deployment, self.deployment, self.namespace, body, field_validation="Strict"
        )


class InferenceService(Servers):
    """KServe's object of that name (k8s/base/kserve), in Standard mode: KServe brings the release to each pod."""

    deployment, grpc_port = "loc3r-predictor", 9000
    name = "loc3r"

    def annotations(self) -> dict[str, str]:
        return dict(self._read()["metadata"].get("annotations", {}))

    def serve(self, release: Release | None) -> None:
        self._patch({"spec": {"predictor": {"model": {"storageUri": release.uri if release else None}}}})

    def annotate(self, annotations: dict[str, str]) -> None:
        self._patch({"metadata": {"annotations": annotations}})

    def is_settled(self) -> bool:
        conditions = self._read().get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    @property
    def _where(self) -> dict[str, str]:
        place = {"group": "serving.kserve.io", "version": "v1beta1", "plural": "inferenceservices"}
        return {**place, "namespace": self.namespace, "name": self.name}

    def _read(self) -> dict[str, Any]:
        return self._call(self._custom.get_namespaced_custom_object, **self._where)

    def _patch(self, body: dict[str, Any]) -> None:
        self._call(self._custom.patch_namespaced_custom_object, **self._where, body=body, field_validation="Strict")


def roll_out(servers: Servers, releases: Releases, name: str, ask: Ask, timeout_s: float) -> Deployment:
    """Have every replica serve a release, if it becomes ready and answers.

    Killed at any moment and run again, it ends the same.

    Args:
        servers: what serves.
        releases: where the release is.
        name: the release.
        ask: asks one pod that serves it a smoke question over the wire, and raises.
        timeout_s: for the pods to be ready.

    Raises:
        ServiceError: no such release, or it failed and the one before serves on.
        ClusterError: Kubernetes does not answer, or refuses.
    """
    history = servers.history
    previous = history[-1] if history else None
    after = history if name == previous else [*history, name]
    return _change(servers, releases, name, previous=previous, after=after, ask=ask, timeout_s=timeout_s)


def roll_back(servers: Servers, releases: Releases, ask: Ask, timeout_s: float) -> Deployment:
    """Serve the release that was served before the present one; raises as ``roll_out`` does."""
    history = servers.history
    if len(history) < 2:
        raise ServiceError("nothing to roll back to", received=f"releases deployed so far: {' '.join(history)}")
    *after, previous = history
    return _change(servers, releases, after[-1], previous=previous, after=after, ask=ask, timeout_s=timeout_s)


def _change(
    servers: Servers,
    releases: Releases,
    name: str,
    *,
    previous: str | None,
    after: list[str],
    ask: Ask,
    timeout_s: float,
) -> Deployment:
    """Serve and check ``name``, then write down that it serves (``after``: the history), or go back."""
    release = releases.get(name)
    servers.serve(release)
    try:
        for pod in servers.wait(name, timeout_s):
            ask(pod, release)
    except Loc3RError as error:
        servers.serve(releases.find(previous) if previous else None)
        raise ServiceError(
            f"release {name} failed; {f'release {previous} serves on' if previous else 'nothing served before'}",
            received=str(error), fix=error.fix,
        ) from error  # fmt: skip
    servers.record(after)
    return Deployment(name, previous if previous != name else None)


def _rolled_out(state: Any) -> bool:
    """What ``kubectl rollout status`` waits for.

    Raises:
        ServiceError: Kubernetes has given up.
    """
    status, wanted = state.status, state.spec.replicas
    for condition in status.conditions or []:
        if condition.reason == "ProgressDeadlineExceeded":
            raise ServiceError("the rollout does not progress", received=condition.message)
    if (status.observed_generation or 0) < state.metadata.generation:
        return False
    counts = (status.updated_replicas, status.replicas, status.available_replicas)
    return all((count or 0) == wanted for count in counts)
