"""Small prepared rooms of both splits, and real training in this process: DeepSpeed, one rank, seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loc3r.ablate.plan import Plan
from loc3r.ablate.variants import choose_variants
from loc3r.scenes.shards import PreparedData
from loc3r.services.process import free_port
from loc3r.train.engine import Group
from loc3r.train.job import TrainingJob, already_trained
from loc3r.train.trainer import Trainer, locked

for folder in ("train", "evaluate"):  # small data and its recipe; predictions made by hand
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))

TRAIN = {"steps": 2, "scenes_per_step": 2, "scenes_per_micro_batch": 2, "checkpoint_every_steps": 1}
EVALUATE = {"max_new_tokens": 2, "bootstrap_samples": 100}


@pytest.fixture(scope="session")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``recipe.yaml``, ``train`` and ``test`` with two rooms each."""
    from small import small_recipe, write_data, write_recipe

    folder = tmp_path_factory.mktemp("rooms")
    recipe = small_recipe(train=TRAIN)
    write_data(folder / "train", recipe, scenes=2)
    write_data(folder / "test", recipe, scenes=2, seed=1, split="test", first=500)
    write_recipe(folder / "recipe.yaml", train=TRAIN, evaluate=EVALUATE)
    return folder


@pytest.fixture
def make_plan(rooms: Path, tmp_path: Path) -> Callable[..., Plan]:
    def make(*variants: str, seeds: tuple[int, ...] = (0,), tracking_uri: str | None = None) -> Plan:
        return Plan(
            recipe_path=rooms / "recipe.yaml",
            overrides=(),
            data=rooms / "train",
            test=rooms / "test",
            out=tmp_path / "ablation",
            variants=choose_variants(variants),
            seeds=seeds,
            tracking_uri=tracking_uri,
            device="cpu",
        )

    return make


class Here:
    """Trains in this process; ``stop_at`` asks for a stop, as a signal would, when that many steps were asked for."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self.stop_at: int | None = None
        self.trained: list[str] = []
        self._asked = 0

    def __call__(self, job: TrainingJob) -> None:
        prepared = PreparedData(job.data)
        identity = job.identity(prepared.data_hash)
        if already_trained(job, prepared.data_hash):
            return
        with locked(job.out, first=True):
            Trainer(job, identity, prepared, self._group, self._stopping).run()
        self.trained.append(str(job.out))

    def _stopping(self) -> bool:
        self._asked += 1
        return self._asked == self.stop_at


@pytest.fixture(scope="session")
def group() -> Iterator[Group]:
    """The only rank; DeepSpeed can be joined once a process."""
    with pytest.MonkeyPatch.context() as patch:
        where = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        for name, value in where.items():
            patch.setenv(name, str(value))
        yield Group.join("cpu")


@pytest.fixture
def train(group: Group) -> Here:
    return Here(group)
