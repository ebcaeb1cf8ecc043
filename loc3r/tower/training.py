"""From a checkpoint and rooms to a checkpoint whose tower was taught on them."""

from __future__ import annotations

import copy
import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional as F

from loc3r.errors import CheckpointError, DataError
from loc3r.files import hash_json, read_json, whole_folder, write_json
from loc3r.model.checkpoint import WEIGHTS_FILE
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import load_tokenizer
from loc3r.model.tower import Lite0
from loc3r.scenes.format import read_manifest
from loc3r.tower.network import TaughtTower, tower_pixels
from loc3r.tower.pictures import Pictures, read_rooms
from loc3r.tower.refit import explained_share, refit, standardise
from loc3r.tower.teacher import Teacher, TowerRecipe, structure_of
from loc3r.tracking.lineage import read_lineage
from loc3r.train.job import hash_weights
from loc3r.train.lineage import LINEAGE_FILE, code_commit

RECORD_FILE = "tower.json"
FITTED_FRAMES, AT_ONCE = 4096, 64
"""Frames on which the model is fitted to its tower, and how many a tower sees at once."""


def teach(model_folder: Path, rooms: Path, out: Path, recipe: TowerRecipe, save_every: int = 200) -> dict[str, Any]:
    """Write the checkpoint of ``model_folder`` with a taught tower into ``out``; return what ``tower.json`` records.

    What is there already is returned as it is; a killed teaching goes on.

    Raises:
        CheckpointError: the model's tower is not lite0, or ``out`` holds another model.
        DataError: the rooms are no training rooms of ours, or fewer than two.
        TrainingError: a loss is not finite.
    """
    _check_tower(model_folder)
    manifest = _training_rooms(rooms)
    start = hash_weights(model_folder)
    identity = hash_json([asdict(recipe), start, manifest, _code_hash()])
    if done := _finished(out, identity):
        return done
    model = Loc3R.load(model_folder)
    asked, shown = _read(rooms, model.config, recipe.held_out_share)
    state = out.with_name(f".{out.name}.teaching.pt")
    teacher = Teacher(tower_of(model), model.config.class_names, shown, recipe, state, identity)
    teacher.run(save_every)
    record = {
        "recipe": asdict(recipe), "identity": identity, "parent": start, "rooms": manifest["rooms"],
        "rooms_hash": hash_json(manifest), "frames_seen": recipe.steps * recipe.frames_per_step,
        "losses": teacher.curve, "held_out": measure(teacher.network, asked, structure_of(model.config.class_names)),
        "explained_share": fit_model(model, teacher.network.tower, shown, asked, recipe.seed),
    }  # fmt: skip
    _write(model, model_folder, out, record)
    state.unlink(missing_ok=True)
    return record


@torch.no_grad()
def measure(network: TaughtTower, asked: Pictures, structure: Tensor) -> dict[str, float]:
    """Shares of furniture tokens and cells that are named right, and errors: of distances, and of where things face."""
    right = {"token": 0, "cell": 0}
    count, errors, turns = dict(right), [], []
    for start in range(0, len(asked), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        said = network.eval()(tower_pixels(asked.frames[part]))
        named = {"token": said.token_logits.argmax(-1), "cell": said.cell_logits.argmax(1)}
        for what, true in (("token", asked.token_class), ("cell", asked.cell_class)):
            known = torch.from_numpy(true[part]).long()
            things = (known >= 0) & ~torch.isin(known, structure)
            right[what] += int((named[what] == known)[things].sum())
            count[what] += int(things.sum())
        turns.append(_turned_deg(said.front[..., :2], torch.from_numpy(asked.token_front[part]).float()))
        depth_m = torch.from_numpy(asked.depth_m[part]).float()
        errors.append((said.log_depth - depth_m.log()).abs()[depth_m > 0])
    named_share = {f"{what}s_named": round(right[what] / max(count[what], 1), 4) for what in right}
    told = {"log_depth_error": torch.cat(errors).mean(), "front_error_deg": torch.cat(turns).median()}
    return named_share | {name: round(float(value), 4) for name, value in told.items()}


def _turned_deg(said: Tensor, true: Tensor) -> Tensor:
    """Angles (K,) between vectors (..., 2), where the true one is known."""
    known = true.isfinite().all(-1)
    return F.cosine_similarity(said[known], true[known], dim=-1).clamp(-1, 1).acos().rad2deg()


def fit_model(model: Loc3R, tower: Lite0, shown: Pictures, asked: Pictures, seed: int) -> float:
    """Give the model the taught tower and fit its projector to it, on frames of ``shown``.

    Returns:
        The share of the variance of what the projector read on ``asked`` that it still reads there.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(shown))[:FITTED_FRAMES])
    frames = shown.frames[chosen]
    standardise(tower, lambda: _batches(frames, "standardising features"))
    reading, before = model.vlm.model.multi_modal_projector.linear_1, tower_of(model)
    read = copy.deepcopy(reading)
    refit(reading, before, tower, lambda: _batches(frames, "fitting the model"), model.config.model.vision.dropout)
    model.vlm.model.vision_tower = tower.requires_grad_(False)
    kept = explained_share(
        lambda pixels: read(before(pixels)), lambda pixels: reading(tower(pixels)), _batches(asked.frames, "measuring")
    )
    return round(kept, 4)


def tower_of(model: Loc3R) -> Lite0:
    """The small tower of a model that has one."""
    tower: Lite0 = model.vlm.model.vision_tower
    return tower


def _batches(frames: np.ndarray, doing: str) -> Iterator[Tensor]:
    for start in track(range(0, len(frames), AT_ONCE), doing, console=Console(stderr=True)):
        yield tower_pixels(frames[start : start + AT_ONCE])


def _read(rooms: Path, config: Loc3RConfig, held_out_share: float) -> tuple[Pictures, Pictures]:
    """What is held out, and what is shown; nothing keeps the rooms a second time."""
    parts = read_rooms(rooms, config.data, config.class_names)
    held_out = max(1, round(len(parts) * held_out_share))
    return Pictures.joined(parts[:held_out]), Pictures.joined(parts[held_out:])


def _check_tower(model_folder: Path) -> None:
    kind = Loc3RConfig.load(model_folder).model.vision.kind
    if kind != "lite0":
        raise CheckpointError(
            "only the small tower is taught",
            received=f"{model_folder} with model.vision.kind={kind}",
            expected="model.vision.kind=lite0",
            fix="larger towers come with published weights",
        )


def _training_rooms(rooms: Path) -> dict[str, Any]:
    manifest = read_manifest(rooms)
    if manifest.get("split") != "train" or manifest.get("rooms", 0) < 2:
        raise DataError(
            "a tower is taught on training rooms",
            received=f"{rooms} with split={manifest.get('split')}, {manifest.get('rooms', 0)} rooms",
            expected="split=train and at least 2 rooms: one is held out",
            fix="loc3r synth --split train --rooms 1000 --out data/rooms/train",
        )
    return manifest


def _code_hash() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()[:12]


def _finished(out: Path, identity: str) -> dict[str, Any] | None:
    """What ``out`` records where this very teaching has ended there."""
    if not (out / WEIGHTS_FILE).is_file():
        return None
    record: dict[str, Any] = read_json(out / RECORD_FILE) if (out / RECORD_FILE).is_file() else {}
    if record.get("identity") == identity:
        return record
    raise CheckpointError(
        "the folder holds another model",
        received=out,
        expected="a folder without weights, or with those of the same recipe, rooms, model and code",
        fix="give another --out, or delete the folder",
    )


def _write(model: Loc3R, parent: Path, out: Path, record: dict[str, Any]) -> None:
    """The folder appears whole; the parent's recipe and lineage go with it: the next training reads them."""
    lineage = read_lineage(parent)
    own = {"init": record["parent"], "parent": record["parent"], "parent_recipe_hash": lineage.get("recipe_hash")}
    said = {"tower": {name: value for name, value in record.items() if name != "losses"}}
    with whole_folder(out) as draft:
        model.save(draft, load_tokenizer(parent))
        if (parent / "recipe.yaml").is_file():
            shutil.copyfile(parent / "recipe.yaml", draft / "recipe.yaml")
        write_json(draft / LINEAGE_FILE, {**lineage, **own, **said, "code_commit": code_commit()})
        write_json(draft / RECORD_FILE, record)
