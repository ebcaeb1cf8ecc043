"""A whole ablation: children, table and verdict, and the parent run that holds them together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.ablate.children import Train, parent_run, run_children
from loc3r.ablate.plan import Plan
from loc3r.ablate.report import Report
from loc3r.results.page import ABLATION

if TYPE_CHECKING:
    from rich.console import Console


def run_ablation(plan: Plan, train: Train, console: Console, results: Path | None = None) -> dict[str, Any]:
    """Run what is missing of an ablation; after each child that was, the tables are written again.

    Args:
        plan: the ablation.
        train: trains a job to its end, from where it stopped (``loc3r.train.command.train_job``).
        console: where progress is shown.
        results: a Markdown page that gets the tables, too.

    Returns:
        The record that ``ablation.json`` holds.
    """
    if results:
        ABLATION.around(results)  # a wrong page shows before the long work
    record: dict[str, Any] = {}
    with parent_run(plan) as parent:
        if parent:
            console.print(f"MLflow run {parent.url}", markup=False, soft_wrap=True)
        report = Report(plan, ())
        for one in run_children(plan, parent, train, console):
            report = Report(plan, (*report.finished, one))
            if not one.done.was_done or len(report.finished) == len(plan.children()):
                record = report.write(results)
                if parent:
                    report.log(parent, record)
    return record
