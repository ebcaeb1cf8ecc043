"""What a training may start from."""

from __future__ import annotations

from pathlib import Path

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


def test_a_checkpoint_may_gain_an_egocentric_layer_but_not_lose_it(tmp_path: Path) -> None:
    without = small_recipe()
    with_layer = small_recipe(model={"egocentric_layer": 2})
    prepared = PreparedData(write_data(tmp_path / "data", without))
    for name, recipe in {"without": without, "with": with_layer}.items():
        (tmp_path / name).mkdir()
        model, processor = build(recipe, prepared, None, tmp_path / name, Alone(), resuming=False)
        model.save(tmp_path / name, processor.tokenizer)
    check_start(with_layer, prepared, tmp_path / "without")
    gained, _ = build(with_layer, prepared, tmp_path / "without", tmp_path, Alone(), resuming=False)
    assert gained.heads.tell is not None and not gained.heads.tell.weight.any()
    with pytest.raises(CheckpointError, match="egocentric_layer=2"):
        check_start(without, prepared, tmp_path / "with")
