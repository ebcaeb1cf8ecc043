"""What a step gets on a cluster: image, sizes, nodes, volumes, settings, secrets. The local runner passes over it.

The names are those of k8s/ (tests/k8s/test_pipeline_package.py compares them): a step gets the secrets that it
needs, no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kfp import dsl, kubernetes

COMPONENT = "pipeline"
"""What NetworkPolicies know a step by: label app.kubernetes.io/component."""
USER = 10001
SETTINGS = "loc3r-settings"
SETTING_NAMES = (
    "LOC3R_TRACKING_URI", "LOC3R_TRITON_URL", "LOC3R_S3_ENDPOINT", "LOC3R_MODEL_REPOSITORY", "LOC3R_TRAIN_ON",
    "LOC3R_DEPLOY_TO", "LOC3R_DEPLOY_OPTIONS", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "DVC_REMOTE",
)  # fmt: skip
WORK = "loc3r-work"


@dataclass(frozen=True)
class Secret:
    """Keys of a Secret, and the environment variables that they become; a cluster may do without it."""

    name: str
    variables: Mapping[str, str]


S3 = Secret("loc3r-s3", {name: name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")})
"""Absent with a cloud role."""
MLFLOW = Secret(
    "loc3r-mlflow-client", {name: name for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")}
)
"""Absent where MLflow asks for no password."""
REPORT = Secret("loc3r-report", {"url": "LOC3R_REPORT_URL"})


@dataclass(frozen=True)
class Resources:
    """Requests and limits of a step's container, as Kubernetes writes quantities."""

    cpu: tuple[str, str]
    """Requested, limit."""
    memory: tuple[str, str]
    """Requested, limit."""
    gpus: int = 0


@dataclass(frozen=True)
class Size:
    """Resources of the steps; those that load a model have them of ``k8s/overlays/<size>/promote``."""

    data: Resources
    evaluate: Resources
    gate: Resources
    deploy: Resources
    gpu_nodes: Mapping[str, str] = field(default_factory=dict)
    """Node labels of the pool with GPUs, for steps that ask for one."""
    wait: Resources = Resources(cpu=("100m", "1"), memory=("512Mi", "2Gi"))
    """Of steps that read, copy or wait."""


_LAPTOP = Resources(cpu=("500m", "2"), memory=("2Gi", "4Gi"))
SIZES = {
    "laptop": Size(data=_LAPTOP, evaluate=_LAPTOP, gate=_LAPTOP, deploy=_LAPTOP),
    "production": Size(
        data=_LAPTOP,
        evaluate=Resources(cpu=("8", "8"), memory=("64Gi", "64Gi"), gpus=1),
        gate=Resources(cpu=("2", "4"), memory=("16Gi", "32Gi")),
        deploy=Resources(cpu=("2", "4"), memory=("8Gi", "16Gi")),
        gpu_nodes={"loc3r.io/pool": "serve"},
    ),
}


@dataclass(frozen=True)
class Cluster:
    """How one compiled package runs on a cluster."""

    image: str | None
    """One image for all steps, a build of the Dockerfile's target train; None leaves each its component's."""
    size: Size

    def place(self, task: dsl.PipelineTask, resources: Resources, *secrets: Secret) -> dsl.PipelineTask:
        """Give a step its image, resources, settings, secrets and the work volume at /workspace, its current folder."""
        if self.image:
            task.set_container_image(self.image)
        _limit(task, resources)
        if resources.gpus:
            task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(resources.gpus)
            kubernetes.add_toleration(task, key="nvidia.com/gpu", operator="Exists", effect="NoSchedule")
            for label, value in self.size.gpu_nodes.items():
                kubernetes.add_node_selector(task, label_key=label, label_value=value)
        kubernetes.set_image_pull_policy(task, "IfNotPresent")
        kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
        kubernetes.add_pod_label(task, "app.kubernetes.io/part-of", "loc3r")
        kubernetes.add_pod_label(task, "app.kubernetes.io/component", COMPONENT)
        kubernetes.use_config_map_as_env(task, SETTINGS, {name: name for name in SETTING_NAMES})
        for secret in secrets:
            kubernetes.use_secret_as_env(task, secret.name, dict(secret.variables), optional=True)
        return kubernetes.mount_pvc(task, pvc_name=WORK, mount_path="/workspace")


def with_data_revision(task: dsl.PipelineTask) -> None:
    """Let a step read dvc.lock as the cluster's data revision."""
    kubernetes.use_config_map_as_volume(task, "loc3r-data-revision", mount_path="/etc/loc3r/revision", optional=True)


def with_fetch_script(task: dsl.PipelineTask) -> None:
    """Let a step fetch data as training jobs do."""
    kubernetes.use_config_map_as_volume(task, "loc3r-fetch-data", mount_path="/etc/loc3r/fetch-data")


def _limit(task: dsl.PipelineTask, resources: Resources) -> None:
    task.set_cpu_request(resources.cpu[0]).set_cpu_limit(resources.cpu[1])
    task.set_memory_request(resources.memory[0]).set_memory_limit(resources.memory[1])
