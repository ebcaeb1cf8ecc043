"""The upper bound's data: the same rooms, frames and samples, with camera tokens of true poses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from loc3r.ablate.plan import Plan, prepare_true_poses
from loc3r.ablate.variants import choose_variants
from loc3r.datasets.mixture import Mixture
from loc3r.datasets.sample import Sample
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import DataError
from loc3r.recipe import load_recipe
from loc3r.scenes.prepare import prepare
from loc3r.scenes.shards import PreparedData
from loc3r.synth.room import Room
from loc3r.train.batches import check_data

sys.path.insert(0, str(Path(__file__).parents[1] / "scenes"))  # rooms painted in milliseconds


def said_of(room: Room) -> list[Sample]:
    """A sample of each of two data sets."""
    words = {"question_type": "what", "question": "What is brown?", "answers": ("table",)}
    asked = Sample.model_validate({"sample_id": "1", "dataset": "scanqa", "scene_id": room.scene_id, **words})
    told = {"dataset": "sqa3d", "situation": "I face the table.", "position_m": (1, 1), "heading_rad": 0.5}
    return [asked, Sample.model_validate(asked.model_dump() | told)]


def test_rooms_are_prepared_again_with_true_poses(tmp_path: Path) -> None:
    from box_rooms import CLASS_NAMES, box_room, write_box_room
    from small import write_recipe

    recipe = write_recipe(tmp_path / "recipe.yaml")
    for split, number in (("train", 1), ("test", 2)):
        room = box_room(f"room_{number:06d}_00")
        write_box_room(tmp_path / split, room.scene_id)
        for either in ("train", "test"):
            write_annotations(tmp_path / split, either, [room_part(room, said_of(room), (0, 0, 0))])
        (tmp_path / split / "manifest.json").write_text(json.dumps({"class_names": CLASS_NAMES}))
        mixture = Mixture.model_validate({"parts": {"sqa3d": {"count": 1}}}) if split == "test" else None
        prepare([tmp_path / split], split, load_recipe(recipe), tmp_path / f"prepared-{split}", 1, mixture=mixture)
    data, test = tmp_path / "prepared-train", tmp_path / "prepared-test"
    plan = Plan(recipe, (), data, test, tmp_path / "out", choose_variants(("true-poses",)), (0,), None, "cpu")

    prepare_true_poses(plan, (tmp_path / "train", tmp_path / "test"))
    (child,) = plan.children()
    for folder, usual in ((child.job.data, data), (child.test, test)):
        truth, blind = PreparedData(folder), PreparedData(usual)
        check_data(truth, child.job.recipe)
        assert truth.samples == blind.samples and len(truth.samples) == (2 if usual == data else 1)
        assert truth.scene_ids == blind.scene_ids and truth.manifest["split"] == blind.manifest["split"]
        scene, other = (some.scene(some.scene_ids[0]) for some in (truth, blind))
        assert np.array_equal(scene.frames, other.frames)
        assert np.array_equal(scene.patch_xy_m, other.patch_xy_m, equal_nan=True)
        assert scene.camera_tokens.any() and not other.camera_tokens.any()
    assert "oracle" in yaml.safe_load(child.job.recipe.to_yaml())["data"]["prior"]

    stamp = (child.job.data / "scenes-00000.parquet").stat().st_mtime_ns
    prepare_true_poses(plan, (tmp_path / "train", tmp_path / "test"))
    assert (child.job.data / "scenes-00000.parquet").stat().st_mtime_ns == stamp, "prepared again"
    with pytest.raises(DataError, match="not those of the prepared data"):
        prepare_true_poses(plan, (tmp_path / "test", tmp_path / "train"))
