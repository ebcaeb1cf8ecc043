"""What Kubeflow Trainer 2.3 makes of a TrainJob and its runtime: the rules of its torch plugin and JobSet builder."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

MASTER_PORT = 29500
Object = dict[str, Any]


def jobset_of(runtime: Object, job: Object) -> Object:
    """The JobSet that Trainer creates."""
    name, asked = job["metadata"]["name"], job["spec"]
    spec = deepcopy(runtime["spec"]["template"]["spec"])
    for step in spec["replicatedJobs"]:
        step["replicas"] = 1
        container = step["template"]["spec"]["template"]["spec"]["containers"][0]
        role = step["template"].pop("metadata")["labels"]["trainer.kubeflow.org/trainjob-ancestor-step"]
        if role == "dataset-initializer":
            data = asked["initializer"]["dataset"]
            container["env"] += [{"name": "STORAGE_URI", "value": data["storageUri"]}, *data.get("env", [])]
        else:
            trainer = asked["trainer"]
            step["template"]["spec"] |= {"parallelism": trainer["numNodes"], "completions": trainer["numNodes"]}
            container |= {"args": trainer["args"], "resources": trainer["resourcesPerNode"]}
            container["env"] += [*trainer.get("env", []), *pet_environment(name, trainer)]
            container["ports"] = [{"containerPort": MASTER_PORT}]
    metadata = {"name": name, "namespace": job["metadata"]["namespace"], "labels": runtime["metadata"]["labels"]}
    return {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": metadata, "spec": spec}


def pet_environment(name: str, trainer: Object) -> list[Object]:
    """What torchrun reads."""
    rank = {"fieldRef": {"fieldPath": "metadata.annotations['batch.kubernetes.io/job-completion-index']"}}
    return [
        {"name": "PET_NNODES", "value": str(trainer["numNodes"])},
        {"name": "PET_NPROC_PER_NODE", "value": str(trainer["numProcPerNode"])},
        {"name": "PET_NODE_RANK", "valueFrom": rank},
        {"name": "PET_MASTER_ADDR", "value": f"{name}-node-0-0.{name}"},
        {"name": "PET_MASTER_PORT", "value": str(MASTER_PORT)},
    ]


def process(container: Object, *, job: str, node: int, settings: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of one container as the kubelet starts it: fields filled in, $(NAME) expanded."""
    fields = {"metadata.labels['jobset.sigs.k8s.io/jobset-name']": job}
    fields["metadata.annotations['batch.kubernetes.io/job-completion-index']"] = str(node)
    environment = dict(settings)
    for each in container["env"]:
        environment[each["name"]] = each.get("value") or fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
    command = [*container["command"], *container.get("args", [])]
    for name, value in environment.items():
        command = [part.replace(f"$({name})", value) for part in command]
    return command, environment
