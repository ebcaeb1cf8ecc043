"""Recorded scores as rows: what was asked of which model on which data, under whose rules, with which interval."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loc3r.benchmark.record import KIND
from loc3r.files import read_json
from loc3r.score.command import NAMES
from loc3r.tracking.lineage import PREFIX
from loc3r.tracking.runs import TrackedRun, finished_runs

ROOMS = "rooms"
"""Name of our own questions, beside the benchmarks'."""
EVALUATION = f"{PREFIX}evaluation."
OWN_METRICS = ("acc_0.5m", "acc_1.0m", "acc_15deg", "acc_30deg", "answer_em")
"""Of an evaluation on our own rooms; its report has more."""


@dataclass(frozen=True)
class Row:
    """One score. Percent."""

    benchmark: str
    label: str
    """What may be claimed of the data: T0, T2, …"""
    data_hash: str
    split: str
    n: int
    left_out: str
    """Which questions were not asked, in words; nothing where all were."""
    profile: str
    metric: str
    value: float
    low: float
    high: float
    baseline: tuple[str, float] | None
    """The best of what needs no look at the scene."""
    model: str
    model_hash: str
    commit: str

    @property
    def order(self) -> tuple[Any, ...]:
        """Where it stands on the page; metrics stay as their scorer has them."""
        known = [ROOMS, *NAMES]
        return known.index(self.benchmark), self.label, self.data_hash, self.model, self.model_hash, self.profile


def read_rows(uri: str, experiment: str, models: Collection[str] = ()) -> list[Row]:
    """Every row that an MLflow server can give.

    Args:
        uri: the server.
        experiment: where runs were recorded.
        models: hashes of the models that are wanted; all by default.

    Raises:
        ServiceError: MLflow does not answer.
    """
    rows: list[Row] = []
    for run in finished_runs(uri, experiment):
        tags = run.tags()
        if tags.get(f"{PREFIX}kind") == KIND:
            rows += _of_benchmark(run, {name.removeprefix(PREFIX): value for name, value in tags.items()})
        for name in tags:
            if name.startswith(EVALUATION):
                rows += _of_rooms(run, name.removeprefix(EVALUATION))
    return sorted((row for row in rows if not models or row.model_hash in models), key=lambda row: row.order)


def _of_benchmark(run: TrackedRun, tags: Mapping[str, str]) -> Iterator[Row]:
    told = [f"{tags['not_asked']} not asked"] if tags["not_asked"] != "0" else []
    told += [f"first {tags['limit_scenes']} scenes"] if "limit_scenes" in tags else []
    shared: dict[str, Any] = {
        "benchmark": tags["benchmark"],
        "label": tags["label"],
        "data_hash": tags["data_hash"],
        "split": tags["split"],
        "left_out": ", ".join(told),
        "model": tags.get("name", tags["model"]),
        "model_hash": tags["model_hash"],
        "commit": tags["code_commit"],
    }
    for report in _fetched(run, "scores"):
        for metric, value in report["metrics"].items():
            if value is None or "/" in metric:  # parts are in the score's own file
                continue
            low, high = report["intervals"][metric]
            floors = {who: values.get(metric) for who, values in report["baselines"].items()}
            best = _best({who: floor for who, floor in floors.items() if floor is not None})
            score: dict[str, Any] = {"metric": metric, "value": value, "low": low, "high": high, "baseline": best}
            yield Row(profile=report["profile"], n=report["n"], **score, **shared)


def _of_rooms(run: TrackedRun, protocol: str) -> Iterator[Row]:
    """Of ``loc3r evaluate`` without a benchmark."""
    for record in _fetched(run, f"evaluation/{protocol}/scores.json"):
        model, limit = record["model"], record["evaluation"]["limit_scenes"]
        for metric in OWN_METRICS:
            if (score := record["metrics"].get(metric)) is None:
                continue
            percent = {name: 100 * score[name] for name in ("value", "low", "high")}
            yield Row(
                benchmark=ROOMS,
                label=record["label"],
                data_hash=record["data"]["hash"],
                split=record["data"]["split"],
                n=score["n"],
                left_out=f"first {limit} scenes" if limit else "",
                profile=score["scorer"],
                metric=metric,
                baseline=_best({who: 100 * value for who, value in score["baselines"].items()}),
                model=model.get("name", model["hash"]),
                model_hash=model["hash"],
                commit=record.get("code_commit", "unknown"),
                **percent,
            )


def _best(floors: Mapping[str, float]) -> tuple[str, float] | None:
    return max(floors.items(), key=lambda pair: pair[1]) if floors else None


def _fetched(run: TrackedRun, artifact: str) -> list[dict[str, Any]]:
    """The JSON of an artifact, or of each file of a folder of them."""
    with tempfile.TemporaryDirectory() as folder:
        got = run.fetch(artifact, Path(folder))
        return [read_json(path) for path in (sorted(got.glob("*.json")) if got.is_dir() else [got])]


def to_markdown(rows: Collection[Row]) -> str:
    """The section of the page: what the labels mean, then the table."""
    labels = dict.fromkeys(row.label for row in rows)
    legend = [f"* {label}" for label in labels if short(label) != label]
    head = ("benchmark", "data", "split", "n", "profile", "metric", "score", "95 % interval", "without looking")
    columns = (*head, "model", "commit")
    right = ("n", "score", "95 % interval")
    ruler = [" ---: " if name in right else " --- " for name in columns]
    lines = [_line(columns), f"|{'|'.join(ruler)}|", *(_line(_cells(row)) for row in rows)]
    return "\n".join([*legend, *([""] if legend else []), *lines])


def short(label: str) -> str:
    """The tier of a label that has one, else the label."""
    tier = re.match(r"T\d(?=:)", label)
    return tier[0] if tier else label


def _cells(row: Row) -> tuple[str, ...]:
    n = f"{row.n:,}" + (f" ({row.left_out})" if row.left_out else "")
    floor = f"{row.baseline[1]:.1f} {row.baseline[0]}" if row.baseline else "–"
    commits = re.sub(r"\b([0-9a-f]{10})[0-9a-f]{30}\b", r"\1", row.commit)
    return (
        row.benchmark,
        f"{short(row.label)} `{row.data_hash}`",
        row.split,
        n,
        row.profile,
        row.metric,
        f"{row.value:.1f}",
        f"{row.low:.1f} – {row.high:.1f}",
        floor,
        f"{row.model} `{row.model_hash}`",
        f"`{commits}`",
    )


def _line(cells: Collection[str]) -> str:
    return f"| {' | '.join(cells)} |"
