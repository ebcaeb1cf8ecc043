"""``loc3r pipeline``: compile the Kubeflow package, or run it on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def pipeline() -> None:
    """Compile the Kubeflow pipeline, or run it on this machine with Kubeflow's own local runner."""


@pipeline.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("loc3r.yaml"), show_default=True)
def compile(output: Path) -> None:
    """Write the package that ``kfp run create -f`` takes.

    Example: loc3r pipeline compile -o loc3r.yaml
    """
    from kfp.compiler import Compiler

    from pipelines.pipeline import loc3r_pipeline

    Compiler().compile(loc3r_pipeline, str(output))
    click.echo(f"wrote {output}")


@pipeline.command()
@click.option("--recipe", default="recipes/rooms-demo.yaml", show_default=True)
@click.option("--init", default="checkpoints/rooms-tiny", show_default=True, help="Checkpoint to start from.")
@click.option("--ranks", default=2, show_default=True, help="Training processes.")
@click.option("--repository", default="runs/serving", show_default=True, help="Triton model repository.")
def run(recipe: str, init: str, ranks: int, repository: str) -> None:
    """Run every step here; needs ``loc3r up`` and a running Triton for the last one.

    Example: loc3r pipeline run --recipe recipes/rooms-demo.yaml
    """
    from pipelines.local import run_locally

    run_locally(recipe=recipe, init=init, ranks=ranks, repository=repository)
