"""What a training may start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small import small_recipe, write_data

from loc3r.errors import CheckpointError
from loc3r.scenes.shards import PreparedData
from loc3r.train.engine import Group
from loc3r.train.start import build, check_start


class Alone(Group):
    """The one rank there is."""

    def __init__(self) -> None:
        import torch

        super().__init__(0, 1, torch.device("cpu"))

    def barrier(self) -> None:
        """Nobody to wait for."""


@pytest.mark.parametrize("gain", [{"egocentric_layer": 2}, {"fronts": True}])
def test_a_checkpoint_may_gain_an_egocentric_layer_or_fronts_but_not_lose_them(
    gain: dict[str, Any], tmp_path: Path
) -> None:
    without = small_recipe()
    with_layer = small_recipe(model=gain)
    prepared = PreparedData(write_data(tmp_path / "data", without))
    for name, recipe in {"without": without, "with": with_layer}.items():
        (tmp_path / name).mkdir()
        model, processor = build(recipe, prepared, None, tmp_path / name, Alone(), resuming=False)
        model.save(tmp_path / name, processor.tokenizer)
    check_start(with_layer, prepared, tmp_path / "without")
    gained, _ = build(with_layer, prepared, tmp_path / "without", tmp_path, Alone(), resuming=False)
    new = [head for head in (gained.heads.tell, gained.heads.front) if head is not None]
    assert len(new) == 1 and not (gained.heads.tell is not None and gained.heads.tell.weight.any())
    with pytest.raises(CheckpointError, match="{}={}".format(*next(iter(gain.items())))):
        check_start(without, prepared, tmp_path / "with")
