"""What a training costs, from the products that its recipe asks for: an estimate to decide by, not a promise."""

from __future__ import annotations

from loc3r.recipe import Recipe

H100_FLOPS = 989e12
"""Dense bfloat16 products and sums a second of one H100 SXM (NVIDIA's data sheet)."""
UTILISATION = 0.35
"""Share of the peak that good video-language training reaches (benchmarks/README.md)."""
TOKENS_A_QUESTION = 80
"""Situation, question and answer, with the chat's own words."""


def gpu_hours(recipe: Recipe) -> float:
    """Hours of one H100 for the whole training: the backbone's products, forward and backward, at ``UTILISATION``."""
    train = recipe.train
    videos = train.last_step * train.scenes_per_step * (1 if train.packed else train.questions_per_scene)
    return videos * (_language_flops(recipe) + _vision_flops(recipe)) / (H100_FLOPS * UTILISATION) / 3600


def _language_flops(recipe: Recipe) -> float:
    """Of one video with its questions; the backward pass is two forward ones."""
    lm, data, train = recipe.model.language, recipe.data, recipe.train
    questions = train.questions_per_scene if train.packed else 1
    tokens = data.frames * (data.tokens_a_side**2 + 1) + questions * TOKENS_A_QUESTION
    keys = lm.hidden * lm.kv_heads / lm.heads
    weights = lm.layers * (2 * lm.hidden**2 + 2 * lm.hidden * keys + 3 * lm.hidden * lm.intermediate)
    attention = lm.layers * 2 * tokens * lm.hidden  # causal: half of the square
    return 3 * tokens * (2 * weights + attention)


def _vision_flops(recipe: Recipe) -> float:
    """Of one video's frames; a frozen tower has no backward pass. The small convolutional tower costs next to none."""
    vision, data = recipe.model.vision, recipe.data
    if vision.kind != "siglip":
        return 0.0
    patches = (data.frame_size_px // data.patch_px) ** 2
    weights = vision.layers * (4 * vision.hidden**2 + 2 * vision.hidden * vision.intermediate)
    attention = vision.layers * 4 * patches * vision.hidden
    return data.frames * patches * (2 * weights + attention) * (1 if vision.frozen else 3)
