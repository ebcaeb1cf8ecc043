"""Words are told where the things that they name are from the speaker's place (ours, ``model.egocentric_layer``).

After that layer the pose is read from <Pos> and <Ori>. Each word of the question, which stands behind them, is asked
for a place with the head that vision tokens have; how that place lies from the pose is added to the word's state. What
is on the left is then written there: a small model, which has to find pose and place first, does not learn in its last
layers to turn one by the other (docs/log.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from loc3r.model.batch import UNSUPERVISED, VIDEO, Batch
from loc3r.model.heads import decode_heading

if TYPE_CHECKING:
    from loc3r.model.modelling import Loc3R

MEASURES = 5
"""Metres ahead and to the left, the direction's cosine and sine, the distance's logarithm."""
NEAREST_M = 0.1
"""Distances and directions of what is nearer are those of this distance."""


def from_speaker(place_m: Tensor, position_m: Tensor, heading_rad: Tensor) -> Tensor:
    """``MEASURES`` (..., 5) of places (..., 2) from poses: positions (..., 2), headings (...)."""
    away_m = place_m - position_m
    cos, sin = heading_rad.cos(), heading_rad.sin()
    ahead_m, left_m = away_m[..., 0] * cos + away_m[..., 1] * sin, away_m[..., 1] * cos - away_m[..., 0] * sin
    distance_m = torch.hypot(ahead_m, left_m).clamp(min=NEAREST_M)
    return torch.stack([ahead_m, left_m, ahead_m / distance_m, left_m / distance_m, distance_m.log()], -1)


def told_words(batch: Batch) -> tuple[Tensor, Tensor]:
    """Indices (W,) of the questions' words among the B·N tokens, and the question (W,) that each is of.

    Answers are not told (but for what ends them, which nobody reads): when the model is asked, they are not there yet.
    """
    before = batch.owner.max(1).values.cumsum(0).roll(1)
    before[0] = 0
    question = batch.owner - 1 + before[:, None]
    index = torch.arange(batch.owner.numel(), device=batch.owner.device).view_as(batch.owner)
    told = (batch.owner > VIDEO) & (batch.labels == UNSUPERVISED)
    told &= index > batch.pos_at[question.clamp(min=0, max=len(batch.pos_at) - 1)] + 1
    return index[told], question[told]


@contextmanager
def telling(model: Loc3R, pos_at: Tensor, told_words: Callable[[], tuple[Tensor, Tensor]]) -> Iterator[None]:
    """While this lasts, the language model tells its words where their things are from the speaker's place.

    Nothing else may use the model meanwhile.

    Args:
        pos_at: (Q,) where each ``<Pos>`` is among the B·N tokens; ``<Ori>`` is the next one.
        told_words: gives, where the model has an egocentric layer, the indices (W,) of the tokens that are told, and
            the question (W,) that each of them is of.
    """
    layer = model.config.model.egocentric_layer
    if layer is None:
        yield
        return
    words, question = told_words()

    def tell(_: Any, inputs: tuple[Tensor, ...], keywords: dict[str, Any]) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
        states, *others = inputs
        flat = states.flatten(0, 1)
        with torch.no_grad():  # answers don't move places
            view = _view(model, flat, pos_at, words, question)
        told = flat.index_add(0, words, model.heads.tell_view(view).to(flat.dtype))
        return (told.view_as(states), *others), keywords

    handle = model.language.layers[layer].register_forward_pre_hook(tell, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def _view(model: Loc3R, states: Tensor, pos_at: Tensor, words: Tensor, question: Tensor) -> Tensor:
    """``MEASURES`` (W, 5) of the places that states (B·N, d) of words name, each from its question's pose."""
    pos, ori, named = (model.language.norm(states[at]) for at in (pos_at, pos_at + 1, words))
    position, _, heading_logits = model.heads.pose(pos, ori)
    heading_rad, _ = decode_heading(heading_logits, model.config.model.heading_bin_offset)
    return from_speaker(model.heads.place(named).mean_m, position.mean_m[question], heading_rad[question])
