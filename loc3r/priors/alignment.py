"""Poses from matched cells: attention over the frames seen so far, and the motion of the plane that fits it.

A cell's bearing is known to a degree, its range to a tenth: errors are weighed by ellipses along the rays
(Gauss-Newton on Mahalanobis distances), so that turns come from bearings and only the scale comes from ranges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROUNDS = 6
"""Reweighted steps of one fit: outliers lose their say."""
BEARING_RAD = 0.02
"""Standard error of a matched cell's bearing: a quarter of a cell."""
TOLERANCE = 3.0
"""Standard errors at which a match has a quarter of its say."""
RECENT_FRAMES = 2
"""The first guess of a pose comes from these; older frames may be mistaken for each other."""
MEMORY_FRAMES = 64
SURE = 0.2
"""Matches below this probability are left out."""


@dataclass(frozen=True)
class Track:
    """The camera's way. ``path`` (T, 3): x, y in metres of the bird's-eye frame and yaw in radians, the first camera
    at the origin looking along +y. ``doubts`` (T, 2): 1 - the share of matches that agree, and the standard error of
    the place in metres.
    """

    path: NDArray[np.float64]
    doubts: NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """Points of the plane (..., 2) in metres and their covariances (..., 2, 2) in square metres."""

    xy_m: Tensor
    covariance: Tensor

    @classmethod
    def seen(cls, points_m: Tensor, log_spread: Tensor) -> Cells:
        """Cells (..., C) as their camera sees them: uncertain along the ray by its relative spread."""
        xy = points_m[..., :2]
        range_m = xy.norm(dim=-1).clamp(min=0.3)
        along = (xy / range_m[..., None])[..., None]
        outer = along @ along.transpose(-1, -2)
        across = torch.eye(2) - outer
        depth, bearing = log_spread.exp() * range_m, BEARING_RAD * range_m
        return cls(xy, outer * depth.square()[..., None, None] + across * bearing.square()[..., None, None])

    def moved(self, motion: Tensor) -> Cells:
        """The same cells after a motion (..., 3) of the plane."""
        turn = rotation(motion[..., 2])[..., None, :, :]
        return Cells(apply_motion(motion, self.xy_m), turn @ self.covariance @ turn.transpose(-1, -2))

    def __getitem__(self, index: slice | Tensor | int) -> Cells:
        return Cells(*(getattr(self, field.name)[index] for field in fields(self)))


def log_matches(queries: Tensor, unseen: Tensor, keys: Tensor) -> Tensor:
    """Log-probability (..., C, K + 1) that a cell is each of K others; the last: that it is none of them.

    Args:
        queries: (..., C, D) descriptors.
        unseen: (..., C) logits.
        keys: (..., K, D).
    """
    logits = torch.cat([queries @ keys.transpose(-1, -2), unseen[..., None].expand(*queries.shape[:-1], 1)], -1)
    return logits.log_softmax(-1)


def find(log_probability: Tensor, points_m: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Where each cell was found (..., C, D): the mean over the best match and its neighbours, and how surely (..., C).

    Args:
        log_probability: (..., C, K + 1).
        points_m: (..., K, D).
        side: cells on a side of a frame.
    """
    best = log_probability[..., :-1].argmax(-1, keepdim=True)
    steps = torch.tensor([(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)], device=best.device)
    row, column = best // side + steps[:, 0], best % side + steps[:, 1]
    inside = (row >= 0) & (row < side) & (column >= 0) & (column < side)
    window = (row.clamp(0, side - 1) * side + column.clamp(0, side - 1)).long()
    probability = log_probability.gather(-1, window).exp() * inside
    weight = probability.sum(-1)
    values = points_m.gather(-2, window.flatten(-2)[..., None].expand(*window.shape[:-2], -1, points_m.shape[-1]))
    mean = (probability[..., None] * values.unflatten(-2, window.shape[-2:])).sum(-2)
    return mean / weight.clamp(min=1e-6)[..., None], weight


def rotation(turn: Tensor) -> Tensor:
    """Matrices (..., 2, 2) of turns (...) in radians."""
    cos, sin = turn.cos(), turn.sin()
    return torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)


def apply_motion(motion: Tensor, points: Tensor) -> Tensor:
    """Points (..., N, 2) moved by (..., 3) x, y and turn."""
    return points @ rotation(motion[..., 2]).transpose(-1, -2) + motion[..., None, :2]


def fit_motion(here: Tensor, there: Tensor, weight: Tensor) -> Tensor:
    """Weighted rigid motion (..., 3) of the plane that takes ``here`` to ``there``: x, y and turn (Kabsch's).

    Args:
        here: (..., N, 2).
        there: (..., N, 2).
        weight: (..., N).
    """
    share = (weight / weight.sum(-1, keepdim=True).clamp(min=1e-6))[..., None]
    from_centre, to_centre = (share * here).sum(-2, keepdim=True), (share * there).sum(-2, keepdim=True)
    a, b = here - from_centre, there - to_centre
    cross = (share[..., 0] * (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])).sum(-1)
    turn = torch.atan2(cross, (share[..., 0] * (a * b).sum(-1)).sum(-1) + 1e-9)
    shift = to_centre - from_centre @ rotation(turn).transpose(-1, -2)
    return torch.cat([shift[..., 0, :], turn[..., None]], -1)


def refine(motion: Tensor, here: Cells, there: Cells, weight: Tensor) -> tuple[Tensor, float, float]:
    """Gauss-Newton on the covariances of M matched cells with Geman-McClure weights, from a first guess (3,).

    Returns:
        the motion (3,), the share of the weight that agrees, the standard error of the place in metres.
    """
    say, information = weight, torch.eye(3)
    for _ in range(ROUNDS):
        moved = here.moved(motion)
        inverse = _inverse(moved.covariance + there.covariance)
        off = moved.xy_m - there.xy_m
        pull = (inverse @ off[..., None])[..., 0]
        say = weight / (1 + (off * pull).sum(-1) / TOLERANCE**2).square()
        lever = (moved.xy_m - motion[:2]).flip(-1) * off.new_tensor([-1, 1])
        spin = (inverse @ lever[..., None])[..., 0]
        shift, cross = (say[:, None, None] * inverse).sum(0), (say[:, None] * spin).sum(0)
        turn = (say * (lever * spin).sum(-1)).sum()
        information = torch.cat([torch.cat([shift, cross[:, None]], 1), torch.cat([cross, turn[None]])[None]])
        information = information + 1e-3 * torch.eye(3)
        slope = torch.cat([(say[:, None] * pull).sum(0), (say * (lever * pull).sum(-1)).sum()[None]])
        motion = motion - torch.linalg.solve(information, slope)
    place_m = torch.linalg.inv(information)[:2, :2].trace().clamp(min=0).sqrt()
    return motion, float(say.sum() / weight.sum().clamp(min=1e-6)), float(place_m)


def _inverse(matrix: Tensor) -> Tensor:
    """Of symmetric matrices (..., 2, 2)."""
    a, b, c = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    determinant = (a * c - b * b).clamp(min=1e-12)
    return torch.stack([torch.stack([c, -b], -1), torch.stack([-b, a], -1)], -2) / determinant[..., None, None]


def track(points_m: Tensor, log_spread: Tensor, descriptors: Tensor, unseen: Tensor) -> Track:
    """Walk through T frames of C cells, each placed by what it shares with the frames before it.

    Args:
        points_m: (T, C, 3) forward, left, height, seen from each camera.
        log_spread: (T, C).
        descriptors: (T, C, D).
        unseen: (T, C).
    """
    seen = Cells.seen(points_m, log_spread)
    path, doubts = torch.zeros(len(points_m), 3), torch.zeros(len(points_m), 2)
    path[0, 2] = math.pi / 2
    placed = [seen[0].moved(path[0])]
    for now in range(1, len(points_m)):
        first = max(0, now - MEMORY_FRAMES)
        memory = Cells(
            *(torch.stack([getattr(cells, field.name) for cells in placed[first:]]) for field in fields(Cells))
        )
        there, weight = _found(memory, descriptors[first:now], descriptors[now], unseen[now])
        here = Cells(seen.xy_m[now].expand_as(there.xy_m), seen.covariance[now].expand_as(there.covariance))
        recent = slice(-RECENT_FRAMES, None)
        guess = fit_motion(here.xy_m[recent].flatten(0, 1), there.xy_m[recent].flatten(0, 1), weight[recent].flatten())
        for frames in (recent, slice(None)):
            sure = weight[frames] > SURE
            guess, agreed, place_m = refine(guess, here[frames][sure], there[frames][sure], weight[frames][sure])
        path[now], doubts[now] = guess, torch.tensor([1 - agreed, min(1.0, 5 * place_m)])
        placed.append(seen[now].moved(guess))
    yaw = np.unwrap(path[:, 2].double().numpy())
    return Track(np.concatenate([path[:, :2].double().numpy(), yaw[:, None]], -1), doubts.double().numpy())


def _found(memory: Cells, keys: Tensor, queries: Tensor, unseen: Tensor) -> tuple[Cells, Tensor]:
    """Each cell of a frame in each remembered frame: (K, C) cells of the memory, and how surely (K, C)."""
    side = math.isqrt(queries.shape[0])
    log_probability = log_matches(queries.expand(len(keys), -1, -1), unseen.expand(len(keys), -1), keys)
    values = torch.cat([memory.xy_m, memory.covariance.flatten(-2)], -1)
    found, weight = find(log_probability, values, side)
    return Cells(found[..., :2], found[..., 2:].unflatten(-1, (2, 2))), weight
