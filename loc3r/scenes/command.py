"""The verbs ``data validate`` and ``prepare``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def data() -> None:
    """Check scene folders and explain every fault."""


@data.command()
@click.argument("root", type=FOLDER)
def validate(root: Path) -> None:
    """List every fault of a data set; exit with 1 if any makes a scene or sample unusable.

    \b
    Example:
      loc3r data validate data/rooms/test
    """
    from loc3r.scenes.validate import validate_root

    errors = warnings = 0
    for fault in validate_root(root):
        click.echo(str(fault))
        errors += fault.severity == "error"
        warnings += fault.severity == "warning"
    click.echo(f"{root}: {errors} errors, {warnings} warnings")
    sys.exit(1 if errors else 0)


@click.command()
@click.option("--root", required=True, type=FOLDER, help="Data set: scans/, annotations/, manifest.json.")
@click.option("--split", default="train", show_default=True, help="Which annotation files: train, val or test.")
@click.option("--recipe", required=True, type=click.Path(path_type=Path), help="Its data section decides what is made.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the shards.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key: data.frames=8.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; one for each core if absent.")
def prepare(root: Path, split: str, recipe: Path, out: Path, overrides: tuple[str, ...], workers: int | None) -> None:
    """Frames, patch targets and camera tokens into shards; stopping and rerunning resumes.

    \b
    Example:
      loc3r prepare --root data/rooms/train --split train --recipe recipes/rooms-tiny.yaml --out data/prepared/train
    """
    from loc3r.files import read_json
    from loc3r.recipe import load_recipe
    from loc3r.scenes.prepare import prepare as run

    manifest = read_json(run(root, split, load_recipe(recipe, overrides), out, workers) / "manifest.json")
    for scene_id, reason in manifest["dropped"].items():
        click.secho(f"dropped {scene_id}: {reason}", fg="yellow", err=True)
    counts = manifest["counts"]
    click.echo(f"{out}: {counts['scenes']} scenes, {counts['samples']} samples, data {manifest['data_hash']}")
