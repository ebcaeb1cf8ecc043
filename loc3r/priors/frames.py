"""Frames as networks take them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loc3r.errors import FrameError


def to_pixels(frames: NDArray[np.uint8]) -> Tensor:
    """Frames (T, H, W, 3) uint8 as floats (T, 3, H, W) from 0 to 255.

    Raises:
        FrameError: another shape or type, or no frame.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise FrameError(
            "frames have the wrong shape", received=f"{frames.shape} {frames.dtype}", expected="(T, H, W, 3) uint8"
        )
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
