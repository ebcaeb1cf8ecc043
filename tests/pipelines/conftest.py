"""One endpoint for these tests, the real SDK as its client, packages to run, and replies held against the swagger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api.rest
import pytest
from kfp_endpoint import SWAGGER, Endpoint, check_reply


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One server for all tests that leave others' objects alone."""
    server = Endpoint(tmp_path_factory.mktemp("endpoint"))
    yield server
    server.stop()


@pytest.fixture
def client(endpoint: Endpoint) -> kfp.Client:
    return endpoint.client()


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny pipelines' packages, by name."""
    import tiny_pipelines as tiny

    folder = tmp_path_factory.mktemp("packages")
    every = [tiny.hello, tiny.broken, tiny.lingering, tiny.deciding, tiny.containers, tiny.on_a_cluster]
    return {pipeline.name: tiny.compiled(pipeline, folder) for pipeline in every}


@pytest.fixture
def conforming(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Holds every reply that the SDK gets against the swagger; the operations that were checked."""
    if not SWAGGER.is_file():
        pytest.skip(f"needs Kubeflow's swagger at {SWAGGER}")
    swagger = json.loads(SWAGGER.read_text())
    checked: set[str] = set()
    plain = kfp_server_api.rest.RESTClientObject.request

    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        answer = plain(self, method, url, *args, **kwargs)
        operation = check_reply(swagger, method, url, json.loads(answer.data))
        checked.add(operation)
        return answer

    monkeypatch.setattr(kfp_server_api.rest.RESTClientObject, "request", request)
    return checked
