"""A small frozen vision tower: EfficientNet-Lite0 (Tan and Le, arXiv 1905.11946; the Lite variant of TPU's authors).

Its ImageNet weights ship with the package (``scripts/make_lite0_weights.py`` made them): what a chair looks like
need not be learned from a few thousand rendered frames. A token of a 32 px patch is what three stages say of it:
4 x 4 cells of stride 8, 2 x 2 of stride 16 and one of stride 32, standardised by their spread over rendered rooms.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ((1, 3, 1, 1, 16), (6, 3, 2, 2, 24), (6, 5, 2, 2, 40), (6, 3, 2, 3, 80), (6, 5, 1, 3, 112), (6, 5, 2, 4, 192))
"""Expansion, kernel, stride, blocks and channels of the network's first six stages."""
READ = {2: 4, 4: 2, 5: 1}
"""Stages that a token reads, and how many of their cells a side."""
FEATURES = sum(STAGES[stage][-1] * cells**2 for stage, cells in READ.items())


class Lite0(nn.Module):
    """Frames (N, 3, S, S) in [-1, 1] to features (N, S/32, S/32, ``FEATURES``); S a multiple of 32."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Conv(3, 32, kernel=3, stride=2)
        self.stages = nn.ModuleList(_stage(32 if i == 0 else STAGES[i - 1][-1], i) for i in range(len(STAGES)))
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))

    @classmethod
    def pretrained(cls) -> Lite0:
        """The network with the weights that come with the package, frozen."""
        with torch.device("cpu"):  # also where a model is made without memory, for its shapes
            tower = cls()
        with resources.as_file(resources.files("loc3r.model") / "weights" / "lite0.safetensors") as path:
            tower.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        return tower.requires_grad_(False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of each patch, standardised."""
        return self.gather(self.look(pixels))

    def look(self, pixels: Tensor) -> list[Tensor]:
        """Maps (N, channels, cells, cells) of the stages that a token reads, the finest first."""
        read, maps = [], self.stem(pixels.contiguous(memory_format=torch.channels_last))
        for number, stage in enumerate(self.stages):
            maps = stage(maps)
            if number in READ:
                read.append(maps)
        return read

    def gather(self, maps: Sequence[Tensor]) -> Tensor:
        """Features of each patch, standardised, from the maps of ``look``."""
        parts = [F.pixel_unshuffle(each, cells) for each, cells in zip(maps, READ.values(), strict=True)]
        return (torch.cat(parts, 1).permute(0, 2, 3, 1) - self.mean) / self.spread


class _Conv(nn.Sequential):
    """A convolution with its batch norm folded in, padded as TensorFlow does, then ReLU6 where ``active``."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1, active: bool = True
    ) -> None:
        # With sides that the stride divides, "same" pads kernel - stride in all, the larger half at the end.
        total = max(kernel - stride, 0)
        before, after = total // 2, total - total // 2
        even = before == after
        # Padding inside the convolution is faster. Weights are named with a layer before it: the identity.
        pad = nn.Identity() if even else nn.ZeroPad2d((before, after, before, after))
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=before if even else 0, groups=groups)
        super().__init__(*([pad] if total else []), convolution, *([nn.ReLU6()] if active else []))


class _Block(nn.Module):
    """An inverted residual block: widen, look around, narrow."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [_Conv(inputs, wide)] if expansion > 1 else []
        around = _Conv(wide, wide, kernel=kernel, stride=stride, groups=wide)
        self.parts = nn.Sequential(*widen, around, _Conv(wide, outputs, active=False))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.parts(maps)
        return maps + changed if self.residual else changed


def _stage(inputs: int, number: int) -> nn.Sequential:
    expansion, kernel, stride, blocks, channels = STAGES[number]
    first = _Block(inputs, channels, expansion=expansion, kernel=kernel, stride=stride)
    more = (_Block(channels, channels, expansion=expansion, kernel=kernel, stride=1) for _ in range(blocks - 1))
    return nn.Sequential(first, *more)
