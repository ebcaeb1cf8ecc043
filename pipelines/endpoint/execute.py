"""The process of one run: ``python -m pipelines.endpoint.execute FOLDER`` runs what ``FOLDER/request.json`` says.

Kubeflow's local runner walks the pipeline and runs its steps as children of this process. Around each step we note its
state in ``record.json`` and send what it prints to a log of its own.
"""

from __future__ import annotations

import functools
import io
import itertools
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from google.protobuf import json_format
from kfp import dsl, local
from kfp.local import graph_utils, logging_utils, pipeline_orchestrator
from kfp.local.orchestrator import task_executor
from kfp.local.status import Status
from kfp.pipeline_spec.pipeline_spec_pb2 import DagSpec, PipelineSpec, PipelineTaskSpec

from loc3r.files import read_json
from pipelines.endpoint.record import Artifact, Record, Task
from pipelines.mended import mend_local_runner

Outputs = dict[str, Any]
TAIL_LINES = 5


class Output(io.TextIOBase):
    """Standard output that goes where the writing thread's task wants it: loops run two tasks at a time."""

    def __init__(self, default: TextIO) -> None:
        self.default = default
        self._thread = threading.local()

    def write(self, text: str) -> int:
        return self._file.write(text)

    def flush(self) -> None:
        self._file.flush()

    @contextmanager
    def into(self, path: Path) -> Iterator[None]:
        """What this thread writes goes to the end of ``path``, line by line."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", buffering=1) as file:
            self._thread.file = file
            try:
                yield
            finally:
                del self._thread.file

    @property
    def _file(self) -> TextIO:
        return getattr(self._thread, "file", self.default)


class Recorder:
    """Runs a pipeline with the local runner and keeps its record up to date."""

    def __init__(self, folder: Path, spec: PipelineSpec, output: Output) -> None:
        self.folder, self.spec, self.output = folder, spec, output
        self.record = Record()
        for path, task in _foreseen(spec, spec.root.dag):
            self.record.task(path, _title(task))
        self._lock = threading.RLock()
        self._artifacts = itertools.count(1)
        self._save()

    def run(self, arguments: dict[str, Any]) -> None:
        """Run the pipeline; how it ended is in the record."""
        mend_local_runner()
        _write_plain_logs()
        task_executor.execute_single_task = self._around(task_executor.execute_single_task)
        try:
            outputs = pipeline_orchestrator.run_local_pipeline(self.spec, arguments)
            self.record.outputs = {name: _plain(value) for name, value in outputs.items()}
            self.record.close("SUCCEEDED")
        except Exception as error:  # whatever it is, the run must say so
            traceback.print_exc()
            self.record.close("FAILED", self._reason(error))
        self._save()

    def _around(self, execute: Callable[..., tuple[Outputs, Status]]) -> Callable[..., tuple[Outputs, Status]]:
        @functools.wraps(execute)
        def recorded(**call: Any) -> tuple[Outputs, Status]:
            # The runner's name of the run, then the groups that the task is in.
            groups = call["pipeline_resource_name"].split("/")[1:]
            task = self._task("/".join([*groups, call["task_name"]]), call["task_spec"])
            log = self.folder / task.log
            with self.output.into(log):
                outputs, status = self._try(execute, call)
            with self._lock:
                if status is Status.SUCCESS:
                    self._keep(task, outputs)
                    task.enter("SUCCEEDED")
                else:
                    task.enter("FAILED", f"{_tail(log)}\nThe whole log: {log}")
                self._save()
            return outputs, status

        return recorded

    def _try(self, execute: Callable[..., tuple[Outputs, Status]], call: dict[str, Any]) -> tuple[Outputs, Status]:
        """An exception in the runner fails its task, so that exit handlers run all the same."""
        try:
            return execute(**call)
        except Exception:
            traceback.print_exc(file=self.output)
            return {}, Status.FAILURE

    def _task(self, path: str, spec: PipelineTaskSpec) -> Task:
        with self._lock:
            task = self.record.task(path, _title(spec))
            task.enter("RUNNING")
            self._save()
        return task

    def _keep(self, task: Task, outputs: Outputs) -> None:
        for name, value in outputs.items():
            several = value if isinstance(value, list) else [value]
            artifacts = [each for each in several if isinstance(each, dsl.Artifact)]
            for each in artifacts:
                number = next(self._artifacts)
                task.artifacts.append(
                    Artifact(id=number, name=name, type=each.schema_title, uri=each.uri, metadata=each.metadata)
                )
            if not artifacts:
                task.parameters[name] = value

    def _reason(self, error: Exception) -> str:
        failed = next((task for task in self.record.tasks if task.state == "FAILED"), None)
        if failed is None:
            return f"{error}\nThe whole log: {self.folder / 'run.log'}"
        return f"step {failed.path!r} failed: {failed.error}"

    def _save(self) -> None:
        self.record.write(self.folder)


def _foreseen(spec: PipelineSpec, dag: DagSpec, prefix: str = "") -> Iterator[tuple[str, PipelineTaskSpec]]:
    """The steps that will run, or be skipped, in order; what a loop brings forth isn't known yet."""
    order = graph_utils.topological_sort_tasks(dag.tasks)[::-1]
    for name in order:
        task = dag.tasks[name]
        component = spec.components[task.component_ref.name]
        if task.WhichOneof("iterator"):
            continue
        if component.WhichOneof("implementation") == "dag":
            yield from _foreseen(spec, component.dag, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", task


def _title(task: PipelineTaskSpec) -> str:
    return str(task.task_info.name)


def _plain(value: Any) -> Any:
    return value.uri if isinstance(value, dsl.Artifact) else value


def _tail(log: Path) -> str:
    said = log.read_text(errors="replace").splitlines()
    lines = [line for line in said if line.strip(" -") and " finished with status " not in line]
    return "\n".join(lines[-TAIL_LINES:])


def _write_plain_logs() -> None:
    """No colours and no indentation, which swaps ``print`` for the whole process while a task runs."""
    logging_utils.color_text = lambda text, color: text
    logging_utils.indented_print = nullcontext


def main(folder: Path) -> None:
    """Run what the folder's request says."""
    request = read_json(folder / "request.json")
    output = Output(sys.stdout)
    sys.stdout = output
    local.init(
        runner=local.SubprocessRunner(use_venv=request["venv"]),
        pipeline_root=str(folder / "artifacts"),
        workspace_root=str(folder / "workspace"),
        raise_on_error=True,
    )
    spec = json_format.ParseDict(request["pipeline_spec"], PipelineSpec())
    Recorder(folder, spec, output).run(request["arguments"])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
