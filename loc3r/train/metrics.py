"""``metrics.jsonl``: one line a step, append-only; the truth that MLflow holds a copy of."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from loc3r.errors import TrainingError
from loc3r.files import atomic_path, write_bytes

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class StepRecord:
    """What one optimiser step measured, over all ranks. On a CPU the fields before ``time_s`` repeat bit for bit."""

    step: int
    """Steps done, this one included."""
    loss: float
    terms: dict[str, float]
    """Each loss term before its weight: its sum over the step, divided by its count."""
    learning_rate: float
    gradient_norm: float | None
    """Before clipping; None where DeepSpeed does not tell (ZeRO stage 0 in fp32), and where fp16 skipped the step."""
    questions: int
    time_s: float
    """Seconds since the epoch when the step ended."""
    duration_s: float
    data_wait_s: float
    """Part of ``duration_s`` that rank 0 waited for its batch."""
    tokens: int = 0
    """Without padding."""
    mfu: float = 0.0
    """Operations that the model needed (``loc3r.model.flops``), as a share of those that the devices can do."""
    peak_memory_bytes: int = 0
    """The most that rank 0 has held since it started: of its GPU's memory, or on a CPU of the machine's."""

    loss_scale: float | None = None
    """fp16's, of the step to come. Where gradients overflowed, nothing was trained, and from the second time on this is
    half of what it was."""

    def flat(self) -> dict[str, float]:
        """The metrics under the names that MLflow shows."""
        some = {"train/gradient_norm": self.gradient_norm, "train/loss_scale": self.loss_scale}
        return {
            "train/loss": self.loss,
            **{f"train/{name}": value for name, value in self.terms.items()},
            **{name: value for name, value in some.items() if value is not None},
            "train/learning_rate": self.learning_rate,
            "train/questions_per_s": self.questions / self.duration_s,
            "train/tokens_per_s": self.tokens / self.duration_s,
            "train/mfu": self.mfu,
            "train/data_wait_share": self.data_wait_s / self.duration_s,
            "train/peak_memory_gib": self.peak_memory_bytes / 2**30,
        }


class MetricsLog:
    """The lines of a run's ``metrics.jsonl``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: StepRecord) -> None:
        """Add a line and hand it to the operating system, so that a killed process loses none."""
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def read(self) -> list[StepRecord]:
        """Every record; a half-written last line is left out."""
        return self.read_from(0)[0]

    def read_from(self, offset: int) -> tuple[list[StepRecord], int]:
        """Records from a byte offset on, and the offset behind the last whole line."""
        if not self.path.is_file():
            return [], offset
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read()
        end = data.rfind(b"\n") + 1
        return [StepRecord(**json.loads(line)) for line in data[:end].splitlines()], offset + end

    def begin_with(self, earlier: Path | None) -> None:
        """Start with the lines of ``earlier``, a checkpoint's copy, or with none: later steps are made again."""
        write_bytes(self.path, earlier.read_bytes() if earlier else b"")

    def write_table(self, path: Path) -> None:
        """The whole curve as CSV, for tools that read no JSON lines (DVC's plots among them)."""
        rows = [{"step": record.step, **_without_prefix(record.flat())} for record in self.read()]
        names = dict.fromkeys(name for row in rows for name in row) or ["step"]  # a skipped step has no gradient norm
        with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(names))
            writer.writeheader()
            writer.writerows(rows)


def _without_prefix(values: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix("train/"): value for name, value in values.items()}


def check_finite(step: str, values: Mapping[str, float | None], fix: str) -> None:
    """Refuse what a step measured if it is no number; None is not told.

    Raises:
        TrainingError: a value is not finite.
    """
    wrong = [f"{name}={value}" for name, value in values.items() if value is not None and not math.isfinite(value)]
    if wrong:
        raise TrainingError(f"{step} is not finite", received=", ".join(wrong), expected="finite losses", fix=fix)
