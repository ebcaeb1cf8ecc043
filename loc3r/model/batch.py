"""What the model eats: one row a video, its questions packed behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

VIDEO = 0
"""Owner of the prefix; a row's questions own tokens by 1, 2, …"""
PADDING = -1
UNSUPERVISED = -100


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
    """(Q,) where each ``<Pos>`` is; ``<Ori>`` is the next token."""
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
    patch_xy_m: Tensor
    """(T, R, R, 2)."""
    patch_valid: Tensor
    """(T, R, R) bool."""
    patch_class: Tensor
    """(T, R, R) index into the class names; -1 unknown."""


@dataclass(frozen=True)
class Batch:
    """B videos; the fields of ``Packed`` with a batch axis, and indices into the flattened (B·N) tokens."""

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
    patch_xy_m: Tensor
    patch_valid: Tensor
    patch_class: Tensor
    questions: Tensor
    """(B,) how many questions each video answers for: the weight of its layout and naming terms."""
    class_name_ids: Tensor
    """(C, L) tokens of the class names, ``PADDING`` at the end."""
    prefix: int
    """Tokens of a video."""
    longest: int
    """Tokens of the longest question, its answer included."""
    features: Tensor | None = None
    """(B, T, P, P, F) what a frozen vision tower sees in ``pixels``, where it was kept."""

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


def collate(packed: list[Packed], class_name_ids: Tensor, pad_id: int) -> Batch:
    """Stack videos of equal length; rows are padded on the right to the longest one."""
    length = max(len(row.ids) for row in packed)
    starts = [row * length for row in range(len(packed))]

    def stack(name: str) -> Tensor:
        return torch.stack([getattr(row, name) for row in packed])

    def pad(name: str, value: int) -> Tensor:
        rows = [getattr(row, name) for row in packed]
        return torch.stack([torch.nn.functional.pad(row, (0, length - len(row)), value=value) for row in rows])

    def join(name: str) -> Tensor:
        return torch.cat([getattr(row, name) for row in packed])

    def index(name: str) -> Tensor:
        return torch.cat([getattr(row, name) + start for row, start in zip(packed, starts, strict=True)])

    stacked = ("pixels", "camera_tokens", "patch_xy_m", "patch_valid", "patch_class")
    joined = ("position_m", "heading_rad", "look_at_m", "mention_m", "mention_class")
    tensors: dict[str, Any] = {name: stack(name) for name in stacked} | {name: join(name) for name in joined}
    return Batch(
        ids=pad("ids", pad_id),
        owner=pad("owner", PADDING),
        positions=pad("positions", 0),
        labels=pad("labels", UNSUPERVISED),
        pos_at=index("pos_at"),
        mention_at=index("mention_at"),
        questions=torch.tensor([len(row.pos_at) for row in packed]),
        class_name_ids=class_name_ids,
        prefix=int((packed[0].owner == VIDEO).sum()),
        longest=max(int(row.owner.bincount()[VIDEO + 1 :].max()) for row in packed),
        **tensors,
    )
