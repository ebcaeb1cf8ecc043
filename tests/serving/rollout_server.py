"""The few REST paths that ``serving.rollout`` uses, over real HTTP, and a plain rollout behind them.

It is not Kubernetes: no admission, no RBAC, no scheduler. What is sent is judged as strictly as an API server would
(``strict``); patches are merged by the rules of their content type; what becomes of a new pod is the test's to say
(``start``). Whether a cluster and KServe's controller behave this way must be tried on a cluster.
"""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from json_handler import JsonHandler
from strict import problems

Object = dict[str, Any]
ONE = re.compile(
    r"/apis/(apps/v1|serving\.kserve\.io/v1beta1)/namespaces/loc3r/(deployments|inferenceservices)/([\w-]+)"
)
LOG = re.compile(r"/api/v1/namespaces/loc3r/pods/([\w-]+)/log")
CONTENT_TYPES = {
    "deployments": "application/strategic-merge-patch+json",
    "inferenceservices": "application/merge-patch+json",
}


class RolloutServer(ThreadingHTTPServer):
    """Holds a Deployment, or an InferenceService and the Deployment that KServe makes of it.

    Args:
        objects: as the manifests have them.
        start: becomes a pod's life: given its template, returns "" when it is ready, else what its log says.
    """

    daemon_threads = True

    def __init__(self, objects: list[Object], start: Callable[[Object], str]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.start = start
        self.objects = {each["metadata"]["name"]: copy.deepcopy(each) for each in objects}
        self.patches: list[Object] = []
        self.pods: list[Object] = []
        self.logs: dict[str, str] = {}
        for each in list(self.objects.values()):
            each["metadata"]["generation"] = 1
            if each["kind"] == "InferenceService":
                self.objects["loc3r-predictor"] = _of_kserve(each)
        self.deployment["status"] = _status(self.deployment, ready=False)

    @property
    def deployment(self) -> Object:
        (found,) = [each for each in self.objects.values() if each["kind"] == "Deployment"]
        return found

    @property
    def kubeconfig(self) -> str:
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        users = [{"name": "u", "user": {}}]
        return yaml.safe_dump({"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"})

    def patch(self, name: str, patch: Object, strategic: bool) -> Object:
        self.patches.append(patch)
        changed = _merged(self.objects[name], patch, strategic)
        found = problems({name: part for name, part in changed.items() if name != "status"})
        assert not found, found
        is_new = changed["spec"] != self.objects[name]["spec"]
        changed["metadata"]["generation"] += is_new
        self.objects[name] = changed
        if is_new:
            threading.Thread(target=self._roll, args=(name,), daemon=True).start()
        return changed

    def _roll(self, name: str) -> None:
        """What the controllers do: a pod of the new template; the old one goes when that is ready."""
        if self.objects[name]["kind"] == "InferenceService":
            self.objects["loc3r-predictor"] |= {"spec": _of_kserve(self.objects[name])["spec"]}
            self.deployment["metadata"]["generation"] += 1
        template = copy.deepcopy(self.deployment["spec"]["template"])
        same = [pod for pod in self.pods if pod["spec"] == template["spec"] and pod["ready"]]
        said = "" if same else self._start_pod(template)
        if template["spec"] != self.deployment["spec"]["template"]["spec"]:
            return  # changed again meanwhile
        if not said:
            self.pods = [pod for pod in self.pods if pod["spec"] == template["spec"]]
        self.deployment["status"] = _status(self.deployment, ready=not said)

    def _start_pod(self, template: Object) -> str:
        pod = {**template, "ready": False, "name": f"pod-{len(self.logs)}"}
        self.logs[pod["name"]] = ""
        self.pods.append(pod)
        said = self.start(template)
        self.logs[pod["name"]], pod["ready"] = said, not said
        return said

    def pod_list(self) -> Object:
        return {"items": [_pod(each) for each in self.pods]}


class Handler(JsonHandler):
    server: RolloutServer

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        one, log = ONE.fullmatch(path), LOG.fullmatch(path)
        if path == "/api/v1/namespaces/loc3r/pods":
            self.answer(200, self.server.pod_list())
        elif log:
            self.answer(200, self.server.logs[log[1]])
        elif one and one[3] in self.server.objects:
            self.answer(200, self.server.objects[one[3]])
        else:
            self.answer(404, {"kind": "Status", "message": f"{path} not found"})

    def do_PATCH(self) -> None:
        body = self.body()
        one = ONE.fullmatch(urlsplit(self.path).path)
        assert one and parse_qs(urlsplit(self.path).query)["fieldValidation"] == ["Strict"]
        if self.headers["Content-Type"] != CONTENT_TYPES[one[2]]:
            self.answer(415, {"kind": "Status", "message": "the body of the request was in an unknown format"})
            return
        self.answer(200, self.server.patch(one[3], body, one[2] == "deployments"))


def _merged(value: Any, patch: Any, strategic: bool) -> Any:
    """Merge patch (RFC 7386); strategic: lists of named items are merged by name."""
    if isinstance(patch, list) and strategic and all("name" in each for each in [*patch, *(value or [])]):
        items = {each["name"]: each for each in value or []}
        for each in patch:
            if each.get("$patch") == "delete":
                items.pop(each["name"], None)
            else:
                items[each["name"]] = _merged(items.get(each["name"], {}), each, strategic)
        return list(items.values())
    if not isinstance(patch, dict):
        return patch
    merged = dict(value or {})
    for name, part in patch.items():
        if part is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), part, strategic)
    return merged


def _of_kserve(service: Object) -> Object:
    """The Deployment of Standard mode, as far as we look at it."""
    uri = service["spec"]["predictor"]["model"].get("storageUri", "")
    step = {"name": "storage-initializer", "image": "kserve/storage-initializer", "args": [uri, "/mnt/models"]}
    labels = {"app": "isvc.loc3r-predictor"}
    template = {
        "metadata": {
            "labels": labels,
            "annotations": {"internal.serving.kserve.io/storage-initializer-sourceuri": uri},
        },
        "spec": {"initContainers": [step], "containers": [{"name": "kserve-container", "image": "loc3r-serve"}]},
    }
    metadata = {"name": "loc3r-predictor", "namespace": "loc3r", "generation": 1}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    service["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}  # as it stays while new pods start
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _status(deployment: Object, *, ready: bool) -> Object:
    """One replica; while a new pod is not ready, the old one is there beside it."""
    number = {"observedGeneration": deployment["metadata"]["generation"], "availableReplicas": 1}
    return {**number, "replicas": 1 if ready else 2, "updatedReplicas": 1, "unavailableReplicas": 0 if ready else 1}


def _pod(pod: Object) -> Object:
    state = {"running": {"startedAt": "2026-10-01T00:00:00Z"}}
    status = {"name": "triton", "image": "i", "imageID": "i", "ready": pod["ready"], "restartCount": 0, "state": state}
    metadata = {"name": pod["name"], "labels": pod["metadata"]["labels"]}
    return {"metadata": metadata, "spec": pod["spec"], "status": {"podIP": "127.0.0.1", "containerStatuses": [status]}}


@contextmanager
def cluster_of(objects: list[Object], start: Callable[[Object], str], kubeconfig: Path) -> Iterator[RolloutServer]:
    """A running server, and the kubeconfig that names it."""
    server = RolloutServer(objects, start)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kubeconfig.write_text(server.kubeconfig)
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
