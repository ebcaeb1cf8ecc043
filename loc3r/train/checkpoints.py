"""Resumable checkpoints: DeepSpeed's shards, with a record that is written last and says what is whole.

checkpoints/latest              the newest whole checkpoint, as DeepSpeed's tools expect it
checkpoints/step_00000250/      shards of every rank, rng_rank_K.pt, the metrics so far, checkpoint.json (the record)
checkpoints/universal/          while another number of ranks takes one over: the same, put together
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loc3r.errors import CheckpointError
from loc3r.files import read_json, write_json, write_text
from loc3r.train.job import Identity, refuse_other

RECORD_FILE = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk."""

    path: Path
    step: int
    """Steps done."""
    identity: Identity
    ranks: int
    trainable: tuple[str, ...]
    """Names of the parameters that were trained: another set can't take over the optimiser's state."""
    situations: int
    """Situations trained on so far."""
    prior: dict[str, Any] = field(default_factory=dict)
    """The data's record of its pose prior, whose licence binds these weights; empty in older ones."""

    @classmethod
    def read(cls, path: Path) -> Checkpoint | None:
        """The checkpoint in ``path``, or None when it is half-written or half-removed."""
        record_path = path / RECORD_FILE
        if not record_path.is_file():
            return None
        record: dict[str, Any] = read_json(record_path)
        for name, size in record["files"].items():
            file = path / name
            if not file.is_file() or file.stat().st_size != size:
                return None
        trainable = tuple(record["trainable"])
        numbers = record["ranks"], trainable, record["situations"]
        return cls(path, record["step"], Identity.of(record), *numbers, record.get("prior", {}))

    def write(self) -> None:
        """Declare the files that are in ``path`` a whole checkpoint."""
        files = {str(f.relative_to(self.path)): f.stat().st_size for f in sorted(self.path.rglob("*")) if f.is_file()}
        record = {
            "step": self.step,
            "recipe_hash": self.identity.recipe_hash,
            "data_hash": self.identity.data_hash,
            "init": self.identity.init,
            "ranks": self.ranks,
            "trainable": self.trainable,
            "situations": self.situations,
            "prior": self.prior,
            "files": {name: size for name, size in files.items() if name != RECORD_FILE},
        }
        write_json(self.path / RECORD_FILE, record)
        write_text(self.path.parent / "latest", self.path.name)

    def check(self, identity: Identity) -> None:
        """Check that a job with this identity can resume from here.

        Raises:
            CheckpointError: another recipe, data or start.
        """
        refuse_other(self.identity, identity, self.path, CheckpointError)

    def check_trainable(self, trainable: tuple[str, ...]) -> None:
        """Check that the model trains the same parameters as then.

        Raises:
            CheckpointError: it does not.
        """
        if self.trainable != trainable:
            changed = sorted(set(self.trainable) ^ set(trainable)) or ["their order"]
            raise CheckpointError(
                f"{self.path} trained other parameters",
                received=f"{len(trainable)} trainable, among the changed ones {changed[0]}",
                expected=f"the {len(self.trainable)} of the checkpoint",
                fix="resume with the code that wrote it, or start anew with --init",
            )


def step_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint after ``step`` steps lives; names sort by step."""
    return folder / f"step_{step:08d}"


def newest(folder: Path, tell: Callable[[str], None]) -> Checkpoint | None:
    """The last whole checkpoint; ``tell`` hears about each one that is skipped."""
    for path in sorted(folder.glob("step_*"), reverse=True):
        checkpoint = Checkpoint.read(path)
        if checkpoint:
            return checkpoint
        tell(f"skipping {path}: it was not written to its end")
    return None


def prune(folder: Path, keep: int) -> None:
    """Remove all but the ``keep`` newest whole checkpoints, and what is left of broken ones."""
    paths = sorted(folder.glob("step_*"), reverse=True)
    whole = [path for path in paths if Checkpoint.read(path)]
    for path in set(paths) - set(whole[:keep]):
        (path / RECORD_FILE).unlink(missing_ok=True)  # first, so that a half-removed one is never taken for whole
        shutil.rmtree(path, ignore_errors=True)


def universal_folder(checkpoint: Checkpoint) -> Path:
    """Where ``write_universal`` puts a checkpoint for another number of ranks."""
    return checkpoint.path.parent / "universal" / checkpoint.path.name


def write_universal(checkpoint: Checkpoint) -> None:
    """Put the shards of a ZeRO checkpoint together, weight by weight, for any number of ranks to take over.

    DeepSpeed's own converter, in a process of its own: it starts workers, and prints.

    Raises:
        CheckpointError: it failed; the message ends with its own.
    """
    folder = universal_folder(checkpoint)
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    workers = str(min(4, len(os.sched_getaffinity(0))))
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"]
    command += ["--input_folder", str(checkpoint.path), "--output_folder", str(folder)]
    command += ["--num_extract_workers", workers, "--num_merge_workers", workers]
    environment = {**os.environ, "DS_ACCELERATOR": "cpu"}  # the GPU is the rank's
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise CheckpointError(
            f"{checkpoint.path} can't be spread over another number of ranks",
            received=(done.stderr.strip().splitlines() or ["no message"])[-1],
            fix=f"--ranks {checkpoint.ranks}, which wrote it",
        )
