"""The licence of a pose prior stays with what was trained on its tokens, through every later training."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small import small_recipe

from loc3r.errors import CheckpointError
from loc3r.recipe import Recipe, parse_recipe
from loc3r.train.checkpoints import RECORD_FILE, Checkpoint
from loc3r.train.job import Identity
from loc3r.train.lineage import lineage_of, model_card
from loc3r.train.start import check_start

CUT3R = {"name": "cut3r", "fingerprint": "cut3r-1-x", "licence": "CC-BY-NC-SA-4.0", "dim": 768}
OURS = {"name": "rooms-vo", "fingerprint": "rooms-vo-2-x", "licence": "Apache-2.0", "dim": 62}


def trained(folder: Path, prior: dict[str, Any], init: Path | None = None) -> Path:
    """A checkpoint's papers, and something for weights."""
    folder.mkdir()
    lineage = lineage_of(
        recipe=small_recipe(), identity=Identity("r", "d", "i" if init else None), data=folder, init=init, prior=prior,
        mixture=None, situations=1, ranks=1,
    )  # fmt: skip
    (folder / "lineage.json").write_text(json.dumps(lineage))
    (folder / "README.md").write_text(model_card(small_recipe(), lineage, loss=1.0, parameters=1))
    (folder / "model.safetensors").touch()
    return folder


def commercial() -> Recipe:
    train = {"keep_heads": False}
    return parse_recipe({"name": "r", "commercial": True, "data": {"prior": "rooms-vo"}, "train": train})


def test_a_commercial_training_starts_from_nothing_that_a_licence_forbids_it(tmp_path: Path) -> None:
    prepared: Any = SimpleNamespace(class_names=(), manifest={"prior": OURS})
    theirs = trained(tmp_path / "theirs", CUT3R)
    laundered = trained(tmp_path / "laundered", OURS, init=trained(tmp_path / "between", OURS, init=theirs))
    for init in (theirs, laundered):
        with pytest.raises(CheckpointError, match=r"tokens of cut3r \(CC-BY-NC-SA-4.0\)"):
            check_start(commercial(), prepared, init)
    for recipe, init in (
        (commercial().model_copy(update={"commercial": False}), theirs),
        (commercial(), trained(tmp_path / "ours", OURS)),
    ):
        with pytest.raises(CheckpointError):  # of what is looked at next
            check_start(recipe, prepared, init)


def test_a_checkpoint_that_hides_where_it_comes_from_is_not_taken_for_commercial_use(tmp_path: Path) -> None:
    hidden = trained(tmp_path / "hidden", CUT3R)
    (hidden / "loc3r_config.json").write_text("{}")
    (hidden / "lineage.json").unlink()
    prepared: Any = SimpleNamespace(class_names=(), manifest={"prior": OURS})
    with pytest.raises(CheckpointError, match=r"nothing says on which pose prior's tokens(.*\n)+.*lineage\.json"):
        check_start(commercial(), prepared, hidden)


def test_the_card_names_the_licence_that_binds_and_where_it_comes_from(tmp_path: Path) -> None:
    theirs = trained(tmp_path / "theirs", CUT3R)
    card = (trained(tmp_path / "after", OURS, init=theirs) / "README.md").read_text()
    assert "\nlicense: cc-by-nc-sa-4.0\n" in card and "Apache-2.0; its ancestors: cut3r, CC-BY-NC-SA-4.0 |" in card
    own = (trained(tmp_path / "own", OURS) / "README.md").read_text()
    assert "\nlicense: apache-2.0\n" in own and "ancestors:" not in own
    assert json.loads((tmp_path / "own" / "lineage.json").read_text())["earlier_priors"] is None


def test_a_resumable_checkpoint_says_it_too(tmp_path: Path) -> None:
    Checkpoint(tmp_path, 1, Identity("r", "d", None), 1, ("a",), situations=1, prior=CUT3R).write()
    record = json.loads((tmp_path / RECORD_FILE).read_text())
    assert record["prior"]["licence"] == "CC-BY-NC-SA-4.0"
    found = Checkpoint.read(tmp_path)
    assert found and found.prior == CUT3R
    del record["prior"]  # as they were
    (tmp_path / RECORD_FILE).write_text(json.dumps(record))
    assert Checkpoint.read(tmp_path)


def test_a_taught_tower_is_told_in_every_model_that_goes_on_from_it(tmp_path: Path) -> None:
    first = trained(tmp_path / "first", OURS)
    lineage = json.loads((first / "lineage.json").read_text())
    assert lineage["tower"] is None and "tower" not in (first / "README.md").read_text()
    taught = {"rooms": 12, "frames_seen": 384}
    (first / "lineage.json").write_text(json.dumps(lineage | {"tower": taught}))
    second = trained(tmp_path / "second", OURS, init=first)
    third = trained(tmp_path / "third", OURS, init=second)
    assert json.loads((third / "lineage.json").read_text())["tower"] == taught
    assert "taught on 12 rooms, 384 frames" in (third / "README.md").read_text()
