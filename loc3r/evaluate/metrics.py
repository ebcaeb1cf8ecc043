"""Every metric: what it is called, what it measures on which predictions, and which scorer's rules it follows.

Localisation follows SQA3D (utils/localization_metric.py): two dimensions, strict ``<``, headings wrapped; with one
guess instead of three, and each situation counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loc3r.evaluate import answers
from loc3r.evaluate.intervals import Bootstrap, Interval, Observations, mean_interval, median_interval
from loc3r.evaluate.predictions import LayoutError, Prediction, situations

Floats = NDArray[np.float64]
Unit = Literal["share", "m", "deg"]
Observe = Callable[[Sequence[Prediction]], Observations]

LOCALISATION_SCORER = "sqa3d-localisation-one-guess"
LAYOUT_SCORER = "loc3r-layout"
CALIBRATION_SCORER = "loc3r-calibration"
PRIMARY = ("acc_1.0m", "acc_30deg", "answer_em")
"""What the gate decides on: the plain mean of place, direction and answer (``primary_parts``)."""
UNREADABLE_M, UNREADABLE_DEG = 1000.0, 180.0
"""Errors of a pose that can't be read: farther than any room, and the wrong way."""
SITUATED = "sqa3d"
"""The questions that are asked from a situation; those of other data sets are reported apart."""


@dataclass(frozen=True)
class Metric:
    """One named number: the mean or median of ``observe`` over the predictions."""

    name: str
    title: str
    unit: Unit
    scorer: str
    observe: Observe
    statistic: Literal["mean", "median"] = "mean"
    higher_is_better: bool = True

    def value(self, predictions: Sequence[Prediction]) -> float:
        """The value alone; NaN without observations."""
        observed = self.observe(predictions)
        if self.statistic == "mean" or not len(observed.values):
            return observed.mean
        return float(np.median(observed.values))

    def score(self, predictions: Sequence[Prediction], bootstrap: Bootstrap) -> Interval:
        """Value, interval and n."""
        interval = median_interval if self.statistic == "median" else mean_interval
        return interval(self.observe(predictions), bootstrap)


def position_errors_m(predictions: Sequence[Prediction]) -> Observations:
    """Distance on the floor plane between guess and truth, one a situation; ``UNREADABLE_M`` where none can be read."""
    located = situations(predictions)
    guess = np.array([p.position_m or (0.0, 0.0) for p in located], np.float64).reshape(-1, 2)
    truth = np.array([p.true_position_m for p in located], np.float64).reshape(-1, 2)
    errors = np.where([p.unreadable for p in located], UNREADABLE_M, np.linalg.norm(guess - truth, axis=1))
    return Observations.of(errors, [p.scene_id for p in located])


def heading_errors_deg(predictions: Sequence[Prediction]) -> Observations:
    """Angle between guess and truth in [0, 180], one a situation; ``UNREADABLE_DEG`` where none can be read."""
    from loc3r.geometry.headings import angle_between_deg

    located = [p for p in situations(predictions) if p.heading_rad is not None or p.unreadable]
    located = [p for p in located if p.true_heading_rad is not None]
    guess = np.array([p.heading_rad or 0.0 for p in located], np.float64)
    truth = np.array([p.true_heading_rad for p in located], np.float64)
    errors = np.where([p.unreadable for p in located], UNREADABLE_DEG, angle_between_deg(guess, truth))
    return Observations.of(errors, [p.scene_id for p in located])


def answer_matches(predictions: Sequence[Prediction]) -> Observations:
    """1 where the answer to a situated question matches exactly after LEO's normaliser, else 0."""
    return _matches([p for p in predictions if p.dataset == SITUATED])


def primary_parts(predictions: Sequence[Prediction]) -> list[Observations]:
    """Observations of the metrics in ``PRIMARY``."""
    return [
        _below(position_errors_m, 1.0)(predictions),
        _below(heading_errors_deg, 30)(predictions),
        answer_matches(predictions),
    ]


def layout_errors_m(errors: Sequence[LayoutError]) -> Observations:
    """Distances between vision tokens and where they belong, summed a scene over tokens with known depth."""
    return Observations.of([e.error_sum_m for e in errors], [e.scene_id for e in errors], [e.tokens for e in errors])


def metrics_for(predictions: Sequence[Prediction]) -> list[Metric]:
    """The metrics that these predictions can answer, answer types and situation forms included."""
    found: list[Metric] = []
    if situations(predictions):
        found += _localisation_metrics()
    found.append(Metric("answer_em", "Answer exact match", "share", answers.SCORER, answer_matches))
    for kind in sorted({p.question_type for p in predictions if p.dataset == SITUATED}):
        observe = _only("question_type", kind, answer_matches)
        found.append(Metric(f"answer_em/{kind}", kind.replace("_", " "), "share", answers.SCORER, observe))
    for dataset in sorted({p.dataset for p in predictions if p.answers} - {SITUATED}):
        title = f"in {dataset}'s form"
        found.append(Metric(f"plain_em/{dataset}", title, "share", answers.SCORER, _only("dataset", dataset, _matches)))
    return found


def form_metrics(predictions: Sequence[Prediction]) -> list[Metric]:
    """Acc@1.0 m and Acc@30° of each situation form; none for human text."""
    forms = sorted({p.situation_form for p in situations(predictions) if p.situation_form})
    return [
        Metric(
            f"{name}/{form}",
            f"{form.replace('_', ' ')}: {title}",
            "share",
            LOCALISATION_SCORER,
            _only("situation_form", form, observe),
        )
        for form in forms
        for name, title, observe in (
            ("acc_1.0m", "Acc@1.0 m", _below(position_errors_m, 1.0)),
            ("acc_30deg", "Acc@30°", _below(heading_errors_deg, 30)),
        )
    ]


def _localisation_metrics() -> list[Metric]:
    places = [
        Metric(f"acc_{m}m", f"Acc@{m} m", "share", LOCALISATION_SCORER, _below(position_errors_m, m))
        for m in (0.5, 1.0)
    ]
    headings = [
        Metric(f"acc_{deg}deg", f"Acc@{deg}°", "share", LOCALISATION_SCORER, _below(heading_errors_deg, deg))
        for deg in (15, 30)
    ]
    medians = [
        Metric(name, title, unit, LOCALISATION_SCORER, observe, "median", higher_is_better=False)
        for name, title, unit, observe in _MEDIANS
    ]
    return [*places, *headings, *medians]


def _matches(predictions: Sequence[Prediction]) -> Observations:
    matches = [answers.exact_match(p.text, p.answers) for p in predictions]
    return Observations.of(matches, [p.scene_id for p in predictions])


def _below(errors: Observe, limit: float) -> Observe:
    def observe(predictions: Sequence[Prediction]) -> Observations:
        observed = errors(predictions)
        return Observations(np.asarray(observed.values < limit, np.float64), observed.scenes, observed.weights)

    return observe


def _only(field: str, value: str, observe: Observe) -> Observe:
    return lambda predictions: observe([p for p in predictions if getattr(p, field) == value])


_MEDIANS: tuple[tuple[str, str, Unit, Observe], ...] = (
    ("position_error_m", "Median position error", "m", position_errors_m),
    ("heading_error_deg", "Median heading error", "deg", heading_errors_deg),
)
