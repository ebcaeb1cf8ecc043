"""``loc3r results``: write the results page from MLflow."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Page with a place for the table."
)
@click.option("--model", "models", multiple=True, help="Only these models: folders or models:/NAME@ALIAS.")
@click.option("--tracking-uri", help="MLflow server. Default: the embedded one, or LOC3R_TRACKING_URI.")
def results(out: Path, models: tuple[str, ...], tracking_uri: str | None) -> None:
    """Write every recorded score into a page: data, profile, interval, baseline, model and commit beside each.

    What "loc3r evaluate" recorded, on our rooms and on benchmarks, becomes a table between "<!-- loc3r results: begin
    -->" and its end; the newest "loc3r ablate" goes between its own markers, where the page has them. All else stays.

    \b
    Example:
      loc3r results --out docs/results.md
    """
    from loc3r.errors import DataError
    from loc3r.results.page import RESULTS
    from loc3r.results.rows import read_rows, to_markdown
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.tracking.lineage import model_hash
    from loc3r.tracking.registry import fetch_model

    settings = located(load_settings())
    uri = tracking_uri or settings.tracking_uri
    RESULTS.around(out)  # a wrong page shows before the long work
    rows = read_rows(uri, settings.experiment, [model_hash(fetch_model(model, settings)) for model in models])
    if not rows:
        raise DataError(f"nothing is recorded at {uri}", expected="evaluations", fix="loc3r evaluate records them")
    RESULTS.put(out, to_markdown(rows))
    click.echo(f"{len(rows)} scores in {out}")
    if _put_ablation(out, uri, settings.experiment):
        click.echo(f"the newest ablation in {out}")


def _put_ablation(page: Path, uri: str, experiment: str) -> bool:
    """Put the newest finished ablation into its place; False where there is none, or no place."""
    import tempfile

    from loc3r.results.page import ABLATION
    from loc3r.tracking.runs import find_run

    run = find_run(uri, experiment, {"kind": "ablation"}) if ABLATION.begin in page.read_text() else None
    if run is None or run.status() != "FINISHED":
        return False
    with tempfile.TemporaryDirectory() as folder:
        ABLATION.put(page, run.fetch("ablation.md", Path(folder)).read_text())
    return True
