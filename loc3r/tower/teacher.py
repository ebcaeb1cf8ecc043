"""The loop that teaches a tower: its weights, its optimiser and its curve. A killed teaching goes on."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from loc3r.files import atomic_path
from loc3r.model.tower import Lite0
from loc3r.synth.generate import STRUCTURE_NAMES
from loc3r.tower.network import TaughtTower, Teaching, teaching_losses, tower_pixels
from loc3r.tower.pictures import Pictures
from loc3r.train.metrics import check_finite

REPORTED_EVERY = 100
WARM_UP_STEPS = 50
FINAL_SHARE = 0.01
"""Learning rate at the end, as a share of the peak."""


@dataclass(frozen=True)
class TowerRecipe:
    """Everything that decides the tower's weights, besides the rooms, the model and the code."""

    steps: int = 3000
    frames_per_step: int = 64
    learning_rate: float = 5e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.02
    held_out_share: float = 0.02
    seed: int = 0


class Teacher:
    """Teaches a copy of a tower.

    Args:
        tower: left as it is.
        class_names: what the heads name, as ``shown`` counts them.
        state: file that keeps what a killed teaching reached.
        identity: names all that decides the weights; what another teaching left in ``state`` is written over.
    """

    def __init__(
        self,
        tower: Lite0,
        class_names: Sequence[str],
        shown: Pictures,
        recipe: TowerRecipe,
        state: Path,
        identity: str,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.shown, self.recipe, self._path, self._identity = shown, recipe, state, identity
        self._structure = structure_of(class_names)
        self.network = TaughtTower(copy.deepcopy(tower).requires_grad_(), len(class_names))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        heads = [weight for name, weight in self.network.named_parameters() if not name.startswith("tower.")]
        groups: list[dict[str, Any]] = [
            {"params": heads, "lr": recipe.head_learning_rate},
            {"params": [*self.network.tower.parameters()], "lr": recipe.learning_rate},
        ]
        self.optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=recipe.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, recipe.steps))
        self.curve: list[dict[str, float]] = []
        self.smooth: dict[str, float] = {}
        self.step = 0

    def run(self, save_every: int) -> None:
        """Teach to the last step, from the first or from what a killed teaching left.

        Raises:
            TrainingError: a loss is not finite.
        """
        self._resume()
        self.network.train()
        with Progress(console=Console(stderr=True)) as progress:
            task = progress.add_task("teaching the tower", total=self.recipe.steps, completed=self.step)
            while self.step < self.recipe.steps:
                self._take_step()
                progress.update(task, advance=1)
                if self.step % REPORTED_EVERY == 0:
                    self.curve.append({"step": self.step} | {n: round(v, 4) for n, v in self.smooth.items()})
                    told = " ".join(f"{name} {value}" for name, value in self.curve[-1].items())
                    progress.console.print(told, soft_wrap=True)
                if self.step % save_every == 0 or self.step == self.recipe.steps:
                    self._save()
        self.network.eval()

    def _take_step(self) -> None:
        rng = np.random.default_rng([self.recipe.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))  # so that a resumed teaching hides the same features
        batch = drawn(self.shown, self.recipe.frames_per_step, rng)
        terms = teaching_losses(self.network(batch.pixels), batch, self._structure)
        values = {name: value.item() for name, value in terms.items()}
        self.optimiser.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0))
        check_finite(f"step {self.step + 1} of the tower", {**values, "gradient_norm": norm}, "lower --learning-rate")
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        self.smooth = {name: 0.98 * self.smooth.get(name, value) + 0.02 * value for name, value in values.items()}

    def _save(self) -> None:
        state = {"identity": self._identity, "step": self.step, "curve": self.curve, "smooth": self.smooth}
        parts = {name: getattr(self, name).state_dict() for name in ("network", "optimiser", "schedule")}
        with atomic_path(self._path) as temporary:
            torch.save({**state, **parts}, temporary)

    def _resume(self) -> None:
        if not self._path.is_file():
            return
        state = torch.load(self._path, weights_only=True)
        if state["identity"] != self._identity:
            return
        for name in ("network", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.curve, self.smooth = state["step"], state["curve"], state["smooth"]


def drawn(shown: Pictures, count: int, rng: np.random.Generator) -> Teaching:
    """Frames drawn by chance, half of them mirrored, each in a light of its own."""
    chosen = np.sort(rng.integers(len(shown), size=count))
    flipped = torch.from_numpy(rng.random(count) < 0.5)

    def turned(values: NDArray[Any]) -> Tensor:
        tensor = torch.from_numpy(values[chosen])
        return torch.where(flipped.view(-1, *[1] * (tensor.ndim - 1)), tensor.flip(2), tensor)

    pixels = tower_pixels(turned(shown.frames).numpy())
    light = rng.uniform(0.7, 1.3, (count, 1, 1, 1)) * rng.uniform(0.85, 1.15, (count, 3, 1, 1))
    noise = rng.normal(0, 0.02, pixels.shape).astype(np.float32)
    pixels = ((pixels + 1) * torch.from_numpy(light).float() - 1 + torch.from_numpy(noise)).clamp(-1, 1)
    cells, tokens = turned(shown.cell_class).long(), turned(shown.token_class).long()
    fronts = turned(shown.token_front).float()
    fronts[..., 1] *= torch.where(flipped, -1.0, 1.0).view(-1, 1, 1)
    return Teaching(pixels, cells, tokens, turned(shown.depth_m).float(), fronts)


def structure_of(class_names: Sequence[str]) -> Tensor:
    """Indices (3,) of walls, floor and ceiling, as far as they are among the names."""
    return torch.tensor([i for i, name in enumerate(class_names) if name in STRUCTURE_NAMES], dtype=torch.long)


def _rate(step: int, steps: int) -> float:
    """Warm-up, then a cosine."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)
