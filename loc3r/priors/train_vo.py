"""Train the laptop's pose prior on rendered rooms.

    loc3r synth --rooms 1500 --out data/prior --split train --seed 500000
    loc3r prior train --rooms data/prior --out loc3r/priors/weights

Supervised by metric relative pose; videos are mirrored, reversed, thinned and recoloured at random, so that one
rendered walk gives many motions. On two cores an hour is plenty.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track
from torch import Tensor
from torch.nn import functional as F

from loc3r.errors import DataError
from loc3r.files import hash_json
from loc3r.priors.rooms_vo import Motion, RoomsVO, VisualOdometry, VOConfig, integrate, save, to_input
from loc3r.priors.trajectory import mirrored, steps_and_attitude
from loc3r.scenes.format import SceneFolder


@dataclass(frozen=True)
class VORecipe:
    """Everything that decides the prior's weights, besides the rooms."""

    steps: int = 1500
    videos_per_step: int = 4
    window: int = 16
    """Frames of a training clip; whole walks are for measuring."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    path_weight: float = 0.3
    attitude_weight: float = 2.0
    held_out_share: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Walks:
    """All walks in memory: frames (N, T, S, S, 3) uint8, poses (N, T, 4, 4) camera-to-world."""

    frames: NDArray[np.uint8]
    poses: NDArray[np.float64]


def load_walks(root: Path, size_px: int) -> Walks:
    """Read every scene of a scene root at the prior's input size."""
    folders = sorted(p for p in (root / "scans").glob("*") if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise DataError(
            "no scenes to train on",
            received=root,
            expected=f"{root}/scans/<scene_id>/",
            fix="loc3r synth --help",
        )
    frames, poses = [], []
    for path in track(folders, "reading walks"):
        scene = SceneFolder(path)
        video = np.stack([scene.color(i) for i in scene.frame_ids])
        small = (to_input(video, size_px) + 1) * 127.5
        frames.append(small.round().byte().permute(0, 2, 3, 1).numpy())
        poses.append(np.stack([scene.pose(i) for i in scene.frame_ids]))
    return Walks(np.stack(frames), np.stack(poses))


def train(root: Path, out: Path, recipe: VORecipe) -> dict[str, float]:
    """Train, write ``rooms_vo.safetensors`` and its card into ``out``, return the held-out errors."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    network = VisualOdometry(VOConfig()).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    walks = load_walks(root, network.config.size_px)
    held_out = max(1, round(len(walks.frames) * recipe.held_out_share))
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, recipe.steps))
    start, smooth, curve = time.monotonic(), 0.0, list[float]()
    with Progress() as progress:
        task = progress.add_task("training the prior", total=recipe.steps)
        for step in range(recipe.steps):
            chosen = rng.integers(held_out, len(walks.frames), recipe.videos_per_step)
            frames, steps, attitude = _batch(walks, chosen, recipe, rng)
            loss = _loss(network(frames), steps, attitude, recipe)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            smooth = loss.item() if step == 0 else 0.98 * smooth + 0.02 * loss.item()
            progress.update(task, advance=1, description=f"training the prior, loss {smooth:.3f}")
            if step % 100 == 0:
                curve.append(round(smooth, 4))
                progress.console.print(f"step {step}  loss {smooth:.4f}")
    errors = measure(network, Walks(walks.frames[:held_out], walks.poses[:held_out]))
    record = {
        "recipe": vars(recipe), "recipe_hash": hash_json(vars(recipe)), "rooms": len(walks.frames),
        "held_out_rooms": held_out, "loss_every_100_steps": curve, "errors": errors,
        "minutes": round((time.monotonic() - start) / 60, 1),
    }  # fmt: skip
    save(network, out, record)
    return errors


def measure(network: VisualOdometry, walks: Walks) -> dict[str, float]:
    """Relative-pose and end-of-path errors on whole walks, beside a camera that never moves."""
    prior = RoomsVO(network, "measured")
    predicted = np.stack([prior.poses(frames) for frames in walks.frames])
    steps = np.stack([steps_and_attitude(poses)[0] for poses in walks.poses])
    true = integrate(torch.from_numpy(steps)).numpy()
    network.train().requires_grad_(True)
    turn = np.degrees(np.abs(_wrap(np.diff(predicted[..., 3]) - steps[:, 1:, 3])))
    heading = np.degrees(np.abs(_wrap(predicted[..., 3] - true[..., 3])))
    place = np.linalg.norm(predicted[..., :2] - true[..., :2], axis=-1)
    return {
        "turn_per_frame_deg": round(float(turn.mean()), 3),
        "heading_deg": round(float(heading.mean()), 2),
        "position_m": round(float(place.mean()), 3),
        "heading_deg_if_still": round(float(np.degrees(np.abs(_wrap(true[..., 3] - np.pi / 2))).mean()), 2),
        "position_m_if_still": round(float(np.linalg.norm(true[..., :2], axis=-1).mean()), 3),
    }


def _loss(motion: Motion, steps: Tensor, attitude: Tensor, recipe: VORecipe) -> Tensor:
    scale = torch.tensor([5.0, 5.0, 10.0, 10.0])  # a centimetre and half a degree weigh about the same
    local = F.smooth_l1_loss(motion.step * scale, steps * scale, beta=0.3)
    path, true = integrate(motion.step), integrate(steps)
    whole = F.smooth_l1_loss(path, true, beta=0.3)
    return (
        local
        + recipe.path_weight * whole
        + recipe.attitude_weight * F.smooth_l1_loss(motion.attitude, attitude, beta=0.1)
    )


def _batch(
    walks: Walks, chosen: NDArray[np.int64], recipe: VORecipe, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    parts = [_augment(walks.frames[i], walks.poses[i], recipe.window, rng) for i in chosen]
    length = min(len(frames) for frames, _, _ in parts)
    frames = torch.stack([to_input(frames[:length], frames.shape[1]) for frames, _, _ in parts])
    gain = torch.from_numpy(rng.uniform(0.7, 1.3, (len(chosen), 1, 3, 1, 1))).float()
    flicker = torch.from_numpy(rng.normal(1, 0.05, (len(chosen), length, 1, 1, 1))).float()
    frames = ((frames + 1) * gain * flicker - 1 + 0.03 * torch.randn_like(frames)).clamp(-1, 1)
    steps = torch.from_numpy(np.stack([s[:length] for _, s, _ in parts])).float()
    attitude = torch.from_numpy(np.stack([a[:length] for _, _, a in parts])).float()
    return frames, steps, attitude


def _augment(
    frames: NDArray[np.uint8], poses: NDArray[np.float64], window: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """One random motion out of a walk: a stretch of it, thinned, reversed or mirrored."""
    order = np.arange(0, len(frames), 2 if rng.random() < 0.25 else 1)
    start = int(rng.integers(0, max(1, len(order) - window + 1)))
    order = order[start : start + window]
    if rng.random() < 0.5:
        order = order[::-1]
    steps, attitude = steps_and_attitude(poses[order])
    clip = frames[order]
    if rng.random() < 0.5:
        steps, attitude = mirrored(steps, attitude)
        clip = clip[:, :, ::-1]
    return clip, steps, attitude


def _rate(step: int, total: int) -> float:
    warm = min(1.0, (step + 1) / 100)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total))))


def _wrap(angle: NDArray[np.floating]) -> NDArray[np.floating]:
    return (angle + np.pi) % (2 * np.pi) - np.pi
