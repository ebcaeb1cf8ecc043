"""The page that the tables go into."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from guesses import write_guesses

from loc3r.ablate.children import Finished
from loc3r.ablate.plan import Child, Plan
from loc3r.ablate.report import Report
from loc3r.ablate.results import ANSWERS, LOCALISATION
from loc3r.evaluate.evaluation import Evaluated
from loc3r.evaluate.predictions import Prediction, read_predictions
from loc3r.files import write_json
from loc3r.train.metrics import METRICS_FILE, MetricsLog, StepRecord

ROOT = Path(__file__).parents[2]


def test_the_tables_hold_what_was_computed(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    names = ("situation", "+layout", "+camera")
    plan = make_plan(*names, seeds=(0, 1))
    plan = replace(plan, out=tmp_path)
    finished = [write_child(child, skill) for child, skill in zip(plan.children(), [0.2, 0.5, 0.8] * 2, strict=True)]
    record = Report(plan, finished).write()
    assert record["verdict"].startswith("situation < +layout < +camera shows.")
    assert json.loads((tmp_path / "ablation.json").read_text()) == json.loads(json.dumps(record))

    section = (tmp_path / "ablation.md").read_text()
    table = section[: section.index("Shares in %")].splitlines()
    rows = {line.split(" | ")[0].strip("| *"): line for line in table if line.startswith("| ")}
    for variant in record["variants"]:
        pooled = variant["scores"]["acc_1.0m"]
        right = [sum(p.position_m == (1.0, 2.0) for p in one) / len(one) for one in by_seed(finished, variant["name"])]
        assert pooled["value"] == pytest.approx(sum(right) / 2, abs=1e-5)
        assert f"{100 * pooled['value']:.1f} ±{100 * pooled['spread']:.1f} (" in rows[variant["name"]]
        assert [child["situations_seen"] for child in variant["children"]] == [96, 96]
    assert "`loss.layout=0` `model.camera_tokens=false`" in section and record["verdict"] in section
    assert "25.0" in rows["without looking"] and "are missing" not in section
    assert section.count("| shown |") == 4 and "nan" not in section

    half = Report(plan, finished[:4]).write()
    assert half["children_missing"] == 2 and list(half["variants"][1]["scores"]["acc_1.0m"]["seeds"]) == ["0"]
    assert "2 children are missing" in (tmp_path / "ablation.md").read_text()


def by_seed(finished: list[Finished], name: str) -> list[list[Prediction]]:
    return [read_predictions(one.done.folder) for one in finished if one.child.variant.name == name]


def write_child(child: Child, skill: float) -> Finished:
    """What a trained and evaluated child leaves behind."""
    write_json(child.job.model / "lineage.json", {"recipe_hash": "r", "situations_seen": 96, "steps": 2})
    curve = MetricsLog(child.job.out / METRICS_FILE)
    curve.begin_with(None)
    curve.append(StepRecord(1, 2.5, {"answer": 2.5}, 1e-3, 1.0, 12, 1e9, 60.0, 0.1))
    child.evaluation.mkdir(parents=True)
    write_guesses(child.evaluation / "predictions.jsonl", skill, seed=child.seed)
    metrics = {name: {"baselines": {"none": 0.2, "best": 0.25}} for name in (*LOCALISATION, *ANSWERS)}
    record = {
        "label": "T0", "model": {"hash": "m"}, "metrics": metrics, "baselines_fitted_on": "t",
        "data": {"hash": "d", "split": "test", "scenes": 12, "situations": 96, "questions": 96},
        "bootstrap": {"samples": 100, "confidence": 0.95, "seed": 0, "over": "scenes"},
    }  # fmt: skip
    return Finished(child, Evaluated(child.evaluation, record, was_done=False))
