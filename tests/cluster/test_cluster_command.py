"""``loc3r train --on kubernetes`` and ``loc3r jobs`` as they are typed, against the server of ``trainjob_server``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from trainjob_server import TrainJobServer

from loc3r.cli import loc3r
from loc3r.errors import DataError, TrainingError

RECIPE = str(Path(__file__).parents[2] / "recipes/rooms-demo.yaml")
ON_KUBERNETES = ["train", "--on", "kubernetes", "--recipe", RECIPE]


@pytest.fixture(autouse=True)
def _kubeconfig(server: TrainJobServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kubeconfig"
    here = {"cluster": "here", "user": "me"}
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "contexts": [{"name": "here", "context": here}], "users": [{"name": "me", "user": {}}],
    }))  # fmt: skip
    monkeypatch.setenv("KUBECONFIG", str(path))


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(loc3r, arguments, input=answer)


def test_the_plan_is_shown_and_judged_before_anything_is_submitted(server: TrainJobServer) -> None:
    told = run(*ON_KUBERNETES, "--rooms", "48", "--nodes", "2", answer="n\n")
    assert told.exit_code == 1 and "Aborted" in told.output
    for line in (
        "2 nodes x 1 CPU rank = world size 2",
        "rooms://48",
        "the one of ClusterTrainingRuntime loc3r",
        "no GPUs",
        "The API server would take it (dry run).",
    ):
        assert line in told.output
    assert server.jobs == {}
    assert [("dryRun=All" in path and "fieldValidation=Strict" in path) for _, path in server.requests] == [True]


def test_the_exit_code_is_the_run_s(server: TrainJobServer) -> None:
    run(*ON_KUBERNETES, "--rooms", "48", "--name", "mine", answer="n\n")
    first = run(*ON_KUBERNETES, "--rooms", "48", "--name", "mine", "--image", "other:1", "--queue", "q", answer="n\n")
    assert "other:1" in first.output and "queue q" in first.output
    broken = submitted(server, "mine", "Failed", exit_code=3)
    assert broken.exit_code == 3 and "mine: failed" in broken.output and "ended with 3" in broken.output
    server.pods.clear()
    again = submitted(server, "mine", "Complete", exit_code=0)
    assert again.exit_code == 0 and "mine exists: failed; submitting goes on with it." in again.output


def submitted(server: TrainJobServer, name: str, condition: str, exit_code: int) -> Result:
    """Submit with what is to become of the job already decided."""
    create = server.RequestHandlerClass._create

    def create_and_end(handler, namespace, job):
        made = create(handler, namespace, job)
        if name in server.jobs:
            server.add_pod(name, "node", 0).end(exit_code)
            server.set_status(name, condition, node={"active": 0})
        return made

    server.RequestHandlerClass = type("Ending", (server.RequestHandlerClass,), {"_create": create_and_end})
    try:
        return run(*ON_KUBERNETES, "--rooms", "48", "--name", name, "--yes")
    finally:
        server.RequestHandlerClass = server.RequestHandlerClass.__base__


@contextmanager
def heard(number: signal.Signals) -> Iterator[None]:
    """A process started here gets the signal, also where the tests run in a shell's background, which ignores it."""
    before = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_ctrl_c_stops_to_follow_and_says_how_to_look_again(server: TrainJobServer) -> None:
    command = [sys.executable, "-c", "from loc3r.cli import main; main()", *ON_KUBERNETES, "--rooms=8", "--name=mine"]
    with heard(signal.SIGINT):
        process = subprocess.Popen([*command, "--yes"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("mine: "):
            break
    process.send_signal(signal.SIGINT)
    told = process.communicate(timeout=60)[0]
    assert process.returncode == 130, told
    assert "mine goes on" in told and "loc3r jobs --namespace loc3r follow mine" in told
    assert list(server.jobs) == ["mine"] and "suspend" not in server.jobs["mine"]["spec"]


def test_jobs_are_listed_followed_stopped_and_resumed(server: TrainJobServer) -> None:
    submitted(server, "mine", "Complete", exit_code=0)
    listed = run("jobs").output.splitlines()
    assert listed[0].split() == ["JOB", "STATE", "RANKS", "AGE", "RECIPE"]
    assert listed[1].split()[:3] == ["mine", "complete", "1"] and "rooms-demo" in listed[1]
    assert run("jobs", "follow", "mine").exit_code == 0
    assert run("train", "--on", "kubernetes", "--resume", "mine").exit_code == 0
    del server.jobs["mine"]["status"]
    assert "mine stops" in run("jobs", "stop", "mine").output
    assert "stopped" in run("jobs").output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*ON_KUBERNETES, "--rooms", "8", "--out", "x"], "--out means nothing with --on kubernetes"),
        ([*ON_KUBERNETES, "--rooms", "8", "--ranks", "2"], "--ranks means nothing with --on kubernetes"),
        (["train", "--recipe", RECIPE, "--nodes", "2"], "--nodes means nothing with --on here"),
        (["train", "--recipe", RECIPE, "--out", "x"], "Missing option '--data'"),
        ([*ON_KUBERNETES], "one of --data and --rooms"),
        ([*ON_KUBERNETES, "--rooms", "8", "--data", "x"], "one of --data and --rooms"),
        (["train", "--on", "kubernetes", "--rooms", "8"], "--recipe, or --resume JOB"),
        ([*ON_KUBERNETES, "--resume", "mine"], "--recipe means nothing with --resume"),
    ],
)
def test_options_that_would_be_ignored_or_are_missing_are_refused(
    server: TrainJobServer, arguments: list[str], told: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2 and told in result.output
    assert server.requests == []


def test_a_plan_that_can_t_work_is_refused_before_the_server_hears_of_it(server: TrainJobServer) -> None:
    assert isinstance(run(*ON_KUBERNETES, "--rooms", "8", "--nodes", "3").exception, TrainingError)
    assert isinstance(run(*ON_KUBERNETES, "--data", "/nowhere").exception, DataError)
    assert server.requests == []


def test_without_a_cluster_the_fix_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "KUBERNETES_SERVICE_HOST" not in os.environ
    error = run("jobs").exception
    assert "kubectl config use-context" in str(error)
