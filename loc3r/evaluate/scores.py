"""``scores.json``: every metric with its interval, its baselines, its scorer, and what it was measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from loc3r.evaluate import metrics
from loc3r.evaluate.baselines import FREQUENT, HEADING, TEXT_ONLY, baselines_of
from loc3r.evaluate.calibration import expected_share, heading_error, inside, position_error
from loc3r.evaluate.decline import rankings
from loc3r.evaluate.intervals import Bootstrap, Interval, mean_interval, mean_of_means
from loc3r.evaluate.metrics import Metric, answer_matches, form_metrics, layout_errors_m, metrics_for, primary_parts
from loc3r.evaluate.predictions import LayoutError, Prediction, situations

TRIVIAL = "best of these"
RANDOM_DECLINE = "declining at random"
T0 = "T0: unseen synthetic rooms"
"""Scores on synthetic rooms carry this label: they are never ScanNet or SQA3D results."""
T1 = "T1: our texts in real layouts with synthetic furniture; not the real scans"
"""Scores on ``loc3r synth layouts`` carry this label."""
T2 = "T2: cousins: human text in real layouts with synthetic furniture; not ScanNet, not SQA3D"
"""Scores on ``loc3r synth cousins`` carry this label."""


@dataclass(frozen=True)
class Score:
    """One metric of one model, ready for tables and JSON."""

    title: str
    unit: str
    scorer: str
    value: float
    low: float
    high: float
    n: int
    scenes: int
    baselines: Mapping[str, float]
    higher_is_better: bool = True
    expected: float | None = None
    """Calibration only: the share that a true uncertainty would give."""

    @classmethod
    def of(cls, interval: Interval, **description: Any) -> Score:
        """A score from its interval."""
        return cls(**asdict(interval), **description)

    def to_json(self) -> dict[str, Any]:
        """Plain values; numbers rounded to what the sample can say, None where there is no expectation."""
        values = {key: value for key, value in asdict(self).items() if value is not None}
        rounded = {key: round(values[key], 5) for key in ("value", "low", "high")}
        return {**values, **rounded, "baselines": {name: round(v, 5) for name, v in self.baselines.items()}}


def score_all(
    predictions: Sequence[Prediction],
    layouts: Sequence[LayoutError],
    guesses: Mapping[str, Sequence[Prediction]],
    bootstrap: Bootstrap,
) -> dict[str, Score]:
    """Every metric by name; ``guesses`` are the baselines' predictions of the same samples."""
    scores: dict[str, Score] = {}
    if situations(predictions):
        scores["primary"] = Score.of(
            mean_of_means(primary_parts(predictions), bootstrap),
            title="Primary",
            unit="share",
            scorer="loc3r-primary",
            baselines={TRIVIAL: mean_of_means(primary_parts(trivial_model(guesses)), bootstrap).value},
        )
    for metric in metrics_for(predictions) + form_metrics(predictions):
        scores[metric.name] = _score(metric, predictions, guesses, bootstrap)
    if layouts:
        scores["layout_error_m"] = Score.of(
            mean_interval(layout_errors_m(layouts), bootstrap),
            title="Layout error", unit="m", scorer=metrics.LAYOUT_SCORER, baselines={}, higher_is_better=False,
        )  # fmt: skip
    scores |= _calibration(predictions, bootstrap)
    return scores


def trivial_model(guesses: Mapping[str, Sequence[Prediction]]) -> list[Prediction]:
    """One trivial "model" out of the best baseline for each part: place, heading and answer."""
    texts = max((guesses[FREQUENT], guesses[TEXT_ONLY]), key=lambda some: answer_matches(some).mean)
    return [replace(place, text=text.text) for place, text in zip(guesses[HEADING], texts, strict=True)]


def _calibration(predictions: Sequence[Prediction], bootstrap: Bootstrap) -> dict[str, Score]:
    """Whether the uncertainty is true, and what it is worth for declining; nothing where none is stated."""
    shared: dict[str, Any] = {"unit": "share", "scorer": metrics.CALIBRATION_SCORER}
    found = {}
    for sigmas in (1, 2):
        found[f"inside_{sigmas}_sigma"] = Score.of(
            mean_interval(inside(predictions, sigmas), bootstrap), **shared,
            title=f"True place inside {sigmas} sigma", baselines={}, expected=round(expected_share(sigmas), 4),
        )  # fmt: skip
    for name, what, error in (("place", "places", position_error), ("heading", "headings", heading_error)):
        found[f"calibration_error/{name}"] = Score.of(
            error(predictions, bootstrap), **shared,
            title=f"Expected calibration error of {what}", baselines={}, higher_is_better=False,
        )  # fmt: skip
    titles = {metric.name: metric.title for metric in metrics_for(predictions)}
    for name, ranked in rankings(predictions).items():
        found[f"decline/{name}"] = Score.of(
            ranked.area(bootstrap), **shared,
            title=f"{titles[name]}, mean over coverages", baselines={RANDOM_DECLINE: ranked.accuracy},
        )  # fmt: skip
    return {name: score for name, score in found.items() if score.n}


def _score(
    metric: Metric,
    predictions: Sequence[Prediction],
    guesses: Mapping[str, Sequence[Prediction]],
    bootstrap: Bootstrap,
) -> Score:
    return Score.of(
        metric.score(predictions, bootstrap),
        title=metric.title,
        unit=metric.unit,
        scorer=metric.scorer,
        higher_is_better=metric.higher_is_better,
        baselines={name: metric.value(guesses[name]) for name in baselines_of(metric.name) if name in guesses},
    )
