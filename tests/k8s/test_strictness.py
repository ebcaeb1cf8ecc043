"""A real API server in strict mode would take every object, and our check of that does refuse mistakes."""

from copy import deepcopy

import pytest
from manifests import named, of_kind

pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate")
pytest.importorskip("jsonschema", reason="pip install jsonschema")
pytest.importorskip("celpy", reason="pip install cel-python")
from strict import custom_kinds, problems

OPERATOR = ("PodMonitor", "PrometheusRule")  # no schema here; test_observability.py looks at them


def test_every_object_is_valid(objects):
    found = {
        f"{each['kind']}/{each['metadata']['name']}": problems(each) for each in objects if each["kind"] not in OPERATOR
    }
    assert not {name: told for name, told in found.items() if told}


def test_every_kind_that_we_have_a_schema_of_is_used(overlays):
    used = {each["kind"] for objects in overlays.values() for each in objects}
    assert set(custom_kinds()) <= used


BROKEN = {
    "a typo in a container": ("Deployment", lambda o: pod(o)["containers"][0].update(imagePullPolicyy="Always")),
    "a label that is a sentence": ("Deployment", lambda o: o["metadata"]["labels"].update(why="to serve")),
    "a volume of the same name": ("Deployment", lambda o: pod(o)["volumes"].append(pod(o)["volumes"][0])),
    "two mounts in one place": ("Deployment", lambda o: mounts(o).append({**mounts(o)[0], "name": "config"})),
    "a unit of memory that there is not": ("StatefulSet", lambda o: limits(o).update(memory="4GB")),
    "a long name of a port": ("StatefulSet", lambda o: pod(o)["containers"][0]["ports"][0].update(name="p" * 16)),
    "a CronJob whose Jobs have no name left": ("CronJob", lambda o: o["metadata"].update(name="b" * 53)),
    "a number where a text belongs": ("ConfigMap", lambda o: o["data"].update(port=5000)),
    "a typo in the runtime's pod": ("ClusterTrainingRuntime", lambda o: node(o)["containers"][0].update(comand=["x"])),
    "the old name of patches": ("TrainJob", lambda o: o["spec"].update(podTemplateOverrides=[])),
    "processes as a text": ("TrainJob", lambda o: o["spec"]["trainer"].update(numProcPerNode="auto")),
    "a name that no DNS takes": ("TrainJob", lambda o: o["metadata"].update(name="Loc3R_train")),
    "data without a scheme": ("TrainJob", lambda o: o["spec"]["initializer"]["dataset"].update(storageUri="rooms")),
    "two policies at once": ("ClusterTrainingRuntime", lambda o: o["spec"]["mlPolicy"].update(jax={})),
    "two volumes of one name": ("ClusterTrainingRuntime", lambda o: node(o)["volumes"].append(node(o)["volumes"][0])),
    "an action that JobSet does not know": ("ClusterTrainingRuntime", lambda o: rule(o).update(action="Retry")),
    "a flavor that lacks a resource": ("ClusterQueue", lambda o: resources(o).pop()),
    "a toleration that matches nothing": ("ResourceFlavor", lambda o: o["spec"]["tolerations"][0].update(value="yes")),
    "an unknown model field": ("InferenceService", lambda o: o["spec"]["predictor"]["model"].update(storageURI="x")),
    "a runtime without containers": ("ServingRuntime", lambda o: o["spec"].pop("containers")),
    "a step of the JobSet that waits for nothing": ("JobSet", lambda o: depends(o)[0].pop("status")),
}


def pod(each):
    return each["spec"]["template"]["spec"]


def mounts(each):
    return pod(each)["containers"][0]["volumeMounts"]


def limits(each):
    return pod(each)["containers"][0]["resources"]["limits"]


def node(each):
    return pod(each)["replicatedJobs"][1]["template"]["spec"]["template"]["spec"]


def rule(each):
    return pod(each)["failurePolicy"]["rules"][0]


def resources(each):
    return each["spec"]["resourceGroups"][0]["flavors"][0]["resources"]


def depends(each):
    return each["spec"]["replicatedJobs"][1]["dependsOn"]


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_mistake_is_refused(overlays, mistake):
    kind, break_it = BROKEN[mistake]
    each = deepcopy(next(each for objects in overlays.values() for each in of_kind(objects, kind)))
    assert not problems(each)
    break_it(each)
    assert problems(each), mistake


def test_trainer_s_own_models_keep_every_field(overlays):
    models = pytest.importorskip("kubeflow_trainer_api.models", reason="pip install kubeflow-trainer-api")
    classes = {
        "TrainJob": models.TrainerV1alpha1TrainJob,
        "ClusterTrainingRuntime": models.TrainerV1alpha1ClusterTrainingRuntime,
    }
    for objects in overlays.values():
        for each in of_kind(objects, *classes):
            assert classes[each["kind"]].from_dict(deepcopy(each)).to_dict() == each


def test_the_runtime_is_one_that_trainer_fills(overlays):
    """The names and labels by which Trainer 2.3 finds what to fill in."""
    for overlay in ("laptop", "production"):
        runtime = named(overlays[overlay], "ClusterTrainingRuntime", "loc3r")
        steps = {job["name"]: job["template"] for job in runtime["spec"]["template"]["spec"]["replicatedJobs"]}
        for name, step in (("dataset-initializer", "dataset-initializer"), ("node", "trainer")):
            assert steps[name]["metadata"]["labels"]["trainer.kubeflow.org/trainjob-ancestor-step"] == step
            assert [each["name"] for each in steps[name]["spec"]["template"]["spec"]["containers"]] == [name]
        assert runtime["spec"]["mlPolicy"]["torch"] == {}
        assert runtime["metadata"]["labels"]["trainer.kubeflow.org/framework"] == "torch"
