"""The DeepSpeed engine around a model: ranks, optimiser, ZeRO, losses divided by the counts of the whole step.

DeepSpeed averages gradients over the ranks and sums them over micro-batches. Each micro-batch's loss is its sums
divided by the step's global counts, times the number of ranks: the average cancels, and what remains is the gradient
of the same step on one rank without accumulation.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from loc3r.errors import TrainingError
from loc3r.model.losses import joint_loss, loss_weights
from loc3r.recipe import Recipe
from loc3r.train.schedule import warmup_cosine
from loc3r.train.zero.config import deepspeed_config

if TYPE_CHECKING:
    from loc3r.model.batch import Batch
    from loc3r.model.modelling import Loc3R

Found = TypeVar("Found")
COLLECTIVE_TIMEOUT = timedelta(minutes=40)
"""Longer than the watchdog's patience, which can say which rank it is."""


@dataclass(frozen=True)
class Group:
    """This process among the ranks."""

    rank: int
    ranks: int
    device: torch.device

    @classmethod
    def join(cls, device: str) -> Group:
        """Meet the other ranks, as torchrun's environment names them.

        Raises:
            TrainingError: this process was not started by torchrun.
        """
        if "RANK" not in os.environ:
            raise TrainingError("no rank", received="RANK is not set", expected="torchrun -m loc3r.train.worker …")
        local_rank = int(os.environ["LOCAL_RANK"])
        os.environ["DS_ACCELERATOR"] = device  # read when DeepSpeed is imported
        with _hidden("mlflow"):  # DeepSpeed's autotuner, not used here, would import it: 3 s a rank
            import deepspeed
            import deepspeed.ops

        if device == "cuda":
            torch.cuda.set_device(local_rank)
        else:
            # DeepSpeed compiles this at start-up: minutes, and a killed build leaves a lock that hangs every later run.
            deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        backend = "nccl" if device == "cuda" else "gloo"
        deepspeed.init_distributed(backend, auto_mpi_discovery=False, verbose=False, timeout=COLLECTIVE_TIMEOUT)
        name = torch.device("cuda", local_rank) if device == "cuda" else torch.device("cpu")
        return cls(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), name)

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which writes what is written once."""
        return self.rank == 0

    def agree(self, found: Callable[[], Found]) -> Found:
        """What ``found`` gives on rank 0, on every rank; the others don't call it."""
        box: list[Any] = [found() if self.first else None]
        torch.distributed.broadcast_object_list(box, device=self.device)
        answer: Found = box[0]
        return answer

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Each value summed over the ranks, in float64; every rank must give the same names."""
        total = torch.tensor([values[name] for name in values], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return dict(zip(values, total.tolist(), strict=True))

    def barrier(self) -> None:
        """Wait for every rank."""
        self.sum({"here": 1.0})

    def leave(self) -> None:
        """End the group in good order."""
        torch.distributed.destroy_process_group()


class LossModule(nn.Module):
    """Model and losses as one module, so that ZeRO-3 gathers every weight that either reads."""

    def __init__(self, model: Loc3R, ranks: int, *, mixed: bool = False) -> None:
        super().__init__()
        self.model = model
        self.ranks = ranks
        self.mixed = mixed
        self.names: tuple[str, ...] = ()

    def forward(self, batch: Batch, counts: Mapping[str, float]) -> tuple[Tensor, Tensor]:
        """The scalar to back-propagate, and each term's sum, detached: (terms,) in the order of ``names``."""
        with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=self.mixed):
            outputs = self.model.forward(batch)  # not a call: ZeRO-3's hooks know tensors, not ``Outputs``
        terms = joint_loss(outputs, batch, self.model.config)
        self.names = tuple(terms.sums)
        sums = torch.stack([terms.sums[name].detach().double() for name in self.names])
        return terms.total(counts) * self.ranks, sums


class Engine:
    """A DeepSpeed engine that takes whole steps.

    Args:
        universal: it will ``take_over`` a universal checkpoint.
    """

    def __init__(self, model: Loc3R, recipe: Recipe, group: Group, *, universal: bool = False) -> None:
        import deepspeed

        if recipe.train.gradient_checkpointing:
            model.vlm.gradient_checkpointing_enable({"use_reentrant": False})
        self.group = group
        self.weights = loss_weights(recipe.loss)
        self.trainable = tuple(name for name, weight in model.named_parameters() if weight.requires_grad)
        self._module = LossModule(model, group.ranks, mixed=recipe.train.precision == "mixed")
        # On the CPU, fused is for offloaded states: they are large, and elsewhere resuming relies on what was before.
        self._optimiser = adamw(model, recipe, fused=group.device.type == "cuda" or recipe.train.offload)
        self.config = deepspeed_config(recipe, group.ranks)
        with _muon_hidden(recipe.train.zero_stage):
            self.deepspeed, *_ = deepspeed.initialize(
                model=self._module,
                optimizer=self._optimiser,
                lr_scheduler=warmup_cosine(self._optimiser, recipe.train.steps, recipe.optimiser),
                config={**self.config, "checkpoint": {"load_universal": universal}},
                dist_init_required=False,
            )
        self.deepspeed.train()

    @property
    def model(self) -> Loc3R:
        """The model that is trained; sharded under ZeRO-3."""
        return self._module.model

    def train_step(self, batches: tuple[Batch, ...], counts: Mapping[str, float]) -> dict[str, float]:
        """One optimiser step; returns each term's mean over the step's global ``counts``."""
        sums: list[Tensor] = []
        for number, batch in enumerate(on_device(batches, self.group.device), start=1):
            self.deepspeed.set_gradient_accumulation_boundary(number == len(batches))
            loss, parts = self.deepspeed(batch, counts)
            self.deepspeed.backward(loss, scale_wrt_gas=False)
            self.deepspeed.step()
            sums.append(parts)
        mine = torch.stack(sums).sum(0).tolist()
        total = self.group.sum(dict(zip(self._module.names, mine, strict=True)))
        return {name: value / max(counts[name], 1) for name, value in total.items()}

    def loss(self, terms: Mapping[str, float]) -> float:
        """The joint loss of a step's term means."""
        return sum(self.weights[name] * value for name, value in terms.items())

    @property
    def learning_rate(self) -> float:
        """Of the step to come."""
        return float(self.deepspeed.get_lr()[0])

    @property
    def gradient_norm(self) -> float | None:
        """Of the last step, over all ranks, before it was clipped; None where DeepSpeed does not tell.

        Nor is there one where fp16's scaled gradients overflowed: the step was skipped, which is no fault.
        """
        norm = self.deepspeed.get_global_grad_norm()
        skipped = self.deepspeed.fp16_enabled() and not self.deepspeed.was_step_applied()
        return None if norm is None or skipped else float(norm)

    @property
    def loss_scale(self) -> float | None:
        """By which the loss of the step to come is multiplied; None where nothing is scaled (all but fp16)."""
        return float(self.deepspeed.optimizer.loss_scale) if self.deepspeed.fp16_enabled() else None

    def save(self, folder: Path) -> None:
        """Write this rank's shards and random state under ``folder``; every rank must call it."""
        self.deepspeed.save_checkpoint(str(folder.parent), tag=folder.name, save_latest=False)
        states = {"cpu": torch.get_rng_state()}
        if self.group.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state()
        torch.save(states, folder / f"rng_rank_{self.group.rank}.pt")

    def restore(self, folder: Path) -> None:
        """Take over weights, optimiser, schedule and random state; every rank must call it."""
        self.deepspeed.load_checkpoint(str(folder.parent), tag=folder.name)
        states = torch.load(folder / f"rng_rank_{self.group.rank}.pt", weights_only=True)
        torch.set_rng_state(states["cpu"])
        if self.group.device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"])

    def take_over(self, folder: Path, seed: Sequence[int]) -> None:
        """Take over a checkpoint that another number of ranks wrote; every rank must call it.

        Args:
            folder: it as a universal checkpoint (``loc3r.train.checkpoints.universal``).
            seed: of this rank's random state, since there is none to go on from.
        """
        decays = [group["weight_decay"] for group in self._optimiser.param_groups]
        self.deepspeed.load_checkpoint(str(folder.parent), tag=folder.name)
        # ZeRO-3's loader gives every group the first one's decay, and all weights one counter, counted by each of them.
        for group, decay in zip(self._optimiser.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        for state in self._optimiser.state.values():
            state["step"] = torch.as_tensor(state["step"]).clone()
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))

    def gathered(self) -> AbstractContextManager[Any]:
        """Inside, rank 0 sees whole weights, whatever the ZeRO stage; every rank must enter."""
        if self.deepspeed.zero_optimization_stage() < 3:
            return nullcontext()
        import deepspeed

        gathered: AbstractContextManager[Any] = deepspeed.zero.GatheredParameters(list(self.model.parameters()))
        return gathered


def on_device(batches: Sequence[Batch], device: torch.device) -> Iterator[Batch]:
    """Each batch on the device. To a GPU the next one is copied while the one before is trained on."""
    if device.type != "cuda":
        yield from (batch.to(device) for batch in batches)
        return
    copies = torch.cuda.Stream(device)

    def copy(number: int) -> Batch:
        with torch.cuda.stream(copies):
            return batches[number].to(device)

    coming = copy(0)
    for number in range(len(batches)):
        torch.cuda.current_stream(device).wait_stream(copies)
        here = coming.used_by(torch.cuda.current_stream(device))
        if number + 1 < len(batches):
            coming = copy(number + 1)
        yield here


def _muon_hidden(zero_stage: int) -> AbstractContextManager[None]:
    """Spare the stages that can do without it the import of Muon, which compiles kernels for seconds."""
    return _hidden("deepspeed.runtime.zero.muon.muon_optimizer") if zero_stage < 3 else nullcontext()


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let the optional import of a module fail, unless it was imported before."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]


def adamw(model: nn.Module, recipe: Recipe, fused: bool) -> torch.optim.AdamW:
    """AdamW; biases, norms and other vectors do not decay."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    decay = recipe.optimiser.weight_decay
    groups = [
        {"params": [weight for weight in trained if weight.ndim >= 2], "weight_decay": decay},
        {"params": [weight for weight in trained if weight.ndim < 2], "weight_decay": 0.0},
    ]
    # Torch's own: DeepSpeed's would be compiled on the spot.
    return torch.optim.AdamW(groups, lr=recipe.optimiser.learning_rate, betas=recipe.optimiser.betas, fused=fused)
