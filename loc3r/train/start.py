"""What a training starts from: our checkpoint, a published backbone, or a fresh tokenizer and random weights."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from loc3r.errors import CheckpointError
from loc3r.model.backbones.published import check_published, load_backbone, read_shards
from loc3r.model.checkpoint import check_weights, load_weights, read_weights
from loc3r.model.config import CONFIG_FILE, Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.pose_text import response
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import load_tokenizer, train_tokenizer
from loc3r.recipe import Recipe
from loc3r.tracking.lineage import read_lineage
from loc3r.train.engine import Group
from loc3r.train.job import weight_files
from loc3r.train.lineage import forbidden_commercially
from loc3r.train.lora import add_adapters
from loc3r.train.placing import Placer

if TYPE_CHECKING:
    from loc3r.scenes.shards import PreparedData


def build(
    recipe: Recipe, prepared: PreparedData, init: Path | None, out: Path, group: Group, *, resuming: bool
) -> tuple[Loc3R, Processor]:
    """The model and processor that training begins with, the same on every rank.

    Raises:
        CheckpointError: ``init`` holds a model of another shape; it may have fewer language layers.
    """
    if init is None:
        _check_scratch(recipe)
        tokenizer = load_tokenizer(_own_tokenizer(recipe, prepared, out, group, resuming))
        config = Loc3RConfig.from_recipe(recipe, prepared.class_names, tokenizer)
    else:
        tokenizer = load_tokenizer(init)
        config = _config_from(init, recipe, prepared)
    torch.manual_seed(recipe.seed)
    if init is not None and recipe.model.backbone != "scratch":
        model = _from_files(config, recipe, init, group)
    else:
        model = Loc3R(config)
        if init is not None:
            load_weights(model, init, deepen=True, heads=recipe.train.keep_heads)
    if recipe.train.lora.rank:
        add_adapters(model, recipe.train.lora)
    return model, Processor(config, tokenizer)


def _from_files(config: Loc3RConfig, recipe: Recipe, init: Path, group: Group) -> Loc3R:
    """A model too large to be drawn at random first: each weight goes where it is trained, from its file."""
    model = Loc3R(config, bare=True)
    placer = Placer(model, recipe, group)
    if _is_published(init, recipe):
        load_backbone(model, init, placer)
    else:
        read_weights(model, init, placer, heads=recipe.train.keep_heads)
    placer.finish()
    return model


def check_start(recipe: Recipe, prepared: PreparedData, init: Path | None) -> None:
    """Whether ``build`` will find what it needs; no weight is read.

    Raises:
        CheckpointError: ``init`` is needed and absent, is not whole, or is another model.
    """
    if init is None:
        _check_scratch(recipe)
    else:
        weight_files(init)
        config = _config_from(init, recipe, prepared)
        if _is_published(init, recipe):
            check_published(config, init)
        else:
            read_shards(init)
            check_weights(init)


def _config_from(init: Path, recipe: Recipe, prepared: PreparedData) -> Loc3RConfig:
    """The config of a model that starts from ``init``: a published backbone knows no class names and no prior."""
    class_names = prepared.class_names
    if recipe.commercial:
        _check_licences(init)
    if not _is_published(init, recipe):
        if recipe.train.keep_heads:
            _check_prior(prepared, init)
        class_names = _check_shape(Loc3RConfig.load(init), recipe, init).class_names
    return Loc3RConfig.from_recipe(recipe, class_names, load_tokenizer(init))


def _is_published(init: Path, recipe: Recipe) -> bool:
    return recipe.model.backbone != "scratch" and not (init / CONFIG_FILE).is_file()


def _check_scratch(recipe: Recipe) -> None:
    name = recipe.model.backbone
    if name != "scratch":
        raise CheckpointError(
            f"the recipe starts from the published weights of {name}",
            received="no --init",
            expected="a folder with them, or a checkpoint trained from them",
            fix=f"loc3r fetch {name}, then loc3r train --init with the folder that it tells",
        )
    if recipe.train.lora.rank:
        raise CheckpointError(
            "low-rank adapters need a trained model",
            received=f"train.lora.rank={recipe.train.lora.rank} and no --init",
            expected="a checkpoint to adapt",
            fix="--init with its folder, or train.lora.rank=0",
        )


def tokenizer_texts(prepared: PreparedData, pose: str = "heads") -> Iterator[str]:
    """Every text that the model reads or writes, in the data's order."""
    for name in prepared.class_names:
        yield f" {name}"
    for sample in prepared.samples:
        written = response(sample, pose=pose) if pose == "text" else None
        yield from (text for text in (sample.situation, sample.question, *sample.answers, written) if text)


def _own_tokenizer(recipe: Recipe, prepared: PreparedData, out: Path, group: Group, resuming: bool) -> Path:
    """Rank 0 trains the tokenizer; a resumed run keeps the one that its weights know."""
    folder = out / "tokenizer"
    if group.first and not resuming:
        draft = out / ".tokenizer.draft"
        for stale in (draft, folder):
            shutil.rmtree(stale, ignore_errors=True)
        texts = tokenizer_texts(prepared, recipe.model.pose)
        tokenizer = train_tokenizer(texts, recipe.model.language.vocabulary)
        tokenizer.save_pretrained(str(draft))
        draft.rename(folder)
    group.barrier()
    return folder


def _check_prior(prepared: PreparedData, init: Path) -> None:
    """Camera tokens of another prior are another language: the model would have to learn it anew, silently."""
    found, wanted = read_lineage(init).get("prior"), prepared.manifest["prior"]
    if not isinstance(found, dict) or found.get("fingerprint") == wanted["fingerprint"]:
        return
    if found.get("language") is None or found["language"] != wanted.get("language"):
        raise CheckpointError(
            f"{init} was trained with another pose prior",
            received=f"{found.get('name')} {found.get('fingerprint')}",
            expected=f"{wanted['name']} {wanted['fingerprint']}, which encoded the data",
            fix="prepare the data with the checkpoint's prior, or train without --init",
        )


def _check_licences(init: Path) -> None:
    """What was trained on a prior's tokens, or goes on from it, stays under that prior's licence."""
    lineage = read_lineage(init)
    if (init / CONFIG_FILE).is_file() and not lineage.get("prior"):
        raise CheckpointError(
            "commercial: true, but nothing says on which pose prior's tokens the checkpoint was trained",
            received=f"{init} without lineage.json, or without a prior in it",
            expected="the prior and its licence",
            fix="copy lineage.json from where the checkpoint comes from; or leave commercial: true out",
        )
    if forbidden := forbidden_commercially(lineage):
        raise CheckpointError(
            "commercial: true, but a licence forbids commercial use of the checkpoint",
            received=f"{init}, trained on tokens of {', '.join(f'{n} ({said})' for n, said in forbidden.items())}",
            expected="weights that were never trained on such a prior's tokens",
            fix="start from the backbone, or from a checkpoint of another prior; or leave commercial: true out",
        )


OF_HEADS = {
    "pose", "video", "camera_tokens", "share_camera", "prior_dim", "head_hidden", "head_activation", "heading_bins",
    "heading_bin_offset", "look_at", "pose_token_spacing", "pose_tokens_without_situation", "naming_layer",
    "mention_layer", "egocentric_layer", "fronts",
}  # fmt: skip
"""Fields of the model that decide what heads read, are or are taught, not what the backbone's weights are."""


def _check_shape(config: Loc3RConfig, recipe: Recipe, init: Path) -> Loc3RConfig:
    found = {"data": config.data.model_dump(mode="json"), "model": config.model.model_dump(mode="json")}
    language = found["model"]["language"]
    language["layers"] = max(language["layers"], recipe.model.language.layers)  # more layers than it has may follow
    if found["model"]["egocentric_layer"] is None:  # and so may these
        found["model"]["egocentric_layer"] = recipe.model.egocentric_layer
    found["model"]["fronts"] |= recipe.model.fronts
    wanted = {"data": recipe.data.model_dump(mode="json"), "model": recipe.model.model_dump(mode="json")}
    wrong = [
        (f"{part}.{name}", found[part].get(name), value)
        for part, values in wanted.items()
        for name, value in values.items()
        if found[part].get(name) != value
        and (part, name) != ("data", "prior")  # _check_prior has judged it
        and (recipe.train.keep_heads or name not in OF_HEADS)
    ]
    if wrong:
        raise CheckpointError(
            f"{init} is a model of another shape",
            received=", ".join(f"{name}={had}" for name, had, _ in wrong),
            expected=", ".join(f"{name}={value}" for name, _, value in wrong),
            fix="use the recipe.yaml of that checkpoint, or train without --init",
        )
    return config
