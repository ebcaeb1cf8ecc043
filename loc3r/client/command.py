"""``loc3r export``, ``serve``, ``deploy`` and ``ask``: from a checkpoint to an answer."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from loc3r.client.results import Pose
from loc3r.client.wire import ModelInfo
from loc3r.errors import ServiceError
from loc3r.services.process import preferred_port
from loc3r.services.triton import Ports, RunningTriton, TritonServer
from loc3r.settings import Settings, load_settings

REPOSITORY = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/serving"),
    show_default=True,
    help="Triton's model repository.",
)
URL = click.option("--url", help="gRPC address of Triton; default: the one that runs here, or LOC3R_TRITON_URL.")


@click.command()
@click.option("--model", required=True, help="A checkpoint folder, models:/loc3r@champion or models:/loc3r/3.")
@REPOSITORY
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--scene-memory-mib", type=click.IntRange(1), default=2048, show_default=True, help="For open scenes.")
@click.option(
    "--threads", type=click.IntRange(0), default=1, show_default=True, help="One suits a small model; 0: all."
)
def export(model: str, repository: Path, device: str, scene_memory_mib: int, threads: int) -> None:
    """Write a model into a Triton repository, as its next version; the same model twice changes nothing.

    Example: loc3r export --model checkpoints/rooms-tiny --repository runs/serving
    """
    from loc3r.services.embedded import located
    from loc3r.tracking.registry import fetch_model
    from serving.repository import ModelRepository

    checkpoint = fetch_model(model, located(load_settings()))
    settings = {"device": device, "scene_memory_mib": str(scene_memory_mib), "threads": str(threads)}
    done = ModelRepository(repository).export(checkpoint, source=model, settings=settings)
    state = "exported as" if done.is_new else "is already"
    click.echo(f"{model} {state} version {done.version} in {repository}  (model hash {done.model_hash})")
    click.echo(
        f"next: loc3r serve --repository {repository}, or, if Triton runs: loc3r deploy --repository {repository}"
    )


@click.command()
@REPOSITORY
@click.option("--grpc-port", type=int, help="Default: that of LOC3R_TRITON_URL, 8001, or a free one if it is taken.")
@click.option("--http-port", type=int, help="Health, and Triton's HTTP API. Default: 8000, or a free one.")
@click.option("--metrics-port", type=int, help="Prometheus metrics. Default: 8002, or a free one.")
@click.option("--detach", is_flag=True, help="Return when it is ready; --stop stops it.")
@click.option("--stop", is_flag=True, help="Stop the detached Triton.")
def serve(
    repository: Path, grpc_port: int | None, http_port: int | None, metrics_port: int | None, detach: bool, stop: bool
) -> None:
    """Run Triton on this machine over an exported repository (or an empty one: then "loc3r deploy" fills it).

    Example: loc3r serve --repository runs/serving --detach
    """
    settings = load_settings()
    running = RunningTriton.find(settings.state_dir)
    if stop:
        if running:
            running.stop(settings.state_dir)
        click.echo(f"stopped Triton ({running.url})" if running else "nothing was running")
        return
    if running and detach and running.repository == str(repository.absolute()):
        click.echo(f"Triton already serves {repository} at {running.url}")
        return
    ports = Ports(
        grpc=grpc_port or preferred_port(int(settings.triton_url.rpartition(":")[2])),
        http=http_port or preferred_port(8000),
        metrics=metrics_port or preferred_port(8002),
    )
    repository.mkdir(parents=True, exist_ok=True)
    load = ["loc3r"] if (repository / "loc3r" / "config.pbtxt").is_file() else []
    with Console(stderr=True).status("Starting Triton (the first start fetches it)"):
        server = TritonServer(repository, ports=ports, load=load)
    click.echo(f"gRPC {server.url}   HTTP 127.0.0.1:{ports.http}   metrics 127.0.0.1:{ports.metrics}/metrics")
    click.echo(f"log  {server.log}   models: {', '.join(load) or 'none yet (loc3r export, then loc3r deploy)'}")
    if detach:
        server.detach(settings.state_dir)
        return
    _wait(server)


def _wait(server: TritonServer) -> None:
    click.echo("Ctrl-C stops it.")
    try:
        code = server.process.wait()
    except KeyboardInterrupt:
        click.echo("stopping")
        return
    finally:
        server.stop()
    raise ServiceError(f"Triton stopped (exit {code})", received=server.tail(), fix=f"the whole log is {server.log}")


@click.command()
@REPOSITORY
@click.option("--version", "number", type=int, help="Default: the newest.")
@click.option("--rollback", "back", is_flag=True, help="Serve the version that was served before the present one.")
@URL
def deploy(repository: Path, number: int | None, back: bool, url: str | None) -> None:
    """Load a version into the running Triton and ask it something; if that fails, the one before serves again.

    Example: loc3r deploy --repository runs/serving;  and to undo it:  loc3r deploy --rollback
    """
    from serving import deploy as deployment
    from serving.repository import ModelRepository

    if back and number:
        raise click.UsageError("give --version or --rollback, not both")
    address, models = url or triton_url(load_settings()), ModelRepository(repository)
    with Console(stderr=True).status(f"Loading into {address}"):
        done = deployment.rollback(models, address) if back else deployment.deploy(models, address, number)
    before = f" (before: version {done.previous})" if done.previous else ""
    click.echo(f"version {done.version} serves at {address} and answered its check{before}")


@click.command()
@URL
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
