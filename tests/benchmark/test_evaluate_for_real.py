"""``loc3r evaluate --benchmark`` as users run it: our rooms, the shipped model, processes that are killed, MLflow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from loc3r.files import read_json
from loc3r.results.page import RESULTS
from loc3r.services.mlflow import MlflowServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.xdist_group("benchmark")]
ROOT = Path(__file__).parents[2]
MODEL = ROOT / "checkpoints" / "rooms-tiny"
PATIENCE_S = 900


def loc3r(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "loc3r", *map(str, arguments)]


def run(*arguments: object, code: int = 0) -> str:
    done = subprocess.run(loc3r(*arguments), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rooms") / "test"
    run("synth", "--rooms", 6, "--situations", 4, "--split", "test", "--seed", 970100, "--out", folder)
    return folder


@pytest.fixture(scope="module")
def whole(rooms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation on one rank that nothing stopped."""
    out = tmp_path_factory.mktemp("whole") / "out"
    told = run(*asking(rooms, out, 1))
    assert "T0: unseen synthetic rooms; 24 questions" in told and "leo" in told
    return out


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow") / "state") as running:
        yield running


def asking(rooms: Path, out: Path, ranks: int, benchmark: str = "sqa3d", uri: str = "none") -> list[object]:
    command: list[object] = ["evaluate", "--benchmark", benchmark, "--model", MODEL, "--data", rooms, "--out", out]
    return [*command, "--ranks", ranks, "--tracking-uri", uri]


def ranks_of(process: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    children = psutil.Process(process.pid).children(recursive=True)
    return {c.environ()["RANK"]: c for c in children if "loc3r.benchmark.worker" in c.cmdline()}


def lines(out: Path) -> list[bytes]:
    path = out / "predictions.jsonl"
    return path.read_bytes().splitlines(keepends=True) if path.is_file() else []


def test_killed_in_the_middle_it_goes_on_and_two_ranks_give_the_bytes_of_one(
    rooms: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(loc3r(*asking(rooms, out, 2)), stderr=subprocess.DEVNULL)
    until(lambda: bool(lines(out)))
    workers = list(ranks_of(process).values())
    process.kill()  # -9, to the program itself
    process.wait()
    psutil.wait_procs(workers, timeout=60)
    assert not any(worker.is_running() for worker in workers)  # its ranks die with it
    kept = lines(out)
    assert 0 < len(kept) < 24
    with (out / "predictions.jsonl").open("ab") as file:
        file.write(kept[-1][:70])  # as if it had come in the middle of a line

    process = subprocess.Popen(loc3r(*asking(rooms, out, 2)), stderr=subprocess.PIPE)
    until(lambda: "1" in ranks_of(process))
    ranks_of(process)["1"].send_signal(signal.SIGKILL)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and b"rank 1 was killed by SIGKILL" in told
    assert set(kept) <= set(lines(out))

    run(*asking(rooms, out, 2))
    assert lines(out) == lines(whole)
    scored = json.loads(run("score", "sqa3d", "--predictions", out / "predictions.jsonl", "--profile", "leo", "--json"))
    assert scored == {**read_json(whole / "scores" / "leo.json"), "split": None}


def test_predictions_prompts_and_scores_are_in_mlflow_and_on_the_page(
    rooms: Path, whole: Path, server: MlflowServer, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    told = run(*asking(rooms, whole, 1, uri=server.url))
    assert "recorded in" in told
    run(*asking(rooms, whole, 1, uri=server.url), "--profile", "leo")  # again: the same run, nothing new
    run(*asking(rooms, tmp_path / "poses", 2, "sqa3d-localization", server.url), "--limit", 2, "--profile", "single")

    client = MlflowClient(server.url)
    experiment = client.get_experiment_by_name("loc3r").experiment_id
    found = client.search_runs([experiment], "tags.`loc3r.kind` = 'benchmark'")
    asked = {run.data.tags["loc3r.benchmark"]: run for run in found}
    assert len(found) == 2 and {run.info.status for run in found} == {"FINISHED"}
    tags, metrics = asked["sqa3d"].data.tags, asked["sqa3d"].data.metrics
    plan = read_json(whole / "benchmark.json")["identity"]
    assert tags["loc3r.profile"] == "chat-scene,leo,video3dllm" and tags["loc3r.split"] == "test"
    for name in ("data_hash", "questions_hash", "model_hash"):
        assert tags[f"loc3r.{name}"] == plan[name]
    assert tags["loc3r.seed"] == "0" and len(tags["loc3r.code_commit"]) >= 10 and tags["mlflow.parentRunId"]
    score = read_json(whole / "scores" / "leo.json")
    assert metrics["leo/em"] == score["metrics"]["em"]
    assert [metrics["leo/em.low"], metrics["leo/em.high"]] == pytest.approx(score["intervals"]["em"])
    assert metrics["leo/em.frequent answer"] == score["baselines"]["frequent answer"]["em"]
    got = Path(client.download_artifacts(asked["sqa3d"].info.run_id, "predictions.jsonl", str(tmp_path)))
    assert got.read_bytes() == (whole / "predictions.jsonl").read_bytes()
    assert all(json.loads(line)["prompt"] for line in got.read_bytes().splitlines())

    page = tmp_path / "results.md"
    page.write_text(f"# Ours\n\n{RESULTS.begin}\nold\n{RESULTS.end}\n\nby hand\n")
    run("results", "--out", page, "--tracking-uri", server.url)
    text = page.read_text()
    assert text.startswith("# Ours\n") and text.endswith("\n\nby hand\n") and "old" not in text
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| sqa3d")
    ]
    low, high = score["intervals"]["em"]
    first = next(row for row in rows if row[4:6] == ["leo", "em"])
    assert first[:4] == ["sqa3d", f"T0 `{plan['data_hash']}`", "test", "24"]
    assert first[6:8] == [f"{score['metrics']['em']:.1f}", f"{low:.1f} – {high:.1f}"]
    assert "frequent answer" in first[8] and plan["model_hash"] in first[9] and first[10].strip("`")
    (pose,) = [row for row in rows if row[5] == "acc@1.0m"]
    assert pose[4] == "single" and "first 2 scenes" in pose[3] and "scene centre" in pose[8]
    run("results", "--out", page, "--tracking-uri", server.url, "--model", MODEL)
    assert page.read_text() == text


def test_a_page_is_not_emptied_by_a_server_that_knows_nothing(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    page.write_text(before := f"{RESULTS.begin}\nold\n{RESULTS.end}\n")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert "nothing is recorded" in run("results", "--out", page, "--tracking-uri", uri, code=1)
    assert page.read_text() == before
