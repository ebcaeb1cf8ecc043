"""Small prepared rooms of random frames, with furniture and an outline, and an untrained model that can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from folders import hash_folder

from loc3r.files import write_json, write_text
from loc3r.recipe import parse_recipe
from loc3r.scenes.shards import PreparedSample, encode_frame, write_samples, write_shard

NAMES = ("bed", "chair", "lamp", "window")
RECIPE = parse_recipe(
    {
        "name": "small",
        "data": {"frames": 2, "frame_size_px": 32, "frame_fit": "squash", "patch_px": 8, "pool": 2, "prior": "none"},
        "model": {
            "vision": {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": False},
            "language": {
                "kind": "qwen3", "hidden": 32, "layers": 2, "heads": 2, "kv_heads": 2, "intermediate": 64,
                "vocabulary": 320, "rope_theta": 10000, "max_tokens": 512,
            },
            "prior_dim": 4,
            "fan_in_init": True,
        },
        "evaluate": {"max_new_tokens": 3, "bootstrap_samples": 200},
    }
)  # fmt: skip
OUTLINE = [[-2.0, -1.0], [2.0, -1.0], [2.0, 3.0], [-2.0, 3.0]]


def write_rooms(folder: Path, split: str = "test", scenes: int = 10, first: int = 0) -> Path:
    """Prepared data: ``scenes`` rooms, each with four situated questions and a plain one."""
    rng = np.random.default_rng(first)
    names = [f"room_{first + i:06d}_00" for i in range(scenes)]
    write_shard(folder / "scenes-00000.parquet", [_row(name, rng) for name in names], {"first": str(first)})
    write_samples(folder / "samples.parquet", [_sample(name, i, rng) for name in names for i in range(5)])
    manifest = {
        "class_names": NAMES,
        "split": split,
        "recipe": RECIPE.data.model_dump(mode="json"),
        "data_hash": hash_folder(folder),
        "shards": [{"file": "scenes-00000.parquet", "scenes": names}],
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def write_model(folder: Path, seed: int = 0) -> Path:
    """An untrained checkpoint; another seed is another model."""
    import torch

    from loc3r.model.config import Loc3RConfig
    from loc3r.model.modelling import Loc3R
    from loc3r.model.tokenizer import train_tokenizer

    torch.manual_seed(seed)
    tokenizer = train_tokenizer(["I am beside the bed.", "How many chairs?", *NAMES], 320)
    Loc3R(Loc3RConfig.from_recipe(RECIPE, NAMES, tokenizer)).save(folder, tokenizer)
    write_text(folder / "recipe.yaml", RECIPE.to_yaml())
    write_json(folder / "lineage.json", {"name": "small", "recipe_hash": RECIPE.hash, "data_hash": "d", "seed": seed})
    return folder


def _row(name: str, rng: np.random.Generator) -> dict[str, Any]:
    data = RECIPE.data
    shape = (data.frames, data.tokens_a_side, data.tokens_a_side)
    xy_m = rng.uniform(-2, 2, (*shape, 2)).astype(np.float32)
    valid = rng.random(shape) < 0.7
    xy_m[~valid] = np.nan
    frames = rng.integers(0, 256, (data.frames, 32, 32, 3), np.uint8)
    return {
        "scene_id": name,
        "frame_ids": list(range(data.frames)),
        "frames": [encode_frame(frame) for frame in frames],
        "patch_xy_m": xy_m.ravel(),
        "patch_valid": valid.ravel(),
        "patch_class": rng.integers(-1, len(NAMES), valid.size).astype(np.int16),
        "camera_tokens": rng.normal(0, 1, data.frames * RECIPE.model.prior_dim).astype(np.float32),
        "objects": [_thing(1, "bed", "furniture", 0.0, 2.0, 0.8), _thing(2, "window", "opening", 0.0, 3.0, 0.5)],
        "room_outline_m": OUTLINE,
        "bev": [0.0, 0.0, 0.0, 0.0],
        "lost_frames": 0,
        "digest": name,
    }


def _thing(object_id: int, name: str, kind: str, x_m: float, y_m: float, half_m: float) -> dict[str, Any]:
    corners = [
        [x_m - half_m, y_m - 0.1],
        [x_m + half_m, y_m - 0.1],
        [x_m + half_m, y_m + 0.1],
        [x_m - half_m, y_m + 0.1],
    ]
    return {
        "object_id": object_id, "name": name, "kind": kind, "xy_m": [x_m, y_m], "footprint_m": corners, "height_m": 0.5,
    }  # fmt: skip


def _sample(scene_id: str, index: int, rng: np.random.Generator) -> PreparedSample:
    thing = str(rng.choice(NAMES))
    x_m, y_m = rng.uniform(-1.5, 1.5, 2).tolist()
    situated = index < 4
    return PreparedSample(
        sample_id=f"{scene_id}-{index}",
        dataset="sqa3d" if situated else "scanqa",
        scene_id=scene_id,
        situation=f"I am beside the {thing}, at {index}." if situated else None,
        question=f"What is near the {thing}?" if index % 2 else "How many chairs?",
        answers=("a lamp" if index % 2 else "two",),
        question_type="nearest" if index % 2 else "counting",
        situation_form="beside" if situated else None,
        position_m=(x_m, y_m) if situated else None,
        heading_rad=float(rng.uniform(-np.pi, np.pi)) if situated else None,
    )
