"""Is a model better? A paired bootstrap over scenes on the primary metric; only an interval above zero says yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loc3r.errors import DataError
from loc3r.evaluate.intervals import Bootstrap, Interval, paired_difference
from loc3r.evaluate.metrics import PRIMARY, primary_parts
from loc3r.evaluate.predictions import Prediction

FEWEST_SCENES = 8
"""With fewer, a bootstrap over scenes has too few different resamples to trust its bounds."""


@dataclass(frozen=True)
class Verdict:
    """What the comparison of two models on the same samples says."""

    better: bool
    reason: str
    against: str
    evidence: dict[str, Any]
    """Plain values: the primary difference with its interval, each component, what it was measured on."""


def compare(
    challenger: Sequence[Prediction], other: Sequence[Prediction], against: str, bootstrap: Bootstrap
) -> Verdict:
    """Whether ``challenger`` beats ``other`` (which people know as ``against``).

    Raises:
        DataError: the two did not answer the same questions, or none of them has a pose.
    """
    ours, theirs = _aligned(challenger, other)
    pairs = list(zip(primary_parts(ours), primary_parts(theirs), strict=True))
    if not all(len(first.values) for first, _ in pairs):
        raise DataError("nothing to decide on", received="questions without a pose", expected="situated questions")
    primary = paired_difference(pairs, bootstrap)
    components = {
        name: {
            "challenger": round(pair[0].mean, 5),
            "other": round(pair[1].mean, 5),
            **_rounded(paired_difference([pair], bootstrap)),
        }
        for name, pair in zip(PRIMARY, pairs, strict=True)
    }
    evidence = {
        "primary": f"mean of {', '.join(PRIMARY)}",
        **_rounded(primary),
        "components": components,
        "scenes": primary.scenes,
        "questions": len(ours),
        "bootstrap": asdict(bootstrap),
    }
    return Verdict(*_judge(primary, against, bootstrap), against, evidence)


def _judge(primary: Interval, against: str, bootstrap: Bootstrap) -> tuple[bool, str]:
    told = (
        f"{100 * primary.value:+.1f} points on the primary metric against {against} "
        f"({100 * bootstrap.confidence:g} % interval {100 * primary.low:+.1f} to {100 * primary.high:+.1f}, "
        f"{primary.scenes} scenes)"
    )
    if primary.scenes < FEWEST_SCENES:
        return False, f"Too few scenes to decide ({primary.scenes}, at least {FEWEST_SCENES} are needed): {told}."
    if primary.low > 0:
        return True, f"Better: {told}."
    return False, f"Not shown to be better: {told}; the lower bound must be above zero."


def _rounded(interval: Interval) -> dict[str, float]:
    return {
        "difference": round(interval.value, 5),
        "low": round(interval.low, 5),
        "high": round(interval.high, 5),
    }


def _aligned(first: Sequence[Prediction], second: Sequence[Prediction]) -> tuple[list[Prediction], list[Prediction]]:
    a, b = ({(p.dataset, p.sample_id): p for p in some} for some in (first, second))
    if a.keys() != b.keys():
        raise DataError(
            "the models were not evaluated on the same questions", received=f"{len(b)} questions",
            expected=f"the challenger's {len(a)}", fix="evaluate both on the same prepared data",
        )  # fmt: skip
    return [a[key] for key in a], [b[key] for key in a]
