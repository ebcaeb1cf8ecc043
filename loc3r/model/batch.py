"""What the model eats: rows of videos, each with its questions packed behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

VIDEO = 0
"""Owner of the prefix; a row's questions own tokens by 1, 2, …"""
PADDING = -1
UNSUPERVISED = -100
NEAR_M = 1.5
"""A token this near to an object's centre that bears its name shows that object, not another of its kind."""


@dataclass(frozen=True)
class Packed:
    """One video and its questions, unpadded (N tokens, Q questions, M mentions). NaN marks an unknown target."""

    pixels: Tensor
    """(T, 3, S, S) float in [-1, 1]."""
    camera_tokens: Tensor
    """(T, D)."""
    ids: Tensor
    """(N,) token ids: the video's, then each question's."""
    owner: Tensor
    """(N,) ``VIDEO``, or 1 + the question that the token belongs to."""
    positions: Tensor
    """(N,) each question counts on from the video's end."""
    labels: Tensor
    """(N,) the token that comes next where an answer is supervised, else ``UNSUPERVISED``."""
    pos_at: Tensor
    """(Q,) where each ``<Pos>`` is, or would be; ``<Ori>`` is the next token."""
    position_m: Tensor
    """(Q, 2) the speaker's place in the bird's-eye frame."""
    heading_rad: Tensor
    """(Q,)."""
    look_at_m: Tensor
    """(Q, 2) the place that the speaker looks at."""
    mention_at: Tensor
    """(M,) last token of each object mention."""
    mention_m: Tensor
    """(M, 2) where that object is."""
    mention_class: Tensor
    """(M,) index of that object's name among the class names; -1 unknown."""
    mention_front: Tensor
    """(M, 2) unit vector of where that object's front faces."""
    patch_xy_m: Tensor
    """(T, R, R, 2)."""
    patch_valid: Tensor
    """(T, R, R) bool."""
    patch_class: Tensor
    """(T, R, R) index into the class names; -1 unknown."""
    patch_front: Tensor
    """(T, R, R, 2) unit vector of where the object that a token shows faces; NaN unknown, or nothing reads it."""


@dataclass(frozen=True)
class Batch:
    """B rows with V videos; the fields of ``Packed`` with an axis for rows (tokens) or videos (all else).

    Indices are into the flattened (B·N) tokens. A row's questions are counted on from video to video.
    """

    pixels: Tensor
    camera_tokens: Tensor
    ids: Tensor
    owner: Tensor
    positions: Tensor
    labels: Tensor
    pos_at: Tensor
    position_m: Tensor
    heading_rad: Tensor
    look_at_m: Tensor
    mention_at: Tensor
    mention_m: Tensor
    mention_class: Tensor
    mention_front: Tensor
    patch_xy_m: Tensor
    patch_valid: Tensor
    patch_class: Tensor
    patch_front: Tensor
    questions: Tensor
    """(V,) how many questions each video answers for: the weight of the terms of its vision tokens."""
    class_name_ids: Tensor
    """(C, L) tokens of the class names, ``PADDING`` at the end."""
    prefix: int
    """Tokens of a video."""
    longest: int
    """Tokens of the longest question, its answer included."""
    apart: Tensor | None = None
    """(V, L) where each video's tokens and those behind it are, filled up with B·N; None: each row holds one video."""
    features: Tensor | None = None
    """(V, T, P, P, F) what a frozen vision tower sees in ``pixels``, where it was kept."""

    @property
    def video(self) -> Tensor:
        """(B, N) which of the V videos each token belongs to; meaningless for padding."""
        return video_of(self.owner)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; from pinned memory without waiting for the copy."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=tensor.is_pinned()))

    def pinned(self) -> Batch:
        """The same batch in memory that a GPU can copy from while it computes."""
        return self._each(Tensor.pin_memory)

    def used_by(self, stream: torch.cuda.Stream) -> Batch:
        """The same batch, whose memory is not given away before ``stream`` is done with it."""
        for value in vars(self).values():
            if isinstance(value, Tensor):
                value.record_stream(stream)
        return self

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        changed: dict[str, Any] = {n: change(v) for n, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **changed)


def collate(rows: Sequence[Sequence[Packed]], class_name_ids: Tensor, pad_id: int) -> Batch:
    """Rows of one or several videos of equal length, padded on the right to the longest row."""
    packed = [one for row in rows for one in row]
    lengths = [[len(one.ids) for one in row] for row in rows]
    length = max(map(sum, lengths))
    starts = [row * length + sum(own[:i]) for row, own in enumerate(lengths) for i in range(len(own))]

    def stack(name: str) -> Tensor:
        return torch.stack([getattr(one, name) for one in packed])

    def pad(parts: Sequence[Sequence[Tensor]], value: int) -> Tensor:
        joined = [torch.cat(list(row)) for row in parts]
        return torch.stack([F.pad(row, (0, length - len(row)), value=value) for row in joined])

    def tokens(name: str, value: int) -> Tensor:
        return pad([[getattr(one, name) for one in row] for row in rows], value)

    def join(name: str) -> Tensor:
        return torch.cat([getattr(one, name) for one in packed])

    def index(name: str) -> Tensor:
        return torch.cat([getattr(one, name) + start for one, start in zip(packed, starts, strict=True)])

    stacked = ("pixels", "camera_tokens", "patch_xy_m", "patch_valid", "patch_class", "patch_front")
    joined = ("position_m", "heading_rad", "look_at_m", "mention_m", "mention_class", "mention_front")
    tensors: dict[str, Any] = {name: stack(name) for name in stacked} | {name: join(name) for name in joined}
    return Batch(
        ids=tokens("ids", pad_id),
        owner=pad([_counted_on(row) for row in rows], PADDING),
        positions=tokens("positions", 0),
        labels=tokens("labels", UNSUPERVISED),
        pos_at=index("pos_at"),
        mention_at=index("mention_at"),
        questions=torch.tensor([len(one.pos_at) for one in packed]),
        class_name_ids=class_name_ids,
        prefix=int((packed[0].owner == VIDEO).sum()),
        longest=max(int(one.owner.bincount()[VIDEO + 1 :].max()) for one in packed),
        apart=None if len(packed) == len(rows) else _places(packed, starts, fill=len(rows) * length),
        **tensors,
    )


def video_of(owner: Tensor) -> Tensor:
    """Which video each token (B, N) belongs to, over all rows: a video begins where ``VIDEO`` does."""
    mine = owner == VIDEO
    begins = mine & ~F.pad(mine[:, :-1], (1, 0))
    return begins.flatten().cumsum(0).view_as(owner) - 1


def take_apart(tokens: Tensor, apart: Tensor, fill: int = 0) -> Tensor:
    """Values of tokens (B, N, …) as a row for each video (V, L, …), filled up at the end."""
    flat = tokens.flatten(0, 1)
    return torch.cat([flat, flat.new_full((1, *flat.shape[1:]), fill)])[apart]


def put_together(videos: Tensor, apart: Tensor, shape: tuple[int, int]) -> Tensor:
    """What ``take_apart`` took apart: (V, L, …) as rows of shape (B, N, …); padding gets zeros."""
    flat = videos.flatten(0, 1)
    empty = flat.new_zeros(shape[0] * shape[1] + 1, *flat.shape[1:])
    tokens: Tensor = empty.index_copy(0, apart.flatten(), flat)[:-1].unflatten(0, shape)
    return tokens


def _counted_on(row: Sequence[Packed]) -> list[Tensor]:
    """Owners of the tokens of each video of a row."""
    before = [sum(len(one.pos_at) for one in row[:i]) for i in range(len(row))]
    return [torch.where(one.owner == VIDEO, VIDEO, one.owner + asked) for one, asked in zip(row, before, strict=True)]


def _places(packed: Sequence[Packed], starts: Sequence[int], fill: int) -> Tensor:
    longest = max(len(one.ids) for one in packed)
    places = [torch.arange(start, start + len(one.ids)) for one, start in zip(packed, starts, strict=True)]
    return torch.stack([F.pad(place, (0, longest - len(place)), value=fill) for place in places])
