"""The whole pipeline through the real ``kfp run submit -w``: rooms, training, evaluation, gate, deployment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kfp_endpoint import Endpoint

from loc3r.client import Loc3R
from loc3r.services.process import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RECIPE = "extends: rooms-demo.yaml\nname: whole\ntrain: {steps: 2, checkpoint_every_steps: 2}\n"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder like a checkout, with MLflow, S3 and an empty Triton of its own."""
    for name in ("checkpoints", "k8s"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "recipes").mkdir()
    for recipe in (ROOT / "recipes").glob("*.yaml"):
        (tmp_path / "recipes" / recipe.name).symlink_to(recipe)
    (tmp_path / "recipes" / "whole.yaml").write_text(RECIPE)
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LOC3R_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("LOC3R_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("LOC3R_TRITON_URL", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("LOC3R_CACHE_DIR", str(ROOT / ".cache"))
    monkeypatch.setenv("LOC3R_STATE_DIR", str(tmp_path / "state"))
    subprocess.run(["loc3r", "up"], cwd=tmp_path, check=True)
    subprocess.run(["loc3r", "serve", "--repository", "runs/serving", "--detach"], cwd=tmp_path, check=True)
    yield tmp_path
    subprocess.run(["loc3r", "down"], cwd=tmp_path, check=False)


def test_the_whole_pipeline_succeeds(workspace: Path) -> None:
    subprocess.run(["loc3r", "pipeline", "compile", "-o", "loc3r.yaml"], cwd=workspace, check=True)
    endpoint = Endpoint(workspace)
    arguments = ["recipe=recipes/whole.yaml", "train_data=rooms://4", "test_data=rooms://4", "nodes=2"]
    done = subprocess.run(
        ["kfp", "--endpoint", endpoint.url, "run", "submit", "-e", "loc3r", "-f", "loc3r.yaml", "-w", *arguments],
        cwd=workspace, capture_output=True, text=True, check=False,
    )  # fmt: skip
    client = endpoint.client()
    run = client.get_run(client.list_runs().runs[0].run_id)
    assert run.state == "SUCCEEDED", run.error
    assert "Run is finished with state SUCCEEDED." in done.stdout
    states = {task.display_name.rpartition("/")[2]: task.state for task in run.run_details.task_details}
    assert set(states.values()) == {"SUCCEEDED"}
    assert {"train-model", "evaluate-model", "evaluate-model-2", "gate-model-2", "deploy-champion"} <= set(states)

    entries = run.plugins_output["loc3r"].entries
    scores = [name for name in entries if "evaluate-model-2/metrics/" in name]
    assert len(scores) > 5
    page = next(entry.value for name, entry in entries.items() if name.endswith("/evaluate-model-2/page"))
    report = subprocess.check_output(["curl", "--silent", "--fail", page], text=True)
    assert "<h1>" in report
    with Loc3R(os.environ["LOC3R_TRITON_URL"]) as asked:
        assert asked.info().model_hash
    endpoint.stop()
