"""What a person sees while training: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loc3r.train.metrics import StepRecord

LINE_EVERY_S = 10.0
RECENT = 0.9
"""Share of the past in the smoothed figures."""


class TrainingProgress:
    """Step, loss terms, speed, share of waiting for data, memory, time left; silent on other ranks than 0."""

    def __init__(self, steps: int, *, first: bool) -> None:
        self._console = Console(quiet=not first, highlight=False)
        self._steps = steps
        self._last_line_s = 0.0
        self._step_s = self._waited_s = self._questions = self._tokens = self._mfu = 0.0
        self._bar = Progress(
            TextColumn("training"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[told]}"), console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=steps, told="")

    def note(self, text: str) -> None:
        """Say something once."""
        self._console.print(text, markup=False, soft_wrap=True)

    def update(self, record: StepRecord) -> None:
        """Show a step."""
        self._step_s = self._blend(self._step_s, record.duration_s)
        self._waited_s = self._blend(self._waited_s, record.data_wait_s)
        self._questions = self._blend(self._questions, record.questions)
        self._tokens = self._blend(self._tokens, record.tokens)
        self._mfu = self._blend(self._mfu, record.mfu)
        told = self._describe(record)
        self._bar.update(self._task, completed=record.step, told=told)
        now = time.monotonic()
        due = now - self._last_line_s >= LINE_EVERY_S or record.step == self._steps
        if due and not self._console.is_terminal:
            self._last_line_s = now
            left_s = (self._steps - record.step) * self._step_s
            self.note(f"step {record.step}/{self._steps}  {told}  {_minutes(left_s)} left")

    def _describe(self, record: StepRecord) -> str:
        terms = " ".join(f"{name} {value:.3f}" for name, value in record.terms.items())
        speed = f"{self._questions / self._step_s:.1f} questions/s  {self._tokens / self._step_s:.0f} tokens/s"
        used = f"{self._mfu:.0%} MFU  {self._waited_s / self._step_s:.0%} waiting for data"
        return f"loss {record.loss:.3f} ({terms})  {speed}  {used}  {record.peak_memory_bytes / 2**30:.1f} GiB"

    def _blend(self, past: float, now: float) -> float:
        return now if not past else RECENT * past + (1 - RECENT) * now

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
