"""Real ranks under torchrun: equal to plain PyTorch, killed and resumed, stopped by a signal, failing with a name."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import psutil
import pytest
import torch
from safetensors.torch import load_file
from small import write_data, write_recipe

from loc3r.cli import main
from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.sampler import StepSampler

pytestmark = [pytest.mark.timeout(1500)]
PATIENCE_S = 400


class Run:
    """``loc3r train`` on small data, in processes of its own."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, folder: Path, data: Path, recipe: Path, *options: str) -> None:
        self.out = folder
        self.arguments = ["train", "--recipe", str(recipe), "--data", str(data), "--out", str(folder)]
        self.arguments += ["--tracking-uri", "none", "--device", "cpu", *options]

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", "from loc3r.cli import main; main()", *self.arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        told, _ = process.communicate(timeout=PATIENCE_S)
        left = [p for p in psutil.process_iter() if str(self.out) in " ".join(_quietly(p.cmdline) or [])]
        assert not left, "processes are left running"
        return process.returncode, told

    def records(self) -> list[dict[str, object]]:
        path = self.out / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def losses(self) -> list[object]:
        assert [r["step"] for r in self.records()] == list(range(1, len(self.records()) + 1))
        return [r["loss"] for r in self.records()]

    def wait_for_step(self, step: int, process: subprocess.Popen[str]) -> None:
        _until(lambda: len(self.records()) >= step or process.poll() is not None)

    def rank_pid(self, process: subprocess.Popen[str], rank: int) -> int:
        children = psutil.Process(process.pid).children(recursive=True)
        return next(c.pid for c in children if (_quietly(c.environ) or {}).get("RANK") == str(rank))


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    yield
    for process in Run.started:
        process.kill()  # its ranks die with it


def test_two_ranks_equal_plain_training_and_resume_bit_for_bit_after_a_kill(tmp_path: Path) -> None:
    recipe_path = write_recipe(tmp_path / "recipe.yaml")
    recipe = load_recipe(recipe_path)
    data = write_data(tmp_path / "data", recipe)

    whole = Run(tmp_path / "whole", data, recipe_path, "--ranks", "2")
    code, told = whole.finish(whole.start())
    assert code == 0, told
    assert "questions/s" in told and "waiting for data" in told
    _check_equals_plain_training(whole, recipe, data)
    _check_model_folder(whole.out / "model", recipe, data)

    broken = Run(tmp_path / "broken", data, recipe_path, "--ranks", "2")
    process = broken.start()
    broken.wait_for_step(8, process)
    os.kill(broken.rank_pid(process, 1), signal.SIGKILL)
    code, told = broken.finish(process)
    assert code == 1 and "rank 1 was killed by SIGKILL" in told
    assert not (broken.out / "model").exists()

    half_written = broken.out / "checkpoints" / "step_00000019"
    shutil.copytree(broken.out / "checkpoints" / "step_00000006", half_written)
    (half_written / "zero_pp_rank_1_mp_rank_00_optim_states.pt").write_bytes(b"half")
    code, told = broken.finish(broken.start())
    assert code == 0, told
    assert f"skipping {half_written}" in told and "resuming after step" in told
    assert broken.losses() == whole.losses()
    for name, weight in load_file(whole.out / "model" / "model.safetensors").items():
        assert torch.equal(weight, load_file(broken.out / "model" / "model.safetensors")[name]), name
    assert not half_written.exists()


def test_one_rank_stopped_by_sigterm_saves_and_goes_on_under_zero_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"zero_stage": 3, "steps": 12, "checkpoint_every_steps": 100, "scenes_per_step": 2}
    recipe_path = write_recipe(tmp_path / "recipe.yaml", train={**changes, "scenes_per_micro_batch": 1})
    recipe = load_recipe(recipe_path)
    data = write_data(tmp_path / "data", recipe)

    run = Run(tmp_path / "run", data, recipe_path, "--ranks", "1")
    process = run.start()
    run.wait_for_step(3, process)
    process.send_signal(signal.SIGTERM)
    code, told = run.finish(process)
    assert code == 128 + signal.SIGTERM, told
    assert "the same command goes on from there" in told
    stopped_after = len(run.losses())
    assert (run.out / "checkpoints" / "latest").read_text() == f"step_{stopped_after:08d}"

    code, told = run.finish(run.start())
    assert code == 0, told
    assert f"resuming after step {stopped_after}" in told
    _check_equals_plain_training(run, recipe, data)

    main_exits(run.arguments, 0)
    assert "already trained" in capsys.readouterr().out
    main_exits([*run.arguments, "--set", "seed=1"], 1)
    assert "was made by another training" in capsys.readouterr().err


def test_rows_of_a_token_budget_train_what_single_videos_do(tmp_path: Path) -> None:
    """Two ranks whose number of rows differs from step to step."""
    changes = {"scenes_per_step": 6, "scenes_per_micro_batch": 1, "tokens_per_micro_batch": 310, "steps": 12}
    recipe_path = write_recipe(tmp_path / "recipe.yaml", train=changes)
    recipe = load_recipe(recipe_path)
    data = write_data(tmp_path / "data", recipe)
    run = Run(tmp_path / "run", data, recipe_path, "--ranks", "2")
    code, told = run.finish(run.start())
    assert code == 0, told
    assert "tokens/s" in told and "MFU" in told
    assert all(0 < record["mfu"] < 1 and 600 < record["tokens"] < 650 for record in run.records())
    _check_equals_plain_training(run, recipe, data)


@pytest.mark.slow
def test_a_rank_that_hangs_is_named_in_time_and_training_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_s = 20.0
    monkeypatch.setenv("LOC3R_STUCK_AFTER_S", str(silent_s))
    recipe_path = write_recipe(tmp_path / "recipe.yaml", train={"steps": 40, "zero_stage": 3})
    run = Run(tmp_path / "run", write_data(tmp_path / "data", load_recipe(recipe_path)), recipe_path, "--ranks", "2")
    process = run.start()
    run.wait_for_step(8, process)
    os.kill(run.rank_pid(process, 1), signal.SIGSTOP)
    since_s = time.monotonic()
    code, told = run.finish(process)
    assert code == 1 and "rank 1 is stuck" in told and "no sign of life for" in told
    assert time.monotonic() - since_s < 4 * silent_s, "not when torchrun's own patience ends"
    code, told = run.finish(run.start())
    assert code == 0 and "resuming after step 6 " in told
    assert len(run.losses()) == 40


def test_a_failing_rank_is_named_with_its_cause(tmp_path: Path) -> None:
    recipe_path = write_recipe(tmp_path / "recipe.yaml", train={"steps": 4})
    recipe = load_recipe(recipe_path)
    scene_id, rank = _a_scene_of_the_first_step(recipe, write_data(tmp_path / "probe", recipe))
    data = write_data(tmp_path / "data", recipe, broken_scene=scene_id)

    run = Run(tmp_path / "run", data, recipe_path, "--ranks", "2")
    code, told = run.finish(run.start())
    assert code == 1
    assert f"rank {rank} failed: camera tokens don't fit the model" in told
    assert "Traceback" not in told
    assert json.loads((run.out / "errors" / f"rank_{rank}.json").read_text())["known"]


def main_exits(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert (stopped.value.code or 0) == code


def _check_equals_plain_training(run: Run, recipe: Recipe, data: Path) -> None:
    from plain import train_plainly

    losses, weights = train_plainly(recipe, data)
    assert run.losses() == pytest.approx(losses, abs=1e-5, rel=1e-5)
    for name, weight in load_file(run.out / "model" / "model.safetensors").items():
        # A key's bias moves no attention: its gradient is rounding noise, which Adam blows up to full steps.
        if not name.endswith("k_proj.bias"):
            torch.testing.assert_close(weight, weights[name], atol=1e-5, rtol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def _check_model_folder(model: Path, recipe: Recipe, data: Path) -> None:
    from loc3r.model.modelling import Loc3R

    lineage = json.loads((model / "lineage.json").read_text())
    assert lineage["recipe_hash"] == recipe.hash == load_recipe(model / "recipe.yaml").hash
    assert lineage["data_hash"] == PreparedData(data).data_hash
    assert lineage["situations_seen"] > recipe.train.steps
    assert lineage["code_commit"]
    assert recipe.hash in (model / "README.md").read_text()
    assert Loc3R.load(model).config.class_names == PreparedData(data).class_names


def _a_scene_of_the_first_step(recipe: Recipe, data: Path) -> tuple[str, int]:
    """A scene that rank 1 alone sees in step 0."""
    prepared, train = PreparedData(data), recipe.train
    questions = {scene: len(prepared.samples_of(scene)) for scene in prepared.scene_ids}
    sampler = StepSampler(
        questions, questions_per_scene=train.questions_per_scene, scenes_per_step=train.scenes_per_step, seed=0
    )
    first = [unit.scene_id for unit in sampler.step(0)]
    return next(scene for scene in first[2:] if scene not in first[:2]), 1


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def _quietly(read: Callable[[], object]) -> object:
    try:
        return read()
    except psutil.Error:
        return None
