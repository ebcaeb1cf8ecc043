"""A model reads from another tower about what it read before."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from loc3r.model.tower import FEATURES, Lite0
from loc3r.tower.refit import explained_share, refit, standardise


def batches(seed: int = 0) -> Iterator[Tensor]:
    """Smooth pictures of many colours, (64, 3, 64, 64) at once."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(8):
        coarse = torch.rand(64, 3, 9, 9, generator=generator) * 2 - 1
        yield nn.functional.interpolate(coarse, size=(64, 64), mode="bicubic").clamp(-1, 1)


@pytest.fixture
def tower() -> Lite0:
    return Lite0.pretrained()


@pytest.fixture
def other(tower: Lite0) -> Lite0:
    """The same tower with every weight moved a little."""
    changed = copy.deepcopy(tower)
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in changed.parameters():
            weight.add_(0.05 * weight.std(unbiased=False) * torch.randn_like(weight))
    return changed


def test_features_are_standardised(other):
    standardise(other, batches)
    features = torch.cat([other(pixels) for pixels in batches()]).detach().flatten(0, -2)
    assert features.mean(0).abs().max() < 1e-3
    spread = features.std(0, unbiased=False)
    assert ((spread - 1).abs() < 1e-2).float().mean() > 0.99  # a feature that never moves has none


def test_the_same_tower_is_read_as_before(tower):
    reading = nn.Linear(FEATURES, 5)
    untouched = copy.deepcopy(reading)
    refit(reading, tower, tower, batches, dropout=0.0)
    assert explained_share(reads(untouched, tower), reads(reading, tower), batches(seed=1)) > 0.99


def test_a_changed_tower_is_read_about_as_the_one_before(tower, other):
    """On pictures that it was not fitted to; untouched, the layer would read something else."""
    standardise(other, batches)
    reading = nn.Linear(FEATURES, 5)
    untouched = copy.deepcopy(reading)
    refit(reading, tower, other, batches, dropout=0.1)
    kept = explained_share(reads(untouched, tower), reads(reading, other), batches(seed=1))
    lost = explained_share(reads(untouched, tower), reads(untouched, other), batches(seed=1))
    assert kept > 0.5 > lost


def test_noise_explains_nothing_that_was_not_fitted(tower):
    noise = torch.Generator().manual_seed(2)
    share = explained_share(tower, lambda p: torch.randn(tower(p).shape, generator=noise), batches(seed=1))
    assert share < 0
    assert explained_share(tower, tower, batches(seed=1)) == 1


def reads(layer: nn.Linear, tower: Lite0) -> Callable[[Tensor], Tensor]:
    return lambda pixels: layer(tower(pixels))
