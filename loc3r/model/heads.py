"""The heads on the language model's states, and what their numbers mean."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

HEAD_INIT_STD = 0.1
"""Scale of a head's last matrix before fan-in: places start near the first camera, variances near 1 m²."""

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


class Gaussian(NamedTuple):
    """A place and how sure the model is of it."""

    mean_m: Tensor
    """(..., 2) x and y in the bird's-eye frame."""
    log_variance: Tensor
    """(..., 2), clamped."""

    @property
    def sigma_m(self) -> Tensor:
        """Standard deviations (..., 2)."""
        return (self.log_variance / 2).exp()


class Heads(nn.Module):
    """Layout, position and heading heads, and the camera tokens' way in (paper, sections 3.1 to 3.3)."""

    def __init__(
        self,
        width: int,
        *,
        prior_dim: int,
        hidden: int,
        activation: str,
        bins: int,
        look_at: bool,
        fronts: bool,
        measures: int,
        log_variance_limit: float,
    ) -> None:
        super().__init__()
        self.look_at_on = look_at
        self.limit = log_variance_limit
        self.camera = _mlp(prior_dim, width, width, activation)
        self.layout = nn.Linear(width, 4)
        self.position = _mlp(width, hidden, 4, activation)
        self.heading = _mlp(width + 4 * look_at, hidden, bins, activation)
        self.front = nn.Linear(width, 2) if fronts else None
        self.tell = nn.Linear(measures, width, bias=False) if measures else None
        if self.tell is not None:
            nn.init.zeros_(self.tell.weight)  # a checkpoint that gains it begins where it ended
        for head in (self.layout, self.position, self.heading):
            *_, last = (module for module in head.modules() if isinstance(module, nn.Linear))
            nn.init.normal_(last.weight, std=HEAD_INIT_STD / math.sqrt(last.in_features))
            nn.init.zeros_(last.bias)

    def place(self, hidden: Tensor) -> Gaussian:
        """Where a token says its thing is: hidden (..., d). One head for patches, mentions and looked-at points."""
        with _float32(hidden):
            return self._gaussian(self.layout(hidden))

    def face(self, hidden: Tensor) -> Tensor | None:
        """Where a mention says its thing faces, (..., 2) of hidden (..., d): a unit vector, shorter where unsure."""
        if self.front is None:
            return None
        with _float32(hidden):
            facing: Tensor = self.front(hidden.to(self.front.weight.dtype))
            return facing

    def tell_view(self, view: Tensor) -> Tensor:
        """What is added to the state (W, d) of a word whose thing lies so from the speaker's place (W, measures)."""
        assert self.tell is not None
        with _float32(view):
            added: Tensor = self.tell(view.to(self.tell.weight.dtype))
            return added

    def pose(self, pos_hidden: Tensor, ori_hidden: Tensor) -> tuple[Gaussian, Gaussian, Tensor]:
        """Position, looked-at place and heading logits (Q, bins) from the states (Q, d) of <Pos> and <Ori>."""
        with _float32(pos_hidden):
            position, look_at = self._gaussian(self.position(pos_hidden)), self.place(ori_hidden)
            evidence = [ori_hidden, position.mean_m, look_at.mean_m] if self.look_at_on else [ori_hidden]
            return position, look_at, self.heading(torch.cat(evidence, -1).to(ori_hidden.dtype))

    def _gaussian(self, raw: Tensor) -> Gaussian:
        raw = raw.to(torch.promote_types(raw.dtype, torch.float32))
        return Gaussian(raw[..., :2], raw[..., 2:].clamp(-self.limit, self.limit))


def _mlp(inputs: int, hidden: int, outputs: int, activation: str) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), ACTIVATIONS[activation](), nn.Linear(hidden, outputs))


def _float32(like: Tensor) -> torch.autocast:
    """No autocast inside: eight bits of a place in metres are centimetres."""
    return torch.autocast(like.device.type, enabled=False)


def bin_centres_rad(bins: int, offset: float, like: Tensor) -> Tensor:
    """Headings (bins,) of the bins' centres, from ``offset`` bins behind -pi (``model.heading_bin_offset``)."""
    return (torch.arange(bins, device=like.device, dtype=like.dtype) + offset) * (2 * math.pi / bins) - math.pi


def heading_target(heading_rad: Tensor, bins: int, offset: float, sigma_bins: float) -> Tensor:
    """Wrapped Gaussian (Q, bins) around each heading (Q,), normalised over the bins."""
    difference = heading_rad[:, None] - bin_centres_rad(bins, offset, heading_rad)
    wrapped = torch.remainder(difference + math.pi, 2 * math.pi) - math.pi
    return (-0.5 * (wrapped / (sigma_bins * 2 * math.pi / bins)) ** 2).softmax(-1)


def decode_heading(logits: Tensor, offset: float) -> tuple[Tensor, Tensor]:
    """Circular soft-argmax of (Q, bins): heading in radians (Q,), and its concentration (Q,) from 0 to 1."""
    share = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1)
    centres = bin_centres_rad(logits.shape[-1], offset, share)
    x, y = (share * centres.cos()).sum(-1), (share * centres.sin()).sum(-1)
    return torch.atan2(y, x), torch.hypot(x, y)
