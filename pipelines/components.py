"""Kubeflow Pipelines v2 components. Each one runs a ``loc3r`` verb (or DVC) and hands on a typed artifact.

They are lightweight components, so the same package runs on a cluster and under Kubeflow's local runner; their bodies
import what they need, since Kubeflow ships a component as source, and annotations are real objects (no postponed
evaluation) because Kubeflow reads them. Each works in its current folder (``pipelines.steps``), and folders in it are
keyed by what went in, so a repeated run finds its work done.

Kubeflow's cache compares parameters, image and source of a step, but not what is inside its input artifacts. So each
cached step also takes the hash of every artifact that it reads, as a parameter.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Dataset, Input, Markdown, Metrics, Model, Output

IMAGE = "ghcr.io/loc3r/loc3r-pipeline:0.1.0"
"""Of steps that read, decide, wait or hand on: the Dockerfile's target pipeline, which has no torch."""
COMPUTE_IMAGE = "ghcr.io/loc3r/loc3r:0.1.0"
"""Of steps that make data or run a model: target train."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def pin_inputs(recipe: str, init: str, train_data: str, test_data: str) -> NamedTuple(  # type: ignore[valid-type]
    "Pinned", [("recipe", str), ("start", str), ("weights", str), ("train_data", str), ("test_data", str)]
):
    """Say by content what this run works with: the recipe's text, the checkpoint's hash, the data's revisions."""
    from pipelines import steps

    return steps.pin(recipe, init, train_data, test_data)


@dsl.component(base_image=COMPUTE_IMAGE, install_kfp_package=False)
def fetch_data(data: str, split: str, recipe: str, prepared: Output[Dataset]) -> NamedTuple(
    "Fetched", [("data_hash", str)]
):  # type: ignore[valid-type]
    """Hand on one split's shards, fetched by DVC at their revision."""
    import json
    import shutil
    from collections import namedtuple

    from pipelines import steps

    folder = steps.fetch(data, split, recipe)
    shutil.copytree(folder, prepared.path, dirs_exist_ok=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    prepared.metadata.update(split=split, data_hash=manifest["data_hash"], counts=manifest["counts"])
    return namedtuple("Fetched", ["data_hash"])(manifest["data_hash"])


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def import_model(folder: str, weights: str, model: Output[Model]) -> None:
    """Hand on a checkpoint that already exists, such as the one in the box."""
    import shutil
    from pathlib import Path

    from loc3r.tracking.lineage import read_lineage

    shutil.copytree(folder, model.path, dirs_exist_ok=True)
    model.metadata.update(read_lineage(Path(model.path)), model_hash=weights)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_model(
    recipe: str,
    start: str,
    weights: str,
    data: str,
    data_hash: str,
    nodes: int,
    gpus_per_node: int,
    queue: str,
    train_data: Input[Dataset],
    model: Output[Model],
    metrics: Output[Metrics],
) -> NamedTuple("Trained", [("model_hash", str)]):  # type: ignore[valid-type]
    """Train a recipe with DeepSpeed: in a TrainJob that this step waits for, or here where there is no cluster."""
    import shutil
    from collections import namedtuple
    from pathlib import Path

    from loc3r.settings import load_settings
    from loc3r.tracking.lineage import model_hash, read_lineage
    from pipelines import steps

    if load_settings().train_on == "kubernetes":
        run = steps.train_on_cluster(
            recipe, start=start, data=data, nodes=nodes, gpus_per_node=gpus_per_node, queue=queue
        )
    else:
        ranks = nodes * max(1, gpus_per_node)
        run = steps.train_here(
            recipe, start=start, weights=weights, data=Path(train_data.path), data_hash=data_hash, ranks=ranks
        )
    shutil.copytree(run / "model", model.path, dirs_exist_ok=True)
    digest = model_hash(run / "model")
    model.metadata.update(read_lineage(run / "model"), model_hash=digest)
    for name, value in steps.last_step(run).items():
        metrics.log_metric(name, value)
    return namedtuple("Trained", ["model_hash"])(digest)


@dsl.component(base_image=COMPUTE_IMAGE, install_kfp_package=False)
def evaluate_model(
    model_hash: str,
    train_hash: str,
    test_hash: str,
    model: Input[Model],
    train_data: Input[Dataset],
    test_data: Input[Dataset],
    metrics: Output[Metrics],
    report: Output[Markdown],
    page: Output[HTML],
    evaluation: Output[Dataset],
) -> None:
    """Score a model beside its baselines and write the report."""
    import json
    import shutil
    import subprocess
    from pathlib import Path

    from torch import cuda

    out = Path("runs/evaluate") / f"{model_hash}-{test_hash}-{train_hash}"
    command = ["loc3r", "evaluate", "--model", model.path, "--data", test_data.path, "--out", str(out)]
    command += ["--train-data", train_data.path, "--device", "cuda" if cuda.is_available() else "cpu"]
    subprocess.run(command, check=True)
    shutil.copytree(out, evaluation.path, dirs_exist_ok=True)
    shutil.copy(out / "report.md", report.path)
    shutil.copy(out / "report.html", page.path)
    for name, score in json.loads((out / "scores.json").read_text())["metrics"].items():
        metrics.log_metric(name, score["value"])


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate_model(
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
    subprocess.run(command, check=True)
    with open(f"{evaluation.path}/decision.json") as file:
        decision = json.load(file)
    return namedtuple("Decision", ["promoted", "version"])(bool(decision["promoted"]), str(decision["version"]))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def is_served() -> bool:
    """Ask the running server whether it answers with the champion."""
    from pipelines import steps

    return steps.champion_is_served()


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def deploy_champion() -> None:
    """Load the champion beside what is served, check it, switch; what fails its check is taken back."""
    import subprocess

    from loc3r.settings import load_settings

    settings = load_settings()
    command = ["loc3r", "deploy", "--model", "models:/loc3r@champion", "--to", settings.deploy_to]
    subprocess.run([*command, *settings.deploy_options.split()], check=True)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report_run(recipe: str, status: dsl.PipelineTaskFinalStatus, report: Output[Markdown]) -> None:
    """Say how the run ended: in the log, as an artifact, and to the webhook in LOC3R_REPORT_URL."""
    from pathlib import Path

    from pipelines import steps

    ended = {"state": status.state, "run": status.pipeline_job_resource_name, "message": status.error_message}
    text = steps.report_of(ended, recipe)
    Path(report.path).write_text(text)
    steps.tell(text)
