"""Alerts, dashboard and autoscaling: expressions parse, metrics are real ones, each alert has its runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml
from manifests import K8S, REPOSITORY, named, of_kind, pods

FOLDER = K8S / "base/observability"
RULES = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["spec"]["groups"]
ALERTS = [rule for group in RULES for rule in group["rules"] if "alert" in rule]
RECORDS = {rule["record"] for group in RULES for rule in group["rules"] if "record" in rule}
ADAPTER = yaml.safe_load((FOLDER / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
EXPORTERS = {
    "loc3r_queue_duration_us", "loc3r_queue_requests",  # seen: tests/serving/test_service.py
    "nv_inference_request_success", "nv_inference_request_failure",
    "nv_inference_request_duration_us", "nv_inference_pending_request_count",  # seen: test_servers.py
    "nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes", "nv_gpu_utilization",  # Triton's documentation
    "kube_deployment_status_replicas_available", "kube_deployment_spec_replicas", "kube_pod_status_phase",
    "kube_pod_container_status_last_terminated_reason", "kube_pod_container_status_terminated_reason",
    "kube_pod_container_status_restarts_total", "kube_job_status_failed", "kube_cronjob_status_last_successful_time",
    "container_cpu_usage_seconds_total", "container_memory_working_set_bytes",
    "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes",
    "kueue_pending_workloads", "kueue_admitted_active_workloads",
}  # fmt: skip


def expressions() -> Iterator[str]:
    for group in RULES:
        yield from (rule["expr"] for rule in group["rules"])
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for rule in ADAPTER:
        matchers = 'namespace="loc3r",pod="x"'
        query = rule["metricsQuery"].replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "pod")
        yield from (query, rule["seriesQuery"])


def test_expressions_are_promql_over_metrics_that_exist():
    parser = pytest.importorskip("promql_parser", reason="pip install promql-parser")
    for text in expressions():
        parser.parse(text)
        words = set(re.findall(r"(?<![\w\"])([a-z]\w+(?::\w+)+|(?:loc3r|nv|kube|kubelet|container|kueue)_\w+)", text))
        assert words and words <= EXPORTERS | RECORDS, text


def test_every_alert_has_a_summary_and_a_runbook_that_is_there():
    pages: dict[str, set[str]] = {}
    for alert in ALERTS:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        text = (REPOSITORY / page).read_text()
        pages[page] = {
            re.sub(r"[^\w -]", "", line.lower()).strip().replace(" ", "-")
            for line in re.findall(r"^#+ (.*)$", text, re.M)
        }
        assert anchor in pages[page], alert["alert"]
        assert alert["alert"] in text, "the runbook names its alert"
        assert alert["annotations"]["summary"] and alert["labels"]["severity"] in ("warning", "critical")


def test_objects_that_alerts_name_are_deployed(overlays):
    known = {each["metadata"]["name"] for each in overlays["production"]}
    for text in expressions():
        for name in re.findall(r"(?:deployment|cronjob|cluster_queue)=\"([^\"]+)\"", text):
            assert name in known, name
    training = {
        container["name"]
        for pod in pods(of_kind(overlays["production"], "ClusterTrainingRuntime"))
        for container in pod.containers
    }
    assert set(re.findall(r'container="(\w+)"', " ".join(expressions()))) <= training


def test_pods_are_scraped_at_ports_that_they_have(overlays):
    everything = pods([*overlays["laptop"], *overlays["production"]])
    for monitor in of_kind(overlays["observability"], "PodMonitor"):
        selected = [
            pod for pod in everything if monitor["spec"]["selector"]["matchLabels"].items() <= pod.labels.items()
        ]
        assert selected
        for pod in selected:
            ports = {port["name"]: port["containerPort"] for each in pod.containers for port in each.get("ports", [])}
            for endpoint in monitor["spec"]["podMetricsEndpoints"]:
                opened = str([p["spec"] for p in of_kind(overlays["laptop"], "NetworkPolicy")])
                assert f"'port': {ports[endpoint['port']]}" in opened


def test_triton_is_scaled_by_the_metric_that_the_adapter_makes(overlays):
    scaler = named(overlays["production"], "HorizontalPodAutoscaler", "loc3r-triton")
    metrics = {each["pods"]["metric"]["name"] for each in scaler["spec"]["metrics"]}
    assert metrics == {rule["name"]["as"] for rule in ADAPTER}


def test_the_dashboard_is_one_that_grafana_finds_and_shows(overlays):
    dashboard = named(overlays["observability"], "ConfigMap", "loc3r-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["loc3r.json"]) == DASHBOARD
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})
