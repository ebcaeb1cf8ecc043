"""A taught tower: what it learns, the checkpoint that it ends in, and a teaching that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file
from taught import NAMES, VALUES
from torch.nn import functional as F

from loc3r.cli import loc3r
from loc3r.errors import CheckpointError
from loc3r.files import read_json
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import train_tokenizer
from loc3r.model.tower import Lite0
from loc3r.recipe import parse_recipe
from loc3r.tower.network import TaughtTower, mean_colours
from loc3r.tower.pictures import Pictures, read_rooms
from loc3r.tower.training import STATE_FILE, Teacher, TowerRecipe, drawn, measure, structure_of, teach

SHORT = TowerRecipe(steps=6, frames_per_step=4)


def pictures(rooms, recipe) -> Pictures:
    return Pictures.joined(read_rooms(rooms, recipe.data, NAMES))


def test_colours_are_those_of_a_token_s_parts():
    pixels = torch.zeros(1, 3, 64, 64)
    pixels[0, 0, :16, :16] = 1  # red: the first part of the first token
    pixels[0, 2, 48:, 48:] = 1  # blue: the last part of the last one
    colours = mean_colours(pixels, side=2)
    assert colours.shape == (1, 2, 2, 12)
    assert colours[0, 0, 0].tolist() == [1, *[0] * 11] and colours[0, 1, 1].tolist() == [*[0] * 11, 1]
    assert colours.sum() == 2


def test_a_mirrored_frame_takes_its_truths_with_it(rooms, recipe):
    shown = pictures(rooms, recipe)
    batch = drawn(shown, 32, np.random.default_rng(0))
    left, right = (F.avg_pool2d(torch.from_numpy(f).permute(0, 3, 1, 2).float(), 8) for f in both_ways(shown.frames))
    for pixels, cells, tokens, depth in zip(
        batch.pixels, batch.cell_class, batch.token_class, batch.depth_m, strict=True
    ):
        seen = F.avg_pool2d(pixels, 8).flatten()
        alike = [max(like(seen, each[i].flatten()) for i in range(len(each))) for each in (left, right)]
        way = int(alike[1] > alike[0])
        index = max(range(len(shown)), key=lambda i: like(seen, (left, right)[way][i].flatten()))
        for found, true in ((cells, shown.cell_class), (tokens, shown.token_class), (depth, shown.depth_m)):
            expected = true[index, :, ::-1] if way else true[index]
            assert np.array_equal(found.numpy(), expected.astype(found.numpy().dtype))


def both_ways(frames):
    return frames, frames[:, :, ::-1].copy()


def like(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def test_a_tower_learns_what_is_shown(rooms, recipe, checkpoint, tmp_path):
    model, shown = Loc3R.load(checkpoint), pictures(rooms, recipe)
    structure = structure_of(NAMES)
    torch.manual_seed(0)
    before = measure(TaughtTower(Lite0.pretrained(), len(NAMES)), shown, structure)
    teacher = Teacher(model, shown, TowerRecipe(steps=40, frames_per_step=16), tmp_path, start="x")
    teacher.run(save_every=100)
    after = measure(teacher.network, shown, structure)
    assert after["tokens_named"] > 0.5 > before["tokens_named"]
    assert after["log_depth_error"] < 0.5 * before["log_depth_error"]


def test_the_checkpoint_has_the_taught_tower_and_all_that_training_reads(rooms, checkpoint, tmp_path):
    out = tmp_path / "taught"
    told = CliRunner().invoke(
        loc3r, ["tower", "train", "--model", str(checkpoint), "--rooms", str(rooms), "--out", str(out), "--steps", "3"]
    )
    assert told.exit_code == 0, told.output
    record = read_json(out / "tower.json")
    assert record["rooms"] == 2 and record["held_out_rooms"] == 1 and record["frames_seen"] == 3 * 64
    assert record["explained_share"] > 0.8
    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, out))
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert changed and all("vision_tower" in name or "multi_modal_projector.linear_1" in name for name in changed)
    assert (out / "recipe.yaml").read_bytes() == (checkpoint / "recipe.yaml").read_bytes()
    said = {name: value for name, value in record.items() if name != "losses"}
    assert read_json(out / "lineage.json") == {**read_json(checkpoint / "lineage.json"), "tower": said}
    assert not (out / STATE_FILE).exists()
    assert not any(weight.requires_grad for weight in Loc3R.load(out).vlm.model.vision_tower.parameters())


def test_a_killed_teaching_goes_on_to_the_same_weights(rooms, checkpoint, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    teach(checkpoint, rooms, whole, SHORT, save_every=100)
    script = (
        "import sys; from pathlib import Path; from loc3r.tower.training import TowerRecipe, teach\n"
        "if __name__ == '__main__':\n"
        "    teach(*map(Path, sys.argv[1:4]), TowerRecipe(steps=6, frames_per_step=4), save_every=1)\n"
    )
    (tmp_path / "teach.py").write_text(script)
    paths = map(str, (checkpoint, rooms, killed))
    process = subprocess.Popen([sys.executable, str(tmp_path / "teach.py"), *paths], start_new_session=True)
    while not (killed / STATE_FILE).exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "model.safetensors").exists()
    reached = torch.load(killed / STATE_FILE, weights_only=True)["step"]
    assert reached > 0
    teach(checkpoint, rooms, killed, SHORT)
    for name, weight in load_file(whole / "model.safetensors").items():
        torch.testing.assert_close(load_file(killed / "model.safetensors")[name], weight)


def test_another_teaching_s_state_is_not_taken_over(rooms, recipe, checkpoint, tmp_path):
    model, shown = Loc3R.load(checkpoint), pictures(rooms, recipe)
    Teacher(model, shown, SHORT, tmp_path, start="x").run(save_every=1)
    other = Teacher(model, shown, SHORT, tmp_path, start="y")
    other._resume()
    assert other.step == 0
    same = Teacher(model, shown, SHORT, tmp_path, start="x")
    same._resume()
    assert same.step == 6


def test_other_towers_are_refused(tmp_path, rooms):
    values = yaml.safe_load(yaml.safe_dump(VALUES))
    values["model"]["vision"] = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": False}
    tokenizer = train_tokenizer([" ".join(NAMES)], 600)
    Loc3R(Loc3RConfig.from_recipe(parse_recipe(values), NAMES, tokenizer)).save(tmp_path / "siglip", tokenizer)
    with pytest.raises(CheckpointError, match="only the small tower"):
        teach(tmp_path / "siglip", rooms, tmp_path / "out", SHORT)
