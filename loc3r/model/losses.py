"""The joint loss: the paper's four terms and dense grounding, as sums and counts.

A step's loss is each term's sum over *all* ranks and micro-batches divided by its count over all of them; so
the terms are kept as sums, and ``supervised`` knows the counts before the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from loc3r.model.batch import NEAR_M, UNSUPERVISED, Batch
from loc3r.model.config import Loc3RConfig
from loc3r.model.heads import Gaussian, heading_target
from loc3r.model.modelling import Outputs
from loc3r.recipe_sections import LossRecipe

ABOUT = 1.2
"""Someone between two things is about as far from one as from the other."""
SAME_PLACE_M = 0.01
"""A looked-at place is the centre of a mentioned object, but for rounding."""


@dataclass(frozen=True)
class LossTerms:
    """Each term's sum (with gradient), how many things it sums over, and its weight in the joint loss."""

    sums: dict[str, Tensor]
    counts: dict[str, float]
    weights: dict[str, float]

    def total(self, counts: Mapping[str, float] | None = None) -> Tensor:
        """The joint loss; ``counts`` are those of the whole step when this is a part of it."""
        counts = self.counts if counts is None else counts
        terms = [self.sums[name] * (self.weights[name] / max(counts[name], 1)) for name in self.sums]
        return torch.stack(terms).sum()

    def means(self) -> dict[str, float]:
        """Each term's unweighted mean; a term without any supervision is left out."""
        return {name: float(self.sums[name].detach()) / count for name, count in self.counts.items() if count}


def loss_weights(loss: LossRecipe) -> dict[str, float]:
    """Weight of each term's mean in the joint loss."""
    return {
        "answer": loss.answer,
        "layout": loss.layout,
        "position": loss.situation,
        "heading": loss.situation * loss.heading,
        "naming": loss.naming,
        "mention": loss.mention,
        "front": loss.front,
        "patch_front": loss.front,
        "look_at": loss.look_at,
        "pointing": loss.pointing,
        "pose_pointing": loss.pose_pointing,
    }


def supervised(batch: Batch, config: Loc3RConfig) -> dict[str, float]:
    """How many things each active term sums over; the patches of a video count once a question."""
    count: dict[str, Callable[[], Tensor]] = {
        "answer": lambda: (batch.labels != UNSUPERVISED).sum(),
        "layout": lambda: _as_asked(batch.patch_valid, batch),
        "position": lambda: _known(batch.position_m).sum(),
        "heading": lambda: batch.heading_rad.isfinite().sum(),
        "naming": lambda: _as_asked(batch.patch_class >= 0, batch),
        "mention": lambda: torch.tensor(len(batch.mention_at)),
        "front": lambda: _known(batch.mention_front).sum(),
        "patch_front": lambda: _as_asked(_known(batch.patch_front), batch),
        "look_at": lambda: _known(batch.look_at_m).sum(),
        "pointing": lambda: shown(batch).any(-1).sum(),
        "pose_pointing": lambda: meant(batch).any(-1).sum(),
    }
    return {name: float(count[name]()) for name in _active(config)}


def joint_loss(outputs: Outputs, batch: Batch, config: Loc3RConfig) -> LossTerms:
    """Every active term of a batch; what is off or weighs nothing is not computed."""
    compute: dict[str, Callable[[], Tensor | None]] = {
        "answer": lambda: _answer(outputs, batch),
        "layout": lambda: _layout(outputs, batch),
        "position": lambda: _places(outputs.position, batch.position_m),
        "heading": lambda: _heading(outputs, batch, config),
        "naming": lambda: _naming(outputs, batch),
        "mention": lambda: None if outputs.mention is None else _nll(outputs.mention, batch.mention_m).sum(),
        "front": lambda: _off(outputs.mention_front, batch.mention_front),
        "patch_front": lambda: _off(outputs.patch_front, batch.patch_front, batch.questions[:, None, None, None]),
        "look_at": lambda: _places(outputs.look_at, batch.look_at_m),
        "pointing": lambda: _surprise(outputs.pointing, shown(batch)),
        "pose_pointing": lambda: _surprise(outputs.pose_pointing, meant(batch)),
    }
    active = {name: total for name in _active(config) if (total := compute[name]()) is not None}
    return LossTerms(active, supervised(batch, config), loss_weights(config.loss))


def _active(config: Loc3RConfig) -> list[str]:
    """Terms that weigh something and whose outputs the model has."""
    model, weights = config.model, loss_weights(config.loss)
    switched = {
        "naming": bool(model.naming_layer and config.class_names),
        "mention": bool(model.mention_layer),
        "front": model.fronts,
        "patch_front": model.fronts,
        "look_at": model.look_at,
        "pointing": bool(model.mention_layer),
        "pose_pointing": bool(model.mention_layer),
    }
    return [name for name, weight in weights.items() if weight and switched.get(name, True)]


def _nll(place: Gaussian, target_m: Tensor) -> Tensor:
    """Gaussian negative log-likelihood without its constant, x plus y; unknown targets give no NaN gradient."""
    error = torch.nan_to_num(target_m.to(place.mean_m.dtype)) - place.mean_m
    return 0.5 * (error.square() * (-place.log_variance).exp() + place.log_variance).sum(-1)


def _places(place: Gaussian, target_m: Tensor) -> Tensor:
    known = _known(target_m)
    return _nll(place, target_m)[known].sum()


def _off(front: Tensor | None, target: Tensor, weight: Tensor | float = 1.0) -> Tensor | None:
    """Squared error: what faces nowhere, or one of several ways, is said to face a little way in the middle."""
    if front is None:
        return None
    off = (front - target.nan_to_num()).square().sum(-1) * _known(target)
    return (off * weight).sum()


def _as_asked(patches: Tensor, batch: Batch) -> Tensor:
    """Sum over vision tokens (V, T, R, R), each video as often as it is asked."""
    return (patches.flatten(1).sum(1) * batch.questions).sum()


def _known(target: Tensor) -> Tensor:
    return target.isfinite().all(-1)


def _layout(outputs: Outputs, batch: Batch) -> Tensor:
    return _as_asked(_nll(outputs.layout, batch.patch_xy_m) * batch.patch_valid, batch)


def _answer(outputs: Outputs, batch: Batch) -> Tensor:
    logits = outputs.answer_logits
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(logits, batch.labels[batch.labels != UNSUPERVISED], reduction="sum")


def _heading(outputs: Outputs, batch: Batch, config: Loc3RConfig) -> Tensor:
    known = batch.heading_rad.isfinite()
    logits = outputs.heading_logits[known]
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    angles = batch.heading_rad[known].to(logits.dtype)
    model, sigma_bins = config.model, config.loss.heading_sigma_bins
    target = heading_target(angles, model.heading_bins, model.heading_bin_offset, sigma_bins)
    return F.kl_div(logits.log_softmax(-1), target, reduction="sum")


def _naming(outputs: Outputs, batch: Batch) -> Tensor | None:
    if outputs.naming_logits is None:
        return None
    known = batch.patch_class >= 0
    logits = outputs.naming_logits.to(torch.promote_types(outputs.naming_logits.dtype, torch.float32))
    surprise = F.cross_entropy(logits, batch.patch_class[known], reduction="none")
    weight = batch.questions[:, None, None, None].expand_as(known)[known]
    return (surprise * weight).sum()


def shown(batch: Batch) -> Tensor:
    """(M, P) which vision tokens show the object that is mentioned: its class, and near enough to be that one."""
    video = batch.video.flatten()[batch.mention_at]
    same_class = batch.patch_class.flatten(1)[video] == batch.mention_class[:, None]
    away_m = (batch.patch_xy_m.flatten(1, 3)[video] - batch.mention_m[:, None]).norm(dim=-1)
    near = batch.patch_valid.flatten(1)[video] & (away_m < NEAR_M)
    showing: Tensor = same_class & near & (batch.mention_class >= 0)[:, None]
    return showing


def meant(batch: Batch) -> Tensor:
    """(2, Q, N) which mentions of a situation <Pos> and <Ori> have to find: the nearest ones, and what is faced."""
    length = batch.ids.shape[1]
    question = torch.stack([batch.pos_at // length, batch.owner.flatten()[batch.pos_at]], -1)
    mention = torch.stack([batch.mention_at // length, batch.owner.flatten()[batch.mention_at]], -1)
    told = (question[:, None] == mention).all(-1) & (batch.mention_at < batch.pos_at[:, None])
    away_m, beside_m = (
        (batch.mention_m - place_m[:, None]).norm(dim=-1).nan_to_num(torch.inf).masked_fill(~told, torch.inf)
        for place_m in (batch.position_m, batch.look_at_m)
    )
    nearest_m = away_m.min(-1, keepdim=True).values if away_m.numel() else away_m.new_zeros(len(away_m), 1)
    wanted = torch.stack([(away_m < NEAR_M) & (away_m <= nearest_m * ABOUT), beside_m < SAME_PLACE_M])
    tokens = torch.zeros(2, len(question), length, dtype=torch.bool, device=wanted.device)
    which, asked, index = wanted.nonzero(as_tuple=True)
    tokens[which, asked, batch.mention_at[index] % length] = True
    return tokens


def _surprise(attention: Tensor | None, target: Tensor) -> Tensor | None:
    """Minus the logarithm of the attention (..., K) that goes to the targets, summed where there is a target."""
    if attention is None:
        return None
    known = target.any(-1)
    return -attention[known].masked_fill(~target[known], -torch.inf).logsumexp(-1).sum()
