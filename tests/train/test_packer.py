from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r.errors import TrainingError
from loc3r.train.packer import fill_rows

lengths_and_ranks = st.sampled_from([1, 2, 3, 4]).flatmap(
    lambda ranks: st.tuples(
        st.integers(1, 5).flatmap(
            lambda each: st.lists(st.integers(1, 100), min_size=ranks * each, max_size=ranks * each)
        ),
        st.just(ranks),
    )
)


@given(lengths_and_ranks, st.integers(100, 400))
def test_every_unit_goes_once_into_a_row_that_it_fits(step: tuple[list[int], int], budget: int) -> None:
    lengths, ranks = step
    shares = fill_rows(lengths, budget=budget, ranks=ranks)
    assert len(shares) == ranks and len({len(share) for share in shares}) == 1
    rows = [row for share in shares for row in share]
    assert sorted(unit for row in rows for unit in row) == list(range(len(lengths)))
    assert all(row and sum(lengths[unit] for unit in row) <= budget for row in rows)
    assert shares == fill_rows(lengths, budget=budget, ranks=ranks)


@given(st.lists(st.just(100), min_size=12, max_size=12))
def test_equal_videos_fill_rows_wholly(lengths: list[int]) -> None:
    assert [len(row) for row in fill_rows(lengths, budget=400, ranks=1)[0]] == [4, 4, 4]
    assert [[len(row) for row in share] for share in fill_rows(lengths, budget=300, ranks=2)] == [[3, 3], [3, 3]]


def test_a_unit_longer_than_the_budget_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"train\.tokens_per_micro_batch=101"):
        fill_rows([50, 101], budget=100, ranks=1)
