"""Ranks watch each other: one that hangs would keep the others waiting in a collective for half an hour, in silence.

A thread of every rank writes a sign of life with the rank's place in the training into ``heartbeats/``, and reads the
others'. A rank is stuck when its process gives no sign for ``silent_s`` (stopped, or its host is gone), or when nobody
has moved on for ``idle_s`` and it is the one behind. Each rank judges by its own clock: hosts' clocks may differ.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from loc3r.errors import TrainingError
from loc3r.files import read_json, write_json

IDLE_S = 1800.0
"""No step, and no checkpoint's writing, takes as long."""
SIGNS = 8
"""Signs of life in the time without one that is suspicious."""


class StuckError(TrainingError):
    """A rank hangs; ``sign`` is the last that was seen of it."""

    def __init__(self, message: str, sign: Sign | None, *, received: str, fix: str) -> None:
        super().__init__(message, received=received, fix=fix)
        self.sign = sign


@dataclass(frozen=True)
class Sign:
    """What a rank tells the others."""

    beat: int
    """Counts the signs."""
    moves: int
    """Counts the places; all ranks come to the same ones in the same order."""
    place: str
    pid: int
    host: str
    done: bool = False


class Watchdog:
    """The signs of one rank and its eye on the others; a context manager.

    Args:
        folder: shared by all ranks.
        report: called once, from the thread, with what is wrong.
    """

    def __init__(
        self,
        folder: Path,
        rank: int,
        ranks: int,
        *,
        silent_s: float,
        report: Callable[[StuckError], None],
        idle_s: float = IDLE_S,
    ) -> None:
        self._folder, self._rank, self._others = folder, rank, [r for r in range(ranks) if r != rank]
        self._silent_s, self._idle_s, self._report = silent_s, idle_s, report
        self._moves, self._place = 0, "the start"
        self._signs: dict[int, Sign] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def at(self, place: str) -> None:
        """Tell the others what this rank does from now on."""
        self._moves, self._place = self._moves + 1, place

    def __enter__(self) -> Watchdog:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write(self._sign(0))  # in place of an earlier run's
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._write(self._sign(0, done=True))

    def _watch(self) -> None:
        now_s = time.monotonic()
        self._forgive(now_s)
        for beat in itertools.count(1):
            if self._end.wait(self._silent_s / SIGNS):
                return
            before_s, now_s = now_s, time.monotonic()
            if now_s - before_s > self._silent_s / 2:
                self._forgive(now_s)  # this process or its machine slept: nobody is judged by that time
            self._write(self._sign(beat))
            self._look(now_s)
            error = self._silent(now_s) or self._idle(now_s)
            if error:
                self._report(error)
                return

    def _forgive(self, now_s: float) -> None:
        self._alive_s, self._moved_s = dict.fromkeys(self._others, now_s), now_s

    def _look(self, now_s: float) -> None:
        """Read every rank's sign; a new one shows that it lives, another place that the training moves on."""
        news = {rank: sign for rank in self._others if (sign := self._read(rank))}
        news[self._rank] = self._sign(0)
        for rank, sign in news.items():
            old = self._signs.get(rank)
            if sign != old:
                self._alive_s[rank] = now_s
            if old is None or sign.moves != old.moves:
                self._moved_s = now_s
        self._signs |= news

    def _silent(self, now_s: float) -> StuckError | None:
        for rank in self._others:
            sign, silent_s = self._signs.get(rank), now_s - self._alive_s[rank]
            if silent_s > self._silent_s and not (sign and sign.done):
                return _stuck(rank, sign, f"no sign of life for {silent_s:.0f} s")
        return None

    def _idle(self, now_s: float) -> StuckError | None:
        if now_s - self._moved_s <= self._idle_s:
            return None
        rank = min(self._signs, key=lambda rank: self._signs[rank].moves)
        ahead = sum(sign.moves > self._signs[rank].moves for sign in self._signs.values())
        where = f"{ahead} ranks wait further on" if ahead else "nor has any other"
        return _stuck(rank, self._signs[rank], f"it has not moved on for {self._idle_s:.0f} s, {where}")

    def _sign(self, beat: int, *, done: bool = False) -> Sign:
        return Sign(beat, self._moves, self._place, os.getpid(), socket.gethostname(), done)

    def _write(self, sign: Sign) -> None:
        with suppress(OSError):  # a file system that is slow to answer is no reason to stop
            write_json(self._folder / _name(self._rank), asdict(sign))

    def _read(self, rank: int) -> Sign | None:
        try:
            return Sign(**read_json(self._folder / _name(rank)))
        except OSError:
            return None


def end_stuck(sign: Sign | None) -> None:
    """Kill a stuck process of this host: torchrun would give it two minutes to react to a signal."""
    if sign and sign.host == socket.gethostname() and sign.pid != os.getpid():
        with suppress(ProcessLookupError):
            os.kill(sign.pid, signal.SIGKILL)


def _stuck(rank: int, sign: Sign | None, why: str) -> StuckError:
    where = f"; last seen at {sign.place}, process {sign.pid} on {sign.host}" if sign else ""
    return StuckError(
        f"rank {rank} is stuck",
        sign,
        received=why + where,
        fix="the same command goes on from the last checkpoint; LOC3R_STUCK_AFTER_S sets the patience",
    )


def _name(rank: int) -> str:
    return f"rank_{rank}.json"
