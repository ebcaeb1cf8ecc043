"""The life of a run: created, its process started and watched, terminated, picked up again after a restart."""

from __future__ import annotations

import shutil
import threading
import uuid
from pathlib import Path

from loc3r.files import write_json
from pipelines.endpoint import processes
from pipelines.endpoint.packages import Package, check_runnable, resolve_arguments
from pipelines.endpoint.record import FINAL, Record, State
from pipelines.endpoint.shapes import Json, now, shape
from pipelines.endpoint.status import StateError, status_json
from pipelines.endpoint.store import Store

UNKNOWN = 2
"""google.rpc.Code of a step that failed: only its log knows why."""


class Runs:
    """Starts runs and follows them; one thread a run waits for its process.

    A run does not need the server: its process goes on while the server is away, and the next server reads how it
    ended, or goes on watching. A run whose process died with the machine ends FAILED.
    """

    def __init__(self, store: Store, folder: Path, *, venv: bool) -> None:
        self.store = store
        self.root = folder
        self.venv = venv
        self._lock = threading.Lock()
        for run in store.find("run"):
            if run["state"] not in FINAL:
                self._watch(run["run_id"], processes.find(run["run_id"]))

    def folder(self, run_id: str) -> Path:
        """Where a run keeps its request, record, logs and artifacts."""
        return self.root / run_id

    def record(self, run_id: str) -> Record:
        """What the run's process has told so far."""
        return Record.read(self.folder(run_id))

    def create(self, fields: Json, package: Package) -> Json:
        """Start a run of a package; ``fields`` are those of a ``V2beta1Run`` as the client sent them.

        Raises:
            InvalidError: a construct that can't run here, or an argument that does not fit.
        """
        check_runnable(package)
        arguments = resolve_arguments(package, fields.get("runtime_config", {}).get("parameters") or {})
        run_id, time = str(uuid.uuid4()), now()
        folder = self.folder(run_id)
        folder.mkdir(parents=True)
        request = {"pipeline_spec": package.pipeline, "arguments": arguments, "venv": self.venv}
        write_json(folder / "request.json", request)
        new = {
            "run_id": run_id, "storage_state": "AVAILABLE", "created_at": time, "scheduled_at": time,
            "runtime_config": {**fields.get("runtime_config", {}), "parameters": arguments},
            "state": "PENDING", "state_history": [change_reply("PENDING", time)],
        }  # fmt: skip
        self.store.put("run", run_id, shape("V2beta1Run", **{**fields, **new}))
        process = processes.start(run_id, folder)
        run = self._enter(run_id, "RUNNING")
        self._watch(run_id, process)
        return run

    def terminate(self, run_id: str) -> None:
        """Stop a run and everything that it started; CANCELING until nothing of it is left, then CANCELED.

        Raises:
            NotFoundError: no such run.
            StateError: the run is over.
        """
        with self._lock:
            state = self.store.get("run", run_id)["state"]
            if state in FINAL:
                raise StateError("the run is over", received=state, expected="PENDING or RUNNING")
            self._enter(run_id, "CANCELING")
        threading.Thread(target=processes.stop, args=(run_id,), daemon=True).start()

    def delete(self, run_id: str) -> None:
        """Forget a run, its logs and its artifacts.

        Raises:
            NotFoundError: no such run.
            StateError: it is not over.
        """
        state = self.store.get("run", run_id)["state"]
        if state not in FINAL:
            raise StateError("the run is not over", received=state, fix="terminate it first")
        self.store.delete("run", run_id)
        shutil.rmtree(self.folder(run_id), ignore_errors=True)

    def _watch(self, run_id: str, process: processes.Process | None) -> None:
        threading.Thread(target=self._follow, args=(run_id, process), daemon=True, name=f"run-{run_id}").start()

    def _follow(self, run_id: str, process: processes.Process | None) -> None:
        code = process.wait() if process else None
        left = processes.stop(run_id) if self._is_canceling(run_id) else []
        with self._lock:
            record = self.record(run_id)
            if self._is_canceling(run_id) and record.state != "SUCCEEDED":
                record.close("CANCELED", f"could not be ended: {left}" if left else "")
            elif record.state is None:
                ended = "while no server watched" if code is None else f"with exit code {code}"
                log = self.folder(run_id) / "run.log"
                record.close("FAILED", f"the run's process ended {ended}. The whole log: {log}")
            record.write(self.folder(run_id))
            self._enter(run_id, record.state or "FAILED", record.error)

    def _is_canceling(self, run_id: str) -> bool:
        return bool(self.store.get("run", run_id)["state"] == "CANCELING")

    def _enter(self, run_id: str, state: State, error: str = "") -> Json:
        run, time = self.store.get("run", run_id), now()
        history = [*run["state_history"], change_reply(state, time, error)]
        news: Json = {"state": state, "state_history": history}
        if state in FINAL:
            news["finished_at"] = time
        if error:
            news["error"] = status_json(error, UNKNOWN)
        return self.store.update("run", run_id, **news)


def change_reply(state: State, time: str, error: str = "") -> Json:
    """A state that a run or a task entered, as the API shows it."""
    return shape(
        "V2beta1RuntimeStatus", state=state, update_time=time, error=status_json(error, UNKNOWN) if error else None
    )
