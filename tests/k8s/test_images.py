"""The images: what the Dockerfile and k8s/ owe each other; and, slow, built for real and run, and our pods in them."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from containers import playable
from manifests import K8S, REPOSITORY, named, pods

from pipelines.components import COMPUTE_IMAGE, IMAGE

TARGETS = {"loc3r": "train", "loc3r-pipeline": "pipeline", "loc3r-serve": "serve"}
"""Target of the Dockerfile by image name of k8s/."""
COMMANDS = {
    "train": {"loc3r", "sh", "torchrun"},
    "pipeline": {"loc3r", "python"},
    "serve": {"tritonserver"},
}
"""What k8s/ starts in each; tests below ask the images for them."""
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
STAGES = {
    name: (base, body)
    for base, name, body in re.findall(r"^FROM (\S+) AS (\S+)\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.M | re.S)
}
"""Base and instructions of each stage."""


def images() -> dict[str, str]:
    """Name and tag of our images, by their names in k8s/."""
    listed = yaml.safe_load((K8S / "images/kustomization.yaml").read_text())["images"]
    return {each["name"]: f"{each['newName']}:{each['newTag']}" for each in listed if each["name"].startswith("loc3r")}


def test_images_have_one_name_in_the_manifests_the_pipeline_and_what_builds_them():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert images() == {name: f"ghcr.io/loc3r/{name}:{version}" for name in TARGETS}
    assert (images()["loc3r-pipeline"], images()["loc3r"]) == (IMAGE, COMPUTE_IMAGE)
    for path in ("Dockerfile", "docs/cluster.md", "k8s/overlays/laptop/up.sh"):
        text = (REPOSITORY / path).read_text()
        built = dict(re.findall(r"docker build --target (\w+) .*--tag (\S+) \.$", text, re.M))
        assert built == {target: images()[name] for name, target in TARGETS.items()}, path


def test_pods_start_what_is_known_to_be_in_their_image(overlays):
    named = {image: TARGETS[name] for name, image in images().items()}
    started = {
        (named[container["image"]], container["command"][0])
        for objects in overlays.values()
        for pod in pods(objects)
        for container in pod.containers
        if container["image"] in named
    }
    assert started == {(target, command) for target, commands in COMMANDS.items() for command in commands}


def test_pods_and_images_agree_on_the_user_and_on_the_paths(overlays):
    texts = [str(each) for objects in overlays.values() for each in objects]
    folders = {path.split("/")[0] for text in texts for path in re.findall(r"/opt/loc3r/([\w./-]+)", text)}
    assert folders
    for target in TARGETS.values():
        body = STAGES[target][1]
        assert re.findall(r"^USER (\S+)$", body, re.M) == ["10001"], target
        if target != "serve":
            assert "\nWORKDIR /workspace\n" in body, "steps work in the folder that is mounted"
            assert all(f"COPY {folder} /opt/loc3r/{folder}\n" in body for folder in folders), target
    users = {
        {**pod.spec.get("securityContext", {}), **container["securityContext"]}["runAsUser"]
        for objects in overlays.values()
        for pod in pods(objects)
        for container in pod.containers
        if container["image"] in images().values()
    }
    assert users == {10001}


def test_bases_are_arguments_and_a_final_stage_gets_no_tool():
    arguments = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", DOCKERFILE, re.M))
    assert set(arguments) == {"BASE_IMAGE", "SERVE_IMAGE"}
    assert all(re.search(r":\d+\.\d+", image) for image in arguments.values()), "exact tags"
    bases = {base for base, _ in STAGES.values()} - {*STAGES, "scratch"}
    assert bases == {f"${{{name}}}" for name in arguments}
    for target in TARGETS.values():
        base, body = STAGES[target]
        made_on = STAGES[f"{target}-libraries"][0]
        assert base == STAGES.get(made_on, (made_on,))[0], "an environment finds the Python that it was made with"
        brought = dict(re.findall(r"COPY --from=(\S+) (\S+)", body))
        assert brought == {f"{target}-libraries": "/opt/loc3r", f"{target}-program": "/opt/program"}
        assert re.findall(r"^RUN (\w+)", body, re.M) == ["useradd"], "what builds stays behind"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv, and an index to ask")
def test_the_locked_versions_are_there_for_tritons_python_too():
    """NVIDIA's image has 3.12, the lock is made for 3.11 and torch's CPU build: CUDA's libraries are not in it."""
    options = ["--python-version=3.12", "--only-binary=:all:", "--extra=serve", "--constraint=requirements.lock"]
    command = ["uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", *options, "pyproject.toml"]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600)
    assert told.returncode == 0, told.stderr
    locked = set((REPOSITORY / "requirements.lock").read_text().splitlines())
    new = {line.removesuffix("+cpu") for line in told.stdout.splitlines()} - locked
    assert {line for line in new if not line.startswith(("nvidia-", "cuda-", "triton=="))} == set()


def test_what_is_copied_exists_and_passes_the_ignore_file():
    lines = (REPOSITORY / ".dockerignore").read_text().splitlines()
    passes = [line[1:] for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    copied = {
        source for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M) for source in sources.split()
    }
    assert copied == set(passes)
    assert all((REPOSITORY / each).exists() for each in passes)
    assert not [each for each in passes if fnmatch.fnmatch(each, ".*")], "no hidden file"


def test_a_pod_for_podman_has_what_the_kubelet_would_fill_in(overlays, tmp_path):
    template = named(overlays["laptop"], "Deployment", "loc3r-triton")["spec"]["template"]
    known = {
        "loc3r-settings": {"TRITON_MODELS": "s3://host/models", "RELEASE": "r1"},
        "loc3r-triton": {"admin-key": "sesame"},
    }
    pod = playable("triton", template, known, {images()["loc3r-serve"]: "localhost/serve"}, tmp_path)
    (container,) = pod["spec"]["containers"]
    assert container["command"][:2] == ["tritonserver", "--model-repository=s3://host/models/r1"]
    assert "$(" not in str(pod)
    context = container["securityContext"]
    assert context["runAsUser"] == 10001 and context["readOnlyRootFilesystem"] is True
    assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["spec"]["volumes"]}
    with pytest.raises(KeyError, match="loc3r-triton"):
        playable("other", template, {"loc3r-settings": {}}, {images()["loc3r-serve"]: "localhost/serve"}, tmp_path)
