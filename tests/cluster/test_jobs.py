"""Submitting, following, stopping and resuming, over real HTTP; the test plays Trainer, JobSet and the kubelet.

``Script`` does so without clocks: what it hears makes it do the next thing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from trainjob_server import TrainJobServer

from loc3r.cluster import Cluster, TrainingPlan, resume, stop, submit, wait
from loc3r.cluster.api import NotFound, Unavailable
from loc3r.cluster.follow import state_of
from loc3r.errors import ClusterError

Act = Callable[[], object]
ROLE = Path(__file__).parents[2] / "k8s/base/policies/pipeline-role.yaml"


class Script:
    """Hears what a follower tells, and does once what each text asks for."""

    def __init__(self, acts: Mapping[str, Act]) -> None:
        self.acts = dict(acts)
        self.heard: list[str] = []

    def __call__(self, text: str) -> None:
        self.heard.append(text)
        for trigger in [each for each in self.acts if each in text]:
            self.acts.pop(trigger)()


@pytest.fixture
def name(plan: TrainingPlan, cluster: Cluster) -> str:
    return submit(plan, cluster)


def test_a_job_is_followed_through_its_data_and_its_ranks_to_its_end(
    server: TrainJobServer, cluster: Cluster, name: str
) -> None:
    data = server.add_pod(name, "dataset-initializer", 0)
    first, second = (server.add_pod(name, "node", index) for index in (0, 1))
    second.say("a word of rank 1")

    def finish() -> None:
        first.say("step 2/2 loss 0.5")
        server.set_status(name, "Complete", node={"succeeded": 2})
        first.end(0)

    def train() -> None:
        server.set_status(name, node={"active": 2, "ready": 2})
        data.end(0)
        first.say("step 1/2 loss 0.9")

    script = Script({
        "being made": lambda: (server.set_status(name, dataset_initializer={"active": 1}), data.say("48 rooms")),
        "48 rooms": train,
        "step 1/2": finish,
    })  # fmt: skip
    assert wait(name, cluster=cluster, tell=script) == 0
    told = [line for line in script.heard if not line.startswith(("--", name))]
    assert told == ["48 rooms", "step 1/2 loss 0.9", "step 2/2 loss 0.5"]
    states = [line.partition(": ")[2] for line in script.heard if line.startswith(name)]
    assert states[0] == "being made" and states[-1] == "complete"
    assert "training" in states


def test_a_restarted_pod_is_followed_on_and_a_broken_connection_repeats_no_line(
    server: TrainJobServer, cluster: Cluster, name: str
) -> None:
    server.set_status(name, node={"active": 2, "ready": 2})
    lost = server.add_pod(name, "node", 0)
    lost.cuts = 2
    lost.say("step 1", "step 2", "step 3")

    def lose_it() -> None:
        server.pods.append(again := type(lost)(name, "node", 0, 1))
        again.say("resuming after step 2", "step 3 again")
        lost.end(137)
        again.end(0)
        server.set_status(name, "Complete", node={"succeeded": 2})

    script = Script({"step 3": lose_it})
    assert wait(name, cluster=cluster, tell=script) == 0
    told = [line for line in script.heard if not line.startswith(("--", name))]
    assert told == ["step 1", "step 2", "step 3", "resuming after step 2", "step 3 again"]


def test_a_failed_job_gives_the_code_and_the_last_words_of_the_rank_that_failed(
    server: TrainJobServer, cluster: Cluster, name: str
) -> None:
    fine, broken = (server.add_pod(name, "node", index) for index in (0, 1))
    broken.say(*(f"line {number}" for number in range(30)), "out of memory")
    fine.end(0)
    broken.end(137)
    server.set_status(name, "Failed", node={"failed": 1})
    script = Script({})
    assert wait(name, cluster=cluster, tell=script) == 137
    assert any("ended with 137" in line for line in script.heard)
    assert "out of memory" in script.heard[-1] and "line 3\n" not in script.heard[-1]


def test_a_pod_that_can_t_start_is_named_with_the_reason(server: TrainJobServer, cluster: Cluster, name: str) -> None:
    server.set_status(name, node={"active": 2})
    pod = server.add_pod(name, "node", 1)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
    healthy = pod.as_object
    status = {**healthy()["status"]["containerStatuses"][0], "state": waiting}
    pod.as_object = lambda: {**healthy(), "status": {"containerStatuses": [status]}}

    def pull() -> None:
        pod.as_object = healthy
        server.set_status(name, "Complete", node={"succeeded": 2})

    script = Script({"ImagePullBackOff no such tag": pull})
    assert wait(name, cluster=cluster, tell=script) == 0
    assert script.acts == {}


def test_a_log_that_died_with_its_node_keeps_nobody_from_the_end(
    server: TrainJobServer, cluster: Cluster, name: str
) -> None:
    for index in (0, 1):
        pod = server.add_pod(name, "node", index)
        pod.node_is_gone = True
        pod.end(137)
    server.set_status(name, "Failed", node={"failed": 2})
    script = Script({})
    assert wait(name, cluster=cluster, tell=script) == 137
    assert script.heard[-1] == "(its log is gone)"


def test_the_api_server_may_be_away_for_a_while(server: TrainJobServer, cluster: Cluster, name: str) -> None:
    server.set_status(name, "Complete", node={"succeeded": 2})
    server.failures = 3
    assert wait(name, cluster=cluster) == 0


def test_but_not_for_ever(server: TrainJobServer, cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loc3r.cluster.follow.PATIENCE_S", 0.05)
    server.failures = 10**6
    with pytest.raises(Unavailable, match="the server is starting"):
        wait(name, cluster=cluster)


def test_a_job_that_is_removed_while_it_is_followed_is_told(
    server: TrainJobServer, cluster: Cluster, name: str
) -> None:
    with pytest.raises(NotFound):
        wait(name, cluster=cluster, tell=Script({"being made": server.jobs.clear}))


def test_the_same_plan_finds_its_job_and_another_of_that_name_is_refused(
    server: TrainJobServer, cluster: Cluster, plan: TrainingPlan, name: str
) -> None:
    server.set_status(name, node={"active": 2, "ready": 2})
    assert submit(plan, cluster) == name
    bigger = type(plan)(**{**vars(plan), "memory_per_node_gib": 64})
    with pytest.raises(ClusterError, match="is another plan's job"):
        submit(bigger, cluster)
    server.set_status(name, "Complete", node={"succeeded": 2})
    assert submit(bigger, cluster) == name, "the weights are there"
    with pytest.raises(ClusterError, match="is another plan's job"):
        submit(type(plan)(**{**vars(plan), "data": "rooms://9"}), cluster)
    assert len(server.jobs) == 1


def test_a_failed_job_is_made_anew_from_what_was_submitted(server: TrainJobServer, cluster: Cluster, name: str) -> None:
    sent = {**server.jobs[name], "metadata": dict(server.jobs[name]["metadata"])}
    server.set_status(name, "Failed", node={"failed": 1})
    assert resume(name, cluster) == name
    made = server.jobs[name]
    assert "status" not in made and made["spec"] == sent["spec"]
    assert made["metadata"]["annotations"] == sent["metadata"]["annotations"]
    assert [method for method, _ in server.requests].count("DELETE") == 1


def test_a_failed_job_may_go_on_with_another_image(
    server: TrainJobServer, cluster: Cluster, plan: TrainingPlan, name: str
) -> None:
    server.set_status(name, "Failed", node={"failed": 1})
    mended = type(plan)(**{**vars(plan), "image": "ghcr.io/loc3r/loc3r:0.1.1"})
    assert submit(mended, cluster) == name
    assert server.jobs[name]["spec"]["trainer"]["image"] == "ghcr.io/loc3r/loc3r:0.1.1"


def test_a_stopped_job_goes_on(server: TrainJobServer, cluster: Cluster, name: str) -> None:
    stop(name, cluster)
    assert state_of(server.jobs[name]).startswith("stopped")
    resume(name, cluster)
    assert server.jobs[name]["spec"]["suspend"] is False


def test_a_stopped_job_goes_on_with_another_number_of_ranks(
    server: TrainJobServer, cluster: Cluster, plan: TrainingPlan, name: str
) -> None:
    fewer = type(plan)(**{**vars(plan), "nodes": 1})
    with pytest.raises(ClusterError, match="is another plan's job"):
        submit(fewer, cluster)
    stop(name, cluster)
    with pytest.raises(ClusterError, match="is another plan's job"):
        submit(type(plan)(**{**vars(plan), "data": "rooms://9"}), cluster)
    assert submit(fewer, cluster) == name
    assert server.jobs[name]["spec"]["trainer"]["numNodes"] == 1 and "suspend" not in server.jobs[name]["spec"]


def test_what_the_queue_started_or_holds_back_is_left_to_the_queue(
    server: TrainJobServer, cluster: Cluster, plan: TrainingPlan
) -> None:
    name = submit(type(plan)(**{**vars(plan), "queue": "loc3r"}), cluster)
    with pytest.raises(ClusterError, match="the queue decides"):
        stop(name, cluster)
    server.jobs[name]["spec"]["suspend"] = True  # Kueue does that until there is quota
    assert resume(name, cluster) == name
    assert server.jobs[name]["spec"]["suspend"] is True


def test_a_job_that_is_refused_carries_the_server_s_words(
    cluster: Cluster, plan: TrainingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loc3r.cluster import jobs

    rendered = jobs.render(plan)
    rendered["spec"]["trainer"]["numNods"] = 2
    monkeypatch.setattr(jobs, "render", lambda _: rendered)
    with pytest.raises(ClusterError, match=r"400[\s\S]*numNods"):
        submit(plan, cluster)


@pytest.mark.parametrize(
    ("refused", "fix"),
    [
        ('create resource "trainjobs" in API group "trainer.kubeflow.org" in the namespace "loc3r"',
         "can-i create trainjobs.trainer.kubeflow.org -n loc3r must"),
        ('get resource "pods/log" in API group "" in the namespace "other"',
         "can-i get pods --subresource=log -n other must"),
    ],
)  # fmt: skip
def test_a_lacking_right_is_named(server: TrainJobServer, cluster: Cluster, refused: str, fix: str) -> None:
    server.refusal = f'x is forbidden: User "system:serviceaccount:loc3r:y" cannot {refused}'
    with pytest.raises(ClusterError, match="403") as told:
        cluster.jobs()
    assert fix in told.value.fix


def test_what_a_policy_forbids_is_no_lacking_right(server: TrainJobServer, cluster: Cluster) -> None:
    server.refusal = 'pods "x" is forbidden: exceeded quota: compute'
    with pytest.raises(ClusterError, match="exceeded quota") as told:
        cluster.jobs()
    assert not told.value.fix


def test_the_pipeline_s_role_allows_every_call_that_is_made(
    server: TrainJobServer, cluster: Cluster, plan: TrainingPlan
) -> None:
    name = submit(plan, cluster)
    submit(plan, cluster)
    stop(name, cluster)
    resume(name, cluster)
    server.add_pod(name, "node", 0).end(0)
    server.add_pod(name, "node", 1).end(1)
    server.set_status(name, "Failed", node={"failed": 1})
    assert wait(name, cluster=cluster) == 1
    resume(name, cluster)
    cluster.jobs()
    role = next(each for each in yaml.safe_load_all(ROLE.read_text()) if each["kind"] == "Role")
    allowed = {(each, verb) for rule in role["rules"] for each in rule["resources"] for verb in rule["verbs"]}
    called = {rbac(method, path) for method, path in server.requests}
    assert called <= allowed
    assert {("trainjobs", verb) for verb in ("create", "get", "list", "patch", "delete")} <= called


def rbac(method: str, path: str) -> tuple[str, str]:
    """Resource and verb that the API server asks its roles for."""
    _, _, below = path.partition("?")[0].partition("/namespaces/loc3r/")
    resource, *name = below.split("/")
    resource = "/".join([resource, *name[1:]])
    reads = "get" if name else "list"
    return resource, {"GET": reads, "POST": "create", "PATCH": "patch", "DELETE": "delete"}[method]


def test_a_cluster_that_is_not_there_is_told_with_its_address(plan: TrainingPlan) -> None:
    from kubernetes import client

    nowhere = client.Configuration(host="http://127.0.0.1:9")
    nowhere.retries = 0
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        submit(plan, Cluster(client.ApiClient(nowhere), "loc3r"))
