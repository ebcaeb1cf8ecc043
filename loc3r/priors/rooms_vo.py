"""``rooms-vo``: our small recurrent pose prior, trained on synthetic rooms and then frozen.

Monocular frames in, one camera token a frame out. For each pair of neighbouring frames a soft correlation
gives a coarse optical flow; a GRU turns it into metric motion, which is integrated from the first frame, as
CUT3R's recurrent state does (paper.md section 1.2). A token is the GRU's latent beside the features of the
integrated pose, so a reader needs no further geometry.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from loc3r.errors import CheckpointError, FrameError
from loc3r.files import atomic_path, hash_file, read_json, write_json

FREQUENCIES = (0.4, 0.8, 1.6, 3.2)
"""Radians a metre of the position features: wavelengths of 16 m down to 2 m."""


@dataclass(frozen=True)
class VOConfig:
    """Sizes of the network."""

    size_px: int = 96
    width: int = 48
    latent: int = 32
    hidden: int = 128

    @property
    def token_dim(self) -> int:
        """Width of a camera token: the latent and the pose's features."""
        return self.latent + pose_feature_dim()


@dataclass(frozen=True)
class Motion:
    """What the network reads off a video of T frames.

    ``step`` (B, T, 4): forward, left and up in metres and the turn in radians since the frame before, in the
    gravity-aligned frame of the camera before (zero for the first frame). ``attitude`` (B, T, 3): height above
    the floor in metres, pitch and roll in radians. ``latent`` (B, T, L).
    """

    step: Tensor
    attitude: Tensor
    latent: Tensor


def pose_feature_dim() -> int:
    """Length of ``pose_features``' last axis."""
    return 4 * len(FREQUENCIES) + 2 + 2 + 4


def pose_features(path: Tensor, attitude: Tensor) -> Tensor:
    """Smooth features (..., P) of poses: path (..., 4) is x, y, z, yaw; attitude (..., 3)."""
    angles = torch.cat([path[..., :2] * frequency for frequency in FREQUENCIES], -1)
    yaw = path[..., 3:]
    return torch.cat(
        [angles.sin(), angles.cos(), path[..., :2] / 4, yaw.sin(), yaw.cos(), path[..., 2:3], attitude], -1
    )


def integrate(step: Tensor) -> Tensor:
    """Path (B, T, 4) of x, y, z in metres and yaw in radians from steps (B, T, 4).

    The frame is the bird's-eye one: the first camera stands at the origin and looks along +y.
    """
    yaw = step[..., 3].cumsum(-1) + torch.pi / 2
    before = F.pad(yaw[:, :-1], (1, 0), value=torch.pi / 2)
    forward, left = step[..., 0], step[..., 1]
    east = forward * before.cos() - left * before.sin()
    north = forward * before.sin() + left * before.cos()
    return torch.stack([east.cumsum(-1), north.cumsum(-1), step[..., 2].cumsum(-1), yaw], -1)


class VisualOdometry(nn.Module):
    """Frames (B, T, 3, S, S) in [-1, 1] to ``Motion``."""

    def __init__(self, config: VOConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 2, 5, 2, 2), nn.GELU(),
            nn.Conv2d(width // 2, width, 3, 2, 1), nn.GELU(),
            nn.Conv2d(width, width, 3, 1, 1), nn.GELU(),
        )  # fmt: skip
        self.match = nn.Conv2d(width, width, 1)
        self.coarse = nn.Conv2d(width, width, 3, 2, 1)
        self.log_scale = nn.Parameter(torch.tensor(3.5))  # sharp from the start: even random features match
        self.pair = nn.Sequential(
            nn.Conv2d(2 * width + 6, 64, 3, 1, 1), nn.GELU(),
            nn.Conv2d(64, 64, 3, 2, 1), nn.GELU(),
            nn.Flatten(), nn.Linear(64 * (config.size_px // 16) ** 2, config.hidden), nn.GELU(),
        )  # fmt: skip
        self.memory = nn.GRU(config.hidden, config.hidden, batch_first=True)
        self.step = nn.Linear(2 * config.hidden, 4)
        self.attitude = nn.Linear(2 * config.hidden, 3)
        self.latent = nn.Linear(config.hidden, config.latent)

    def forward(self, frames: Tensor) -> Motion:
        """Read the motion off frames (B, T, 3, S, S)."""
        batch, count = frames.shape[:2]
        fine = self.stem(frames.flatten(0, 1)).unflatten(0, (batch, count))
        before = torch.cat([fine[:, :1], fine[:, :-1]], 1)  # the first frame is compared with itself
        pairs = self.pair(self._compare(fine.flatten(0, 1), before.flatten(0, 1)))
        pairs = pairs.unflatten(0, (batch, count))
        state, _ = self.memory(pairs)
        both = torch.cat([pairs, state], -1)
        moving = torch.ones(count, device=frames.device)
        moving[0] = 0
        return Motion(self.step(both) * moving[:, None], self.attitude(both), torch.tanh(self.latent(state)))

    def _compare(self, now: Tensor, before: Tensor) -> Tensor:
        """Where each coarse cell of ``now`` was in ``before``: flow, confidence, features (N, C, S/8, S/8)."""
        here = F.avg_pool2d(self.match(now), 2)
        there = self.match(before)
        scores = torch.einsum("ncp,ncq->npq", F.normalize(here.flatten(2), dim=1), F.normalize(there.flatten(2), dim=1))
        weights = (scores * self.log_scale.exp()).softmax(-1)
        side = here.shape[-1]
        expected = weights @ _grid(there.shape[-1], now)
        place = _grid(side, now)
        spread = weights @ _grid(there.shape[-1], now).square() - expected.square()
        parts = [
            expected - place,
            place.expand_as(expected),
            weights.amax(-1, keepdim=True),
            spread.sum(-1, True),
        ]
        maps = torch.cat(parts, -1).transpose(1, 2).unflatten(2, (side, side))
        return torch.cat([maps, self.coarse(now), self.coarse(before)], 1)


def _grid(side: int, like: Tensor) -> Tensor:
    """Cell centres (side * side, 2) in [-1, 1], row by row, x first."""
    axis = (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) / side * 2 - 1
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns.flatten(), rows.flatten()], -1)


class RoomsVO:
    """The frozen prior behind the ``PosePrior`` protocol."""

    name = "rooms-vo"
    licence = "Apache-2.0"

    def __init__(self, network: VisualOdometry, fingerprint: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.fingerprint = fingerprint
        self.dim = network.config.token_dim

    @staticmethod
    @functools.cache
    def shipped() -> RoomsVO:
        """The weights that come with the package."""
        with resources.as_file(resources.files("loc3r.priors") / "weights") as folder:
            return RoomsVO.load(folder)

    @staticmethod
    def load(folder: Path) -> RoomsVO:
        """Read ``rooms_vo.safetensors`` and ``rooms_vo.json`` from a folder.

        Raises:
            CheckpointError: a file is missing or does not fit.
        """
        weights, card = folder / "rooms_vo.safetensors", folder / "rooms_vo.json"
        if not (weights.is_file() and card.is_file()):
            raise CheckpointError(
                "the pose prior's weights are missing",
                received=folder,
                expected=f"{weights.name} and {card.name}",
                fix="loc3r prior train --help tells how to make them",
            )
        network = VisualOdometry(VOConfig(**read_json(card)["config"]))
        network.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
        return RoomsVO(network, f"rooms-vo-{hash_file(weights)[:12]}")

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Camera tokens (T, dim) of frames (T, H, W, 3) uint8 RGB in walking order."""
        path, attitude, latent = self._read(frames)
        return torch.cat([latent, pose_features(path, attitude)], -1).numpy()

    def poses(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The pose that the tokens carry, (T, 4): x, y in metres of the bird's-eye frame, z, yaw in radians."""
        return self._read(frames)[0].numpy()

    @torch.inference_mode()
    def _read(self, frames: NDArray[np.uint8]) -> tuple[Tensor, Tensor, Tensor]:
        motion = self.network(to_input(frames, self.network.config.size_px)[None])
        return integrate(motion.step)[0], motion.attitude[0], motion.latent[0]


def to_input(frames: NDArray[np.uint8], size_px: int) -> Tensor:
    """Frames (T, H, W, 3) uint8 to (T, 3, S, S) float in [-1, 1].

    Raises:
        FrameError: another shape or type.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise FrameError(
            "frames have the wrong shape",
            received=f"{frames.shape} {frames.dtype}",
            expected="(T, H, W, 3) uint8",
        )
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    return F.interpolate(pixels, (size_px, size_px), mode="area") / 127.5 - 1


def save(network: VisualOdometry, folder: Path, record: dict[str, object]) -> None:
    """Write half-precision weights and the card (sizes, recipe, scores) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    with atomic_path(folder / "rooms_vo.safetensors") as temporary:
        save_file(weights, temporary, metadata={"recipe": json.dumps(record, sort_keys=True)})
    write_json(folder / "rooms_vo.json", {"config": asdict(network.config), **record})
