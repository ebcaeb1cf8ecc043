"""The pipeline: a package that Kubeflow's own messages accept, steps in the right order, verbs that exist."""

# No postponed annotations here: Kubeflow reads those of the pipeline defined below.

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import dsl, local
from kfp.pipeline_spec import pipeline_spec_pb2

from loc3r.cli import VERBS
from loc3r.recipe import load_recipe

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("package") / "loc3r.yaml"
    command = [sys.executable, "-m", "loc3r", "pipeline", "compile", "-o", str(path)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=120)
    return yaml.safe_load(path.read_text())


def test_the_package_is_a_valid_pipeline_spec(package: dict[str, Any]) -> None:
    spec = json_format.ParseDict(package, pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == "loc3r"
    parameters = package["root"]["inputDefinitions"]["parameters"]
    assert {"workspace", "recipe", "init", "ranks", "repository"} == set(parameters)
    assert all(parameter.get("description") for parameter in parameters.values())


def test_steps_wait_for_what_they_need(package: dict[str, Any]) -> None:
    tasks = package["root"]["dag"]["tasks"]
    needs = {name: set(task.get("dependentTasks", [])) for name, task in tasks.items()}
    assert needs["train-model"] >= {"prepare-data"}
    assert needs["gate-model-2"] >= {"evaluate-model-2", "gate-model", "train-model"}
    assert needs["deploy-champion"] == {"gate-model-2"}
    assert not needs["prepare-data"]


def test_every_step_runs_in_the_image_and_calls_verbs_that_exist(package: dict[str, Any]) -> None:
    executors = package["deploymentSpec"]["executors"]
    sources = {name: "\n".join(each["container"]["command"]) for name, each in executors.items()}
    called = {verb for source in sources.values() for verb in re.findall(r'\["loc3r", "(\w+)"', source)}
    assert called == {"train", "evaluate", "gate", "export", "deploy"}
    assert called <= set(VERBS)
    assert len({each["container"]["image"] for each in executors.values()}) == 1


def test_the_dvc_stages_that_it_runs_exist() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert {"prepare_train", "prepare_test"} <= set(stages)


def test_the_demo_recipe_prepares_the_same_data_as_the_checkpoint_in_the_box() -> None:
    tiny, demo = load_recipe(ROOT / "recipes/rooms-tiny.yaml"), load_recipe(ROOT / "recipes/rooms-demo.yaml")
    assert tiny.data == demo.data and tiny.model == demo.model


def test_a_step_that_fails_stops_the_pipeline(tmp_path: Path) -> None:
    from pipelines.components import import_model

    @dsl.pipeline
    def broken() -> None:
        import_model(workspace=str(tmp_path), folder="nothing-here")

    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
    with pytest.raises(RuntimeError, match="import-model"):
        broken()


def test_a_checkpoint_is_handed_on_with_its_lineage(tmp_path: Path) -> None:
    from pipelines.components import import_model

    source = tmp_path / "checkpoint"
    source.mkdir()
    (source / "lineage.json").write_text('{"recipe_hash": "abc"}')
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
    model = import_model(workspace=str(tmp_path), folder="checkpoint").outputs["model"]
    assert model.metadata["recipe_hash"] == "abc"
    assert (Path(model.path) / "lineage.json").is_file()
