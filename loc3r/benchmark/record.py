"""The MLflow run of an evaluation on a benchmark: predictions with their prompts, scores, and what they are about."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from loc3r.benchmark.plan import Plan
from loc3r.evaluate.run import BENCHMARK_FILE
from loc3r.files import hash_json
from loc3r.score.report import Report
from loc3r.tracking.runs import TrackedRun, open_run, run_of_model

KIND = "benchmark"
"""Tag ``loc3r.kind`` of these runs."""
ARTIFACTS = (BENCHMARK_FILE, "questions.jsonl", "predictions.jsonl", "prompt.json", "scores")


def record(uri: str, experiment: str, plan: Plan, reports: Mapping[str, Report]) -> TrackedRun:
    """Put an evaluation into its run, below the run that trained the model; a second time adds profiles alone.

    Raises:
        ServiceError: MLflow does not answer.
    """
    trained = run_of_model(uri, experiment, plan.model)
    name = f"{plan.identity.benchmark} {plan.facts['model']['name'] or plan.identity.model_hash}"
    key = f"{KIND}:{plan.identity.hash}"
    run = open_run(uri, experiment, name=name, key=key, tags=_tags(plan), parent_run=trained.run_id)
    known = run.tags()
    new = {name: hash_json(report.to_json()) for name, report in reports.items()}
    changed = {name: reports[name] for name, digest in new.items() if known.get(f"loc3r.score.{name}") != digest}
    if changed:
        run.log_metrics(dict(_metrics(changed)))
        for artifact in ARTIFACTS:
            path = plan.folder / artifact
            run.log_artifacts(path, path.name if path.is_dir() else None)
        profiles = sorted({*filter(None, known.get("loc3r.profile", "").split(",")), *changed})
        run.tag({"profile": ",".join(profiles), **{f"score.{name}": new[name] for name in changed}})
    run.finish()
    return run


def _tags(plan: Plan) -> dict[str, Any]:
    identity, facts = plan.identity, plan.facts
    return {
        "kind": KIND,
        "benchmark": identity.benchmark,
        "label": facts["label"],
        "split": identity.split,
        "data_hash": identity.data_hash,
        "questions_hash": identity.questions_hash,
        "questions": facts["questions"],
        "not_asked": sum(facts["not_asked"].values()),
        "limit_scenes": identity.limit_scenes,
        "model_hash": identity.model_hash,
        "model": facts["reference"],
        "name": facts["model"]["name"],
        "recipe_hash": facts["model"]["recipe_hash"],
        "seed": facts["model"]["seed"],
        "trained_at_commit": facts["model"]["code_commit"],
        "code_commit": ", ".join(facts["code_commits"]),
        "device": identity.device,
    }


def _metrics(reports: Mapping[str, Report]) -> Iterator[tuple[str, float]]:
    """Values, bounds and baselines as ``profile/metric``, where finite: MLflow's database knows nothing else."""
    for profile, report in reports.items():
        for name, value in report.metrics.items():
            low, high = report.intervals[name]
            floors = {f".{who}": values.get(name, math.nan) for who, values in report.baselines.items()}
            for suffix, number in {"": value, ".low": low, ".high": high, **floors}.items():
                if math.isfinite(number):
                    yield re.sub(r"[^\w\-./ ]", "_", f"{profile}/{name}{suffix}"), number
        yield f"{profile}/empty_answers", report.empty_answers
