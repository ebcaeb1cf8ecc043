from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from loc3r.train.launch import explain


def failure(rank: int, exit_code: int) -> ProcessFailure:
    return ProcessFailure(local_rank=rank, pid=1, exitcode=exit_code, error_file="none")


def tell(folder: Path, rank: int, message: str, time_s: float, known: bool = True) -> None:
    told = {"rank": rank, "time_s": time_s, "known": known, "message": message, "traceback": "…"}
    (folder / f"rank_{rank}.json").write_text(json.dumps(told))


def test_a_killed_rank_is_the_cause_of_the_others_errors(tmp_path: Path) -> None:
    tell(tmp_path, 0, "RuntimeError: gloo/transport/tcp: Connection closed by peer", 1.0, known=False)
    error = explain({0: failure(0, 1), 1: failure(1, -9)}, tmp_path)
    assert "rank 1 was killed by SIGKILL" in str(error) and "resumes" in str(error)


def test_a_rank_that_lost_its_peer_is_not_the_cause_even_if_it_spoke_first(tmp_path: Path) -> None:
    tell(tmp_path, 0, "RuntimeError: gloo/transport/tcp: Connection closed by peer", 1.0, known=False)
    tell(tmp_path, 1, "loss is not finite", 2.0)
    assert "rank 1 failed: loss is not finite" in str(explain({0: failure(0, 1), 1: failure(1, 1)}, tmp_path))


def test_the_first_of_several_causes_is_told_with_its_traceback_file(tmp_path: Path) -> None:
    tell(tmp_path, 0, "ZeroDivisionError: division by zero", 2.0, known=False)
    tell(tmp_path, 1, "KeyError: 'x'", 1.0, known=False)
    message = str(explain({0: failure(0, 1), 1: failure(1, 1)}, tmp_path))
    assert "rank 1 failed: KeyError" in message and "rank_1.json" in message


@pytest.mark.parametrize("exit_code", [1, -15])
def test_a_silent_rank_is_named_with_its_exit_code(tmp_path: Path, exit_code: int) -> None:
    assert f"exit code {exit_code}" in str(explain({2: failure(2, exit_code)}, tmp_path))
