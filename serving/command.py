"""``loc3r export``, ``serve`` and ``deploy``: from a checkpoint to a server that answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from loc3r.client.wire import MODEL
from loc3r.errors import ServiceError
from loc3r.services.process import preferred_port
from loc3r.services.triton import Ports, RunningTriton, TritonServer
from loc3r.settings import load_settings

if TYPE_CHECKING:
    from serving.deploy import Deployment

Command = TypeVar("Command", bound=Callable[..., Any])
TARGETS = click.Choice(["local", "kubernetes", "kserve"])
FOLDER = click.Path(file_okay=False, path_type=Path)
REPOSITORY = click.option(
    "--repository",
    type=FOLDER,
    default=Path("runs/serving"),
    show_default=True,
    help="Triton's model repository.",
)


def package_options(command: Command) -> Command:
    """How a model is to run: written into its package. Left out: as the model runs that serves now."""
    for option in (
        click.option(
            "--threads", type=click.IntRange(0), help="Of a CPU; 0: all. First: 1, which suits a small model."
        ),
        click.option("--scene-memory-mib", type=click.IntRange(1), help="For open scenes. First: 2048."),
        click.option("--device", type=click.Choice(["cpu", "cuda"]), help="First: cpu."),
    ):
        command = option(command)
    return command


def target_options(command: Command) -> Command:
    """Which server, and where its packages are."""
    for option in (
        click.option("--timeout-s", type=float, default=900, show_default=True, help="For a new version to be ready."),
        click.option("--namespace", help="Of the cluster. Default: LOC3R_NAMESPACE, loc3r."),
        click.option("--url", help="gRPC address to ask the smoke question at. Default: found."),
        click.option(
            "--repository", help="local: a folder [runs/serving]; else S3 [LOC3R_MODEL_REPOSITORY, s3://models/loc3r]."
        ),
    ):
        command = option(command)
    return command


@click.command()
@click.option("--model", required=True, help="A checkpoint folder, models:/loc3r@champion or models:/loc3r/3.")
@REPOSITORY
@package_options
def export(model: str, repository: Path, **package: Any) -> None:
    """Write a model into a Triton repository, as its next version; the same model twice changes nothing.

    Example: loc3r export --model checkpoints/rooms-tiny --repository runs/serving
    """
    from loc3r.services.embedded import located
    from loc3r.tracking.registry import fetch_model
    from serving.repository import ModelRepository

    checkpoint = fetch_model(model, located(load_settings()))
    done = ModelRepository(repository).export(checkpoint, source=model, settings=texts(package))
    state = "exported as" if done.is_new else "is already"
    click.echo(f"{model} {state} version {done.version} in {repository}  (model hash {done.model_hash})")
    click.echo(
        f"next: loc3r serve --repository {repository}, or, if Triton runs: loc3r deploy --repository {repository}"
    )


def texts(package: dict[str, Any]) -> dict[str, str]:
    """The options that were given, as config.pbtxt holds them."""
    return {name: str(value) for name, value in package.items() if value is not None}


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
    load = [MODEL] if (repository / MODEL / "config.pbtxt").is_file() else []
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
@click.option("--model", help="models:/loc3r@champion, models:/loc3r/3 or a checkpoint folder.")
@click.option("--to", "kind", type=TARGETS, default="local", show_default=True)
@click.option("--version", "number", type=int, help="local, without --model: an exported version [the newest].")
@click.option("--rollback", "back", is_flag=True, help="Serve what was served before; the champion stays who it is.")
@target_options
@package_options
def deploy(
    model: str | None,
    kind: str,
    number: int | None,
    back: bool,
    repository: str | None,
    url: str | None,
    namespace: str | None,
    timeout_s: float,
    **package: Any,
) -> None:
    """Package a model, load it, ask it something, then change over to it; if it fails, what served before goes on.

    The package (safetensors, config, tokenizer, model card, lineage, checksums) goes into the folder of the running
    Triton, or as a release into the S3 model repository that the cluster's Tritons read.

    \b
    Examples:
      loc3r deploy --model models:/loc3r@champion --to kubernetes
      loc3r deploy --model checkpoints/rooms-tiny
      loc3r deploy --rollback              (loc3r rollback --to local takes the champion back too)
    """
    from loc3r.services.embedded import located
    from loc3r.tracking.registry import fetch_model
    from serving.targets import LocalTriton, target_of

    if sum(map(bool, (model, number, back))) > 1:
        raise click.UsageError("give one of --model, --version and --rollback")
    settings = located(load_settings())
    target = target_of(kind, settings, repository=repository, url=url, namespace=namespace, timeout_s=timeout_s)
    with Console(stderr=True).status(f"Deploying to {target.where}"):
        if back:
            done = target.rollback()
        elif model:
            done = target.deploy(fetch_model(model, settings), model, texts(package))
        elif isinstance(target, LocalTriton):
            done = target.deploy_exported(number)
        else:
            raise click.UsageError(f"--to {kind} needs --model or --rollback")
    tell(done, target.where)


def tell(done: Deployment, where: str) -> None:
    """Say what serves now."""
    before = f" (before: version {done.previous})" if done.previous else ""
    click.echo(f"version {done.version} serves at {where} and answered its check{before}")
