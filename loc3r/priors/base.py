"""The protocol of a pose prior, and the one place that finds a prior by name."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import RecipeError


class PosePrior(Protocol):
    """A frozen model of camera motion: it sees monocular frames only, never a true pose."""

    name: str
    dim: int
    """Width of one camera token."""
    licence: str
    fingerprint: str
    """Names the weights and the code version: part of every cache key and lineage record."""

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Camera tokens (T, dim) of frames (T, H, W, 3) uint8 RGB, in walking order."""
        ...


def load_prior(name: str) -> PosePrior:
    """The prior of that name: ``rooms-vo`` (ours) or ``none`` (zeros; the ablation).

    Raises:
        RecipeError: no prior of that name.
    """
    if name == "rooms-vo":
        from loc3r.priors.rooms_vo import RoomsVO

        return RoomsVO.shipped()
    if name == "none":
        return NoPrior()
    raise RecipeError("unknown pose prior", received=name, expected="rooms-vo or none")


class NoPrior:
    """Zeros: what the model gets when the camera-token ablation is on."""

    name = "none"
    dim = 8
    licence = "Apache-2.0"
    fingerprint = "none-1"

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Zeros (T, 8)."""
        return np.zeros((len(frames), self.dim), np.float32)
