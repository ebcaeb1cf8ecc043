"""The ablation's record (JSON) and its section of a results page (Markdown), written again after every child."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.ablate.children import Finished
from loc3r.ablate.plan import Plan
from loc3r.ablate.results import ANSWERS, LOCALISATION, Pooled, Seeds, Step, scores, steps, verdict
from loc3r.evaluate.intervals import Bootstrap
from loc3r.evaluate.predictions import read_predictions
from loc3r.files import read_json, write_json, write_text
from loc3r.results.page import ABLATION
from loc3r.tracking.lineage import read_lineage
from loc3r.train.metrics import METRICS_FILE, MetricsLog

if TYPE_CHECKING:
    from loc3r.tracking.runs import TrackedRun

RECORD_FILE = "ablation.json"
SECTION_FILE = "ablation.md"
COLUMNS = {
    "localisation": "mean of four", "acc_0.5m": "Acc@0.5 m", "acc_1.0m": "Acc@1.0 m", "acc_15deg": "Acc@15°",
    "acc_30deg": "Acc@30°", "answer_em": "answers", "unreadable": "unreadable poses",
}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What the finished children of an ablation say together."""

    plan: Plan
    finished: Sequence[Finished]

    @property
    def bootstrap(self) -> Bootstrap:
        """How the intervals are made."""
        recipe = self.plan.recipe.evaluate
        return Bootstrap(recipe.bootstrap_samples, recipe.confidence)

    def record(self) -> dict[str, Any]:
        """Everything as plain values."""
        runs = self._runs()
        found = steps(runs, self.bootstrap)
        head, recipe = self.finished[0].done.record, self.plan.recipe
        return {
            "label": head["label"],
            "recipe": {"name": recipe.name, "hash": recipe.hash, **recipe.train.model_dump(mode="json")},
            "begun": self._begun(),
            "data": {**head["data"], "training": head["baselines_fitted_on"]},
            "bootstrap": head["bootstrap"],
            "verdict": verdict(found, self.bootstrap),
            "children_missing": len(self.plan.children()) - len(self.finished),
            "variants": [self._variant(name, by_seed) for name, by_seed in runs.items()],
            "without_looking": _without_looking(head["metrics"]),
            "steps": [{**_plain(step.difference), **_described(step)} for step in found],
        }

    def write(self, results: Path | None = None) -> dict[str, Any]:
        """Write both files, put the section into the page ``results``; the record.

        Raises:
            DataError: the page has no place for it.
        """
        record = self.record()
        section = to_markdown(record)
        write_json(self.plan.out / RECORD_FILE, record)
        write_text(self.plan.out / SECTION_FILE, section)
        if results:
            ABLATION.put(results, section)
        return record

    def log(self, run: TrackedRun, record: Mapping[str, Any]) -> None:
        """Put both files and the verdict into the parent's run."""
        for name in (RECORD_FILE, SECTION_FILE):
            run.log_artifacts(self.plan.out / name)
        run.tag({"verdict": record["verdict"], "children_missing": record["children_missing"]})

    def _begun(self) -> dict[str, Any] | None:
        """The checkpoint that every child begins with."""
        if self.plan.init is None:
            return None
        lineage = read_lineage(self.plan.init)
        return {name: lineage[name] for name in ("name", "recipe_hash", "situations_seen")}

    def _runs(self) -> dict[str, Seeds]:
        runs: dict[str, dict[int, Any]] = {
            variant.name: {} for variant in self.plan.variants if any(f.child.variant == variant for f in self.finished)
        }
        for one in self.finished:
            runs[one.child.variant.name][one.child.seed] = read_predictions(one.done.folder)
        return {name: dict(sorted(by_seed.items())) for name, by_seed in runs.items()}

    def _variant(self, name: str, runs: Seeds) -> dict[str, Any]:
        mine = [one for one in self.finished if one.child.variant.name == name]
        variant = mine[0].child.variant
        return {
            "name": name,
            "has": variant.has,
            "overrides": variant.overrides,
            "scores": {metric: _plain(pooled) for metric, pooled in scores(runs, self.bootstrap).items()},
            "children": [_child(one) for one in mine],
        }


def to_markdown(record: Mapping[str, Any]) -> str:
    """The section of a results page."""
    from jinja2 import Environment

    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": _cell, "points": _points, "minutes": lambda s: f"{s / 60:.0f}"}
    source = files("loc3r.evaluate").joinpath("templates", "ablation.md.j2").read_text()
    return environment.from_string(source).render(**record, columns=COLUMNS)


def _child(one: Finished) -> dict[str, Any]:
    lineage, curve = read_lineage(one.child.job.model), MetricsLog(one.child.job.out / METRICS_FILE).read()
    run = one.child.job.out / "run.json"
    return {
        "seed": one.child.seed,
        "recipe_hash": lineage["recipe_hash"],
        "model_hash": one.done.record["model"]["hash"],
        "run_id": read_json(run)["run_id"] if run.is_file() else None,
        "situations_seen": lineage["situations_seen"],
        "steps": lineage["steps"],
        "training_s": round(sum(step.duration_s for step in curve), 1),
        "final_loss": curve[-1].loss,
    }


def _described(step: Step) -> dict[str, Any]:
    group = {LOCALISATION: "localisation", ANSWERS: "answers"}[step.metrics]
    return {"variant": step.variant, "over": step.over, "metrics": group, "shown": step.shown}


def _plain(pooled: Pooled) -> dict[str, Any]:
    interval = {name: round(value, 5) for name, value in asdict(pooled.interval).items()}
    seeds = {str(seed): round(value, 5) for seed, value in pooled.seeds.items()}
    return {**interval, "seeds": seeds, "spread": round(pooled.spread, 5)}


def _without_looking(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The best trivial guess for each metric, made from the training split and the words alone."""
    names = (*LOCALISATION, *ANSWERS)
    best = {name: max(metrics[name]["baselines"].values()) for name in names}
    return {"localisation": sum(best[name] for name in LOCALISATION) / len(LOCALISATION), **best}


def _cell(pooled: Mapping[str, Any]) -> str:
    spread = f" ±{100 * pooled['spread']:.1f}" if len(pooled["seeds"]) > 1 else ""
    return f"{100 * pooled['value']:.1f}{spread} ({100 * pooled['low']:.1f} – {100 * pooled['high']:.1f})"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
