"""The environment that torchrun finds in a TrainJob's pods: one function, for the check before a job is sent, for the
manifest of a cluster without Trainer, and for the test that runs the job on two hosts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]
MASTER_PORT = 29500
RANK_FIELD = "metadata.annotations['batch.kubernetes.io/job-completion-index']"


def pet_environment(job: Mapping[str, Any], runtime: Mapping[str, Any] | None = None) -> list[Object]:
    """What Kubeflow Trainer adds to the container ``node`` under ``mlPolicy.torch``.

    Source: kubeflow/trainer 2.3, pkg/runtime/framework/plugins/torch/torch.go. torchrun reads PET_NNODES as --nnodes,
    and so on. The host is the first pod's: JobSet names it and a headless Service of the job's name makes it known.

    Args:
        job: a TrainJob.
        runtime: its ClusterTrainingRuntime, whose ``numNodes`` holds where the job names none.
    """
    name, trainer = job["metadata"]["name"], job["spec"].get("trainer", {})
    policy = (runtime or {}).get("spec", {}).get("mlPolicy", {})
    return [
        {"name": "PET_NNODES", "value": str(trainer.get("numNodes", policy.get("numNodes", 1)))},
        {"name": "PET_NPROC_PER_NODE", "value": _processes(trainer)},
        {"name": "PET_NODE_RANK", "valueFrom": {"fieldRef": {"fieldPath": RANK_FIELD}}},
        {"name": "PET_MASTER_ADDR", "value": f"{name}-node-0-0.{name}"},
        {"name": "PET_MASTER_PORT", "value": str(MASTER_PORT)},
    ]


def world_size(job: Mapping[str, Any], runtime: Mapping[str, Any] | None = None) -> int:
    """Ranks that a TrainJob starts.

    Raises:
        ValueError: ``PET_NPROC_PER_NODE`` is "auto", which only the pod's own GPUs decide.
    """
    values = {each["name"]: each["value"] for each in pet_environment(job, runtime) if "value" in each}
    return int(values["PET_NNODES"]) * int(values["PET_NPROC_PER_NODE"])


def _processes(trainer: Mapping[str, Any]) -> str:
    """The job's number; without one "auto", which is the CPUs of a node that asks for no GPU.

    Limits decide, then requests. A job that gives one of the two only gets a single process, whatever it says.
    """
    asked = str(trainer.get("numProcPerNode", "auto"))
    if "resourcesPerNode" not in trainer:
        return asked
    limits, requests = (trainer["resourcesPerNode"].get(kind) for kind in ("limits", "requests"))
    if asked == "auto":
        for resources in (limits, requests):
            if resources and not any("gpu" in name.lower() for name in resources):
                return str(max(1, _cpus(resources.get("cpu", 0))))
    return asked if requests is not None else "1"


def _cpus(quantity: str | int) -> int:
    """Whole CPUs of a quantity such as 4 or 500m, rounded up as Kubernetes does."""
    text = str(quantity)
    return math.ceil(int(text[:-1]) / 1000) if text.endswith("m") else math.ceil(float(text))
