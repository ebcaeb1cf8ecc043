"""The learning rate: linear warm-up, then a cosine down to a share of the peak."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from loc3r.recipe_sections import OptimiserRecipe

if TYPE_CHECKING:
    import torch
    from torch.optim.lr_scheduler import LambdaLR


def learning_rate_share(step: int, steps: int, recipe: OptimiserRecipe) -> float:
    """Share of the peak learning rate in ``step`` (from 0) of ``steps``."""
    warmup = round(recipe.warmup_share * steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return recipe.final_share + (1 - recipe.final_share) * 0.5 * (1 + math.cos(math.pi * progress))


def warmup_cosine(optimiser: torch.optim.Optimizer, steps: int, recipe: OptimiserRecipe) -> LambdaLR:
    """The schedule as a torch scheduler, which DeepSpeed steps, saves and restores with the optimiser."""
    from torch.optim.lr_scheduler import LambdaLR

    return LambdaLR(optimiser, lambda step: learning_rate_share(step, steps, recipe))
