"""What the large priors share: weights that the user brings, frames as they want them, a network read when needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from loc3r.errors import CheckpointError, RecipeError
from loc3r.files import hash_file
from loc3r.priors.base import prior_card
from loc3r.priors.frames import to_pixels
from loc3r.settings import load_settings

WEIGHTS_FILE = "model.safetensors"


def weights_folder(name: str) -> Path:
    """Where the weights of a prior are kept: ``priors/<name>`` in the cache folder of the settings."""
    return load_settings().cache_dir / "priors" / name


class FoundationPrior(ABC):
    """A frozen 3-D foundation model behind the ``PosePrior`` protocol.

    Construction finds and hashes the weights; they are read at the first frame, so a run whose tokens are all
    cached never does.
    """

    patch_px: int
    source: str
    """How to get the weights, one line."""
    version: int = 1
    """Raised when the same weights would give other tokens."""

    def __init__(self, name: str, size_px: int, folder: Path | None = None) -> None:
        """Args: the prior's name; side of the frames that it sees; folder of its weights, the settings' if absent.

        Raises:
            RecipeError: the side is no multiple of the patch.
            CheckpointError: the weights are missing.
        """
        if size_px % self.patch_px:
            raise RecipeError(
                f"{name}'s frames must divide into its patches",
                received=f"data.prior_size_px={size_px}",
                expected=f"a multiple of {self.patch_px}",
            )
        card = prior_card(name)
        self.name, self.size_px, self.licence = name, size_px, card.licence
        self.dim, self.metric = card.dim, card.metric
        self.weights = (folder or weights_folder(name)) / WEIGHTS_FILE
        if not self.weights.is_file():
            raise CheckpointError(
                f"the weights of the pose prior {name} are not here",
                received=self.weights,
                expected=f"weights under {self.licence}, which you download yourself",
                fix=f"{self.source} {self.weights.parent}",
            )
        self.fingerprint = f"{name}-{self.version}-{hash_file(self.weights)[:12]}-{size_px}px"

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Camera tokens (T, dim) of frames (T, H, W, 3) uint8 RGB, in walking order."""
        device = next(self.network.parameters()).device
        tokens = self._tokens(to_square(frames, self.size_px)[None].to(device))
        return tokens[0].float().cpu().numpy()

    @cached_property
    def network(self) -> nn.Module:
        """The frozen network, on a GPU where there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return self._read().eval().requires_grad_(False).to(device)

    @abstractmethod
    def _read(self) -> nn.Module:
        """The network with its weights."""

    @abstractmethod
    def _tokens(self, pixels: Tensor) -> Tensor:
        """Camera tokens (1, T, dim) of pixels (1, T, 3, S, S) in [0, 1]."""


def to_square(frames: NDArray[np.uint8], size_px: int) -> Tensor:
    """Frames (T, H, W, 3) uint8, squashed bilinearly, as pixels (T, 3, S, S) in [0, 1].

    Raises:
        FrameError: another shape or type.
    """
    return F.interpolate(to_pixels(frames) / 255, (size_px, size_px), mode="bilinear", antialias=True)
