"""The handful of REST paths that ``loc3r.cluster`` uses, over real HTTP, for a client that can't tell the difference.

It is not Kubernetes: it has no controllers, no admission, no RBAC. TrainJobs are judged by the real schemas and CEL
rules (``strict``); what becomes of a job and what its pods say is the test's to set. Whether a cluster behaves this way
must be tried on a cluster.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from json_handler import JsonHandler
from strict import problems

Object = dict[str, Any]
JOBS = re.compile(r"/apis/trainer\.kubeflow\.org/v1alpha1/namespaces/([\w-]+)/trainjobs(?:/([\w-]+))?")
PODS = re.compile(r"/api/v1/namespaces/([\w-]+)/pods")
LOG = re.compile(r"/api/v1/namespaces/([\w-]+)/pods/([\w-]+)/log")
BORN = datetime(2026, 10, 1, tzinfo=UTC)


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Pod:
    """A pod of a job, whose container runs until the test ends it."""

    def __init__(self, job: str, step: str, index: int, attempt: int = 0) -> None:
        self.name, self.job, self.step, self.index = f"{job}-{step}-0-{index}-{attempt}", job, step, index
        self.born = BORN + timedelta(minutes=attempt, seconds=step == "node")
        self.exit_code: int | None = None
        self.lines: list[str] = []
        self.cuts = 0
        """How many readers of the log lose their connection after its first line."""
        self.node_is_gone = False
        """Nobody can give its log any more."""
        self.changed = threading.Condition()

    def say(self, *lines: str) -> None:
        with self.changed:
            for line in lines:
                time = self.born + timedelta(microseconds=len(self.lines))
                self.lines.append(f"{time:%Y-%m-%dT%H:%M:%S.%f}000Z {line}")
            self.changed.notify_all()

    def end(self, exit_code: int) -> None:
        with self.changed:
            self.exit_code = exit_code
            self.changed.notify_all()

    def as_they_come(self) -> Iterator[str]:
        """Every line of the log, until the container has ended."""
        number = 0
        while True:
            with self.changed:
                while number == len(self.lines) and self.exit_code is None:
                    self.changed.wait()
                if number == len(self.lines):
                    return
                line = self.lines[number]
            number += 1
            yield line

    def as_object(self) -> Object:
        labels = {
            "jobset.sigs.k8s.io/jobset-name": self.job,
            "jobset.sigs.k8s.io/replicatedjob-name": self.step,
            "batch.kubernetes.io/job-completion-index": str(self.index),
        }
        running = {"running": {"startedAt": self.born.isoformat()}}
        reason = "Completed" if self.exit_code == 0 else "Error"
        ended = {"terminated": {"exitCode": self.exit_code, "reason": reason, "finishedAt": self.born.isoformat()}}
        status = {"name": self.step, "image": "i", "imageID": "i", "ready": True, "restartCount": 0}
        status["state"] = running if self.exit_code is None else ended
        metadata = {"name": self.name, "uid": self.name, "labels": labels, "creationTimestamp": self.born.isoformat()}
        return {"metadata": metadata, "status": {"containerStatuses": [status]}}


class TrainJobServer(ThreadingHTTPServer):
    """Holds TrainJobs and pods; ``requests`` are what came in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs: dict[str, Object] = {}
        self.pods: list[Pod] = []
        self.requests: list[tuple[str, str]] = []
        self.failures = 0
        """How many requests are answered with 503 from now on."""
        self.refusal = ""
        """What every request is answered with from now on, and 403."""

    def set_status(self, name: str, condition: str | None = None, **steps: dict[str, int]) -> None:
        """What Trainer's controller would write."""
        counts = {"active": 0, "failed": 0, "ready": 0, "succeeded": 0, "suspended": 0}
        status: Object = {"jobsStatus": [{"name": n.replace("_", "-"), **counts, **c} for n, c in steps.items()]}
        if condition:
            told = {"type": condition, "status": "True", "reason": "Jobs", "message": f"jobset {condition.lower()}"}
            status["conditions"] = [{**told, "lastTransitionTime": BORN.isoformat()}]
        self.jobs[name]["status"] = status
        assert not problems(self.jobs[name])

    def add_pod(self, *arguments: Any) -> Pod:
        self.pods.append(Pod(*arguments))
        return self.pods[-1]


class Handler(JsonHandler):
    server: TrainJobServer

    def do_GET(self) -> None:
        log = LOG.fullmatch(urlsplit(self.path).path)
        if log and self._query().get("follow") == ["True"]:  # Go reads True as true
            pod = next(pod for pod in self.server.pods if pod.name == log[2])
            if not pod.node_is_gone:
                self.server.requests.append((self.command, self.path))
                self._stream(pod)
                return
        self._serve()

    do_POST = do_PATCH = do_DELETE = lambda self: self._serve()

    def _serve(self) -> None:
        self.server.requests.append((self.command, self.path))
        body = self.body()
        try:
            if self.server.failures:
                self.server.failures -= 1
                raise Refused(503, "the server is starting")
            if self.server.refusal:
                raise Refused(403, self.server.refusal)
            status, answer = self._decide(urlsplit(self.path).path, body)
        except Refused as refused:
            status, answer = refused.status, {"kind": "Status", "message": str(refused)}
        self.answer(status, answer)

    def _decide(self, path: str, body: Object) -> tuple[int, Object | str]:
        jobs, log = JOBS.fullmatch(path), LOG.fullmatch(path)
        if jobs and jobs[2]:
            return 200, self._one(jobs[2], body)
        if jobs and self.command == "POST":
            return 201, self._create(jobs[1], body)
        if jobs:
            return 200, {"items": list(self.server.jobs.values())}
        if PODS.fullmatch(path):
            (selector,) = self._query()["labelSelector"]
            job = selector.removeprefix("jobset.sigs.k8s.io/jobset-name=")
            return 200, {"items": [pod.as_object() for pod in self.server.pods if pod.job == job]}
        if log:
            pod = next(pod for pod in self.server.pods if pod.name == log[2])
            if pod.node_is_gone:
                raise Refused(500, "dial tcp 10.0.0.1:10250: no route to host")
            lines = pod.lines[-int(self._query()["tailLines"][0]) :]
            return 200, "\n".join(line.partition(" ")[2] for line in lines)
        raise Refused(404, f"no such path: {path}")

    def _create(self, namespace: str, job: Object) -> Object:
        query, name = self._query(), job["metadata"]["name"]
        assert query["fieldValidation"] == ["Strict"]
        found = problems(job)
        if found or job["metadata"]["namespace"] != namespace:
            raise Refused(400, f"strict decoding error: {found}")
        if name in self.server.jobs:
            raise Refused(409, f'trainjobs.trainer.kubeflow.org "{name}" already exists')
        if query.get("dryRun") != ["All"]:
            job["metadata"] |= {"uid": name, "creationTimestamp": BORN.isoformat()}
            self.server.jobs[name] = job
        return job

    def _one(self, name: str, body: Object) -> Object:
        if name not in self.server.jobs:
            raise Refused(404, f'trainjobs.trainer.kubeflow.org "{name}" not found')
        if self.command == "DELETE":
            assert body["propagationPolicy"] == "Foreground"
            return self.server.jobs.pop(name)
        if self.command == "PATCH":
            assert self.headers["Content-Type"] == "application/merge-patch+json"
            self.server.jobs[name]["spec"] |= body["spec"]
        return self.server.jobs[name]

    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def _stream(self, pod: Pod) -> None:
        """A log as it is written, in chunks, until the container ends."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in pod.as_they_come():
            part = f"{line}\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            if pod.cuts:
                pod.cuts -= 1
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def serving() -> Iterator[TrainJobServer]:
    server = TrainJobServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        for pod in server.pods:
            pod.end(1)
