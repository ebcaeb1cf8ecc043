"""The command line: instant, complete, and errors without a traceback."""

import subprocess
import sys

import pytest

from loc3r.cli import VERBS


def loc3r(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "loc3r", *arguments], capture_output=True, text=True, timeout=120)


def test_help_lists_every_verb_without_importing_one():
    code = "import sys; from loc3r.cli import main; main(['--help'])"
    program = f"import atexit, sys; atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)));{code}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert all(f"  {verb} " in result.stdout for verb in VERBS)
    assert not {"torch", "mlflow", "kfp", "transformers", "numpy"} & set(result.stderr.split())


def test_the_client_imports_neither_torch_nor_mlflow():
    code = "import sys, loc3r.client; print(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not {"torch", "mlflow", "matplotlib", "transformers"} & set(result.stdout.split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches_by_an_example(verb):
    result = loc3r(verb, "--help")
    assert result.returncode == 0, result.stderr
    subcommands = "Commands:" in result.stdout
    assert subcommands or f"loc3r {verb}" in result.stdout.split("Usage:", 1)[1].split("\n", 1)[1]


def test_a_known_error_has_no_traceback_and_exits_with_1():
    result = loc3r("recipe", "show", "nowhere.yaml")
    assert result.returncode == 1
    assert "error[recipe]" in result.stderr and "fix:" in result.stderr and "Traceback" not in result.stderr
