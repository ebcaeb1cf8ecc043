"""The training loop of one rank: resume, step, log, save, export."""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loc3r.errors import TrainingError
from loc3r.files import write_json
from loc3r.settings import load_settings
from loc3r.train.batches import FeatureStore, Prefetcher, StepBatches, TrainingData, check_data, loader_threads
from loc3r.train.checkpoints import Checkpoint, newest, prune, step_folder, universal_folder, write_universal
from loc3r.train.engine import Engine, Group
from loc3r.train.export import export_model
from loc3r.train.job import Identity, TrainingJob
from loc3r.train.lineage import lineage_of
from loc3r.train.lora import merge_adapters
from loc3r.train.metrics import METRICS_FILE, MetricsLog, StepRecord, check_finite
from loc3r.train.progress import TrainingProgress
from loc3r.train.record import finish_record, open_recorder
from loc3r.train.sampler import check_division
from loc3r.train.start import build
from loc3r.train.throughput import peak_flops, peak_memory_bytes, product_type

if TYPE_CHECKING:
    from loc3r.scenes.shards import PreparedData


class Stopped(TrainingError):
    """A signal asked for a stop; the checkpoint of the last step is on disk."""


class Trainer:
    """One rank of a training job.

    Args:
        stopping: tells whether a signal asked this rank to stop.
        at: hears what this rank begins to do, as all ranks do in the same order.
    """

    def __init__(
        self,
        job: TrainingJob,
        identity: Identity,
        prepared: PreparedData,
        group: Group,
        stopping: Callable[[], bool],
        at: Callable[[str], None] = lambda _: None,
    ) -> None:
        recipe = job.recipe
        check_division(
            recipe.train.scenes_per_step, ranks=group.ranks, per_micro_batch=recipe.train.scenes_per_micro_batch
        )
        check_data(prepared, recipe)
        self.job, self.identity, self.recipe, self.group = job, identity, recipe, group
        self._prior, self._mixture = prepared.manifest["prior"], prepared.manifest.get("mixture")
        self._stopping, self._at = stopping, at
        self.progress = TrainingProgress(recipe.train.last_step, first=group.first)
        self._found = newest(job.checkpoints, self.progress.note)
        if self._found:
            self._found.check(identity)
        group.barrier()  # every rank has looked before any of them writes
        model, self.processor = build(recipe, prepared, job.init, job.out, group, resuming=bool(self._found))
        features = FeatureStore(model, load_settings().cache_dir) if recipe.train.keep_features else None
        pinned = group.device.type == "cuda"
        self.data = TrainingData(prepared, recipe, self.processor, group.rank, group.ranks, features, pinned=pinned)
        self.engine = Engine(model, recipe, group, universal=self._respread)
        if group.first:
            write_json(job.out / "deepspeed.json", self.engine.config)
        self._peak_flops = group.ranks * peak_flops(group.device, product_type(recipe.train.precision))
        self.log = MetricsLog(job.out / METRICS_FILE)
        self.situations = 0
        """Seen since step 0, over all ranks."""

    def run(self) -> None:
        """Train to the last step and write the model."""
        start = self._resume()
        tell, recorder = self.progress.note, None
        if self.group.first:
            recorder = open_recorder(self.job, self.identity, self.group.ranks, tell)
        self.group.barrier()  # no rank trains before MLflow has answered
        status = "FAILED"
        try:
            if recorder:
                tell(f"MLflow run {recorder.run.url}")
                recorder.start()
            with self.progress:
                self._train(start)
            self._export()
            status = "FINISHED"
        except Stopped:
            status = "KILLED"
            raise
        finally:
            finish_record(self.job, recorder, status)

    def _resume(self) -> int:
        """Steps done; all state is that of after the last one."""
        found, step = self._found, 0
        if found:
            found.check_trainable(self.engine.trainable)
            self._restore(found)
            self.situations, step = found.situations, found.step
            self.progress.note(f"resuming after step {step} from {found.path}")
        if self.group.first:
            self.log.begin_with(found.path / METRICS_FILE if found else None)
        return step

    @property
    def _respread(self) -> bool:
        """Whether the checkpoint is in the shards of another number of ranks."""
        return bool(self._found and self._found.ranks != self.group.ranks and self.recipe.train.zero_stage)

    def _restore(self, found: Checkpoint) -> None:
        if not self._respread:
            self.engine.restore(found.path)
            return
        folder = universal_folder(found)
        if self.group.first:
            self.progress.note(f"spreading {found.path} of {found.ranks} ranks over {self.group.ranks}")
            write_universal(found)
        self.group.barrier()
        self.engine.take_over(folder, seed=(self.recipe.seed, found.step, self.group.rank))
        self.group.barrier()
        if self.group.first:
            shutil.rmtree(folder.parent)

    def _train(self, start: int) -> None:
        train = self.recipe.train
        steps, threads = range(start, train.last_step), loader_threads(self.group.device)
        with Prefetcher(self.data.load, steps, threads=threads) as prefetcher:
            for step in range(start, train.last_step):
                record = self._step(step, prefetcher)
                if self.group.first:
                    self.log.append(record)
                self.progress.update(record)
                if record.step % train.checkpoint_every_steps == 0 or record.step == train.last_step:
                    self._save(record.step)

    def _step(self, step: int, prefetcher: Prefetcher[StepBatches]) -> StepRecord:
        started = time.perf_counter()
        self._at(f"the data of step {step + 1}")
        mine = prefetcher.next()
        self._at(f"step {step + 1}")
        figures = {name: getattr(mine, name) for name in ("questions", "situations", "tokens", "flops")}
        totals = self.group.sum({**mine.counts, **figures, "stopping": self._stopping()})
        if totals["stopping"]:
            self._stop_after(step)
        learning_rate = self.engine.learning_rate
        terms = self.engine.train_step(mine.batches, totals)
        self.situations += int(totals["situations"])
        duration_s = time.perf_counter() - started
        record = StepRecord(
            step=step + 1,
            loss=self.engine.loss(terms),
            terms=terms,
            learning_rate=learning_rate,
            gradient_norm=self.engine.gradient_norm,
            loss_scale=self.engine.loss_scale,
            questions=int(totals["questions"]),
            time_s=time.time(),
            duration_s=duration_s,
            data_wait_s=prefetcher.waited_s,
            tokens=int(totals["tokens"]),
            mfu=totals["flops"] / duration_s / self._peak_flops,
            peak_memory_bytes=peak_memory_bytes(self.group.device),
        )
        values = {"loss": record.loss, **record.terms, "gradient_norm": record.gradient_norm}
        fix = "lower optimiser.learning_rate or look at the data; the last checkpoint is from before"
        check_finite(f"step {record.step}", values, fix)
        return record

    def _stop_after(self, steps: int) -> None:
        """Save what was trained so far and say so.

        Raises:
            Stopped: always.
        """
        if steps and not Checkpoint.read(step_folder(self.job.checkpoints, steps)):
            self._save(steps)
        raise Stopped(f"stopped by a signal after step {steps}", fix="the same command goes on from there")

    def _save(self, step: int) -> None:
        """Write the checkpoint of every rank, then declare it whole, then remove old ones."""
        self._at(f"the checkpoint of step {step}")
        path = step_folder(self.job.checkpoints, step)
        if self.group.first:
            shutil.rmtree(path, ignore_errors=True)  # what a killed run left of it
        self.group.barrier()
        self.engine.save(path)
        self.group.barrier()
        if self.group.first:
            shutil.copyfile(self.log.path, path / METRICS_FILE)
            trainable = self.engine.trainable
            Checkpoint(path, step, self.identity, self.group.ranks, trainable, self.situations, self._prior).write()
            prune(self.job.checkpoints, self.recipe.train.keep_checkpoints)

    def _export(self) -> None:
        """Rank 0 writes ``out/model`` and the curve as CSV."""
        self._at("the export of the model")
        with self.engine.gathered():
            if self.group.first:
                lineage = lineage_of(
                    recipe=self.recipe, identity=self.identity, data=self.job.data, init=self.job.init,
                    prior=self._prior, mixture=self._mixture, situations=self.situations, ranks=self.group.ranks,
                )  # fmt: skip
                self.log.write_table(self.job.out / "metrics.csv")
                if self.recipe.train.lora.rank:
                    merge_adapters(self.engine.model)
                export_model(
                    self.job.model, model=self.engine.model, tokenizer=self.processor.tokenizer, recipe=self.recipe,
                    lineage=lineage, loss=self.log.read()[-1].loss,
                )  # fmt: skip
        self.group.barrier()


@contextmanager
def locked(out: Path, first: bool) -> Iterator[None]:
    """Hold the run's folder for this training; the lock ends with the process, however it ends.

    Raises:
        TrainingError: another training writes there now.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        if first:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TrainingError(
                    "another training is running in this folder", received=out, fix="wait for it, or give another --out"
                ) from error
        yield
