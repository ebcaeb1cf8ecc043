"""Our TrainJob for real, on two hosts of a network of their own: the commands and the environment are the rendered
job's, the data comes by DVC from a real S3 server, one host is killed, then one is evicted, and the job ends as if
nothing had happened.

Not here: Kubernetes itself. JobSet's part, starting all pods again when one is lost, is played by this test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import netns
import pytest
import torch
import yaml
from rendering import container_of, jobset_of, process
from safetensors.torch import load_file
from small import write_data, write_recipe

from loc3r.cluster import TrainingPlan, plan_training
from loc3r.cluster.environment import world_size
from loc3r.cluster.train_job import render
from loc3r.recipe import load_recipe
from loc3r.services.s3 import S3Server

TRAINING = Path(__file__).parents[2] / "k8s/base/training"
PATIENCE_S = 900
STEPS, CHECKPOINT_EVERY = 30, 6
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


class Job:
    """A TrainJob on two hosts, with the volume that its pods share."""

    def __init__(self, plan: TrainingPlan, folder: Path) -> None:
        runtime = yaml.safe_load((TRAINING / "runtime.yaml").read_text())
        manifest = render(plan)
        assert world_size(manifest, runtime) == plan.ranks == 2
        self.name, self.nodes, self.jobset = plan.name, plan.nodes, jobset_of(runtime, manifest)
        self.volume, self.log = folder / "volume", folder / "log"
        self.volume.mkdir(parents=True)

    @property
    def run(self) -> Path:
        return self.volume / "jobs" / self.name / "run"

    def command(self, step: str, node: int) -> tuple[list[str], dict[str, str]]:
        """As the kubelet would start it; the image's PATH is this environment's."""
        path = f"{sysconfig.get_path('scripts')}{os.pathsep}/usr/sbin:/usr/bin:/sbin:/bin"
        settings = {"PATH": path, "DVC_REMOTE": "s3://dvc"}
        return process(container_of(self.jobset, step), job=self.name, node=node, settings=settings)

    def hosts(self) -> AbstractContextManager[list[netns.Host]]:
        return netns.hosts(self.name, self.nodes, {"/workspace": self.volume})

    def fetch_data(self, s3: dict[str, str]) -> None:
        """The first step; it may reach S3, the ranks may not."""
        command, environment = self.command("dataset-initializer", 0)
        # In a pod the ConfigMap is mounted there; the root file system here has no such folder to mount it on.
        command[1] = command[1].replace("/etc/loc3r/fetch-data", str(TRAINING))
        host = netns.Host("data", self.log.parent, {"/workspace": self.volume})
        told = host.start(command, {**environment, **s3}, self.log)
        assert told.wait(PATIENCE_S) == 0, self.told()

    def start(self, hosts: list[netns.Host]) -> list[subprocess.Popen[bytes]]:
        started = []
        for node, host in enumerate(hosts):
            command, environment = self.command("node", node)
            assert environment["PET_MASTER_ADDR"] == f"{self.name}-node-0-0.{self.name}"
            started.append(host.start(command, environment, self.log))
        return started

    def finish(self, started: list[subprocess.Popen[bytes]]) -> list[int]:
        return [each.wait(PATIENCE_S) for each in started]

    def losses(self) -> list[float]:
        path = self.run / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        return [json.loads(line)["loss"] for line in lines if line.endswith("\n")]

    def wait_for_step(self, step: int, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.losses()) < step:
            assert process.poll() is None and time.monotonic() < deadline, self.told()
            time.sleep(0.01)

    def told(self) -> str:
        return self.log.read_text()[-3000:]


@pytest.fixture(autouse=True)
def _can_make_hosts() -> None:
    reason = netns.missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[dict[str, str]]:
    with S3Server(tmp_path / "s3", access_key="me", secret_key="secret") as server:
        yield server.access.environment


def dvc(folder: Path, *arguments: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def checkout(folder: Path, recipe: Path, s3: dict[str, str]) -> Path:
    """A checkout whose DVC has made the data and pushed it."""
    data = write_data(folder / "data/prepared/train", load_recipe(recipe))
    stage = {"cmd": "true", "outs": ["data/prepared/train"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"prepare_train": stage}}))
    (folder / ".dvc").mkdir()
    (folder / ".dvc/config").write_text(
        "[core]\n    no_scm = true\n    remote = s3\n['remote \"s3\"']\n    url = s3://dvc\n"
    )
    for arguments in (["commit", "-f", "prepare_train"], ["push", "prepare_train"]):
        dvc(folder, *arguments, environment=s3)
    return data


@pytest.fixture
def plan(tmp_path: Path, s3: dict[str, str]) -> TrainingPlan:
    train = {"steps": STEPS, "checkpoint_every_steps": CHECKPOINT_EVERY, "zero_stage": 3}
    recipe = write_recipe(tmp_path / "recipe.yaml", train=train)
    data = checkout(tmp_path / "checkout", recipe, s3)
    return plan_training(recipe, data=str(data), nodes=2, tracking_uri="none", cpus_per_node=1)


@pytest.fixture
def whole(tmp_path: Path, plan: TrainingPlan, s3: dict[str, str]) -> Job:
    """The job with nothing in its way."""
    job = Job(plan, tmp_path / "whole")
    job.fetch_data(s3)
    with job.hosts() as hosts:
        assert job.finish(job.start(hosts)) == [0, 0], job.told()
    assert len(job.losses()) == STEPS
    return job


def test_a_killed_host_and_an_evicted_one_cost_no_step_and_change_no_weight(
    tmp_path: Path, plan: TrainingPlan, whole: Job, s3: dict[str, str]
) -> None:
    broken = Job(plan, tmp_path / "broken")
    broken.fetch_data(s3)
    with broken.hosts() as hosts:
        first, second = broken.start(hosts)
        broken.wait_for_step(8, first)
        second.kill()
        assert broken.finish([second, first]) == [-signal.SIGKILL, 1], broken.told()
        assert not (broken.run / "model").exists()

        first, second = broken.start(hosts)
        broken.wait_for_step(15, first)
        netns.stop(second)
        assert second.wait(PATIENCE_S) and first.poll() is None, "the evicted pod must be the first to fail"
        assert first.wait(PATIENCE_S) == 1, broken.told()
        stopped_after = len(broken.losses())
        assert broken.finish(broken.start(hosts)) == [0, 0], broken.told()

    told = broken.log.read_text()
    assert f"resuming after step {CHECKPOINT_EVERY}" in told, "what the kill left"
    assert f"resuming after step {stopped_after} " in told, "an eviction loses nothing"
    assert broken.losses() == whole.losses()
    weights = [load_file(job.run / "model/model.safetensors") for job in (whole, broken)]
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())
    lineage = json.loads((broken.run / "model/lineage.json").read_text())
    assert f"dvc://{lineage['data_revision']}" == plan.data
    assert lineage["recipe_hash"] == plan.recipe.hash and lineage["ranks"] == 2
