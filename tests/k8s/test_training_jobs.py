"""Training on a cluster: the job's command is one of ours, its ranks fit its GPUs and its recipe, its data arrives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from manifests import K8S, REPOSITORY, named, of_kind
from rendering import MASTER_PORT, jobset_of, process

from loc3r.recipe import load_recipe
from loc3r.services.process import free_port
from loc3r.train.launch import GRACE_S
from loc3r.train.sampler import check_division
from loc3r.train.worker import main as worker

FETCH = K8S / "base/training/fetch-data.sh"
SIZES = ("laptop", "production")


def job_and_runtime(overlays, size):
    return named(overlays[f"{size}/train"], "TrainJob", "loc3r-train"), named(
        overlays[size], "ClusterTrainingRuntime", "loc3r"
    )


def node_of(jobset):
    (step,) = [each for each in jobset["spec"]["replicatedJobs"] if each["name"] == "node"]
    return step["template"]["spec"]["template"]["spec"]


def option(args, name):
    (value,) = [arg.partition("=")[2] for arg in args if arg.startswith(f"{name}=")]
    return value


@pytest.mark.parametrize("size", SIZES)
def test_the_command_is_torchrun_with_our_worker_s_own_options(overlays, size):
    job, runtime = job_and_runtime(overlays, size)
    command, _ = process(node_of(jobset_of(runtime, job))["containers"][0], job="a-job", node=0, settings={})
    assert command[:3] == ["torchrun", "-m", "loc3r.train.worker"]
    values = worker.make_context("worker", command[3:]).params
    assert values["out"] == Path("/workspace/jobs/a-job/run")
    assert values["data"] == Path("/workspace/jobs/a-job/data/prepared/train")
    recipe = Path(values["recipe_path"]).relative_to("/opt/loc3r")
    assert load_recipe(REPOSITORY / recipe)


@pytest.mark.parametrize("size", SIZES)
def test_nodes_times_processes_are_the_gpus_and_divide_the_recipe_s_step(overlays, size):
    job, runtime = job_and_runtime(overlays, size)
    trainer, jobset = job["spec"]["trainer"], jobset_of(runtime, job)
    gpus = int(node_of(jobset)["containers"][0]["resources"]["limits"].get("nvidia.com/gpu", 0))
    assert gpus in (0, trainer["numProcPerNode"])
    ranks = trainer["numNodes"] * trainer["numProcPerNode"]
    recipe = load_recipe(REPOSITORY / Path(option(trainer["args"], "--recipe")).relative_to("/opt/loc3r"))
    check_division(recipe.train.scenes_per_step, ranks=ranks, per_micro_batch=recipe.train.scenes_per_micro_batch)
    asked = {each["name"]: each["value"] for each in job["spec"]["initializer"]["dataset"]["env"]}
    assert asked["RECIPE"] == option(trainer["args"], "--recipe"), "data is prepared for the recipe that is trained"


def test_ranks_have_time_for_a_checkpoint_before_they_are_killed(overlays):
    runtime = named(overlays["laptop"], "ClusterTrainingRuntime", "loc3r")
    node = node_of({"spec": runtime["spec"]["template"]["spec"]})
    (shutdown,) = [e["value"] for e in node["containers"][0]["env"] if e["name"] == "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"]
    assert GRACE_S <= int(shutdown) < node["terminationGracePeriodSeconds"]


def test_shared_memory_of_a_rank_fits_into_its_memory(overlays):
    for size, least in (("laptop", 2), ("production", 3)):
        job, runtime = job_and_runtime(overlays, size)
        node = node_of(jobset_of(runtime, job))
        shm = next(v for v in node["volumes"] if v["name"] == "shm")["emptyDir"]["sizeLimit"]
        memory = node["containers"][0]["resources"]["limits"]["memory"]
        assert shm.endswith("Gi") and memory.endswith("Gi")
        assert int(shm[:-2]) * least <= int(memory[:-2])


def test_the_queue_covers_what_the_job_asks_for(overlays):
    job = named(overlays["production/train"], "TrainJob", "loc3r-train")
    local = named(overlays["production"], "LocalQueue", job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"])
    queue = named(overlays["production"], "ClusterQueue", local["spec"]["clusterQueue"])
    (group,) = queue["spec"]["resourceGroups"]
    runtime = named(overlays["production"], "ClusterTrainingRuntime", "loc3r")
    quota = {each["name"]: each["nominalQuota"] for each in group["flavors"][0]["resources"]}
    for step in jobset_of(runtime, job)["spec"]["replicatedJobs"]:
        requests = step["template"]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
        assert set(requests) <= set(group["coveredResources"])
    gpus = job["spec"]["trainer"]["numNodes"] * job["spec"]["trainer"]["numProcPerNode"]
    assert gpus <= int(quota["nvidia.com/gpu"])
    assert named(overlays["production"], "ResourceFlavor", group["flavors"][0]["name"])


def test_the_jobset_alone_is_what_trainer_would_make(overlays):
    job, runtime = job_and_runtime(overlays, "laptop")
    expected, alone = jobset_of(runtime, job), named(overlays["jobset"], "JobSet", "loc3r-train")
    assert alone["spec"] == expected["spec"]
    assert not of_kind(overlays["jobset"], "ClusterTrainingRuntime", "TrainJob")


def test_a_promotion_works_on_the_training_of_its_overlay(overlays):
    for size in SIZES:
        job = named(overlays[f"{size}/train"], "TrainJob", "loc3r-train")
        steps = named(overlays[f"{size}/promote"], "Job", "loc3r-promote")["spec"]["template"]["spec"]["initContainers"]
        environment = {each["name"]: each.get("value") for each in steps[0]["env"]}
        assert environment["JOB"] == job["metadata"]["name"]
        assert environment["RECIPE"] == option(job["spec"]["trainer"]["args"], "--recipe")
        scheme = job["spec"]["initializer"]["dataset"]["storageUri"].split("://")[0]
        assert environment["STORAGE_URI"].split("://")[0] == scheme


def test_every_step_of_the_promotion_is_a_verb_with_these_options(overlays):
    from loc3r.cli import loc3r

    for size in SIZES:
        spec = named(overlays[f"{size}/promote"], "Job", "loc3r-promote")["spec"]["template"]["spec"]
        for step in [*spec["initContainers"][1:], *spec["containers"]]:
            _, verb = step["command"]
            command = loc3r.get_command(None, verb)
            known = {name for parameter in command.params for name in parameter.opts}
            assert {arg.split("=")[0] for arg in step["args"]} <= known
            required = {parameter.opts[0] for parameter in command.params if parameter.required}
            assert required <= {arg.split("=")[0] for arg in step["args"]}


def fetch(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "HOME": str(folder), "WORKSPACE": str(folder / "work"), "JOB": "a-job", **environment}
    return subprocess.run(["sh", str(FETCH)], env=variables, capture_output=True, text=True, timeout=1000)


def test_an_unknown_kind_of_data_and_a_missing_revision_are_told(tmp_path):
    told = fetch(tmp_path, STORAGE_URI="ftp://x")
    assert told.returncode == 1 and "expected dvc://<hash>.dir, dvc://<stage> or rooms://<number>" in told.stderr
    told = fetch(tmp_path, STORAGE_URI="dvc://prepare_train", DVC_REMOTE="s3://dvc", REVISION=str(tmp_path))
    assert told.returncode == 1 and "kubectl create configmap loc3r-data-revision" in told.stderr


def test_data_that_is_there_is_not_fetched_again_half_of_it_is_and_other_data_is_refused(tmp_path):
    prepared = tmp_path / "work/jobs/a-job/data/prepared/train"
    prepared.mkdir(parents=True)
    (prepared / "manifest.json").write_text("{}")
    data = {"STORAGE_URI": f"dvc://{'0' * 32}.dir", "DVC_REMOTE": str(tmp_path / "remote")}
    half = fetch(tmp_path, **data)
    assert half.returncode != 0 and "failed to pull" in half.stderr, "it went to fetch the rest"
    (prepared.parent / "train.from").write_text(data["STORAGE_URI"])
    assert fetch(tmp_path, **data).returncode == 0
    told = fetch(tmp_path, STORAGE_URI="rooms://5")
    assert told.returncode == 1 and "is other data: dvc://000" in told.stderr


def test_a_recipe_that_comes_with_the_job_is_written_where_the_ranks_read_it(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    fetch(tmp_path, STORAGE_URI="ftp://x", RECIPE=str(recipe), RECIPE_YAML="name: 'a $b'\nseed: 1\n")
    assert recipe.read_text() == "name: 'a $b'\nseed: 1\n"


def test_dvc_brings_the_revision_that_the_config_map_names(tmp_path):
    """The real dvc.yaml, a lock file that DVC wrote, and a remote: the pod has nothing else."""
    origin, revision, remote = tmp_path / "origin", tmp_path / "revision", tmp_path / "remote"
    for name in (
        "data/rooms/train",
        "data/prepared/train",
        "loc3r/scenes",
        "loc3r/geometry",
        "loc3r/datasets",
        "loc3r/priors",
    ):
        (origin / name).mkdir(parents=True)
        (origin / name / "manifest.json").write_text(f'{{"folder": "{name}"}}')
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, origin)
    shutil.copytree(REPOSITORY / "recipes", origin / "recipes")
    (origin / ".dvc").mkdir()
    (origin / ".dvc/config").write_text(
        f"[core]\n    no_scm = true\n    remote = r\n['remote \"r\"']\n    url = {remote}\n"
    )
    for arguments in (["commit", "-f", "prepare_train"], ["push", "prepare_train"]):
        subprocess.run(
            [sys.executable, "-m", "dvc", *arguments], cwd=origin, check=True, capture_output=True, timeout=280
        )
    revision.mkdir()
    for name in ("dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.copy(origin / name, revision)
    told = fetch(tmp_path, STORAGE_URI="dvc://prepare_train", DVC_REMOTE=str(remote), REVISION=str(revision))
    assert told.returncode == 0, told.stderr
    fetched = tmp_path / "work/jobs/a-job/data/prepared/train/manifest.json"
    assert fetched.read_text() == '{"folder": "data/prepared/train"}'


@pytest.mark.timeout(1500)
def test_two_pods_train_on_rooms_that_their_first_step_makes(overlays, tmp_path):
    """The laptop's job for real, as two groups of processes: commands and environment are the manifests'."""
    job, runtime = job_and_runtime(overlays, "laptop")
    jobset = jobset_of(runtime, job)
    settings = {"LOC3R_TRACKING_URI": "none", "OMP_NUM_THREADS": "1"}
    steps = {each["name"]: each["template"]["spec"]["template"]["spec"] for each in jobset["spec"]["replicatedJobs"]}
    _, data = process(steps["dataset-initializer"]["containers"][0], job="a-job", node=0, settings=settings)
    told = fetch(tmp_path, STORAGE_URI="rooms://2", RECIPE=local(data["RECIPE"], tmp_path))
    assert told.returncode == 0, told.stderr
    port, running = free_port(), []
    for node in range(job["spec"]["trainer"]["numNodes"]):
        command, variables = process(steps["node"]["containers"][0], job="a-job", node=node, settings=settings)
        assert variables["PET_MASTER_ADDR"] == "loc3r-train-node-0-0.loc3r-train"
        assert variables["PET_MASTER_PORT"] == str(MASTER_PORT)
        variables |= {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(port), "PATH": os.environ["PATH"]}
        variables |= {"HOME": str(tmp_path), "GLOO_SOCKET_IFNAME": "lo"}
        command = [sys.executable, "-m", "torch.distributed.run", *(local(each, tmp_path) for each in command[1:])]
        command += ["--set=train.steps=2", "--set=train.scenes_per_step=2", "--set=train.scenes_per_micro_batch=1"]
        running.append(
            subprocess.Popen(
                command, env=variables, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    said = [each.communicate(timeout=1200)[0] for each in running]
    assert [each.returncode for each in running] == [0, 0], said
    lines = (tmp_path / "work/jobs/a-job/run/metrics.jsonl").read_text().splitlines()
    assert [yaml.safe_load(line)["step"] for line in lines] == [1, 2]
    assert (tmp_path / "work/jobs/a-job/run/model/model.safetensors").is_file()


def local(text: str, folder: Path) -> str:
    """A path of the image or the volume, here."""
    text = re.sub(r"/opt/loc3r\b", str(REPOSITORY), text)
    return text.replace("/workspace", str(folder / "work"))
