"""A model reads from another tower about what it read before."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from loc3r.model.tower import FEATURES, Lite0
from loc3r.tower.refit import refit, standardise


def batches() -> Iterator[Tensor]:
    """Smooth pictures of many colours, (64, 3, 64, 64) at once."""
    generator = torch.Generator().manual_seed(0)
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
            weight.add_(0.1 * weight.std(unbiased=False) * torch.randn_like(weight))
    return changed


def test_features_are_standardised(other):
    standardise(other, batches)
    features = torch.cat([other(pixels) for pixels in batches()]).detach().flatten(0, -2)
    assert features.mean(0).abs().max() < 1e-3
    spread = features.std(0, unbiased=False)
    assert ((spread - 1).abs() < 1e-2).float().mean() > 0.99  # a feature that never moves has none


def test_the_same_tower_is_read_as_before(tower):
    reading = nn.Linear(FEATURES, 5)
    before = copy.deepcopy(reading)
    assert refit(reading, tower, tower, batches, dropout=0.0) > 0.999
    pixels = next(batches())
    assert torch.dist(reading(tower(pixels)), before(tower(pixels))) < 0.05 * before(tower(pixels)).std() * 100


@torch.no_grad()
def test_a_changed_tower_is_read_about_as_the_one_before(tower, other):
    standardise(other, batches)
    reading = nn.Linear(FEATURES, 5)
    untouched = copy.deepcopy(reading)
    explained = refit(reading, tower, other, batches, dropout=0.1)
    wanted = torch.cat([untouched(tower(pixels)) for pixels in batches()])
    variance = (wanted - wanted.flatten(0, -2).mean(0)).square().mean()

    def unexplained(layer: nn.Linear) -> float:
        error = torch.cat([layer(other(pixels)) for pixels in batches()]) - wanted
        return float(error.square().mean() / variance)

    assert unexplained(reading) == pytest.approx(1 - explained, abs=0.02)
    assert unexplained(reading) < 0.5 * unexplained(untouched)
