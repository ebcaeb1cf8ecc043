"""``loc3r pipeline``: compile the Kubeflow package, run it on this machine, or serve Kubeflow's API here."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def pipeline() -> None:
    """Compile the Kubeflow pipeline, or run it on this machine with Kubeflow's own local runner."""


@pipeline.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("loc3r.yaml"), show_default=True)
@click.option(
    "--size", type=click.Choice(["laptop", "production"]), default="production", show_default=True,
    help="Resources of the steps: those of the overlay of this name; laptop asks for no GPU.",
)  # fmt: skip
@click.option("--image", help="One image for all steps, a build of the target train. Default: the released ones.")
@click.option("--nodes", default=1, show_default=True, help="Default of the parameter: pods of a training.")
@click.option("--gpus-per-node", default=0, show_default=True, help="Default of the parameter: GPUs of each.")
def compile(output: Path, size: str, image: str | None, nodes: int, gpus_per_node: int) -> None:
    """Write the package that ``kfp run submit -f`` and ``kfp run create -f`` take.

    \b
    Example:
      loc3r pipeline compile -o loc3r.yaml
      kfp --namespace loc3r run create -e loc3r -f loc3r.yaml recipe=recipes/loc3r-7b.yaml
    """
    from kfp.compiler import Compiler

    from pipelines.pipeline import define
    from pipelines.platform import SIZES, Cluster

    Compiler().compile(define(Cluster(image, SIZES[size]), nodes, gpus_per_node), str(output))
    click.echo(f"wrote {output}")


@pipeline.command()
@click.option("--recipe", default="recipes/rooms-demo.yaml", show_default=True)
@click.option("--init", default="checkpoints/rooms-tiny", show_default=True, help="Checkpoint to start from.")
@click.option("--train-data", default="data/prepared/train", show_default=True, help="Or rooms://<number>.")
@click.option("--test-data", default="data/prepared/test", show_default=True, help="Or rooms://<number>.")
@click.option("--ranks", default=2, show_default=True, help="Training processes.")
def run(recipe: str, init: str, train_data: str, test_data: str, ranks: int) -> None:
    """Run every step here; needs ``loc3r up`` and a running Triton for the last one.

    Example: loc3r pipeline run --recipe recipes/rooms-demo.yaml
    """
    from pipelines.local import run_locally

    run_locally(recipe=recipe, init=init, train_data=train_data, test_data=test_data, nodes=ranks)


@pipeline.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="There is no password: keep it on this machine.")
@click.option("--port", default=8888, show_default=True, help="0 takes any free one.")
@click.option("--venv", is_flag=True, help="Run each step in a fresh virtual environment; it installs what it names.")
def serve(host: str, port: int, venv: bool) -> None:
    """Serve Kubeflow Pipelines' API on this machine, for the real kfp command and SDK.

    Runs are checked as a cluster checks them and executed by Kubeflow's local runner, one child process a run, in this
    environment and folder. Open the address in a browser for tasks, logs, metrics and reports. Runs go on when the
    server stops; the next one picks them up. Everything is kept in .loc3r/endpoint.

    \b
    Example: loc3r up && loc3r pipeline serve
             export KF_PIPELINES_ENDPOINT=http://127.0.0.1:8888
             kfp run create -e loc3r -f loc3r.yaml -w
    """
    from loc3r.settings import load_settings
    from pipelines.endpoint.server import serve as serve_endpoint

    def tell(url: str) -> None:
        click.echo(f"listening  {url}")
        click.echo(f"use it     export KF_PIPELINES_ENDPOINT={url}")

    serve_endpoint(load_settings().state_dir / "endpoint", host, port, venv=venv, on_listening=tell)
