"""Runs, versions, the gate's alias and the way back, on a real MLflow server."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loc3r.errors import RegistryError
from loc3r.services.mlflow import MlflowServer
from loc3r.settings import Settings
from loc3r.tracking.gate import rollback, settle
from loc3r.tracking.registry import ModelVersion, Registry, fetch_model
from loc3r.tracking.runs import TrackedRun, find_run, open_run, run_of_model

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("tracking")]


KILLED_REGISTRAR = """
import os, signal, sys
from pathlib import Path
import mlflow, requests
from loc3r.tracking.registry import Registry
from loc3r.tracking.runs import open_run

uri, name, folder = sys.argv[1:]
send, count, last = requests.Session.send, 0, 0
run, registry = open_run(uri, name, name="a run", key="k"), Registry(uri, name)

def counted(self, request, **options):
    global count
    count += 1
    if count == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return send(self, request, **options)

requests.Session.send = counted
for number in range(1, 100):  # each child dies as its request of that number goes out, until one has no such request
    child = os.fork()
    if child == 0:
        count, last = 0, number
        registry.register(Path(folder), run, {})
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    left = registry.client.search_model_versions(f"name = '{name}'")
    print(number, *(version.version for version in left))
"""


@dataclass(frozen=True)
class Said:
    """A verdict that somebody gave."""

    better: bool
    reason: str = "because"
    against: str = "it"
    evidence: dict[str, Any] = field(default_factory=lambda: {"difference": 0.1})


def checkpoint(folder: Path, weights: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(weights)
    (folder / "loc3r_config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    return folder


def a_run(registry: Registry, key: str = "k") -> TrackedRun:
    return open_run(registry.uri, registry.name, name="a run", key=key)


def registered(registry: Registry, tmp_path: Path, *names: str) -> list[ModelVersion]:
    run = a_run(registry)
    return [registry.register(checkpoint(tmp_path / name, name), run, {"name": name}) for name in names]


def test_a_run_is_opened_again_by_its_key_and_found_by_its_tags(server: MlflowServer) -> None:
    first = open_run(server.url, "runs", name="one", key="1", tags={"seed": 3, "recipe_hash": "r"})
    first.log_params({"model": {"layers": 2}, "seed": 3})
    first.log_rows([(step, time.time(), {"loss": 1 / step}) for step in range(1, 1200)])
    first.finish("KILLED")
    again = open_run(server.url, "runs", name="one", key="1", tags={"seed": 3})
    assert again.run_id == first.run_id
    again.log_params({"model": {"layers": 2}, "seed": 3})  # the same values again are no conflict
    run = again.client.get_run(again.run_id)
    assert run.info.status == "RUNNING"
    assert run.data.params == {"model.layers": "2", "seed": "3"}
    assert len(again.client.get_metric_history(again.run_id, "loss")) == 1199
    assert open_run(server.url, "runs", name="two", key="2").run_id != first.run_id
    found = find_run(server.url, "runs", {"recipe_hash": "r"})
    assert found and found.run_id == first.run_id
    assert find_run(server.url, "runs", {"recipe_hash": "other"}) is None


def test_a_model_that_was_trained_elsewhere_has_a_run_of_its_own(server: MlflowServer, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a", "elsewhere")
    run = run_of_model(server.url, "imports", folder)
    assert run_of_model(server.url, "imports", folder).run_id == run.run_id
    assert run.tags()["loc3r.kind"] == "imported"


def test_the_same_content_is_registered_once_and_comes_back_whole(registry: Registry, tmp_path: Path) -> None:
    first, second = registered(registry, tmp_path, "a", "b")
    copy = checkpoint(tmp_path / "copy of a", "a")
    (copy / "scores.json").write_text("{}")
    assert registry.register(copy, a_run(registry), {}).number == first.number
    assert (first.number, second.number) == (1, 2)
    assert first.tags["loc3r.name"] == "a"

    settings = Settings(tracking_uri=registry.uri, cache_dir=tmp_path / "cache")
    registry.point("champion", second)
    for reference in (f"models:/{registry.name}@champion", f"models:/{registry.name}/2"):
        assert (fetch_model(reference, settings) / "model.safetensors").read_text() == "b"
    assert fetch_model(str(copy), settings) == copy

    cached = fetch_model(second.reference, settings)
    (cached / "model.safetensors").write_text("bit rot")
    with pytest.raises(RegistryError, match="damaged"):
        fetch_model(second.reference, settings)
    assert (fetch_model(second.reference, settings) / "model.safetensors").read_text() == "b"


def test_a_registration_that_is_killed_anywhere_leaves_no_half_version_and_loses_none(
    registry: Registry, tmp_path: Path
) -> None:
    (before,) = registered(registry, tmp_path, "before")
    folder = checkpoint(tmp_path / "new", "new")
    arguments = [sys.executable, "-c", KILLED_REGISTRAR, registry.uri, registry.name, str(folder)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    deaths = [line.split() for line in done.stdout.splitlines()]
    assert len(deaths) >= 6 and all(set(seen) <= {"1", "2"} for _, *seen in deaths), deaths
    assert all("1" in seen for _, *seen in deaths), "what was there stays"

    version = registry.register(folder, a_run(registry), {})
    assert version.number == 2 and registry.find(version.model_hash) == version
    settings = Settings(tracking_uri=registry.uri, cache_dir=tmp_path / "cache")
    for each, weights in ((before, "before"), (version, "new")):
        assert (fetch_model(each.reference, settings) / "model.safetensors").read_text() == weights
    logged = registry.client.search_logged_models([a_run(registry).experiment_id])
    assert {each.model_id for each in logged} == {before.model_id, version.model_id}, "nothing is left over"


def test_what_is_not_there_is_named(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(tracking_uri=registry.uri, cache_dir=tmp_path)
    for reference in ("models:/nobody@champion", "models:/nobody/1", "models:/loc3r@", "models:/loc3r", "no/folder"):
        with pytest.raises(RegistryError):
            fetch_model(reference, settings)
    (only,) = registered(registry, tmp_path, "a")
    with pytest.raises(RegistryError, match="evaluations"):
        registry.fetch(only, tmp_path / "into", "evaluations/none")
    assert not (tmp_path / "into").exists()
    assert registry.champion() is None


def test_the_alias_moves_by_verdict_and_the_decision_is_kept(registry: Registry, tmp_path: Path) -> None:
    first, second = registered(registry, tmp_path, "a", "b")
    run = a_run(registry)
    refused = settle(registry, first, Said(better=False, reason="no better"), run)
    assert (refused.promoted, refused.champion) == (False, None)
    assert registry.champion() is None
    promoted = settle(registry, second, Said(better=True), run)
    assert (promoted.promoted, promoted.version, promoted.champion) == (True, "2", "2")
    assert registry.champion() == registry.get(2)
    assert registry.get(1).tags["loc3r.gate.decision"] == "not promoted"
    assert registry.get(1).tags["loc3r.gate.reason"] == "no better"
    kept = registry.fetch(second, tmp_path / "kept", "gate")
    assert '"promoted": true' in (kept / "decision.json").read_text()
    assert "| difference | 0.1 |" in (kept / "decision.md").read_text()
    assert [item.path for item in run.client.list_artifacts(run.run_id, "gate")] == [
        "gate/decision.json",
        "gate/decision.md",
    ]


def test_rollback_goes_back_through_history_and_what_was_taken_out_stays_out(
    registry: Registry, tmp_path: Path
) -> None:
    versions = registered(registry, tmp_path, "a", "b", "c")
    for version in versions:
        settle(registry, version, Said(better=True), None)
    assert [version.number for version in rollback(registry)] == [3, 2]
    again = settle(registry, versions[2], Said(better=True), None)
    assert not again.promoted
    assert "Rolled back" in again.reason
    assert [version.number for version in rollback(registry)] == [2, 1]
    with pytest.raises(RegistryError, match="no champion before"):
        rollback(registry)
    champion = registry.champion()
    assert champion and champion.number == 1
    assert settle(registry, versions[2], Said(better=True), None, again=True).promoted
