"""One MLflow server for all tests of this folder; each test has a model name and an experiment of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loc3r.services.mlflow import MlflowServer
from loc3r.tracking.registry import Registry

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))  # predictions and small rooms made by hand


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with MlflowServer(tmp_path_factory.mktemp("mlflow") / "state") as running:
        assert isinstance(running, MlflowServer)
        yield running


@pytest.fixture
def registry(server: MlflowServer, request: pytest.FixtureRequest) -> Registry:
    return Registry(server.url, request.node.name)
