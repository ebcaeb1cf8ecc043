"""Processes that watch each other: one is stopped, one stays behind, one ends, and one was only asleep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loc3r.train.watchdog import Sign, StuckError, Watchdog, end_stuck

SILENT_S = 1.0
RANK = """
import sys, time
from pathlib import Path
from loc3r.train.watchdog import Watchdog, end_stuck

folder, rank, stays_at, idle_s = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])

def report(error):
    print(error, flush=True)
    end_stuck(error.sign)

with Watchdog(folder, rank, 2, silent_s=1.0, idle_s=idle_s, report=report) as dog:
    for step in range(stays_at):
        dog.at(f"step {step}")
    print("started", flush=True)
    sys.stdin.readline()
"""


class Ranks:
    """Two processes with a watchdog each."""

    def __init__(self, folder: Path, *places: int, idle_s: float = 1000.0) -> None:
        self.both = [
            subprocess.Popen(
                [sys.executable, "-c", RANK, str(folder), str(rank), str(place), str(idle_s)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for rank, place in enumerate(places)
        ]  # fmt: skip
        for rank, (each, place) in enumerate(zip(self.both, places, strict=True)):
            assert self.line(each) == "started"
            while json.loads((folder / f"rank_{rank}.json").read_text())["place"] != f"step {place - 1}":
                assert each.poll() is None

    @staticmethod
    def line(process: subprocess.Popen[str]) -> str:
        assert process.stdout
        return process.stdout.readline().strip()


@pytest.fixture
def started() -> Iterator[list[Ranks]]:
    made: list[Ranks] = []
    yield made
    for process in (each for ranks in made for each in ranks.both):
        process.kill()
        process.communicate()


def test_a_stopped_rank_is_named_in_time_and_ended(tmp_path: Path, started: list[Ranks]) -> None:
    ranks = Ranks(tmp_path, 3, 7)
    started.append(ranks)
    first, second = ranks.both
    since_s = time.monotonic()
    os.kill(second.pid, signal.SIGSTOP)
    assert ranks.line(first) == "rank 1 is stuck"
    assert SILENT_S * 0.8 < time.monotonic() - since_s < 10 * SILENT_S
    received = ranks.line(first)
    assert "no sign of life for" in received and f"last seen at step 6, process {second.pid}" in received
    assert second.wait(30) == -signal.SIGKILL


def test_when_nobody_moves_on_the_one_behind_is_named(tmp_path: Path, started: list[Ranks]) -> None:
    ranks = Ranks(tmp_path, 9, 4, idle_s=2.0)
    started.append(ranks)
    assert ranks.line(ranks.both[0]) == "rank 1 is stuck"
    received = ranks.line(ranks.both[0])
    assert "has not moved on for 2 s, 1 ranks wait further on; last seen at step 3" in received


def test_a_rank_that_has_ended_well_is_not_missed(tmp_path: Path, started: list[Ranks]) -> None:
    ranks = Ranks(tmp_path, 1, 1)
    started.append(ranks)
    first, second = ranks.both
    assert second.communicate("\n")[0] == "" and second.returncode == 0
    assert json.loads((tmp_path / "rank_1.json").read_text())["done"]
    time.sleep(2.5 * SILENT_S)  # it has the time to be wrong
    assert first.communicate("\n")[0] == ""


def test_time_asleep_is_held_against_nobody(tmp_path: Path) -> None:
    reported: list[StuckError] = []
    dog = Watchdog(tmp_path, 0, 2, silent_s=10.0, report=reported.append)
    dog._forgive(0.0)
    dog._look(1.0)
    assert dog._silent(9.0) is None and dog._silent(11.0) is not None
    dog._forgive(500.0)
    assert dog._silent(509.0) is None and dog._idle(509.0) is None


def test_no_process_is_ended_for_another_hosts() -> None:
    with subprocess.Popen(["sleep", "30"]) as innocent:
        end_stuck(Sign(1, 1, "step 1", innocent.pid, "another-host"))
        end_stuck(None)
        assert innocent.poll() is None
        innocent.kill()
