"""Floating-point operations of training, counted from the sizes: what MFU is measured by.

A multiplication and an addition are two operations. Only what the model needs is counted: pairs of tokens that see
each other, words at supervised answers, no padding, nothing computed twice for want of memory. The backward pass of
what is trained costs twice the forward pass. Dense grounding's own terms, norms and softmaxes (under a hundredth) are
left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loc3r.model.config import Loc3RConfig
from loc3r.recipe_sections import DataRecipe, LanguageRecipe, VisionRecipe

if TYPE_CHECKING:
    from loc3r.model.batch import Batch

PEAK_TFLOPS = {
    "B200": 2250, "H200": 989, "H100 NVL": 835, "H100 PCIe": 756, "H100": 989, "H800": 989, "A100": 312, "A800": 312,
    "L40S": 362, "L40": 181, "L4": 121, "A40": 150, "A10G": 70, "A10": 125, "RTX 6000 Ada": 364, "RTX A6000": 155,
    "RTX 4090": 165, "RTX 3090": 71, "V100": 125, "T4": 65, "MI300X": 1307,
}  # fmt: skip
"""16-bit matrix products without sparsity, as the makers' data sheets state them; the first name that fits counts."""


@dataclass(frozen=True)
class Work:
    """What a batch asks of the model."""

    videos: int
    encoded: int
    """Videos that the vision tower sees: those whose features were kept it does not."""
    questions: int
    tokens: int
    """Without padding."""
    pairs: int
    """Tokens that see each other: what one head of one layer computes."""
    answers: int
    """Tokens that are read out as words."""

    @classmethod
    def of(cls, batch: Batch) -> Work:
        """The work of a batch, from its tokens."""
        from loc3r.model.batch import PADDING, UNSUPERVISED

        there = batch.owner != PADDING
        videos = len(batch.pixels)
        return cls(
            videos=videos,
            encoded=0 if batch.features is not None else videos,
            questions=len(batch.pos_at),
            tokens=int(there.sum()),
            # A token at position p sees the p tokens before it and itself, packed or not.
            pairs=int((batch.positions + 1)[there].sum()),
            answers=int((batch.labels != UNSUPERVISED).sum()),
        )


def training_flops(config: Loc3RConfig, work: Work, *, language_trained: bool = True) -> float:
    """Operations of a forward and backward pass.

    Without ``language_trained`` the language model's matrices are frozen (LoRA): gradients pass through them, and
    none is made for them.
    """
    passes = 3 if language_trained else 2
    tower = 1 if config.model.vision.frozen else 3
    return (
        tower * tower_flops(config, work.encoded)
        + 3 * _adapter_flops(config, work.videos)
        + passes * _matrix_flops(config, work)
        + 3 * _attention_flops(config.model.language, work.pairs)
        + 3 * _head_flops(config, work)
    )


def tower_flops(config: Loc3RConfig, videos: int) -> float:
    """Operations of the vision tower's forward pass over so many videos."""
    data, vision = config.data, config.model.vision
    counts = {"siglip": _siglip_multiply_adds, "lite0": _lite0_multiply_adds, "qwen2.5-vl": _qwen25_multiply_adds}
    return 2.0 * _frames(config) * videos * counts[vision.kind](data, vision)


def _siglip_multiply_adds(data: DataRecipe, vision: VisionRecipe) -> int:
    patches, width = _patches(data), vision.hidden
    block = 4 * width**2 + 2 * width * vision.intermediate + 2 * patches * width
    return patches * (3 * data.patch_px**2 * width + vision.layers * block)


def _qwen25_multiply_adds(data: DataRecipe, vision: VisionRecipe) -> int:
    """Each frame is seen twice in its patches; most blocks attend within windows."""
    from loc3r.model.backbones.qwen25_vl import FRAMES_A_PATCH, FULL_EVERY, WINDOW_PX

    patches, width, layers = _patches(data), vision.hidden, vision.layers
    quarter = max(layers // FULL_EVERY, 1)
    full = len(range(quarter - 1, layers, quarter))
    seen = full * patches + (layers - full) * min((WINDOW_PX // data.patch_px) ** 2, patches)
    matrices = layers * (4 * width**2 + 3 * width * vision.intermediate)
    return patches * (FRAMES_A_PATCH * 3 * data.patch_px**2 * width + matrices + 2 * seen * width)


def _lite0_multiply_adds(data: DataRecipe, _: VisionRecipe) -> int:
    from loc3r.model.tower import STAGES

    side, inputs = data.frame_size_px // 2, 32
    total = side**2 * 3 * inputs * 3**2  # the stem
    for expansion, kernel, stride, blocks, channels in STAGES:
        for block in range(blocks):
            wide = inputs * expansion
            total += side**2 * inputs * wide * (expansion > 1)
            side //= stride if block == 0 else 1
            total += side**2 * wide * (kernel**2 + channels)
            inputs = channels
    return total


def _lite0_features() -> int:
    from loc3r.model.tower import FEATURES

    return FEATURES


def _adapter_flops(config: Loc3RConfig, videos: int) -> float:
    """The projector and the camera tokens' two layers."""
    data, vision, width = config.data, config.model.vision, config.model.language.hidden
    if vision.kind == "qwen2.5-vl":
        merged = data.pool**2 * vision.hidden
        projector = data.tokens_a_side**2 * (merged**2 + merged * width)
    else:
        features = _lite0_features() if vision.kind == "lite0" else vision.hidden
        projector = _patches(data) * (features * width + width**2)
    return 2.0 * videos * _frames(config) * (projector + config.model.prior_dim * width + width**2)


def _matrix_flops(config: Loc3RConfig, work: Work) -> float:
    """The language model's matrices on every token, and its words at the answers."""
    language = config.model.language
    return 2.0 * (
        work.tokens * language.layers * layer_weights(language) + work.answers * language.hidden * language.vocabulary
    )


def layer_weights(language: LanguageRecipe) -> int:
    """Weights in the matrices of one layer: query, key, value and output; gate, up and down."""
    width = language.hidden
    keys = width * language.kv_heads // language.heads
    return 2 * width * (width + keys) + 3 * width * language.intermediate


def _attention_flops(language: LanguageRecipe, pairs: int) -> float:
    return 4.0 * language.layers * language.hidden * pairs


def _head_flops(config: Loc3RConfig, work: Work) -> float:
    model, side = config.model, config.data.tokens_a_side
    width = model.language.hidden
    hidden = model.head_hidden or width
    layout = work.videos * _frames(config) * side**2 * 4 * width
    position = width * hidden + hidden * 4
    heading = (width + 4 * model.look_at) * hidden + hidden * model.heading_bins
    return 2.0 * (layout + work.questions * (position + heading + 4 * width))


def _patches(data: DataRecipe) -> int:
    return (data.frame_size_px // data.patch_px) ** 2


def _frames(config: Loc3RConfig) -> int:
    return config.data.frames if config.model.video else 0
