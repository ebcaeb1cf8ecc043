"""``loc3r prior``: train or measure the pose prior that ships with the package."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def prior() -> None:
    """Train or measure rooms-vo, the laptop's frozen pose prior."""


@prior.command()
@click.option("--rooms", type=click.Path(path_type=Path, exists=True), required=True, help="Scene root of loc3r synth.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for weights and card.")
@click.option("--steps", default=1500, show_default=True)
@click.option("--seed", default=0, show_default=True)
def train(rooms: Path, out: Path, steps: int, seed: int) -> None:
    """Train on rendered rooms with known poses.

    Example: loc3r prior train --rooms data/prior --out loc3r/priors/weights
    """
    from loc3r.priors.train_vo import VORecipe
    from loc3r.priors.train_vo import train as run

    click.echo(json.dumps(run(rooms, out, VORecipe(steps=steps, seed=seed)), indent=2))


@prior.command()
@click.option("--rooms", type=click.Path(path_type=Path, exists=True), required=True, help="Scene root of loc3r synth.")
def measure(rooms: Path) -> None:
    """Errors of the shipped prior on rendered rooms, beside a camera that never moves.

    Example: loc3r prior measure --rooms data/test
    """
    from loc3r.priors.rooms_vo import RoomsVO
    from loc3r.priors.train_vo import load_walks
    from loc3r.priors.train_vo import measure as run

    network = RoomsVO.shipped().network
    click.echo(json.dumps(run(network, load_walks(rooms, network.config.size_px)), indent=2))
