"""Three faults of Kubeflow's local runner (kfp 2.17), mended in the process that calls ``mend_local_runner``.

A condition or a loop on a *named* output (``decision.outputs["promoted"]``) is never found, and the step behind it is
silently left out; a condition that can't be evaluated counts as false; a pipeline that is called twice inside another
writes both results to the same folder. The pipeline ``deciding`` in ``tests/pipelines`` meets all three.
"""

from __future__ import annotations

import re
from typing import Any

from kfp.local import io
from kfp.local.orchestrator import enhanced_dag_orchestrator, task_spec_utils

CHANNEL = "pipelinechannel--"
INPUT = re.compile(r"inputs\.parameter_values\['([^']+)'\]")


def mend_local_runner() -> None:
    """Replace what is at fault, for the rest of this process."""
    io.IOStore = Values
    enhanced_dag_orchestrator.ConditionEvaluator.evaluate_condition = staticmethod(holds)
    task_spec_utils.get_nested_pipeline_resource_name = lambda task_name, pipeline_resource_name: (
        f"{pipeline_resource_name}/{task_name}"
    )


class Values(io.IOStore):  # type: ignore[misc]  # kfp publishes no types
    """The values of a group of tasks, which also finds ``TASK-OUTPUT`` as the compiler names an output."""

    def get_parent_input(self, key: str) -> Any:
        try:
            return super().get_parent_input(key)
        except ValueError:
            for task, outputs in self._task_output_data.items():
                for name, value in outputs.items():
                    if f"{task}-{name}" == key.removeprefix(CHANNEL):
                        return value
            if self._parent is not None:
                return self._parent.get_parent_input(key)
            raise


def holds(condition: str, io_store: io.IOStore) -> bool:
    """A task's condition, in CEL as on a cluster.

    Raises:
        ValueError: it is no CEL, names a value that does not exist, or compares what can't be compared.
    """
    import celpy
    from celpy.adapter import json_to_cel
    from celpy.celparser import CELParseError
    from celpy.evaluation import CELEvalError

    values = {name: io_store.get_parent_input(name) for name in INPUT.findall(condition)}
    environment = celpy.Environment()
    try:
        program = environment.program(environment.compile(condition))
        return bool(program.evaluate({"inputs": json_to_cel({"parameter_values": values})}))
    except (CELParseError, CELEvalError) as error:
        raise ValueError(f"the condition {condition} can't be evaluated with {values}") from error
