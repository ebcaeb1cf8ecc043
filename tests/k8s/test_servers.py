"""The servers' arguments in the manifests, given to the real servers: probes, restricted calls, metrics."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from manifests import K8S, named, pods
from tritonclient.grpc import service_pb2, service_pb2_grpc

from loc3r.client.wire import MODEL
from loc3r.errors import ServiceError
from loc3r.services import s3
from loc3r.services.process import free_ports
from loc3r.services.s3 import S3Access
from loc3r.services.triton import TritonHome, _environment, triton_home
from serving.deploy import load

KEY = "sesame"
ECHO = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([]) for _ in requests]
"""
CONFIG = f"""
name: "{MODEL}" backend: "python" max_batch_size: 0
output [ {{ name: "OUT", data_type: TYPE_UINT8, dims: [ -1 ] }} ]
"""


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=file, stderr=file, start_new_session=True
        )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path, timeout_s: float = 200) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.05)


def status(url: str, method: str = "GET") -> int:
    try:
        return urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=5).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def container_of(overlays, kind, name):
    (pod,) = pods([named(overlays["laptop"], kind, name)])
    return pod.spec["containers"][0]


def port_of(container, name):
    return next(port["containerPort"] for port in container["ports"] if port["name"] == name)


def probe(container, kind, ports) -> str:
    get = container[kind]["httpGet"]
    return f"http://127.0.0.1:{ports[get['port']]}{get['path']}"


def triton_command(home: TritonHome, container, repository: Path, ports: dict[str, int]) -> list[str]:
    """The manifest's arguments; what is added is where things are here, and the ports."""
    arguments = [
        each.replace("$(ADMIN_KEY)", KEY).replace("$(TRITON_MODELS)/$(RELEASE)", str(repository))
        for each in container["args"]
    ]
    return [
        str(home.server), *arguments, f"--backend-directory={home.backends()}",
        *(f"--{name}-port={port}" for name, port in ports.items()),
        *(f"--{name}-address=127.0.0.1" for name in ports),
        f"--backend-config=python,shm-region-prefix-name=loc3r_k8s_{ports['grpc']}_",
    ]  # fmt: skip


@pytest.mark.timeout(600)
def test_triton_is_alive_without_a_model_ready_with_one_and_loads_for_the_deployer_only(
    overlays, tmp_path, monkeypatch
):
    container, home = container_of(overlays, "Deployment", "loc3r-triton"), triton_home()
    ports, repository, log = (
        dict(zip(("http", "grpc", "metrics"), free_ports(3), strict=True)),
        tmp_path / "models",
        tmp_path / "log",
    )
    repository.mkdir()
    url = f"127.0.0.1:{ports['grpc']}"
    command = triton_command(home, container, repository, ports)
    with running(command, _environment(home), log) as process:
        alive, ready = (probe(container, kind, ports) for kind in ("livenessProbe", "readinessProbe"))
        until(lambda: status(alive) == 200, process, log)
        assert status(ready) == 400

        (repository / MODEL / "1").mkdir(parents=True)
        (repository / MODEL / "config.pbtxt").write_text(CONFIG)
        (repository / MODEL / "1" / "model.py").write_text(ECHO)
        with pytest.raises(ServiceError, match="protocol is restricted"):
            load(url, timeout_s=30)
        monkeypatch.setenv("LOC3R_TRITON_ADMIN_KEY", "wrong")
        with pytest.raises(ServiceError, match="protocol is restricted"):
            load(url, timeout_s=30)
        assert status(ready) == 400
        monkeypatch.setenv("LOC3R_TRITON_ADMIN_KEY", KEY)
        load(url, timeout_s=60)
        assert status(ready) == 200

        base = f"http://127.0.0.1:{ports['http']}/v2"
        for call in ("repository/index", f"repository/models/{MODEL}/unload"):
            assert status(f"{base}/{call}", "POST") == 403, call
        for call in (f"models/{MODEL}/config", "systemsharedmemory/status", f"models/{MODEL}/stats"):
            assert status(f"{base}/{call}") == 403, call
        with grpc.insecure_channel(url) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            stub.ModelInfer(service_pb2.ModelInferRequest(model_name=MODEL), timeout=30)
            with pytest.raises(grpc.RpcError, match="restricted"):
                stub.RepositoryModelUnload(service_pb2.RepositoryModelUnloadRequest(model_name=MODEL), timeout=30)

        page = urllib.request.urlopen(f"http://127.0.0.1:{ports['metrics']}/metrics").read().decode()
    exposed = set(re.findall(r"^(nv_\w+)\{", page, re.M))
    wanted = {name for name in ours("nv_") if not name.startswith("nv_gpu_")}  # those need a GPU to appear
    assert wanted and wanted <= exposed


def ours(prefix: str) -> set[str]:
    """Metrics of that prefix in the alerts, the dashboard and the autoscaler's rule."""
    folder = K8S / "base/observability"
    texts = [(folder / name).read_text() for name in ("alerts.yaml", "dashboard.json", "prometheus-adapter.yaml")]
    return {name for text in texts for name in re.findall(rf"\b{prefix}\w+", text)}


@pytest.mark.timeout(300)
def test_the_s3_server_starts_with_its_arguments_and_answers_its_probe(overlays, tmp_path):
    container = container_of(overlays, "StatefulSet", "loc3r-s3")
    internal = free_ports(10)
    port, log = internal[0], tmp_path / "log"
    arguments = [each.replace("=/data", f"={tmp_path}") for each in container["args"]]
    arguments = [re.sub(r"^-s3.port=\d+", f"-s3.port={port}", each) for each in arguments]
    arguments = [each for each in arguments if not each.startswith("-metricsPort")]  # one more port to collide
    arguments += [f"-{name}={number}" for name, number in zip(s3._INTERNAL_PORTS, internal[1:], strict=True)]
    names = [each["name"] for each in container["env"] if "secretKeyRef" in each.get("valueFrom", {})]
    with running([s3._weed(), *arguments], dict.fromkeys(names, "secret"), log) as process:
        url = probe(container, "readinessProbe", {"s3": port})
        until(lambda: status(url) == 200, process, log)
        access = S3Access(f"http://127.0.0.1:{port}", "secret", "secret")
        until(lambda: {"dvc", "mlflow", "backup"} <= access.buckets(), process, log)
        assert status(f"http://127.0.0.1:{port}/mlflow") == 403, "nobody reads without a signature"


def test_buckets_of_the_settings_are_those_that_the_server_makes(overlays):
    (made,) = [
        each for each in container_of(overlays, "StatefulSet", "loc3r-s3")["args"] if each.startswith("-bucket=")
    ]
    settings = named(overlays["laptop"], "ConfigMap", "loc3r-settings")["data"]
    wanted = {settings[name].removeprefix("s3://") for name in ("DVC_REMOTE", "MLFLOW_ARTIFACTS", "BACKUP_BUCKET")}
    wanted.add(settings["LOC3R_MODEL_REPOSITORY"].removeprefix("s3://").split("/")[0])
    assert wanted == set(made.removeprefix("-bucket=").split(","))


def test_addresses_in_the_settings_are_services_with_that_port(overlays):
    settings = named(overlays["laptop"], "ConfigMap", "loc3r-settings")["data"]
    for value in settings.values():
        found = re.fullmatch(r"(?:http://)?([\w-]+)\.loc3r:(\d+)", value)
        if found:
            service = named(overlays["laptop"], "Service", found.group(1))
            assert int(found.group(2)) in {port["port"] for port in service["spec"]["ports"]}
    hosts = next(
        each["value"]
        for each in container_of(overlays, "Deployment", "loc3r-mlflow")["env"]
        if each["name"] == "MLFLOW_SERVER_ALLOWED_HOSTS"
    )
    assert settings["LOC3R_TRACKING_URI"].removeprefix("http://") in hosts.split(",")


def test_production_addresses_replace_every_address_of_the_s3_that_it_leaves_out(overlays):
    data = named(overlays["production"], "ConfigMap", "loc3r-settings")["data"]
    assert "loc3r-s3" not in json.dumps(data)
    assert data["LOC3R_TRACKING_URI"] == "http://loc3r-mlflow.loc3r:5000"
