"""Transformer parts of CUT3R: rotary attention over places on a grid, and the two kinds of block.

Parameter names are the original checkpoint's. A place is a (row, column); where places are None nothing turns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROTARY_BASE = 100.0
NORM_EPS = 1e-6
MLP_RATIO = 4


def grid_places(count: int, columns: int, device: torch.device) -> Tensor:
    """Row and column (N, 2) of the first ``count`` cells of a grid, row by row."""
    cells = torch.arange(count, device=device)
    return torch.stack([cells // columns, cells % columns], -1)


def rotate(tokens: Tensor, places: Tensor) -> Tensor:
    """Rotary embedding in two dimensions, from the coordinates themselves: any place will do, also a negative one.

    The first half of a head's width turns with the row, the second with the column; within a half, channel i turns
    together with channel i + width / 4.

    Args:
        tokens: queries or keys (B, heads, N, width).
        places: row and column (N, 2) of each token.
    """
    quarter = tokens.shape[-1] // 4
    exponents = torch.arange(quarter, device=tokens.device, dtype=torch.float32) / quarter
    angles = places[..., None] * (1 / ROTARY_BASE**exponents)  # (N, 2, quarter)
    cos, sin = angles.cos(), angles.sin()
    first, second = tokens.float().unflatten(-1, (2, 2, quarter)).unbind(-2)
    turned = torch.stack([first * cos - second * sin, second * cos + first * sin], -2)
    return turned.flatten(-3).to(tokens.dtype)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(B, N, C) to (B, heads, N, C / heads)."""
    return tokens.view(*tokens.shape[:2], heads, -1).transpose(1, 2)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of split heads, and the heads joined again: (B, N, C)."""
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Attention of tokens to each other."""

    def __init__(self, width: int, heads: int, *, half_rotary: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.half_rotary = half_rotary
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, at: Tensor | None) -> Tensor:
        """Tokens (B, N, C) at places (N, 2)."""
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(tokens).chunk(3, -1))
        if at is not None:
            query, key = self._turn(query, at), self._turn(key, at)
        out: Tensor = self.proj(attend(query, key, value))
        return out

    def _turn(self, tokens: Tensor, at: Tensor) -> Tensor:
        """The original's encoder, but not its decoder, rounds to half precision around the rotation; so do we."""
        return rotate(tokens.half(), at).to(tokens.dtype) if self.half_rotary else rotate(tokens, at)


class CrossAttention(nn.Module):
    """Attention of tokens to the other stream."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.projq = nn.Linear(width, width)
        self.projk = nn.Linear(width, width)
        self.projv = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: Tensor, at: Tensor | None, others_at: Tensor | None) -> Tensor:
        """Tokens (B, N, C) read others (B, M, C)."""
        query, key = split_heads(self.projq(tokens), self.heads), split_heads(self.projk(others), self.heads)
        if at is not None and others_at is not None:
            query, key = rotate(query, at), rotate(key, others_at)
        out: Tensor = self.proj(attend(query, key, split_heads(self.projv(others), self.heads)))
        return out


class Mlp(nn.Module):
    """Two layers with an exact GELU between."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, C)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class EncoderBlock(nn.Module):
    """Pre-norm self-attention and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, NORM_EPS)
        self.attn = SelfAttention(width, heads, half_rotary=True)
        self.norm2 = nn.LayerNorm(width, NORM_EPS)
        self.mlp = Mlp(width)

    def forward(self, tokens: Tensor, at: Tensor) -> Tensor:
        """Tokens (B, N, C) at places (N, 2)."""
        tokens = tokens + self.attn(self.norm1(tokens), at)
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class DecoderBlock(nn.Module):
    """Pre-norm self-attention, attention to the other stream, MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, NORM_EPS)
        self.attn = SelfAttention(width, heads)
        self.norm2 = nn.LayerNorm(width, NORM_EPS)
        self.norm_y = nn.LayerNorm(width, NORM_EPS)
        self.cross_attn = CrossAttention(width, heads)
        self.norm3 = nn.LayerNorm(width, NORM_EPS)
        self.mlp = Mlp(width)

    def forward(
        self, tokens: Tensor, others: Tensor, at: Tensor | None = None, others_at: Tensor | None = None
    ) -> Tensor:
        """Tokens (B, N, C) at ``at`` read others (B, M, C) at ``others_at``."""
        tokens = tokens + self.attn(self.norm1(tokens), at)
        tokens = tokens + self.cross_attn(self.norm2(tokens), self.norm_y(others), at, others_at)
        out: Tensor = tokens + self.mlp(self.norm3(tokens))
        return out
