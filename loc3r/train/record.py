"""The MLflow run of a training: ``metrics.jsonl`` is the truth, a thread copies it there in batches."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loc3r.files import read_json, write_json, write_text
from loc3r.settings import load_settings
from loc3r.train.job import Identity, TrainingJob
from loc3r.train.lineage import code_commit, data_revision
from loc3r.train.metrics import METRICS_FILE, MetricsLog

if TYPE_CHECKING:
    from loc3r.tracking.runs import TrackedRun

SEND_EVERY_S = 5.0
RUN_FILE = "run.json"


class Recorder:
    """Copies the metrics of a run to MLflow every few seconds; training never waits for it.

    Losing the server on the way costs nothing: what was not sent is sent later, at the latest by running the same
    command again.
    """

    def __init__(self, run: TrackedRun, log: MetricsLog, tell: Callable[[str], None]) -> None:
        self.run = run
        self._log, self._tell = log, tell
        self._offset = 0
        self._sent = _steps_sent(run)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
        self._system = ExitStack()

    def start(self) -> None:
        """Begin to copy, and to measure the machine."""
        self._system.enter_context(self.run.system_metrics(SEND_EVERY_S))
        self._thread.start()

    def finish(self, status: str) -> bool:
        """Send what is left and end the run as FINISHED, FAILED or KILLED; False when the server was not reached."""
        if self._thread.is_alive():
            self._stop.set()
            self._thread.join()
        try:
            self._system.close()
            self._send()
            self.run.finish(status)
        except Exception as error:  # the model is safe on disk; whatever the client raises, the run can be mended later
            self._tell(f"MLflow was not told everything ({_first_line(error)}); run the same command again to mend it")
            return False
        return True

    def _work(self) -> None:
        while not self._stop.wait(SEND_EVERY_S):
            try:
                self._send()
            except Exception as error:
                self._tell(f"MLflow can't be reached now ({_first_line(error)}); training goes on")

    def _send(self) -> None:
        records, offset = self._log.read_from(self._offset)
        # A resumed run repeats steps that MLflow may hold already, with the same values.
        new = [record for record in records if record.step > self._sent]
        self.run.log_rows((record.step, record.time_s, record.flat()) for record in new)
        self._sent = max([self._sent, *(record.step for record in new)])
        self._offset = offset


def open_recorder(
    job: TrainingJob, identity: Identity, ranks: int | None, tell: Callable[[str], None]
) -> Recorder | None:
    """Start the job's MLflow run, or resume the one that ``run.json`` names; None when nothing is tracked.

    Raises:
        ServiceError: MLflow does not answer.
    """
    if job.tracking_uri is None:
        return None
    from loc3r.tracking.runs import open_run

    path = job.out / RUN_FILE
    key = _known(path, identity).get("key") or uuid.uuid4().hex
    recipe = job.recipe
    run = open_run(
        job.tracking_uri,
        load_settings().experiment,
        name=f"train {recipe.name}",
        key=key,
        tags={
            **_tags(identity), "kind": "train", "name": recipe.name, "seed": recipe.seed,
            "code_commit": code_commit(), "data": job.data, "data_revision": data_revision(job.data), **job.tags,
        },
        parent_run=job.parent_run,
    )  # fmt: skip
    write_json(path, {**_tags(identity), "key": key, "run_id": run.run_id, "tracking_uri": run.uri, "finished": False})
    if ranks is not None:
        run.log_params({**recipe.model_dump(mode="json"), **job.tags, "ranks": ranks, "device": job.device})
        write_text(job.out / "recipe.yaml", recipe.to_yaml())
        run.log_artifacts(job.out / "recipe.yaml")
    return Recorder(run, MetricsLog(job.out / METRICS_FILE), tell)


def finish_record(job: TrainingJob, recorder: Recorder | None, status: str) -> None:
    """End the run and note in ``run.json`` whether MLflow knows everything."""
    if recorder and recorder.finish(status) and status == "FINISHED":
        path = job.out / RUN_FILE
        write_json(path, {**read_json(path), "finished": True})


def mend_record(job: TrainingJob, identity: Identity, tell: Callable[[str], None]) -> None:
    """Send what a finished training could not send when MLflow went away under it."""
    known = _known(job.out / RUN_FILE, identity)
    if job.tracking_uri and known.get("finished") is False:
        finish_record(job, open_recorder(job, identity, None, tell), "FINISHED")


def _known(path: Path, identity: Identity) -> dict[str, Any]:
    """``run.json``, when it belongs to this job."""
    known: dict[str, Any] = read_json(path) if path.is_file() else {}
    return known if known and not Identity.of(known).differences(identity) else {}


def _tags(identity: Identity) -> Mapping[str, str | None]:
    return {"recipe_hash": identity.recipe_hash, "data_hash": identity.data_hash, "init": identity.init}


def _steps_sent(run: TrackedRun) -> int:
    return max((metric.step for metric in run.client.get_metric_history(run.run_id, "train/loss")), default=0)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
