"""Checkpoint folders: ``model.safetensors``, ``loc3r_config.json`` and the tokenizer's files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from loc3r.errors import CheckpointError
from loc3r.files import atomic_path
from loc3r.model.bare import TIED, Put, set_weight, tie
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Named = TypeVar("Named")
WEIGHTS_FILE = "model.safetensors"
TOWER = "vlm.model.vision_tower."
HEADS = "heads."
LAYERS = "vlm.model.language_model.layers."
TELL = "heads.tell.weight"
FRONT = "heads.front."
LAYER_OUTPUTS = ("o_proj.weight", "down_proj.weight")
"""What a language layer adds to its input goes through one of these."""


def save_checkpoint(model: Loc3R, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a checkpoint; the weights come last and appear whole."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save(folder)
    tokenizer.save_pretrained(str(folder))
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if model.config.tied:
        del weights[TIED]
    if model.config.model.vision.kind == "lite0":  # as it is shipped
        weights |= {name: value.half() for name, value in weights.items() if name.startswith(TOWER)}
    with atomic_path(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})


def load_checkpoint(folder: Path) -> Loc3R:
    """The model of a checkpoint folder, on the CPU.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights don't fit the config.
    """
    config = Loc3RConfig.load(folder)
    bare = config.model.backbone != "scratch"
    model = Loc3R(config, bare=bare)
    if bare:
        read_weights(model, folder, lambda name, read: set_weight(model, name, read().float().clone()))
    else:
        load_weights(model, folder)
    return model.eval()


def check_weights(folder: Path) -> None:
    """Whether a checkpoint's weights are whole and those of its config; no weight is read.

    Raises:
        CheckpointError: they are not.
    """
    with torch.device("meta"):
        model = Loc3R(Loc3RConfig.load(folder))
    path = _weights_path(folder)
    try:
        with safe_open(path, "pt") as weights:
            shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise _damaged(path, error) from error
    _compare(_shapes(model), shapes, path)


def read_weights(model: Loc3R, folder: Path, put: Put, *, heads: bool = True) -> None:
    """Give ``put`` every weight of a checkpoint of a bare model's sizes; without ``heads``, its own stay as they are.

    Raises:
        CheckpointError: the file is missing or damaged, or names and shapes differ.
    """
    path = _weights_path(folder)
    try:
        with safe_open(path, "pt") as weights:
            shapes = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
            expected = _shapes(model)
            if not heads:
                shapes, expected = (_without_heads(names) for names in (shapes, expected))
            _compare(expected, shapes, path)
            for name in shapes:
                put(name, partial(weights.get_tensor, name))
    except SafetensorError as error:
        raise _damaged(path, error) from error
    tie(model)


def load_weights(model: Loc3R, folder: Path, *, deepen: bool = False, heads: bool = True) -> None:
    """Read a checkpoint's weights into a model of the same sizes; with ``deepen``, into one of more language layers.

    The layers that the checkpoint lacks begin by changing nothing, so the model begins where the checkpoint ended; so
    does what tells words their places (``model.egocentric_layer``). Nothing reads what tells fronts (``model.fronts``).
    Without ``heads``, the model's own stay as they are, and the checkpoint's may be of other sizes.

    Raises:
        CheckpointError: the file is missing or damaged, or names and shapes differ.
    """
    path = _weights_path(folder)
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise _damaged(path, error) from error
    if not heads:
        weights = _without_heads(weights) | {HEADS + name: value for name, value in model.heads.state_dict().items()}
    if deepen:
        weights |= _idle(model, weights)
    _compare(_shapes(model), {name: tuple(value.shape) for name, value in weights.items()}, path)
    model.load_state_dict(weights, strict=False)


def _weights_path(folder: Path) -> Path:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise CheckpointError("the checkpoint has no weights", received=folder, expected=WEIGHTS_FILE)
    return path


def _damaged(path: Path, error: SafetensorError) -> CheckpointError:
    return CheckpointError(f"{path} is damaged", received=error, fix="copy the checkpoint again")


def _shapes(model: Loc3R) -> dict[str, tuple[int, ...]]:
    """Names and shapes that a checkpoint of the model has."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if model.config.tied:
        del shapes[TIED]
    return shapes


def _without_heads(named: dict[str, Named]) -> dict[str, Named]:
    return {name: value for name, value in named.items() if not name.startswith(HEADS)}


def _idle(model: Loc3R, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The model's own weights of what ``weights`` may lack, with nothing coming out of it."""
    lacking = {n: v for n, v in model.state_dict().items() if n.startswith((LAYERS, TELL, FRONT)) and n not in weights}
    return {n: torch.zeros_like(v) if n.endswith((*LAYER_OUTPUTS, TELL)) else v for n, v in lacking.items()}


def _compare(expected: dict[str, tuple[int, ...]], received: dict[str, tuple[int, ...]], path: Path) -> None:
    faults = {
        "missing": sorted(expected.keys() - received.keys()),
        "unexpected": sorted(received.keys() - expected.keys()),
        "of another shape": sorted(n for n in expected.keys() & received.keys() if expected[n] != received[n]),
    }
    told = [f"{len(names)} {fault} (first: {names[0]})" for fault, names in faults.items() if names]
    if told:
        raise CheckpointError(
            f"{path} doesn't fit its config",
            received="; ".join(told),
            expected=f"{len(expected)} weights",
            fix="load the weights with the loc3r_config.json that was saved beside them",
        )
