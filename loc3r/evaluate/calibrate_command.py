"""``loc3r calibrate``: fit the factor on a model's stated uncertainty."""

from __future__ import annotations

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--model", type=FOLDER, required=True, help="Checkpoint folder; calibration.json is written into it.")
@click.option("--data", "data_folder", type=FOLDER, required=True, help="Prepared validation split, not the test one.")
@click.option("--out", type=FOLDER, required=True, help="Where predictions and plots go.")
@click.option("--limit-scenes", type=click.IntRange(min=1), help="Only the first scenes.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
def calibrate(model: Path, data_folder: Path, out: Path, limit_scenes: int | None, device: str) -> None:
    """Fit one factor on the sigma of every place, so that ellipses hold the speaker as often as they say.

    The factor goes into the checkpoint as calibration.json; evaluation and serving apply it from then on, and the
    checkpoint counts as another model. Places, headings and answers stay the same. Killed, it goes on where it
    stopped.

    \b
    Example:
      loc3r synth --rooms 48 --split val --seed 800000 --out data/rooms/val
      loc3r prepare --root data/rooms/val --split val --recipe recipes/rooms-tiny.yaml --out data/prepared/val
      loc3r calibrate --model runs/train/model --data data/prepared/val --out runs/calibration
    """
    from rich.console import Console

    from loc3r.evaluate.temperature import calibrate_model
    from loc3r.model.calibration import CALIBRATION_FILE
    from loc3r.scenes.shards import PreparedData

    fitted = calibrate_model(
        model, PreparedData(data_folder), out, limit_scenes=limit_scenes, device=device, console=Console(stderr=True)
    )
    click.echo(
        f"sigma x {fitted.sigma_temperature:g}: calibration error {100 * fitted.error_before:.1f} % before, "
        f"{100 * fitted.error_after:.1f} % after ({fitted.situations} situations in {fitted.scenes} scenes)"
    )
    click.echo(f"{model / CALIBRATION_FILE}   plots {out / 'reliability.png'}")
