"""Run the pipeline on this machine with Kubeflow's local runner: the same components, as child processes."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

from kfp import local

from loc3r.errors import Loc3RError
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
    # The steps call loc3r and dvc by name: the environment that runs us must be the one that they find.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    mend_local_runner()
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(Path(".loc3r/pipeline").resolve()),
        raise_on_error=True,
    )
    try:
        with warnings.catch_warnings():
            # Each step would be told that a laptop has no node selectors, limits and images: it is what we ask for.
            warnings.filterwarnings("ignore", module=r"kfp\.local\.")
            loc3r_pipeline(**arguments)
    except RuntimeError as error:
        raise PipelineError(
            "the pipeline stopped", received=error, fix="scroll up to the step's own message"
        ) from error
