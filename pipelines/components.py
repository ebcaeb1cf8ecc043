"""Kubeflow Pipelines v2 components. Each one runs a ``loc3r`` verb (or DVC) and hands on a typed artifact.

They are lightweight components, so the same package runs on a cluster and under Kubeflow's local runner;
their bodies are self-contained because Kubeflow ships a component as source, and annotations are real objects
(no postponed evaluation) because Kubeflow reads them. ``workspace`` is a checkout of
the repository: work folders in it are keyed by what went in, so a repeated run finds its work done.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

IMAGE = "ghcr.io/loc3r/loc3r:0.1.0"


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare_data(workspace: str, split: str, prepared: Output[Dataset]) -> None:
    """Bring one split up to date with DVC and hand on its shards."""
    import json
    import os
    import shutil
    import subprocess
    from pathlib import Path

    subprocess.run(["dvc", "repro", f"prepare_{split}"], cwd=workspace, check=True)
    if os.environ.get("LOC3R_DVC_PUSH") == "1":
        subprocess.run(["dvc", "push", f"prepare_{split}"], cwd=workspace, check=True)
    folder = Path(workspace) / "data" / "prepared" / split
    shutil.copytree(folder, prepared.path, dirs_exist_ok=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    prepared.metadata.update(split=split, data_hash=manifest["data_hash"], counts=manifest["counts"])


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_model(
    workspace: str, recipe: str, init: str, ranks: int, train_data: Input[Dataset], model: Output[Model]
) -> None:
    """Train a recipe with DeepSpeed; resumes a broken run and skips a finished one."""
    import hashlib
    import json
    import shutil
    import subprocess
    from pathlib import Path

    root = Path(workspace)
    manifest = json.loads((Path(train_data.path) / "manifest.json").read_text())
    key = hashlib.sha256(f"{(root / recipe).read_text()}{init}{manifest['data_hash']}".encode()).hexdigest()[:12]
    out = root / "runs" / "train" / key
    command = ["loc3r", "train", "--recipe", recipe, "--data", train_data.path, "--out", str(out)]
    command += ["--ranks", str(ranks)] + (["--init", init] if init else [])
    subprocess.run(command, cwd=root, check=True)
    shutil.copytree(out / "model", model.path, dirs_exist_ok=True)
    model.metadata.update(json.loads((out / "model" / "lineage.json").read_text()))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def import_model(workspace: str, folder: str, model: Output[Model]) -> None:
    """Hand on a checkpoint that already exists, such as the one in the box."""
    import json
    import shutil
    from pathlib import Path

    source = Path(workspace) / folder
    shutil.copytree(source, model.path, dirs_exist_ok=True)
    model.metadata.update(json.loads((source / "lineage.json").read_text()))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_model(
    workspace: str,
    model: Input[Model],
    train_data: Input[Dataset],
    test_data: Input[Dataset],
    metrics: Output[Metrics],
    report: Output[Markdown],
    page: Output[HTML],
    evaluation: Output[Dataset],
) -> None:
    """Score a model beside its baselines and write the report."""
    import hashlib
    import json
    import shutil
    import subprocess
    from pathlib import Path

    lineage = (Path(model.path) / "lineage.json").read_text()
    data_hash = json.loads((Path(test_data.path) / "manifest.json").read_text())["data_hash"]
    out = Path(workspace) / "runs" / "evaluate" / hashlib.sha256(f"{lineage}{data_hash}".encode()).hexdigest()[:12]
    command = ["loc3r", "evaluate", "--model", model.path, "--data", test_data.path]
    command += ["--train-data", train_data.path, "--out", str(out)]
    subprocess.run(command, cwd=workspace, check=True)
    shutil.copytree(out, evaluation.path, dirs_exist_ok=True)
    shutil.copy(out / "report.md", report.path)
    shutil.copy(out / "report.html", page.path)
    for name, score in json.loads((out / "scores.json").read_text())["metrics"].items():
        metrics.log_metric(name, score["value"])


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_model(
    workspace: str,
    model: Input[Model],
    evaluation: Input[Dataset],
    test_data: Input[Dataset],
    accept_first: bool = False,
) -> NamedTuple("Decision", [("promoted", bool), ("version", str)]):  # type: ignore[valid-type]
    """Register the model; the alias ``champion`` moves only if it is better on the same held-out samples."""
    import json
    import subprocess
    from collections import namedtuple

    command = ["loc3r", "gate", "--model", model.path, "--evaluation", evaluation.path]
    command += ["--data", test_data.path, "--decision", f"{evaluation.path}/decision.json"]
    command += ["--accept-first"] if accept_first else []
    subprocess.run(command, cwd=workspace, check=True)
    with open(f"{evaluation.path}/decision.json") as file:
        decision = json.load(file)
    return namedtuple("Decision", ["promoted", "version"])(bool(decision["promoted"]), str(decision["version"]))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def deploy_champion(workspace: str, repository: str) -> None:
    """Export the champion and load it into the running Triton; a version that fails its check is taken back."""
    import subprocess

    subprocess.run(
        ["loc3r", "export", "--model", "models:/loc3r@champion", "--repository", repository], cwd=workspace, check=True
    )
    subprocess.run(["loc3r", "deploy", "--repository", repository], cwd=workspace, check=True)
