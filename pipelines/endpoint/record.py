"""What a run's process tells the server: ``record.json`` in the run's folder, replaced whole at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from loc3r.files import write_text
from pipelines.endpoint.shapes import now

State = Literal["PENDING", "RUNNING", "SUCCEEDED", "SKIPPED", "FAILED", "CANCELING", "CANCELED"]
FINAL: frozenset[str] = frozenset({"SUCCEEDED", "SKIPPED", "FAILED", "CANCELED"})


class Artifact(BaseModel):
    """An artifact that a task wrote; ``id`` counts within the run."""

    id: int
    name: str
    type: str
    """Kubeflow's schema title, such as ``system.HTML``."""
    uri: str
    metadata: dict[str, Any] = {}


class Change(BaseModel):
    """A state that a task or a run entered."""

    state: State
    time: str
    error: str = ""


class Task(BaseModel):
    """A step; ``path`` names the groups that it is in, such as ``exit-handler-1/condition-2/deploy``."""

    path: str
    title: str
    history: list[Change]
    parameters: dict[str, Any] = {}
    """Output parameters."""
    artifacts: list[Artifact] = []

    @property
    def state(self) -> State:
        """The last state."""
        return self.history[-1].state

    @property
    def error(self) -> str:
        """Why it failed, or nothing."""
        return self.history[-1].error

    @property
    def log(self) -> str:
        """The log's path in the run's folder."""
        return f"logs/{self.path}.log"

    def enter(self, state: State, error: str = "") -> None:
        """Note a new state, now."""
        self.history.append(Change(state=state, time=now(), error=error))

    def time_of(self, *states: State) -> str | None:
        """When it first was in one of these states."""
        return next((change.time for change in self.history if change.state in states), None)


class Record(BaseModel):
    """All tasks of a run, in the order in which they will run or ran; ``state`` is set when the process is done."""

    tasks: list[Task] = []
    outputs: dict[str, Any] = {}
    """The pipeline's own outputs."""
    state: State | None = None
    error: str = ""

    @classmethod
    def read(cls, folder: Path) -> Record:
        """The record in a run's folder; empty before the process wrote its first."""
        path = folder / "record.json"
        return cls.model_validate_json(path.read_text()) if path.is_file() else cls()

    def write(self, folder: Path) -> None:
        """Replace the record in a run's folder."""
        write_text(folder / "record.json", self.model_dump_json(indent=1) + "\n")

    def task(self, path: str, title: str) -> Task:
        """The task of this path; a new one where a loop brings forth tasks that nobody could foresee."""
        found = next((task for task in self.tasks if task.path == path), None)
        if found is None:
            found = Task(path=path, title=title, history=[Change(state="PENDING", time=now())])
            self.tasks.append(found)
        return found

    def close(self, state: State, error: str = "") -> None:
        """The run is over: what never ran is skipped, what was running shares its fate."""
        for task in self.tasks:
            if task.state == "PENDING":
                task.enter("SKIPPED")
            elif task.state not in FINAL:
                task.enter(state, error)
        self.state, self.error = state, error
