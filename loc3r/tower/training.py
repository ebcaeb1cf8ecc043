"""Teach a checkpoint's tower on rendered rooms, then fit the checkpoint to it. A killed teaching goes on."""

from __future__ import annotations

import copy
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, track
from torch import Tensor

from loc3r.errors import CheckpointError
from loc3r.files import atomic_path, hash_file, hash_json, write_json
from loc3r.model.checkpoint import WEIGHTS_FILE
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import load_tokenizer
from loc3r.model.tower import Lite0
from loc3r.synth.generate import STRUCTURE_NAMES
from loc3r.tower.network import TaughtTower, Teaching, teaching_losses
from loc3r.tower.pictures import Pictures, read_rooms
from loc3r.tower.refit import refit, standardise
from loc3r.tracking.lineage import read_lineage
from loc3r.train.lineage import LINEAGE_FILE

RECORD_FILE = "tower.json"
STATE_FILE = "teaching.pt"
MEASURED_FRAMES, MEASURED_AT_ONCE = 4096, 64
"""Frames on which the model is fitted to its tower, and how many at once."""
REPORTED_EVERY = 100


@dataclass(frozen=True)
class TowerRecipe:
    """Everything that decides the tower's weights, besides the rooms and the model."""

    steps: int = 3000
    frames_per_step: int = 64
    learning_rate: float = 5e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.02
    held_out_share: float = 0.02
    seed: int = 0


def teach(model_folder: Path, rooms: Path, out: Path, recipe: TowerRecipe, save_every: int = 200) -> dict[str, Any]:
    """Write the checkpoint of ``model_folder`` with a taught tower into ``out``; return what ``tower.json`` records.

    Raises:
        CheckpointError: the model's tower is not lite0.
        DataError: the rooms don't say what their pixels show.
    """
    model = Loc3R.load(model_folder)
    if model.config.model.vision.kind != "lite0":
        raise CheckpointError(
            "only the small tower is taught",
            received=f"{model_folder} with model.vision.kind={model.config.model.vision.kind}",
            expected="model.vision.kind=lite0",
            fix="larger towers come with published weights",
        )
    parts = read_rooms(rooms, model.config.data, model.config.class_names)
    held_out = max(1, round(len(parts) * recipe.held_out_share))
    asked, shown = Pictures.joined(parts[:held_out]), Pictures.joined(parts[held_out:])
    teaching = Teacher(model, shown, recipe, out, start=hash_file(model_folder / WEIGHTS_FILE)[:12])
    teaching.run(save_every)
    record = {
        "recipe": asdict(recipe), "parent": teaching.start, "rooms": len(parts), "held_out_rooms": held_out,
        "frames_seen": recipe.steps * recipe.frames_per_step, "losses": teaching.curve,
        "held_out": measure(teaching.network, asked, structure_of(model.config.class_names)),
        "explained_share": fit_model(model, teaching.network.tower, shown, recipe.seed),
    }  # fmt: skip
    _write(model, model_folder, out, record)
    return record


class Teacher:
    """The loop: its weights, its optimiser and its curve, kept in ``out`` until the checkpoint is there."""

    def __init__(self, model: Loc3R, shown: Pictures, recipe: TowerRecipe, out: Path, start: str) -> None:
        torch.manual_seed(recipe.seed)
        self.shown, self.recipe, self.start = shown, recipe, start
        self.structure = structure_of(model.config.class_names)
        tower = copy.deepcopy(tower_of(model)).requires_grad_()
        self.network = TaughtTower(tower, len(model.config.class_names))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        heads = [weight for name, weight in self.network.named_parameters() if not name.startswith("tower.")]
        groups: list[dict[str, Any]] = [
            {"params": heads, "lr": recipe.head_learning_rate},
            {"params": [*tower.parameters()]},
        ]
        self.optimiser = torch.optim.AdamW(
            groups, recipe.learning_rate, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, recipe.steps))
        self.curve: list[dict[str, float]] = []
        self.smooth: dict[str, float] = {}
        self.step = 0
        self._path = out / STATE_FILE
        self._identity = hash_json([asdict(recipe), start, len(shown), int(shown.cell_class.astype(np.int64).sum())])

    def run(self, save_every: int) -> None:
        """Teach to the last step, from the first or from what a killed teaching left."""
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
                if self.step % save_every == 0:
                    self._save()
        self.network.eval()

    def _take_step(self) -> None:
        rng = np.random.default_rng([self.recipe.seed, self.step])
        torch.manual_seed(int(rng.integers(2**31)))  # so that a resumed teaching hides the same features
        batch = drawn(self.shown, self.recipe.frames_per_step, rng)
        terms = teaching_losses(self.network(batch.pixels), batch, self.structure)
        self.optimiser.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        self.smooth = {n: 0.98 * self.smooth.get(n, v.item()) + 0.02 * v.item() for n, v in terms.items()}

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
            return  # of another teaching: it is written over
        for name in ("network", "optimiser", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.curve, self.smooth = state["step"], state["curve"], state["smooth"]


def drawn(shown: Pictures, count: int, rng: np.random.Generator) -> Teaching:
    """Frames drawn by chance, half of them mirrored, each in a light of its own."""
    chosen = np.sort(rng.integers(len(shown), size=count))
    flipped = torch.from_numpy(rng.random(count) < 0.5)

    def turned(values: NDArray[Any], axis: int) -> Tensor:
        tensor = torch.from_numpy(values[chosen])
        return torch.where(flipped.view(-1, *[1] * (tensor.ndim - 1)), tensor.flip(axis), tensor)

    pixels = _pixels(turned(shown.frames, 2))
    light = rng.uniform(0.7, 1.3, (count, 1, 1, 1)) * rng.uniform(0.85, 1.15, (count, 3, 1, 1))
    noise = rng.normal(0, 0.02, pixels.shape).astype(np.float32)
    pixels = ((pixels + 1) * torch.from_numpy(light).float() - 1 + torch.from_numpy(noise)).clamp(-1, 1)
    cells, tokens = turned(shown.cell_class, 2).long(), turned(shown.token_class, 2).long()
    return Teaching(pixels, cells, tokens, turned(shown.depth_m, 2).float())


@torch.no_grad()
def measure(network: TaughtTower, asked: Pictures, structure: Tensor) -> dict[str, float]:
    """Shares of furniture tokens and cells that are named right, and the relative error of distances."""
    right = {"token": 0, "cell": 0}
    count, errors = dict(right), []
    for start in range(0, len(asked), MEASURED_AT_ONCE):
        part = slice(start, start + MEASURED_AT_ONCE)
        said = network.eval()(_pixels(torch.from_numpy(asked.frames[part])))
        named = {"token": said.token_logits.argmax(-1), "cell": said.cell_logits.argmax(1)}
        for what, true in (("token", asked.token_class), ("cell", asked.cell_class)):
            known = torch.from_numpy(true[part]).long()
            things = (known >= 0) & ~torch.isin(known, structure)
            right[what] += int((named[what] == known)[things].sum())
            count[what] += int(things.sum())
        depth_m = torch.from_numpy(asked.depth_m[part]).float()
        errors.append((said.log_depth - depth_m.log()).abs()[depth_m > 0])
    named_share = {f"{what}s_named": round(right[what] / max(count[what], 1), 4) for what in right}
    return named_share | {"log_depth_error": round(float(torch.cat(errors).mean()), 4)}


def fit_model(model: Loc3R, tower: Lite0, shown: Pictures, seed: int) -> float:
    """Give the model the taught tower and fit its projector to it; the share of the projector's variance explained."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(shown))[:MEASURED_FRAMES])

    def batches() -> Iterator[Tensor]:
        starts = range(0, len(chosen), MEASURED_AT_ONCE)
        for start in track(starts, "fitting the model to it", console=Console(stderr=True)):
            yield _pixels(torch.from_numpy(shown.frames[chosen[start : start + MEASURED_AT_ONCE]]))

    standardise(tower, batches)
    reading = model.vlm.model.multi_modal_projector.linear_1
    explained = refit(reading, tower_of(model), tower, batches, model.config.model.vision.dropout)
    model.vlm.model.vision_tower = tower.requires_grad_(False)
    return round(explained, 4)


def tower_of(model: Loc3R) -> Lite0:
    """The small tower of a model that has one."""
    tower: Lite0 = model.vlm.model.vision_tower
    return tower


def structure_of(class_names: Sequence[str]) -> Tensor:
    """Indices (3,) of walls, floor and ceiling, as far as they are among the names."""
    return torch.tensor([i for i, name in enumerate(class_names) if name in STRUCTURE_NAMES], dtype=torch.long)


def _write(model: Loc3R, parent: Path, out: Path, record: dict[str, Any]) -> None:
    """The parent's recipe and lineage go with the model, and what was done: the next training reads them."""
    if (parent / "recipe.yaml").is_file():
        shutil.copyfile(parent / "recipe.yaml", out / "recipe.yaml")
    said = {name: value for name, value in record.items() if name != "losses"}
    write_json(out / LINEAGE_FILE, read_lineage(parent) | {"tower": said})
    write_json(out / RECORD_FILE, record)
    model.save(out, load_tokenizer(parent))  # the weights come last
    (out / STATE_FILE).unlink(missing_ok=True)


def _pixels(frames: Tensor) -> Tensor:
    """Frames (N, S, S, 3) uint8 as the tower takes them, (N, 3, S, S) in [-1, 1]."""
    return frames.permute(0, 3, 1, 2).float() / 127.5 - 1


def _rate(step: int, steps: int) -> float:
    """Warm-up over 50 steps, then a cosine down to a hundredth."""
    return min(1.0, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))
