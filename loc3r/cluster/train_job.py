"""A plan as a TrainJob of Kubeflow Trainer 2.3, the object that the API server is sent."""

from __future__ import annotations

from typing import Any

from loc3r.cluster.environment import Object, world_size
from loc3r.cluster.plan import RUNTIME, TrainingPlan
from loc3r.files import hash_json
from loc3r.train.job import NO_TRACKING

API_VERSION = "trainer.kubeflow.org/v1alpha1"
FOLDER = "/workspace/jobs/$(JOB)"
"""Where a job works; the kubelet puts the job's name in."""
RECIPE = f"{FOLDER}/recipe.yaml"
PLAN, OUTCOME = "loc3r.io/plan", "loc3r.io/outcome"
"""Annotations that say whether a job that exists is the one that is asked for, or ends with the same weights."""
PART_OF = {"app.kubernetes.io/part-of": "loc3r"}
QUEUE = "kueue.x-k8s.io/queue-name"
"""Label: the LocalQueue that decides when the job runs."""


def render(plan: TrainingPlan) -> Object:
    """The TrainJob. Its recipe travels in it, so that the image need not hold it; its first step writes it down."""
    spec = {
        "runtimeRef": {"apiGroup": "trainer.kubeflow.org", "kind": "ClusterTrainingRuntime", "name": RUNTIME},
        "initializer": {"dataset": {"storageUri": plan.data, "env": _data_environment(plan)}},
        "trainer": {
            "numNodes": plan.nodes,
            "numProcPerNode": plan.processes_per_node,
            "args": _arguments(plan),
            "env": _rank_environment(plan),
            "resourcesPerNode": {"requests": _resources(plan), "limits": _resources(plan)},
            **({"image": plan.image} if plan.image else {}),
        },
    }
    labels = PART_OF | ({QUEUE: plan.queue} if plan.queue else {})
    annotations = {
        "loc3r.io/recipe": f"{plan.recipe.name} {plan.recipe.hash}",
        OUTCOME: plan.outcome,
        PLAN: hash_json({"labels": labels, "spec": spec}),
    }
    metadata = {"name": plan.name, "namespace": plan.namespace, "labels": labels, "annotations": annotations}
    job = {"apiVersion": API_VERSION, "kind": "TrainJob", "metadata": metadata, "spec": spec}
    assert world_size(job) == plan.ranks, "torchrun would start another number of ranks than the batch was checked for"
    return job


def _arguments(plan: TrainingPlan) -> list[str]:
    """Those of the runtime's torchrun."""
    arguments = ["-m", "loc3r.train.worker", f"--recipe={RECIPE}", f"--data={FOLDER}/data/prepared/train"]
    # By name: a rank whose GPU can't be used must fail, not train on a CPU.
    arguments += [f"--out={FOLDER}/run", f"--device={'cuda' if plan.gpus else 'cpu'}"]
    options = {"--init": plan.init, "--tracking-uri": plan.tracking_uri, "--parent-run": plan.parent_run}
    arguments += [f"{option}={value}" for option, value in options.items() if value]
    return arguments + [f"--tag={name}={value}" for name, value in plan.tags.items()]


def _data_environment(plan: TrainingPlan) -> list[dict[str, str]]:
    text = plan.recipe.to_yaml().replace("$", "$$")  # the kubelet reads $(NAME) in values
    return [{"name": "RECIPE", "value": RECIPE}, {"name": "RECIPE_YAML", "value": text}]


def _rank_environment(plan: TrainingPlan) -> list[dict[str, str]]:
    threads = max(1, plan.cpus_per_node // plan.processes_per_node)
    values = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}  # torch counts the host's CPUs otherwise
    if plan.tracking_uri == NO_TRACKING:
        values["LOC3R_TRACKING_URI"] = NO_TRACKING
    return [{"name": name, "value": value} for name, value in values.items()]


def _resources(plan: TrainingPlan) -> dict[str, Any]:
    gpus = {"nvidia.com/gpu": str(plan.gpus_per_node)} if plan.gpus_per_node else {}
    return {"cpu": str(plan.cpus_per_node), "memory": f"{plan.memory_per_node_gib}Gi", **gpus}
