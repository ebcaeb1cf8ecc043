"""A published checkpoint, read as it lies: judged by its shards' headers first, then copied into the model.

The vocabulary keeps its rows: Qwen2's words end well before them, and ``load_tokenizer`` puts the new tokens into the
unused rows behind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from loc3r.errors import CheckpointError
from loc3r.files import read_json
from loc3r.model.backbones import backbone_of
from loc3r.model.backbones.base import Backbone
from loc3r.model.bare import TABLE, TIED, Put, tie

if TYPE_CHECKING:
    from loc3r.model.config import Loc3RConfig, SpecialTokens
    from loc3r.model.modelling import Loc3R

INDEX_FILE = "model.safetensors.index.json"
VLM = "vlm."
"""Before the backbone's names, in ours."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shard:
    """One safetensors file and the shapes that its header promises."""

    path: Path
    shapes: dict[str, Shape]


def check_published(config: Loc3RConfig, folder: Path) -> None:
    """Whether ``folder`` holds the whole backbone of ``config``: seconds, no weight is read.

    Raises:
        CheckpointError: a shard is missing or truncated, or the weights are another model's.
    """
    backbone = backbone_of(config)
    with torch.device("meta"):
        vlm = backbone.build()
    wanted = {name: tuple(value.shape) for name, value in vlm.state_dict().items()}
    if config.tied:
        del wanted["lm_head.weight"]
    found = {_rename(name, backbone): shape for shard in read_shards(folder) for name, shape in shard.shapes.items()}
    found = {name: shape for name, shape in found.items() if name in wanted or not backbone.unused(name)}
    if config.tied:
        found.pop("lm_head.weight", None)
    _compare(wanted, found, folder, backbone)


def load_backbone(model: Loc3R, folder: Path, put: Put) -> None:
    """Give ``put`` every weight of a published checkpoint, shard by shard; the heads keep their initialisation.

    Raises:
        CheckpointError: as ``check_published``.
    """
    check_published(model.config, folder)
    wanted = set(model.vlm.state_dict()) - ({TIED.removeprefix(VLM)} if model.config.tied else set())
    for shard in read_shards(folder):
        with safe_open(shard.path, "pt") as weights:
            for name in shard.shapes:
                if (ours := _rename(name, model.backbone)) in wanted:
                    put(VLM + ours, partial(_read, weights, name, VLM + ours, model.config.tokens))
    tie(model)


def _read(weights: Any, published: str, ours: str, tokens: SpecialTokens) -> Tensor:
    weight: Tensor = weights.get_tensor(published)
    return init_new_tokens(weight, tokens) if ours in (TABLE, TIED) else weight


def init_new_tokens(table: Tensor, tokens: SpecialTokens) -> Tensor:
    """The table (V, d) with the mean embedding for tokens that the backbone never saw: theirs as published is noise."""
    new = [tokens.image, tokens.cam, tokens.newline, tokens.pos, tokens.ori]
    table = table.clone()
    table[new] = table[: min(new)].mean(0)
    return table


def read_shards(folder: Path) -> list[Shard]:
    """The headers of a folder's safetensors.

    Raises:
        CheckpointError: there are none, its index names one that is not here, or one is truncated.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise CheckpointError("the backbone has no weights", received=folder, expected="*.safetensors", fix=_FETCH)
    if (folder / INDEX_FILE).is_file():
        lacking = set(read_json(folder / INDEX_FILE)["weight_map"].values()) - {path.name for path in paths}
        if lacking:
            raise CheckpointError(
                f"{len(lacking)} of the backbone's shards are missing",
                received=f"{folder} without {', '.join(sorted(lacking))}",
                expected=f"what {INDEX_FILE} names",
                fix=_FETCH,
            )
    return [Shard(path, dict(_shapes(path))) for path in paths]


_FETCH = "loc3r fetch NAME (loc3r fetch lists them) downloads it, goes on where it stopped and checks hashes"


def _shapes(path: Path) -> Iterator[tuple[str, Shape]]:
    try:
        with safe_open(path, "pt") as weights:
            yield from ((name, tuple(weights.get_slice(name).get_shape())) for name in weights.keys())  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is truncated or damaged",
            received=f"{path.stat().st_size:,} bytes: {error}",
            expected="a whole safetensors file",
            fix=f"remove it; {_FETCH}",
        ) from error


def _rename(name: str, backbone: Backbone) -> str:
    for pattern, replacement in backbone.renames:
        name = re.sub(pattern, replacement, name)
    return name


def _compare(wanted: dict[str, Shape], found: dict[str, Shape], folder: Path, backbone: Backbone) -> None:
    shapes = sorted(name for name in wanted.keys() & found.keys() if wanted[name] != found[name])
    faults = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "of another shape": [f"{name} {found[name]} instead of {wanted[name]}" for name in shapes],
    }
    told = [f"{len(names)} {fault} (first: {names[0]})" for fault, names in faults.items() if names]
    if told:
        name = backbone.config.model.backbone
        raise CheckpointError(
            f"{folder} is not the recipe's backbone, {name}",
            received=f"{_says(folder)}; {'; '.join(told)}",
            expected=f"{backbone.published}, of the recipe's sizes: {len(wanted)} weights",
            fix="give the folder of that model, or a recipe with this one's model.backbone and sizes (its config.json)",
        )


def _says(folder: Path) -> str:
    """What a folder's own config.json calls the model."""
    path = folder / "config.json"
    config: dict[str, Any] = read_json(path) if path.is_file() else {}
    return ", ".join([*config.get("architectures", []), *filter(None, [config.get("_name_or_path")])]) or "weights"
