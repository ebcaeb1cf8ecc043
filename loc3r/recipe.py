"""A recipe says what to learn: data, model, losses, optimiser, seeds. One YAML file, hashed into every artefact.

Unknown keys are errors that suggest the nearest name. ``loc3r recipe schema`` dumps JSON Schema.
Defaults are the paper's (arXiv 2603.18002) where it states a value; docs/fidelity.md lists the rest.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from loc3r.errors import RecipeError
from loc3r.files import hash_json
from loc3r.model.backbones import BACKBONES
from loc3r.priors.base import PRIORS, find_prior, prior_names
from loc3r.priors.pose_token import LANGUAGE as POSE_TOKENS
from loc3r.recipe_files import apply_override, read_values
from loc3r.recipe_sections import (
    LATER,
    DataRecipe,
    EvaluateRecipe,
    LossRecipe,
    ModelRecipe,
    OptimiserRecipe,
    Section,
    TrainRecipe,
    hashed,
)
from loc3r.train.zero.config import contradictions


class Recipe(Section):
    """Everything that decides a model's weights and scores, except the data's own bytes."""

    name: str
    seed: int = Field(0, ge=0)
    commercial: Annotated[bool, LATER] = False
    """Refuse a pose prior whose licence forbids commercial use. Backbone and data sets have licences of their own."""
    data: DataRecipe = DataRecipe()
    model: ModelRecipe = ModelRecipe()
    loss: LossRecipe = LossRecipe()
    optimiser: OptimiserRecipe = OptimiserRecipe()
    train: TrainRecipe = TrainRecipe()
    evaluate: EvaluateRecipe = EvaluateRecipe()

    @model_validator(mode="after")
    def _training_agrees(self) -> Recipe:
        if wrong := contradictions(self.train):
            raise ValueError("; ".join(wrong))
        if self.train.scenes_per_step % self.train.scenes_per_micro_batch:
            raise ValueError(
                f"train.scenes_per_step={self.train.scenes_per_step} is not a multiple of "
                f"train.scenes_per_micro_batch={self.train.scenes_per_micro_batch}"
            )
        alone = self.train.packed and self.train.scenes_per_micro_batch == 1
        if self.train.tokens_per_micro_batch and not alone:
            raise ValueError(
                "train.tokens_per_micro_batch says what goes through the model at once: "
                "it needs train.packed=true and train.scenes_per_micro_batch=1"
            )
        return self

    @model_validator(mode="after")
    def _losses_have_outputs(self) -> Recipe:
        """A weight on what is switched off would be accepted and ignored."""
        model, loss = self.model, self.loss
        off = [] if model.video else [f"loss.{name}" for name in ("layout", "naming") if getattr(loss, name)]
        if model.pose == "text":
            off += [f"loss.{name}" for name in ("situation", "pose_pointing") if getattr(loss, name)]
        if off:
            raise ValueError(f"{', '.join(off)} must be 0 with model.video={model.video}, model.pose={model.pose}")
        heads = {"naming": "naming_layer", "mention": "mention_layer", "look_at": "look_at", "front": "fronts"}
        if lost := [(term, head) for term, head in heads.items() if getattr(loss, term) and not getattr(model, head)]:
            raise ValueError("; ".join(f"loss.{term} needs model.{head}" for term, head in lost))
        layers = [
            name for name in ("naming_layer", "mention_layer") if (getattr(model, name) or 0) > model.language.layers
        ]
        if layers:
            raise ValueError(f"model.{layers[0]} must be one of the {model.language.layers} layers of model.language")
        return self

    @model_validator(mode="after")
    def _prior_fits(self) -> Recipe:
        prior, card = self.data.prior, find_prior(self.data.prior)
        if card is None:
            if prior != "oracle":
                raise ValueError(_unknown("data.prior", prior, (*prior_names(), "oracle")))
            return self
        if self.commercial and not card.commercial:
            free = ", ".join(name for name, ours in PRIORS.items() if ours.commercial)
            raise ValueError(
                f"commercial: true, but the licence of the pose prior {prior} is {card.licence}; use {free}"
            )
        if card.dim not in (0, self.model.prior_dim):
            raise ValueError(f"data.prior={prior} needs model.prior_dim={card.dim}, not {self.model.prior_dim}")
        return self

    @model_validator(mode="after")
    def _changed_scenes_fit(self) -> Recipe:
        changed = next((name for name in ("mirror", "move_map") if getattr(self.train, name)), None)
        if changed is None:
            return self
        prior, data = self.data.prior, self.data
        card = find_prior(prior)
        if card and card.language != POSE_TOKENS:  # what others say of a changed video, only they know
            raise ValueError(f"train.{changed} needs data.prior=rooms-vo or oracle, whose tokens can be, not {prior}")
        if data.bird_eye_yaw == "scan" and prior != "oracle":  # tokens are of the first camera's axes, the map is not
            raise ValueError(f"train.{changed} needs data.bird_eye_yaw=first_camera or data.prior=oracle")
        if self.train.mirror and data.frame_size_px % data.patch_px:
            raise ValueError("train.mirror needs data.frame_size_px to be a multiple of data.patch_px")
        if self.train.move_map and self.model.pose == "text":  # how long a text is would depend on the map
            raise ValueError("train.move_map needs model.pose=heads")
        return self

    @model_validator(mode="after")
    def _backbone_fits(self) -> Recipe:
        name = self.model.backbone
        if name not in BACKBONES:
            raise ValueError(_unknown("model.backbone", name, tuple(BACKBONES)))
        if self.data.patch_px > self.data.frame_size_px:
            raise ValueError("data.patch_px must not be larger than data.frame_size_px")
        if wrong := BACKBONES[name].contradictions(name, self.data, self.model):
            raise ValueError("; ".join(wrong))
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Recipe:
        model, vision = self.model, self.model.vision
        if vision.kind == "lite0" and not (vision.frozen and self.data.patch_px == 32):
            raise ValueError("model.vision.kind=lite0 needs model.vision.frozen=true and data.patch_px=32")
        if self.loss.pointing and not (model.mention_layer and model.language.kind == "qwen3"):
            raise ValueError("loss.pointing needs model.mention_layer and model.language.kind=qwen3")
        if self.loss.pose_pointing and not (self.loss.pointing and (model.mention_layer or 0) < model.language.layers):
            raise ValueError("loss.pose_pointing needs loss.pointing and a layer after model.mention_layer")
        if model.fronts and not model.mention_layer:
            raise ValueError("model.fronts needs model.mention_layer")
        if model.egocentric_layer is not None and not 0 < model.egocentric_layer < model.language.layers:
            raise ValueError("model.egocentric_layer must have a layer before it and one after it, which answers")
        if model.egocentric_layer and not (model.pose == "heads" and model.pose_tokens_without_situation):
            raise ValueError("model.egocentric_layer needs model.pose=heads and model.pose_tokens_without_situation")
        if model.pose == "text" and not (model.pose_token_spacing == "none" and model.pose_tokens_without_situation):
            raise ValueError("model.pose_token_spacing and model.pose_tokens_without_situation need model.pose=heads")
        if model.frame_interval_s != 1 and model.video_sentence != "time":
            raise ValueError("model.frame_interval_s needs model.video_sentence=time")
        if self.train.keep_features and not (vision.frozen and self.train.zero_stage < 3):
            raise ValueError("train.keep_features needs model.vision.frozen=true and train.zero_stage below 3")
        return self

    @property
    def hash(self) -> str:
        """Twelve hex digits that name this recipe."""
        return hash_json(hashed(self))

    def to_yaml(self) -> str:
        """The whole recipe, defaults included, as YAML."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_recipe(path: Path, overrides: tuple[str, ...] = ()) -> Recipe:
    """Read a recipe file; ``overrides`` are ``section.field=value`` strings (values in YAML).

    A file may begin with ``extends: other.yaml`` (beside it) and then holds only what differs.

    Raises:
        RecipeError: the file is missing, is not YAML, or a key or value is wrong; ``extends`` leads in a circle.
    """
    values = read_values(path)
    for override in overrides:
        apply_override(values, override)
    return parse_recipe(values, source=str(path))


def parse_recipe(values: dict[str, Any], source: str = "recipe") -> Recipe:
    """Validate plain values into a recipe, with messages that contain the fix."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{source} is not a valid recipe", **_explain(error)) from error


def _unknown(field: str, name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown {field} {name}; {f'did you mean {near[0]}? ' if near else ''}there are {', '.join(known)}"


def _explain(error: ValidationError) -> dict[str, Any]:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "value_error":  # of a rule between fields, which says what it needs
        return {"received": str(first["ctx"]["error"]), "fix": "change one of these fields, in the file or with --set"}
    if first["type"] != "extra_forbidden":
        return {"received": f"{where} = {first.get('input')!r}" if where else None, "expected": first["msg"]}
    known = _fields_at(first["loc"][:-1])
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    fix = f"did you mean {near[0]!r}?" if near else "loc3r recipe schema lists every key"
    return {"received": f"unknown key {where!r}", "expected": ", ".join(known), "fix": fix}


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location:
        annotation = section.model_fields[str(part)].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        section = annotation
    return sorted(section.model_fields)
