"""Serve, deploy, fail, go back, roll back: by the commands that people type, on a Triton of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import load_file, save_file

from loc3r.cli import loc3r
from loc3r.client import Loc3R
from loc3r.errors import ServiceError
from loc3r.services.mlflow import MlflowServer
from loc3r.services.process import free_port
from loc3r.services.triton import Ports, RunningTriton
from loc3r.settings import load_settings
from loc3r.tracking.gate import settle
from loc3r.tracking.registry import CHAMPION, Registry
from loc3r.tracking.runs import run_of_model
from serving.repository import ModelRepository

pytestmark = [pytest.mark.xdist_group("triton"), pytest.mark.timeout(900)]
SITUATION = "I am standing by the sink."


def run(*arguments: str) -> str:
    """Output of a loc3r command; its error, if it has one, is raised."""
    result = CliRunner().invoke(loc3r, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelRepository]:
    """An empty repository and a detached Triton over it."""
    monkeypatch.setenv("LOC3R_STATE_DIR", str(tmp_path / "state"))
    ports = [f"--{name}-port={port}" for name, port in asdict(Ports.free()).items()]
    repository = ModelRepository(tmp_path / "repository")
    try:
        run("serve", "--repository", str(repository.folder), "--detach", *ports)
        yield repository
    finally:
        run("serve", "--stop")


def test_from_an_empty_server_to_a_rollback(
    served: ModelRepository, make_checkpoint: Callable[[int], Path], frames_folder: Path, tmp_path: Path
):
    where = ("--repository", str(served.folder))
    url = RunningTriton.find(load_settings().state_dir).url
    assert "already serves" in run("serve", *where, "--detach")

    with pytest.raises(ServiceError, match="loc3r export"):
        run("deploy", *where)
    first = make_checkpoint(0)
    assert "exported as version 1" in run("export", "--model", str(first), *where)
    assert "is already version 1" in run("export", "--model", str(first), *where)
    assert "version 1 serves" in run("deploy", *where)
    picture = tmp_path / "map.png"
    said = run(
        "ask", "--video", str(frames_folder), "--situation", SITUATION, "--question", "Why?", "--map", str(picture)
    )
    assert "version 1" in said and "sigma" in said and Image.open(picture).width > 500

    with Answering(url, frames_folder) as answering:
        assert "version 2 serves" in run("deploy", "--model", str(make_checkpoint(1)), *where)
        deploy_broken_ones(served, make_checkpoint(2))
        assert (serves(url), served.served, served.history) == ("2", 2, [1, 2])
        assert "version 1 serves" in run("deploy", *where, "--rollback")
    assert (answering.failures, answering.versions) == ([], {"1", "2"}) and answering.answers > 10
    assert (serves(url), served.served, served.history) == ("1", 1, [1])
    with pytest.raises(ServiceError, match="nothing to roll back to"):
        run("deploy", *where, "--rollback")

    assert "stopped" in run("serve", "--stop")
    with pytest.raises(ServiceError, match="no server answers"):
        run("ask", "--url", url, "--video", str(frames_folder), "--situation", SITUATION)


@dataclass(frozen=True)
class Better:
    """A verdict that somebody gave."""

    better: bool = True
    reason: str = "because"
    against: str = "it"
    evidence: dict[str, Any] = field(default_factory=dict)


def crown(uri: str, checkpoints: list[Path]) -> Registry:
    """Register checkpoints as versions 1, 2, ...; each becomes champion after the one before."""
    registry = Registry(uri, "loc3r")
    for each in checkpoints:
        settle(registry, registry.register(each, run_of_model(uri, "test", each), {}), Better(), None)
    return registry


def spoil(checkpoint: Path) -> Path:
    """Make it a model that says nonsense."""
    weights = load_file(checkpoint / "model.safetensors")
    save_file({name: value * float("nan") for name, value in weights.items()}, checkpoint / "model.safetensors")
    return checkpoint


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_champion_before_serves_again_and_only_then_has_the_alias(
    served: ModelRepository, make_checkpoint: Callable[[int], Path], frames_folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    where = ("--repository", str(served.folder))
    url = RunningTriton.find(load_settings().state_dir).url
    with MlflowServer(tmp_path / "mlflow") as mlflow:
        monkeypatch.setenv("LOC3R_TRACKING_URI", mlflow.url)
        registry = crown(mlflow.url, [spoil(make_checkpoint(2)), make_checkpoint(0), make_checkpoint(1)])
        assert "version 1 serves" in run("deploy", "--model", "models:/loc3r/2", *where)
        assert "version 2 serves" in run("deploy", "--model", "models:/loc3r@champion", *where)
        with Answering(url, frames_folder) as answering:
            said = run("rollback", "--to", "local", *where)
            assert "version 1 serves" in said and "champion: models:/loc3r/2 (was models:/loc3r/3)" in said
            assert (serves(url), registry.aliased(CHAMPION).number) == ("1", 2)
            with pytest.raises(ServiceError, match="version 3 failed its check; version 1 serves again"):
                run("rollback", "--to", "local", *where)
            assert (serves(url), registry.aliased(CHAMPION).number) == ("1", 2), "what can't serve is no champion"
        assert answering.failures == [] and "1" in answering.versions


def deploy_broken_ones(served: ModelRepository, checkpoint: Path) -> None:
    """A model that says nonsense, and the same with a byte missing: neither may ever answer."""
    where = ("--repository", str(served.folder))
    goes_back = r"version 3 failed its check; version 2 serves again(.|\n)*"
    with pytest.raises(ServiceError, match=goes_back + "smoke question"):
        run("deploy", "--model", str(spoil(checkpoint)), *where)
    weights = served.model / "3" / "checkpoint" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ServiceError, match=goes_back + "model.safetensors missing, damaged or added"):
        run("deploy", *where)


def serves(url: str) -> str:
    with Loc3R(url) as client:
        return client.info().version


class Answering:
    """A user who goes on asking while versions change."""

    def __init__(self, url: str, video: Path) -> None:
        self.versions: set[str] = set()
        self.answers = 0
        self.failures: list[Exception] = []
        self._url, self._video = url, video
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        with Loc3R(self._url, timeout_s=60) as client, client.open_scene(self._video) as scene:
            while not self._enough.wait(0.05):
                try:
                    self.versions.add(scene.ask(SITUATION, "What is behind me?").model.version)
                    self.answers += 1
                except Exception as error:
                    self.failures.append(error)

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(60)


@pytest.mark.timeout(60)
def test_a_port_that_was_asked_for_and_is_taken_is_named(checkpoint: Path, tmp_path: Path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServiceError, match=f"127.0.0.1:{port}"):
            run(
                "serve", "--repository", str(tmp_path), f"--grpc-port={port}",
                f"--http-port={free_port()}", f"--metrics-port={free_port()}",
            )  # fmt: skip
