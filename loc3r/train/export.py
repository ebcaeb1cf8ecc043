"""The finished model: a checkpoint folder that evaluation, serving and the next training read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.files import whole_folder, write_json, write_text
from loc3r.recipe import Recipe
from loc3r.train.lineage import LINEAGE_FILE, model_card

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from loc3r.model.modelling import Loc3R


def export_model(
    folder: Path,
    *,
    model: Loc3R,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    lineage: dict[str, Any],
    loss: float,
) -> None:
    """Write weights, config, tokenizer, recipe, lineage and card; ``folder`` appears whole or not at all."""
    with whole_folder(folder) as draft:
        model.save(draft, tokenizer)
        write_text(draft / "recipe.yaml", recipe.to_yaml())
        parameters = sum(weight.numel() for weight in model.parameters())
        write_text(draft / "README.md", model_card(recipe, lineage, loss, parameters))
        write_json(draft / LINEAGE_FILE, lineage)
