"""``loc3r ask``: a video and a sentence in, a pose, an answer and a map out."""

from __future__ import annotations

from pathlib import Path

import click

from loc3r.client.results import Pose
from loc3r.client.wire import ModelInfo
from loc3r.services.triton import RunningTriton
from loc3r.settings import Settings, load_settings


@click.command()
@click.option("--url", help="gRPC address of Triton; default: the one that runs here, or LOC3R_TRITON_URL.")
@click.option("--video", required=True, type=click.Path(path_type=Path), help="A video file or a folder of frames.")
@click.option("--situation", help='Where the speaker is: "I am sitting on the couch, facing the window."')
@click.option("--question", help="Absent: the answer is the pose alone.")
@click.option("--map", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Draw the bird's-eye map here.")
@click.option("--max-sigma-m", type=float, help="Decline a pose that is less certain than this.")
@click.option("--timeout-s", type=float, default=120, show_default=True, help="Deadline of each call.")
def ask(
    url: str | None,
    video: Path,
    situation: str | None,
    question: str | None,
    picture: Path | None,
    max_sigma_m: float | None,
    timeout_s: float,
) -> None:
    """Ask a running server about a video: where is the speaker, and what is the answer?

    Example: loc3r ask --video kitchen.mp4 --situation "I'm at the sink." --question "What is behind me?" --map map.png
    """
    from loc3r.client.synchronous import Loc3R

    if not situation and not question:
        raise click.UsageError("give --situation, --question or both")
    with Loc3R(url or triton_url(load_settings()), timeout_s=timeout_s) as client, client.open_scene(video) as scene:
        if question is None:
            pose, text = scene.locate(str(situation), max_sigma_m=max_sigma_m), ""
        else:
            answer = scene.ask(situation, question, max_sigma_m=max_sigma_m)
            pose, text = answer.pose, answer.text
        layout = scene.layout() if picture else None
    _tell(pose, text)
    if picture and layout:
        from loc3r.client.map import draw_map

        draw_map(picture, layout, pose, " ".join(filter(None, (situation, question, text))))
        click.echo(f"map     {picture}")


def _tell(pose: Pose, text: str) -> None:
    doubt = "" if pose.confident else f"   DECLINED: less certain than {pose.max_sigma_m:g} m"
    click.echo(f"pose    x {pose.x_m:+.2f} m, y {pose.y_m:+.2f} m, sigma {pose.sigma_m:.2f} m{doubt}")
    click.echo(f"heading {pose.heading_deg:+.0f} deg from +x, certainty {pose.heading_concentration:.2f}")
    if text:
        click.echo(f"answer  {text}")
    click.echo(f"model   {_describe(pose.model)}")


def _describe(model: ModelInfo) -> str:
    parts = {"recipe": model.recipe_hash, "data": model.data_hash, "code": model.code_commit[:12], "prior": model.prior}
    known = [f"{name} {value}" for name, value in parts.items() if value]
    return ", ".join([f"version {model.version}", f"hash {model.model_hash}", *known])


def triton_url(settings: Settings) -> str:
    """Where Triton is: what LOC3R_TRITON_URL says, else the detached one of this folder, else the default."""
    running = None if "triton_url" in settings.model_fields_set else RunningTriton.find(settings.state_dir)
    return running.url if running else settings.triton_url
