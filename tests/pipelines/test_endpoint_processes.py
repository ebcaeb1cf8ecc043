"""Processes that do not want to stop."""

from __future__ import annotations

import os
import subprocess

from pipelines.endpoint import processes


def test_who_ignores_the_polite_signal_is_killed() -> None:
    run_id = f"stubborn-{os.getpid()}"
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    process = subprocess.Popen(
        ["sh", "-c", script], env={**os.environ, processes.MARK: run_id}, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert process.pid in [each.pid for each in processes.members(run_id)]
    assert processes.stop(run_id, grace_s=0.3) == []
    assert process.poll() is not None


def test_other_runs_are_left_alone() -> None:
    with subprocess.Popen(["sleep", "600"], env={**os.environ, processes.MARK: "other"}) as process:
        assert processes.stop("none-of-this-name") == []
        assert process.poll() is None
        process.kill()
