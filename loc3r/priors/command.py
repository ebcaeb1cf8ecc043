"""``loc3r prior``: train or measure the pose prior that ships with the package."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.group()
def prior() -> None:
    """Train or measure rooms-vo, the laptop's frozen pose prior; bring the weights of another."""


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


@prior.command()
@click.option("--checkpoint", type=click.Path(path_type=Path), required=True, help="cut3r_512_dpt_4_64.pth.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: where data.prior=cut3r looks for it.")
def convert(checkpoint: Path, out: Path | None) -> None:
    """Turn CUT3R's published checkpoint into safetensors; nothing in it is run, and what is not needed is left out.

    CUT3R's weights are CC BY-NC-SA 4.0: what is trained on its tokens is not for commercial use.

    Example: loc3r prior convert --checkpoint cut3r_512_dpt_4_64.pth
    """
    from loc3r.priors.cut3r.weights import convert as run
    from loc3r.priors.foundation import weights_folder

    click.echo(run(checkpoint, out or weights_folder("cut3r")))
