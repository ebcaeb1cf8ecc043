"""Low-rank adapters (peft) on a frozen language model: a hundredth of its gradients and optimiser state.

Projector, camera tokens' way in and heads are trained as ever, and so are the embeddings of ``<Pos>`` and ``<Ori>``,
which a published model has never seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from loc3r.model.modelling import Loc3R
    from loc3r.recipe_sections import LoraRecipe

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Every matrix of a language layer."""


class TokenRows(nn.Module):
    """Trained embeddings of a few tokens beside a frozen table."""

    def __init__(self, table: nn.Embedding, ids: tuple[int, ...]) -> None:
        super().__init__()
        self.ids = ids
        self.rows = nn.Parameter(table.weight.detach()[list(ids)].clone())

    def forward(self, ids: Tensor, embedded: Tensor) -> Tensor:
        """The embeddings (..., d) of ids (...), with this module's own for its tokens."""
        for row, token in zip(self.rows, self.ids, strict=True):
            embedded = torch.where((ids == token)[..., None], row, embedded)
        return embedded


def add_adapters(model: Loc3R, recipe: LoraRecipe) -> None:
    """Freeze the language model and give it adapters, which change nothing until they are trained."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, target_modules=list(TARGETS)
    )
    inject_adapter_in_model(config, model.language)  # freezes all else in it
    model.vlm.lm_head.requires_grad_(False)
    table, special = model.language.embed_tokens, model.config.tokens
    rows = TokenRows(table, (special.pos, special.ori))
    model.add_module("token_rows", rows)

    def own_rows(_: nn.Module, ids: tuple[Tensor, ...], embedded: Tensor) -> Tensor:
        result: Tensor = rows(ids[0], embedded)
        return result

    table.register_forward_hook(own_rows)


def merge_adapters(model: Loc3R) -> None:
    """Add what was trained to the language model's own weights; the model is then as if it never had adapters."""
    from peft.tuners.lora import LoraLayer

    layers: list[tuple[str, Any]] = [(n, m) for n, m in model.language.named_modules() if isinstance(m, LoraLayer)]
    for name, layer in layers:
        layer.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.language.get_submodule(parent), child, layer.get_base_layer())
    rows, table = model.token_rows, model.language.embed_tokens
    assert isinstance(rows, TokenRows)
    with torch.no_grad():
        table.weight[list(rows.ids)] = rows.rows.to(table.weight.dtype)
    table._forward_hooks.clear()
    del model.token_rows
