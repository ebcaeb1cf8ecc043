"""Loc3R: a video language model that says where the speaker stands, where it looks, and the answer."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from loc3r.model.attention import packing_of
from loc3r.model.backbones import backbone_of
from loc3r.model.bare import bare_weights
from loc3r.model.batch import PADDING, UNSUPERVISED, VIDEO, Batch, put_together, take_apart, video_of
from loc3r.model.config import Loc3RConfig
from loc3r.model.egocentric import MEASURES, telling, told_words
from loc3r.model.heads import Gaussian, Heads

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NAMING_SCALE = 4.0
"""Sharpness of the naming logits: that of the toy in which dense grounding was found."""


@dataclass(frozen=True)
class Outputs:
    """What the losses need, each only where it is supervised or may be."""

    answer_logits: Tensor
    """(A, V) at the A supervised answer positions."""
    layout: Gaussian
    """(V, T, R, R, 2) every vision token's place."""
    position: Gaussian
    """(Q, 2)."""
    look_at: Gaussian
    """(Q, 2)."""
    heading_logits: Tensor
    """(Q, bins)."""
    naming_logits: Tensor | None
    """(P, C) of the vision tokens whose class is known."""
    mention: Gaussian | None
    """(M, 2) every object mention's place."""
    mention_front: Tensor | None = None
    """(M, 2) where every mentioned object faces."""
    patch_front: Tensor | None = None
    """(V, T, R, R, 2) where the object that each vision token shows faces."""
    pointing: Tensor | None = None
    """(M, P) logarithm of how much each mention attends to each of its video's P vision tokens."""
    pose_pointing: Tensor | None = None
    """(2, Q, N) logarithm of how much each <Pos> and each <Ori> attends to each of the N tokens of its row."""


class Loc3R(nn.Module):
    """A backbone with camera tokens and heads. ``config`` decides every size.

    Args:
        bare: the backbone gets no memory, since its weights come from files (``loc3r.model.bare``).
    """

    def __init__(self, config: Loc3RConfig, *, bare: bool = False) -> None:
        super().__init__()
        self.config = config
        self.backbone = backbone_of(config)
        with bare_weights() if bare else nullcontext():
            self.vlm = self.backbone.build()
        if config.model.fan_in_init:
            init_by_fan_in(self.vlm)
        width = config.model.language.hidden
        self.heads = Heads(
            width,
            prior_dim=config.model.prior_dim,
            hidden=config.model.head_hidden or width,
            activation=config.model.head_activation,
            bins=config.model.heading_bins,
            look_at=config.model.look_at,
            fronts=config.model.fronts,
            measures=0 if config.model.egocentric_layer is None else MEASURES,
            log_variance_limit=config.loss.log_variance_limit,
        )
        self.backbone.settle_tower(self.vlm)
        self.hide = nn.Dropout(config.model.vision.dropout)

    @property
    def language(self) -> Any:
        """The decoder: embeddings to states."""
        return self.vlm.model.language_model

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.heads.layout.weight.device

    def forward(self, batch: Batch) -> Outputs:
        """States of a packed batch, read by every head."""
        features = self.see(batch.pixels) if batch.features is None else batch.features
        embeddings = self.embed_prefix(batch.ids, features, batch.camera_tokens)
        model = self.config.model
        with telling(self, batch.pos_at, partial(told_words, batch)):
            states = self.language(
                inputs_embeds=embeddings,
                packing=packing_of(batch),
                position_ids=self._rotary_positions(batch),
                use_cache=False,
                output_hidden_states=bool(model.naming_layer or model.mention_layer or model.egocentric_layer),
            )
        last = states.last_hidden_state
        flat = self.pose_states(states).flatten(0, 1)
        position, look_at, heading_logits = self.heads.pose(flat[batch.pos_at], flat[batch.pos_at + 1])
        mentions = self._mentions(states.hidden_states, batch)
        return Outputs(
            answer_logits=self.vlm.lm_head(last[batch.labels != UNSUPERVISED]),
            layout=self.read_layout(last, batch.ids),
            position=position,
            look_at=look_at,
            heading_logits=heading_logits,
            naming_logits=self._name_patches(states.hidden_states, batch),
            mention=None if mentions is None else self.heads.place(mentions),
            mention_front=None if mentions is None else self.heads.face(mentions),
            patch_front=self._face_patches(states.hidden_states, batch),
            pointing=self._point(states.hidden_states, batch),
            pose_pointing=self._point_pose(states.hidden_states, batch),
        )

    def pose_states(self, states: Any) -> Tensor:
        """What <Pos> and <Ori> are read from, (B, N, d), of what the language model returned."""
        layer = self.config.model.egocentric_layer
        read: Tensor = states.last_hidden_state if layer is None else self.language.norm(states.hidden_states[layer])
        return read

    def _rotary_positions(self, batch: Batch) -> Tensor:
        if batch.apart is None:
            return self.backbone.rotary_positions(batch.ids, batch.positions, batch.prefix)
        rows, length = batch.ids.shape
        ids, positions = (take_apart(tokens, batch.apart) for tokens in (batch.ids, batch.positions))
        turned = self.backbone.rotary_positions(ids, positions, batch.prefix)
        together = [put_together(each, batch.apart, (rows, length)) for each in turned.reshape(-1, *ids.shape)]
        return together[0] if turned.ndim == ids.ndim else torch.stack(together)

    def see(self, pixels: Tensor) -> Tensor:
        """The vision tower's features (V, T, P, P, F) of pixels (V, T, 3, S, S): P patches a side, before its norm."""
        if not self.config.model.video:
            return pixels.new_zeros(len(pixels), 0)
        features = self.backbone.see(self.vlm, pixels.flatten(0, 1).to(self.language.embed_tokens.weight.dtype))
        batched: Tensor = features.unflatten(0, pixels.shape[:2])
        return batched

    def embed_prefix(self, ids: Tensor, features: Tensor, camera_tokens: Tensor) -> Tensor:
        """Embeddings (B, N, d) of ids (B, N) that hold V videos: features of ``see``, cameras (V, T, D)."""
        special = self.config.tokens
        embeddings: Tensor = self.language.embed_tokens(ids)
        if not self.config.model.video:
            return embeddings
        cameras = self.heads.camera(camera_tokens.to(self.heads.layout.weight.dtype)).to(embeddings.dtype)
        patches = self.project(features).to(embeddings.dtype)
        if self.config.model.share_camera:
            patches = patches + cameras[:, :, None, None]
        newline = self.backbone.newline(self.vlm)
        if newline is not None:
            embeddings = torch.where((ids == special.newline)[..., None], newline.to(embeddings.dtype), embeddings)
        embeddings = embeddings.masked_scatter((ids == special.cam)[..., None], cameras)
        return embeddings.masked_scatter((ids == special.image)[..., None], patches)

    def project(self, features: Tensor) -> Tensor:
        """Vision tokens (V, T, R, R, d) of features (V, T, P, P, F): projector, then pooling."""
        seen = self.hide(features.to(self.language.embed_tokens.weight.dtype))
        tokens: Tensor = self.backbone.project(self.vlm, seen.flatten(0, 1)).unflatten(0, features.shape[:2])
        return tokens

    def read_layout(self, last: Tensor, ids: Tensor) -> Gaussian:
        """Every vision token's place (V, T, R, R, 2) from final states (B, N, d)."""
        data = self.config.data
        frames = data.frames if self.config.model.video else 0
        shape = (-1 if frames else len(ids), frames, data.tokens_a_side, data.tokens_a_side, 2)
        place = self.heads.place(last[ids == self.config.tokens.image])
        return Gaussian(place.mean_m.view(shape), place.log_variance.view(shape))

    def _name_patches(self, states: tuple[Tensor, ...] | None, batch: Batch) -> Tensor | None:
        layer = self.config.model.naming_layer
        if states is None or not layer or not len(batch.class_name_ids):
            return None
        known = batch.patch_class.flatten() >= 0
        hidden: Tensor = self.language.norm(states[layer][batch.ids == self.config.tokens.image][known])
        return hidden @ self._class_bank(batch.class_name_ids).T * (NAMING_SCALE / math.sqrt(hidden.shape[-1]))

    def _class_bank(self, name_ids: Tensor) -> Tensor:
        there = (name_ids != PADDING)[..., None]
        words: Tensor = self.language.embed_tokens(name_ids.clamp(min=0)) * there
        return words.sum(1) / there.sum(1)

    def _mentions(self, states: tuple[Tensor, ...] | None, batch: Batch) -> Tensor | None:
        """States (M, d) of the mentions, as heads read them."""
        layer = self.config.model.mention_layer
        if states is None or not layer:
            return None
        hidden: Tensor = self.language.norm(states[layer].flatten(0, 1)[batch.mention_at])
        return hidden

    def _face_patches(self, states: tuple[Tensor, ...] | None, batch: Batch) -> Tensor | None:
        """Where the things that vision tokens show face (V, T, R, R, 2), in the states that mentions read."""
        layer = self.config.model.mention_layer
        if states is None or not layer:
            return None
        front = self.heads.face(self.language.norm(states[layer - 1][batch.ids == self.config.tokens.image]))
        return None if front is None else front.view(batch.patch_front.shape)

    def _point(self, states: tuple[Tensor, ...] | None, batch: Batch) -> Tensor | None:
        layer = self.config.model.mention_layer
        if states is None or not layer or not self.config.loss.pointing:
            return None
        attention = self._attention(layer - 1, states[layer - 1], batch.mention_at, batch)
        row, video = batch.mention_at // batch.ids.shape[1], batch.video
        own = video[row] == video.flatten()[batch.mention_at, None]
        patches = own & (batch.ids[row] == self.config.tokens.image)
        data = self.config.data  # how many tokens a video has must be said where there is no mention
        pointing: Tensor = attention[patches].view(len(attention), data.frames * data.tokens_a_side**2)
        return pointing

    def _point_pose(self, states: tuple[Tensor, ...] | None, batch: Batch) -> Tensor | None:
        layer = self.config.model.mention_layer
        if states is None or not layer or not self.config.loss.pose_pointing:
            return None
        both = torch.cat([batch.pos_at, batch.pos_at + 1])
        pointing: Tensor = self._attention(layer, states[layer], both, batch).unflatten(0, (2, -1))
        return pointing

    def _attention(self, index: int, states: Tensor, queries: Tensor, batch: Batch) -> Tensor:
        """Log attention (K, N) of the first head of a layer from K tokens of the batch, as the layer computes it."""
        from transformers.models.qwen3.modeling_qwen3 import apply_rotary_pos_emb

        block, (rows, length) = self.language.layers[index], batch.ids.shape
        hidden = block.input_layernorm(states)
        shape = (rows, length, -1, block.self_attn.head_dim)
        query = block.self_attn.q_norm(block.self_attn.q_proj(hidden).view(shape)[:, :, :1]).transpose(1, 2)
        key = block.self_attn.k_norm(block.self_attn.k_proj(hidden).view(shape)[:, :, :1]).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *self.language.rotary_emb(hidden, batch.positions))
        row, at = queries // length, queries % length
        logits = (key[row, 0] @ query[row, 0, at][..., None])[..., 0] * block.self_attn.scaling
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        owner, video = batch.owner[row], batch.video
        seen = (owner == VIDEO) & (video[row] == video[row, at, None]) | (owner == owner.gather(1, at[:, None]))
        seen &= torch.arange(length, device=at.device) <= at[:, None]
        attention: Tensor = logits.masked_fill(~seen, -torch.inf).log_softmax(-1)
        return attention

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
        """Write weights, config and tokenizer into ``folder``."""
        from loc3r.model.checkpoint import save_checkpoint

        save_checkpoint(self, tokenizer, folder)

    @classmethod
    def load(cls, folder: Path) -> Loc3R:
        """The model of a checkpoint folder, in float32 on the CPU.

        Raises:
            CheckpointError: a file is missing, or the weights don't fit the config.
        """
        from loc3r.model.checkpoint import load_checkpoint

        return load_checkpoint(folder)


def visible(owner: Tensor, queries: int | None = None) -> Tensor:
    """Which of N tokens each of the last ``queries`` (all, when None) may see: (B, 1, queries, N) bool.

    A token sees its video and its own question, up to itself: packed questions know nothing of each other.
    """
    order, video = torch.arange(owner.shape[1], device=owner.device), video_of(owner)
    first = 0 if queries is None else owner.shape[1] - queries
    own = (owner == VIDEO)[:, None, :] | (owner[:, first:, None] == owner[:, None, :])
    same = video[:, first:, None] == video[:, None, :]
    causal = order[None, :] <= order[first:, None]
    return (own & same & causal)[:, None]


def init_by_fan_in(vlm: nn.Module) -> None:
    """Matrices by fan-in, embeddings wide: at HF's 0.02, attention of a tiny model stays uniform for long."""
    for name, weight in vlm.named_parameters():
        if "embed_tokens" in name or "position_embedding" in name or "image_newline" in name:
            nn.init.normal_(weight, std=0.3)
        elif weight.ndim == 2:
            nn.init.normal_(weight, std=0.7 / math.sqrt(weight.shape[1]))
