"""Camera tokens on disk, so that a slow prior walks each video once: 49 KB for 32 frames of width 768.

A file is named by what it was made from: frames, prior, weights, code version.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loc3r.array_cache import ArrayCache
from loc3r.priors.base import PosePrior, load_prior, prior_card
from loc3r.settings import load_settings

FOLDER = "camera-tokens"


def cached_prior(name: str, size_px: int | None = None) -> PosePrior:
    """``load_prior``, behind the cache of the settings' ``cache_dir`` where the prior is slow."""
    prior = load_prior(name, size_px)
    return CachedPrior(prior, load_settings().cache_dir / FOLDER) if prior_card(name).slow else prior


class CachedPrior:
    """A prior that keeps its tokens in a folder, in half precision; hit or miss, the caller gets the same ones."""

    def __init__(self, prior: PosePrior, folder: Path) -> None:
        self._prior = prior
        self.name, self.dim, self.metric = prior.name, prior.dim, prior.metric
        self.licence, self.fingerprint = prior.licence, prior.fingerprint
        self._cache = ArrayCache(folder / prior.fingerprint)

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Camera tokens (T, dim) of frames (T, H, W, 3) uint8 RGB, in walking order."""
        tokens: NDArray[np.floating] = self._cache.of(
            frames,
            lambda: _compact(self._prior.encode(frames)),
            fits=lambda kept: kept.shape == (len(frames), self.dim),
        )
        return tokens.astype(np.float32)

    def path(self, frames: NDArray[np.uint8]) -> Path:
        """The file of these frames' tokens."""
        return self._cache.path(frames)


def _compact(tokens: NDArray[np.float32]) -> NDArray[np.floating]:
    """Half precision, but not where a value is too large for it."""
    with np.errstate(over="ignore"):
        half = tokens.astype(np.float16)
    return half if np.isfinite(half).all() else tokens
