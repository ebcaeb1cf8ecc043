"""Run the children of an ablation one after the other; what is finished is not repeated, what was killed goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loc3r.ablate.plan import Child, Plan
from loc3r.files import read_json
from loc3r.scenes.shards import PreparedData
from loc3r.settings import load_settings
from loc3r.train.job import TrainingJob, already_trained
from loc3r.train.record import RUN_FILE

if TYPE_CHECKING:
    from rich.console import Console

    from loc3r.evaluate.evaluation import Evaluated
    from loc3r.tracking.runs import TrackedRun

Train = Callable[[TrainingJob], None]


@dataclass(frozen=True)
class Finished:
    """A child that is trained and evaluated."""

    child: Child
    done: Evaluated


def run_children(plan: Plan, parent: TrackedRun | None, train: Train, console: Console) -> Iterator[Finished]:
    """Train and evaluate every child, telling how far it is; yields each as it is finished.

    Args:
        plan: the ablation.
        parent: the MLflow run that the children's runs belong to.
        train: trains a job to its end, from where it stopped (``loc3r.train.command.train_job``).
        console: where progress is shown.
    """
    children = plan.children(parent.run_id if parent else None)
    spent_s: list[float] = []
    for number, child in enumerate(children, start=1):
        console.rule(f"\\[{number}/{len(children)}] {child}", align="left")
        was_trained, started = _is_trained(child), time.monotonic()
        yield Finished(child, _run(child, train, console))
        if not was_trained:
            spent_s.append(time.monotonic() - started)
            left_s = sum(spent_s) / len(spent_s) * sum(not _is_trained(other) for other in children[number:])
            console.print(f"{child}: {spent_s[-1] / 60:.1f} min; about {left_s / 60:.0f} min left", markup=False)


@contextmanager
def parent_run(plan: Plan) -> Iterator[TrackedRun | None]:
    """The parent's MLflow run, resumed by the plan's key and ended as the block ends; None when nothing is tracked."""
    if plan.tracking_uri is None:
        yield None
        return
    from loc3r.tracking.runs import open_run

    recipe = plan.recipe
    run = open_run(
        plan.tracking_uri,
        load_settings().experiment,
        name=f"ablate {recipe.name}",
        key=plan.key,
        tags={"kind": "ablation", "name": recipe.name, "recipe_hash": recipe.hash, "out": plan.out},
    )
    run.log_params(recipe.model_dump(mode="json", exclude={"seed"}))
    status = "KILLED"
    try:
        yield run
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        run.finish(status)


def _run(child: Child, train: Train, console: Console) -> Evaluated:
    from loc3r.evaluate.evaluation import evaluate_model

    train(child.job)
    shutil.rmtree(child.job.checkpoints, ignore_errors=True)  # the model is whole: nothing will be resumed
    done = evaluate_model(
        child.job.model,
        PreparedData(child.test),
        PreparedData(child.job.data),
        child.evaluation,
        device=child.job.device,
        console=console,
    )
    run = run_of(child)
    if run:
        from loc3r.evaluate.command import record_scores

        record_scores(run, done)
    return done


def run_of(child: Child) -> TrackedRun | None:
    """The MLflow run that trained a child."""
    if child.job.tracking_uri is None:
        return None
    from loc3r.tracking.runs import known_run

    return known_run(child.job.tracking_uri, read_json(child.job.out / RUN_FILE)["run_id"])


def _is_trained(child: Child) -> bool:
    return already_trained(child.job, PreparedData(child.job.data).data_hash) is not None
