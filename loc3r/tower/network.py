"""The tower with heads of its own, and what they are taught: what a frame shows, how far, in which colour and turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from loc3r.model.tower import FEATURES, READ, STAGES, Lite0
from loc3r.priors.frames import to_pixels

WIDTH = 160
TOKEN_WIDTH = 384
TOKEN_DROPOUT = 0.2
COLOUR_CELLS = 2
"""A token tells the mean colour of so many parts a side: what a name does not tell must stay in its features."""
FIRST_DEPTH_M = 0.1
"""Nothing is nearer to a camera."""
STRUCTURE_WEIGHT = 0.3
"""Most cells show walls, floor and ceiling, which are easy."""
COLOUR_WEIGHT = 2.0
QUARTER_TURNS = 4
"""A table looks the same after half a turn, a stool after a quarter: so much of where it faces can be told of all."""


@dataclass(frozen=True)
class Teaching:
    """A batch of N frames, with C cells and R tokens a side."""

    pixels: Tensor
    """(N, 3, S, S) in [-1, 1]."""
    cell_class: Tensor
    """(N, C, C); -1 unknown."""
    token_class: Tensor
    """(N, R, R); -1 unknown."""
    depth_m: Tensor
    """(N, C, C); 0 unknown."""
    token_front: Tensor
    """(N, R, R, 2) unit vectors; NaN unknown."""


@dataclass(frozen=True)
class Said:
    """What the heads say of N frames."""

    cell_logits: Tensor
    """(N, K, C, C)."""
    log_depth: Tensor
    """(N, C, C), of metres."""
    token_logits: Tensor
    """(N, R, R, K)."""
    colour: Tensor
    """(N, R, R, 3 * COLOUR_CELLS ** 2)."""
    front: Tensor
    """(N, R, R, 4) where what a token shows faces, and that angle ``QUARTER_TURNS`` times: two unit vectors."""


class TaughtTower(nn.Module):
    """A tower, with cells read from its stages by a small feature pyramid (Lin et al., arXiv 1612.03144)."""

    def __init__(self, tower: Lite0, classes: int) -> None:
        super().__init__()
        self.tower = tower
        self.lateral = nn.ModuleList(nn.Conv2d(STAGES[stage][-1], WIDTH, 1) for stage in READ)
        self.cell = nn.Sequential(nn.GELU(), nn.Conv2d(WIDTH, classes + 1, 1))
        self.hide = nn.Dropout(TOKEN_DROPOUT)
        self.token = nn.Sequential(nn.Linear(FEATURES, TOKEN_WIDTH), nn.GELU(), nn.Linear(TOKEN_WIDTH, classes))
        self.colour = nn.Linear(FEATURES, 3 * COLOUR_CELLS**2)
        self.front = nn.Sequential(nn.Linear(FEATURES, TOKEN_WIDTH), nn.GELU(), nn.Linear(TOKEN_WIDTH, 4))

    def forward(self, pixels: Tensor) -> Said:
        """What the heads say of pixels (N, 3, S, S)."""
        maps = self.tower.look(pixels)
        size = maps[0].shape[-2:]
        cells = [F.interpolate(side(each), size=size) for side, each in zip(self.lateral, maps, strict=True)]
        said = self.cell(torch.stack(cells).sum(0))
        features = self.hide(self.tower.gather(maps))
        return Said(said[:, :-1], said[:, -1], self.token(features), self.colour(features), self.front(features))


def teaching_losses(said: Said, taught: Teaching, structure: Tensor) -> dict[str, Tensor]:
    """Each term's mean, weighted as they are summed.

    Args:
        said: the heads' outputs.
        taught: what is true.
        structure: class indices of walls, floor and ceiling.
    """
    known, seen, faces = taught.token_class >= 0, taught.depth_m > 0, taught.token_front.isfinite().all(-1)
    weight = torch.where(torch.isin(taught.cell_class, structure), STRUCTURE_WEIGHT, 1.0) * (taught.cell_class >= 0)
    cells = F.cross_entropy(said.cell_logits, taught.cell_class.clamp(min=0), reduction="none")
    log_depth = taught.depth_m[seen].clamp(min=FIRST_DEPTH_M).log()
    return {
        "cell": (cells * weight).sum() / weight.sum().clamp(min=1),
        "token": F.cross_entropy(said.token_logits[known], taught.token_class[known]),
        "depth": F.smooth_l1_loss(said.log_depth[seen], log_depth, beta=0.1),
        "colour": COLOUR_WEIGHT * F.mse_loss(said.colour, mean_colours(taught.pixels, said.colour.shape[1])),
        "front": (said.front[faces] - both_turns(taught.token_front[faces])).square().sum(-1).mean(),
    }


def both_turns(front: Tensor) -> Tensor:
    """Unit vectors (..., 2) and behind them (..., 4) those of ``QUARTER_TURNS`` times their angle."""
    angle = QUARTER_TURNS * torch.atan2(front[..., 1], front[..., 0])
    return torch.cat([front, torch.stack([angle.cos(), angle.sin()], -1)], -1)


def mean_colours(pixels: Tensor, side: int) -> Tensor:
    """Mean colours (N, R, R, 3 * COLOUR_CELLS ** 2) of the parts of each token of pixels (N, 3, S, S)."""
    parts = F.avg_pool2d(pixels, pixels.shape[-1] // (side * COLOUR_CELLS))
    return F.pixel_unshuffle(parts, COLOUR_CELLS).permute(0, 2, 3, 1)


def tower_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """Frames (N, S, S, 3) uint8 as the tower takes them, (N, 3, S, S) in [-1, 1]."""
    return to_pixels(frames) / 127.5 - 1
