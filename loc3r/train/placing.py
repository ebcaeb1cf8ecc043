"""Where the weights of a bare model go before training: to each rank's device, in the type that is trained.

With ZeRO-3 a weight is cut into the ranks' parts as soon as it is there, so no rank ever holds the whole model; rank 0
alone reads the files. DeepSpeed would do the same cutting later, with the whole model in every rank's memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from loc3r.errors import CheckpointError
from loc3r.model.bare import Read, set_weight
from loc3r.train.zero.config import deepspeed_config

if TYPE_CHECKING:
    from loc3r.model.modelling import Loc3R
    from loc3r.recipe import Recipe
    from loc3r.train.engine import Group

TRAINED_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Placer:
    """Takes a bare model's weights (``loc3r.model.bare.Put``); every rank must be given the same ones in turn."""

    def __init__(self, model: Loc3R, recipe: Recipe, group: Group) -> None:
        self._model, self._recipe, self._group = model, recipe, group
        self._type = TRAINED_TYPES.get(recipe.train.precision, torch.float32)
        # Adapters are injected into whole weights: then DeepSpeed cuts them.
        self._cuts = recipe.train.zero_stage == 3 and not recipe.train.lora.rank
        self._cut_before: Any = None

    @torch.no_grad()
    def __call__(self, name: str, read: Read) -> None:
        """Put the weight of that name."""
        device = self._group.device
        if self._cuts and not self._group.first:  # rank 0's is sent when it is cut
            value = torch.empty(self._model.get_parameter(name).shape, dtype=self._type, device=device)
        else:
            value = read().to(device, self._type, copy=True)
            _check_finite(name, value)
        weight = set_weight(self._model, name, value)
        if self._cuts:
            self._cut(weight)

    def finish(self) -> None:
        """Bring what no file held, the heads and the buffers, to the same device; the heads to the same type."""
        for weight in self._model.heads.parameters():
            if not hasattr(weight, "ds_id"):
                weight.data = weight.data.to(self._group.device, self._type)
        for buffer in self._model.buffers():
            buffer.data = buffer.data.to(self._group.device)

    def _cut(self, weight: nn.Parameter) -> None:
        """Leave each rank its part."""
        if self._cut_before is not None:
            self._cut_before.convert_to_zero_parameters([weight])
            return
        import deepspeed

        config = deepspeed_config(self._recipe, self._group.ranks)
        deepspeed.zero.Init(nn.ParameterList([weight]), config_dict_or_path=config, dtype=self._type)
        self._cut_before = weight


def _check_finite(name: str, value: torch.Tensor) -> None:
    """One such number makes every loss NaN, and the message would be about the learning rate."""
    if not value.isfinite().all():
        raise CheckpointError(
            "the weights to start from are broken",
            received=f"NaN or infinity in {name}, as {str(value.dtype).removeprefix('torch.')}",
            expected="finite numbers",
            fix="fetch or copy the weights again; float16 ends at 65504: train.precision=bf16 or fp32 goes further",
        )
