"""``loc3r ablate``: train and score every variant with every seed, and say what each part of the model is worth."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)


class Listed(click.ParamType):
    """Values separated by commas."""

    def __init__(self, item: type[int] | type[str]) -> None:
        self._item = item
        self.name = "a,b,…"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[object, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(self._item(part.strip()) for part in str(value).split(",") if part.strip()))
        except ValueError:
            self.fail(f"{value!r} is not a list of {self._item.__name__}", param, ctx)


@click.command()
@click.option("--recipe", "recipe_path", type=click.Path(path_type=Path), required=True, help="The whole model's.")
@click.option("--data", type=FOLDER, required=True, help="Prepared training split.")
@click.option("--test", type=FOLDER, required=True, help="Prepared test split (T0).")
@click.option("--out", type=FOLDER, required=True, help="Folder of the ablation: VARIANT/seed_N/, ablation.json, .md.")
@click.option("--rooms", type=FOLDER, nargs=2, metavar="TRAIN TEST", help="Rooms of the splits, for true-poses.")
@click.option("--seeds", type=Listed(int), default="0,1", show_default=True, help="Of weights and data order.")
@click.option("--variants", type=Listed(str), default="", help="Only these; all seven by default.")
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
    )
    prepare_true_poses(plan, rooms)
    record = run_ablation(plan, partial(train_job, ranks=ranks), Console(stderr=True), results)
    click.echo(record["verdict"])
    click.echo(f"table {out / 'ablation.md'}   record {out / 'ablation.json'}")
