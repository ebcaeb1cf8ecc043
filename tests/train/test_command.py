"""What ``loc3r train`` refuses before it starts any rank."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import small_recipe, write_data, write_recipe

from loc3r.cli import main
from loc3r.errors import TrainingError
from loc3r.services.process import free_port
from loc3r.train.trainer import locked


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    data = write_data(tmp_path / "data", small_recipe())
    recipe = write_recipe(tmp_path / "recipe.yaml")
    return ["train", "--recipe", str(recipe), "--data", str(data), "--out", str(tmp_path / "out"), "--device", "cpu"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--ranks", "3"], "a step does not divide over the ranks"),
        (["--set", "train.stepz=3"], "did you mean 'steps'?"),
        (["--set", "data.frames=3"], "the data was prepared for another recipe"),
        (["--set", "train.situation_forms=[astride]"], "the data holds no sample to train on"),
        (["--set", "model.prior_dim=768"], "set model.prior_dim=4"),
        (["--set", "commercial=true", "--set", "data.prior=cut3r"], "CC-BY-NC-SA-4.0"),
        (["--init", "nowhere"], "no weights to start from"),
        (["--set", "train.steps.x=1"], "an override reaches below a value"),
        (["--set", "train.offload=true", "--set", "train.zero_stage=1"], "received: train.offload needs"),
        (["--tracking-uri", f"http://127.0.0.1:{free_port()}"], "MLflow does not answer"),
    ],
)
def test_a_wrong_job_is_explained_at_once(
    arguments: list[str], options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracking = [] if "--tracking-uri" in options else ["--tracking-uri", "none"]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, *tracking, *options])
    assert stopped.value.code == 1
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_missing_data_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml")
    with pytest.raises(SystemExit):
        main(["train", "--recipe", str(recipe), "--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert "prepared data is missing" in capsys.readouterr().err


def test_a_folder_is_written_by_one_training_at_a_time(tmp_path: Path) -> None:
    with locked(tmp_path, first=True):
        with locked(tmp_path, first=False):
            pass
        with pytest.raises(TrainingError, match="another training is running"), locked(tmp_path, first=True):
            pass
    with locked(tmp_path, first=True):
        pass
