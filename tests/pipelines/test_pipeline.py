"""The pipeline: a package that Kubeflow's own messages accept, steps in the right order, verbs that exist."""

# No postponed annotations here: Kubeflow reads those of the pipeline defined below.

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from google.protobuf import json_format
from kfp import dsl, local
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from loc3r.cli import VERBS
from loc3r.recipe import load_recipe
from loc3r.settings import Settings
from pipelines.command import pipeline
from pipelines.components import COMPUTE_IMAGE, IMAGE

ROOT = Path(__file__).parent.parent.parent
ANEW = {"pin-inputs", "gate-model", "gate-model-2", "is-served", "deploy-champion", "report-run"}
RETRIED = {"fetch-data", "fetch-data-2", "evaluate-model", "evaluate-model-2", "train-model"}
Document = dict[str, Any]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[Document]:
    return compiled(tmp_path_factory.mktemp("package") / "loc3r.yaml")


@pytest.fixture(scope="module")
def package(documents: list[Document]) -> Document:
    return documents[0]


@pytest.fixture(scope="module")
def tasks(package: Document) -> dict[str, Document]:
    """Every step, by its name in the package, wherever it stands."""
    dags = [package["root"]["dag"], *(each["dag"] for each in package["components"].values() if "dag" in each)]
    return {
        name: task
        for dag in dags
        for name, task in dag["tasks"].items()
        if "executorLabel" in component_of(package, task)
    }


def compiled(path: Path, *options: str) -> list[Document]:
    told = CliRunner().invoke(pipeline, ["compile", "-o", str(path), *options], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    return list(yaml.safe_load_all(path.read_text()))


def component_of(package: Document, task: Document) -> Document:
    component: Document = package["components"][task["componentRef"]["name"]]
    return component


def test_both_documents_parse_strictly_into_kubeflow_s_messages(documents: list[Document]) -> None:
    spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
    assert spec.pipeline_info.name == "loc3r"
    platform = json_format.ParseDict(documents[1], pipeline_spec_pb2.PlatformSpec())
    executors = json_format.MessageToDict(platform)["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for config in executors.values():
        json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    assert set(executors) == set(documents[0]["deploymentSpec"]["executors"])


def test_every_parameter_says_what_it_is(package: Document) -> None:
    parameters = package["root"]["inputDefinitions"]["parameters"]
    assert {"recipe", "init", "train_data", "test_data", "nodes", "gpus_per_node", "queue"} == set(parameters)
    assert all(len(each["description"]) > 20 and "defaultValue" in each for each in parameters.values())


def test_steps_wait_for_what_they_need(tasks: dict[str, Document]) -> None:
    needs = {name: set(task.get("dependentTasks", [])) for name, task in tasks.items()}
    assert not needs["pin-inputs"]
    assert needs["fetch-data"] == needs["import-model"] == {"pin-inputs"}
    assert needs["train-model"] >= {"fetch-data", "pin-inputs"}
    assert needs["evaluate-model-2"] >= {"train-model", "fetch-data", "fetch-data-2"}
    assert needs["gate-model-2"] >= {"evaluate-model-2", "gate-model", "train-model"}
    assert needs["is-served"] == {"gate-model-2"}


def test_the_champion_is_deployed_only_where_it_is_not_served(package: Document) -> None:
    steps = package["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    condition = steps["condition-2"]
    policy = condition["triggerPolicy"]["condition"]
    assert policy == "inputs.parameter_values['pipelinechannel--is-served-Output'] == false"
    assert condition["dependentTasks"] == ["is-served"]
    assert set(component_of(package, condition)["dag"]["tasks"]) == {"deploy-champion"}


def test_the_report_comes_last_whatever_happened(package: Document) -> None:
    report = package["root"]["dag"]["tasks"]["report-run"]
    assert report["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert report["inputs"]["parameters"]["status"]["taskFinalStatus"]["producerTask"] == "exit-handler-1"


def test_verdicts_and_looks_outside_are_never_answered_from_the_cache(tasks: dict[str, Document]) -> None:
    assert {name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")} == ANEW


def test_only_steps_that_find_their_work_again_are_retried(tasks: dict[str, Document]) -> None:
    retried = {name: task["retryPolicy"] for name, task in tasks.items() if "retryPolicy" in task}
    assert set(retried) == RETRIED
    assert {policy["maxRetryCount"] for policy in retried.values()} == {2}


def test_metrics_and_pages_are_of_kinds_that_kubeflow_shows(package: Document, tasks: dict[str, Document]) -> None:
    def shown(name: str) -> dict[str, str]:
        artifacts = component_of(package, tasks[name])["outputDefinitions"]["artifacts"]
        return {key: each["artifactType"]["schemaTitle"] for key, each in artifacts.items()}

    expected = {"metrics": "system.Metrics", "page": "system.HTML", "report": "system.Markdown"}
    assert expected.items() <= shown("evaluate-model").items()
    assert shown("train-model") == {"model": "system.Model", "metrics": "system.Metrics"}
    assert shown("report-run") == {"report": "system.Markdown"}
    assert all(task["taskInfo"]["name"] != name for name, task in tasks.items()), "a name for people"


def test_every_step_runs_in_the_image_and_calls_verbs_that_exist(package: Document) -> None:
    executors = package["deploymentSpec"]["executors"]
    sources = ["\n".join(each["container"]["command"]) for each in executors.values()]
    sources.append((ROOT / "pipelines/steps.py").read_text())
    called = {verb for source in sources for verb in re.findall(r'\["loc3r", "(\w+)"', source)}
    assert called == {"train", "evaluate", "gate", "deploy"}
    assert called <= set(VERBS)
    compute = {name for name, each in executors.items() if each["container"]["image"] == COMPUTE_IMAGE}
    assert {name.removeprefix("exec-").rstrip("-23456789") for name in compute} == {"fetch-data", "evaluate-model"}
    assert {each["container"]["image"] for each in executors.values()} == {IMAGE, COMPUTE_IMAGE}


def test_the_image_can_be_another(tmp_path: Path) -> None:
    package, platform = compiled(tmp_path / "ours.yaml", "--image", "registry.example/ours:1", "--size", "laptop")
    containers = [each["container"] for each in package["deploymentSpec"]["executors"].values()]
    assert {each["image"] for each in containers} == {"registry.example/ours:1"}
    assert not [each for each in containers if "accelerator" in each["resources"]]
    assert "nodeSelector" not in str(platform)


def test_settings_that_steps_read_exist() -> None:
    settings = Settings(_env_file=None)
    assert (settings.train_on, settings.deploy_to) == ("here", "local")
    assert not settings.report_url.get_secret_value()


def test_the_demo_recipe_prepares_the_same_data_as_the_checkpoint_in_the_box() -> None:
    tiny, demo = load_recipe(ROOT / "recipes/rooms-tiny.yaml"), load_recipe(ROOT / "recipes/rooms-demo.yaml")
    assert tiny.data == demo.data and tiny.model == demo.model


def test_a_step_that_fails_fails_the_pipeline_and_the_report_still_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.components import import_model, report_run

    @dsl.pipeline
    def broken() -> None:
        with dsl.ExitHandler(report_run(recipe="recipes/rooms-demo.yaml")):
            import_model(folder=str(tmp_path / "nothing-here"), weights="abc")

    monkeypatch.setenv("LOC3R_TRACKING_URI", "http://127.0.0.1:9")
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
    with pytest.raises(RuntimeError, match="import-model"):
        broken()
    (report,) = (tmp_path / "root").rglob("report-run/report")
    assert report.read_text().startswith("# Loc3R pipeline: FAILED")
    assert "champion: unknown" in report.read_text()


def test_a_checkpoint_is_handed_on_with_its_lineage(tmp_path: Path) -> None:
    from pipelines.components import import_model

    source = tmp_path / "checkpoint"
    source.mkdir()
    (source / "lineage.json").write_text('{"recipe_hash": "abc"}')
    local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"), raise_on_error=True)
    model = import_model(folder=str(source), weights="123").outputs["model"]
    assert (model.metadata["recipe_hash"], model.metadata["model_hash"]) == ("abc", "123")
    assert (Path(model.path) / "lineage.json").is_file()
