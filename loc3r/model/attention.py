"""Attention of many questions to one video: exact, without the work of a full mask.

A row is a video and then its questions, back to back, and perhaps further videos with theirs. A full N x N mask
would spend two thirds of the work and more on pairs that can't see each other. On a GPU FlexAttention passes over the
blocks that nobody sees. Elsewhere, and on GPUs older than its kernels (V100, T4), each video is given a row of its own
and attends to itself causally, and the questions are cut into chunks no shorter than the longest question: a token's
question then lies in its own chunk and the one before, so each chunk attends to the video and to two chunks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from loc3r.model.batch import PADDING, VIDEO, Batch, put_together, take_apart, video_of

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

NAME = "shared_video"
"""How the attention is registered with transformers."""
FLEX_SINCE = (8, 0)
"""Compute capability from which FlexAttention works: on Turing it does not compile, on Volta it is slower than plain
products (pytorch/pytorch 164813, meta-pytorch/attention-gym 21)."""


@dataclass(frozen=True)
class Packing:
    """Where the video ends, and who sees whom behind it."""

    prefix: int
    """Tokens of the video."""
    length: int
    """Tokens of the questions of the longest row."""
    chunk: int
    """Tokens of a chunk, at least those of the longest question."""
    mask: Tensor
    """(V, 1, C, chunk, 2 chunk) bool: what each token of each of the C chunks sees of it and of the one before."""
    apart: Tensor | None = None
    """``Batch.apart``."""

    @classmethod
    def of(cls, owner: Tensor, prefix: int, chunk: int, apart: Tensor | None = None) -> Packing:
        """The packing of rows of tokens whose owners are (B, N); ``chunk`` is the longest question's length."""
        if apart is not None:
            owner = take_apart(owner, apart, PADDING)
        length = owner.shape[1] - prefix
        here = F.pad(owner[:, prefix:], (0, -length % chunk), value=PADDING).unflatten(1, (-1, chunk))
        keys = torch.cat([F.pad(here, (0, 0, 1, -1), value=PADDING), here], -1)
        order = torch.arange(2 * chunk, device=owner.device)
        mask = (here[..., None] == keys[..., None, :]) & (order <= order[:chunk, None] + chunk)
        return cls(prefix, length, chunk, mask[:, None], apart)

    def bias(self, dtype: torch.dtype) -> Tensor:
        """The mask as what is added to scores: nothing, or minus infinity."""
        return torch.zeros(self.mask.shape, dtype=dtype, device=self.mask.device).masked_fill(~self.mask, -torch.inf)


def packing_of(batch: Batch) -> Packing | BlockMask:
    """Who sees whom in a batch, in the form that its device computes fastest."""
    if has_flex_attention(batch.owner.device):
        return block_mask(batch.owner)
    return Packing.of(batch.owner, batch.prefix, batch.longest, batch.apart)


def has_flex_attention(device: torch.device) -> bool:
    """Whether FlexAttention is the way to go there."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= FLEX_SINCE


def block_mask(owner: Tensor) -> BlockMask:
    """FlexAttention's mask of rows of tokens whose owners are (B, N): the own video, the own question, the past."""
    from torch.nn.attention.flex_attention import create_block_mask

    video, (rows, length) = video_of(owner), owner.shape

    def sees(row: Tensor, _: Tensor, query: Tensor, key: Tensor) -> Tensor:
        own = (owner[row, key] == VIDEO) | (owner[row, key] == owner[row, query])
        return own & (video[row, key] == video[row, query]) & (key <= query)

    return create_block_mask(sees, rows, None, length, length, device=str(owner.device))


def shared_video_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packing: Packing | BlockMask | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention (B, N, H, D) of packed rows, query (B, H, N, D); without a packing it is transformers' SDPA."""
    from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

    if packing is None:
        output: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return output
    groups = query.shape[1] // key.shape[1]
    query, key = (query * options["scaling"]).to(value.dtype), key.to(value.dtype)  # rotated in float32 by autocast
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    if not isinstance(packing, Packing):
        return _flex_attention()(query, key, value, block_mask=packing, scale=1.0).transpose(1, 2), None
    if packing.apart is None:
        return _chunked(query, key, value, packing), None
    shape, apart = (len(query), query.shape[2]), packing.apart
    query, key, value = (take_apart(x.transpose(1, 2), apart).transpose(1, 2) for x in (query, key, value))
    return put_together(_chunked(query, key, value, packing), apart, shape), None


@cache
def _flex_attention() -> Any:
    """Compiled once: as it stands it would compute every score."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)


def _chunked(query: Tensor, key: Tensor, value: Tensor, packing: Packing) -> Tensor:
    """Attention (V, L, H, D) of rows of one video each, scaled query (V, H, L, D)."""
    parts = [packing.prefix, query.shape[2] - packing.prefix]
    (video_query, query), (video_key, key), (video_value, value) = (
        states.split(parts, 2) for states in (query, key, value)
    )
    with torch.autocast(query.device.type, enabled=False):  # softmax adds up in float32 by itself
        video = _attend_past(video_query, video_key, video_value)
        questions = _attend(query, key, value, video_key, video_value, packing)
    return torch.cat([video, questions], 2).transpose(1, 2)


def _attend_past(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Causal attention (B, H, N, D). Its scores are kept on a CPU, whose fused attention takes half as long again."""
    if query.is_cuda:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
    future = torch.full((query.shape[2],) * 2, -torch.inf, dtype=query.dtype, device=query.device).triu(1)
    return (query @ key.transpose(-1, -2) + future).softmax(-1) @ value


def _attend(
    query: Tensor, key: Tensor, value: Tensor, video_key: Tensor, video_value: Tensor, packing: Packing
) -> Tensor:
    """Attention (B, H, S, D) of the questions' S scaled queries to the video and to their own chunks.

    The scores are kept: PyTorch's fused attention on the CPU goes back through them at half of this speed, and it
    needs a copy of the video's keys and values for every chunk.
    """
    query, key, value = (_cut(states, packing.chunk) for states in (query, key, value))
    own = query @ _with_before(key).transpose(-1, -2) + packing.bias(query.dtype)
    video = (query.flatten(2, 3) @ video_key.transpose(-1, -2)).unflatten(2, query.shape[2:4])
    share = torch.cat([video, own], -1).softmax(-1)
    of_video, of_own = share.split([packing.prefix, 2 * packing.chunk], -1)
    seen: Tensor = of_video.flatten(2, 3) @ video_value + (of_own @ _with_before(value)).flatten(2, 3)
    return seen[:, :, : packing.length]


def register() -> None:
    """Make the attention known to transformers; calling it again changes nothing."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, shared_video_attention)


def _cut(tokens: Tensor, chunk: int) -> Tensor:
    """(B, H, S, D) into (B, H, C, chunk, D), filled up with zeros at the end."""
    missing = -tokens.shape[2] % chunk
    cut: Tensor = F.pad(tokens, (0, 0, 0, missing)).unflatten(2, (-1, chunk))
    return cut


def _with_before(chunks: Tensor) -> Tensor:
    """Each of (B, H, C, chunk, D) behind the one before it: (B, H, C, 2 chunk, D)."""
    return torch.cat([F.pad(chunks, (0, 0, 0, 0, 1, -1)), chunks], 3)
