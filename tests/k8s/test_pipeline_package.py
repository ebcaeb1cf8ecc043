"""The compiled pipeline against k8s/: every name in its platform document exists there, its sizes are the overlays'."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from manifests import K8S, Objects, named, of_kind
from test_policies import opens, quantity, secrets

from loc3r.settings import Settings
from pipelines.command import pipeline
from pipelines.components import COMPUTE_IMAGE, IMAGE

SIZES = ("laptop", "production")
Document = dict[str, Any]
Compiled = tuple[str, Document, Document]


def component(executor: str) -> str:
    """A component's name, from one of its executors'."""
    return re.sub(r"^exec-|-\d+$", "", executor)


@pytest.fixture(scope="module", params=SIZES)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Size, containers by executor, and what Kubernetes adds to each."""
    path: Path = tmp_path_factory.mktemp(request.param) / "loc3r.yaml"
    told = CliRunner().invoke(pipeline, ["compile", "--size", request.param, "-o", str(path)], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    package, platform = yaml.safe_load_all(path.read_text())
    containers = {name: each["container"] for name, each in package["deploymentSpec"]["executors"].items()}
    return request.param, containers, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


@pytest.fixture
def size(compiled: Compiled) -> str:
    return compiled[0]


@pytest.fixture
def containers(compiled: Compiled) -> Document:
    return compiled[1]


@pytest.fixture
def configs(compiled: Compiled) -> Document:
    return compiled[2]


@pytest.fixture
def objects(overlays: dict[str, Objects], size: str) -> Objects:
    return overlays[size]


def test_steps_run_our_image_as_its_user_without_more(containers: Document, configs: Document) -> None:
    assert {each["image"] for each in containers.values()} == {IMAGE, COMPUTE_IMAGE}
    for name, config in configs.items():
        assert config["imagePullPolicy"] == "IfNotPresent"
        assert config["securityContext"] == {"runAsNonRoot": True, "runAsUser": "10001", "runAsGroup": "10001"}, name
    dockerfile = (K8S.parent / "Dockerfile").read_text()
    assert "USER 10001" in dockerfile and "WORKDIR /workspace" in dockerfile, "steps work in the folder that is mounted"


def test_volumes_and_config_maps_are_there(objects: Objects, configs: Document) -> None:
    claims = {each["metadata"]["name"] for each in of_kind(objects, "PersistentVolumeClaim")}
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    for name, config in configs.items():
        assert {(each["constant"], each["mountPath"]) for each in config["pvcMount"]} == {("loc3r-work", "/workspace")}
        assert {each["constant"] for each in config["pvcMount"]} <= claims
        for source in config["configMapAsEnv"]:
            assert {each["configMapKey"] for each in source["keyToEnv"]} <= set(maps[source["configMapName"]]), name
        for source in config.get("configMapAsVolume", []):
            assert source["configMapName"] in maps or source["optional"], name


def test_scripts_and_revisions_are_mounted_where_steps_look(configs: Document) -> None:
    from pipelines.steps import FETCH_SCRIPTS, REVISION

    mounted = {
        component(name): (each["configMapName"], each["mountPath"])
        for name, config in configs.items()
        for each in config.get("configMapAsVolume", [])
    }
    assert mounted == {
        "pin-inputs": ("loc3r-data-revision", str(REVISION.parent)),
        "fetch-data": ("loc3r-fetch-data", str(FETCH_SCRIPTS[0].parent)),
    }


def test_secrets_and_their_keys_exist_and_each_step_has_those_that_it_needs(configs: Document) -> None:
    known, held = secrets(), {}
    for name, config in configs.items():
        for source in config.get("secretAsEnv", []):
            assert {each["secretKey"] for each in source["keyToEnv"]} <= known[source["secretName"]], name
            held.setdefault(component(name), set()).add(source["secretName"])
    mlflow = {"loc3r-mlflow-client"}
    assert held == {
        "fetch-data": {"loc3r-s3"}, "train-model": mlflow, "evaluate-model": mlflow, "gate-model": mlflow,
        "is-served": mlflow, "deploy-champion": {*mlflow, "loc3r-s3"}, "report-run": {*mlflow, "loc3r-report"},
    }  # fmt: skip


def test_variables_are_settings_that_this_code_reads(configs: Document) -> None:
    fields = {f"LOC3R_{name.upper()}" for name in Settings.model_fields}
    for config in configs.values():
        sources = [*config["configMapAsEnv"], *config.get("secretAsEnv", [])]
        ours = {each["envVar"] for source in sources for each in source["keyToEnv"]}
        assert {name for name in ours if name.startswith("LOC3R_")} <= fields


def test_on_a_cluster_the_train_step_submits_and_the_deploy_step_rolls_out_as_the_promotion_does(
    overlays: dict[str, Objects], size: str
) -> None:
    values = named(overlays[size], "ConfigMap", "loc3r-settings")["data"]
    known = {name: values[f"LOC3R_{name.upper()}"] for name in ("train_on", "deploy_to", "deploy_options")}
    settings = Settings(_env_file=None, **known)
    assert settings.train_on == "kubernetes"
    args = promotion(overlays, size)["deploy"]["args"]
    assert args == ["--model=models:/loc3r@champion", f"--to={settings.deploy_to}", *settings.deploy_options.split()]


def promotion(overlays: dict[str, Objects], size: str) -> dict[str, Any]:
    """Containers of the Job that does the same steps."""
    spec = named(overlays[f"{size}/promote"], "Job", "loc3r-promote")["spec"]["template"]["spec"]
    return {each["name"]: each for each in [*spec["initContainers"], *spec["containers"]]}


def test_sizes_are_those_of_the_promotion_in_the_overlay(
    overlays: dict[str, Objects], size: str, containers: Document
) -> None:
    pairs = {"fetch-data": "test-data", "evaluate-model": "evaluate", "gate-model": "gate", "deploy-champion": "deploy"}
    for executor, container in containers.items():
        ours = container["resources"]
        if component(executor) not in pairs:
            assert "accelerator" not in ours and quantity(ours["resourceMemoryLimit"]) <= 2 * 2**30, executor
            continue
        theirs = promotion(overlays, size)[pairs[component(executor)]]["resources"]
        for kind, key in (("cpu", "resourceCpu"), ("memory", "resourceMemory")):
            assert quantity(ours[f"{key}Request"]) == quantity(theirs["requests"][kind]), f"{executor} {kind}"
            assert quantity(ours[f"{key}Limit"]) == quantity(theirs["limits"][kind]), f"{executor} {kind}"
        gpus = ours.get("accelerator", {}).get("resourceCount", "0")
        assert gpus == theirs["limits"].get("nvidia.com/gpu", "0"), executor


def test_steps_with_a_gpu_and_no_others_run_on_the_pool_of_the_overlay(
    overlays: dict[str, Objects], size: str, containers: Document, configs: Document
) -> None:
    pod = named(overlays[f"{size}/promote"], "Job", "loc3r-promote")["spec"]["template"]["spec"]
    for name, config in configs.items():
        has_gpu = "accelerator" in containers[name]["resources"]
        assert config.get("nodeSelector", {}).get("labels") == (pod["nodeSelector"] if has_gpu else None)
        tolerated = config.get("tolerations", [])
        assert [{key: each[key] for key in ("key", "operator", "effect")} for each in tolerated] == (
            pod["tolerations"] if has_gpu else []
        )


@pytest.mark.parametrize(("server", "port"), [("mlflow", 5000), ("s3", 8333), ("triton", 8001)])
def test_the_network_lets_steps_through(objects: Objects, configs: Document, server: str, port: int) -> None:
    policies = of_kind(objects, "NetworkPolicy")
    for config in configs.values():
        label = config["podMetadata"]["labels"]["app.kubernetes.io/component"]
        assert opens(policies, "egress", "to", label, server, port)
        assert opens(policies, "ingress", "from", server, label, port)


def test_kubeflow_s_own_pods_reach_kubeflow_and_the_api_server(objects: Objects) -> None:
    policy = named(objects, "NetworkPolicy", "pipeline-runs")["spec"]
    assert policy["podSelector"] == {"matchLabels": {"pipelines.kubeflow.org/v2_component": "true"}}
    to_kubeflow, to_api = policy["egress"]
    assert to_kubeflow == {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kubeflow"}}}]}
    assert {each["port"] for each in to_api["ports"]} == {443, 6443}


def test_accounts_that_run_steps_may_do_what_the_steps_do(objects: Objects) -> None:
    may = set()
    for name in ("loc3r-pipeline", "loc3r-pipeline-deployer"):
        binding = named(objects, "RoleBinding", name)
        accounts = {(each["name"], each["namespace"]) for each in binding["subjects"]}
        assert accounts == {("default-editor", "loc3r"), ("pipeline-runner", "loc3r")}
        rules = named(objects, "Role", binding["roleRef"]["name"])["rules"]
        may |= {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    train = {("trainjobs", verb) for verb in ("create", "get", "patch", "delete")}
    watch = {("pods", "list"), ("pods/log", "get")}
    deploy = {(kind, verb) for kind in ("deployments", "inferenceservices") for verb in ("get", "patch")}
    assert train | watch | deploy <= may
