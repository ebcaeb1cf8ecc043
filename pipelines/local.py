"""Run the pipeline on this machine with Kubeflow's local runner: the same components, as child processes."""

from __future__ import annotations

import builtins
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp import local
from kfp.local import logging_utils

from loc3r.errors import Loc3RError
from loc3r.services.process import tools_path
from pipelines.mended import mend_local_runner
from pipelines.pipeline import loc3r_pipeline


class PipelineError(Loc3RError):
    """A step of the pipeline failed."""

    code = "pipeline"


def run_locally(**arguments: str | int) -> None:
    """Run ``loc3r_pipeline`` in the current checkout; ``arguments`` are its parameters.

    Raises:
        PipelineError: a step failed; the step's own output says why.
    """
    os.environ["PATH"] = tools_path()
    mend_local_runner()
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(Path(".loc3r/pipeline").resolve()),
        raise_on_error=True,
    )
    try:
        with quiet():
            loc3r_pipeline(**arguments)
    except RuntimeError as error:
        raise PipelineError(
            "the pipeline stopped", received=error, fix="scroll up to the step's own message"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what Kubeflow's runner says of itself: pages that bury the steps' own words."""
    whole = logging_utils.indented_print
    logging_utils.indented_print = _own_words
    try:
        with warnings.catch_warnings():
            # Each step would be told that a laptop has no node selectors, limits and images: it is what we ask for.
            warnings.filterwarnings("ignore", module=r"kfp\.local\.")
            yield
    finally:
        logging_utils.indented_print = whole


@contextmanager
def _own_words() -> Iterator[None]:
    """Print a step's lines indented, but for the executor's: each begins with its mark, one goes on as JSON."""
    plain, in_json = builtins.print, False

    def tell(line: str, **options: Any) -> None:
        nonlocal in_json
        of_executor = line.startswith("[KFP Executor") or in_json
        in_json = line.endswith("Got executor_input:\n") or (in_json and line != "}\n")
        if not of_executor:
            plain(f"    {line}", **options)

    builtins.print = tell
    try:
        yield
    finally:
        builtins.print = plain
