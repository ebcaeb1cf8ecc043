"""The protocol of a pose prior, what is known of each before it is loaded, and the one place that loads them.

An installed package offers one of its own through the entry-point group ``loc3r.priors``: the entry's name is what
recipes call it, its object a ``PriorCard``.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from operator import attrgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import RecipeError
from loc3r.priors.pose_token import LANGUAGE as POSE_TOKENS

ENTRY_POINTS = "loc3r.priors"


class PosePrior(Protocol):
    """A frozen model of camera motion: it sees monocular frames only, never a true pose."""

    name: str
    dim: int
    """Width of one camera token."""
    metric: bool
    """Whether its tokens know metres, or motion up to a scale only."""
    licence: str
    fingerprint: str
    """Names the weights and the code version: part of every cache key and lineage record."""

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Camera tokens (T, dim) of frames (T, H, W, 3) uint8 RGB, in walking order."""
        ...


@dataclass(frozen=True)
class PriorCard:
    """What is known of a prior before anything of it is imported or read."""

    factory: str
    """``module:callable`` that gives the prior; one with ``size_px`` is called with its name and that size."""
    licence: str
    """Of the weights, which binds what is trained on their tokens: SPDX identifier, or the licence's own name."""
    commercial: bool
    """Whether that licence allows commercial use."""
    metric: bool = False
    """As ``PosePrior.metric``."""
    size_px: int | None = None
    """Side of the square frame that it sees unless the recipe says otherwise; None where there is no choice."""
    dim: int = 0
    """Width of one camera token, which ``model.prior_dim`` must be; 0 where only the loaded prior knows."""
    language: str | None = None
    """Names what a token's numbers mean where other priors' mean the same: training may go from one to the other."""
    slow: bool = False
    """Worth a cache of its tokens (``loc3r.priors.cache``)."""


PRIORS: dict[str, PriorCard] = {
    "rooms-vo": PriorCard(
        "loc3r.priors.rooms_vo:RoomsVO.shipped", "Apache-2.0", commercial=True, metric=True, language=POSE_TOKENS
    ),
    "none": PriorCard("loc3r.priors.base:NoPrior", "Apache-2.0", commercial=True),
    "cut3r": PriorCard(
        "loc3r.priors.cut3r.prior:load", "CC-BY-NC-SA-4.0", commercial=False, metric=True, size_px=432, dim=768,
        slow=True,
    ),
    "depth-anything-3-small": PriorCard(
        "loc3r.priors.depth_anything:load", "Apache-2.0", commercial=True, size_px=504, dim=768, slow=True
    ),
    "depth-anything-3-base": PriorCard(
        "loc3r.priors.depth_anything:load", "Apache-2.0", commercial=True, size_px=504, dim=1536, slow=True
    ),
    "vggt": PriorCard("loc3r.priors.vggt:load", "CC-BY-NC-4.0", commercial=False, size_px=518, dim=2048, slow=True),
    "vggt-commercial": PriorCard(
        "loc3r.priors.vggt:load", "VGGT License", commercial=True, size_px=518, dim=2048, slow=True
    ),
}  # fmt: skip
"""Name in a recipe to card, of those that come with the package."""


def prior_names() -> tuple[str, ...]:
    """What a recipe can name: ours, then those of installed packages."""
    return (*PRIORS, *sorted(point.name for point in entry_points(group=ENTRY_POINTS)))


def find_prior(name: str) -> PriorCard | None:
    """The card of that name, ours or an installed package's; None if there is none.

    Raises:
        RecipeError: the package offers something else.
    """
    if name in PRIORS:
        return PRIORS[name]
    for point in entry_points(group=ENTRY_POINTS, name=name):
        card = point.load()
        if not isinstance(card, PriorCard):
            raise RecipeError(f"the pose prior {name} has no card", received=point.value, expected="a PriorCard")
        return card
    return None


def prior_card(name: str) -> PriorCard:
    """What is known of the prior of that name.

    Raises:
        RecipeError: no prior of that name.
    """
    card = find_prior(name)
    if card is None:
        raise RecipeError("unknown pose prior", received=name, expected=", ".join(prior_names()))
    return card


def allows_commercial_use(name: str) -> bool:
    """Whether what is trained on this prior's tokens may be used commercially; true poses (oracle) bind nobody."""
    card = find_prior(name)
    return name == "oracle" or (card is not None and card.commercial)


def load_prior(name: str, size_px: int | None = None) -> PosePrior:
    """The prior of that name, seeing frames of its own size or of ``size_px``.

    Raises:
        RecipeError: no prior of that name, or none whose size can be chosen.
        CheckpointError: its weights or its package are not here; says how to get them.
    """
    card = prior_card(name)
    module, _, attribute = card.factory.partition(":")
    factory = attrgetter(attribute)(importlib.import_module(module))
    if card.size_px is not None:
        prior: PosePrior = factory(name, size_px or card.size_px)
        return prior
    if size_px is not None:
        raise RecipeError(
            f"the size of {name}'s frames is not a choice", received=f"data.prior_size_px={size_px}", expected="none"
        )
    prior = factory()
    return prior


class NoPrior:
    """Zeros: what the model gets when the camera-token ablation is on."""

    name = "none"
    dim = 8
    metric = False
    licence = "Apache-2.0"
    fingerprint = "none-1"

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Zeros (T, 8)."""
        return np.zeros((len(frames), self.dim), np.float32)
