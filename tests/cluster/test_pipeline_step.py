"""The pipeline's train step on a cluster: it submits the TrainJob of its inputs, waits, and finds the job again."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from trainjob_server import TrainJobServer

from loc3r.cluster import Cluster
from loc3r.errors import TrainingError
from loc3r.recipe import load_recipe
from pipelines.steps import train_on_cluster

RECIPE = load_recipe(Path(__file__).parents[2] / "recipes/rooms-demo.yaml", ("train.scenes_per_step=16",)).to_yaml()
HASH = f"{'0a' * 16}.dir"


def asked(cluster: Cluster, **changes: Any) -> Path:
    inputs = {"start": "/opt/loc3r/checkpoints/rooms-tiny", "data": f"dvc://{HASH}", "nodes": 4, "gpus_per_node": 2}
    return train_on_cluster(RECIPE, **{**inputs, "queue": "loc3r", **changes}, cluster=cluster)


def end_when_submitted(server: TrainJobServer, cluster: Cluster, condition: str, exit_code: int) -> threading.Thread:
    """What Trainer and the kubelet do to the one job that comes."""

    def act() -> None:
        while not (jobs := cluster.jobs()):
            time.sleep(0.01)
        name = jobs[0]["metadata"]["name"]
        rank = server.add_pod(name, "node", 0)
        rank.say("step 1/1 loss 0.5")
        server.set_status(name, condition, node={"succeeded": 4} if condition == "Complete" else {"failed": 1})
        rank.end(exit_code)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def test_the_step_submits_waits_and_tells(
    server: TrainJobServer, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    other = end_when_submitted(server, cluster, "Complete", 0)
    run = asked(cluster)
    other.join()
    (job,) = cluster.jobs()
    assert run == Path("jobs") / job["metadata"]["name"] / "run"
    assert job["spec"]["initializer"]["dataset"]["storageUri"] == f"dvc://{HASH}"
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "loc3r"
    trainer = job["spec"]["trainer"]
    assert (trainer["numNodes"], trainer["numProcPerNode"]) == (4, 2)
    assert "--init=/opt/loc3r/checkpoints/rooms-tiny" in trainer["args"]
    said = capsys.readouterr().out
    assert "world size 8" in said and "step 1/1 loss 0.5" in said
    assert asked(cluster) == run, "started again, it finds the job and its end"
    assert len(cluster.jobs()) == 1


def test_rooms_need_no_revision_and_another_recipe_is_another_job(server: TrainJobServer, cluster: Cluster) -> None:
    end_when_submitted(server, cluster, "Complete", 0)
    asked(cluster, data="rooms://48", queue="")
    (job,) = cluster.jobs()
    assert job["spec"]["initializer"]["dataset"]["storageUri"] == "rooms://48"
    assert "kueue.x-k8s.io/queue-name" not in job["metadata"]["labels"]


def test_a_failed_job_fails_the_step(server: TrainJobServer, cluster: Cluster) -> None:
    end_when_submitted(server, cluster, "Failed", 7)
    with pytest.raises(TrainingError, match="exit code 7"):
        asked(cluster)
