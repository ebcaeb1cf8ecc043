"""Attention of many questions to one video: exact, without the work of a full mask.

A row is the video and then its questions, back to back. A full N x N mask would spend two thirds of the work on
pairs that can't see each other. Here the video attends to itself causally, and the questions are cut into
chunks no shorter than the longest question: a token's question then lies in its own chunk and the one before,
so each chunk attends to the video and to two chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loc3r.model.batch import PADDING

NAME = "shared_video"
"""How the attention is registered with transformers."""


@dataclass(frozen=True)
class Packing:
    """Where the video ends, and who sees whom behind it."""

    prefix: int
    """Tokens of the video."""
    chunk: int
    """Tokens of a chunk, at least those of the longest question."""
    mask: Tensor
    """(B·C, 1, chunk, prefix + 2 chunk) bool: what each token of each of the C chunks sees."""

    @classmethod
    def of(cls, owner: Tensor, prefix: int, chunk: int) -> Packing:
        """The packing of rows of tokens whose owners are (B, N); ``chunk`` is the longest question's length."""
        here = _cut(owner[:, prefix:, None], chunk, PADDING)[..., 0]
        keys = torch.cat([_before(here, PADDING), here], -1)
        order = torch.arange(2 * chunk, device=owner.device)
        mask = (here[..., None] == keys[..., None, :]) & (order <= order[:chunk, None] + chunk)
        return cls(prefix, chunk, F.pad(mask, (prefix, 0), value=True).flatten(0, 1)[:, None])


def shared_video_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packing: Packing | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention (B, N, H, D) of packed rows, query (B, H, N, D); without a packing it is transformers' SDPA."""
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    if packing is None:
        output: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return output
    groups, scale = query.shape[1] // key.shape[1], options["scaling"]
    parts = [packing.prefix, query.shape[2] - packing.prefix]
    (video_query, query), (video_key, key), (video_value, value) = (
        states.split(parts, 2) for states in (query, repeat_kv(key, groups), repeat_kv(value, groups))
    )
    video = F.scaled_dot_product_attention(video_query, video_key, video_value, is_causal=True, scale=scale)
    questions = F.scaled_dot_product_attention(
        _cut(query.transpose(1, 2), packing.chunk).flatten(0, 1).transpose(1, 2),
        _with_video(video_key, key, packing.chunk),
        _with_video(video_value, value, packing.chunk),
        attn_mask=packing.mask,
        scale=scale,
    )
    after = questions.transpose(1, 2).unflatten(0, (len(query), -1)).flatten(1, 2)[:, : parts[1]]
    return torch.cat([video.transpose(1, 2), after], 1), None


def register() -> None:
    """Make the attention known to transformers; calling it again changes nothing."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, shared_video_attention)


def _with_video(video: Tensor, states: Tensor, chunk: int) -> Tensor:
    """Keys or values of the video (B, H, P, D) and behind it, as each chunk sees them: (B·C, H, P + 2 chunk, D)."""
    here = _cut(states.transpose(1, 2), chunk)
    shared = video[:, None].transpose(2, 3).expand(-1, here.shape[1], -1, -1, -1)
    return torch.cat([shared, _before(here, 0), here], 2).flatten(0, 1).transpose(1, 2)


def _cut(tokens: Tensor, chunk: int, fill: int = 0) -> Tensor:
    """(B, N, …) into (B, C, chunk, …), filled up at the end."""
    missing = -tokens.shape[1] % chunk
    cut: Tensor = F.pad(tokens, (0, 0) * (tokens.ndim - 2) + (0, missing), value=fill).unflatten(1, (-1, chunk))
    return cut


def _before(chunks: Tensor, fill: int) -> Tensor:
    """The chunk before each of (B, C, …); the first one has ``fill`` before it."""
    return F.pad(chunks, (0, 0) * (chunks.ndim - 2) + (1, 0), value=fill)[:, :-1]
