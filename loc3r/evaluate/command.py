"""``loc3r evaluate``: score a model beside its baselines, on our rooms or on a public benchmark."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loc3r.score.command import NAMES

if TYPE_CHECKING:
    from loc3r.evaluate.evaluation import Evaluated
    from loc3r.tracking.runs import TrackedRun

FOLDER = click.Path(path_type=Path, file_okay=False)
WITHOUT, WITH = ("gallery", "label"), ("profiles", "split", "ranks")
"""Options of an evaluation without a benchmark, and with one."""


@click.command()
@click.option("--model", required=True, help="Checkpoint folder, models:/loc3r@champion or models:/loc3r/3.")
@click.option("--data", "data_folder", type=FOLDER, required=True, help="Prepared test split; see --benchmark.")
@click.option("--train-data", "training_folder", type=FOLDER, help="Prepared training split.")
@click.option("--out", type=FOLDER, required=True, help="Where predictions, scores and reports go.")
@click.option("--limit-scenes", "--limit", type=click.IntRange(min=1), help="Only the first scenes.")
@click.option("--gallery", type=click.Path(path_type=Path, dir_okay=False), help="Copy the sheet of maps to this PNG.")
@click.option("--label", help="Headline of the scores; by default told from the data.")
@click.option("--benchmark", type=click.Choice(NAMES), help="Ask a public benchmark's questions; see below.")
@click.option(
    "--profile", "profiles", multiple=True, help="Whose rules to score by; all of the benchmark's by default."
)
@click.option("--split", help="Which annotation files.  [default: what the data's manifest says, else val]")
@click.option("--ranks", type=click.IntRange(1), help="Processes. Default: the GPUs, else 2 at most.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--tracking-uri", help="MLflow server, or 'none'. Default: the embedded one, or LOC3R_TRACKING_URI.")
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    model: str,
    data_folder: Path,
    training_folder: Path | None,
    out: Path,
    limit_scenes: int | None,
    gallery: Path | None,
    label: str | None,
    benchmark: str | None,
    profiles: tuple[str, ...],
    split: str | None,
    ranks: int | None,
    device: str,
    tracking_uri: str | None,
) -> None:
    """Score a model beside trivial baselines; write predictions, scores, a report and bird's-eye pictures.

    The training split is what the baselines are fitted on. The maps show the middle situation of each sixth, from the
    best localised to the worst. Killed, it goes on where it stopped; finished, it only shows its table again.

    \b
    Example:
      loc3r evaluate --model checkpoints/rooms-tiny --data data/prepared/test \\
        --train-data data/prepared/train --out runs/evaluation

    With --benchmark, the model is asked the official questions and scored as "loc3r score" does, under every profile.
    --data is then a folder of scenes with annotations/ (loc3r data plan says which files go where), whose scenes are
    prepared for the model, or prepared data. --out gets predictions.jsonl, which "loc3r score" reads, each line with
    its prompt. With --train-data, none of its rooms may be asked about. "loc3r results" writes the page of all of them.

    \b
    Example:
      loc3r evaluate --benchmark sqa3d --data data/scannet --model models:/loc3r@champion --out runs/sqa3d
    """
    for name in WITHOUT if benchmark else WITH:
        if context.params[name]:
            raise click.UsageError(f"--{name.rstrip('s')} is for evaluations with{'out' * bool(benchmark)} --benchmark")
    if benchmark:
        place = {"split": split, "limit_scenes": limit_scenes, "device": device, "training": training_folder}
        _on_benchmark(benchmark, model, data_folder, out, profiles, ranks, tracking_uri, **place)
        return
    if not training_folder:
        raise click.UsageError("--train-data is needed: baselines are fitted on it")
    told = {"limit_scenes": limit_scenes, "label": label, "device": device}
    _on_rooms(model, data_folder, training_folder, out, gallery, tracking_uri, **told)


def _on_rooms(
    model: str, data: Path, training: Path, out: Path, gallery: Path | None, tracking_uri: str | None, **options: Any
) -> None:
    """Evaluate on prepared rooms; ``options`` are further ones of ``loc3r.evaluate.evaluation.evaluate_model``."""
    from rich.console import Console

    from loc3r.evaluate.evaluation import MAPS_FILE, evaluate_model
    from loc3r.evaluate.report import terminal_table
    from loc3r.evaluate.run import SCORES_FILE
    from loc3r.files import write_bytes
    from loc3r.scenes.shards import PreparedData
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.tracking.registry import fetch_model
    from loc3r.tracking.runs import run_of_model
    from loc3r.train.job import NO_TRACKING

    settings = located(load_settings())
    checkpoint = fetch_model(model, settings)
    uri = tracking_uri or settings.tracking_uri
    run = None if uri == NO_TRACKING else run_of_model(uri, settings.experiment, checkpoint)
    done = evaluate_model(
        checkpoint, PreparedData(data), PreparedData(training), out, console=Console(stderr=True), **options
    )
    confidence = done.record["bootstrap"]["confidence"]
    Console().print(terminal_table(done.scores, str(done.record["label"]), confidence))
    if done.was_done:
        click.echo(f"{out} held this very evaluation already: nothing was run")
    click.echo(f"report {out / 'report.html'}   maps {out / MAPS_FILE}   scores {out / SCORES_FILE}")
    if gallery:
        write_bytes(gallery, (out / MAPS_FILE).read_bytes())
    if run:
        record_scores(run, done)
        click.echo(f"recorded in {run.url}")


def _on_benchmark(
    benchmark: str,
    model: str,
    data: Path,
    out: Path,
    profiles: tuple[str, ...],
    ranks: int | None,
    tracking_uri: str | None,
    **place: Any,
) -> None:
    """Evaluate on a public benchmark; ``place`` are further fields of ``loc3r.benchmark.run.Request``."""
    from rich.console import Console

    from loc3r.benchmark.record import record
    from loc3r.benchmark.run import Request, check_profiles, default_ranks, evaluate_benchmark, score_plan
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.tracking.registry import fetch_model
    from loc3r.tracking.runs import connect
    from loc3r.train.job import NO_TRACKING

    settings = located(load_settings())
    uri = tracking_uri or settings.tracking_uri
    check_profiles(benchmark, profiles)
    if uri != NO_TRACKING:
        connect(uri)  # a wrong address shows before the long work
    request = Request(benchmark, fetch_model(model, settings), data, out, reference=model, **place)
    plan = evaluate_benchmark(request, ranks or default_ranks(request.device), Console(stderr=True))
    reports = score_plan(plan, profiles)
    click.echo(f"{plan.facts['label']}; {plan.facts['questions']:,} questions, data {plan.identity.data_hash}")
    for reason, count in plan.facts["not_asked"].items():
        click.echo(f"{count:,} questions were not asked: {reason}")
    for report in reports.values():
        Console().print(report.table())
    click.echo(f"predictions {plan.journal.path}   scores {plan.folder / 'scores'}")
    if uri != NO_TRACKING:
        click.echo(f"recorded in {record(uri, settings.experiment, plan, reports).url}")


def record_scores(run: TrackedRun, done: Evaluated) -> None:
    """Put scores and artifacts into the run, once."""
    from loc3r.evaluate.evaluation import MAPS_FILE
    from loc3r.evaluate.predictions import PREDICTIONS_FILE
    from loc3r.evaluate.run import SCORES_FILE
    from loc3r.files import hash_file

    protocol = done.record["evaluation"]["protocol"]
    digest = hash_file(done.folder / SCORES_FILE)
    if run.tags().get(f"loc3r.evaluation.{protocol}") == digest:
        return
    run.log_metrics(
        {
            f"test/{name}{suffix}": value
            for name, score in done.scores.items()
            for suffix, value in (("", score.value), (".low", score.low), (".high", score.high))
            if math.isfinite(value)  # MLflow's database knows nothing else
        }
    )
    run.log_metrics({f"test/{name}": done.record[name] for name in ("empty_answers", "unreadable_poses")})
    for name in (SCORES_FILE, PREDICTIONS_FILE, "report.md", "report.html", MAPS_FILE, "reliability.png"):
        if (done.folder / name).is_file():
            run.log_artifacts(done.folder / name, f"evaluation/{protocol}")
    run.tag({f"evaluation.{protocol}": digest, "data.test": done.record["data"]["hash"]})
