"""Where a model is deployed to: a Triton on this machine, a Deployment of Tritons, KServe. One interface."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from loc3r.errors import ServiceError
from loc3r.services.embedded import LOOPBACK
from loc3r.services.process import ServerProcess, free_port, listens
from loc3r.services.s3 import S3Access
from loc3r.settings import Settings
from serving import deploy as local
from serving.check import check_served
from serving.deploy import Deployment
from serving.releases import Release, Releases
from serving.repository import FIRST_SETTINGS, ModelRepository
from serving.rollout import InferenceService, Servers, TritonDeployment, roll_back, roll_out


class Target(Protocol):
    """What serves models."""

    @property
    def where(self) -> str:
        """For people."""

    def deploy(self, checkpoint: Path, source: str, package: Mapping[str, str]) -> Deployment:
        """Package a checkpoint, load it, ask it, change over to it; on failure what served before goes on.

        Args:
            checkpoint: a checkpoint folder.
            source: where it came from, for people.
            package: settings of the package (``ModelRepository.export``) that are to change.

        Raises:
            CheckpointError: it is not whole.
            ServiceError: it failed.
        """

    def rollback(self) -> Deployment:
        """Serve what was served before the present model.

        Raises:
            ServiceError: there was nothing, or it failed.
        """


@dataclass(frozen=True)
class LocalTriton:
    """The Triton that runs over a folder."""

    repository: ModelRepository
    url: str
    timeout_s: float

    @property
    def where(self) -> str:
        return self.url

    def deploy(self, checkpoint: Path, source: str, package: Mapping[str, str]) -> Deployment:
        return self.deploy_exported(self.repository.export(checkpoint, source=source, settings=package).version)

    def deploy_exported(self, version: int | None) -> Deployment:
        """Serve a version that the folder holds; None: the newest."""
        return local.deploy(self.repository, self.url, version, timeout_s=self.timeout_s)

    def rollback(self) -> Deployment:
        return local.rollback(self.repository, self.url, timeout_s=self.timeout_s)


@dataclass(frozen=True)
class OnCluster:
    """Servers on a cluster, and the releases that they read."""

    servers: Servers
    releases: Releases
    scratch: Path
    url: str | None
    timeout_s: float

    @property
    def where(self) -> str:
        return f"deploy/{self.servers.deployment} in namespace {self.servers.namespace}"

    def deploy(self, checkpoint: Path, source: str, package: Mapping[str, str]) -> Deployment:
        history = self.servers.history
        present = self.releases.find(history[-1]) if history else None
        settings = {**(present.settings if present else FIRST_SETTINGS), **package}
        release = self.releases.publish(checkpoint, source=source, settings=settings, scratch=self.scratch)
        return roll_out(self.servers, self.releases, release.name, self._ask, self.timeout_s)

    def rollback(self) -> Deployment:
        return roll_back(self.servers, self.releases, self._ask, self.timeout_s)

    def _ask(self, pod: Any, release: Release) -> None:
        with self._reached(pod) as url:
            check_served(url, release.name, release.model_hash, timeout_s=120)

    @contextmanager
    def _reached(self, pod: Any) -> Iterator[str]:
        """Address of a pod's gRPC port, from in the cluster or out of it."""
        port = self.servers.grpc_port
        if self.url or "KUBERNETES_SERVICE_HOST" in os.environ:
            yield self.url or f"{pod.status.pod_ip}:{port}"
            return
        if shutil.which("kubectl") is None:
            raise ServiceError("no way to the pod", expected="kubectl on PATH, for port-forward", fix="or give --url")
        ours = free_port()
        name, namespace = f"pod/{pod.metadata.name}", self.servers.namespace
        command = ["kubectl", "port-forward", "--namespace", namespace, name, f"{ours}:{port}"]
        log, address = self.scratch / "port-forward.log", f"127.0.0.1:{ours}"
        with ServerProcess("kubectl port-forward", command, log=log, is_ready=lambda: listens(address), timeout_s=30):
            yield address


def target_of(
    kind: str, settings: Settings, *, repository: str | None, url: str | None, namespace: str | None, timeout_s: float
) -> Target:
    """The target of a name in ``serving.command.TARGETS``."""
    if kind == "local":
        from loc3r.client.command import triton_url

        return LocalTriton(ModelRepository(Path(repository or "runs/serving")), url or triton_url(settings), timeout_s)
    servers = {"kubernetes": TritonDeployment, "kserve": InferenceService}[kind].connect(namespace)
    releases = Releases(repository or settings.model_repository, s3_access(settings))
    return OnCluster(servers, releases, settings.cache_dir / "releases", url, timeout_s)


def s3_access(settings: Settings) -> S3Access:
    """Our keys for our S3 server; for others what boto3 finds (AWS_* variables, a cloud role)."""
    given = "s3_access_key" in settings.model_fields_set
    embedded = urlsplit(settings.s3_endpoint).hostname in LOOPBACK and "AWS_ACCESS_KEY_ID" not in os.environ
    if not (given or embedded):
        return S3Access(settings.s3_endpoint, "", "")
    return S3Access(
        settings.s3_endpoint, settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()
    )
