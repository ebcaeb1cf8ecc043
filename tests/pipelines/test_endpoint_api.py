"""The API by the real SDK and command line, every reply held against Kubeflow's swagger; what is refused, and how."""

from __future__ import annotations

import json
import tarfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import kfp
import kfp_server_api as api
import pytest
import yaml
from click.testing import CliRunner
from kfp.cli.cli import cli
from kfp_endpoint import SWAGGER, Endpoint, check_reply


def request(url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(sent) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def run_cli(endpoint: Endpoint, *arguments: str) -> Any:
    """The JSON that ``kfp`` prints."""
    done = CliRunner().invoke(cli, ["--endpoint", endpoint.url, "--output", "json", *arguments], obj={}, input="y\n")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout[done.stdout.index(next(c for c in done.stdout if c in "[{")) :])


def test_pipelines_and_versions(
    endpoint: Endpoint, client: kfp.Client, packages: dict[str, Path], conforming: set[str]
) -> None:
    uploaded = client.upload_pipeline(str(packages["hello"]), "greetings", description="of rooms")
    assert uploaded.description == "of rooms"
    assert client.get_pipeline_id("greetings") == uploaded.pipeline_id
    second = client.upload_pipeline_version(str(packages["broken"]), "second", pipeline_name="greetings")
    versions = client.list_pipeline_versions(uploaded.pipeline_id, sort_by="created_at desc").pipeline_versions
    assert [each.display_name for each in versions] == ["second", "greetings"]
    got = client.get_pipeline_version(uploaded.pipeline_id, second.pipeline_version_id)
    assert got.pipeline_spec["pipelineInfo"]["name"] == "broken"
    with pytest.raises(api.ApiException, match="has versions"):
        client.delete_pipeline(uploaded.pipeline_id)
    for version in versions:
        client.delete_pipeline_version(uploaded.pipeline_id, version.pipeline_version_id)
    client.delete_pipeline(uploaded.pipeline_id)
    assert client.get_pipeline_id("greetings") is None
    assert {"PipelineService_ListPipelineVersions", "PipelineService_GetPipelineVersion"} <= conforming


def test_the_command_line_manages_pipelines(
    endpoint: Endpoint, packages: dict[str, Path], conforming: set[str]
) -> None:
    created = run_cli(endpoint, "pipeline", "upload", "-p", "by hand", str(packages["hello"]))
    assert created["pipeline_id"] in [each["pipeline_id"] for each in run_cli(endpoint, "pipeline", "list")]
    assert run_cli(endpoint, "pipeline", "get", created["pipeline_id"])["display_name"] == "by hand"
    (version,) = run_cli(endpoint, "pipeline", "list-versions", created["pipeline_id"])
    ids = created["pipeline_id"], version["pipeline_version_id"]
    assert run_cli(endpoint, "pipeline", "get-version", *ids)["display_name"] == "by hand"
    run = run_cli(endpoint, "run", "create", "-e", "drafts", "-p", ids[0], "-v", ids[1], "room=den")
    assert run["pipeline_version_reference"]["pipeline_version_id"] == ids[1]
    assert run_cli(endpoint, "run", "archive", run["run_id"])["storage_state"] == "ARCHIVED"
    assert run_cli(endpoint, "run", "unarchive", run["run_id"])["storage_state"] == "AVAILABLE"
    assert run["run_id"] in [each["run_id"] for each in run_cli(endpoint, "run", "list")]


def test_experiments_by_page_name_and_order(client: kfp.Client, conforming: set[str]) -> None:
    names = [f"study {letter}" for letter in "cab"]
    ids = {name: client.create_experiment(name).experiment_id for name in names}
    only = json.dumps({"predicates": [{"operation": "IS_SUBSTRING", "key": "name", "string_value": "study"}]})
    seen, token = [], ""
    while True:
        page = client.list_experiments(token, page_size=2, sort_by="display_name desc", filter=only)
        assert page.total_size == 3
        seen += [each.display_name for each in page.experiments]
        if not page.next_page_token:
            break
        token = page.next_page_token
    assert seen == sorted(names, reverse=True)
    client.archive_experiment(ids["study a"])
    assert client.get_experiment(experiment_name="study a").storage_state == "ARCHIVED"
    client.unarchive_experiment(ids["study a"])
    for id in ids.values():
        client.delete_experiment(id)
    with pytest.raises(ValueError, match="No experiment is found"):
        client.get_experiment(experiment_name="study a")


def test_healthz(client: kfp.Client, conforming: set[str]) -> None:
    assert client.get_kfp_healthz().multi_user is False
    assert conforming == {"HealthzService_GetHealthz"}


@pytest.mark.parametrize("pack", ["zip", "tar.gz"])
def test_archives_are_packages(client: kfp.Client, packages: dict[str, Path], tmp_path: Path, pack: str) -> None:
    path = tmp_path / f"package.{pack}"
    if pack == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(packages["hello"], "pipeline.yaml")
    else:
        with tarfile.open(path, "w:gz") as tar:
            tar.add(packages["hello"], "pipeline.yaml")
    pipeline = client.upload_pipeline(str(path), f"packed as {pack}")
    assert client.list_pipeline_versions(pipeline.pipeline_id).total_size == 1


def with_typo(document: dict[str, Any], where: str) -> dict[str, Any]:
    """A run's pipeline_spec with a field too many."""
    pipeline, platform = document
    spots = {
        "pipeline": pipeline["root"]["dag"]["tasks"]["after"],
        "deploymentSpec": pipeline["deploymentSpec"]["executors"]["exec-after"]["container"],
        "platform": platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-after"],
    }
    spots[where]["secretAsEnvX"] = []
    return {"pipeline_spec": pipeline, "platform_spec": platform}


@pytest.mark.parametrize("where", ["pipeline", "deploymentSpec", "platform"])
def test_a_field_that_kubeflow_does_not_know_is_refused(
    endpoint: Endpoint, packages: dict[str, Path], where: str
) -> None:
    document = list(yaml.safe_load_all(packages["on-a-cluster"].read_text()))
    status, reply = request(f"{endpoint.url}/apis/v2beta1/runs", {"pipeline_spec": with_typo(document, where)})
    assert (status, reply["code"]) == (400, 3)
    assert 'has no field named "secretAsEnvX"' in reply["message"]


REFUSED: list[tuple[str, Any, int, str]] = [
    ("runs", {"display_nam": "x"}, 400, "V2beta1Run has no field 'display_nam'"),
    ("runs", {"display_name": "x"}, 400, "says not what to run"),
    ("runs", [], 400, "dictionary"),
    ("runs/nothing", None, 404, "no run of this id"),
    ("experiments", {"description": "x"}, 400, "has no name"),
    ("recurringruns", None, 501, "Kubeflow on a cluster"),
    ("runs/x:retry", {}, 501, "run the package again"),
    ("runs?filter=nonsense", None, 400, "the filter can't be understood"),
    ("runs?sort_by=beauty", None, 400, "can't be filtered or sorted by 'beauty'"),
    ("runs?page_token=nonsense", None, 400, "not a page token"),
    ("runs?page_size=many", None, 400, "page_size"),
]


@pytest.mark.parametrize(("path", "body", "http", "message"), REFUSED, ids=[f"{path} {m}" for path, _, _, m in REFUSED])
def test_errors_are_google_statuses(endpoint: Endpoint, path: str, body: Any, http: int, message: str) -> None:
    status, reply = request(f"{endpoint.url}/apis/v2beta1/{path}", body)
    assert status == http
    assert message in reply["message"]
    assert set(reply) == {"code", "message", "details"}


@pytest.mark.parametrize(
    ("package", "arguments", "message"),
    [
        ("containers", {}, "container component, which needs its image"),
        ("hello", {}, "arguments are missing"),
        ("hello", {"room": 3}, "argument 'room' has the wrong type"),
        ("hello", {"room": "den", "chairs": True}, "argument 'chairs' has the wrong type"),
        ("hello", {"room": "den", "sofas": 1}, "takes no argument 'sofas'"),
    ],
)
def test_runs_that_could_not_work_are_refused(
    client: kfp.Client, packages: dict[str, Path], package: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(api.ApiException, match=message):
        client.create_run_from_pipeline_package(str(packages[package]), arguments)


def test_other_web_pages_can_not_command_it(endpoint: Endpoint) -> None:
    url = f"{endpoint.url}/apis/v2beta1/experiments"
    body = {"display_name": "from elsewhere"}
    assert request(url, body, {"Origin": "https://elsewhere.example"})[0] == 403
    assert request(url, body, {"Content-Type": "text/plain"})[0] == 400
    with pytest.raises(json.JSONDecodeError):  # a rebound DNS name gets "Invalid host header"
        request(url, headers={"Host": "elsewhere.example"})


def test_the_swagger_is_really_checked() -> None:
    if not SWAGGER.is_file():
        pytest.skip(f"needs Kubeflow's swagger at {SWAGGER}")
    swagger = json.loads(SWAGGER.read_text())
    with pytest.raises(Exception, match="'GOING' is not one of"):
        check_reply(swagger, "GET", "http://x/apis/v2beta1/runs/1", {"state": "GOING"})
    with pytest.raises(Exception, match="'stat' was unexpected"):
        check_reply(swagger, "GET", "http://x/apis/v2beta1/runs/1", {"stat": "RUNNING"})
