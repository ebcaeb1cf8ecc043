"""The laptop's one command: what it calls, in which order, and that it does not wait for a job that has failed.

docker, kind and kubectl are stand-ins that write down how they were called: no cluster can be made here.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from manifests import K8S, REPOSITORY

UP = K8S / "overlays/laptop/up.sh"
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
  *condition=Failed*) test "$FAILING" ;;
  *condition=Complete*"/$FAILING "*) exit 1 ;;
esac
"""


def up(folder: Path, failing: str = "") -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """The script's end, and the calls that it made, when the job ``failing`` fails."""
    for name in ("docker", "kind", "kubectl"):
        (folder / name).write_text(TOOL)
        (folder / name).chmod(0o755)
    calls = folder / "calls"
    variables = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls), "FAILING": failing}
    told = subprocess.run(["sh", str(UP)], env=variables, capture_output=True, text=True, timeout=60)
    return told, calls.read_text().splitlines()


def test_everything_is_made_before_it_is_needed(tmp_path: Path) -> None:
    told, calls = up(tmp_path)
    assert told.returncode == 0, told.stderr
    order = [
        "kind create cluster", "kind load docker-image", "kubectl apply --server-side -k https://github.com/kubeflow",
        "kubectl apply -f k8s/base/policies/namespace.yaml", "kubectl get secret loc3r-s3",
        "kubectl apply --server-side -k k8s/overlays/laptop", "kubectl rollout status deployment/loc3r-mlflow",
        "kubectl apply --server-side -k k8s/overlays/laptop/train", "kubectl wait --for=condition=Complete trainjob/",
        "kubectl apply --server-side -k k8s/overlays/laptop/promote", "kubectl wait --for=condition=Complete job/",
        "kubectl rollout status deployment/loc3r-triton",
    ]  # fmt: skip
    found = [next(i for i, call in enumerate(calls) if call.startswith(start)) for start in order]
    assert found == sorted(found)
    folders = [call.rpartition(" ")[2] for call in calls if " -k k8s/" in call or " -f k8s/" in call]
    assert all((REPOSITORY / each).exists() for each in folders)
    assert "http://localhost:5000" in told.stdout and "loc3r ask" in told.stdout


@pytest.mark.parametrize("job", ["loc3r-train", "loc3r-promote"])
def test_a_job_that_fails_ends_it_with_its_log(tmp_path: Path, job: str) -> None:
    told, calls = up(tmp_path, failing=job)
    assert told.returncode == 1 and f"{job} failed" in told.stderr
    assert calls[-1].startswith("kubectl logs") and job in calls[-1]
    assert not [call for call in calls if "rollout status deployment/loc3r-triton" in call]
