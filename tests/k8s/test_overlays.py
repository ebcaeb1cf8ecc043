"""Overlays build; files say how to use them; images are pinned in one place and are those that we build."""

import re

import yaml
from manifests import K8S, REPOSITORY, named, pods

FILES = sorted(path for path in K8S.rglob("*") if path.suffix in (".yaml", ".env", ".sh", ".ini", ".py"))
IMAGES = {each["name"]: each for each in yaml.safe_load((K8S / "images/kustomization.yaml").read_text())["images"]}


def test_every_overlay_has_objects_and_each_object_once(objects, overlay):
    names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert names, overlay
    assert len(set(names)) == len(names)


def test_every_namespaced_object_is_in_our_namespace_and_no_other_has_one(objects):
    cluster_wide = {"Namespace", "ClusterTrainingRuntime", "ClusterQueue", "ResourceFlavor"}
    for each in objects:
        expected = None if each["kind"] in cluster_wide else "loc3r"
        assert each["metadata"].get("namespace") == expected, f"{each['kind']}/{each['metadata']['name']}"


def test_every_file_begins_with_how_to_apply_check_watch_and_remove_it():
    for path in FILES:
        head = path.read_text().split("apiVersion:")[0][:1500]
        missing = [word for word in ("apply", "check", "logs", "clean") if not re.search(rf"^[# ]*{word} ", head, re.M)]
        assert not missing, f"{path}: {missing}"


def test_every_file_is_used_by_a_kustomization_or_named_as_an_example():
    listed = {K8S / "create-secrets.sh", K8S / "overlays/laptop/up.sh", K8S / "checkov.yaml"}
    listed |= {K8S / "examples/retrain-nightly.sh"}
    listed |= {K8S / "examples/external-secrets.yaml", K8S / "base/observability/prometheus-adapter.yaml"}
    for path in K8S.rglob("kustomization.yaml"):
        content = yaml.safe_load(path.read_text())
        generators = content.get("configMapGenerator", [])
        files = [file.partition("=")[2] or file for each in generators for file in each.get("files", [])]
        files += [file for each in generators for file in each.get("envs", [])]
        files += content.get("resources", []) + [
            patch["path"] for patch in content.get("patches", []) if "path" in patch
        ]
        listed |= {path, *((path.parent / file).resolve() for file in files)}
    assert not [path for path in FILES if path.resolve() not in listed]


def test_commands_in_comments_name_folders_that_are_there():
    for path in [*FILES, *(REPOSITORY / "docs").glob("*.md"), K8S / "README.md"]:
        for folder in re.findall(r"-[kf] (k8s/[\w/.-]+)", path.read_text()):
            assert (REPOSITORY / folder).exists(), f"{path}: {folder}"


def test_images_are_written_once_and_pinned(objects):
    resolved = {f"{each['newName']}:{each['newTag']}" for each in IMAGES.values()}
    used = {container["image"] for pod in pods(objects) for container in pod.containers}
    assert used <= resolved
    assert all(re.search(r"\d", image.rpartition(":")[2]) for image in resolved), "an exact tag"
    in_files = {line.split()[-1] for path in FILES for line in re.findall(r"^\s*image: .*$", path.read_text(), re.M)}
    assert in_files <= set(IMAGES)


def test_the_migration_is_named_after_the_version_that_it_migrates_to(overlays):
    version = re.match(r"v([\d.]+)-full$", IMAGES["mlflow"]["newTag"]).group(1)
    named(overlays["laptop"], "Job", f"loc3r-mlflow-migrate-{version.replace('.', '-')}")
    locked = re.search(r"^mlflow==([\d.]+)$", (REPOSITORY / "requirements.lock").read_text(), re.M).group(1)
    assert version == locked, "clients and server are of one version"
