"""Pinned inputs and Kubeflow's cache: a step's key changes with the data revision and the recipe, and not otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp.compiler import Compiler

from loc3r.errors import DataError, RecipeError
from loc3r.recipe import load_recipe
from pipelines import steps
from pipelines.pipeline import loc3r_pipeline

ROOT = Path(__file__).parents[2]
LOCK = """
stages:
  prepare_train: {{outs: [{{path: data/prepared/train, md5: {0}.dir}}]}}
  prepare_test: {{outs: [{{path: data/prepared/test, md5: 1f.dir}}]}}
"""
Pin = Callable[..., steps.Pinned]


@pytest.fixture
def pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pin:
    """Pin inputs in an empty volume, where the data revision is a mounted file."""
    (tmp_path / "volume").mkdir()
    monkeypatch.chdir(tmp_path / "volume")
    monkeypatch.setattr("loc3r.cluster.plan.IMAGE_ROOT", str(ROOT))
    monkeypatch.setattr(steps, "REVISION", tmp_path / "dvc.lock")

    def pin(recipe: str = "recipes/rooms-demo.yaml", revision: str = "0a", test: str = "data/prepared/test") -> Any:
        (tmp_path / "dvc.lock").write_text(LOCK.format(revision))
        return steps.pin(recipe, "checkpoints/rooms-tiny", "data/prepared/train", test)

    return pin


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("package") / "loc3r.yaml"
    Compiler().compile(loc3r_pipeline, str(path))
    return next(yaml.safe_load_all(path.read_text()))


def keys(package: dict[str, Any], pinned: steps.Pinned) -> dict[str, str]:
    """Cache keys of the long steps for these inputs, as Kubeflow makes them.

    Source: kubeflow/pipelines backend/src/v2/cacheutils/cache.go: input parameters, names of artifacts, image and
    command. What is made upstream is the hash of its own key here, as its content is for steps that repeat exactly.
    """
    tasks = package["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    found: dict[str, str] = {}

    def value(source: dict[str, Any]) -> object:
        if "runtimeValue" in source:
            return source["runtimeValue"]["constant"]
        if "componentInputParameter" in source:
            return source["componentInputParameter"]
        task, output = (source["taskOutputParameter"][key] for key in ("producerTask", "outputParameterKey"))
        return getattr(pinned, output) if task == "pin-inputs" else key_of(task)

    def key_of(name: str) -> str:
        task = tasks[name]
        component = package["components"][task["componentRef"]["name"]]
        container = package["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
        parameters = {key: value(source) for key, source in task.get("inputs", {}).get("parameters", {}).items()}
        artifacts = sorted(task.get("inputs", {}).get("artifacts", {}))
        text = json.dumps([parameters, artifacts, container["image"], container["command"]], sort_keys=True)
        found[name] = hashlib.sha256(text.encode()).hexdigest()
        return found[name]

    for name, task in tasks.items():
        if task.get("cachingOptions", {}).get("enableCache"):
            key_of(name)
    return found


def test_the_same_inputs_said_otherwise_keep_every_key(package: dict[str, Any], pin: Pin) -> None:
    before = keys(package, pin())
    assert set(before) >= {"fetch-data", "fetch-data-2", "import-model", "evaluate-model", "train-model"}
    text = load_recipe(ROOT / "recipes/rooms-demo.yaml").to_yaml()
    Path("same.yaml").write_text(f"# the same, without extends\n{text}")
    assert keys(package, pin("same.yaml")) == before


def test_another_data_revision_fetches_trains_and_evaluates_again(package: dict[str, Any], pin: Pin) -> None:
    before, after = keys(package, pin()), keys(package, pin(revision="0b"))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"fetch-data", "train-model", "evaluate-model", "evaluate-model-2"}


def test_another_recipe_trains_again_and_leaves_the_start_alone(package: dict[str, Any], pin: Pin) -> None:
    Path("other.yaml").write_text(f"extends: {ROOT}/recipes/rooms-demo.yaml\ntrain: {{steps: 7}}\n")
    before, after = keys(package, pin()), keys(package, pin("other.yaml"))
    assert before["train-model"] != after["train-model"]
    assert before["evaluate-model-2"] != after["evaluate-model-2"]
    assert before["import-model"] == after["import-model"]


def test_every_cached_step_takes_the_hash_of_each_artifact_that_it_reads(package: dict[str, Any]) -> None:
    """Kubeflow's key holds an artifact's name alone."""
    hashes = {"model": "model_hash", "train_data": {"train_hash", "data_hash"}, "test_data": "test_hash"}
    for task in package["components"]["comp-exit-handler-1"]["dag"]["tasks"].values():
        if not task.get("cachingOptions", {}).get("enableCache"):
            continue
        for artifact in task.get("inputs", {}).get("artifacts", {}):
            wanted = hashes[artifact]
            assert set(task["inputs"]["parameters"]) & (wanted if isinstance(wanted, set) else {wanted})


def test_pinned_inputs_say_it_by_content(pin: Pin) -> None:
    pinned = pin()
    assert pinned.train_data == "dvc://0a.dir" and pinned.test_data == "dvc://1f.dir"
    assert Path(pinned.start) == ROOT / "checkpoints/rooms-tiny"
    assert len(pinned.weights) == 12
    Path("pinned.yaml").write_text(pinned.recipe)
    assert load_recipe(Path("pinned.yaml")).hash == load_recipe(ROOT / "recipes/rooms-demo.yaml").hash
    assert pin(test="rooms://32").test_data == "rooms://32"


def test_inputs_that_do_not_exist_are_told(pin: Pin) -> None:
    with pytest.raises(RecipeError, match="no such recipe"):
        pin("recipes/nobody.yaml")
    with pytest.raises(DataError, match="kubectl create configmap loc3r-data-revision"):
        pin(test="data/prepared/nothing")


def test_a_webhook_that_is_down_fails_no_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOC3R_REPORT_URL", "http://127.0.0.1:9/hook")
    steps.tell("# Loc3R pipeline: FAILED")
    assert "could not be sent" in capsys.readouterr().out
