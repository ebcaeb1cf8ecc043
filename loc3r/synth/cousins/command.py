"""``loc3r synth layouts``, apart from ``loc3r.synth.command``: each change there has all synthetic rooms made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from loc3r.synth.command import FILE, FOLDER, FRAMES, LANGUAGE, VARIED, WORKERS, synth


@synth.command()
@click.option("--boxes", type=FILE, multiple=True, required=True, help="Layouts: VSI-Bench's …_meta_info_val.json.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the data set.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="Name of the split; val and test prefer furniture models that training never shows.",
)
@click.option(
    "--leave-out",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    help="Rooms to leave out: a list of scene ids, an annotation file or a data set's folder.",
)
@FRAMES
@click.option("--situations", type=click.IntRange(min=1), default=24, show_default=True, help="Situations a room.")
@VARIED
@LANGUAGE
@WORKERS
def layouts(
    boxes: tuple[Path, ...],
    out: Path,
    split: str,
    leave_out: tuple[Path, ...],
    frames: int,
    situations: int,
    varied: bool | None,
    language: str | None,
    workers: int | None,
) -> None:
    """Rebuild real layouts with matching furniture and describe them in our own words (tier T1).

    Scenes keep their public ids, so that "loc3r data leakage" knows them. Whoever trains on a scene can't report on
    it: VSI-Bench tests on every room of its box files, and many a benchmark on ScanNet's. To train on rooms of
    ScanNet, say with --leave-out which of them are tested on; rescans of these are left out as well.

    \b
    Example:
      loc3r synth layouts --boxes arkitscenes_meta_info_val.json --boxes scannetpp_meta_info_val.json \\
        --split train --out data/layouts
    """
    from loc3r.synth.cousins.layouts import make_layouts
    from loc3r.synth.generate import Parameters

    parameters = Parameters.of(split, frames, situations, varied, language)  # type: ignore[arg-type]
    manifest = make_layouts(boxes, out, parameters, leave_out, workers)
    _tell(manifest)
    click.echo(f"{manifest['rooms']} {split} layouts in {out}; check them with: loc3r data validate {out}")


def _tell(manifest: dict[str, Any]) -> None:
    """What was left out or dropped, and what isn't as the split would have it."""
    dropped = manifest["dropped"]
    if manifest["left_out"]:
        click.echo(f"left out {len(manifest['left_out'])} scenes: {' '.join(manifest['left_out'])}")
    for scene_id, reason in dropped["scenes"].items():
        click.echo(f"dropped {scene_id}: {reason}")
    for name, count in dropped["boxes"].items():
        click.echo(f"dropped {count} boxes: no furniture for {name!r}")
    for doubt, count in dropped["texts"].items():
        click.echo(f"dropped {count} texts: the checker doubts their {doubt}")
    if manifest["of_the_other_pool"]:
        click.echo(f"{manifest['of_the_other_pool']} things look like models to train on: their class has no others")
