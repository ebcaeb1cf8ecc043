"""Other people's rules: YAML style, shell, the Dockerfile, and checkov's list for Kubernetes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig

import pytest
import yaml
from manifests import K8S, REPOSITORY

YAML_STYLE = """
extends: default
rules:
  line-length: {max: 200}
  indentation: {spaces: 2, indent-sequences: consistent}
  comments: {min-spaces-from-content: 1}
  document-start: disable
  truthy: disable
"""


def tool(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: k8s/README.md says how to get it")
    return found


def test_yaml_has_one_style_and_no_doubled_key():
    told = subprocess.run([tool("yamllint"), "-s", "-d", YAML_STYLE, str(K8S)], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_shell_scripts_follow_shellcheck():
    paths = [*K8S.rglob("*.sh"), REPOSITORY / "scripts/image_libraries.sh"]
    assert all("set -eu" in path.read_text() for path in paths)
    told = subprocess.run([tool("shellcheck"), *map(str, paths)], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


def test_the_dockerfile_follows_hadolint():
    told = subprocess.run([tool("hadolint"), str(REPOSITORY / "Dockerfile")], capture_output=True, text=True)
    assert told.returncode == 0, told.stdout


@pytest.mark.timeout(900)
def test_checkov_finds_nothing_but_what_is_explained(overlays, tmp_path):
    """Over the built objects; every exception stands with its reason in k8s/checkov.yaml."""
    checkov = tool("checkov")
    for overlay, objects in overlays.items():
        target = tmp_path / f"{overlay.replace('/', '-')}.yaml"
        target.write_text(yaml.safe_dump_all(objects))
    command = [checkov, "--config-file", str(K8S / "checkov.yaml"), "-d", str(tmp_path), "-o", "json"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=800)
    report = json.loads(told.stdout)
    failed = [(each["check_id"], each["check_name"], each["resource"]) for each in report["results"]["failed_checks"]]
    assert not failed
    assert report["summary"]["passed"] > 500
