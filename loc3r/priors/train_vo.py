"""Train the laptop's pose prior on rendered rooms.

    loc3r synth --rooms 1200 --out data/rooms/train
    loc3r prior train --rooms data/rooms/train --out loc3r/priors/weights

Supervised by where each cell of a frame is in metres, by which cell of another frame shows the same place, and by
the metric motion between the two that follows. Videos are mirrored and recoloured at random.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track
from torch import Tensor
from torch.nn import functional as F

from loc3r.errors import DataError
from loc3r.files import hash_json
from loc3r.geometry.headings import wrap_rad
from loc3r.priors.alignment import apply_motion, find, fit_motion, log_matches
from loc3r.priors.rooms_vo import RoomsNet, RoomsVO, Sight, VOConfig, save, to_input
from loc3r.priors.walks import Walk, read_walk
from loc3r.services.process import die_with_parent


@dataclass(frozen=True)
class VORecipe:
    """Everything that decides the prior's weights, besides the rooms."""

    steps: int = 3000
    videos_per_step: int = 3
    window: int = 8
    """Frames of a training clip; each is matched with every earlier one."""
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    match_weight: float = 1.0
    attitude_weight: float = 2.0
    motion_weight: float = 1.0
    held_out_share: float = 0.03
    seed: int = 0


@dataclass(frozen=True)
class Clip:
    """B clips of T frames, P pairs of them, C cells: what a training step needs."""

    frames: Tensor
    """(B, T, 3, S, S)."""
    points_m: Tensor
    """(B, T, C, 3) in each upright camera; NaN where unknown."""
    attitude: Tensor
    """(B, T, 3)."""
    found: Tensor
    """(B, P, C, 2) column and row, in cells, where the later frame's cell is in the earlier one; NaN: not there."""
    motion: Tensor
    """(B, P, 3) from the later camera's plane to the earlier one's."""


def load_walks(root: Path, size_px: int) -> list[Walk]:
    """Read every scene of a scene root at the prior's input size."""
    folders = sorted(p for p in (root / "scans").glob("*") if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise DataError(
            "no scenes to train on",
            received=root,
            expected=f"{root}/scans/<scene_id>/",
            fix="loc3r synth --help",
        )
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=die_with_parent) as pool:
        sizes = [size_px] * len(folders)
        return list(track(pool.map(read_walk, folders, sizes, chunksize=8), "reading walks", total=len(folders)))


def train(root: Path, out: Path, recipe: VORecipe, init: Path | None = None) -> dict[str, float]:
    """Train, write ``rooms_vo.safetensors`` and its card into ``out``, return the held-out errors.

    Args:
        root: scenes with poses.
        out: folder of the weights.
        recipe: how to train.
        init: a folder with weights to go on from; its fit to the motion is used from the first step on.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    before = RoomsVO.load(init) if init else None
    network = before.network.train().requires_grad_() if before else RoomsNet(VOConfig())
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    walks = load_walks(root, network.config.size_px)
    held_out, start = max(1, round(len(walks) * recipe.held_out_share)), time.monotonic()
    curve = _fit(network, walks[held_out:], recipe, rng, knows_motion=before is not None)
    errors = measure(RoomsVO(network, "measured"), walks[:held_out])
    record = {
        "recipe": vars(recipe), "recipe_hash": hash_json(vars(recipe)), "rooms": len(walks),
        "init": before.fingerprint if before else None,
        "held_out_rooms": held_out, "losses_every_100_steps": curve, "errors": errors,
        "minutes": round((time.monotonic() - start) / 60, 1),
    }  # fmt: skip
    save(network, out, record)
    return errors


def _fit(
    network: RoomsNet, walks: list[Walk], recipe: VORecipe, rng: np.random.Generator, *, knows_motion: bool
) -> list[dict[str, float]]:
    """Train on ``walks``; the smoothed losses of every 100th step.

    A network that does not know motion yet is taught it little by little, over the first quarter of the steps.
    """
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, recipe.steps))
    smooth, curve = dict[str, float](), list[dict[str, float]]()
    with Progress() as progress:
        task = progress.add_task("training the prior", total=recipe.steps)
        for step in range(recipe.steps):
            chosen = rng.integers(len(walks), size=recipe.videos_per_step)
            clip = _clip([walks[i] for i in chosen], recipe.window, rng)
            terms = _losses(network, clip)
            loss = (
                terms["points"]
                + recipe.match_weight * terms["match"]
                + recipe.attitude_weight * terms["attitude"]
                + recipe.motion_weight * (1.0 if knows_motion else min(1.0, 4 * step / recipe.steps)) * terms["motion"]
            )
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            smooth = {n: 0.98 * smooth.get(n, v.item()) + 0.02 * v.item() for n, v in terms.items()}
            progress.update(task, advance=1)
            if step % 100 == 0:
                curve.append({name: round(value, 4) for name, value in smooth.items()})
                progress.console.print(f"step {step}  {curve[-1]}")
    return curve


def measure(prior: RoomsVO, walks: list[Walk]) -> dict[str, float]:
    """Relative-pose and end-of-path errors on whole walks, beside a camera that never moves."""
    predicted = np.stack([prior.poses(walk.frames)[:, [0, 1, 3]] for walk in walks])
    true = np.stack([_from_first(walk.plane) for walk in walks])
    turn = np.degrees(np.abs(wrap_rad(np.diff(predicted[..., 2]) - np.diff(true[..., 2]))))
    heading = np.degrees(np.abs(wrap_rad(predicted[..., 2] - true[..., 2])))
    place = np.linalg.norm(predicted[..., :2] - true[..., :2], axis=-1)
    return {
        "turn_per_frame_deg": round(float(turn.mean()), 3),
        "heading_deg": round(float(heading.mean()), 2),
        "position_m": round(float(place.mean()), 3),
        "heading_deg_if_still": round(float(np.degrees(np.abs(wrap_rad(true[..., 2] - np.pi / 2))).mean()), 2),
        "position_m_if_still": round(float(np.linalg.norm(true[..., :2], axis=-1).mean()), 3),
    }


def _losses(network: RoomsNet, clip: Clip) -> dict[str, Tensor]:
    batch, length = clip.frames.shape[:2]
    sight = network(clip.frames.flatten(0, 1))
    later, earlier = _pairs(length)
    fields = {name: value.unflatten(0, (batch, length)) for name, value in vars(sight).items()}
    seen = Sight(**fields)
    log_probability = log_matches(seen.descriptors[:, later], seen.unseen[:, later], seen.descriptors[:, earlier])
    return {
        "points": _points_loss(seen, clip.points_m),
        "match": _match_loss(log_probability, clip.found, network.config.side),
        "attitude": F.smooth_l1_loss(seen.attitude, clip.attitude, beta=0.05),
        "motion": _motion_loss(seen, log_probability, clip, network.config.side),
    }


def _points_loss(seen: Sight, points_m: Tensor) -> Tensor:
    """Laplace likelihood of the relative error."""
    known = points_m.isfinite().all(-1)
    true = points_m[known]
    error = (seen.points_m[known] - true).abs().sum(-1) / true[:, :2].norm(dim=-1).clamp(min=0.5)
    spread = seen.log_spread[known]
    loss: Tensor = (error * (-spread).exp() + spread).mean()
    return loss


def _match_loss(log_probability: Tensor, found: Tensor, side: int) -> Tensor:
    """Cross-entropy against the four cells around the true place, or against "not there"."""
    there = found.isfinite().all(-1)
    low = torch.nan_to_num(found).floor()
    share = torch.nan_to_num(found) - low
    total = torch.zeros_like(found[..., 0])
    for right in (0, 1):
        for down in (0, 1):
            column, row = (low[..., 0] + right).clamp(0, side - 1), (low[..., 1] + down).clamp(0, side - 1)
            weight = (share[..., 0] if right else 1 - share[..., 0]) * (share[..., 1] if down else 1 - share[..., 1])
            cell = (row * side + column).long()
            total = total + weight * log_probability.gather(-1, cell[..., None])[..., 0]
    # Cells that are seen in both frames are the ones that tell the motion.
    return -(total[there].mean() + 0.5 * log_probability[..., -1][~there].mean())


def _motion_loss(seen: Sight, log_probability: Tensor, clip: Clip, side: int) -> Tensor:
    """How far the fitted motion carries points two metres ahead from where the true one does."""
    later, earlier = _pairs(clip.frames.shape[1])
    found, sure = find(log_probability, seen.points_m[:, earlier], side)
    here = seen.points_m[:, later, :, :2]
    weight = sure * (-seen.log_spread[:, later]).exp() / here.norm(dim=-1).clamp(min=0.5).square()
    fitted = fit_motion(here, found[..., :2], weight)
    probe = here.new_tensor([[0.0, 0.0], [2.0, 0.0]]).expand(*fitted.shape[:-1], 2, 2)
    error = (apply_motion(fitted, probe) - apply_motion(clip.motion, probe)).norm(dim=-1).mean(-1)
    overlap = clip.found.isfinite().all(-1).float().mean(-1)
    return F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1, reduction="none")[overlap > 0.15].mean()


def _pairs(length: int) -> tuple[list[int], list[int]]:
    pairs = [(later, earlier) for later in range(length) for earlier in range(later)]
    return [later for later, _ in pairs], [earlier for _, earlier in pairs]


def _clip(walks: list[Walk], window: int, rng: np.random.Generator) -> Clip:
    parts = [_part(walk, window, rng) for walk in walks]
    frames = torch.stack([to_input(np.ascontiguousarray(frames), frames.shape[1]) for frames, *_ in parts])
    gain = torch.from_numpy(rng.uniform(0.7, 1.3, (len(walks), 1, 3, 1, 1))).float()
    flicker = torch.from_numpy(rng.normal(1, 0.05, (len(walks), window, 1, 1, 1))).float()
    frames = ((frames + 1) * gain * flicker - 1 + 0.03 * torch.randn_like(frames)).clamp(-1, 1)
    columns = [np.stack(column) for column in zip(*(rest for _, *rest in parts), strict=True)]
    return Clip(frames, *(torch.from_numpy(column).float() for column in columns))


def _part(walk: Walk, window: int, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
    """A stretch of a walk, thinned or mirrored: frames, points, attitude, found, motion."""
    every = int(rng.integers(1, 4))
    start = int(rng.integers(0, max(1, len(walk.frames) - window * every + 1)))
    chosen = np.arange(start, start + window * every, every) % len(walk.frames)
    later, earlier = _pairs(window)
    frames, attitude = walk.frames[chosen], walk.attitude[chosen]
    points: NDArray[np.floating] = walk.points_m[chosen]
    found = np.stack([walk.found(chosen[a], chosen[b]) for a, b in zip(later, earlier, strict=True)])
    motion = np.stack([walk.motion(chosen[a], chosen[b]) for a, b in zip(later, earlier, strict=True)])
    if rng.random() < 0.5:
        side = walk.side
        frames, attitude, motion = frames[:, :, ::-1], attitude * [1, 1, -1], motion * [1, -1, -1]
        points = _flipped(points, side) * [1, -1, 1]
        found = _flipped(found, side) * [-1, 1] + [side - 1, 0]
    return frames, points, attitude, found, motion


def _flipped(cells: NDArray[np.floating], side: int) -> NDArray[np.floating]:
    """Cells (N, C, D) in the order of a mirrored frame."""
    return cells.reshape(len(cells), side, side, -1)[:, :, ::-1].reshape(cells.shape)


def _from_first(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """Path (T, 3) of x, y, yaw in the bird's-eye frame of its first camera."""
    turn = np.pi / 2 - path[0, 2]
    x, y = (path[:, :2] - path[0, :2]).T
    moved = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], -1)
    return np.concatenate([moved, path[:, 2:] + turn], -1)


def _rate(step: int, total: int) -> float:
    warm = min(1.0, (step + 1) / 100)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total))))
