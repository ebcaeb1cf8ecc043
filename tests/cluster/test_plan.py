"""What a plan says, and what it refuses before anything is sent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from loc3r.cluster.plan import NAME_LENGTH, check_batch, check_name, plan_training
from loc3r.errors import DataError, TrainingError
from loc3r.recipe import load_recipe, parse_recipe
from loc3r.train.estimate import gpu_hours

RECIPES = Path(__file__).parents[2] / "recipes"
SEVEN_B = RECIPES / "loc3r-7b.yaml"
HASH = "0123456789abcdef0123456789abcdef.dir"
OLDER = "fedcba9876543210fedcba9876543210.dir"


def test_the_plan_in_the_handbook_is_the_one_that_is_shown() -> None:
    plan = plan_training(
        SEVEN_B, data="rooms://8", nodes=2, gpus_per_node=4,
        init="/workspace/models/llava-video-7b", queue="loc3r", name="loc3r-train",
    )  # fmt: skip
    assert plan.gpus == plan.ranks == 8
    page = (RECIPES.parent / "docs" / "cluster.md").read_text()
    for what, value in plan.rows():
        assert what == "data" or f"\n{what:8}{value}\n" in page


@pytest.mark.parametrize(("nodes", "gpus"), [(3, 1), (1, 16), (3, 4)])
def test_a_world_size_that_does_not_divide_the_batch_is_refused_with_those_that_do(nodes: int, gpus: int) -> None:
    with pytest.raises(TrainingError) as refused:
        check_batch(load_recipe(SEVEN_B), nodes=nodes, processes_per_node=gpus)
    assert f"{nodes} nodes x {gpus} processes = world size {nodes * gpus}" in str(refused.value)
    assert "1, 2, 4, 8" in str(refused.value)


def test_the_proposed_batch_is_one_that_divides() -> None:
    recipe = load_recipe(SEVEN_B, ("train.scenes_per_micro_batch=2",))
    with pytest.raises(TrainingError) as refused:
        check_batch(recipe, nodes=3, processes_per_node=2)
    batch = int(refused.value.fix.rpartition("=")[2])
    check_batch(load_recipe(SEVEN_B, (f"train.scenes_per_step={batch}", "train.scenes_per_micro_batch=2")),
                nodes=3, processes_per_node=2)  # fmt: skip


def test_the_same_plan_is_the_same_job_and_another_is_another() -> None:
    def name(**changes: object) -> str:
        return plan_training(SEVEN_B, **{"data": "rooms://8", "nodes": 2, "gpus_per_node": 4, **changes}).name

    assert name() == name() == name(image="other:1", queue="loc3r") == name(nodes=1)
    assert len({name(), name(data="rooms://9"), name(init="checkpoints/rooms-tiny")}) == 3
    assert name(overrides=("seed=1",)) != name()
    assert name(name="mine") == "mine"


@pytest.mark.parametrize("recipe", ["A Recipe_of.Mine", "7b", "x" * 80])
def test_a_recipe_s_name_becomes_one_that_kubernetes_takes(recipe: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({"name": recipe}))
    name = plan_training(path, data="rooms://8").name
    assert check_name(name) == name
    # The longest name that JobSet makes of it is a DNS label.
    assert len(f"{'x' * NAME_LENGTH}-dataset-initializer-0-0-abcde") == 63


@pytest.mark.parametrize("name", ["Train", "7b", "a_b", "a-", "x" * 34, ""])
def test_a_name_that_kubernetes_would_refuse_is_refused_here(name: str) -> None:
    with pytest.raises(TrainingError, match="not a job's name"):
        check_name(name)


@pytest.mark.parametrize("init", ["runs/mine/model", "/home/me/model", "checkpoints/../../etc"])
def test_a_start_that_no_pod_has_is_refused(init: str) -> None:
    with pytest.raises(TrainingError, match="the pods have no such checkpoint"):
        plan_training(SEVEN_B, data="rooms://8", init=init)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose dvc.lock says one thing in Git's last revision and another in the working tree."""
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    write_lock(tmp_path, OLDER)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", str(tmp_path)]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "data"]):
        subprocess.run([*git, *arguments], check=True)
    write_lock(tmp_path, HASH)
    return tmp_path


def write_lock(folder: Path, revision: str) -> None:
    outs = [{"path": "data/prepared/train", "hash": "md5", "md5": revision}]
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": {"prepare_train": {"cmd": "x", "outs": outs}}}))


def test_data_is_fetched_by_dvc_s_hash_at_the_revision_that_is_asked_for(checkout: Path) -> None:
    def data(revision: str | None) -> str:
        return plan_training(SEVEN_B, data=str(checkout / "data/prepared/train"), data_revision=revision).data

    assert data(None) == f"dvc://{HASH}"
    assert data("HEAD") == f"dvc://{OLDER}"
    assert data(OLDER) == f"dvc://{OLDER}"
    with pytest.raises(DataError, match=r"no dvc\.lock at that revision"):
        data("nowhere")


@pytest.mark.parametrize("data", ["data/prepared/test", "/nowhere/at/all"])
def test_data_that_dvc_does_not_know_is_refused(checkout: Path, data: str) -> None:
    with pytest.raises(DataError, match="dvc repro prepare_train"):
        plan_training(SEVEN_B, data=str(checkout / data))


@pytest.mark.parametrize(("data", "revision"), [("s3://bucket/x", None), ("rooms://0", None), ("rooms://4", "HEAD")])
def test_only_rooms_need_no_revision(data: str, revision: str | None) -> None:
    with pytest.raises(DataError, match="not data that a job can fetch"):
        plan_training(SEVEN_B, data=data, data_revision=revision)


def test_the_cost_of_the_paper_s_training_is_what_a_calculation_by_hand_gave() -> None:
    """10.6 H100-hours at 35 % for 272,566 samples in packs of 8, of which 8 % go to a pose prior that we cache."""
    assert gpu_hours(load_recipe(SEVEN_B)) == pytest.approx(9.7, rel=0.15)
    unpacked = load_recipe(SEVEN_B, ("train.packed=false",))
    assert gpu_hours(unpacked) / gpu_hours(load_recipe(SEVEN_B)) == pytest.approx(76 / 10.6, rel=0.1)


def test_a_thawed_tower_costs_three_times_its_forward_pass() -> None:
    frozen, thawed = (parse_recipe({"name": "x", "model": {"vision": {"frozen": each}}}) for each in (True, False))
    tower = (gpu_hours(thawed) - gpu_hours(frozen)) / 2
    assert 0.04 < tower / gpu_hours(frozen) < 0.1
