"""Small prepared data of random frames, and the recipe of a model that trains on it in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from folders import hash_folder

from loc3r.files import write_json
from loc3r.recipe import Recipe, parse_recipe
from loc3r.scenes.shards import PreparedSample, encode_frame, write_samples, write_shard

CLASSES = ("bed", "chair", "floor", "lamp")
RECIPE = {
    "name": "small",
    "data": {"frames": 2, "frame_size_px": 32, "frame_fit": "squash", "patch_px": 8, "pool": 2, "prior": "none"},
    "model": {
        "vision": {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": False},
        "language": {
            "kind": "qwen3", "hidden": 32, "layers": 3, "heads": 2, "kv_heads": 2, "intermediate": 64,
            "vocabulary": 320, "rope_theta": 10000, "max_tokens": 512,
        },
        "prior_dim": 4, "heading_bins": 12, "naming_layer": 1, "mention_layer": 2, "look_at": True,
        "fan_in_init": True,
    },
    "loss": {"layout": 1.0, "situation": 0.5, "naming": 1.0, "mention": 1.0, "look_at": 0.5},
    "optimiser": {"learning_rate": 1e-3, "warmup_share": 0.1, "weight_decay": 0.01},
    "train": {
        "steps": 20, "scenes_per_step": 4, "scenes_per_micro_batch": 2, "questions_per_scene": 3, "zero_stage": 2,
        "precision": "fp32", "checkpoint_every_steps": 6,
    },
}  # fmt: skip


def small_recipe(**sections: dict[str, object]) -> Recipe:
    """``RECIPE`` with some fields changed."""
    return parse_recipe({**RECIPE, **{name: {**RECIPE.get(name, {}), **fields} for name, fields in sections.items()}})


def write_recipe(path: Path, **sections: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump(small_recipe(**sections).model_dump(mode="json")))
    return path


def write_data(
    folder: Path,
    recipe: Recipe,
    scenes: int = 6,
    seed: int = 0,
    broken_scene: str = "",
    split: str = "train",
    first: int = 0,
) -> Path:
    """Prepared data of ``scenes`` scenes with 4 to 7 questions each; ``broken_scene`` has a NaN camera token."""
    rng = np.random.default_rng(seed)
    names = [f"room_{first + i:06d}_00" for i in range(scenes)]
    rows = [_row(name, recipe, rng) for name in names]
    for row in rows:
        if row["scene_id"] == broken_scene:
            row["camera_tokens"][0] = np.nan
    write_shard(folder / "scenes-00000.parquet", rows, {"seed": str(seed)})
    samples = [_sample(name, i, rng) for name in names for i in range(rng.integers(4, 8))]
    write_samples(folder / "samples.parquet", samples)
    manifest = {
        "class_names": CLASSES,
        "split": split,
        "recipe": recipe.data.model_dump(mode="json"),
        "data_hash": hash_folder(folder),
        "prior": {"name": "none", "fingerprint": "none-4", "licence": "Apache-2.0", "dim": 4},
        "counts": {"scenes": scenes, "samples": len(samples)},
        "shards": [{"file": "scenes-00000.parquet", "scenes": names}],
    }
    write_json(folder / "manifest.json", manifest)
    return folder


def _row(name: str, recipe: Recipe, rng: np.random.Generator) -> dict[str, Any]:
    data, side = recipe.data, recipe.data.tokens_a_side
    frames = rng.integers(0, 256, (data.frames, data.frame_size_px, data.frame_size_px, 3), np.uint8)
    xy_m = rng.normal(0, 2, (data.frames, side, side, 2)).astype(np.float32)
    valid = rng.random(xy_m.shape[:-1]) < 0.8
    xy_m[~valid] = np.nan
    return {
        "scene_id": name,
        "frame_ids": list(range(data.frames)),
        "frames": [encode_frame(frame) for frame in frames],
        "patch_xy_m": xy_m.ravel(),
        "patch_valid": valid.ravel(),
        "patch_class": rng.integers(-1, len(CLASSES), valid.size).astype(np.int16),
        "camera_tokens": rng.normal(0, 1, data.frames * recipe.model.prior_dim).astype(np.float32),
        "objects": [],
        "room_outline_m": [],
        "bev": [0.0, 0.0, 0.0, 0.0],
        "lost_frames": 0,
        "digest": name,
    }


def _sample(scene_id: str, index: int, rng: np.random.Generator) -> PreparedSample:
    thing, other = rng.choice(CLASSES, 2, replace=False)
    situation = f"I am beside the {thing}, facing the {other}."
    x_m, y_m, look_x_m, look_y_m = rng.normal(0, 2, 4).tolist()
    placed = index % 4 != 3
    start = situation.index(f"the {thing}") + 4
    return PreparedSample(
        sample_id=f"{scene_id}-{index}",
        dataset="sqa3d",
        scene_id=scene_id,
        situation=situation if placed else None,
        question=f"What is behind me, a {other}?",
        answers=(str(thing),),
        question_type="what",
        situation_form=("beside", "between")[index % 2] if placed else None,
        position_m=(x_m, y_m) if placed else None,
        heading_rad=float(rng.uniform(-np.pi, np.pi)) if placed else None,
        mentions=(("situation", start, start + len(thing), x_m, y_m),) if placed else (),
        look_at_m=(look_x_m, look_y_m) if placed else None,
    )
