"""What the files of k8s/ owe each other, and what every container owes the cluster."""

from __future__ import annotations

import re

import pytest
import yaml
from manifests import K8S, Objects, Pod, named, of_kind, pods

from serving.rollout import InferenceService, TritonDeployment

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
"""What the restricted Pod Security Standard lets a pod mount."""
TOKEN_HOLDERS: set[str] = set()
"""Pods that mount a service-account token. Pipeline steps do, but Kubeflow Pipelines makes those."""
CONTROLLER_LABELS = {"app.kubernetes.io/component": "triton-kserve"}


def everything(overlays: dict[str, Objects], overlay: str) -> Objects:
    """An overlay and the platform that it is applied to: nested ones belong to their parent, others add to laptop."""
    platform = overlay.split("/")[0] if "/" in overlay else "laptop"
    return [*overlays[overlay], *overlays[platform]]


def secrets() -> dict[str, set[str]]:
    """Keys of each Secret that the example of a secret store makes."""
    example = yaml.safe_load_all((K8S / "examples/external-secrets.yaml").read_text())
    return {each["metadata"]["name"]: {key["secretKey"] for key in each["spec"]["data"]} for each in example}


def test_every_container_is_restricted(objects):
    for pod in pods(objects):
        outer = pod.spec.get("securityContext", {})
        for container in pod.containers:
            inner = container["securityContext"]
            told = f"{pod.owner}/{container['name']}"
            assert inner["readOnlyRootFilesystem"] is True, told
            assert inner["allowPrivilegeEscalation"] is False, told
            assert inner["capabilities"] == {"drop": ["ALL"]}, told
            assert {**outer, **inner}["runAsNonRoot"] is True, told
            assert {**outer, **inner}["runAsUser"] > 0, told
            assert {**outer, **inner}["seccompProfile"] == {"type": "RuntimeDefault"}, told
            assert not {"privileged", "procMount", "seLinuxOptions", "windowsOptions"} & {*outer, *inner}, told
            assert not [port for port in container.get("ports", []) if "hostPort" in port], told
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec) and "sysctls" not in outer, pod.owner
        assert all({*volume} - {"name"} <= VOLUMES for volume in pod.spec.get("volumes", [])), pod.owner


def test_the_namespace_enforces_that(overlays):
    labels = named(overlays["laptop"], "Namespace", "loc3r")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_container_says_what_it_needs_and_may_take(objects):
    for pod in pods(objects):
        for container in pod.containers:
            sizes = container["resources"]
            told = f"{pod.owner}/{container['name']}"
            assert {"cpu", "memory"} <= set(sizes["requests"]) & set(sizes["limits"]), told
            for name in sizes["requests"]:
                assert quantity(sizes["requests"][name]) <= quantity(sizes["limits"][name]), told
            assert sizes["requests"].get("nvidia.com/gpu") == sizes["limits"].get("nvidia.com/gpu"), told


def test_memory_that_files_may_take_is_within_the_limit(objects):
    for pod in pods(objects):
        limit = sum(quantity(each["resources"]["limits"]["memory"]) for each in pod.spec["containers"])
        for volume in pod.spec.get("volumes", []):
            medium = volume.get("emptyDir", {})
            if medium.get("medium") == "Memory" and "TrainingRuntime" not in pod.owner:  # the job says its memory
                assert quantity(medium["sizeLimit"]) <= limit / 2, f"{pod.owner}: {volume}"


def test_servers_are_probed_and_jobs_end(objects):
    for pod in pods(objects):
        for container in pod.spec["containers"]:
            probes = {"startupProbe", "readinessProbe", "livenessProbe"} & set(container)
            assert len(probes) == (0 if pod.runs_once else 3), f"{pod.owner}: {probes}"
    for job in of_kind(objects, "Job"):
        assert job["spec"]["activeDeadlineSeconds"] <= 24 * 3600


def test_probes_and_services_point_at_ports_that_are_open(overlays, overlay):
    objects = everything(overlays, overlay)
    for pod in pods(objects):
        for container in pod.containers:
            ports = {port.get("name") for port in container.get("ports", [])}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = container.get(kind, {}).get("httpGet", {}).get("port")
                assert port is None or port in ports or port == 8080, f"{pod.owner}: {port}"  # 8080: --http-port
    for service in of_kind(objects, "Service"):
        behind = [pod for pod in pods(objects) if matches(service["spec"]["selector"], pod)]
        assert behind, service["metadata"]["name"]
        open_ports = {
            port["name"]: port["containerPort"] for each in behind[0].containers for port in each.get("ports", [])
        }
        for port in service["spec"]["ports"]:
            assert open_ports[port["targetPort"]] == port["port"]


def test_selectors_match_their_own_pods(objects):
    for each in of_kind(objects, "Deployment", "StatefulSet"):
        assert matches(each["spec"]["selector"]["matchLabels"], pods([each])[0])
    for each in of_kind(objects, "PodDisruptionBudget", "PodMonitor"):
        assert set(each["spec"]["selector"]) == {"matchLabels"}
    for budget in of_kind(objects, "PodDisruptionBudget"):
        assert any(matches(budget["spec"]["selector"]["matchLabels"], pod) for pod in pods(objects))


def test_no_pod_has_a_token_that_it_does_not_need(objects):
    for pod in pods(objects):
        if pod.owner.startswith("ServingRuntime"):
            continue  # its pod is the InferenceService's, below
        assert (pod.spec.get("automountServiceAccountToken") is not False) == (pod.owner in TOKEN_HOLDERS), pod.owner
    for service in of_kind(objects, "InferenceService"):
        assert service["spec"]["predictor"]["automountServiceAccountToken"] is False
    for account in of_kind(objects, "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_only_the_step_that_deploys_gets_a_token_by_hand(overlays):
    holders = set()
    for objects in overlays.values():
        for pod in pods(objects):
            tokens = {each["name"] for each in pod.spec.get("volumes", []) if "serviceAccountToken" in str(each)}
            for container in pod.containers:
                if tokens & {mount["name"] for mount in container.get("volumeMounts", [])}:
                    holders.add(f"{pod.owner}/{container['name']}")
    assert holders == {"Job/loc3r-promote/deploy"}


def test_the_deployer_may_change_what_is_served_and_nothing_else(overlays):
    rules = named(overlays["laptop"], "Role", "loc3r-deployer")["rules"]
    changes = {
        (r, n) for rule in rules if "patch" in rule["verbs"] for r in rule["resources"] for n in rule["resourceNames"]
    }
    assert changes == {
        ("deployments", TritonDeployment.deployment), ("deployments", InferenceService.deployment),
        ("inferenceservices", InferenceService.name),
    }  # fmt: skip
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "patch"}


def test_the_deployer_changes_a_field_that_the_manifests_leave_to_it(overlays):
    """Applying the manifests again must not change what is served."""
    for size in ("laptop", "production"):
        (container,) = pods([named(overlays[size], "Deployment", TritonDeployment.deployment)])[0].containers
        assert container["name"] == TritonDeployment.container
        assert TritonDeployment.variable not in {each["name"] for each in container["env"]}
        settings = named(overlays[size], "ConfigMap", "loc3r-settings")["data"]
        assert settings[TritonDeployment.variable] == "none", "what a variable in the list of variables replaces"
        bucket = settings["LOC3R_MODEL_REPOSITORY"].removeprefix("s3://")
        assert settings["TRITON_MODELS"].endswith(f"/{bucket}")
        strategy = named(overlays[size], "Deployment", TritonDeployment.deployment)["spec"]["strategy"]
        assert strategy["rollingUpdate"]["maxUnavailable"] == 0
    service = named(overlays["kserve"], "InferenceService", InferenceService.name)
    assert service["spec"]["predictor"]["deploymentStrategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_service_accounts_claims_and_config_maps_exist(overlays, overlay):
    objects = everything(overlays, overlay)
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    claims = {each["metadata"]["name"] for each in of_kind(objects, "PersistentVolumeClaim")}
    maps = {each["metadata"]["name"]: set(each["data"]) for each in of_kind(objects, "ConfigMap")}
    for pod in pods(overlays[overlay]):
        if not pod.owner.startswith("ServingRuntime"):
            assert pod.spec["serviceAccountName"] in accounts, pod.owner
        for volume in pod.spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims, pod.owner
            if "configMap" in volume and not volume["configMap"].get("optional"):
                assert volume["configMap"]["name"] in maps, pod.owner
        for container in pod.containers:
            for source in container.get("envFrom", []):
                assert source.get("configMapRef", {}).get("name") in {None, *maps}, pod.owner
            for variable in container.get("env", []):
                ref = variable.get("valueFrom", {}).get("configMapKeyRef")
                assert ref is None or ref["key"] in maps[ref["name"]], f"{pod.owner}: {ref}"
    for service in of_kind(objects, "InferenceService"):
        predictor = service["spec"]["predictor"]
        assert predictor["serviceAccountName"] in accounts
        assert "storageUri" not in predictor["model"], "the deployer's field: a re-apply must not reset it"


def test_mounts_name_volumes_and_volumes_are_mounted(objects):
    for pod in pods(objects):
        volumes = {volume["name"] for volume in pod.spec.get("volumes", [])} | set(pod.claims)
        mounted = {mount["name"] for each in pod.containers for mount in each.get("volumeMounts", [])}
        assert volumes == mounted, pod.owner


def test_files_that_commands_name_are_in_the_config_map_that_is_mounted_there(overlays, overlay):
    objects = everything(overlays, overlay)
    maps = {each["metadata"]["name"]: set(each["data"]) for each in of_kind(objects, "ConfigMap")}
    for pod in pods(overlays[overlay]):
        sources = {v["name"]: v["configMap"]["name"] for v in pod.spec.get("volumes", []) if "configMap" in v}
        for container in pod.containers:
            values = [*container.get("command", []), *(each.get("value", "") for each in container.get("env", []))]
            for mount in container.get("volumeMounts", []):
                for value in values:
                    if mount["name"] in sources and value.startswith(f"{mount['mountPath']}/"):
                        assert value.removeprefix(f"{mount['mountPath']}/") in maps[sources[mount["name"]]], value


def test_secrets_are_only_referred_to_and_their_keys_are_those_that_are_made(objects):
    assert not of_kind(objects, "Secret")
    known = secrets()
    for pod in pods(objects):
        for container in pod.containers:
            for variable in container.get("env", []):
                ref = variable.get("valueFrom", {}).get("secretKeyRef")
                assert ref is None or ref["key"] in known[ref["name"]], f"{pod.owner}: {ref}"
            for source in container.get("envFrom", []):
                assert source.get("secretRef", {}).get("name") in {None, *known}, pod.owner
        for volume in pod.spec.get("volumes", []):
            for item in volume.get("secret", {}).get("items", []):
                assert item["key"] in known[volume["secret"]["secretName"]], pod.owner


def test_the_script_makes_the_secrets_of_the_example():
    script = (K8S / "create-secrets.sh").read_text()
    made = {
        name: set(re.findall(r'(?:^|[ "])([A-Za-z_-]+)=', rest))
        for name, rest in re.findall(r"^secret (\S+) (.*)$", script, re.M)
    }
    assert made == secrets()


def test_only_the_servers_hold_the_key_to_model_control(overlays):
    holders = {
        f"{pod.owner}/{container['name']}"
        for objects in overlays.values()
        for pod in pods(objects)
        for container in pod.containers
        if "loc3r-triton" in str(container.get("env", [])) and "admin-key" in str(container.get("env", []))
    }
    assert holders == {
        "Deployment/loc3r-triton/triton", "ServingRuntime/loc3r-triton/kserve-container",
    }  # fmt: skip


def test_everything_is_denied_but_openings_between_pods_that_exist(overlays):
    objects = [each for overlay in overlays.values() for each in overlay]
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(objects, "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    components = {pod.labels["app.kubernetes.io/component"] for pod in pods(objects) if pod.labels}
    components |= {"pipeline", CONTROLLER_LABELS["app.kubernetes.io/component"]}  # made by Kubeflow Pipelines, KServe
    named_in_policies = set(re.findall(r"'app.kubernetes.io/component': '([\w-]+)'", str(policies)))
    named_in_policies |= {
        each
        for text in re.findall(r"'values': \[([^\]]*)\]", str(policies))
        for each in re.findall(r"'([\w-]+)'", text)
    }
    assert named_in_policies == components


@pytest.mark.parametrize(
    ("client", "server", "port"),
    [
        ("train", "mlflow", 5000), ("promote", "mlflow", 5000), ("mlflow", "postgres", 5432),
        ("migrate", "postgres", 5432),
        ("backup", "postgres", 5432), ("mlflow", "s3", 8333), ("train", "s3", 8333), ("backup", "s3", 8333),
        ("promote", "triton", 8001), ("train", "train", 29500), ("triton", "s3", 8333), ("promote", "s3", 8333),
    ],
)  # fmt: skip
def test_an_opening_is_open_on_both_sides(overlays, client, server, port):
    policies = of_kind(overlays["laptop"], "NetworkPolicy")
    assert opens(policies, "egress", "to", client, server, port)
    assert opens(policies, "ingress", "from", server, client, port)


@pytest.mark.parametrize(
    ("client", "server", "port"),
    [("train", "postgres", 5432), ("triton", "mlflow", 5000), ("promote", "postgres", 5432), ("train", "triton", 8001)],
)
def test_what_nobody_needs_is_closed(overlays, client, server, port):
    policies = of_kind(overlays["laptop"], "NetworkPolicy")
    assert not opens(policies, "egress", "to", client, server, port)
    assert not opens(policies, "ingress", "from", server, client, port)


def opens(policies: Objects, way: str, side: str, subject: str, other: str, port: int) -> bool:
    for policy in policies:
        if not selects(policy["spec"]["podSelector"], subject):
            continue
        for rule in policy["spec"].get(way, []):
            ports = {each["port"] for each in rule.get("ports", [])}
            peers = [each["podSelector"] for each in rule.get(side, []) if "podSelector" in each]
            if (not ports or port in ports) and any(selects(peer, other) for peer in peers):
                return True
    return False


def selects(selector: dict, component: str) -> bool:
    labels = selector.get("matchLabels", {})
    if any(value != component for value in labels.values()):
        return False
    return all(component in each["values"] for each in selector.get("matchExpressions", [])) and bool(selector)


def test_the_pipeline_may_do_no_more_than_submit_and_watch(overlays):
    rules = named(overlays["laptop"], "Role", "loc3r-pipeline")["rules"]
    allowed = {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
    assert not {pair for pair in allowed if "*" in pair or pair[0] == "secrets"}
    assert {resource for resource, verb in allowed if verb == "delete"} == {"trainjobs"}
    assert not of_kind(overlays["laptop"], "ClusterRole", "ClusterRoleBinding")


def test_production_has_spare_replicas_spread_and_kept_through_drains(overlays):
    objects = overlays["production"]
    scaler = named(objects, "HorizontalPodAutoscaler", "loc3r-triton")["spec"]
    assert scaler["minReplicas"] >= 2
    assert scaler["scaleTargetRef"]["name"] == "loc3r-triton"
    for name in ("loc3r-triton", "loc3r-mlflow"):
        deployment = named(objects, "Deployment", name)
        assert deployment["spec"].get("replicas", 2) >= 2
        (pod,) = pods([deployment])
        for spread in pod.spec["topologySpreadConstraints"]:
            assert matches(spread["labelSelector"]["matchLabels"], pod)
        assert matches(named(objects, "PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"], pod)


def matches(selector: dict[str, str], pod: Pod) -> bool:
    return selector.items() <= pod.labels.items()


UNITS = {"m": 1e-3, "": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def quantity(text: str) -> float:
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", str(text)).groups()
    return float(number) * UNITS[unit]
