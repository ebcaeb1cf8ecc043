"""A plan, a server that takes it, and a client of that server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from trainjob_server import TrainJobServer, serving

from loc3r.cluster import Cluster, TrainingPlan, plan_training

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def plan() -> TrainingPlan:
    """Two CPU ranks on synthetic rooms."""
    return plan_training(RECIPES / "rooms-demo.yaml", data="rooms://48", nodes=2, init="checkpoints/rooms-tiny")


@pytest.fixture
def server() -> Iterator[TrainJobServer]:
    with serving() as server:
        yield server


@pytest.fixture
def cluster(server: TrainJobServer) -> Cluster:
    from kubernetes import client

    configuration = client.Configuration(host=f"http://127.0.0.1:{server.server_port}")
    return Cluster(client.ApiClient(configuration), "loc3r", look_every_s=0.01)
