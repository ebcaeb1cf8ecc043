"""The pipeline that makes rooms-tiny: it fits together; and, slow, one command makes all of it from a clean clone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from loc3r.files import read_json
from loc3r.model.config import Loc3RConfig
from loc3r.tracking.lineage import model_hash
from loc3r.train.job import hash_weights

ROOT = Path(__file__).parents[2]
PIPELINE = "checkpoints/rooms-tiny/dvc.yaml"
OURS = {"dvc.yaml", "params.yaml", "dvc.lock"}
"""What of the shipped folder no stage makes."""
STEPS = 3
PATIENCE_S = 3000


def test_every_stage_reads_what_another_one_makes_or_what_git_holds() -> None:
    """A start or data that is misspelt would stop the pipeline hours after it began."""
    from dvc.repo import Repo

    with Repo(str(ROOT)) as repo:
        stages = [stage for stage in repo.index.stages if stage.path_in_repo == PIPELINE]
        made = {out.fs_path for stage in stages for out in stage.outs}
        read = {dep.fs_path for stage in stages for dep in stage.deps}
    assert len(stages) > 10
    missing = {path for path in read - made if not Path(path).exists()}
    assert not missing
    recipes = {path.name for path in (ROOT / "recipes").glob("rooms-tiny*.yaml")}
    assert recipes <= {Path(path).name for path in read}


class Clone:
    """A clean clone whose pipeline makes a handful of rooms and takes a few steps a stage."""

    def __init__(self, folder: Path) -> None:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        self.folder, self.runs = folder, folder / "runs" / "rooms-tiny"
        path = folder / "checkpoints" / "rooms-tiny" / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params["rooms"] = dict.fromkeys(params["rooms"], 2)
        params["tower"] = dict.fromkeys(params["tower"], STEPS)
        params["train"] |= {"ranks": 1, "set": f"train.stop_after={STEPS}"}
        path.write_text(yaml.safe_dump(params))

    def start(self) -> subprocess.Popen[str]:
        """``dvc repro``, as the leader of its own processes."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "LOC3R_CACHE_DIR": str(self.folder / ".cache"),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", PIPELINE], cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def stopped(self, by: signal.Signals, happened: Callable[[], bool]) -> str:
        """What it tells when all of its processes get a signal as soon as something has happened."""
        process = self.start()
        deadline = time.monotonic() + PATIENCE_S
        while not happened():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, by)
        told, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode
        return told

    def run(self) -> str:
        """What it tells when nothing stops it."""
        process = self.start()
        told, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, told[-3000:]
        return told


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE_S)
def test_one_command_makes_the_shipped_folder_however_often_it_is_stopped(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone")
    parts = clone.folder / "data" / "rooms-tiny" / "rooms" / "plain" / "parts"
    curve = clone.runs / "look" / "metrics.jsonl"
    clone.stopped(signal.SIGKILL, lambda: any(parts.glob("*.json")))
    first = {path: path.stat().st_mtime_ns for path in parts.glob("*.json")}
    told = clone.stopped(signal.SIGINT, lambda: curve.is_file() and bool(curve.read_text()))
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert not (clone.runs / "look" / "model").exists(), told

    told = clone.run()
    assert "rooms@plain' didn't change" in told and "resuming after step" in told
    made, shipped = clone.runs / "checkpoint", ROOT / "checkpoints" / "rooms-tiny"
    assert {path.name for path in made.iterdir()} == {path.name for path in shipped.iterdir()} - OURS
    assert clone.run().rstrip().endswith("Data and pipelines are up to date.")

    lineage, scores = read_json(made / "lineage.json"), read_json(made / "scores.json")
    assert lineage["steps"] == STEPS and lineage["parent"] == hash_weights(clone.runs / "tower-twice" / "model")
    assert lineage.keys() == read_json(shipped / "lineage.json").keys()
    assert scores.keys() >= read_json(shipped / "scores.json").keys()
    assert scores["model"]["hash"] == model_hash(made) and scores["calibration"] == read_json(made / "calibration.json")
    assert Loc3RConfig.load(made).tokens == Loc3RConfig.load(shipped).tokens
    curves = [(folder / "learning_curve.csv").read_text().splitlines() for folder in (made, shipped)]
    assert curves[0][0].startswith("step,loss,") and curves[1][0].startswith("step,loss,") and len(curves[0]) > 1
