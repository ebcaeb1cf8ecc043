"""``rooms-vo``: our small recurrent pose prior, trained on synthetic rooms and then frozen.

Monocular frames in, one camera token a frame out. A convolutional network says of each cell of a frame where it is
in metres, seen from the upright camera, and what it looks like. A new frame attends to the cells of all frames that
came before it, whose places on the map are known by then; the rigid motion that fits the matched cells best is its
pose, and its cells join the memory. CUT3R's recurrent state does the same with learned weights alone
(paper.md section 1.2); here the geometry is explicit, so less than a million weights are enough.
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

from loc3r.errors import CheckpointError
from loc3r.files import atomic_path, hash_file, read_json, write_json
from loc3r.priors import pose_token
from loc3r.priors.alignment import Track, track
from loc3r.priors.frames import to_pixels

STRIDE = 8
METHOD = 2
"""Raised when the same weights would give other tokens."""


@dataclass(frozen=True)
class VOConfig:
    """Sizes of the network."""

    size_px: int = 128
    width: int = 72
    wide: int = 112
    descriptor: int = 48

    @property
    def side(self) -> int:
        """Cells on a side of a frame."""
        return self.size_px // STRIDE


@dataclass(frozen=True)
class Sight:
    """What the network sees in N frames of C cells each, row by row.

    ``points_m`` (N, C, 3): forward, left and height above the floor, from the point on the floor below the camera,
    turned with the camera but upright. ``log_spread`` (N, C): logarithm of the relative error that it expects.
    ``descriptors`` (N, C, D), sharpened: a dot product is a logit. ``unseen`` (N, C): the logit of having been seen
    in no other frame. ``attitude`` (N, 3): height above the floor in metres, pitch and roll in radians.
    """

    points_m: Tensor
    log_spread: Tensor
    descriptors: Tensor
    unseen: Tensor
    attitude: Tensor


class RoomsNet(nn.Module):
    """Frames (N, 3, S, S) in [-1, 1] to ``Sight``."""

    def __init__(self, config: VOConfig) -> None:
        super().__init__()
        self.config = config
        width, wide = config.width, config.wide
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2), nn.GELU(), nn.Conv2d(24, 40, 3, 2, 1), nn.GELU(), nn.Conv2d(40, width, 3, 2, 1)
        )
        self.place = nn.Parameter(torch.zeros(width, config.side, config.side))
        self.near = nn.Sequential(_Residual(width), _Residual(width))
        self.far = nn.Sequential(nn.Conv2d(width, wide, 3, 2, 1), _Residual(wide), _Residual(wide))
        self.whole = nn.Linear(wide, wide)
        self.back = nn.Conv2d(wide, width, 1)
        self.fuse = _Residual(width)
        self.cells = nn.Conv2d(width, 4 + 1 + config.descriptor, 1)
        self.attitude = nn.Sequential(nn.Linear(wide, 64), nn.GELU(), nn.Linear(64, 3))
        self.log_sharpness = nn.Parameter(torch.tensor(2.5))

    def forward(self, frames: Tensor) -> Sight:
        """Look at frames (N, 3, S, S)."""
        near = self.near(self.stem(frames) + self.place)
        far = self.far(near)
        mean = far.mean((2, 3))
        far = far + self.whole(mean)[..., None, None]
        near = self.fuse(near + F.interpolate(self.back(far), near.shape[-2:], mode="bilinear"))
        cells = self.cells(near).flatten(2).transpose(1, 2)
        range_m = (cells[..., 0] + 1).exp()
        across = self._rays(cells) + cells[..., 1:3]
        places = range_m[..., None] * torch.cat([torch.ones_like(across[..., :1]), across], -1)
        attitude = self.attitude(mean)
        up = places + F.pad(1.5 + attitude[:, :1], (2, 0))[:, None]
        sharp = F.normalize(cells[..., 5:], dim=-1) * (self.log_sharpness / 2).exp()
        return Sight(up, cells[..., 3].clamp(-4, 2), sharp, cells[..., 4], attitude + attitude.new_tensor([1.5, 0, 0]))

    def _rays(self, like: Tensor) -> Tensor:
        """Slopes (C, 2) to the left and up of each cell's ray in a level camera of 63 by 49 degrees."""
        side = self.config.side
        axis = 1 - (torch.arange(side, device=like.device, dtype=like.dtype) + 0.5) / side * 2
        rows, columns = torch.meshgrid(axis, axis, indexing="ij")
        return torch.stack([columns.flatten() * 0.61, rows.flatten() * 0.46], -1)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.GroupNorm(8, width), nn.GELU(), nn.Conv2d(width, width, 3, 1, 1),
            nn.GELU(), nn.Conv2d(width, width, 3, 1, 1),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        changed: Tensor = self.change(maps)
        return maps + changed


class RoomsVO:
    """The frozen prior behind the ``PosePrior`` protocol."""

    name = "rooms-vo"
    licence = "Apache-2.0"
    dim = pose_token.DIM
    metric = True

    def __init__(self, network: RoomsNet, fingerprint: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.fingerprint = fingerprint

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
        network = RoomsNet(VOConfig(**read_json(card)["config"]))
        network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
        return RoomsVO(network, f"rooms-vo-{METHOD}-{hash_file(weights)[:12]}")

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Camera tokens (T, dim) of frames (T, H, W, 3) uint8 RGB in walking order."""
        walked, attitude = self._walk(frames)
        place = np.concatenate([walked.path[:, :2], attitude[:, :1]], -1)
        angles = np.concatenate([walked.path[:, 2:] - np.pi / 2, attitude[:, 1:]], -1)
        return pose_token.pose_tokens(place, angles, walked.doubts)

    def poses(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The pose that the tokens carry, (T, 4): x, y in metres of the bird's-eye frame, z, yaw in radians."""
        walked, attitude = self._walk(frames)
        return np.concatenate([walked.path[:, :2], attitude[:, :1], walked.path[:, 2:]], -1).astype(np.float32)

    @torch.inference_mode()
    def _walk(self, frames: NDArray[np.uint8]) -> tuple[Track, NDArray[np.float32]]:
        sight = self.network(to_input(frames, self.network.config.size_px))
        return track(sight.points_m, sight.log_spread, sight.descriptors, sight.unseen), sight.attitude.numpy()


def to_input(frames: NDArray[np.uint8], size_px: int) -> Tensor:
    """Frames (T, H, W, 3) uint8 to (T, 3, S, S) float in [-1, 1].

    Raises:
        FrameError: another shape or type.
    """
    return F.interpolate(to_pixels(frames), (size_px, size_px), mode="area") / 127.5 - 1


def save(network: RoomsNet, folder: Path, record: dict[str, object]) -> None:
    """Write half-precision weights and the card (sizes, recipe, scores) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    with atomic_path(folder / "rooms_vo.safetensors") as temporary:
        save_file(weights, temporary, metadata={"recipe": json.dumps(record, sort_keys=True)})
    write_json(folder / "rooms_vo.json", {"config": asdict(network.config), **record})
