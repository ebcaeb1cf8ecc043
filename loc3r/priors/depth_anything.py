"""Depth-Anything-3 small and base (Apache-2.0) as pose priors, through the package ``depth-anything-3``.

Only its backbone runs: the camera token is what the package's pose head reads. All frames see each other, so tokens
are not causal; the first frame is the reference, as in the bird's-eye frame. The scale is not metric.
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

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PRESETS = {"depth-anything-3-small": "da3-small", "depth-anything-3-base": "da3-base"}
"""Name here to the package's preset."""


class DepthAnything3Prior(FoundationPrior):
    """The camera token of the last layer: a frame's own view of itself beside its view of all frames."""

    patch_px = 14
    source = "loc3r fetch {} --out"

    def __init__(self, name: str, size_px: int, **where: Any) -> None:
        """As ``FoundationPrior``."""
        self.preset = PRESETS[name]
        self.source = self.source.format(name)
        super().__init__(name, size_px, **where)

    def _read(self) -> nn.Module:
        backbone = random_backbone(self.preset)
        prefix = "model.backbone."  # the package's whole model carries heads that a camera token does not need
        weights = {name.removeprefix(prefix): value for name, value in load_file(self.weights).items()}
        try:
            backbone.load_state_dict({name: weights[name] for name in backbone.state_dict()})
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(
                f"these are not the weights of {self.name}", received=str(error)[:300], expected=self.preset.upper()
            ) from error
        return backbone

    def _tokens(self, pixels: Tensor) -> Tensor:
        mean, spread = (pixels.new_tensor(values)[:, None, None] for values in (MEAN, SPREAD))
        layers, _ = self.network((pixels - mean) / spread, ref_view_strategy="first")
        tokens: Tensor = layers[-1][1]
        return tokens


@functools.cache
def load(name: str, size_px: int) -> DepthAnything3Prior:
    """The prior of this process."""
    return DepthAnything3Prior(name, size_px)


def random_backbone(preset: str) -> nn.Module:
    """The package's backbone of that preset, with random weights.

    Raises:
        CheckpointError: the package is not installed.
    """
    try:
        package = importlib.import_module("depth_anything_3.cfg")
        presets = importlib.import_module("depth_anything_3.registry").MODEL_REGISTRY
    except ImportError as error:
        raise CheckpointError(
            "Depth-Anything-3 is not installed",
            received=str(error),
            expected="the package depth-anything-3 (Apache-2.0)",
            fix="pip install --no-deps depth-anything-3 && pip install omegaconf addict einops",
        ) from error
    with torch.random.fork_rng():  # weights drawn here are overwritten; the caller's seed is not spent
        backbone: nn.Module = package.create_object(package.load_config(presets[preset]).net)
    return backbone
