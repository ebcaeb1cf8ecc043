"""What people read when the pipeline runs on their machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = """
import sys
from kfp import local
from pipelines.local import quiet
from tiny_pipelines import hello

local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1])
with quiet():
    hello(room="kitchen")
"""


def test_a_step_s_own_words_are_told_and_its_executor_s_are_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "    counting chairs in the kitchen" in done.stdout and "Output: 'KITCHEN'" in done.stdout
    assert "KFP Executor" not in done.stdout and "schemaTitle" not in done.stdout
    assert "RuntimeWarning" not in done.stderr
