"""Box rooms with official SQA3D files beside them, and a model that can be asked about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from box_rooms import box_room, write_box_room
from small_rooms import NAMES, RECIPE

from loc3r.datasets.sample import Sample
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.files import write_text
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import train_tokenizer
from loc3r.priors.base import load_prior
from loc3r.recipe import parse_recipe
from loc3r.scenes.format import mesh_box_center_m


def write_root(root: Path, scenes: int = 4, texts: int = 3) -> Path:
    """Rooms with ``texts`` questions each about places of their own, one in two wordings, as SQA3D writes them."""
    parts = []
    for number in range(scenes):
        scene_id = f"room_{number + 1:06d}_00"
        centre = mesh_box_center_m(write_box_room(root, scene_id))
        room = box_room(scene_id)
        parts.append(room_part(room, _samples(scene_id, number, texts, room.raw_from_room), centre))
    write_annotations(root, "val", parts)
    return root


def write_asked_model(folder: Path, seed: int = 0) -> Path:
    """An untrained checkpoint for scenes prepared without a pose prior; another seed is another model."""
    values = RECIPE.model_dump(mode="json")
    recipe = parse_recipe({**values, "model": {**values["model"], "prior_dim": load_prior("none").dim}})
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(["I am beside the table.", "How many chairs?", *NAMES], 320)
    Loc3R(Loc3RConfig.from_recipe(recipe, NAMES, tokenizer)).save(folder, tokenizer)
    write_text(folder / "recipe.yaml", recipe.to_yaml())
    return folder


def _samples(scene_id: str, number: int, texts: int, raw_from_room: np.ndarray) -> list[Sample]:
    found = []
    for index in range(texts):
        x, y = (raw_from_room[:2, :2] @ [0.5 + 0.4 * index, 1.0] + raw_from_room[:2, 3]).tolist()
        words = {"situation": f"I am at place {index}.", "question": "What is near?", "answers": ("table",)}
        pose = {"position_m": (x, y), "heading_rad": 0.5 * index}
        sample_id = str(1000 * number + index)
        found.append(
            Sample(sample_id=sample_id, dataset="sqa3d", scene_id=scene_id, question_type="what", **words, **pose)
        )
    again = {"sample_id": str(1000 * number + 900), "situation": "I stand at the first place."}
    return [*found, found[0].model_copy(update=again)]
