"""Which scenes and questions a step sees: a pure function of (seed, step), so resuming needs no iterator state.

The questions of a scene are cut into units of ``questions_per_scene``; an epoch is every unit once, in an order drawn
from (seed, epoch). A step takes the next ``scenes_per_step`` units whatever the number of ranks, and each rank takes
its slice of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from loc3r.errors import DataError, TrainingError


@dataclass(frozen=True)
class Unit:
    """A scene and the questions that go behind its video."""

    scene_id: str
    questions: tuple[int, ...]
    """Positions in the scene's own list of questions."""
    mirrored: bool = False
    """Whether the scene and its questions are seen in a mirror."""
    other_map: tuple[float, float] | None = None
    """On another map than the first camera's: which camera is its origin, as a share of the way in [0, 1), and how far
    its axes are turned to the left, in rad."""

    def split(self) -> tuple[Unit, ...]:
        """A unit for each question."""
        return tuple(replace(self, questions=(question,)) for question in self.questions)


class StepSampler:
    """The units of any step.

    Args:
        questions: scene id to its number of questions.
        questions_per_scene: questions in a unit. The last unit of a scene wraps around to the scene's first ones, so
            that every unit has the same size; a scene with fewer questions repeats them.
        scenes_per_step: units in a step.
        mirror: half of the units, drawn anew in each epoch, are mirrored.
        move_map: half of the units, mirrored or not, are on another map.
    """

    def __init__(
        self,
        questions: Mapping[str, int],
        *,
        questions_per_scene: int,
        scenes_per_step: int,
        seed: int,
        mirror: bool = False,
        move_map: bool = False,
    ) -> None:
        self.seed = seed
        self.mirror = mirror
        self.move_map = move_map
        self.questions_per_scene = questions_per_scene
        self.scenes_per_step = scenes_per_step
        self._counts = sorted((scene_id, count) for scene_id, count in questions.items() if count)
        if not self._counts:
            raise DataError("no scene has a question to train on", received="0 questions", expected="at least 1")
        # One epoch is drawn again when a step crosses into the next one, so two are kept.
        self._epoch = lru_cache(maxsize=2)(self._draw_epoch)

    @property
    def units_per_epoch(self) -> int:
        """Units in which every question of the data is seen once (a few twice, where units wrap around)."""
        return sum(-(-count // self.questions_per_scene) for _, count in self._counts)

    def step(self, step: int) -> tuple[Unit, ...]:
        """The units of ``step`` (from 0), the same on every rank."""
        first = step * self.scenes_per_step
        return tuple(self._at(first + offset) for offset in range(self.scenes_per_step))

    def _at(self, position: int) -> Unit:
        epoch, offset = divmod(position, self.units_per_epoch)
        return self._epoch(epoch)[offset]

    def _draw_epoch(self, epoch: int) -> tuple[Unit, ...]:
        rng = np.random.default_rng((self.seed, epoch))
        size = self.questions_per_scene
        units: list[Unit] = []
        for scene_id, count in self._counts:
            order = rng.permutation(count)
            starts = range(0, count, size)
            units += [Unit(scene_id, tuple(int(order[(start + i) % count]) for i in range(size))) for start in starts]
        drawn = [units[i] for i in rng.permutation(len(units))]
        if self.mirror:
            sides = rng.integers(2, size=len(drawn)).astype(bool).tolist()
            drawn = [replace(unit, mirrored=side) for unit, side in zip(drawn, sides, strict=True)]
        if self.move_map:
            moved = rng.uniform((0, 0, -np.pi), (1, 1, np.pi), (len(drawn), 3)).tolist()
            maps = [(along, turned_rad) if chance < 0.5 else None for chance, along, turned_rad in moved]
            drawn = [replace(unit, other_map=own) for unit, own in zip(drawn, maps, strict=True)]
        return tuple(drawn)


def micro_batches(units: Sequence[Unit], *, rank: int, ranks: int, per_micro_batch: int) -> list[tuple[Unit, ...]]:
    """The slice of a step's units that ``rank`` trains on, cut into micro-batches.

    Raises:
        TrainingError: the units do not divide over the ranks.
    """
    check_division(len(units), ranks=ranks, per_micro_batch=per_micro_batch)
    mine = units[rank * len(units) // ranks : (rank + 1) * len(units) // ranks]
    return [tuple(mine[start : start + per_micro_batch]) for start in range(0, len(mine), per_micro_batch)]


def check_division(scenes_per_step: int, *, ranks: int, per_micro_batch: int) -> None:
    """Check that every rank gets the same number of whole micro-batches.

    Raises:
        TrainingError: it does not.
    """
    unit = ranks * per_micro_batch
    if scenes_per_step % unit:
        near = max(1, round(scenes_per_step / unit)) * unit
        raise TrainingError(
            "a step does not divide over the ranks",
            received=f"train.scenes_per_step={scenes_per_step}",
            expected=f"a multiple of {ranks} ranks x train.scenes_per_micro_batch={per_micro_batch}",
            fix=f"--set train.scenes_per_step={near}, or other --ranks",
        )
