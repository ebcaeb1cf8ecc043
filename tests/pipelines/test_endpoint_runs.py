"""Runs by the real SDK and command line: what they put out, how they fail, are stopped, and outlive the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import kfp
import kfp_server_api as api
import psutil
import pytest
from kfp_endpoint import Endpoint, eventually

from pipelines.endpoint import processes

pytestmark = pytest.mark.timeout(900)  # dozens of processes, on a machine that may be busy


def ended(client: kfp.Client, run_id: str, *, poll_s: float = 0.2) -> api.V2beta1Run:
    return client.wait_for_run_completion(run_id, timeout=240, sleep_duration=poll_s)


def entries(run: api.V2beta1Run) -> dict[str, object]:
    return {name: entry.value for name, entry in run.plugins_output["loc3r"].entries.items()}


def read(url: str) -> tuple[str, dict[str, str]]:
    with urllib.request.urlopen(url) as response:
        return response.read().decode(), dict(response.headers)


def test_the_command_line_submits_and_watches(
    endpoint: Endpoint, client: kfp.Client, packages: dict[str, Path], conforming: set[str]
) -> None:
    command = ["run", "submit", "-e", "rooms", "-r", "by hand", "-f", str(packages["hello"]), "-w", "room=kitchen"]
    done = subprocess.run(
        [Path(sys.executable).parent / "kfp", *command],
        env={**os.environ, "KFP_ENDPOINT": endpoint.url}, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert "Run is finished with state SUCCEEDED." in done.stdout, done.stdout + done.stderr

    experiment = client.get_experiment(experiment_name="rooms")
    (listed,) = client.list_runs(experiment_id=experiment.experiment_id).runs
    run = client.get_run(listed.run_id)
    assert [change.state for change in run.state_history] == ["PENDING", "RUNNING", "SUCCEEDED"]
    assert run.runtime_config.parameters == {"room": "kitchen"}
    assert [(task.display_name, task.state) for task in run.run_details.task_details] == [
        ("measure", "SUCCEEDED"), ("shout", "SUCCEEDED"),
    ]  # fmt: skip
    assert set(run.run_details.task_details[0].outputs) == {"metrics", "page", "room_file"}
    out = entries(run)
    assert out["measure/metrics/chairs"] == 2
    assert out["output/Output"] == out["shout/Output"] == "KITCHEN"
    assert "counting chairs in the kitchen" in Path(out["measure/log"]).read_text()

    page, headers = read(out["measure/page"])
    assert page == "<h1>kitchen</h1>"
    assert headers["content-type"].startswith("text/html")
    assert headers["content-security-policy"].startswith("sandbox")
    overview, _ = read(out["page"])
    assert all(text in overview for text in ("count the chairs", "SUCCEEDED", "metrics/chairs", "<iframe sandbox"))
    assert listed.run_id in read(endpoint.url)[0]
    assert "counting chairs" in read(f"{out['page']}/log/measure")[0]
    assert {"RunService_GetRun", "RunService_ListRuns", "ExperimentService_ListExperiments"} <= conforming


@pytest.mark.usefixtures("conforming")
def test_a_failing_step_says_why_and_its_exit_handler_runs(client: kfp.Client, packages: dict[str, Path]) -> None:
    run = ended(client, client.create_run_from_pipeline_package(str(packages["broken"])).run_id)
    assert run.state == "FAILED"
    tasks = {task.display_name.rpartition("/")[2]: task for task in run.run_details.task_details}
    assert {name: task.state for name, task in tasks.items()} == {
        "fall": "FAILED",
        "after": "SKIPPED",
        "tell": "SUCCEEDED",
    }
    assert "ValueError: no sofa in this room" in tasks["fall"].error.message
    assert [change.state for change in tasks["fall"].state_history] == ["PENDING", "RUNNING", "FAILED"]
    log = Path(tasks["fall"].error.message.rpartition("The whole log: ")[2])
    assert "Traceback" in log.read_text()
    assert "no sofa in this room" in run.error.message
    assert entries(run)["tell/Output"] == "FAILED"
    assert client.get_experiment(experiment_name="Default").experiment_id == run.experiment_id


def test_terminate_leaves_no_process(
    client: kfp.Client, packages: dict[str, Path], tmp_path: Path, conforming: set[str]
) -> None:
    package = str(packages["lingering"])
    run_id = client.create_run_from_pipeline_package(package, {"folder": str(tmp_path)}).run_id
    pids = pids_in(tmp_path)
    assert len(processes.members(run_id)) >= len(pids)
    with pytest.raises(api.ApiException, match="terminate it first"):
        client.delete_run(run_id)
    client.terminate_run(run_id)
    run = eventually(lambda: (r := client.get_run(run_id)).state == "CANCELED" and r)
    assert [change.state for change in run.state_history] == ["PENDING", "RUNNING", "CANCELING", "CANCELED"]
    assert run.run_details.task_details[0].state == "CANCELED"
    assert not processes.members(run_id)
    assert not [pid for pid in pids if is_alive(pid)]
    with pytest.raises(api.ApiException, match="the run is over"):
        client.terminate_run(run_id)
    client.delete_run(run_id)
    with pytest.raises(api.ApiException, match="no run of this id"):
        client.get_run(run_id)


def test_conditions_loops_and_nested_pipelines(client: kfp.Client, packages: dict[str, Path]) -> None:
    run = ended(client, client.create_run_from_pipeline_package(str(packages["deciding"])).run_id)
    assert run.state == "SUCCEEDED", run.error
    out = entries(run)
    said = sorted(str(value) for name, value in out.items() if name.endswith("/Output"))
    assert said == ["den", "deploy", "first", "first", "hall", "second"]  # the file of the first call was read
    skipped = [task.display_name for task in run.run_details.task_details if task.state == "SKIPPED"]
    assert len(skipped) == 1
    assert "condition" in skipped[0]


def test_runs_outlive_the_server(packages: dict[str, Path], tmp_path: Path) -> None:
    folders = [tmp_path / "goes-on", tmp_path / "dies"]
    first = Endpoint(tmp_path / "server")
    client = first.client()
    run_ids = []
    for folder in folders:
        folder.mkdir()
        arguments = {"folder": str(folder)}
        run_ids.append(client.create_run_from_pipeline_package(str(packages["lingering"]), arguments).run_id)
    for folder in folders:
        pids_in(folder)
    first.kill()
    (folders[0] / "go").touch()  # this one ends while no server is there
    eventually(lambda: not processes.members(run_ids[0]))

    second = Endpoint(tmp_path / "server")
    client = second.client()
    assert ended(client, run_ids[0]).state == "SUCCEEDED"
    assert entries(client.get_run(run_ids[0]))["output/Output"] == "went"
    assert client.get_run(run_ids[1]).state == "RUNNING"
    for process in processes.members(run_ids[1]):
        process.send_signal(signal.SIGKILL)
    run = ended(client, run_ids[1])
    assert run.state == "FAILED"
    assert "ended while no server watched" in run.error.message
    second.stop()


def is_alive(pid: int) -> bool:
    """A zombie is not: it waits for whoever started it to ask how it ended."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def pids_in(folder: Path) -> list[int]:
    """Processes of the lingering step, once it has started them all."""
    eventually((folder / "pids").exists)
    return [int(pid) for pid in (folder / "pids").read_text().split()]
