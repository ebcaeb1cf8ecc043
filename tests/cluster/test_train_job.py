"""The TrainJob that is sent: strict, whole, and read by the kubelet and by our worker as it was meant."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from rendering import container_of, expand, jobset_of, process
from strict import problems

from loc3r.cluster import TrainingPlan, plan_training
from loc3r.cluster.environment import pet_environment, world_size
from loc3r.cluster.train_job import render
from loc3r.recipe import load_recipe
from loc3r.train.worker import main as worker

REPOSITORY = Path(__file__).parents[2]
RUNTIME = yaml.safe_load((REPOSITORY / "k8s/base/training/runtime.yaml").read_text())


@pytest.fixture(params=["cpu", "gpu"])
def any_plan(request: pytest.FixtureRequest, plan: TrainingPlan) -> TrainingPlan:
    if request.param == "cpu":
        return plan
    return plan_training(
        REPOSITORY / "recipes/loc3r-7b.yaml", data="rooms://8", nodes=2, gpus_per_node=4, queue="loc3r",
        image="ghcr.io/loc3r/loc3r:0.2.0", init="/workspace/models/llava-video-7b", tags={"why": "a test"},
        tracking_uri="http://mlflow:5000", parent_run="abc", name="seven-b",
    )  # fmt: skip


def test_it_passes_strict_validation_and_trainer_s_own_models_keep_every_field(any_plan: TrainingPlan) -> None:
    models = pytest.importorskip("kubeflow_trainer_api.models", reason="pip install kubeflow-trainer-api")
    job = render(any_plan)
    assert problems(job) == []
    assert models.TrainerV1alpha1TrainJob.from_dict(deepcopy(job)).to_dict() == job


def test_nodes_times_processes_are_the_gpus_and_the_world_size(any_plan: TrainingPlan) -> None:
    job = render(any_plan)
    trainer = job["spec"]["trainer"]
    gpus = int(trainer["resourcesPerNode"]["limits"].get("nvidia.com/gpu", 0))
    assert world_size(job, RUNTIME) == any_plan.ranks == trainer["numNodes"] * (gpus or 1)
    assert trainer["resourcesPerNode"]["limits"] == trainer["resourcesPerNode"]["requests"]


def test_its_jobset_passes_strict_validation_too_and_runs_the_image_that_was_asked_for(any_plan: TrainingPlan) -> None:
    jobset = jobset_of(RUNTIME, render(any_plan))
    assert problems(jobset) == []
    assert container_of(jobset, "node")["image"] == (any_plan.image or "loc3r")


def test_the_worker_understands_the_command(any_plan: TrainingPlan) -> None:
    container = container_of(jobset_of(RUNTIME, render(any_plan)), "node")
    command, environment = process(container, job=any_plan.name, node=1, settings={})
    assert command[:3] == ["torchrun", "-m", "loc3r.train.worker"]
    values = worker.make_context("worker", command[3:]).params
    folder = Path("/workspace/jobs") / any_plan.name
    assert values["out"] == folder / "run"
    assert values["data"] == folder / "data/prepared/train"
    assert values["recipe_path"] == folder / "recipe.yaml"
    assert values["device"] == ("cuda" if any_plan.gpus else "cpu")
    assert str(values["init"]) == any_plan.init
    assert dict(tag.split("=") for tag in values["tags"]) == any_plan.tags
    assert environment["PET_NODE_RANK"] == "1"
    assert environment["PET_MASTER_ADDR"] == f"{any_plan.name}-node-0-0.{any_plan.name}"


@pytest.mark.parametrize("name", ["plain", "costs $5, $(JOB) and $$"])
def test_the_recipe_that_the_first_step_writes_is_the_one_that_was_planned(tmp_path: Path, name: str) -> None:
    source = tmp_path / "recipe.yaml"
    source.write_text(yaml.safe_dump({"name": name}))
    plan = plan_training(source, ("train.steps=7",), data="rooms://8")
    container = container_of(jobset_of(RUNTIME, render(plan)), "dataset-initializer")
    _, environment = process(container, job=plan.name, node=0, settings={})
    arrived = tmp_path / "arrived.yaml"
    arrived.write_text(environment["RECIPE_YAML"])
    assert load_recipe(arrived) == plan.recipe
    assert environment["RECIPE"] == f"/workspace/jobs/{plan.name}/recipe.yaml"


def test_a_rank_takes_its_share_of_the_processors_it_was_given(any_plan: TrainingPlan) -> None:
    (threads,) = [
        each["value"] for each in render(any_plan)["spec"]["trainer"]["env"] if each["name"] == "OMP_NUM_THREADS"
    ]
    assert int(threads) * any_plan.processes_per_node == any_plan.cpus_per_node


def test_no_variable_of_the_job_is_one_that_trainer_reserves(any_plan: TrainingPlan) -> None:
    assert not [each for each in render(any_plan)["spec"]["trainer"]["env"] if each["name"].startswith("PET_")]


@pytest.mark.parametrize(
    ("trainer", "processes"),
    [  # kubeflow/trainer, pkg/runtime/framework/plugins/torch/torch_nproc_per_node_test.go; and one kind of the two
        ({}, "auto"),
        ({"numProcPerNode": 3}, "3"),
        ({"resourcesPerNode": {"requests": {"cpu": "4"}}}, "4"),
        ({"resourcesPerNode": {"requests": {"cpu": "500m"}}}, "1"),
        ({"resourcesPerNode": {"limits": {"cpu": "2"}, "requests": {"cpu": "8"}}}, "2"),
        ({"resourcesPerNode": {}}, "1"),
        ({"resourcesPerNode": {"requests": {"nvidia.com/gpu": "2"}}}, "auto"),
        ({"resourcesPerNode": {"requests": {"cpu": "8", "nvidia.com/gpu": "2"}}}, "auto"),
        ({"numProcPerNode": 3, "resourcesPerNode": {"requests": {"cpu": "8"}}}, "3"),
        ({"numProcPerNode": 3, "resourcesPerNode": {"limits": {"cpu": "8"}}}, "1"),
    ],
)
def test_processes_are_counted_as_trainer_counts_them(trainer: dict, processes: str) -> None:
    job = {"metadata": {"name": "a-job"}, "spec": {"trainer": trainer}}
    values = {each["name"]: each.get("value") for each in pet_environment(job, RUNTIME)}
    assert values["PET_NPROC_PER_NODE"] == processes
    assert values["PET_NNODES"] == "2", "the runtime's, where the job names none"


def test_the_kubelet_expands_what_is_defined_by_then_and_keeps_the_rest() -> None:
    assert expand("$(A)/$(B) $$(A) $$ $A", {"A": "x"}) == "x/$(B) $(A) $ $A"
