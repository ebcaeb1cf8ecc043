"""The fitted factor: it changes how sure a model says it is of a place, and nothing else."""

from dataclasses import astuple, replace

import pytest

from loc3r.errors import CheckpointError
from loc3r.model.calibration import CALIBRATION_FILE, Calibration, read_calibration, sigma_temperature
from loc3r.model.inference import Localiser, Query

FITTED = Calibration(2.5, "w", "d", 100, 10, 0.2, 0.01)


def test_a_calibrated_checkpoint_scales_the_sigma_of_places_and_nothing_else(
    model, processor, frames, cameras, tmp_path
):
    model.save(tmp_path, processor.tokenizer)
    raw = Localiser.load(tmp_path)
    FITTED.write(tmp_path)
    calibrated = Localiser.load(tmp_path)
    query = Query("I am close to the bed.", "What is behind me?")
    before, after = (
        each.ask(each.open_scene(frames, cameras), [query], max_new_tokens=2)[0] for each in (raw, calibrated)
    )
    assert after.text == before.text
    assert (after.pose.sigma_x_m, after.pose.sigma_y_m) == pytest.approx(
        (2.5 * before.pose.sigma_x_m, 2.5 * before.pose.sigma_y_m)
    )
    same = replace(after.pose, sigma_x_m=before.pose.sigma_x_m, sigma_y_m=before.pose.sigma_y_m)
    assert astuple(same) == astuple(before.pose)
    streamed = next(calibrated.stream(calibrated.open_scene(frames, cameras), query, max_new_tokens=1))
    assert streamed.sigma_x_m == pytest.approx(after.pose.sigma_x_m, rel=1e-5)


def test_without_a_file_the_factor_is_one(tmp_path):
    assert read_calibration(tmp_path) is None
    assert sigma_temperature(tmp_path) == 1.0
    FITTED.write(tmp_path)
    assert read_calibration(tmp_path) == FITTED
    assert sigma_temperature(tmp_path) == 2.5


@pytest.mark.parametrize("text", ["{", "{}", '{"sigma_temperature": 0}', "[1]"])
def test_a_damaged_file_is_refused(tmp_path, text):
    (tmp_path / CALIBRATION_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="damaged"):
        read_calibration(tmp_path)


def test_a_factor_that_is_no_scale_is_refused(tmp_path):
    replace(FITTED, sigma_temperature=-1.0).write(tmp_path)
    with pytest.raises(CheckpointError, match="damaged"):
        read_calibration(tmp_path)
