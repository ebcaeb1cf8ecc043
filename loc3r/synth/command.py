"""``loc3r synth``: furnished rooms on disk, as video with language."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--rooms", type=click.IntRange(min=1), default=64, show_default=True, help="How many rooms.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the data set.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="val and test rooms use furniture models that training never shows.",
)
@click.option("--seed", type=int, help="Seed of the first room.  [default: 0 (train), 800000 (val), 900000 (test)]")
@click.option("--frames", type=click.IntRange(min=2), default=32, show_default=True, help="Frames of each video.")
@click.option("--situations", type=click.IntRange(min=0), default=24, show_default=True, help="Situations a room.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
def synth(
    rooms: int, out: Path, split: str, seed: int | None, frames: int, situations: int, workers: int | None
) -> None:
    """Furnish rooms, walk through them with a camera, render the video, write situations and questions.

    The folder has ScanNet's layout, with SQA3D, ScanQA and VSI-Bench annotations. Room i has the seed
    SEED + i; no seed may be in two splits. A stopped run goes on where it was; the same seed gives the same
    bytes, whatever the number of workers.

    Example: loc3r synth --rooms 64 --out data/rooms/train --split train
    """
    from loc3r.synth.generate import FIRST_SEEDS, generate

    first = FIRST_SEEDS[split] if seed is None else seed
    generate(out, rooms, first, split, workers, frames, situations)  # type: ignore[arg-type]
    click.echo(f"{rooms} {split} rooms in {out}; check them with: loc3r data validate {out}")
