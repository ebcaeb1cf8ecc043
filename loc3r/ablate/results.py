"""What an ablation says: each variant's scores over its seeds, paired differences, and a verdict that is computed.

Observations of one sample are averaged over the seeds, then scenes are drawn (``loc3r.evaluate.intervals``): intervals
speak of other rooms for these trainings. What another training would give is told by the single seeds beside them; a
difference counts as shown only if its interval excludes zero and every seed has its sign.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from loc3r.ablate.variants import PAPER, VARIANTS
from loc3r.errors import DataError
from loc3r.evaluate.intervals import Bootstrap, Interval, Observations, mean_of_means, paired_difference
from loc3r.evaluate.metrics import metrics_for
from loc3r.evaluate.predictions import Prediction, situations
from loc3r.evaluate.verdict import FEWEST_SCENES

LOCALISATION = ("acc_0.5m", "acc_1.0m", "acc_15deg", "acc_30deg")
"""The paper's ablation table; their plain mean is what the verdict is about."""
ANSWERS = ("answer_em",)
Shown = Literal["shown", "reversed", "not shown", "too few scenes"]
Seeds = Mapping[int, Sequence[Prediction]]
"""A variant's predictions of the held-out samples, by seed."""


@dataclass(frozen=True)
class Pooled:
    """A metric over seeds."""

    interval: Interval
    """Of the mean over seeds."""
    seeds: dict[int, float]

    @property
    def spread(self) -> float:
        """Half the distance between the best and the worst seed."""
        return (max(self.seeds.values()) - min(self.seeds.values())) / 2


@dataclass(frozen=True)
class Step:
    """What a variant is worth over another one: the difference of a group of metrics' mean, sample by sample."""

    variant: str
    over: str
    metrics: tuple[str, ...]
    difference: Pooled

    @property
    def shown(self) -> Shown:
        """Whether the variant is better."""
        interval, seeds = self.difference.interval, self.difference.seeds.values()
        if interval.scenes < FEWEST_SCENES:
            return "too few scenes"
        if interval.low > 0 and min(seeds) > 0:
            return "shown"
        return "reversed" if interval.high < 0 and max(seeds) < 0 else "not shown"


def scores(runs: Seeds, bootstrap: Bootstrap) -> dict[str, Pooled]:
    """A variant's accuracies by metric, the mean of the paper's four as ``localisation``, and unreadable poses."""
    observed = {name: _observe(runs, name) for name in (*LOCALISATION, *ANSWERS)}
    observed["unreadable"] = {seed: _unreadable(predictions) for seed, predictions in runs.items()}
    found = {name: _pool([by_seed], bootstrap) for name, by_seed in observed.items()}
    return {"localisation": _pool([observed[name] for name in LOCALISATION], bootstrap), **found}


def steps(runs: Mapping[str, Seeds], bootstrap: Bootstrap) -> list[Step]:
    """Every comparison of the table that these variants allow, over the seeds that both have."""
    pairs = [(v.name, over) for v in VARIANTS for over in v.over if v.name in runs and over in runs]
    return [
        Step(variant, over, metrics, difference)
        for variant, over in pairs
        for metrics in (LOCALISATION, ANSWERS)
        if (difference := _difference(runs[variant], runs[over], metrics, bootstrap))
    ]


def verdict(found: Sequence[Step], bootstrap: Bootstrap) -> str:
    """Whether situation < + layout < + camera shows in localisation, in plain sentences."""
    chain = " < ".join(PAPER)
    links = [step for step in found if step.metrics == LOCALISATION and (step.over, step.variant) in _links()]
    if len(links) < len(_links()):
        return f"{chain}: not decided, as the ablation does not hold all three."
    states = [step.shown for step in links]
    told = {"shown": "shows", "reversed": "is reversed", "too few scenes": "can't be decided"}
    if len(set(states)) == 1:
        head = f"{chain} {told.get(states[0], 'does not show')}."
    else:
        head = f"{chain} shows in part." if "shown" in states else f"{chain} does not show."
    return " ".join([head, *(_sentence(step, bootstrap) for step in links)])


def _sentence(step: Step, bootstrap: Bootstrap) -> str:
    interval, seeds = step.difference.interval, step.difference.seeds
    singles = ", ".join(f"{100 * value:+.1f}" for value in seeds.values())
    return (
        f"{step.variant} over {step.over}: {step.shown}, {100 * interval.value:+.1f} points of localisation accuracy "
        f"({100 * bootstrap.confidence:g} % interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f} "
        f"over {interval.scenes} scenes; {'seeds' if len(seeds) > 1 else 'one seed'} {singles})."
    )


def _links() -> list[tuple[str, str]]:
    return list(pairwise(PAPER))


def _difference(first: Seeds, second: Seeds, metrics: Sequence[str], bootstrap: Bootstrap) -> Pooled | None:
    """First minus second; None without a common seed."""
    common = sorted(set(first) & set(second))
    if not common:
        return None
    pairs = [
        tuple(_observe({seed: runs[seed] for seed in common}, name) for runs in (first, second)) for name in metrics
    ]
    seeds = {seed: float(np.mean([a[seed].mean - b[seed].mean for a, b in pairs])) for seed in common}
    return Pooled(paired_difference([(_mean(a), _mean(b)) for a, b in pairs], bootstrap), seeds)


def _pool(metrics: Sequence[Mapping[int, Observations]], bootstrap: Bootstrap) -> Pooled:
    """The mean over metrics (each seed to observations) and seeds."""
    interval = mean_of_means([_mean(by_seed) for by_seed in metrics], bootstrap)
    return Pooled(interval, {seed: float(np.mean([by_seed[seed].mean for by_seed in metrics])) for seed in metrics[0]})


def _observe(runs: Seeds, metric: str) -> dict[int, Observations]:
    """Observations of the same samples in the same order, by seed."""
    observed = {}
    for seed, predictions in runs.items():
        ordered = sorted(predictions, key=lambda p: (p.dataset, p.sample_id))
        known = {found.name: found for found in metrics_for(ordered)}
        if metric not in known:
            raise DataError("an evaluation can't be compared", received=f"no {metric}", expected="situated questions")
        observed[seed] = known[metric].observe(ordered)
    return observed


def _unreadable(predictions: Sequence[Prediction]) -> Observations:
    """1 where a situation's pose can't be read, else 0."""
    located = situations(predictions)
    return Observations.of([float(p.unreadable) for p in located], [p.scene_id for p in located])


def _mean(by_seed: Mapping[int, Observations]) -> Observations:
    """Observations (N,) averaged over seeds, sample by sample."""
    first, *others = by_seed.values()
    if any((other.scenes.shape != first.scenes.shape) or (other.scenes != first.scenes).any() for other in others):
        raise DataError("seeds were evaluated on different samples", fix="evaluate all on the same prepared data")
    return Observations(np.mean([o.values for o in by_seed.values()], axis=0), first.scenes, first.weights)
