"""A recipe's DeepSpeed configuration: the JSON file of its ZeRO stage, with the recipe's values for each "auto".

The files are complete, as in DeepSpeed's documentation; ``deepspeed.json`` in a run's folder is what was used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.files import merge_values

if TYPE_CHECKING:
    from loc3r.recipe import Recipe
    from loc3r.recipe_sections import TrainRecipe

OWNED = {
    "train_batch_size": "train.scenes_per_step",
    "train_micro_batch_size_per_gpu": "train.scenes_per_micro_batch",
    "gradient_accumulation_steps": "train.scenes_per_step",
    "gradient_clipping": "optimiser.clip_norm",
    "optimizer": "optimiser",
    "scheduler": "optimiser",
    "bf16.enabled": "train.precision",
    "fp16.enabled": "train.precision",
    "zero_optimization.stage": "train.zero_stage",
    "zero_optimization.offload_optimizer": "train.offload",
    "zero_optimization.offload_param": "train.offload",
}
"""Settings of DeepSpeed that a recipe has a field for."""


def deepspeed_config(recipe: Recipe, ranks: int) -> dict[str, Any]:
    """DeepSpeed's configuration of a recipe on so many ranks."""
    from loc3r.train.batches import accumulation_steps

    train = recipe.train
    preset = Path(__file__).with_name(f"zero{train.zero_stage}{'_offload' if train.offload else ''}.json")
    config: dict[str, Any] = json.loads(preset.read_text())
    config["train_micro_batch_size_per_gpu"] = train.scenes_per_micro_batch
    config["gradient_accumulation_steps"] = accumulation_steps(train, ranks)
    config["gradient_clipping"] = recipe.optimiser.clip_norm
    for precision in ("bf16", "fp16"):
        config[precision]["enabled"] = train.precision == precision
    return merge_values(config, train.deepspeed)


def contradictions(train: TrainRecipe) -> list[str]:
    """What a recipe says twice, or asks of DeepSpeed and can't have."""
    found = [
        f"train.deepspeed sets {name}: set {field} instead"
        for name, field in OWNED.items()
        if _holds(train.deepspeed, name.split("."))
    ]
    if train.precision == "fp16" and not train.zero_stage:  # DeepSpeed 0.19 divides by a scale that it never applied
        found.append("train.precision=fp16 needs train.zero_stage of 1, 2 or 3: only there is the loss scaled")
    if train.offload and train.zero_stage < 2:
        found.append(f"train.offload needs train.zero_stage of 2 or 3, not {train.zero_stage}")
    if not train.lora.rank and train.lora != type(train.lora)():
        found.append("train.lora.alpha and train.lora.dropout need a train.lora.rank above 0")
    return found


def _holds(values: object, path: list[str]) -> bool:
    return not path or (isinstance(values, dict) and path[0] in values and _holds(values[path[0]], path[1:]))
