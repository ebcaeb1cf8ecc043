"""A data set of cousins on disk: from files of the public formats to the same, every text kept or counted."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from folders import hash_folder

from loc3r.cli import loc3r
from loc3r.datasets.mixture import Mixture
from loc3r.datasets.records import SceneRecord, read_record_map
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import AnnotationError, DataError
from loc3r.files import read_json
from loc3r.geometry.headings import angle_between_deg, heading_from_sqa3d
from loc3r.recipe import load_recipe
from loc3r.scenes.bev_samples import read_raw_samples
from loc3r.scenes.format import SceneFolder, scene_folders
from loc3r.scenes.prepare import prepare
from loc3r.scenes.shards import PreparedData
from loc3r.scenes.validate import validate_root
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.language import describe
from loc3r.synth.layout import furnish

CENTER = (1.25, -2.5, 0.75)
FRAMES = 3
RECIPE = Path(__file__).parents[2] / "recipes" / "rooms-demo.yaml"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of our own rooms as if they were real ones: boxes, situations, poses, questions, answers."""
    folder = tmp_path_factory.mktemp("sources")
    parts = []
    for seed in (3, 4):
        room = furnish(seed, "train", FurniturePack.load())
        visible_px = np.full((24, len(room.objects)), 200)
        parts.append(room_part(room, describe(room, visible_px, np.random.default_rng(seed), 12), CENTER))
    write_annotations(folder, "val", parts)
    return folder / "annotations"


def arguments(sources: Path, out: Path, *more: str) -> list[str]:
    sqa3d = sources / "sqa3d"
    files = {
        "boxes": sources / "vsibench" / "scannet_meta_info_val.json",
        "situations": sqa3d / "v1_situations_val_scannetv2.json",
        "annotations": sqa3d / "v1_localization_annotations_val_scannetv2.json",
        "questions": sqa3d / "v1_balanced_questions_val_scannetv2.json",
        "answers": sqa3d / "v1_balanced_sqa_annotations_val_scannetv2.json",
        "out": out,
    }
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    return ["synth", "cousins", *options, "--frames", str(FRAMES), "--workers", "1", *more]


@pytest.fixture(scope="module")
def made(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("cousins") / "out"
    return out, CliRunner().invoke(loc3r, arguments(sources, out), catch_exceptions=False)


def test_the_scenes_are_sound_and_of_the_right_length(made: tuple[Path, Result]) -> None:
    root, result = made
    assert result.exit_code == 0, result.output
    assert [str(fault) for fault in validate_root(root) if fault.severity == "error"] == []
    assert {folder.name for folder in scene_folders(root)} == {"room_000003_00", "room_000004_00"}
    assert all(len(SceneFolder(folder).frame_ids) == FRAMES for folder in scene_folders(root))


def test_every_text_is_kept_or_counted(sources: Path, made: tuple[Path, Result]) -> None:
    root, result = made
    manifest = read_json(root / "manifest.json")
    assert (manifest["tier"], manifest["split"], manifest["rooms"]) == ("T2", "test", 2)
    given = json.loads((sources / "sqa3d" / "v1_situations_val_scannetv2.json").read_text())["situations"]
    dropped = manifest["dropped"]["texts"]
    for dataset in ("sqa3d", "sqa3d-localization"):
        assert manifest["samples"][dataset] + sum(dropped.get(dataset, {}).values()) == len(given)
    assert dropped["sqa3d"]["not of geometry alone"] > 0
    assert all(f"dropped {count} of sqa3d: {reason}" in result.output for reason, count in dropped["sqa3d"].items())
    unknown = manifest["dropped"]["boxes"]
    boxes = Counter[str]()
    for record in read_record_map(sources / "vsibench" / "scannet_meta_info_val.json", SceneRecord).values():
        boxes.update(record.object_counts)
    assert unknown and all(unknown[name] == boxes[name] for name in unknown)
    assert manifest["furniture"] + sum(unknown.values()) == boxes.total()


def test_texts_and_poses_are_the_source_s_own(sources: Path, made: tuple[Path, Result]) -> None:
    root, _ = made
    kept, counts = compared(sources, root), read_json(root / "manifest.json")["samples"]
    assert (len(kept["questions"]), len(kept["situations"])) == (counts["sqa3d"], counts["sqa3d-localization"])
    header = json.loads((root / "annotations/sqa3d/v1_situations_test_scannetv2.json").read_text())
    assert header["data_type"] == "cousins" and "not SQA3D" in header["info"]["description"]
    samples = read_raw_samples(root, "test", scene_folders(root))  # our situations have their questions' ids
    assert {int(sample.sample_id) for sample in samples} == {*kept["questions"], *kept["situations"]}


def compared(sources: Path, root: Path) -> dict[str, list[int]]:
    """Ids of the written rows, each found to say what the source's row of that id says."""
    found = {}
    for key, name, poses, number in (
        ("questions", "balanced_questions", "balanced_sqa_annotations", "question_id"),
        ("situations", "situations", "localization_annotations", "situation_id"),
    ):
        files = ((name, key), (poses, "annotations"))
        for part, list_key in files:
            theirs, ours = (
                {
                    row[number]: row
                    for row in json.loads((folder / f"v1_{part}_{split}_scannetv2.json").read_text())[list_key]
                }
                for folder, split in ((sources / "sqa3d", "val"), (root / "annotations" / "sqa3d", "test"))
            )
            found[key] = list(ours)
            for row_id, row in ours.items():
                if "position" in row:
                    their = theirs[row_id]
                    assert row["position"] == pytest.approx(their["position"], abs=1e-5)
                    headings = [heading_from_sqa3d(one["rotation"]) for one in (row, their)]
                    assert angle_between_deg(*headings) < 1e-4
                same = set(row) - {"position", "rotation", "augmented", "alternative_situation"}
                assert {field: row[field] for field in same} == {field: theirs[row_id][field] for field in same}
    return found


def test_a_second_run_makes_nothing_and_other_rooms_are_refused(
    sources: Path, made: tuple[Path, Result], tmp_path: Path
) -> None:
    root, _ = made
    before, times = hash_folder(root), {p: p.stat().st_mtime_ns for p in (root / "scans").rglob("*")}
    CliRunner().invoke(loc3r, arguments(sources, root), catch_exceptions=False)
    assert hash_folder(root) == before
    assert {p: p.stat().st_mtime_ns for p in (root / "scans").rglob("*")} == times
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "scene9999_00.json").write_text("{}")
    with pytest.raises(DataError, match="holds other rooms"):
        CliRunner().invoke(loc3r, arguments(sources, tmp_path), catch_exceptions=False)


def test_files_without_a_scene_in_common_are_refused(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(AnnotationError, match="no scene has both boxes and situations"):
        CliRunner().invoke(
            loc3r, arguments(sources, tmp_path / "out", "--boxes", str(tmp_path / "meta.json")), catch_exceptions=False
        )


def test_rooms_are_still_made_without_a_subcommand(sources: Path, tmp_path: Path) -> None:
    assert "Missing option '--out'" in CliRunner().invoke(loc3r, ["synth", "--rooms", "1"]).output
    alone = [
        part for part in arguments(sources, tmp_path)[:-4] if "answers" not in part and "sqa_annotations" not in part
    ]
    assert "go together" in CliRunner().invoke(loc3r, alone).output


def test_they_are_prepared_as_a_mixture_that_the_manifest_records(made: tuple[Path, Result], tmp_path: Path) -> None:
    recipe = load_recipe(RECIPE, ("data.prior=oracle", "data.frames=2", "data.prior_oversampling=1"))
    mixture = Mixture.model_validate({"seed": 5, "parts": {"sqa3d-localization": {"count": 3}}})
    out = prepare([made[0]], "test", recipe, tmp_path / "prepared", workers=1, mixture=mixture)
    data = PreparedData(out)
    record = data.manifest["mixture"]
    assert (data.manifest["tier"], record["hash"], record["mixture"]["seed"]) == ("T2", mixture.hash, 5)
    assert record["drawn"]["sqa3d-localization"]["drawn"] == 3 == len(data.samples)
    assert all(sample.position_m and sample.situation and not sample.answers for sample in data.samples)
    inside = [np.ptp(data.scene(sample.scene_id).room_outline_m, axis=0) for sample in data.samples]
    assert all(
        np.abs(np.array(s.position_m)).max() < np.linalg.norm(size)
        for s, size in zip(data.samples, inside, strict=True)
    )
