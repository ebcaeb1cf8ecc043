"""Qwen2.5-VL: its own window-attention tower, a 2 x 2 merge, and rotary positions of time, row and column.

Each frame is shown as Qwen2.5-VL is shown an image: alone in the tower (doubled, since a patch spans two frames), then
``<|vision_start|>`` patches ``<|vision_end|>``. Its video form would merge two frames into one, with two cameras.

Positions are Qwen2.5-VL's own for a row of images. A text token, the camera token too, is one step on in all three; a
frame's patches share their time, spread over rows and columns, and together take R steps. Every question starts where
the video ends, so questions behind one video are turned exactly as each would be alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from loc3r.model.backbones.base import Backbone, text_sizes, with_shared_video

MEAN, SPREAD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the pixels that the tower was trained on (CLIP's)."""
FRAMES_A_PATCH = 2
WINDOW_PX = 112
FULL_EVERY = 4
"""Full attention in the last block of each quarter of the tower; windows in the others."""


class Qwen25VL(Backbone):
    """``Qwen/Qwen2.5-VL-*-Instruct`` as published."""

    tower = "model.visual"
    published = "a Qwen2.5-VL"
    renames = (
        (r"^(model\.)?visual\.merger\.", "model.projector."),
        (r"^visual\.", "model.visual."),
        (r"^model\.(embed_tokens|layers|norm)\b", r"model.language_model.\1"),
    )

    def build(self) -> Any:
        """``Qwen2_5_VLForConditionalGeneration``, its merger apart: the tower would run it on what ``project`` gets."""
        from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

        text, tower = self._text(), self._tower()
        sizes = Qwen2_5_VLConfig(text_config=text, vision_config=tower, tie_word_embeddings=self.config.tied)
        vlm = Qwen2_5_VLForConditionalGeneration(sizes)
        vlm.model.projector, vlm.model.visual.merger = vlm.model.visual.merger, nn.Identity()
        return with_shared_video(vlm)

    def settle_tower(self, vlm: Any) -> None:
        if self.config.model.vision.frozen:
            vlm.model.visual.requires_grad_(False)
        if self.config.model.projector_frozen:
            vlm.model.projector.requires_grad_(False)

    def see(self, vlm: Any, frames: Tensor) -> Tensor:
        """The tower's features before its merger, in the grid's order."""
        data, merge = self.config.data, self.config.data.pool
        side, rows = data.frame_size_px // data.patch_px, data.tokens_a_side
        grid = torch.tensor([[1, side, side]] * len(frames), device=frames.device)
        # They come sorted by attention windows, the patches of a cell together.
        sorted_cells = vlm.model.visual(self._patches(frames), grid).last_hidden_state.unflatten(0, (-1, merge**2))
        order = _window_order(rows, WINDOW_PX // merge // data.patch_px, len(frames)).to(frames.device)
        cells = sorted_cells[order.argsort()].unflatten(1, (merge, merge)).unflatten(0, (len(frames), rows, rows))
        features: Tensor = cells.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return features

    def project(self, vlm: Any, features: Tensor) -> Tensor:
        tokens: Tensor = vlm.model.projector(self._cells(features).flatten(0, -2))
        side = self.config.data.tokens_a_side
        return tokens.reshape(len(features), side, side, -1)

    def rotary_positions(self, ids: Tensor, positions: Tensor, prefix: int) -> Tensor:
        data, video = self.config.data, self.config.model.video
        side = data.tokens_a_side
        saved = side * side - side
        patch = ids[:, :prefix] == self.config.tokens.image
        seen = patch.cumsum(1) - patch.long()  # patches before each token
        place = seen % side**2 * patch
        # A frame that has begun has saved nothing yet for its own patches: they count from where it began.
        start = positions[:, :prefix] - place - seen // side**2 * saved
        placed = torch.stack([start, start + place // side, start + place % side])
        asked = positions[:, prefix:] - video * data.frames * saved
        return torch.cat([placed, asked.expand(3, -1, -1)], 2)

    def _text(self) -> dict[str, Any]:
        sizes = text_sizes(self.config)
        quarter = sizes["hidden_size"] // sizes["num_attention_heads"] // 2 // 8
        sections = [2 * quarter, 3 * quarter, 3 * quarter]  # 16, 24, 24 of the 64 pairs of a head: time, row, column
        return sizes | {"rms_norm_eps": 1e-6, "rope_parameters": sizes["rope_parameters"] | {"mrope_section": sections}}

    def _tower(self) -> dict[str, Any]:
        vision, data = self.config.model.vision, self.config.data
        quarter = max(vision.layers // FULL_EVERY, 1)
        return {
            "hidden_size": vision.hidden,
            "intermediate_size": vision.intermediate,
            "depth": vision.layers,
            "num_heads": vision.heads,
            "out_hidden_size": self.config.model.language.hidden,
            "patch_size": data.patch_px,
            "spatial_merge_size": data.pool,
            "temporal_patch_size": FRAMES_A_PATCH,
            "window_size": WINDOW_PX,
            "fullatt_block_indexes": list(range(quarter - 1, vision.layers, quarter)),
        }

    def _patches(self, frames: Tensor) -> Tensor:
        """Frames (N, 3, S, S) in [-1, 1] as rows (N P P, 6 · patch²), the patches of a cell together."""
        mean, spread = (frames.new_tensor(values)[:, None, None] for values in (MEAN, SPREAD))
        data = self.config.data
        side, patch = data.frame_size_px // data.patch_px, data.patch_px
        pixels = ((frames / 2 + 0.5 - mean) / spread).unflatten(3, (side, patch)).unflatten(2, (side, patch))
        grid = pixels.permute(0, 2, 4, 1, 3, 5)[:, :, :, :, None].expand(-1, -1, -1, -1, FRAMES_A_PATCH, -1, -1)
        return self._cells(grid.flatten(3)).flatten(0, -2)

    def _cells(self, grid: Tensor) -> Tensor:
        """Rows of a grid (N, P, P, F) as (N, R, R, merge², F): the patches of each merged cell together."""
        merge = self.config.data.pool
        cells: Tensor = grid.unflatten(2, (-1, merge)).unflatten(1, (-1, merge))
        return cells.transpose(2, 3).flatten(3, 4)


def _window_order(cells: int, window: int, frames: int) -> Tensor:
    """Which cell of the frames' grids stands where, as the tower sorts them for its windows."""
    at = torch.arange(cells) // window
    order = (at[:, None] * cells + at).flatten().argsort(stable=True)
    return (order + torch.arange(frames)[:, None] * cells**2).flatten()
