"""``loc3r ablate``: train and score every variant with every seed, and say what each part of the model is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

FOLDER = click.Path(path_type=Path, file_okay=False)


Values = tuple[Any, ...]


def _listed(item: type[int] | type[str]) -> Callable[[click.Context, click.Parameter, str], Values]:
    """A callback that reads values separated by commas."""

    def read(ctx: click.Context, param: click.Parameter, text: str) -> Values:
        try:
            return tuple(dict.fromkeys(item(part.strip()) for part in text.split(",") if part.strip()))
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not a list of {item.__name__}", ctx, param) from error

    return read


@click.command()
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path), required=True, help="The whole model's.")
@click.option("--data", type=FOLDER, required=True, help="Prepared training split.")
@click.option("--test", type=FOLDER, required=True, help="Prepared test split (T0).")
@click.option("--out", type=FOLDER, required=True, help="Folder of the ablation: VARIANT/seed_N/, ablation.json, .md.")
@click.option("--rooms", type=FOLDER, nargs=2, metavar="TRAIN TEST", help="Rooms of the splits, for true-poses.")
@click.option("--init", type=FOLDER, help="Checkpoint whose backbone all begin with; their heads begin anew.")
@click.option(
    "--seeds",
    callback=_listed(int),
    metavar="A,B,…",
    default="0,1",
    show_default=True,
    help="Of weights and order.",
)
@click.option("--variants", callback=_listed(str), default="", help="Only these, by commas; all by default.")
@click.option("--steps", type=click.IntRange(1), help="Budget of every child; by default the recipe's.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.FIELD=VALUE", help="Change the recipe for all.")
@click.option("--ranks", type=click.IntRange(1), help="Processes of a training. Default: the GPUs, else 2 at most.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--tracking-uri", help="MLflow server, or 'none'. Default: the embedded one, or LOC3R_TRACKING_URI.")
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), help="Page that gets the tables too.")
def ablate(
    recipe_path: Path,
    data: Path,
    test: Path,
    out: Path,
    rooms: tuple[Path, Path] | None,
    init: Path | None,
    seeds: tuple[int, ...],
    variants: tuple[str, ...],
    steps: int | None,
    overrides: tuple[str, ...],
    ranks: int | None,
    device: str,
    tracking_uri: str | None,
    results: Path | None,
) -> None:
    """Train the recipe with one part taken away at a time; say what each part is worth, with intervals.

    Every child has the same budget, data and data order. With MLflow they are child runs of one parent. Killed, it
    goes on where it stopped; finished children are not repeated, more --seeds and --variants are added. The variants,
    from least to most: text-only, coordinates-as-text, situation, +layout, +camera, +dense-grounding, true-poses.

    \b
    Example:
      loc3r ablate --recipe recipes/rooms-tiny.yaml --data data/prepared/train --test data/prepared/test \\
        --rooms data/rooms/train data/rooms/test --seeds 0,1 --steps 2000 --out runs/ablation
    """
    from rich.console import Console

    from loc3r.ablate.plan import Plan, prepare_true_poses
    from loc3r.ablate.run import run_ablation
    from loc3r.ablate.variants import choose_variants
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.train.command import train_job
    from loc3r.train.job import NO_TRACKING

    uri = tracking_uri or located(load_settings()).tracking_uri
    plan = Plan(
        recipe_path=recipe_path,
        overrides=(*overrides, *((f"train.steps={steps}",) if steps else ())),
        data=data,
        test=test,
        out=out,
        variants=choose_variants(variants),
        seeds=seeds,
        tracking_uri=None if uri == NO_TRACKING else uri,
        device=device,
        init=init,
    )
    prepare_true_poses(plan, rooms)
    record = run_ablation(plan, partial(train_job, ranks=ranks), Console(stderr=True), results)
    click.echo(record["verdict"])
    click.echo(f"table {out / 'ablation.md'}   record {out / 'ablation.json'}")
