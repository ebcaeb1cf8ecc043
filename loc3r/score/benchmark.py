"""What a benchmark is: the format of its lines, its profiles, and the guesses that its scores stand beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic

from loc3r.score.judge import CachedJudge
from loc3r.score.measures import Scored
from loc3r.score.rows import RowT


@dataclass(frozen=True)
class Extras:
    """What costs time or money: left out of the baselines."""

    judge: CachedJudge | None = None
    meteor: bool = False


@dataclass(frozen=True)
class Profile(Generic[RowT]):
    """One way to score a benchmark."""

    source: str
    """The original script that it agrees with."""
    score: Callable[[Sequence[RowT], Extras], Scored]
    last_of_id: bool = False
    """Whether the original keeps answers in a dictionary, so that of a repeated id the last line counts."""


@dataclass(frozen=True)
class Benchmark(Generic[RowT]):
    """A benchmark of the command line."""

    name: str
    row: type[RowT]
    profiles: Mapping[str, Profile[RowT]]
    guesses: Callable[[Sequence[RowT]], Mapping[str, list[RowT]]]
    """Baselines by name: the rows with a guess in place of the prediction."""
    judged: bool = False
    """Whether part of its scores needs a judge."""
