"""A published checkpoint, read as it lies: judged by its papers and its shards' headers first, then copied.

The vocabulary keeps its rows: Qwen2's words end well before them, and ``load_tokenizer`` puts the new tokens into the
unused rows behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from loc3r.errors import CheckpointError
from loc3r.fetch.record import RECORD_FILE
from loc3r.files import read_json
from loc3r.model.backbones import BACKBONES, backbone_of
from loc3r.model.backbones.base import Backbone
from loc3r.model.bare import TABLE, TIED, Put, tie

if TYPE_CHECKING:
    from loc3r.model.config import Loc3RConfig, SpecialTokens
    from loc3r.model.modelling import Loc3R

INDEX_FILE = "model.safetensors.index.json"
VLM = "vlm."
"""Before the backbone's names, in ours."""
TYPES = ("F64", "F32", "F16", "BF16")
"""What weights are numbers of; others are quantised, and mean nothing without their scales."""
NEWLINES = {"grid": "row", "one_token": "video", "no_token": "none"}
"""LLaVA's ``mm_newline_position``, as ``BackboneCard.newlines``."""
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shard:
    """One safetensors file, and the shapes and types that its header promises."""

    path: Path
    shapes: dict[str, Shape]
    types: dict[str, str]


def check_published(config: Loc3RConfig, folder: Path) -> None:
    """Whether ``folder`` holds the whole backbone of ``config``: seconds, no weight is read.

    Raises:
        CheckpointError: a shard is missing or truncated, or the weights are another model's.
    """
    backbone = backbone_of(config)
    if wrong := _contradictions(config, folder):
        raise _other(folder, backbone, "; ".join(wrong))
    with torch.device("meta"):
        vlm = backbone.build()
    wanted = {name: tuple(value.shape) for name, value in vlm.state_dict().items()}
    if config.tied:
        del wanted["lm_head.weight"]
    shards = read_shards(folder)
    found = {_rename(name, backbone): shape for shard in shards for name, shape in shard.shapes.items()}
    found = {name: shape for name, shape in found.items() if name in wanted or not backbone.unused(name)}
    if config.tied:
        found.pop("lm_head.weight", None)
    _compare(wanted, found, folder, backbone)
    _check_types(shards, folder)


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
        CheckpointError: there are none, their index is damaged or names one that is not here, one is truncated, or
            two hold the same weight.
    """
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise CheckpointError("the backbone has no weights", received=folder, expected="*.safetensors", fix=_FETCH)
    if (folder / INDEX_FILE).is_file():
        named = _named_shards(folder / INDEX_FILE)
        lacking = named - {path.name for path in paths}
        paths = [path for path in paths if path.name in named]  # what else lies there is another form of the weights
        if lacking:
            raise CheckpointError(
                f"{len(lacking)} of the backbone's shards are missing",
                received=f"{folder} without {', '.join(sorted(lacking))}",
                expected=f"what {INDEX_FILE} names",
                fix=_FETCH,
            )
    shards = [_header(path) for path in paths]
    _check_once(shards)
    return shards


def _named_shards(index: Path) -> set[str]:
    """The files that an index names."""
    weight_map = _papers(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(
            f"{index} names no shard", received="no weight_map", expected="weights to files", fix=_FETCH
        )
    return {str(file) for file in weight_map.values()}


_FETCH = "loc3r fetch NAME (loc3r fetch lists them) downloads it, goes on where it stopped and checks hashes"


def _header(path: Path) -> Shard:
    try:
        with safe_open(path, "pt") as weights:
            slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            return Shard(path, shapes, {name: part.get_dtype() for name, part in slices.items()})
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is truncated or damaged",
            received=f"{path.stat().st_size:,} bytes: {error}",
            expected="a whole safetensors file",
            fix=f"remove it; {_FETCH}",
        ) from error


def _check_once(shards: list[Shard]) -> None:
    first: dict[str, Path] = {}
    for shard in shards:
        for name in shard.shapes:
            if name in first:
                raise CheckpointError(
                    "two files hold the same weight",
                    received=f"{name} in {first[name].name} and {shard.path.name}",
                    expected=f"each weight once, or a {INDEX_FILE} that says which files count",
                    fix=f"remove the files that don't belong there; {_FETCH}",
                )
            first[name] = shard.path


def _check_types(shards: list[Shard], folder: Path) -> None:
    types = {kind: name for shard in shards for name, kind in shard.types.items() if kind not in TYPES}
    if types:
        raise CheckpointError(
            f"the weights in {folder} are quantised",
            received=", ".join(f"{name} of type {kind}" for kind, name in types.items()),
            expected=f"{', '.join(TYPES)}: training starts from the weights as they were published first",
            fix=_FETCH,
        )


def _contradictions(config: Loc3RConfig, folder: Path) -> list[str]:
    """What the folder's papers say of what no shape tells: whose weights, how many heads, how positions turn."""
    card, language = BACKBONES[config.model.backbone], config.model.language
    own = _papers(folder / "config.json")
    text = own.get("text_config") or own
    said = {
        "num_attention_heads": (text.get("num_attention_heads"), language.heads),
        "num_key_value_heads": (text.get("num_key_value_heads"), language.kv_heads),
        "rope_theta": ((text.get("rope_parameters") or text).get("rope_theta"), language.rope_theta),
        "mm_newline_position": (NEWLINES.get(own.get("mm_newline_position", "")), card.newlines),
    }
    wrong = [
        f"its config.json's {name} means {has}, the recipe {ours}"
        for name, (has, ours) in said.items()
        if has not in (None, ours)
    ]
    fetched = str(_papers(folder / RECORD_FILE).get("name", config.model.backbone))
    return wrong if fetched.startswith(config.model.backbone) else [f"{RECORD_FILE} calls it {fetched}", *wrong]


def _papers(path: Path) -> dict[str, Any]:
    """A JSON file of the checkpoint's; nothing where there is none."""
    try:
        papers = read_json(path) if path.is_file() else {}
    except ValueError as error:
        raise CheckpointError(
            f"{path} is damaged", received=error, expected="JSON", fix=f"remove it; {_FETCH}"
        ) from error
    return papers if isinstance(papers, dict) else {}


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
        raise _other(folder, backbone, f"{_says(folder)}; {'; '.join(told)}")


def _other(folder: Path, backbone: Backbone, received: str) -> CheckpointError:
    return CheckpointError(
        f"{folder} is not the recipe's backbone, {backbone.config.model.backbone}",
        received=received,
        expected=f"{backbone.published}, of the recipe's sizes",
        fix="give the folder of that model, or a recipe with this one's model.backbone and sizes (its config.json)",
    )


def _says(folder: Path) -> str:
    """What a folder's own config.json calls the model."""
    config = _papers(folder / "config.json")
    return ", ".join([*config.get("architectures", []), *filter(None, [config.get("_name_or_path")])]) or "weights"
