"""The manifests: they build, and what they say of images, users and limits holds."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

BASE = Path(__file__).parent.parent.parent / "k8s" / "base"


@pytest.fixture(scope="module")
def objects():
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("needs kubectl to build the overlays")
    built = subprocess.run([kubectl, "kustomize", str(BASE)], capture_output=True, text=True, check=True, timeout=60)
    return [each for each in yaml.safe_load_all(built.stdout) if each]


def containers(objects):
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "Deployment":
            yield from spec["template"]["spec"]["containers"]
        if each["kind"] == "ClusterTrainingRuntime":
            for job in spec["template"]["spec"]["replicatedJobs"]:
                yield from job["template"]["spec"]["template"]["spec"]["containers"]


def test_every_resource_file_is_in_the_kustomization():
    listed = set(yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"])
    assert listed == {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}


def test_every_container_is_locked_down_and_pinned(objects):
    found = list(containers(objects))
    assert len(found) == 2
    for container in found:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
        assert security["capabilities"]["drop"] == ["ALL"]
        assert ":" in container["image"] and not container["image"].endswith(":latest")


def test_the_job_runs_the_runtime_that_is_there_with_the_ranks_it_has_gpus_for(objects):
    kinds = {each["kind"]: each for each in objects}
    trainer = kinds["TrainJob"]["spec"]["trainer"]
    assert kinds["TrainJob"]["spec"]["runtimeRef"]["name"] == kinds["ClusterTrainingRuntime"]["metadata"]["name"]
    assert int(trainer["resourcesPerNode"]["limits"]["nvidia.com/gpu"]) == trainer["numProcPerNode"]


def test_files_begin_with_how_to_check_them():
    for path in BASE.glob("*.yaml"):
        head = path.read_text().split("apiVersion")[0]
        assert head.startswith("#") and "check:" in head, path.name
