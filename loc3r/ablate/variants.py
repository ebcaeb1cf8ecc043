"""The ablation in one table: what each variant takes away from the recipe of the whole model.

Seeds, steps, scenes, questions and their order are the same in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from loc3r.errors import RecipeError
from loc3r.recipe import Recipe

NO_VIDEO = ("model.video=false",)
NO_LAYOUT = ("loss.layout=0",)
NO_CAMERA = ("model.camera_tokens=false", "model.share_camera=false")
NO_DENSE_GROUNDING = (
    "model.naming_layer=null", "model.mention_layer=null", "model.look_at=false", "model.egocentric_layer=null",
    "model.fronts=false", "loss.naming=0", "loss.mention=0", "loss.look_at=0", "loss.front=0", "loss.pointing=0",
    "loss.pose_pointing=0",
)  # fmt: skip
POSE_AS_TEXT = ("model.pose=text", "loss.situation=0")
TRUE_POSES = ("data.prior=oracle",)


@dataclass(frozen=True)
class Variant:
    """A recipe with some parts taken away."""

    name: str
    has: str
    """What the model has, for people."""
    overrides: tuple[str, ...]
    """Changes to the recipe, as ``loc3r train --set`` takes them."""
    over: tuple[str, ...] = ()
    """The variants that it is compared with; the first one is the same without one thing."""

    @property
    def true_poses(self) -> bool:
        """Whether it needs data with camera tokens of true poses."""
        return self.overrides == TRUE_POSES


VARIANTS = (
    Variant(
        "text-only",
        "words alone, no video; position and heading heads",
        (*NO_VIDEO, *NO_LAYOUT, *NO_CAMERA, *NO_DENSE_GROUNDING),
    ),
    Variant(
        "coordinates-as-text",
        "video; no situation modelling: the model writes its pose as text",
        (*POSE_AS_TEXT, *NO_LAYOUT, *NO_CAMERA, *NO_DENSE_GROUNDING),
    ),
    Variant(
        "situation",
        "video; position and heading heads",
        (*NO_LAYOUT, *NO_CAMERA, *NO_DENSE_GROUNDING),
        over=("coordinates-as-text", "text-only"),
    ),
    Variant("+layout", "and the layout loss", (*NO_CAMERA, *NO_DENSE_GROUNDING), over=("situation",)),
    Variant("+camera", "and camera tokens: the paper in full", NO_DENSE_GROUNDING, over=("+layout",)),
    Variant(
        "+dense-grounding",
        "and dense grounding: the whole recipe",
        (),
        over=("+camera", "text-only"),
    ),
    Variant("true-poses", "the same with true poses in them: the upper bound", TRUE_POSES, ("+dense-grounding",)),
)
PAPER = ("situation", "+layout", "+camera")
"""The order that the paper reports: each better than the one before."""


def choose_variants(names: tuple[str, ...]) -> tuple[Variant, ...]:
    """The variants of these names in the table's order; all without names.

    Raises:
        RecipeError: there is no variant of a name.
    """
    known = {variant.name: variant for variant in VARIANTS}
    strangers = [name for name in names if name not in known]
    if strangers:
        raise RecipeError("unknown variant", received=", ".join(strangers), expected=", ".join(known))
    return tuple(variant for variant in VARIANTS if not names or variant.name in names)


def refuse_twins(recipes: dict[str, Recipe]) -> None:
    """Check that variants differ: one that takes away what the recipe never had would be trained twice.

    Raises:
        RecipeError: two variants (names of ``recipes``) are the same recipe.
    """
    seen: dict[str, str] = {}
    for name, recipe in recipes.items():
        digest = recipe.model_copy(update={"name": "", "seed": 0}).hash
        if digest in seen:
            raise RecipeError(
                "two variants are the same recipe", received=f"{seen[digest]} and {name}",
                expected="a recipe with layout loss, camera tokens and dense grounding",
                fix="ablate the recipe of the whole model, or choose --variants",
            )  # fmt: skip
        seen[digest] = name
