"""Weights on their way from safetensors files into a model, one at a time.

Seven billion weights take 32 GB in float32 and a minute to draw at random, on every rank, only to be replaced. So a
model that starts from files is built bare, with no memory for its backbone, and each weight is read once and goes
straight to the device and the type that it is used in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from loc3r.model.modelling import Loc3R

Read = Callable[[], Tensor]
Put = Callable[[str, Read], object]
"""Takes a weight's name in the model, and what reads it from its file."""
TIED, TABLE = "vlm.lm_head.weight", "vlm.model.language_model.embed_tokens.weight"
"""Two names of one weight, where answers are read out through the word embeddings."""


@contextmanager
def bare_weights() -> Iterator[None]:
    """Inside, modules are built without memory for their parameters; buffers are real."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        yield


def set_weight(model: nn.Module, name: str, value: Tensor) -> nn.Parameter:
    """Give a parameter of a bare model its value; what it says of gradients stays."""
    owner, _, own_name = name.rpartition(".")
    module = model.get_submodule(owner)
    weight = nn.Parameter(value, requires_grad=module.get_parameter(own_name).requires_grad)
    setattr(module, own_name, weight)
    return weight


def tie(model: Loc3R) -> None:
    """Make ``TIED`` the same weight as ``TABLE`` again: building a bare model parts them."""
    if model.config.tied:
        model.vlm.lm_head.weight = model.language.embed_tokens.weight
