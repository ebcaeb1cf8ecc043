"""What a training needs before it starts: memory of each rank, tokens of a step, time of an epoch, GPU-hours.

Times are the model's own operations (``loc3r.model.flops``) at a share of what the device can do: to decide by, not a
promise.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from loc3r.errors import TrainingError
from loc3r.model.backbones import BACKBONES
from loc3r.model.config import Loc3RConfig
from loc3r.model.flops import PEAK_TFLOPS, Work, training_flops
from loc3r.recipe import Recipe
from loc3r.train.device import IN_BFLOAT16, WITHOUT_BFLOAT16, without_bfloat16
from loc3r.train.memory import CUDA_CONTEXT, Memory, Parameters, count_parameters, describe_training, estimate_memory

UTILISATION = 0.35
"""Share of the peak that good video-language training reaches (benchmarks/README.md)."""
TOKENS_A_QUESTION = 80
"""Situation, question and answer, with the chat's own words."""
TOKENS_AN_ANSWER = 4
GIB = 2**30
CARD_GIB = {
    "B200": 178.3, "H200": 139.8, "H100 NVL": 93.0, "H100 PCIe": 79.1, "H100": 79.1, "H800": 79.1, "A100": 79.1,
    "A800": 79.1, "L40S": 44.4, "L40": 44.4, "L4": 22.0, "A40": 44.4, "A10G": 22.0, "A10": 22.0, "RTX 6000 Ada": 47.4,
    "RTX A6000": 47.4, "RTX 4090": 23.5, "RTX 3090": 23.5, "V100": 31.7, "T4": 14.6, "MI300X": 191.5,
}  # fmt: skip
"""What PyTorch finds on such a GPU, of those sold in two sizes the larger: less than the name says, for ECC and the
driver take some."""

LESS_MEMORY = (
    "less is needed with train.gradient_checkpointing=true, more ranks, train.zero_stage=3, train.offload=true or "
    "train.lora.rank=16"
)


@dataclass(frozen=True)
class Device:
    """What the training would run on."""

    name: str
    flops: float
    """Operations a second of one."""
    memory_bytes: int | None = None
    """None: unknown."""
    gpu: bool = True


@dataclass(frozen=True)
class Estimate:
    """A training before it starts."""

    recipe: Recipe
    ranks: int
    device: Device
    parameters: Parameters
    memory: Memory
    work: Work
    """Of a step, over all ranks."""
    steps_per_epoch: float | None
    """None: the data isn't known."""

    @property
    def step_s(self) -> float:
        """Seconds of a step."""
        return step_flops(self.recipe) / (self.ranks * self.device.flops * UTILISATION)

    def rows(self) -> list[tuple[str, str]]:
        """The estimate as (what, value) for a person."""
        train, memory, work = self.recipe.train, self.memory, self.work
        micro_batches = micro_batches_per_step(self.recipe)
        rows = [
            ("recipe", f"{self.recipe.name} {self.recipe.hash}: {describe_training(train)}"),
            (
                "model",
                f"{self.parameters.all / 1e6:,.1f} M weights, {self.parameters.trained / 1e6:,.1f} M of them trained",
            ),
            ("ranks", f"{self.ranks} x {self.device.name}"),
            ("memory of a rank", self._memory()),
            (
                "batch",
                f"{work.questions} questions, {work.videos} videos, {micro_batches // self.ranks} micro-batches a rank",
            ),
            ("tokens", f"{work.tokens:,} a step, {work.tokens // micro_batches:,} a micro-batch"),
            ("step", f"{_duration(self.step_s)} at {UTILISATION:.0%} of the device's peak"),
        ]
        rows.append(("epoch", self._epoch()))
        total_s = train.last_step * self.step_s
        hours = f", {total_s * self.ranks / 3600:.1f} GPU-hours" if self.device.gpu else ""
        rows.append(("training", f"{train.last_step:,} steps, {_duration(total_s)}{hours}"))
        if memory.host:
            rows.insert(4, ("memory of the machine", f"{memory.host / GIB:.1f} GiB for each rank"))
        return rows

    def _epoch(self) -> str:
        if self.steps_per_epoch is None:
            each_s = self.step_s / self.work.questions
            return f"--data tells how many steps; every 10,000 questions take {_duration(10_000 * each_s)}"
        return f"{self.steps_per_epoch:,.0f} steps, {_duration(self.steps_per_epoch * self.step_s)}"

    def _memory(self) -> str:
        memory = self.memory
        parts = {"weights": memory.weights, "gradients": memory.gradients, "optimiser": memory.optimiser}
        parts |= {"activations": memory.activations, "buffers": memory.buffers}
        parts |= {"CUDA": CUDA_CONTEXT} if self.device.gpu else {}
        total = sum(parts.values())
        told = f"{total / GIB:.1f} GiB: " + ", ".join(f"{name} {size / GIB:.1f}" for name, size in parts.items())
        if self.device.memory_bytes:
            fits = total < self.device.memory_bytes
            told += f"; {'fits in' if fits else 'DOES NOT FIT in'} {self.device.memory_bytes / GIB:.1f} GiB"
            told += "" if fits else f": {LESS_MEMORY}"
        return told


def estimate(recipe: Recipe, ranks: int, device: Device, units_per_epoch: int | None = None) -> Estimate:
    """Estimate a training of a recipe on so many ranks.

    Args:
        units_per_epoch: of the data (``StepSampler``), where it is known.
    """
    parameters, step = count_parameters(recipe), planned_work(recipe)
    parts = micro_batches_per_step(recipe)
    memory = estimate_memory(
        recipe, parameters, ranks, tokens=step.tokens // parts, rows=step.videos // parts, answers=step.answers // parts
    )
    epoch = units_per_epoch / recipe.train.scenes_per_step if units_per_epoch else None
    return Estimate(recipe, ranks, device, parameters, memory, step, epoch)


def planned_work(recipe: Recipe) -> Work:
    """What one step of a recipe asks of the model, with questions of ordinary length."""
    train, video = recipe.train, video_tokens(recipe)
    questions = train.scenes_per_step * train.questions_per_scene
    videos = train.scenes_per_step if train.packed else questions
    pairs = videos * video * (video + 1) // 2 + questions * TOKENS_A_QUESTION * (video + (TOKENS_A_QUESTION + 1) // 2)
    encoded = 0 if train.keep_features else videos
    tokens = videos * video + questions * TOKENS_A_QUESTION
    return Work(videos, encoded, questions, tokens, pairs, questions * TOKENS_AN_ANSWER)


def video_tokens(recipe: Recipe) -> int:
    """Tokens of a video and the words around it."""
    data, card = recipe.data, BACKBONES[recipe.model.backbone]
    side = data.tokens_a_side
    frame = 1 + side**2 + side * (card.newlines == "row") + len(card.frame_marks)
    return 4 + (data.frames * frame if recipe.model.video else 0)


def micro_batches_per_step(recipe: Recipe) -> int:
    """Over all ranks."""
    train = recipe.train
    if train.tokens_per_micro_batch:
        unit = video_tokens(recipe) + train.questions_per_scene * TOKENS_A_QUESTION
        return -(-train.scenes_per_step // max(1, train.tokens_per_micro_batch // unit))
    return train.scenes_per_step // train.scenes_per_micro_batch * (1 if train.packed else train.questions_per_scene)


def step_flops(recipe: Recipe) -> float:
    """Operations that one step needs."""
    config = Loc3RConfig(data=recipe.data, model=recipe.model, loss=recipe.loss)
    return training_flops(config, planned_work(recipe), language_trained=not recipe.train.lora.rank)


def here(device: str, ranks: int, precision: str) -> Device:
    """This machine's GPU, or for ``cpu`` a rank's share of its cores, measured for a moment."""
    import torch

    from loc3r.train.throughput import peak_flops, product_type

    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        peak = peak_flops(torch.device("cuda", 0), product_type(precision))
        return Device(properties.name, peak, properties.total_memory)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // ranks))
    return Device("CPU", peak_flops(torch.device("cpu"), product_type(precision)), gpu=False)


def named(gpu: str, precision: str = "fp16") -> Device:
    """A GPU that need not be here, for a recipe's ``train.precision``.

    Raises:
        TrainingError: its speed is not known, or it has no bfloat16.
    """
    known = {name.lower(): (name, tflops) for name, tflops in PEAK_TFLOPS.items()}
    if gpu.lower() not in known:
        raise TrainingError("unknown GPU", received=gpu, expected=", ".join(PEAK_TFLOPS))
    name, tflops = known[gpu.lower()]
    if precision in IN_BFLOAT16 and name in WITHOUT_BFLOAT16:
        raise without_bfloat16(name, precision)
    return Device(name, tflops * 1e12, int(CARD_GIB[name] * GIB))


def gpu_hours(recipe: Recipe) -> float:
    """Hours of one H100 for the whole training, at ``UTILISATION``."""
    return recipe.train.last_step * step_flops(recipe) / (PEAK_TFLOPS["H100"] * 1e12 * UTILISATION) / 3600


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
