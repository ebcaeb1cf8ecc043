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
@click.option("--init", type=click.Path(path_type=Path, exists=True), help="Folder of weights to go on from.")
@click.option("--steps", default=2600, show_default=True)
@click.option("--learning-rate", default=2e-3, show_default=True, help="At the start; it falls to a fiftieth.")
@click.option("--seed", default=0, show_default=True)
def train(rooms: Path, out: Path, init: Path | None, steps: int, learning_rate: float, seed: int) -> None:
    """Train on rendered rooms with known poses.

    Whoever retrains the prior trains the model on with it: the two are a pair.

    \b
    Example:
      loc3r prior train --rooms data/rooms/train --out loc3r/priors/weights
    """
    from loc3r.priors.train_vo import VORecipe
    from loc3r.priors.train_vo import train as run

    recipe = VORecipe(steps=steps, learning_rate=learning_rate, seed=seed)
    click.echo(json.dumps(run(rooms, out, recipe, init), indent=2))


@prior.command()
@click.option(
    "--root", type=click.Path(path_type=Path, exists=True), required=True, help="Scenes with poses, in any layout."
)
@click.option("--frames", type=click.IntRange(min=2), help="Frames of each walk, evenly spaced. Default: all.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first walks.")
@click.option("--weights", type=click.Path(path_type=Path, file_okay=False), help="Default: the shipped ones.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the errors as JSON.")
def measure(root: Path, frames: int | None, limit: int | None, weights: Path | None, out: Path | None) -> None:
    """Errors of rooms-vo on known walks, beside classical visual odometry and a camera that never moves.

    A step at a time: the turn and the move from frame to frame. Over the walk, from the first pose on: heading and
    place. ATE: root mean square distance of the whole path after the best rigid motion, and with the best scale too.
    Means over walks with 95 % bootstrap intervals; fewer than eight walks are shown one by one.

    Classical odometry (SIFT, essential matrices; needs opencv-python-headless) is told what a learned prior is not:
    the intrinsics, how the first camera was held, and its height above the floor ("height") or the true scale of the
    walk ("scale").

    \b
    Example:
      loc3r prior measure --root data/rooms/test --out runs/prior.json
      loc3r prior measure --root data/rooms/test --frames 16     a camera that moves twice as fast
    """
    from itertools import islice

    from rich.console import Console
    from rich.progress import track

    from loc3r.files import write_json
    from loc3r.priors.measure import estimates, load_walks, table
    from loc3r.priors.measure import measure as run
    from loc3r.priors.rooms_vo import RoomsVO
    from loc3r.scenes.format import scene_folders

    prior = RoomsVO.load(weights) if weights else RoomsVO.shipped()
    total, console = len(scene_folders(root)[:limit]), Console(stderr=True)
    walks = track(islice(load_walks(root, frames), limit), "measuring walks", total=total, console=console)
    done = run(walks, estimates(prior.name, prior))
    Console().print(table(done, f"{root}: {len(done.walks)} walks of {done.frames} frames; {prior.fingerprint}"))
    if out:
        write_json(out, {"prior": prior.fingerprint, **done.to_json()})
        click.echo(f"errors {out}")


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
