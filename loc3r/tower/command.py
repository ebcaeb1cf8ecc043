"""``loc3r tower``: teach a checkpoint's small vision tower what rooms look like."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def tower() -> None:
    """Teach a model's small vision tower what things in rooms look like."""


@tower.command()
@click.option("--model", type=click.Path(path_type=Path, exists=True), required=True, help="Checkpoint to start from.")
@click.option("--rooms", type=click.Path(path_type=Path, exists=True), required=True, help="Scene root of loc3r synth.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The new checkpoint.")
@click.option("--steps", type=click.IntRange(min=1), default=3000, show_default=True, help="Of 64 frames each.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, 1, min_open=True),
    default=5e-4,
    show_default=True,
    help="At the start; it falls to a hundredth.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def train(model: Path, rooms: Path, out: Path, steps: int, learning_rate: float, seed: int) -> None:
    """Teach the tower frame by frame on rendered rooms: the names, distances and colours of what they show.

    A frozen ImageNet tower takes small pictures of rooms for what it knows. Taught alone, without the language model,
    a tower sees some hundred frames a second on two cores, and is told what every cell of them shows. Then the
    projector is fitted so that the language model reads about what it read before; train on from the new checkpoint,
    which brings its tower. A killed teaching goes on.

    \b
    Example:
      loc3r tower train --model checkpoints/rooms-tiny --rooms data/rooms/train --out runs/tower
      loc3r train --recipe recipes/rooms-tiny.yaml --init runs/tower --data data/prepared/train --out runs/taught
    """
    from loc3r.tower.teacher import TowerRecipe
    from loc3r.tower.training import teach

    record = teach(model, rooms, out, TowerRecipe(steps=steps, learning_rate=learning_rate, seed=seed))
    del record["losses"]
    click.echo(json.dumps(record, indent=2))
