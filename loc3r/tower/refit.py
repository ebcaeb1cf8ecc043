"""Put a taught tower into the model that it comes from, so that the language model still understands it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from loc3r.model.tower import Lite0

LEAST_RIDGE = 1e-3
SMALLEST_SPREAD = 1e-3


@torch.no_grad()
def standardise(tower: Lite0, batches: Callable[[], Iterator[Tensor]]) -> None:
    """Set a tower's mean and spread to those of its features over batches of pixels (N, 3, S, S)."""
    tower.mean.zero_()
    tower.spread.fill_(1)
    count, total, squares = 0, torch.zeros_like(tower.mean).double(), torch.zeros_like(tower.mean).double()
    for pixels in batches():
        features = tower(pixels).flatten(0, -2).double()
        count, total, squares = count + len(features), total + features.sum(0), squares + features.square().sum(0)
    mean = total / count
    tower.mean.copy_(mean)
    tower.spread.copy_((squares / count - mean.square()).clamp(min=SMALLEST_SPREAD**2).sqrt())


@torch.no_grad()
def refit(
    reading: nn.Linear, before: Lite0, after: Lite0, batches: Callable[[], Iterator[Tensor]], dropout: float
) -> None:
    """Change ``reading``, which reads features of ``before``, so that it gets about the same from those of ``after``.

    The best linear map under the dropout that training goes on with: a ridge (Wager et al., arXiv 1307.1493).
    """
    width = reading.in_features + 1
    gram, cross = torch.zeros(width, width).double(), torch.zeros(width, reading.out_features).double()
    for pixels in batches():
        wanted = reading(before(pixels)).flatten(0, -2).double()
        features = after(pixels).flatten(0, -2).double()
        features = torch.cat([features, features.new_ones(len(features), 1)], 1)
        gram, cross = gram + features.T @ features, cross + features.T @ wanted
    ridge = max(dropout / (1 - dropout), LEAST_RIDGE) * gram.diagonal()
    ridge[-1] = 0  # the constant is never hidden
    solved = torch.linalg.solve(gram + ridge.diag(), cross)
    reading.weight.copy_(solved[:-1].T)
    reading.bias.copy_(solved[-1])


@torch.no_grad()
def explained_share(
    wanted: Callable[[Tensor], Tensor], given: Callable[[Tensor], Tensor], batches: Iterator[Tensor]
) -> float:
    """Share of the variance of ``wanted`` that ``given`` has, both (N, ..., D) of pixels (N, 3, S, S)."""
    pairs = [(wanted(pixels).flatten(0, -2), given(pixels).flatten(0, -2)) for pixels in batches]
    true, found = (torch.cat(column) for column in zip(*pairs, strict=True))
    return 1 - float((true - found).square().sum() / (true - true.mean(0)).square().sum())
