"""A step's micro-batches, made by background threads while the steps before are trained on."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from loc3r.array_cache import ArrayCache
from loc3r.errors import DataError
from loc3r.recipe import Recipe
from loc3r.recipe_sections import DataRecipe, TrainRecipe
from loc3r.scenes.mirror import mirrored_sample, mirrored_scene
from loc3r.scenes.other_axes import axes_under, sample_on, scene_on
from loc3r.train.packer import fill_rows
from loc3r.train.sampler import StepSampler, Unit, micro_batches

if TYPE_CHECKING:
    from torch import Tensor

    from loc3r.model.batch import Batch, Packed
    from loc3r.model.modelling import Loc3R
    from loc3r.model.processor import Processor
    from loc3r.scenes.shards import PreparedData, PreparedSample, PreparedScene

Made = TypeVar("Made")


@dataclass(frozen=True)
class StepBatches:
    """One rank's share of a step."""

    batches: tuple[Batch, ...]
    counts: dict[str, float]
    """What each loss term sums over, in this share."""
    questions: int
    situations: int
    """Questions whose speaker's place is known."""
    tokens: int
    """Without padding."""
    flops: float
    """Operations that training on them needs."""


class TrainingData:
    """Steps of prepared data as micro-batches of one rank.

    Raises:
        DataError: the data was prepared for other frames, or no question is left to train on.
    """

    def __init__(
        self,
        prepared: PreparedData,
        recipe: Recipe,
        processor: Processor,
        rank: int,
        ranks: int,
        features: FeatureStore | None = None,
        *,
        pinned: bool = False,
    ) -> None:
        self._prepared = prepared
        self._processor = processor
        self._recipe = recipe.train
        self._rank, self._ranks = rank, ranks
        self._samples = select_samples(prepared, recipe.train)
        self._class_index = _renumber(prepared, processor)
        self._features = features
        self._pinned = pinned
        self._lengths: dict[Unit, int] = {}
        # Without packing, a video comes once for each of its questions.
        self._scene = lru_cache(maxsize=recipe.train.scenes_per_micro_batch)(self._read_scene)
        self.sampler = sampler_of(self._samples, recipe)

    def load(self, step: int) -> StepBatches:
        """This rank's micro-batches of ``step`` (from 0)."""
        from loc3r.model.flops import Work, training_flops
        from loc3r.model.losses import supervised

        config = self._processor.config
        batches = tuple(self._collate(rows) for rows in self._rows(step))
        counts = [supervised(batch, config) for batch in batches]
        work = [Work.of(batch) for batch in batches]
        return StepBatches(
            tuple(batch.pinned() for batch in batches) if self._pinned else batches,
            counts={name: sum(count[name] for count in counts) for name in counts[0]},
            questions=sum(part.questions for part in work),
            situations=sum(int(batch.position_m.isfinite().all(-1).sum()) for batch in batches),
            tokens=sum(part.tokens for part in work),
            flops=sum(training_flops(config, part, language_trained=not self._recipe.lora.rank) for part in work),
        )

    def _rows(self, step: int) -> Iterator[list[list[Unit]]]:
        """This rank's micro-batches of a step: rows of units."""
        units, recipe = self.sampler.step(step), self._recipe
        if recipe.tokens_per_micro_batch:
            lengths = [self._length(unit) for unit in units]
            filled = fill_rows(lengths, budget=recipe.tokens_per_micro_batch, ranks=self._ranks)
            yield from ([[units[i] for i in row]] for row in filled[self._rank])
            return
        per_micro_batch = recipe.scenes_per_micro_batch
        for some in micro_batches(units, rank=self._rank, ranks=self._ranks, per_micro_batch=per_micro_batch):
            columns = [some] if recipe.packed else zip(*(unit.split() for unit in some), strict=True)
            yield from ([[unit] for unit in column] for column in columns)

    def _length(self, unit: Unit) -> int:
        """Tokens of a unit; each question is measured once."""
        asked = replace(unit, other_map=None).split()  # no place is in the words
        for one in asked:
            if one not in self._lengths:
                self._lengths[one] = self._processor.length(*self._asked(one))
        return len(self._processor.prefix_ids()) + sum(self._lengths[one] for one in asked)

    def _asked(self, unit: Unit) -> list[PreparedSample]:
        samples = [self._samples[unit.scene_id][question] for question in unit.questions]
        return [mirrored_sample(sample) for sample in samples] if unit.mirrored else samples

    def _collate(self, rows: list[list[Unit]]) -> Batch:
        packed = [[self._pack(unit) for unit in row] for row in rows]
        batch = self._processor.collate_rows(packed)
        if not self._features:
            return batch
        return replace(batch, features=torch.stack([self._features.of(pixels) for pixels in batch.pixels]))

    def _pack(self, unit: Unit) -> Packed:
        scene, asked = self._scene(unit.scene_id), self._asked(unit)
        if unit.mirrored:
            scene = mirrored_scene(scene)
        if unit.other_map:
            axes = axes_under(scene, *unit.other_map)
            scene, asked = scene_on(axes, scene), [sample_on(axes, sample) for sample in asked]
        return self._processor.pack(scene, asked)

    def _read_scene(self, scene_id: str) -> PreparedScene:
        scene = self._prepared.scene(scene_id)
        if self._class_index is None:
            return scene
        return replace(scene, patch_class=self._class_index[scene.patch_class])


class FeatureStore:
    """What a frozen vision tower sees in each video, in half precision, kept in ``cache_dir``.

    All ranks and all trainings share it: features are named by the tower's weights and the video's pixels.
    """

    def __init__(self, model: Loc3R, cache_dir: Path) -> None:
        self._model = model
        self._cache = ArrayCache(cache_dir / "features" / tower_fingerprint(model))
        self._lock = threading.Lock()

    def of(self, pixels: Tensor) -> Tensor:
        """Features (T, P, P, F) float16 of a video's pixels (T, 3, S, S)."""
        return torch.from_numpy(self._cache.of(pixels.numpy(), lambda: self._see(pixels)))

    @torch.no_grad()
    def _see(self, pixels: Tensor) -> NDArray[np.float16]:
        with self._lock:  # one video in the tower at a time
            seen: NDArray[np.float16] = self._model.see(pixels[None].to(self._model.device))[0].half().cpu().numpy()
        return seen


def tower_fingerprint(model: Loc3R) -> str:
    """Names the vision tower's weights."""
    digest = hashlib.sha256()
    for name, weight in model.vlm.get_submodule(model.backbone.tower).state_dict().items():
        digest.update(name.encode())
        digest.update(weight.float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


class Prefetcher(Generic[Made]):
    """``make(step)`` for each step of a range, made in order up to ``depth`` ahead by threads; a context manager."""

    def __init__(self, make: Callable[[int], Made], steps: range, depth: int = 3, threads: int = 1) -> None:
        self._make, self._steps, self._depth = make, iter(steps), depth
        self._threads = ThreadPoolExecutor(threads, "prefetch")
        self._coming: deque[Future[Made]] = deque()
        self.waited_s = 0.0
        """Seconds that the last ``next`` waited."""

    def next(self) -> Made:
        """The next step's; an error of its thread is raised here."""
        started = time.perf_counter()
        made = self._coming.popleft().result()
        self.waited_s = time.perf_counter() - started
        self._order()
        return made

    def _order(self) -> None:
        while len(self._coming) < self._depth and (step := next(self._steps, None)) is not None:
            self._coming.append(self._threads.submit(self._make, step))

    def __enter__(self) -> Prefetcher[Made]:
        self._order()
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)


def loader_threads(device: torch.device) -> int:
    """Threads that make batches: beside a GPU this rank's share of the cores, up to 4; on a CPU, which trains, one."""
    if device.type != "cuda":
        return 1
    cores, ranks = len(os.sched_getaffinity(0)), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(4, cores // ranks))


def accumulation_steps(recipe: TrainRecipe, ranks: int) -> int:
    """Micro-batches that a rank accumulates in one optimiser step; with a token budget, at most."""
    videos = recipe.scenes_per_step // (ranks * recipe.scenes_per_micro_batch)
    return videos * (1 if recipe.packed else recipe.questions_per_scene)


def select_samples(prepared: PreparedData, recipe: TrainRecipe) -> dict[str, tuple[PreparedSample, ...]]:
    """Scene id to the samples that the recipe trains on.

    Raises:
        DataError: the curriculum leaves none.
    """
    forms = set(recipe.situation_forms)
    chosen = {
        scene_id: tuple(s for s in prepared.samples_of(scene_id) if not forms or s.situation_form in forms)
        for scene_id in prepared.scene_ids
    }
    if not any(chosen.values()):
        known = sorted({s.situation_form for s in prepared.samples if s.situation_form})
        raise DataError(
            "the data holds no sample to train on",
            received=f"train.situation_forms={sorted(forms)}" if forms else "0 samples",
            expected=f"some of {known}" if forms else "at least 1 sample",
        )
    return chosen


def sampler_of(samples: Mapping[str, Sequence[PreparedSample]], recipe: Recipe) -> StepSampler:
    """The recipe's way through the selected samples of each scene."""
    return StepSampler(
        {scene_id: len(some) for scene_id, some in samples.items()},
        questions_per_scene=recipe.train.questions_per_scene,
        scenes_per_step=recipe.train.scenes_per_step,
        seed=recipe.seed,
        mirror=recipe.train.mirror,
        move_map=recipe.train.move_map,
    )


def check_data(prepared: PreparedData, recipe: Recipe) -> None:
    """Check that the data was prepared as the recipe's data section says, and that its camera tokens fit the model.

    Raises:
        DataError: it was not, or they don't; names the fields.
    """
    wanted = recipe.data.model_dump(mode="json")
    found = DataRecipe(**prepared.manifest["recipe"]).model_dump(mode="json")  # with defaults for later fields
    wrong = [name for name in wanted if found.get(name) != wanted[name]]
    if wrong:
        raise DataError(
            "the data was prepared for another recipe",
            received=", ".join(f"data.{name}={found.get(name)}" for name in wrong),
            expected=", ".join(f"data.{name}={wanted[name]}" for name in wrong),
            fix="prepare the scenes with this recipe: loc3r prepare --recipe …",
        )
    prior = prepared.manifest["prior"]
    if prior["dim"] != recipe.model.prior_dim:
        raise DataError(
            f"camera tokens of {prior['name']} do not fit the model",
            received=f"tokens of width {prior['dim']}",
            expected=f"model.prior_dim={recipe.model.prior_dim}",
            fix=f"set model.prior_dim={prior['dim']}, or prepare the scenes with another data.prior",
        )


def _renumber(prepared: PreparedData, processor: Processor) -> np.ndarray | None:
    """Index of the data's classes among the model's, which may come from another data set; -1 stays -1."""
    names, known = prepared.class_names, processor.config.class_names
    if names == known:
        return None
    index = {name: i for i, name in enumerate(known)}
    return np.array([*(index.get(name, -1) for name in names), -1], np.int16)
