"""VGGT as a pose prior, through its own package: ``vggt`` with VGGT-1B, ``vggt-commercial`` with VGGT-1B-Commercial.

Only the aggregator runs; the camera token is the first token of its last layer, which the package's camera head
reads. All frames see each other, so tokens are not causal. The scale is not metric. The code and the commercial
weights are under the VGGT License (commercial use allowed, military use not); the first weights are CC BY-NC 4.0.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from loc3r.errors import CheckpointError
from loc3r.priors.foundation import FoundationPrior

REPOSITORIES = {"vggt": "facebook/VGGT-1B", "vggt-commercial": "facebook/VGGT-1B-Commercial"}


class VggtPrior(FoundationPrior):
    """The camera token of the last layer: per-frame and global attention side by side."""

    patch_px = 14
    source = "loc3r fetch {} --out"

    def __init__(self, name: str, size_px: int, **where: Any) -> None:
        """As ``FoundationPrior``."""
        self.source = self.source.format(name)
        super().__init__(name, size_px, **where)

    def _read(self) -> nn.Module:
        aggregator, prefix = _aggregator(), "aggregator."
        weights = {k.removeprefix(prefix): v for k, v in load_file(self.weights).items() if k.startswith(prefix)}
        try:
            aggregator.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointError(
                f"these are not the weights of {self.name}",
                received=str(error)[:300],
                expected=REPOSITORIES[self.name],
            ) from error
        return aggregator

    def _tokens(self, pixels: Tensor) -> Tensor:
        layers, _ = self.network(pixels)
        tokens: Tensor = layers[-1][:, :, 0]
        return tokens


@functools.cache
def load(name: str, size_px: int) -> VggtPrior:
    """The prior of this process."""
    return VggtPrior(name, size_px)


def _aggregator() -> nn.Module:
    try:
        package = importlib.import_module("vggt.models.aggregator")
    except ImportError as error:
        raise CheckpointError(
            "VGGT is not installed",
            received=str(error),
            expected="the package vggt",
            fix="pip install git+https://github.com/facebookresearch/vggt",
        ) from error
    with torch.random.fork_rng():  # weights drawn here are overwritten; the caller's seed is not spent
        aggregator: nn.Module = package.Aggregator()
    return aggregator
