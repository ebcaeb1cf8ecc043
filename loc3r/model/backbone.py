"""LLaVA-Video-7B as a starting point: its original checkpoint, read as it is published.

The vocabulary keeps its 152,064 rows: Qwen2's words end at 151,646, and ``load_tokenizer`` puts the new tokens
into the unused rows behind them.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from safetensors.torch import load_file

from loc3r.errors import CheckpointError
from loc3r.model.config import SpecialTokens
from loc3r.model.modelling import Loc3R

RENAMES = (
    (r"^model\.vision_tower\.vision_tower\.(vision_model\.)?", "model.vision_tower."),
    (r"^model\.mm_projector\.0\.", "model.multi_modal_projector.linear_1."),
    (r"^model\.mm_projector\.2\.", "model.multi_modal_projector.linear_2."),
    (r"^model\.(embed_tokens|layers|norm)\b", r"model.language_model.\1"),
)
"""Names of LLaVA-NeXT to names of ``LlavaOnevisionForConditionalGeneration``."""
UNUSED = re.compile(r"^model\.vision_tower\.(head\.|encoder\.layers\.(\d+)\.)")
"""SigLIP's pooling head and its last block: published, but features are taken before them."""


def load_backbone(model: Loc3R, folder: Path) -> None:
    """Read LLaVA-Video's published safetensors into ``model``; the heads keep their initialisation.

    Raises:
        CheckpointError: there are no weights, or they are not those of this backbone.
    """
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise CheckpointError("the backbone has no weights", received=folder, expected="LLaVA-Video's *.safetensors")
    missing = {name for name, _ in model.vlm.named_parameters()}
    strangers: list[str] = []
    for shard in shards:
        weights = {_rename(name): value for name, value in load_file(shard).items()}
        result = model.vlm.load_state_dict(weights, strict=False)
        strangers += [name for name in result.unexpected_keys if not _unused(name, model)]
        missing -= weights.keys()
    if missing or strangers:
        raise CheckpointError(
            "the weights are not those of the recipe's backbone",
            received=f"missing {sorted(missing)[:3]}, unexpected {strangers[:3]}",
            expected="LLaVA-Video-7B-Qwen2 as published",
        )
    init_new_tokens(model, model.config.tokens)


@torch.no_grad()
def init_new_tokens(model: Loc3R, tokens: SpecialTokens) -> None:
    """Give the tokens that the backbone never saw the mean embedding; their published rows are noise."""
    new = [tokens.image, tokens.cam, tokens.newline, tokens.pos, tokens.ori]
    for table in (model.language.embed_tokens, model.vlm.lm_head):
        table.weight[new] = table.weight[: min(new)].mean(0)


def _rename(name: str) -> str:
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def _unused(name: str, model: Loc3R) -> bool:
    match = UNUSED.match(name)
    return match is not None and (match[2] is None or int(match[2]) >= model.config.model.vision.layers)
