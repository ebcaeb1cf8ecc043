from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from loc3r.recipe_sections import OptimiserRecipe
from loc3r.train.schedule import learning_rate_share, warmup_cosine

RECIPE = OptimiserRecipe(learning_rate=2.0, warmup_share=0.1, final_share=0.2)


def test_it_warms_up_to_the_peak_and_ends_at_the_final_share() -> None:
    shares = [learning_rate_share(step, 100, RECIPE) for step in range(101)]
    assert shares[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert max(shares) == shares[10] == 1.0
    assert all(a > b for a, b in pairwise(shares[10:]))
    assert shares[55] == pytest.approx(0.6)  # half-way down the cosine
    assert shares[100] == pytest.approx(0.2)


def test_no_warm_up_starts_at_the_peak() -> None:
    assert learning_rate_share(0, 10, OptimiserRecipe(warmup_share=0)) == 1.0


def test_the_torch_schedule_follows_it() -> None:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RECIPE.learning_rate)
    schedule = warmup_cosine(optimiser, 20, RECIPE)
    for step in range(20):
        assert optimiser.param_groups[0]["lr"] == pytest.approx(2.0 * learning_rate_share(step, 20, RECIPE))
        optimiser.step()
        schedule.step()
