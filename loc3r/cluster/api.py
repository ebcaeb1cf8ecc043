"""The few calls to the Kubernetes API that trainings need, with errors that say what to do."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self, TypeVar

from loc3r.cluster.environment import Object
from loc3r.errors import ClusterError
from loc3r.settings import load_settings

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
QUIET_S = 300
"""A log that says nothing for this long is asked for again: a lost connection looks the same."""
CALL_S = 30
FORBIDDEN = re.compile(r'cannot (\w+) resource "([^"/]+)/?(\w*)" in API group "([^"]*)"(?: in the namespace "(.+?)")?')
"""Words of a refusal by RBAC: verb, resource, part of it, API group, namespace."""
Answer = TypeVar("Answer")
LogLine = tuple[datetime, str]


class NotFound(ClusterError):
    """The object does not exist, or does no more."""


class Conflict(ClusterError):
    """An object of that name exists already."""


class Unavailable(ClusterError):
    """The API server did not answer, or asks to come again later."""


class Cluster:
    """A namespace of a cluster. ``api`` is a ``kubernetes.client.ApiClient``."""

    def __init__(self, api: Any, namespace: str, *, look_every_s: float = 2.0) -> None:
        from kubernetes import client

        self.namespace, self.look_every_s = namespace, look_every_s
        self._custom, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)
        self._place = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}

    @classmethod
    def connect(cls, namespace: str | None = None) -> Self:
        """The cluster that kubectl talks to, or the one that this process is a pod of.

        Raises:
            ClusterError: neither a kubeconfig nor a service account.
        """
        return cls(_api_client(), namespace or load_settings().namespace)

    def create(self, job: Object, *, dry_run: bool = False) -> Object:
        """Create a TrainJob, or only have it judged: unknown fields are errors.

        Raises:
            Conflict: one of that name exists.
            ClusterError: it is refused; carries the server's words.
        """
        options = {"dry_run": "All"} if dry_run else {}
        return self._call(
            self._custom.create_namespaced_custom_object, **self._place, body=job, field_validation="Strict", **options
        )

    def get(self, name: str) -> Object:
        """A TrainJob.

        Raises:
            NotFound: there is none of that name.
        """
        return self._call(self._custom.get_namespaced_custom_object, **self._place, name=name)

    def jobs(self) -> list[Object]:
        """Our TrainJobs, oldest first."""
        found = self._call(
            self._custom.list_namespaced_custom_object, **self._place, label_selector="app.kubernetes.io/part-of=loc3r"
        )
        return sorted(found["items"], key=lambda job: str(job["metadata"].get("creationTimestamp")))

    def suspend(self, name: str, stopped: bool) -> None:
        """Stop a job's pods, or let them start again."""
        body = {"spec": {"suspend": stopped}}
        self._call(self._custom.patch_namespaced_custom_object, **self._place, name=name, body=body)

    def delete(self, name: str) -> None:
        """Remove a job; it is gone when its pods are."""
        body = {"propagationPolicy": "Foreground"}
        self._call(self._custom.delete_namespaced_custom_object, **self._place, name=name, body=body)

    def pods(self, job: str) -> list[Any]:
        """``V1Pod`` of every pod of a job, oldest first."""
        selector = f"jobset.sigs.k8s.io/jobset-name={job}"
        found = self._call(self._core.list_namespaced_pod, namespace=self.namespace, label_selector=selector)
        return sorted(found.items, key=lambda pod: (pod.metadata.creation_timestamp, pod.metadata.name))

    def log(self, pod: str, *, after: datetime | None = None) -> Iterator[LogLine]:
        """Lines of a pod's log as they come, until its container ends or is quiet for ``QUIET_S``.

        Raises:
            NotFound, Unavailable: the pod is gone, or the connection was lost.
        """
        with _explained():
            stream = self._core.read_namespaced_pod_log(
                pod, self.namespace, follow=True, timestamps=True, _preload_content=False,
                _request_timeout=(CALL_S, QUIET_S),
            )  # fmt: skip
            try:
                yield from _new_lines(stream, after)
            finally:
                stream.close()

    def last_words(self, pod: str, lines: int) -> str:
        """The end of a pod's log."""
        return str(self._call(self._core.read_namespaced_pod_log, pod, self.namespace, tail_lines=lines))

    def _call(self, method: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
        with _explained():
            return method(*arguments, **options, _request_timeout=CALL_S)


def _api_client() -> Any:
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise ClusterError("the Kubernetes client is not installed", fix="pip install loc3r[pipelines]") from error
    try:
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            inside = client.Configuration()
            config.load_incluster_config(client_configuration=inside)
            return client.ApiClient(inside)
        return config.new_client_from_config(os.environ.get("KUBECONFIG"))
    except config.ConfigException as error:
        raise ClusterError(
            "no cluster to talk to", received=error, expected="a kubeconfig with a current context",
            fix="kubectl config use-context …, or KUBECONFIG=… in the environment",
        ) from error  # fmt: skip


def _new_lines(stream: Any, after: datetime | None) -> Iterator[LogLine]:
    """Lines that are younger than ``after``; each comes as "<time> <text>"."""
    rest = b""
    for part in stream.stream(amt=None, decode_content=True):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            time, _, text = line.decode(errors="replace").partition(" ")
            written = datetime.fromisoformat(time)
            if after is None or written > after:
                yield written, text


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the client's errors into ours."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise _refusal(error) from error
    except HTTPError as error:
        raise Unavailable("the Kubernetes API does not answer", received=str(error)[:300]) from error


def _refusal(error: Any) -> ClusterError:
    kinds = {404: NotFound, 409: Conflict, 429: Unavailable}
    kind = kinds.get(error.status, Unavailable if error.status >= 500 else ClusterError)
    words = _words(error.body)
    fix = "log in to the cluster" if error.status == 401 else _asking_for(words)
    return kind(f"Kubernetes refuses ({error.status} {error.reason})", received=words, fix=fix)


def _asking_for(words: str) -> str:
    """How to ask for the right that was lacking; empty when it was not for lack of one."""
    found = FORBIDDEN.search(words)
    if found is None:
        return ""
    verb, resource, part, group, namespace = found.groups()
    which = f"{resource}.{group}" if group else resource
    options = (f" --subresource={part}" if part else "") + (f" -n {namespace}" if namespace else "")
    return f"kubectl auth can-i {verb} {which}{options} must say yes: k8s/base/policies has roles"


def _words(body: str | bytes | None) -> str:
    try:
        return str(json.loads(body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return str(body)[:500]
