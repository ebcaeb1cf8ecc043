"""CUT3R's published checkpoint to safetensors, without running anything that is in it.

The ``.pth`` is a pickle that also holds the training's arguments, objects of classes that need not be installed; the
original loader unpickles them and then evaluates one of their strings. Here PyTorch's restricted unpickler
(``weights_only``) reads tensors and plain containers, and every other class becomes an inert placeholder.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from loc3r.errors import CheckpointError
from loc3r.files import atomic_path, hash_file, write_json
from loc3r.priors.base import prior_card
from loc3r.priors.cut3r.network import Cut3r, Cut3rConfig
from loc3r.priors.foundation import WEIGHTS_FILE


class Placeholder(dict[Any, Any]):
    """Stands for an object of any class: takes whatever the pickle gives it, does nothing with it."""

    def __new__(cls, *_arguments: Any) -> Placeholder:
        """An empty one."""
        return super().__new__(cls)

    def __init__(self, *_arguments: Any) -> None:
        super().__init__()

    def __setstate__(self, _state: Any) -> None:
        """Forget the state."""


def convert(checkpoint: Path, folder: Path, config: Cut3rConfig | None = None) -> Path:
    """Write the part of a CUT3R checkpoint that camera tokens need to ``folder/model.safetensors``; returns the file.

    Args:
        checkpoint: ``cut3r_512_dpt_4_64.pth`` as published.
        folder: where the prior looks for it (``loc3r.priors.foundation.weights_folder``).
        config: sizes, if not the published ones.

    Raises:
        CheckpointError: the file is missing or damaged, or holds another model.
    """
    weights = Cut3r.filter_state_dict(read_state_dict(checkpoint))
    _check_shapes(weights, config or Cut3rConfig(), checkpoint)
    path = folder / WEIGHTS_FILE
    with atomic_path(path) as temporary:
        save_file({name: value.contiguous() for name, value in weights.items()}, temporary)
    source = {"file": checkpoint.name, "sha256": hash_file(checkpoint), "licence": prior_card("cut3r").licence}
    write_json(folder / "source.json", source)
    return path


def read_state_dict(checkpoint: Path) -> dict[str, Tensor]:
    """The ``model`` entry of a checkpoint: the original's names to tensors.

    Raises:
        CheckpointError: it is no such checkpoint.
    """
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(str(checkpoint))
        with torch.serialization.safe_globals([(_stand_in(name), name) for name in foreign]):
            content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        return {name: value for name, value in content["model"].items() if isinstance(value, Tensor)}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            "not a CUT3R checkpoint",
            received=f"{checkpoint}: {_reason(error)}",
            expected="cut3r_512_dpt_4_64.pth as published, whole",
            fix="download it again: github.com/CUT3R/CUT3R",
        ) from error


def _stand_in(name: str) -> Callable[..., Any]:
    """What takes the place of a class or function; the unpickler fills only containers that it knows."""
    if name == "collections.defaultdict":
        return lambda *_: OrderedDict()
    return type(name.rpartition(".")[2], (Placeholder,), {})


def _reason(error: Exception) -> str:
    """The first line that tells what is wrong: PyTorch's begins with advice to unpickle without restrictions."""
    advice = ("Weights only load failed", "Please file an issue", "Check the documentation")
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith(advice)), type(error).__name__)[:200]


def _check_shapes(weights: dict[str, Tensor], config: Cut3rConfig, checkpoint: Path) -> None:
    with torch.device("meta"):
        wanted = {name: tuple(value.shape) for name, value in Cut3r(config).state_dict().items()}
    wrong = sorted(name for name in wanted.keys() | weights.keys() if _shape(weights, name) != wanted.get(name))
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"{checkpoint} is another model: {len(wrong)} of its tensors do not fit",
            received=f"{name} {_shape(weights, name)}",
            expected=f"{name} {wanted.get(name)}",
            fix="the 512 px DPT checkpoint is needed: cut3r_512_dpt_4_64.pth",
        )


def _shape(weights: dict[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(weights[name].shape) if name in weights else None
