"""``loc3r gate`` and ``loc3r rollback``: who may be champion."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serving.command import TARGETS, target_options, tell

if TYPE_CHECKING:
    from loc3r.evaluate.predictions import Prediction
    from loc3r.evaluate.run import Evaluation
    from loc3r.evaluate.verdict import Verdict
    from loc3r.settings import Settings
    from loc3r.tracking.registry import ModelVersion, Registry
    from loc3r.tracking.runs import TrackedRun

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command()
@click.option("--model", type=FOLDER, required=True, help="Checkpoint folder of the challenger.")
@click.option("--evaluation", "folder", type=FOLDER, required=True, help="What loc3r evaluate wrote about it.")
@click.option("--data", "data_folder", type=FOLDER, required=True, help="The prepared split that it was evaluated on.")
@click.option(
    "--decision", type=click.Path(path_type=Path, dir_okay=False), help="Also write the decision here, as JSON."
)
@click.option("--again", is_flag=True, help="Consider a version that was rolled back.")
@click.option(
    "--accept-first", is_flag=True, help="With no champion yet, take this one even if it beats no trivial guess."
)
@click.option("--tracking-uri", help="MLflow server. Default: the embedded one, or LOC3R_TRACKING_URI.")
def gate(
    model: Path,
    folder: Path,
    data_folder: Path,
    decision: Path | None,
    again: bool,
    accept_first: bool,
    tracking_uri: str | None,
) -> None:
    """Register a model; make it champion only if it is better than the present one on the same samples.

    Better: the lower bound of the paired bootstrap difference (over scenes) on the primary metric, the mean of
    Acc@1.0 m, Acc@30° and answer exact match, is above zero. The first model has to beat the best trivial guesses
    in the same way, unless --accept-first says that some model must serve. The decision and its evidence are kept in
    MLflow, with the version and its run. Exit 0 either way.

    \b
    Example:
      loc3r gate --model runs/train/model --evaluation runs/evaluation --data data/prepared/test
    """
    from loc3r.evaluate.run import Evaluation
    from loc3r.files import write_json
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.tracking.gate import settle
    from loc3r.tracking.registry import Registry
    from loc3r.tracking.runs import run_of_model

    settings = located(load_settings())
    settings = settings.model_copy(update={"tracking_uri": tracking_uri} if tracking_uri else {})
    evaluation = Evaluation.read(folder)
    _check(model, folder, data_folder, evaluation)
    run = run_of_model(settings.tracking_uri, settings.experiment, model)
    registry = Registry(settings.tracking_uri, settings.registered_model)
    version = _register(registry, model, run, folder, evaluation)
    champion = registry.champion()
    if champion and champion.number == version.number:
        click.echo("it is the champion already: nothing to decide")
        done = {"promoted": False, "version": str(version.number), "champion": str(version.number)}
    else:
        if champion:
            theirs = _champion_predictions(registry, champion, data_folder, evaluation, settings)
            verdict = _compared(folder, theirs, f"the champion {champion.reference}")
        else:
            verdict = _against_nobody(folder, accept_first)
        settled = settle(registry, version, verdict, run, again=again)
        click.secho(f"{'promoted' if settled.promoted else 'not promoted'}: {settled.reason}", bold=True)
        click.echo(f"champion: {f'models:/{registry.name}/{settled.champion}' if settled.champion else 'nobody yet'}")
        done = asdict(settled)
    click.echo(f"recorded in {run.url}")
    if decision:
        write_json(decision, done)


@click.command()
@click.option("--to", "kind", type=TARGETS, help="Serve it again there, too.")
@target_options
@click.option("--tracking-uri", help="MLflow server. Default: the embedded one, or LOC3R_TRACKING_URI.")
def rollback(kind: str | None, tracking_uri: str | None, **where: Any) -> None:
    """Give the champion alias back to the version that had it before; the gate won't promote the present one again.

    With --to, that version is served first and gets the alias when it has answered: killed and run again, the command
    goes back one version and no further.

    Example: loc3r rollback --to kubernetes
    """
    from loc3r.services.embedded import located
    from loc3r.settings import load_settings
    from loc3r.tracking.gate import champion_before
    from loc3r.tracking.gate import rollback as roll_back
    from loc3r.tracking.registry import Registry, fetch_version
    from serving.targets import target_of

    settings = located(load_settings())
    settings = settings.model_copy(update={"tracking_uri": tracking_uri} if tracking_uri else {})
    registry = Registry(settings.tracking_uri, settings.registered_model)
    if kind:
        before, target = champion_before(registry)[1], target_of(kind, settings, **where)
        tell(target.deploy(fetch_version(registry, before, settings), before.reference, {}), target.where)
    lost, found = roll_back(registry)
    click.echo(f"champion: {found.reference} (was {lost.reference})")
    if not kind:
        click.echo(
            f"serve it with: loc3r deploy --model models:/{found.name}@champion --to …, or loc3r rollback --to …"
        )


def _register(registry: Registry, model: Path, run: TrackedRun, folder: Path, evaluation: Evaluation) -> ModelVersion:
    from loc3r.evaluate.run import SCORES_FILE
    from loc3r.files import read_json
    from loc3r.tracking.lineage import read_lineage

    known = registry.find(evaluation.model_hash)
    label = read_json(folder / SCORES_FILE)["label"]
    version = registry.register(model, run, {**read_lineage(model), "label": label})
    click.echo(f"{version.reference} {'was registered before' if known else 'registered'}")
    _attach_evaluation(registry, version, folder, evaluation)
    return version


def _against_nobody(folder: Path, accept: bool) -> Verdict:
    """With no champion, the best trivial guesses are to be beaten; or nothing is, where some model must serve."""
    from loc3r.evaluate.evaluation import TRIVIAL_FILE
    from loc3r.evaluate.predictions import read_predictions

    verdict = _compared(folder, read_predictions(folder, TRIVIAL_FILE), "the best trivial guesses")
    if not accept or verdict.better:
        return verdict
    return replace(verdict, better=True, reason=f"The first model, taken as the one to beat. {verdict.reason}")


def _compared(folder: Path, theirs: list[Prediction], whose: str) -> Verdict:
    """The evaluation in ``folder`` against other predictions of the same samples, with its own bootstrap."""
    from loc3r.evaluate.intervals import Bootstrap
    from loc3r.evaluate.predictions import read_predictions
    from loc3r.evaluate.run import SCORES_FILE
    from loc3r.evaluate.verdict import compare
    from loc3r.files import read_json

    record = read_json(folder / SCORES_FILE)["bootstrap"]
    bootstrap = Bootstrap(record["samples"], record["confidence"], record["seed"])
    return compare(read_predictions(folder), theirs, whose, bootstrap)


def _champion_predictions(
    registry: Registry, champion: ModelVersion, data_folder: Path, evaluation: Evaluation, settings: Settings
) -> list[Prediction]:
    """The champion's predictions of the same samples: those kept with it, or made now."""
    from rich.console import Console

    from loc3r.errors import RegistryError
    from loc3r.evaluate.evaluation import identify, predictions_of
    from loc3r.evaluate.predictions import read_predictions
    from loc3r.scenes.shards import PreparedData
    from loc3r.tracking.registry import fetch_version

    kept = settings.cache_dir / "evaluations" / f"{champion.model_hash}-{evaluation.protocol}"
    try:
        return read_predictions(registry.fetch(champion, kept, f"evaluations/{evaluation.protocol}"))
    except RegistryError:
        click.echo(f"{champion.reference} was never asked these questions: asking it now")
    checkpoint = fetch_version(registry, champion, settings)
    data = PreparedData(data_folder)
    theirs = identify(checkpoint, data, evaluation.limit_scenes)
    made = settings.cache_dir / "evaluations" / f"{champion.model_hash}-{evaluation.protocol}.made"
    predictions = predictions_of(checkpoint, data, made, theirs, console=Console(stderr=True))
    _attach_evaluation(registry, champion, made, theirs)
    return predictions


def _attach_evaluation(registry: Registry, version: ModelVersion, folder: Path, evaluation: Evaluation) -> None:
    """Keep an evaluation's files with the version, once for each protocol."""
    tag = f"evaluation.{evaluation.protocol}"
    if registry.get(version.number).tags.get(f"loc3r.{tag}"):
        return
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".jsonl", ".md", ".html", ".png") and path.name != "decision.json":
            registry.attach(version, path, f"evaluations/{evaluation.protocol}")
    registry.tag(version, {tag: evaluation.data_hash})


def _check(model: Path, folder: Path, data_folder: Path, evaluation: Evaluation) -> None:
    from loc3r.errors import DataError
    from loc3r.evaluate.run import SCORES_FILE
    from loc3r.scenes.shards import PreparedData
    from loc3r.tracking.lineage import model_hash

    digest, data_hash = model_hash(model), PreparedData(data_folder).data_hash
    if (evaluation.model_hash, evaluation.data_hash) != (digest, data_hash) or not (folder / SCORES_FILE).is_file():
        raise DataError(
            f"{folder} is not a finished evaluation of this model on this data",
            received=f"model {evaluation.model_hash}, data {evaluation.data_hash}",
            expected=f"model {digest}, data {data_hash}, with {SCORES_FILE}",
            fix=f"loc3r evaluate --model {model} --data {data_folder} --out {folder} …",
        )
