"""LLaVA-Video and LLaVA-OneVision: SigLIP, a two-layer projector, Qwen2. Also the small models from scratch.

All three are ``LlavaOnevisionForConditionalGeneration``. Two of its habits are not LLaVA-Video's: it appends one
newline to a whole video, and some ways through it norm the features. So frames take the way below: SigLIP's last
kept block before its norm, projector, then bilinear pooling (27 x 27 to 14 x 14); the processor places newlines.
"""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from loc3r.model.backbones.base import Backbone, text_sizes, with_shared_video
from loc3r.model.config import Loc3RConfig
from loc3r.model.tower import FEATURES, Lite0

UNUSED = re.compile(r"^model\.vision_tower\.(head\.|encoder\.layers\.(\d+)\.)")
"""SigLIP's pooling head and its last block: published, but features are taken before them."""


class Llava(Backbone):
    """``lmms-lab``'s checkpoints in their original layout, and ``llava-hf``'s conversions."""

    tower = "model.vision_tower"
    published = "LLaVA-Video-7B-Qwen2 or a LLaVA-OneVision of Qwen2"
    renames = (
        (r"^model\.vision_tower\.vision_tower\.(vision_model\.)?", "model.vision_tower."),
        (r"^model\.mm_projector\.0\.", "model.multi_modal_projector.linear_1."),
        (r"^model\.mm_projector\.2\.", "model.multi_modal_projector.linear_2."),
        (r"^model\.(embed_tokens|layers|norm)\b", r"model.language_model.\1"),
        # llava-hf's, before and after transformers 4.52
        (r"^model\.vision_tower\.vision_model\.", "model.vision_tower."),
        (r"^vision_tower\.(vision_model\.)?", "model.vision_tower."),
        (r"^(multi_modal_projector|image_newline)\b", r"model.\1"),
        (r"^language_model\.model\.", "model.language_model."),
        (r"^language_model\.lm_head\.", "lm_head."),
    )

    def build(self) -> Any:
        """``LlavaOnevisionForConditionalGeneration``."""
        from transformers import LlavaOnevisionForConditionalGeneration

        return with_shared_video(LlavaOnevisionForConditionalGeneration(llava_config(self.config)))

    def settle_tower(self, vlm: Any) -> None:
        """Lite0 takes SigLIP's place with its own weights, always frozen."""
        vision = self.config.model.vision
        if vision.kind == "lite0":
            vlm.model.vision_tower = Lite0.pretrained()
        else:
            # Features are taken before this norm: training it would only break DDP.
            vlm.model.vision_tower.post_layernorm.requires_grad_(False)
        if vision.frozen:
            vlm.model.vision_tower.requires_grad_(False)
        if self.config.model.projector_frozen:
            vlm.model.multi_modal_projector.requires_grad_(False)

    def see(self, vlm: Any, frames: Tensor) -> Tensor:
        tower = vlm.model.vision_tower
        if self.config.model.vision.kind == "lite0":
            features: Tensor = tower(frames)
            return features
        side = self.config.data.frame_size_px // self.config.data.patch_px
        states: Tensor = tower.encoder(inputs_embeds=tower.embeddings(frames)).last_hidden_state
        return states.reshape(len(frames), side, side, -1)

    def project(self, vlm: Any, features: Tensor) -> Tensor:
        projected: Tensor = vlm.model.multi_modal_projector(features)
        side = self.config.data.tokens_a_side
        if projected.shape[1] == side:
            return projected
        return F.interpolate(projected.permute(0, 3, 1, 2), size=(side, side), mode="bilinear").permute(0, 2, 3, 1)

    def newline(self, vlm: Any) -> Tensor | None:
        newline: Tensor = vlm.model.image_newline
        return newline

    def unused(self, name: str) -> bool:
        match = UNUSED.match(name)
        return match is not None and (match[2] is None or int(match[2]) >= self.config.model.vision.layers)


def llava_config(config: Loc3RConfig) -> Any:
    """The ``LlavaOnevisionConfig`` of these sizes (LLaVA-Video-7B has its tower, projector and language model)."""
    from transformers import LlavaOnevisionConfig, Qwen2Config, Qwen3Config, SiglipVisionConfig

    vision, language, text = config.model.vision, config.model.language, text_sizes(config)
    if language.kind == "qwen3":
        text["head_dim"] = language.hidden // language.heads
    if vision.kind == "lite0":
        # Only the width matters: the projector's. The SigLIP of no layers is replaced by the tower.
        vision = vision.model_copy(update={"hidden": FEATURES, "layers": 0, "intermediate": 1, "heads": 1})
    return LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=vision.hidden,
            intermediate_size=vision.intermediate,
            num_hidden_layers=vision.layers,
            num_attention_heads=vision.heads,
            image_size=config.data.frame_size_px,
            patch_size=config.data.patch_px,
            vision_use_head=False,
        ),
        text_config=(Qwen3Config if language.kind == "qwen3" else Qwen2Config)(**text),
        image_token_id=config.tokens.image,
        tie_word_embeddings=config.tied,
    )
