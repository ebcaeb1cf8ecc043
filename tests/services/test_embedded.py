"""The embedded MLflow and S3 servers, real ones, through their whole life."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from loc3r.errors import ServiceError
from loc3r.files import read_json, write_json
from loc3r.services.command import down, up
from loc3r.services.embedded import Services, ensure_services, located, stop_services
from loc3r.services.mlflow import answers
from loc3r.services.process import free_port
from loc3r.services.s3 import S3Access
from loc3r.settings import Settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("embedded")
    yield folder
    stop_services(Settings(state_dir=folder / "state"))


def settings_in(folder: Path, **fields: str) -> Settings:
    return Settings(_env_file=None, state_dir=folder / "state", **fields)  # type: ignore[call-arg]


@pytest.mark.timeout(900)
def test_their_life(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOC3R_TRACKING_URI", "LOC3R_S3_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    wanted = free_port()
    asked = {"tracking_uri": f"http://127.0.0.1:{wanted}", "s3_endpoint": f"http://127.0.0.1:{wanted}"}
    started = ensure_services(settings_in(folder, **asked))
    assert started.started == ("s3", "mlflow")
    _check_running(started, settings_in(folder))

    # S3 had the wanted port first, so that MLflow had to take another one: all of it is written down.
    assert started.s3_endpoint == f"http://127.0.0.1:{wanted}"
    assert started.tracking_uri != asked["tracking_uri"]
    assert located(settings_in(folder)).tracking_uri == started.tracking_uri
    assert located(settings_in(folder, tracking_uri="http://elsewhere")).tracking_uri == "http://elsewhere"

    again = ensure_services(settings_in(folder))
    assert again.started == ()
    assert again.tracking_uri == started.tracking_uri
    monkeypatch.setenv("LOC3R_STATE_DIR", str(folder / "state"))
    told = CliRunner().invoke(up)
    assert told.output.count("already running") == 2
    assert started.tracking_uri in told.output
    exports = CliRunner().invoke(up, ["--export"]).output
    assert f"export MLFLOW_TRACKING_URI={started.tracking_uri}" in exports

    # Another state folder, told where they are, uses them and starts nothing.
    elsewhere = Settings(
        _env_file=None, state_dir=folder / "other", tracking_uri=started.tracking_uri, s3_endpoint=started.s3_endpoint
    )  # type: ignore[call-arg]
    assert ensure_services(elsewhere).started == ()
    assert stop_services(elsewhere) == []
    assert answers(started.tracking_uri)

    families = [
        process
        for entry in read_json(folder / "state" / "services.json").values()
        for process in (psutil.Process(entry["pid"]), *psutil.Process(entry["pid"]).children(recursive=True))
    ]
    assert CliRunner().invoke(down).output == "stopped mlflow, s3\n"
    assert not [p for p in families if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert CliRunner().invoke(down).output == "nothing was running\n"


def _check_running(services: Services, settings: Settings) -> None:
    """Artifacts go through MLflow into S3, and a foreign Host header is refused."""
    import urllib.request
    from urllib.error import HTTPError

    from loc3r.tracking.runs import open_run

    run = open_run(services.tracking_uri, "test", name="a", key="a")
    path = settings.state_dir / "note.txt"
    path.write_text("through the server")
    run.log_artifacts(path)
    access = S3Access(services.s3_endpoint, services.environment["AWS_ACCESS_KEY_ID"], "loc3r-embedded")
    stored = access.client().list_objects_v2(Bucket="mlflow")["Contents"]
    assert [item for item in stored if item["Key"].endswith("note.txt")]
    request = urllib.request.Request(
        f"{services.tracking_uri}/api/2.0/mlflow/experiments/search", headers={"Host": "evil"}
    )
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_a_process_id_that_was_given_to_another_is_left_alone(tmp_path: Path) -> None:
    state = settings_in(tmp_path).state_dir
    state.mkdir(parents=True)
    write_json(state / "services.json", {"mlflow": {"pid": os.getpid(), "born": 1.0, "url": "http://127.0.0.1:1"}})
    assert stop_services(settings_in(tmp_path)) == []
    assert located(settings_in(tmp_path)).tracking_uri == Settings.model_fields["tracking_uri"].default


def test_a_server_elsewhere_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    away = settings_in(tmp_path, s3_endpoint="http://s3.invalid:9000")
    with pytest.raises(ServiceError, match="does not answer") as caught:
        ensure_services(away)
    assert "LOC3R_S3_ENDPOINT" in caught.value.fix
    assert stop_services(away) == []
