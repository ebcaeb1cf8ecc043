"""The images, built for real without a registry and run as k8s/ runs them; our pods, started from their manifests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import containers
import pytest
from containers import Engine, own_network, playable
from manifests import REPOSITORY, Objects, named, of_kind
from test_images import COMMANDS, TARGETS, images
from test_servers import status

from loc3r.services.s3 import S3Server
from loc3r.services.triton import triton_home
from serving.releases import Releases
from serving.repository import FIRST_SETTINGS

HERE = Path(__file__).parent / "images"
TOOLS = ("cc", "gcc", "g++", "ld", "make", "cmake", "cargo", "git", "uv")
INSTALLED = "import importlib.metadata as m, json; print(json.dumps([d.name for d in m.distributions()]))"
WORKS = {
    "train": "import torch, deepspeed, embreex, dvc.cli, kfp.dsl, loc3r.train.trainer, loc3r.scenes.command",
    "pipeline": "import dvc.cli, kfp.dsl, mlflow, boto3, pipelines.steps, loc3r.evaluate.verdict, loc3r.scenes.shards, "
    "serving.deploy, serving.targets",
    "serve": "import torch, transformers, av, serving.engine",
}
"""What the containers of each image import."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(6000), pytest.mark.xdist_group("images")]


@pytest.fixture(scope="module")
def engine() -> Engine:
    if reason := containers.missing():
        pytest.skip(reason)
    return Engine()


@pytest.fixture(scope="module")
def image(engine: Engine) -> Callable[[str], str]:
    """Builds a target of the Dockerfile; its name."""

    @cache
    def build(target: str) -> str:
        (name,) = [name for name, each in TARGETS.items() if each == target]
        bases = {"BASE_IMAGE": engine.base()}
        if target == "serve":
            triton_home().backends()
            file = HERE / "tritonserver.Dockerfile"
            bases["SERVE_IMAGE"] = engine.build(
                "localhost/tritonserver:2.51", file=file, context=triton_home().folder, **bases
            )
        return engine.build(images()[name], file=REPOSITORY / "Dockerfile", target=target, **bases)

    return build


@pytest.mark.parametrize("target", ["pipeline", "train", "serve"])
def test_a_target_is_built_and_holds_what_its_pods_start_and_no_tool(engine, image, target):
    built = image(target)
    assert engine.run(built, "id", "-u").strip() == "10001"
    asked = f"for each in {' '.join([*COMMANDS[target], *TOOLS])}; do command -v $each; done; true"
    found = engine.run(built, "sh", "-c", asked).split()
    assert {Path(each).name for each in found} == COMMANDS[target]
    assert engine.run(built, "sh", "-c", "find /opt/loc3r \\( -name pip -o -writable \\) -print | head").strip() == ""
    engine.run(built, "python", "-c", WORKS[target], options=["--env=HOME=/tmp", "--env=USER=loc3r"])
    if target != "serve":
        assert engine.run(built, "loc3r", "--version").startswith("loc3r")


@pytest.mark.parametrize("target", ["pipeline", "train", "serve"])
def test_the_bill_of_materials_is_what_is_installed(engine, image, target):
    built = image(target)
    bill = json.loads(engine.run(built, "cat", "/opt/loc3r/sbom.cdx.json"))
    assert bill["bomFormat"] == "CycloneDX" and bill["metadata"]["component"]["name"] == "loc3r"
    installed = {_normal(name) for name in json.loads(engine.run(built, "/opt/loc3r/bin/python", "-c", INSTALLED))}
    assert {_normal(each["name"]) for each in bill["components"]} == installed - {"loc3r"}
    assert all(each["version"] for each in bill["components"])
    assert ("torch" in installed) == (target != "pipeline")


def test_the_pipeline_image_compiles_the_package_on_a_read_only_root(engine, image):
    said = engine.run(image("pipeline"), "sh", "-c", "loc3r pipeline compile -o /tmp/p.yaml && cat /tmp/p.yaml")
    assert images()["loc3r-pipeline"] in said and images()["loc3r"] in said


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture
def network() -> Iterator[None]:
    with own_network():
        yield


def wait_for(url: str, code: int, engine: Engine, pod: str, timeout_s: float = 600) -> None:
    deadline = time.monotonic() + timeout_s
    while status(url) != code:
        assert time.monotonic() < deadline, engine.podman("pod", "logs", pod)[-4000:]
        time.sleep(0.5)


def template_of(objects: Objects, kind: str, name: str) -> dict:
    return named(objects, kind, name)["spec"]["template"]


def settings_of(objects: Objects, **changed: str) -> dict[str, str]:
    return {**named(objects, "ConfigMap", "loc3r-settings")["data"], **changed}


def test_tritons_pod_serves_a_release_from_s3(engine, image, overlays, network, tmp_path):
    objects, known = overlays["laptop"], {images()["loc3r-serve"]: image("serve")}
    with S3Server(tmp_path / "s3", access_key="me", secret_key="secret") as s3:
        releases = Releases("s3://models/loc3r", s3.access)
        release = releases.publish(
            REPOSITORY / "checkpoints/rooms-tiny", source="here", settings=FIRST_SETTINGS, scratch=tmp_path, quiet=True
        )
        environment = {
            "loc3r-settings": settings_of(
                objects, TRITON_MODELS=f"s3://{s3.access.endpoint}/models/loc3r", RELEASE=release.name
            ),
            "loc3r-s3": {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "secret"},
            "loc3r-triton": {"admin-key": "sesame"},
        }
        pod = playable("loc3r-triton", template_of(objects, "Deployment", "loc3r-triton"), environment, known, tmp_path)
        with engine.playing(pod, [], tmp_path) as name:
            wait_for("http://127.0.0.1:8000/v2/models/loc3r/ready", 200, engine, name)
            assert status("http://127.0.0.1:8000/v2/repository/index", "POST") == 403, "the deployer's"
            assert engine.podman("exec", f"{name}-triton", "id", "-u").strip() == "10001"


@pytest.fixture
def postgres(network, tmp_path: Path) -> Iterator[None]:
    """A database mlflow on 127.0.0.1:5432 of this network, its user's password: secret."""
    tools = Path(next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"))), "/nowhere"))
    if not (tools / "initdb").is_file():
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    made = tempfile.TemporaryDirectory(prefix="postgres-")  # its user may not pass through tmp_path
    folder = Path(made.name)
    (folder / "password").write_text("secret")
    for path in (folder, folder / "password"):
        shutil.chown(path, "nobody", "nogroup")
    as_user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    data = str(folder / "data")
    initialise = [f"{tools}/initdb", "-D", data, "-U", "mlflow", f"--pwfile={folder}/password", "-A", "scram-sha-256"]
    told = subprocess.run([*as_user, *initialise], capture_output=True, cwd="/")
    assert told.returncode == 0, told.stderr.decode()
    command = [f"{tools}/postgres", "-D", data, "-k", str(folder), "-h", "127.0.0.1"]
    with (tmp_path / "postgres.log").open("w") as log:
        server = subprocess.Popen([*as_user, *command], stdout=log, stderr=log, cwd="/")
    try:
        psql = [f"{tools}/psql", "-h", "127.0.0.1", "-U", "mlflow", "-d", "postgres", "-c", "create database mlflow"]
        deadline = time.monotonic() + 120
        while subprocess.run(psql, env={**os.environ, "PGPASSWORD": "secret"}, capture_output=True).returncode:
            assert time.monotonic() < deadline, (tmp_path / "postgres.log").read_text()[-2000:]
            time.sleep(0.5)
        yield
    finally:
        server.terminate()
        server.wait(60)
        made.cleanup()


def test_mlflows_pods_migrate_an_empty_database_and_serve_behind_a_password(engine, overlays, postgres, tmp_path):
    objects = overlays["laptop"]
    job, deployment = of_kind(objects, "Job")[0], template_of(objects, "Deployment", "loc3r-mlflow")
    built = engine.build("localhost/mlflow:full", file=HERE / "mlflow.Dockerfile", BASE_IMAGE=engine.base())
    known = {deployment["spec"]["containers"][0]["image"]: built}
    environment = {
        "loc3r-settings": settings_of(objects),
        "loc3r-postgres": {"password": "secret"},
        "loc3r-mlflow": {"admin-password": "correct horse battery", "flask-secret-key": "random"},
        "loc3r-s3": {},
    }
    migrate = playable("loc3r-migrate", job["spec"]["template"], environment, known, tmp_path)
    with engine.playing(migrate, [], tmp_path) as name:
        assert engine.podman("wait", f"{name}-migrate", timeout_s=900).strip() == "0"
    pod = playable("loc3r-mlflow", deployment, environment, known, tmp_path)
    with engine.playing(pod, of_kind(objects, "ConfigMap"), tmp_path) as name:
        wait_for("http://127.0.0.1:5000/health", 200, engine, name)
        search = "http://127.0.0.1:5000/api/2.0/mlflow/experiments/search?max_results=1"
        assert status(search) == 401
        login = {"Authorization": f"Basic {b64encode(b'admin:correct horse battery').decode()}"}
        with urllib.request.urlopen(urllib.request.Request(search, headers=login), timeout=30) as reply:
            assert json.load(reply)["experiments"][0]["name"] == "Default"
        stranger = urllib.request.Request(search, headers={**login, "Host": "evil.example:5000"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(stranger, timeout=30)
