"""What Kubeflow Trainer 2.3 and the kubelet make of a TrainJob and its runtime: the rules of Trainer's JobSet builder,
with the environment that ``loc3r.cluster.environment`` says.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from loc3r.cluster.environment import MASTER_PORT, RANK_FIELD, pet_environment

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
            container["image"] = trainer.get("image", container["image"])
            container["env"] += [*trainer.get("env", []), *pet_environment(job, runtime)]
            container["ports"] = [{"containerPort": MASTER_PORT}]
    metadata = {"name": name, "namespace": job["metadata"]["namespace"], "labels": runtime["metadata"]["labels"]}
    return {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": metadata, "spec": spec}


def container_of(jobset: Object, step: str) -> Object:
    """The one container of a step: ``dataset-initializer`` or ``node``."""
    (found,) = [each for each in jobset["spec"]["replicatedJobs"] if each["name"] == step]
    (container,) = found["template"]["spec"]["template"]["spec"]["containers"]
    return container


def process(container: Object, *, job: str, node: int, settings: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """Command and environment of one container as the kubelet starts it: fields filled in, $(NAME) expanded.

    ``settings`` are what ``envFrom`` brings.
    """
    fields = {"metadata.labels['jobset.sigs.k8s.io/jobset-name']": job, RANK_FIELD: str(node)}
    environment = dict(settings)
    for each in container["env"]:
        if "value" in each:
            environment[each["name"]] = expand(each["value"], environment)
        else:
            environment[each["name"]] = fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
    command = [expand(part, environment) for part in (*container["command"], *container.get("args", []))]
    return command, environment


def expand(text: str, environment: dict[str, str]) -> str:
    """$(NAME) by its value, if it has one by then; $$ is a dollar sign."""
    return re.sub(
        r"\$(?:\$|\(([^)]+)\))",
        lambda found: environment.get(found[1], found[0]) if found[1] else "$",
        text,
    )
