"""The verbs ``data validate`` and ``prepare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANYTHING = click.Path(exists=True, path_type=Path)


def _bar() -> Progress:
    """A progress bar that goes away at the end, and is silent where the output is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console()
    return Progress(console=console, transient=True, disable=not console.is_terminal)


@click.group()
def data() -> None:
    """Check scene folders and explain every fault; plan what to fetch; keep test rooms out of training."""


@data.command()
@click.argument("root", type=FOLDER)
@click.option("--every", default=1, show_default=True, type=click.IntRange(min=1), help="Look at such-th frames only.")
def validate(root: Path, every: int) -> None:
    """List every fault of a data set; exit with 1 if any makes a scene or sample unusable.

    Scenes may be exported scans, ScanNet's .sens, posed_images, ARKitScenes, ScanNet++, posed clips or videos.

    \b
    Example:
      loc3r data validate data/rooms/test
    """
    from loc3r.scenes.validate import validate_root

    errors = warnings = 0
    with _bar() as progress:
        for fault in validate_root(root, progress, every):
            progress.console.print(str(fault), markup=False, highlight=False, soft_wrap=True)
            errors += fault.severity == "error"
            warnings += fault.severity == "warning"
    click.echo(f"{root}: {errors} errors, {warnings} warnings")
    sys.exit(1 if errors else 0)


@data.command()
@click.argument("root", type=FOLDER)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Data set to write.")
@click.option("--every", default=10, show_default=True, type=click.IntRange(min=1), help="Take every such-th frame.")
def extract(root: Path, out: Path, every: int) -> None:
    """Take frames out of ScanNet's .sens files, as an exported data set; stopping and rerunning resumes.

    Not needed by prepare, which reads .sens itself. Of a file that was cut short, the frames before are kept.

    \b
    Example:
      loc3r data extract scannet/scans --every 10 --out data/scannet
    """
    from loc3r.scenes.extract import extract_scans

    scans = broken = 0
    with _bar() as progress:
        for fault in extract_scans(root, out, every, progress):
            scans += 1
            if fault is not None:
                broken += 1
                progress.console.print(f"error: {fault}", markup=False, highlight=False, soft_wrap=True)
    click.echo(f"{out}: {scans} scans, {broken} of them with faults")
    sys.exit(1 if broken or not scans else 0)


@data.command()
@click.argument("dataset", required=False)
def plan(dataset: str | None) -> None:
    """Say what a data set takes: files, sizes, licence, and where to ask for access. Nothing is downloaded.

    \b
    Example:
      loc3r data plan sqa3d
    """
    from loc3r.datasets.plan import PLANS, plan_of

    if dataset is None:
        for each in PLANS.values():
            click.echo(f"{each.name:<12} {each.title}")
        return
    click.echo("\n".join(plan_of(dataset).lines()))


@data.command()
@click.option("--train", "train_paths", required=True, multiple=True, type=ANYTHING, help="May be given many times.")
@click.option("--test", "test_paths", required=True, multiple=True, type=ANYTHING, help="May be given many times.")
def leakage(train_paths: tuple[Path, ...], test_paths: tuple[Path, ...]) -> None:
    """Fail when a room that is tested on is trained on; rescans (scene0000_00, scene0000_01) are one room.

    Each path is prepared data, a data set's folder, an annotation file, or a list of scene ids.

    \b
    Example:
      loc3r data leakage --train data/prepared/train --test data/prepared/test
    """
    from loc3r.datasets.leakage import check_leakage, room_of, scenes_in

    train, test = ({scene for path in paths for scene in scenes_in(path)} for paths in (train_paths, test_paths))
    check_leakage(train, test)
    rooms = [len({room_of(scene) for scene in scenes}) for scenes in (train, test)]
    click.echo(f"{rooms[0]} rooms to train on, {rooms[1]} to test on, none in both")


@click.command()
@click.option(
    "--root", "roots", required=True, multiple=True, type=FOLDER,
    help="Data set: scans/, annotations/, manifest.json. May be given many times.",
)  # fmt: skip
@click.option("--split", default="train", show_default=True, help="Which annotation files: train, val or test.")
@click.option("--recipe", required=True, type=click.Path(path_type=Path), help="Its data section decides what is made.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the shards.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one key: data.frames=8.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; one for each core if absent.")
@click.option("--mixture", type=click.Path(path_type=Path), help="YAML: weights or counts by data set, and a seed.")
def prepare(
    roots: tuple[Path, ...],
    split: str,
    recipe: Path,
    out: Path,
    overrides: tuple[str, ...],
    workers: int | None,
    mixture: Path | None,
) -> None:
    """Frames, patch targets and camera tokens into shards; stopping and rerunning resumes.

    \b
    Example:
      loc3r prepare --root data/rooms/train --split train --recipe recipes/rooms-tiny.yaml --out data/prepared/train
    """
    from loc3r.datasets.mixture import read_mixture
    from loc3r.files import read_json
    from loc3r.recipe import load_recipe
    from loc3r.scenes.prepare import prepare as run

    mixed = read_mixture(mixture) if mixture else None
    manifest = read_json(run(roots, split, load_recipe(recipe, overrides), out, workers, mixed) / "manifest.json")
    for scene_id, reason in manifest["dropped"].items():
        click.secho(f"dropped {scene_id}: {reason}", fg="yellow", err=True)
    counts = manifest["counts"]
    click.echo(f"{out}: {counts['scenes']} scenes, {counts['samples']} samples, data {manifest['data_hash']}")
