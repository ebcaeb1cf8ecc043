"""What a training on the cluster will be: its name, ranks, data, image and cost, checked before anything is sent."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loc3r.cluster.data import storage_uri
from loc3r.errors import TrainingError
from loc3r.files import hash_json
from loc3r.recipe import Recipe, load_recipe
from loc3r.settings import load_settings
from loc3r.train.estimate import gpu_hours
from loc3r.train.sampler import check_division

RUNTIME = "loc3r"
"""The ClusterTrainingRuntime of k8s/base/training."""
IMAGE_ROOT = "/opt/loc3r"
"""Where the image keeps recipes/ and checkpoints/."""
NAME_LENGTH = 33
"""JobSet makes the pod <name>-dataset-initializer-0-0-xxxxx of it, which must stay a DNS label of 63."""


@dataclass(frozen=True)
class TrainingPlan:
    """One training on a cluster; ``loc3r.cluster.train_job.render`` makes the TrainJob of it."""

    recipe: Recipe
    name: str
    data: str
    """What the first step fetches: dvc://<hash>.dir, or rooms://<number>."""
    nodes: int
    gpus_per_node: int
    """0: one CPU rank a node."""
    cpus_per_node: int
    memory_per_node_gib: int
    namespace: str
    image: str | None = None
    """Image of the ranks; the runtime's when absent."""
    init: str | None = None
    """Checkpoint folder inside the pods."""
    queue: str | None = None
    """Kueue's LocalQueue."""
    tracking_uri: str | None = None
    parent_run: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def processes_per_node(self) -> int:
        """Ranks of a node: one a GPU."""
        return self.gpus_per_node or 1

    @property
    def ranks(self) -> int:
        """DeepSpeed's world size."""
        return self.nodes * self.processes_per_node

    @property
    def outcome(self) -> str:
        """Twelve hex digits that name what decides the weights that the job ends with."""
        return _outcome(self.recipe, self.data, self.init)

    @property
    def gpus(self) -> int:
        """All GPUs of the job."""
        return self.nodes * self.gpus_per_node

    def rows(self) -> list[tuple[str, str]]:
        """The plan as (what, value) for a person."""
        train = self.recipe.train
        each = f"{self.gpus_per_node} GPUs" if self.gpus_per_node else "1 CPU rank"
        micro = train.scenes_per_micro_batch
        accumulation = train.scenes_per_step // (self.ranks * micro)
        return [
            ("job", f"{self.namespace}/{self.name}" + (f", queue {self.queue}" if self.queue else "")),
            ("recipe", f"{self.recipe.name} {self.recipe.hash}, {train.last_step} steps, ZeRO-{train.zero_stage}"),
            ("start", self.init or "the recipe's own weights"),
            ("ranks", f"{self.nodes} nodes x {each} = world size {self.ranks}"),
            ("a node", f"{self.cpus_per_node} CPUs, {self.memory_per_node_gib} GiB"),
            ("batch", f"{train.scenes_per_step} videos = {self.ranks} ranks x {micro} x {accumulation} accumulated"),
            ("data", self.data),
            ("image", self.image or f"the one of ClusterTrainingRuntime {RUNTIME}"),
            ("cost", self._cost()),
        ]

    def _cost(self) -> str:
        if not self.gpus:
            return "no GPUs"
        hours = gpu_hours(self.recipe)
        return f"about {hours:.1f} GPU-hours, {hours / self.gpus:.1f} h on {self.gpus} (H100s at 35 % of their peak)"


def plan_training(
    recipe_path: Path,
    overrides: tuple[str, ...] = (),
    *,
    data: str,
    nodes: int = 1,
    gpus_per_node: int = 0,
    cpus_per_node: int | None = None,
    memory_per_node_gib: int | None = None,
    data_revision: str | None = None,
    name: str | None = None,
    namespace: str | None = None,
    image: str | None = None,
    init: str | None = None,
    queue: str | None = None,
    tracking_uri: str | None = None,
    parent_run: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> TrainingPlan:
    """Plan a training of a recipe.

    Args:
        recipe_path: recipe on this machine; it travels inside the job.
        data: folder that DVC tracks here, such as ``data/prepared/train``, or ``rooms://N`` for N synthetic rooms.
        data_revision: Git revision whose ``dvc.lock`` says the data, or DVC's own hash. Default: the working tree.
        name: default: recipe's name and a hash of what decides the weights, so that the same training is the same job,
            on any number of ranks, and goes on from its checkpoints.
        namespace: default: ``LOC3R_NAMESPACE``.
        init: checkpoint in the image (``checkpoints/rooms-tiny``) or in the volume (``/workspace/…``).

    Raises:
        RecipeError: the recipe is wrong.
        DataError: DVC knows no revision of the data.
        TrainingError: the batch does not divide over the ranks, the pods have no such start, or Kubernetes takes no
            such name.
    """
    recipe = load_recipe(recipe_path, overrides)
    check_batch(recipe, nodes=nodes, processes_per_node=gpus_per_node or 1)
    uri = storage_uri(data, data_revision)
    start = _in_the_pod(init) if init else None
    return TrainingPlan(
        recipe=recipe,
        name=check_name(name or _default_name(recipe.name, _outcome(recipe, uri, start))),
        data=uri,
        nodes=nodes,
        gpus_per_node=gpus_per_node,
        cpus_per_node=cpus_per_node or max(2, 6 * gpus_per_node),
        memory_per_node_gib=memory_per_node_gib or max(4, 50 * gpus_per_node),
        namespace=namespace or load_settings().namespace,
        image=image,
        init=start,
        queue=queue,
        tracking_uri=tracking_uri,
        parent_run=parent_run,
        tags=tags or {},
    )


def check_batch(recipe: Recipe, *, nodes: int, processes_per_node: int) -> None:
    """Check that the world size, nodes x processes, divides the recipe's batch.

    Raises:
        TrainingError: it does not; names the sizes that would.
    """
    train, ranks = recipe.train, nodes * processes_per_node
    try:
        check_division(train.scenes_per_step, ranks=ranks, per_micro_batch=train.scenes_per_micro_batch)
    except TrainingError as error:
        micro_batches = train.scenes_per_step // train.scenes_per_micro_batch
        sizes = ", ".join(str(size) for size in range(1, micro_batches + 1) if micro_batches % size == 0)
        raise TrainingError(
            "the batch does not divide over the GPUs",
            received=f"{nodes} nodes x {processes_per_node} processes = world size {ranks}, "
            f"train.scenes_per_step={train.scenes_per_step}",
            expected=f"a world size of {sizes} (train.scenes_per_micro_batch={train.scenes_per_micro_batch})",
            fix=f"other --nodes or --gpus-per-node, or --set train.scenes_per_step="
            f"{ranks * train.scenes_per_micro_batch}",
        ) from error


def check_name(name: str) -> str:
    """The name, if Kubernetes takes it for a TrainJob and for all that is made of it.

    Raises:
        TrainingError: it does not.
    """
    if len(name) > NAME_LENGTH or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise TrainingError(
            "not a job's name",
            received=name,
            expected=f"small letters, digits and hyphens, a letter first, {NAME_LENGTH} at most",
        )
    return name


def _outcome(recipe: Recipe, data: str, init: str | None) -> str:
    """Not the number of ranks: a job may go on with another one, and the loss does not depend on it."""
    return hash_json({"recipe": recipe.hash, "data": data, "init": init})


def _default_name(recipe: str, outcome: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", recipe.lower()).strip("-")
    start = words if words[:1].isalpha() else f"train-{words}"
    return f"{start[: NAME_LENGTH - 9].rstrip('-')}-{outcome[:8]}"


def _in_the_pod(init: str) -> str:
    """Where a checkpoint is in the pods: of the image, or of the volume."""
    path = Path(os.path.normpath(Path(IMAGE_ROOT) / init))
    if not path.is_relative_to(f"{IMAGE_ROOT}/checkpoints") and not path.is_relative_to("/workspace"):
        raise TrainingError(
            "the pods have no such checkpoint",
            received=f"--init {init}",
            expected="checkpoints/… of the image, or /workspace/… of the volume",
            fix="kubectl cp it into the volume (docs/cluster.md)",
        )
    return str(path)
