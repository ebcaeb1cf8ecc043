"""``loc3r up`` and ``loc3r down``: the embedded MLflow and S3 servers."""

from __future__ import annotations

import shlex

import click
from rich.console import Console

from loc3r.services.embedded import ensure_services, stop_services
from loc3r.settings import load_settings


@click.command()
@click.option("--export", "as_exports", is_flag=True, help="Print shell exports that make every tool find them.")
def up(as_exports: bool) -> None:
    """Start the embedded MLflow and S3 servers; running ones are left alone.

    Example: loc3r up;  or, for other tools in this shell:  eval "$(loc3r up --export)"
    """
    settings = load_settings()
    console = Console(stderr=True)
    with console.status("Starting S3 and MLflow (the first start makes the database: up to a minute)"):
        services = ensure_services(settings)
    if as_exports:
        for name, value in sorted(services.environment.items()):
            click.echo(f"export {name}={shlex.quote(value)}")
        return
    for name, title, url in (("mlflow", "MLflow", services.tracking_uri), ("s3", "S3", services.s3_endpoint)):
        state = "started" if name in services.started else "already running"
        click.echo(f"{title:7} {url}  ({state})")
    click.echo(f"State and logs are in {settings.state_dir}/; loc3r down stops both.")


@click.command()
def down() -> None:
    """Stop the embedded servers and a detached Triton; what they hold stays in the state folder.

    Example: loc3r down
    """
    from loc3r.services.triton import RunningTriton

    settings = load_settings()
    triton = RunningTriton.find(settings.state_dir)
    if triton:
        triton.stop(settings.state_dir)
    stopped = [*(["triton"] if triton else []), *stop_services(settings)]
    click.echo(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
