"""``loc3r demo``: the whole life of a model on this machine, with the same components as on a cluster."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from loc3r.client import Answer
    from loc3r.evaluate.pictures import MapPicture
    from loc3r.scenes.shards import PreparedSample, PreparedScene

REPOSITORY = Path("runs/serving")
PICTURE = Path("runs/demo/birds_eye.png")
QUESTIONS = 3


@click.command()
@click.option("--recipe", default="recipes/rooms-demo.yaml", show_default=True, help="The fine-tuning.")
@click.option("--init", default="checkpoints/rooms-tiny", show_default=True, help="Checkpoint to start from.")
@click.option("--keep/--stop", default=True, show_default=True, help="Leave MLflow and Triton running afterwards.")
def demo(recipe: str, init: str, keep: bool) -> None:
    """Furnish rooms, train on two ranks, gate, serve, ask: everything real, in minutes.

    A second run finds its work done and is faster. "loc3r down" stops the servers.

    Example: loc3r demo --stop
    """
    from loc3r.services.embedded import ensure_services
    from loc3r.services.process import tools_path
    from loc3r.settings import load_settings

    start = monotonic()
    with _step("start MLflow and the S3 server"):
        services = ensure_services(load_settings())
        os.environ.update(services.environment, PATH=tools_path())
        _point_dvc_at(services.s3_endpoint)
    with _step("start Triton"):
        subprocess.run(["loc3r", "serve", "--repository", str(REPOSITORY), "--detach"], check=True)
    with _step("run the pipeline: prepare, train, evaluate, gate, deploy"):
        from pipelines.local import run_locally

        run_locally(recipe=recipe, init=init, nodes=2)
    with _step("ask three questions in a room that nobody trained on"):
        _ask()
    click.echo(f"\nDone in {(monotonic() - start) / 60:.1f} minutes.")
    click.echo(f"  runs and models   {services.tracking_uri}")
    click.echo(f"  picture           {PICTURE}")
    click.echo("  reports           runs/evaluate/*/report.html")
    if not keep:
        subprocess.run(["loc3r", "serve", "--stop"], check=True)
        subprocess.run(["loc3r", "down"], check=True)


@contextmanager
def _step(title: str) -> Iterator[None]:
    click.secho(f"\n== {title}", bold=True)
    start = monotonic()
    yield
    click.echo(f"   {monotonic() - start:.0f} s")


def _point_dvc_at(endpoint: str) -> None:
    """Tell this checkout's DVC where the embedded S3 server is, and have the pipeline push to it."""
    subprocess.run(["dvc", "remote", "modify", "--local", "embedded", "endpointurl", endpoint], check=True)
    os.environ["LOC3R_DVC_PUSH"] = "1"


def _ask() -> None:
    """Ask about the first test room, as a user would: frames in, pose and words out, a map to look at."""
    from loc3r.client import Loc3R
    from loc3r.client.command import triton_url
    from loc3r.evaluate.pictures import save_sheet
    from loc3r.scenes.shards import PreparedData
    from loc3r.settings import load_settings

    data = PreparedData(Path("data/prepared/test"))
    scene_id = data.scene_ids[0]
    scene, asked = data.scene(scene_id), _different_situations(data.samples_of(scene_id))
    pictures = []
    with (
        Loc3R(triton_url(load_settings())) as client,
        client.open_scene(Path("data/rooms/test/scans") / scene_id / "color") as opened,
    ):
        for sample in asked:
            answer = opened.ask(sample.situation, sample.question)
            click.echo(_told(sample, answer))
            pictures.append(_picture(scene, sample, answer))
        model = client.info()
    click.echo(f"   answered by {model}")
    save_sheet(PICTURE, pictures)


def _different_situations(samples: Sequence[PreparedSample]) -> list[PreparedSample]:
    """The first sample of each of the first situation forms."""
    by_form = {s.situation_form: s for s in reversed(samples) if s.situation and s.position_m}
    return list(by_form.values())[-QUESTIONS:][::-1]


def _told(sample: PreparedSample, answer: Answer) -> str:
    pose = answer.pose
    assert sample.position_m is not None and sample.heading_rad is not None
    return (
        f'   "{sample.situation}" {sample.question}\n'
        f"      at ({pose.x_m:+.2f}, {pose.y_m:+.2f}) m ± {pose.sigma_m:.2f} m, heading {pose.heading_deg:.0f}°; "
        f"says {answer.text!r}\n"
        f"      truth ({sample.position_m[0]:+.2f}, {sample.position_m[1]:+.2f}) m, "
        f"heading {math.degrees(sample.heading_rad):.0f}°; {sample.answers[0]!r}"
    )


def _picture(scene: PreparedScene, sample: PreparedSample, answer: Answer) -> MapPicture:
    from loc3r.evaluate.pictures import MapPicture, Stand

    pose = answer.pose
    assert sample.position_m is not None
    return MapPicture(
        outline_m=scene.room_outline_m,
        objects=scene.objects,
        guess=Stand((pose.x_m, pose.y_m), pose.heading_rad, (pose.sigma_x_m, pose.sigma_y_m)),
        truth=Stand(sample.position_m, sample.heading_rad),
        title=f"“{sample.situation}”",
        caption=f"{sample.question}\n→ {answer.text} (true: {sample.answers[0]})",
    )
