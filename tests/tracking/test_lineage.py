from __future__ import annotations

from pathlib import Path

import pytest

from loc3r.errors import CheckpointError, ServiceError
from loc3r.tracking.lineage import model_hash, read_lineage, tags_of
from loc3r.tracking.runs import connect, flatten


def checkpoint(folder: Path, weights: bytes = b"w") -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "loc3r_config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_papers_do_not_change_a_models_name_but_calibration_and_weights_do(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a")
    before = model_hash(folder)
    (folder / "scores.json").write_text("{}")
    (folder / "README.md").write_text("good")
    assert model_hash(folder) == before == model_hash(checkpoint(tmp_path / "b"))
    (folder / "calibration.json").write_text("{}")
    assert model_hash(folder) != before == model_hash(folder, calibrated=False)
    (folder / "model.safetensors").write_bytes(b"x")
    assert model_hash(folder, calibrated=False) != before


@pytest.mark.parametrize("missing", ["model.safetensors", "loc3r_config.json", "tokenizer.json"])
def test_half_a_checkpoint_is_refused_by_name(tmp_path: Path, missing: str) -> None:
    folder = checkpoint(tmp_path / "a")
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match="not a whole") as caught:
        model_hash(folder)
    assert missing in str(caught.value.received)


def test_no_lineage_is_an_empty_one(tmp_path: Path) -> None:
    assert read_lineage(tmp_path) == {}


def test_tags_are_prefixed_text_and_nothing_is_left_out_silently_but_none() -> None:
    assert tags_of({"seed": 3, "parent": None}) == {"loc3r.seed": "3"}


def test_nested_parameters_become_dotted() -> None:
    assert dict(flatten({"a": {"b": {"c": 1}}, "d": 2})) == {"a.b.c": 1, "d": 2}


def test_a_server_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(ServiceError, match="does not answer") as caught:
        connect("http://127.0.0.1:9")
    assert "loc3r up" in caught.value.fix
