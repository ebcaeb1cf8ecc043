"""Backbones: the vision-language models that a recipe can start from, one file each.

Adding one is a file here that subclasses ``loc3r.model.backbones.base.Backbone``, and its line in ``BACKBONES``. If its
vision tower is a new kind: the name in ``VisionRecipe.kind``, its operations in ``loc3r.model.flops``. For ``loc3r
fetch``: an entry in ``loc3r.fetch.catalogue``.
Nothing heavy is imported until a model is built.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loc3r.errors import RecipeError

if TYPE_CHECKING:
    from loc3r.model.backbones.base import Backbone
    from loc3r.model.config import Loc3RConfig
    from loc3r.recipe_sections import DataRecipe, ModelRecipe


@dataclass(frozen=True)
class BackboneCard:
    """What is known of a backbone before anything of it is imported: how its prompt shows a video, what it needs."""

    factory: str
    """``module:class`` below this package."""
    newlines: Literal["row", "video", "none"]
    """Where its learned newline embedding stands: behind each row of patches, behind the video, nowhere."""
    frame_marks: tuple[str, ...] = ()
    """Tokens of its own vocabulary before and behind the patches of a frame."""
    language: str | None = None
    """The one kind of language model that it has; None: the recipe chooses."""
    towers: tuple[str, ...] = ("siglip",)
    """Kinds of vision tower that it can have."""
    merge: int | None = None
    """Patches a side that it merges into one token: ``data.pool`` must be this, and divide the frame without a rest."""

    def contradictions(self, name: str, data: DataRecipe, model: ModelRecipe) -> list[str]:
        """What in a recipe the backbone ``name`` can't be, each as the field and the value that would do."""
        patches, rest = divmod(data.frame_size_px, data.patch_px)
        fits = {
            f"model.language.kind={self.language}": self.language in (None, model.language.kind),
            f"model.vision.kind={' or '.join(self.towers)}": model.vision.kind in self.towers,
            f"data.pool={self.merge}": self.merge in (None, data.pool),
            f"data.frame_size_px a multiple of {data.patch_px * (self.merge or 1)}": self.merge is None
            or not (rest or patches % self.merge),
        }
        return [f"model.backbone={name} needs {wish}" for wish, fit in fits.items() if not fit]


BACKBONES: dict[str, BackboneCard] = {
    "scratch": BackboneCard("llava:Llava", "row", towers=("siglip", "lite0")),
    "llava-video-7b": BackboneCard("llava:Llava", "row", language="qwen2"),
    "llava-onevision": BackboneCard("llava:Llava", "video", language="qwen2"),
    "qwen2.5-vl": BackboneCard(
        "qwen25_vl:Qwen25VL", "none", ("<|vision_start|>", "<|vision_end|>"), "qwen2", ("qwen2.5-vl",), merge=2
    ),
}
"""Name in a recipe to card. Sizes are the recipe's: one name covers a family. ``scratch`` has random weights."""


def backbone_card(name: str) -> BackboneCard:
    """What is known of the backbone of that name.

    Raises:
        RecipeError: there is none.
    """
    if name not in BACKBONES:
        raise RecipeError("unknown backbone", received=f"model.backbone={name}", expected=", ".join(BACKBONES))
    return BACKBONES[name]


def backbone_of(config: Loc3RConfig) -> Backbone:
    """The backbone that a config names."""
    module, _, name = backbone_card(config.model.backbone).factory.partition(":")
    backbone: Backbone = getattr(importlib.import_module(f"{__name__}.{module}"), name)(config)
    return backbone
