"""One training job: what is trained on what, where it is written, and what makes it the same job again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from loc3r.errors import CheckpointError, TrainingError
from loc3r.files import hash_file, hash_json
from loc3r.recipe import Recipe, load_recipe
from loc3r.tracking.lineage import read_lineage

NO_TRACKING = "none"


@dataclass(frozen=True)
class Identity:
    """What decides the weights that a job ends with. Checkpoints and finished models carry it."""

    recipe_hash: str
    data_hash: str
    init: str | None
    """Hash of the weights that training starts from; None: random ones."""

    def differences(self, other: Identity) -> dict[str, tuple[str | None, str | None]]:
        """Field to (mine, the other's), where they differ."""
        mine, theirs = asdict(self), asdict(other)
        return {field: (mine[field], theirs[field]) for field in mine if mine[field] != theirs[field]}

    @classmethod
    def of(cls, record: dict[str, Any]) -> Identity:
        """The identity inside a lineage or a checkpoint record."""
        return cls(record["recipe_hash"], record["data_hash"], record.get("init"))


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of ``loc3r train``, checked."""

    recipe_path: Path
    overrides: tuple[str, ...]
    recipe: Recipe
    data: Path
    out: Path
    init: Path | None
    tracking_uri: str | None
    """None: nothing is tracked."""
    parent_run: str | None
    device: str
    """cpu or cuda."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Tags and parameters of the MLflow run, beside the recipe's."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the resumable checkpoints."""
        return self.out / "checkpoints"

    @property
    def model(self) -> Path:
        """Folder of the finished model."""
        return self.out / "model"

    def identity(self, data_hash: str) -> Identity:
        """What this job's checkpoints and model are marked with."""
        return Identity(self.recipe.hash, data_hash, hash_weights(self.init) if self.init else None)

    def arguments(self) -> list[str]:
        """The same job as arguments of ``python -m loc3r.train.worker``."""
        arguments = ["--recipe", str(self.recipe_path), "--data", str(self.data), "--out", str(self.out)]
        arguments += ["--tracking-uri", self.tracking_uri or NO_TRACKING, "--device", self.device]
        for override in self.overrides:
            arguments += ["--set", override]
        if self.init:
            arguments += ["--init", str(self.init)]
        if self.parent_run:
            arguments += ["--parent-run", self.parent_run]
        for name, value in self.tags.items():
            arguments += ["--tag", f"{name}={value}"]
        return arguments


def job_options(*, required: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options that ``loc3r train`` and its worker share; ``load_job`` takes their values.

    Args:
        required: recipe, data and out must be given. On a cluster the job itself knows the last two.
    """
    path = click.Path(path_type=Path)
    options = (
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True),
        click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Tag and parameter of the MLflow run."),
        click.option("--parent-run", metavar="RUN_ID", help="MLflow run that this training is a step of."),
        click.option("--tracking-uri", help="MLflow server, or 'none'. Default: LOC3R_TRACKING_URI."),
        click.option("--set", "overrides", multiple=True, metavar="SECTION.FIELD=VALUE", help="Change the recipe."),
        click.option("--init", type=path, help="Checkpoint, or fetched backbone, to start from."),
        click.option(
            "--out", type=path, required=required, help="Folder of the run: checkpoints/, metrics.jsonl, model/."
        ),
        click.option("--data", type=path, required=required, help="Folder that loc3r prepare wrote."),
        click.option("--recipe", "recipe_path", type=path, required=required, help="What to learn."),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in options:
            command = option(command)
        return command

    return decorate


def split_tags(tags: tuple[str, ...]) -> dict[str, str]:
    """``NAME=VALUE`` texts as a mapping."""
    return {name: value for name, _, value in (tag.partition("=") for tag in tags)}


def load_job(
    *,
    recipe_path: Path,
    data: Path,
    out: Path,
    init: Path | None,
    overrides: tuple[str, ...],
    tracking_uri: str | None,
    parent_run: str | None,
    device: str,
    tags: tuple[str, ...] = (),
) -> TrainingJob:
    """Check the command line's values and read the recipe."""
    from loc3r.settings import load_settings

    uri = tracking_uri or load_settings().tracking_uri
    return TrainingJob(
        recipe_path=recipe_path,
        overrides=overrides,
        recipe=load_recipe(recipe_path, overrides),
        data=data,
        out=out,
        init=init,
        tracking_uri=None if uri == NO_TRACKING else uri,
        parent_run=parent_run,
        device=_choose_device() if device == "auto" else device,
        tags=split_tags(tags),
    )


def hash_weights(checkpoint: Path) -> str:
    """Twelve hex digits that name a checkpoint's weights.

    Raises:
        CheckpointError: the folder holds no weights.
    """
    return hash_json({file.name: hash_file(file) for file in weight_files(checkpoint)})


def weight_files(checkpoint: Path) -> list[Path]:
    """The safetensors of a folder, sorted.

    Raises:
        CheckpointError: there are none.
    """
    files = sorted(checkpoint.glob("*.safetensors"))
    if not files:
        raise CheckpointError("no weights to start from", received=checkpoint, expected="a checkpoint folder")
    return files


def already_trained(job: TrainingJob, data_hash: str) -> Identity | None:
    """The identity of the finished model in ``job.out``; None if there is none yet, and then ``init`` is not read.

    Raises:
        TrainingError: it is the model of another job.
    """
    lineage = read_lineage(job.model)
    if not lineage:
        return None
    identity = job.identity(data_hash)
    refuse_other(Identity.of(lineage), identity, job.model, TrainingError)
    return identity


def refuse_other(
    found: Identity, wanted: Identity, path: Path, error: type[TrainingError] | type[CheckpointError]
) -> None:
    """Raise ``error`` when ``path`` was made by another job, naming what differs."""
    differences = found.differences(wanted)
    if differences:
        raise error(
            f"{path} was made by another training",
            received=", ".join(f"{field}={theirs}" for field, (theirs, _) in differences.items()),
            expected=", ".join(f"{field}={mine}" for field, (_, mine) in differences.items()),
            fix="give another --out, or remove that folder to train again",
        )


def _choose_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
