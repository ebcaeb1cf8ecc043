"""Which furniture model stands for a box, and which way it faces: as little stretching as possible."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from loc3r.synth.cousins.boxes import Upright
from loc3r.synth.cousins.table import ClassRow
from loc3r.synth.furniture import FurnitureModel, FurniturePack, Split
from loc3r.synth.room import Floats

NEARLY_AS_GOOD = 0.25
"""Of the models whose cost is this near the best, one is drawn."""
WRONG_PLACE = 1.0
"""Cost of a model that stands for a thing that hangs, and the other way round."""
BEHIND = 0.5
"""Cost of a metre between a thing's back and the wall behind it."""
AWAY = 1.0
"""Cost of a seat that faces away from its table."""
TABLE_REACH_M = 0.8
"""A seat so near a table faces it."""
STANDS_M = 0.4
"""What begins lower than this stands on the floor."""


@dataclass(frozen=True)
class Match:
    """A model (None: a plain box), the side of the box that is its front, and how far it is stretched."""

    model: FurnitureModel | None
    yaw_rad: float
    size_m: tuple[float, float, float]
    """Width across the front, depth along it, height: the box's own."""
    stretch: float
    """The largest factor between a side of the box and the model's, either way; 1 for a plain box."""


@dataclass(frozen=True)
class Surroundings:
    """What decides fronts: the room's size and its tables."""

    size_m: tuple[float, float, float]
    tables: Sequence[Upright]

    def back_gap_m(self, thing: Upright, front: Floats, depth_m: float) -> float:
        """Metres from a thing's back to the wall behind it, along its front's axis."""
        back = np.array(thing.center_m[:2]) - front * depth_m / 2
        gaps = [
            ((side if step < 0 else 0) - at) / -step
            for at, step, side in zip(back, front, self.size_m, strict=False)
            if abs(step) > 1e-6
        ]
        return float(max(0.0, min(gaps)))

    def table_near(self, thing: Upright) -> Upright | None:
        """The table that a seat is drawn up to; None where none is near."""
        gaps = [_gap_m(thing.center_m[:2], table) for table in self.tables]
        return self.tables[int(np.argmin(gaps))] if gaps and min(gaps) < TABLE_REACH_M else None


def match(
    thing: Upright,
    row: ClassRow,
    pack: FurniturePack,
    pool: Split,
    around: Surroundings,
    used: Collection[str],
    rng: np.random.Generator,
) -> Match:
    """A model of the class for a box; a plain box where the pack has none.

    Rooms to test on take models that training never shows, where the class has some, and never drawn ones;
    rooms to train on take only the others. Of equally good models, one is taken whose id is in ``used``: the
    chairs of a room are alike.
    """
    options = [
        (_cost(thing, model, yaw, around), model, yaw)
        for model in _models(row, pack, pool)
        for yaw in thing.yaw_rad + np.arange(4) * math.pi / 2
    ]
    if not options:
        return Match(None, thing.yaw_rad, _sides(thing, thing.yaw_rad), 1.0)
    best = min(cost for cost, _, _ in options)
    good = [(model, yaw) for cost, model, yaw in options if cost <= best + NEARLY_AS_GOOD]
    good = [option for option in good if option[0].model_id in used] or good
    model, yaw = good[int(rng.integers(len(good)))]
    sides = _sides(thing, yaw)
    return Match(model, float(yaw), sides, math.exp(max(map(abs, _logs(sides, model.size_m)))))


def _models(row: ClassRow, pack: FurniturePack, pool: Split) -> list[FurnitureModel]:
    found = [model for name in row.models for model in pack.candidates(name, pool)]
    if not found and pool == "test":
        others = [model for name in row.models for model in pack.candidates(name, "train")]
        found = [model for model in others if not model.is_drawn]
    return found


def _cost(thing: Upright, model: FurnitureModel, yaw_rad: float, around: Surroundings) -> float:
    sides = _sides(thing, yaw_rad)
    cost = sum(abs(log) for log in _logs(sides, model.size_m))
    cost += WRONG_PLACE * ((thing.bottom_m < STANDS_M) != (model.placement == "floor"))
    if model.placement == "opening":
        return cost
    front = np.array([math.cos(yaw_rad), math.sin(yaw_rad)])
    table = around.table_near(thing) if thing.name in ("chair", "stool") else None
    if table is None:
        return cost + BEHIND * min(around.back_gap_m(thing, front, sides[1]), 2.0)
    towards = _nearest_point(thing.center_m[:2], table) - np.array(thing.center_m[:2])
    if (length := float(np.linalg.norm(towards))) < 1e-6:  # pushed in: the middle of the table is ahead
        towards, length = np.array(table.center_m[:2]) - np.array(thing.center_m[:2]), 1.0
    return cost + AWAY * (1 - float(front @ towards) / length)


def _sides(thing: Upright, yaw_rad: float) -> tuple[float, float, float]:
    """The box's sides (across, along, up) for a front that looks along ``yaw_rad``, one of the box's axes."""
    along, across, up = thing.size_m
    turned = abs(math.cos(yaw_rad - thing.yaw_rad)) < 0.5
    return (along, across, up) if turned else (across, along, up)


def _logs(sides: Sequence[float], others: Sequence[float]) -> list[float]:
    return [math.log(max(a, 0.02) / max(b, 0.02)) for a, b in zip(sides, others, strict=True)]


def _nearest_point(point_m: Sequence[float], thing: Upright) -> Floats:
    """The point of a footprint (2,) that is nearest to a point."""
    along = np.array([math.cos(thing.yaw_rad), math.sin(thing.yaw_rad)])
    axes = np.stack([along, [-along[1], along[0]]])
    half = np.array(thing.size_m[:2]) / 2
    local = axes @ (np.array(point_m) - np.array(thing.center_m[:2]))
    return np.asarray(np.clip(local, -half, half) @ axes + np.array(thing.center_m[:2]))


def _gap_m(point_m: Sequence[float], thing: Upright) -> float:
    return float(np.linalg.norm(_nearest_point(point_m, thing) - np.array(point_m)))
