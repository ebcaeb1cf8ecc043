"""``loc3r fetch``: say what will come, from where, how big and under which licence; then bring it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from loc3r.fetch.download import Plan


@click.command()
@click.argument("name", required=False)
@click.option("--from", "mirror", metavar="PLACE", help="A folder, s3://bucket/prefix or https://… instead of its own.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: its place in LOC3R_CACHE_DIR.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what would come, and stop.")
@click.option("--yes", is_flag=True, help="Don't ask before downloading.")
def fetch(name: str | None, mirror: str | None, out: Path | None, only_plan: bool, yes: bool) -> None:
    """Bring published weights: backbones to train from, pose priors. Without a name: what there is.

    Nothing comes before its files, sizes, source and licence are on the screen. A fetch that broke off goes on where
    it stopped; every file is checked against the hash that the source states. A mirror is what a fetch wrote, copied.

    \b
    Example:
      loc3r fetch
      loc3r fetch llava-video-7b --plan
      loc3r fetch llava-video-7b --yes
      loc3r fetch llava-video-7b --from s3://models/llava-video-7b     (LOC3R_S3_ENDPOINT and its keys)

    Another hub that speaks the same protocol: LOC3R_HUB_URL. Gated weights: LOC3R_HUB_TOKEN.
    """
    from loc3r.fetch.catalogue import CATALOGUE, weights_of
    from loc3r.fetch.download import plan_fetch
    from loc3r.fetch.sources import source_of
    from loc3r.settings import load_settings

    if name is None:
        for known in CATALOGUE.values():
            use = "" if known.commercial else ", not for commercial use"
            click.echo(f"{known.name:<24} {known.title} ({known.licence}{use})")
        return
    weights, settings = weights_of(name), load_settings()
    folder = out or settings.cache_dir / weights.place / weights.name
    plan = plan_fetch(weights, source_of(weights, mirror, settings), folder)
    click.echo("\n".join(plan.lines()))
    if only_plan or not (yes or click.confirm("Download?")):
        return
    _download(plan)
    click.echo(f"here: {folder}")
    click.echo(f"next: {weights.then.format(folder=folder)}")


def _download(plan: Plan) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from loc3r.fetch.download import run

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(plan.weights.name, total=plan.size_bytes or None)
        run(plan, lambda count: progress.advance(task, count))
