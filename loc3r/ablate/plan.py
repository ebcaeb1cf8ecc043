"""What an ablation runs: a child for each variant and seed, each a training job and an evaluation of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loc3r.ablate.variants import Variant, refuse_twins
from loc3r.datasets.mixture import Mixture
from loc3r.errors import DataError
from loc3r.files import hash_json
from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.shards import PreparedData
from loc3r.train.job import TrainingJob, hash_weights


@dataclass(frozen=True)
class Child:
    """One variant with one seed."""

    variant: Variant
    job: TrainingJob
    test: Path
    """Prepared test split."""

    @property
    def seed(self) -> int:
        """Of weights and data order."""
        return self.job.recipe.seed

    @property
    def evaluation(self) -> Path:
        """Folder of predictions, scores and report."""
        return self.job.out / "evaluation"

    def __str__(self) -> str:
        return f"{self.variant.name}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """The arguments of ``loc3r ablate``, checked.

    Raises:
        RecipeError: the recipe is wrong, or two variants of it are the same.
    """

    recipe_path: Path
    overrides: tuple[str, ...]
    data: Path
    test: Path
    out: Path
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    tracking_uri: str | None
    """None: nothing is tracked."""
    device: str
    init: Path | None = None
    """The checkpoint whose backbone every child begins with; their heads begin anew."""

    def __post_init__(self) -> None:
        refuse_twins({variant.name: self._recipe(variant, 0) for variant in self.variants})

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe of the whole model."""
        return load_recipe(self.recipe_path, self.overrides)

    @property
    def true_poses(self) -> Path:
        """Where the splits with camera tokens of true poses are prepared: ``train`` and ``test``."""
        return self.out / "true-poses-data"

    @property
    def key(self) -> str:
        """Names the ablation: the same key goes on where the last run stopped, with more seeds or variants too."""
        hashes = [PreparedData(folder).data_hash for folder in (self.data, self.test)]
        begun = [hash_weights(self.init)] if self.init else []
        return hash_json(["ablate", self.recipe.hash, *hashes, *begun, str(self.out.resolve())])

    def children(self, parent_run: str | None = None) -> list[Child]:
        """Every child, seed by seed, so that a half-done ablation has whole rows of one seed first."""
        return [self._child(variant, seed, parent_run) for seed in self.seeds for variant in self.variants]

    def _child(self, variant: Variant, seed: int, parent_run: str | None) -> Child:
        data, test = self.data, self.test
        if variant.true_poses:
            data, test = self.true_poses / "train", self.true_poses / "test"
        job = TrainingJob(
            recipe_path=self.recipe_path,
            overrides=self._overrides(variant, seed),
            recipe=self._recipe(variant, seed),
            data=data,
            out=self.out / variant.name / f"seed_{seed}",
            init=self.init,
            tracking_uri=self.tracking_uri,
            parent_run=parent_run,
            device=self.device,
            tags={"variant": variant.name},
        )
        return Child(variant, job, test)

    def _overrides(self, variant: Variant, seed: int) -> tuple[str, ...]:
        name = f"{self.recipe.name} {variant.name} seed {seed}"
        return (*self.overrides, *changes(variant), f"name={name}", f"seed={seed}")

    def _recipe(self, variant: Variant, seed: int) -> Recipe:
        return load_recipe(self.recipe_path, self._overrides(variant, seed))


def changes(variant: Variant) -> tuple[str, ...]:
    """The variant's overrides, and the width of the camera tokens that follows from them."""
    from loc3r.scenes.prepare import describe_prior

    width = (f"model.prior_dim={describe_prior('oracle')['dim']}",) if variant.true_poses else ()
    return (*variant.overrides, *width)


def prepare_true_poses(plan: Plan, rooms: tuple[Path, Path] | None) -> None:
    """Prepare both splits again, with camera tokens of true poses; what is there already is kept.

    Args:
        plan: the ablation.
        rooms: the data sets that ``plan.data`` and ``plan.test`` were prepared from.

    Raises:
        DataError: ``rooms`` is missing, or holds other scenes or samples.
    """
    from loc3r.scenes.prepare import prepare

    variant = next((variant for variant in plan.variants if variant.true_poses), None)
    if variant is None:
        return
    if rooms is None:
        raise DataError(
            f"the variant {variant.name} needs the rooms themselves: prepared data holds no camera poses",
            received="no --rooms", expected="--rooms TRAIN_ROOMS TEST_ROOMS",
            fix="name what loc3r prepare --root was given for --data and --test, or leave it out with --variants",
        )  # fmt: skip
    recipe = load_recipe(plan.recipe_path, (*plan.overrides, *changes(variant)))
    for name, root, other in zip(("train", "test"), rooms, (plan.data, plan.test), strict=True):
        prepared = PreparedData(other)
        ours = PreparedData(
            prepare([root], prepared.manifest["split"], recipe, plan.true_poses / name, mixture=_mixture(prepared))
        )
        if (ours.scene_ids, ours.samples) != (prepared.scene_ids, prepared.samples):
            raise DataError(
                "the rooms are not those of the prepared data", received=root, expected=f"the rooms of {other}",
                fix="the two of --rooms belong to --data and --test, in this order",
            )  # fmt: skip


def _mixture(prepared: PreparedData) -> Mixture | None:
    """The mixture that a split was prepared with."""
    drawn = prepared.manifest.get("mixture")
    return Mixture.model_validate(drawn["mixture"]) if drawn else None
