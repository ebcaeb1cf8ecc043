"""Memory of training, counted from a recipe's sizes: DeepSpeed's states exactly, activations to a tenth or so.

Sizes are those of DeepSpeed 0.19 with a client's AdamW. Activations are what autograd keeps of transformers' decoder
layers: ``tests/train/test_memory.py`` holds both against what real training holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from loc3r.model.config import Loc3RConfig
from loc3r.recipe import Recipe
from loc3r.recipe_sections import TrainRecipe
from loc3r.train.zero.config import deepspeed_config

MOMENTS = 8
"""AdamW's two, in float32."""
MASTER = 4
"""The float32 weights that DeepSpeed trains in place of the model's own."""
CUDA_CONTEXT = 2**30
"""What CUDA, NCCL and the allocator's gaps take of a GPU beside tensors."""
LAYER_WIDTHS = {"fp32": {"qwen2": 16, "qwen3": 20}, "half": {"qwen2": 18, "qwen3": 24}}
"""Tensors of the language model's width that a layer keeps of each token, as measured: norms (in half precision they
keep float32 too), rotated queries, keys and values, attention's output."""
LAYER_INTERMEDIATES = 4
"""Tensors of its MLP's width."""
LOGIT_BYTES = 14
"""A word's logit, its float32 copy and their gradients."""


@dataclass(frozen=True)
class Parameters:
    """How many numbers a model holds."""

    all: int
    trained: int


@dataclass(frozen=True)
class Memory:
    """Bytes that one rank needs at its fullest."""

    weights: int
    gradients: int
    optimiser: int
    activations: int
    """Of one micro-batch; or, if more, the float32 gradients of the optimiser's step, which comes later."""
    buffers: int
    """DeepSpeed's, for what it sends between ranks."""
    host: int = 0
    """Not on the GPU: what is offloaded to the machine's memory."""

    @property
    def total(self) -> int:
        """All but ``host``."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.buffers


def count_parameters(recipe: Recipe) -> Parameters:
    """Of the model that a recipe trains, adapters included; nothing is allocated."""
    import torch

    from loc3r.model.modelling import Loc3R
    from loc3r.train.lora import add_adapters

    with torch.device("meta"):
        model = Loc3R(Loc3RConfig(data=recipe.data, model=recipe.model, loss=recipe.loss))
        if recipe.train.lora.rank:
            add_adapters(model, recipe.train.lora)
    weights = list(model.parameters())
    return Parameters(sum(w.numel() for w in weights), sum(w.numel() for w in weights if w.requires_grad))


def estimate_memory(
    recipe: Recipe, parameters: Parameters, ranks: int, *, tokens: int, rows: int, answers: int
) -> Memory:
    """Memory of one of so many ranks.

    Args:
        tokens: of a micro-batch.
        rows: videos of a micro-batch.
        answers: tokens of a micro-batch that are read out as words.
    """
    train, half = recipe.train, recipe.train.precision in ("bf16", "fp16")
    size, parts = 2 if half else 4, ranks if train.zero_stage else 1
    stage, trained = train.zero_stage, parameters.trained
    kept = size * parameters.all // (ranks if stage == 3 else 1)
    gradients = size * trained // (ranks if stage >= 2 else 1) + (4 * trained if half and not stage else 0)
    states = (MOMENTS + (MASTER if half or stage else 0)) * trained // parts
    step = 4 * trained // parts if half and stage else 0
    buffers = _buffers(recipe, ranks, size, parameters)
    activations = activation_bytes(recipe, tokens=tokens, videos=rows, answers=answers)
    if not train.offload:
        return Memory(kept, gradients, states, max(activations, step), buffers)
    weights = 0 if stage == 3 else kept
    return Memory(weights, 0, 0, activations, buffers, host=states + step + gradients + kept - weights)


def activation_bytes(recipe: Recipe, *, tokens: int, videos: int, answers: int) -> int:
    """What the forward pass of a micro-batch leaves for the backward pass, and one layer's recomputation."""
    language, train = recipe.model.language, recipe.train
    size = 4 if train.precision == "fp32" else 2
    widths = LAYER_WIDTHS["fp32" if train.precision == "fp32" else "half"][language.kind]
    layer = tokens * size * (widths * language.hidden + LAYER_INTERMEDIATES * language.intermediate)
    ends = tokens * size * language.hidden
    recomputed = language.layers * ends + 3 * layer // 2  # its gradients are there at the same time
    decoder = recomputed if train.gradient_checkpointing else language.layers * layer
    return decoder + 3 * ends + _tower_bytes(recipe, videos, size) + answers * language.vocabulary * LOGIT_BYTES


def _tower_bytes(recipe: Recipe, videos: int, size: int) -> int:
    """The projector's on every patch; the tower's own where it is trained, else it passes through one block."""
    data, vision, width = recipe.data, recipe.model.vision, recipe.model.language.hidden
    if not recipe.model.video:
        return 0
    patches = videos * data.frames * (data.frame_size_px // data.patch_px) ** 2
    projector = patches * size * (vision.hidden + 3 * width)
    if vision.kind == "lite0":
        return projector
    block = patches * size * (LAYER_WIDTHS["half"]["qwen2"] * vision.hidden + 2 * vision.intermediate)
    return projector + (0 if vision.frozen else vision.layers * block)


def _buffers(recipe: Recipe, ranks: int, size: int, parameters: Parameters) -> int:
    """Buckets of gradients on their way, and with ZeRO-3 the weights that are whole at a time."""
    zero = deepspeed_config(recipe, ranks)["zero_optimization"]
    if not recipe.train.zero_stage:
        return 0
    buckets = size * int(zero["reduce_bucket_size"]) * (2 if zero["overlap_comm"] else 1)
    if recipe.train.zero_stage < 3:
        return buckets
    return buckets + size * min(parameters.all, int(zero["stage3_max_live_parameters"]))


def describe_training(train: TrainRecipe) -> str:
    """How a recipe trains, in a few words."""
    what = f"LoRA of rank {train.lora.rank}" if train.lora.rank else "every weight"
    parts = [f"ZeRO-{train.zero_stage}", *(["offloaded"] if train.offload else []), train.precision, what]
    return ", ".join([*parts, *(["activations recomputed"] if train.gradient_checkpointing else [])])
