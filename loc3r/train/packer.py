"""Rows of a token budget: which videos of a step share a row.

Every rank gets as many rows as the others, which ZeRO's collectives need, and about as many tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from loc3r.errors import TrainingError


def fill_rows(lengths: Sequence[int], *, budget: int, ranks: int) -> list[list[list[int]]]:
    """Which units of a step go into each row of each rank, as positions in ``lengths`` (their tokens).

    Units go, the longest first, into the emptiest row; there are as few rows as the budget then allows. The number of
    units divides over the ranks (``check_division``).

    Raises:
        TrainingError: a unit alone is longer than the budget.
    """
    if max(lengths) > budget:
        raise TrainingError(
            "a video and its questions don't fit the token budget",
            received=f"{max(lengths):,} tokens, train.tokens_per_micro_batch={budget}",
            expected=f"at most {budget:,} tokens",
            fix=f"--set train.tokens_per_micro_batch={max(lengths)}, or fewer train.questions_per_scene",
        )
    fewest = -(-sum(lengths) // (ranks * budget))
    tries = (_spread(lengths, rows=ranks * each) for each in range(fewest, len(lengths) // ranks + 1))
    rows = next(rows for rows in tries if all(sum(lengths[i] for i in row) <= budget for row in rows))
    each = len(rows) // ranks
    return [rows[rank * each : (rank + 1) * each] for rank in range(ranks)]


def _spread(lengths: Sequence[int], *, rows: int) -> list[list[int]]:
    """Positions in each of so many rows; units stay in the step's order within a row."""
    filled, spread = [0] * rows, [list[int]() for _ in range(rows)]
    for unit in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        emptiest = filled.index(min(filled))
        filled[emptiest] += lengths[unit]
        spread[emptiest].append(unit)
    return [sorted(row) for row in spread]
