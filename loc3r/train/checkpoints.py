"""Resumable checkpoints: DeepSpeed's shards, with a record that is written last and says what is whole.

checkpoints/latest              the newest whole checkpoint, as DeepSpeed's tools expect it
checkpoints/step_00000250/      shards of every rank, rng_rank_K.pt, the metrics so far, checkpoint.json (the record)
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
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
        return cls(path, record["step"], Identity.of(record), record["ranks"], trainable, record["situations"])

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
            "files": {name: size for name, size in files.items() if name != RECORD_FILE},
        }
        write_json(self.path / RECORD_FILE, record)
        write_text(self.path.parent / "latest", self.path.name)

    def check(self, identity: Identity, ranks: int) -> None:
        """Check that a job with this identity can resume from here.

        Raises:
            CheckpointError: another recipe, data, start or number of ranks.
        """
        refuse_other(self.identity, identity, self.path, CheckpointError)
        if self.ranks != ranks:
            raise CheckpointError(
                f"{self.path} was written by another number of ranks",
                received=f"{ranks} ranks",
                expected=f"{self.ranks} ranks",
                fix=f"--ranks {self.ranks}: the optimiser's state is sharded over them",
            )

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
