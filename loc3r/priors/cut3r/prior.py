"""CUT3R behind the ``PosePrior`` protocol, with weights that the user converted (``loc3r prior convert``)."""

from __future__ import annotations

import functools

import torch
from safetensors.torch import load_file
from torch import Tensor

from loc3r.errors import CheckpointError
from loc3r.priors.cut3r.network import Cut3r
from loc3r.priors.foundation import FoundationPrior


class Cut3rPrior(FoundationPrior):
    """The paper's prior. Its default of 432 px gives SigLIP's grid of 27 x 27 patches, as in VLM-3R."""

    patch_px = 16
    source = "loc3r fetch cut3r; loc3r prior convert --checkpoint .cache/priors/cut3r/cut3r_512_dpt_4_64.pth --out"

    def _read(self) -> Cut3r:
        with torch.device("meta"):
            network = Cut3r()
        try:
            network.load_state_dict(load_file(self.weights), assign=True)
        except RuntimeError as error:
            raise CheckpointError(
                "these are not CUT3R's weights", received=str(error)[:300], expected="cut3r_512_dpt_4_64.pth, converted"
            ) from error
        return network

    def _tokens(self, pixels: Tensor) -> Tensor:
        tokens: Tensor = self.network(pixels * 2 - 1)
        return tokens


@functools.cache
def load(name: str, size_px: int) -> Cut3rPrior:
    """The prior of this process."""
    return Cut3rPrior(name, size_px)
