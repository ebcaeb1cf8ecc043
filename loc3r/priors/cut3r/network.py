"""The camera-token path of CUT3R (arXiv 2501.12387) in plain PyTorch: our own code, CPU and GPU.

Each frame is encoded alone. Then, frame by frame, a decoder of two streams lets the frame's tokens read a state and
the state read the tokens. The frame's first token is the camera query: learned for the first frame, afterwards
recalled from a small memory by the frame's mean feature. What becomes of it is the camera token. Reconstruction
heads and the ray-map encoder are left out: they cost 40 % of the original's work and add nothing to the token.

Parameter names and arithmetic are the original's (``ARCroco3DStereo``, CUT3R/CUT3R), so its checkpoint loads as is,
less what ``Cut3r.filter_state_dict`` drops. The weights are CC BY-NC-SA 4.0 and never shipped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from loc3r.errors import FrameError
from loc3r.priors.cut3r.layers import NORM_EPS, DecoderBlock, EncoderBlock, grid_places

PARTS = {
    "patch_embed", "enc_blocks", "enc_norm", "decoder_embed", "dec_blocks", "dec_norm", "register_tokens",
    "decoder_embed_state", "dec_blocks_state", "dec_norm_state", "pose_token", "pose_retriever",
}  # fmt: skip
"""What a camera token depends on, of all that the original's checkpoint holds."""
WRAPPERS = re.compile(r"^(module\.|model\.|_orig_mod\.)*")
ENCODE_AT_ONCE = 8
"""Frames that the encoder takes in one go: bounds memory, changes nothing else."""


@dataclass(frozen=True)
class Cut3rConfig:
    """Sizes; the defaults are those of ``cut3r_512_dpt_4_64.pth``."""

    patch_px: int = 16
    width: int = 1024
    depth: int = 24
    heads: int = 16
    decoder_width: int = 768
    decoder_depth: int = 12
    decoder_heads: int = 12
    state_heads: int = 16
    state_size: int = 768
    memory_size: int = 256
    memory_depth: int = 2


@dataclass(frozen=True)
class Cut3rState:
    """What the network remembers of the frames so far: B videos side by side."""

    scene: Tensor
    """The state that frames read and write, (B, state_size, decoder_width)."""
    memory: Tensor
    """Looks and camera tokens, (B, memory_size, 2 decoder_width)."""
    begun: bool = True
    """False before the first frame, whose camera query is the learned one."""


class PatchEmbedding(nn.Module):
    """Square patches to tokens."""

    def __init__(self, patch_px: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch_px, patch_px)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) to tokens (N, H W / patch², C), row by row."""
        out: Tensor = self.proj(images).flatten(2).transpose(1, 2)
        return out


class PoseMemory(nn.Module):
    """Slots of (what a frame looked like, its camera token): written after a frame, read before the next."""

    def __init__(self, config: Cut3rConfig) -> None:
        super().__init__()
        width, heads = 2 * config.decoder_width, config.decoder_heads
        self.proj_q = nn.Linear(config.width, config.decoder_width)
        self.masked_token = nn.Parameter(torch.randn(1, 1, config.decoder_width) * 0.2)
        self.mem = nn.Parameter(torch.randn(1, config.memory_size, width) * 0.2)
        self.write_blocks = nn.ModuleList(DecoderBlock(width, heads) for _ in range(config.memory_depth))
        self.read_blocks = nn.ModuleList(DecoderBlock(width, heads) for _ in range(config.memory_depth))

    def read(self, look: Tensor, memory: Tensor) -> Tensor:
        """Camera query (B, 1, D) for a frame of mean feature ``look`` (B, 1, C)."""
        token = torch.cat([self.proj_q(look), self.masked_token.expand(len(look), -1, -1)], -1)
        for block in self.read_blocks:
            token = block(token, memory)
        return token.chunk(2, -1)[1]

    def write(self, look: Tensor, camera: Tensor, memory: Tensor) -> Tensor:
        """Memory (B, M, 2 D) after a frame of mean feature (B, 1, C) and camera token (B, 1, D)."""
        news = torch.cat([self.proj_q(look), camera], -1)
        for block in self.write_blocks:
            memory = block(memory, news)
        return memory


class Cut3r(nn.Module):
    """Frames in walking order to one camera token each; frozen.

    ``model(frames)`` takes a whole video; ``walk`` takes it in pieces, with equal results.
    """

    def __init__(self, config: Cut3rConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or Cut3rConfig()
        width, inner = config.width, config.decoder_width
        self.patch_embed = PatchEmbedding(config.patch_px, width)
        self.enc_blocks = nn.ModuleList(EncoderBlock(width, config.heads) for _ in range(config.depth))
        self.enc_norm = nn.LayerNorm(width, NORM_EPS)
        self.decoder_embed = nn.Linear(width, inner)
        self.dec_blocks = nn.ModuleList(DecoderBlock(inner, config.decoder_heads) for _ in range(config.decoder_depth))
        self.dec_norm = nn.LayerNorm(inner, NORM_EPS)
        self.register_tokens = nn.Embedding(config.state_size, width)
        self.decoder_embed_state = nn.Linear(width, inner)
        self.dec_blocks_state = nn.ModuleList(
            DecoderBlock(inner, config.state_heads) for _ in range(config.decoder_depth)
        )
        self.dec_norm_state = nn.LayerNorm(inner, NORM_EPS)
        self.pose_token = nn.Parameter(torch.randn(1, 1, inner) * 0.02)
        self.pose_retriever = PoseMemory(config)
        self.eval().requires_grad_(False)  # a prior is frozen: no walk builds a graph

    @staticmethod
    def filter_state_dict(original: Mapping[str, Any]) -> dict[str, Tensor]:
        """The original checkpoint, or its ``model`` entry, without the parts that a camera token does not need.

        A leading ``module.``, ``model.`` or ``_orig_mod.`` (left by wrappers of training) goes too.
        """
        weights = original.get("model", original)
        named = {WRAPPERS.sub("", key): value for key, value in weights.items()}
        return {key: value for key, value in named.items() if key.partition(".")[0] in PARTS}

    def forward(self, frames: Tensor) -> Tensor:
        """Camera tokens (B, F, D) of frames (B, F, 3, H, W) in [-1, 1]; the checkpoint's D is 768.

        Raises:
            FrameError: another shape or type, or sides that are no multiple of the patch.
        """
        return self.walk(frames)[0]

    def walk(self, frames: Tensor, state: Cut3rState | None = None) -> tuple[Tensor, Cut3rState]:
        """Tokens (B, F, D) of the next frames (B, F, 3, H, W), and the state to go on from.

        A video may come in any number of pieces, down to single frames; each token knows all frames before it.
        """
        self._check(frames)
        frames = frames.to(self.pose_token.dtype)
        state, tokens = state or self._begin(len(frames)), []
        rows, columns = (side // self.config.patch_px for side in frames.shape[-2:])
        at = grid_places(rows * columns, columns, frames.device)
        for chunk in frames.split(ENCODE_AT_ONCE, 1):
            features = self._encode(chunk.flatten(0, 1), at).unflatten(0, chunk.shape[:2])
            for feature in features.unbind(1):
                token, state = self._step(feature, at, state)
                tokens.append(token)
        return torch.cat(tokens, 1), state

    def _begin(self, batch: int) -> Cut3rState:
        scene = self.decoder_embed_state(self.register_tokens.weight)
        return Cut3rState(scene.expand(batch, -1, -1), self.pose_retriever.mem.expand(batch, -1, -1), begun=False)

    def _encode(self, images: Tensor, at: Tensor) -> Tensor:
        """Features (N, P, C) of images (N, 3, H, W) whose P patches are at ``at``."""
        tokens = self.patch_embed(images)
        for block in self.enc_blocks:
            tokens = block(tokens, at)
        out: Tensor = self.enc_norm(tokens)
        return out

    def _step(self, feature: Tensor, at: Tensor, state: Cut3rState) -> tuple[Tensor, Cut3rState]:
        """Camera token (B, 1, D) of one frame's features (B, P, C), and the state after it."""
        look = feature.mean(1, keepdim=True)
        if state.begun:
            query = self.pose_retriever.read(look, state.memory)
        else:
            query = self.pose_token.expand(len(feature), -1, -1)
        tokens = torch.cat([query, self.decoder_embed(feature)], 1)
        tokens, scene = self._decode(tokens, torch.cat([at.new_full((1, 2), -1), at]), state.scene)
        camera = tokens[:, :1]
        return camera, Cut3rState(scene, self.pose_retriever.write(look, camera, state.memory))

    def _decode(self, tokens: Tensor, at: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
        """The two streams, layer by layer; in each layer both read what the other was before it."""
        columns = math.isqrt(self.config.state_size)
        scene_at = grid_places(self.config.state_size, columns + columns % 2, tokens.device)
        for read, write in zip(self.dec_blocks, self.dec_blocks_state, strict=True):
            tokens, scene = read(tokens, scene, at, scene_at), write(scene, tokens, scene_at, at)
        return self.dec_norm(tokens), self.dec_norm_state(scene)

    def _check(self, frames: Tensor) -> None:
        if frames.ndim != 5 or frames.shape[2] != 3 or 0 in frames.shape:
            raise FrameError("frames have the wrong shape", received=tuple(frames.shape), expected="(B, F, 3, H, W)")
        if not frames.is_floating_point():
            raise FrameError(
                "frames are whole numbers",
                received=frames.dtype,
                expected="floating point in [-1, 1]",
                fix="frames.float() / 127.5 - 1",
            )
        if any(side % self.config.patch_px for side in frames.shape[-2:]):
            raise FrameError(
                "a frame does not divide into patches",
                received=tuple(frames.shape[-2:]),
                expected=f"sides that are multiples of {self.config.patch_px} px",
            )
