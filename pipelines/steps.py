"""What the components do beyond calling a verb: pin a run's inputs, fetch data, train here or on the cluster, report.

Every step works in its current folder: the checkout on one machine, the volume at /workspace on a cluster.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import yaml

from loc3r.errors import DataError, Loc3RError, TrainingError
from loc3r.files import hash_json, write_text

if TYPE_CHECKING:
    from loc3r.cluster import Cluster

REVISION = Path("/etc/loc3r/revision/dvc.lock")
"""The data revision of a cluster: ConfigMap loc3r-data-revision."""
FETCH_SCRIPTS = (Path("/etc/loc3r/fetch-data/fetch-data.sh"), Path("k8s/base/training/fetch-data.sh"))


class Pinned(NamedTuple):
    """The inputs of a run, said so exactly that equal values mean equal work: Kubeflow's cache compares these."""

    recipe: str
    """The whole recipe, defaults included, as YAML."""
    start: str
    """Absolute path of the checkpoint that training starts from."""
    weights: str
    """Hash of that checkpoint."""
    train_data: str
    """dvc://<hash>.dir or rooms://<number>."""
    test_data: str


def pin(recipe: str, init: str, train_data: str, test_data: str) -> Pinned:
    """Read what a run was asked for: recipe and checkpoint by content, data by DVC's hash.

    In a checkout, DVC first makes the data that is missing or out of date.

    Raises:
        RecipeError, CheckpointError, DataError: one of them does not exist.
    """
    from loc3r.recipe import load_recipe
    from loc3r.tracking.lineage import model_hash

    start = found(init).resolve()
    lock = data_lock([data for data in (train_data, test_data) if "://" not in data])
    return Pinned(
        recipe=load_recipe(found(recipe)).to_yaml(),
        start=str(start),
        weights=model_hash(start),
        train_data=pinned_data(train_data, lock),
        test_data=pinned_data(test_data, lock),
    )


def found(path: str) -> Path:
    """A file or folder of the current folder, else of the image."""
    from loc3r.cluster.plan import IMAGE_ROOT

    here = Path(path)
    return here if here.exists() else Path(IMAGE_ROOT, here)


def data_lock(folders: Sequence[str]) -> str:
    """The dvc.lock that holds: this checkout's, after DVC made ``folders`` if need be; on a cluster the ConfigMap's."""
    if not folders:
        return ""
    if not Path("dvc.yaml").is_file():
        return REVISION.read_text() if REVISION.is_file() else ""
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    making = [name for name, stage in stages.items() if set(folders) & set(map(str, stage.get("outs", [])))]
    subprocess.run(["dvc", "repro", *making], check=True)
    if os.environ.get("LOC3R_DVC_PUSH") == "1":
        subprocess.run(["dvc", "push", *making], check=True)
    return Path("dvc.lock").read_text()


def pinned_data(data: str, lock: str) -> str:
    """``dvc://<hash>.dir`` of a folder that a dvc.lock names; ``rooms://<number>`` and hashes stay what they are.

    Raises:
        DataError: the lock knows no such folder.
    """
    from loc3r.train.lineage import locked_revisions

    if "://" in data:
        return data
    revisions = locked_revisions(lock)
    if data not in revisions:
        raise DataError(
            f"no revision of {data} is known",
            received=f"a dvc.lock with {', '.join(revisions) or 'nothing'}",
            expected=f"one with {data}",
            fix="kubectl create configmap loc3r-data-revision -n loc3r --from-file=dvc.yaml --from-file=dvc.lock "
            "--from-file=params.yaml; without S3: train_data=rooms://48 test_data=rooms://32",
        )
    return f"dvc://{revisions[data]}"


def fetch(data: str, split: str, recipe: str) -> Path:
    """Folder of the prepared data that ``data`` names: in a checkout the one that DVC made, else fetched once.

    The script is that of the training jobs (k8s/base/training/fetch-data.sh).
    """
    lock = Path("dvc.lock")
    if lock.is_file():
        from loc3r.train.lineage import locked_revisions

        here = {f"dvc://{revision}": folder for folder, revision in locked_revisions(lock.read_text()).items()}
        if data in here:
            return Path(here[data])
    work = Path("runs" if Path("dvc.yaml").is_file() else ".").resolve()
    job = f"data-{hash_json([data, recipe])[:8]}"
    asked = {"JOB": job, "SPLIT": split, "STORAGE_URI": data, "RECIPE": "recipe.yaml", "RECIPE_YAML": recipe}
    script = next((str(each) for each in FETCH_SCRIPTS if each.is_file()), str(FETCH_SCRIPTS[0]))
    subprocess.run(["sh", script], env={**os.environ, **asked, "WORKSPACE": str(work)}, check=True)
    return work / "jobs" / job / "data" / "prepared" / split


def train_here(recipe: str, *, start: str, weights: str, data: Path, data_hash: str, ranks: int) -> Path:
    """Train on this machine; the run's folder, in which the same training goes on or is found done."""
    out = Path("runs/train") / hash_json([recipe, weights, data_hash])
    path = out.with_suffix(".yaml")
    write_text(path, recipe)
    command = ["loc3r", "train", "--recipe", str(path), "--data", str(data), "--out", str(out), "--init", start]
    subprocess.run([*command, "--ranks", str(ranks)], check=True)
    return out


def train_on_cluster(
    recipe: str, *, start: str, data: str, nodes: int, gpus_per_node: int, queue: str, cluster: Cluster | None = None
) -> Path:
    """Submit a TrainJob and wait for its end, telling what its first rank says; the run's folder in the volume.

    The same training finds its job, so a step that is started again waits for it or goes on from its checkpoints.

    Raises:
        TrainingError: the job failed.
    """
    from loc3r.cluster import plan_training, submit, wait

    is_folder = data.startswith("dvc://")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        write_text(path, recipe)
        plan = plan_training(
            path,
            data="data/prepared/train" if is_folder else data,
            data_revision=data.removeprefix("dvc://") if is_folder else None,
            nodes=nodes,
            gpus_per_node=gpus_per_node,
            init=start,
            queue=queue or None,
        )
    for what, value in plan.rows():
        click.echo(f"{what:8}{value}")
    name = submit(plan, cluster)
    code = wait(name, cluster=cluster, tell=click.echo)
    if code:
        raise TrainingError(
            f"TrainJob {name} failed", received=f"exit code {code}", fix=f"kubectl describe trainjob {name}"
        )
    return Path("jobs") / name / "run"


def last_step(run: Path) -> dict[str, float]:
    """What a training's last step measured, under the names that MLflow shows."""
    from loc3r.train.metrics import METRICS_FILE, StepRecord

    *_, last = (run / METRICS_FILE).read_text().splitlines()
    return StepRecord(**json.loads(last)).flat()


def champion_is_served() -> bool:
    """Whether the running server answers with the champion; true while there is none, for nothing could be served."""
    from loc3r.client import Loc3R
    from loc3r.client.command import triton_url
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.tracking.registry import Registry

    settings = located(load_settings())
    champion = Registry(settings.tracking_uri, settings.registered_model).champion()
    if champion is None:
        return True
    try:
        with Loc3R(triton_url(settings)) as client:
            return client.info().model_hash == champion.model_hash
    except Loc3RError:  # no server, or no model in it: the deployment says what is wrong
        return False


def report_of(status: Mapping[str, object], recipe: str) -> str:
    """How a run ended, as Markdown: its state, what failed, who is champion, where to look."""
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings

    settings = located(load_settings())
    lines = [f"# Loc3R pipeline: {status['state']}", "", f"- run: {status['run']}", f"- recipe: {recipe}"]
    if status.get("message"):
        lines.append(f"- failed: {status['message']}")
    lines += [f"- champion: {_champion(settings.tracking_uri, settings.registered_model)}"]
    return "\n".join([*lines, f"- runs and models: {settings.tracking_uri}", ""])


def tell(report: str) -> None:
    """Print a report and post it to ``LOC3R_REPORT_URL``, if there is one; a webhook that is down fails no run."""
    from urllib.request import Request, urlopen

    from loc3r.settings import load_settings

    click.echo(report)
    url = load_settings().report_url.get_secret_value()
    if not url:
        return
    body = json.dumps({"text": report}).encode()
    try:
        with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=30):
            click.echo("reported")
    except OSError as error:
        click.echo(f"the report could not be sent: {error}")


def _champion(tracking_uri: str, name: str) -> str:
    from loc3r.tracking.registry import Registry

    try:
        champion = Registry(tracking_uri, name).champion()
    except Loc3RError as error:
        return f"unknown, {str(error).splitlines()[0]}"
    return champion.reference if champion else "nobody yet"
