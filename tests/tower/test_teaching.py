"""A taught tower: what it learns, the checkpoint that it ends in, and a teaching that is killed."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file
from taught import NAMES, VALUES
from torch.nn import functional as F

from loc3r.cli import loc3r
from loc3r.errors import CheckpointError, DataError, TrainingError
from loc3r.files import read_json, write_json
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R
from loc3r.model.tokenizer import train_tokenizer
from loc3r.model.tower import Lite0
from loc3r.recipe import parse_recipe
from loc3r.tower.network import TaughtTower, both_turns, mean_colours
from loc3r.tower.pictures import Pictures, read_rooms
from loc3r.tower.teacher import Teacher, TowerRecipe, drawn, structure_of
from loc3r.tower.training import measure, teach
from loc3r.train.job import hash_weights

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
    for pixels, cells, tokens, depth, front in zip(
        batch.pixels, batch.cell_class, batch.token_class, batch.depth_m, batch.token_front, strict=True
    ):
        seen = F.avg_pool2d(pixels, 8).flatten()
        alike = [max(like(seen, each[i].flatten()) for i in range(len(each))) for each in (left, right)]
        way = int(alike[1] > alike[0])
        index = max(range(len(shown)), key=lambda i: like(seen, (left, right)[way][i].flatten()))
        for found, true in ((cells, shown.cell_class), (tokens, shown.token_class), (depth, shown.depth_m)):
            expected = true[index, :, ::-1] if way else true[index]
            assert np.array_equal(found.numpy(), expected.astype(found.numpy().dtype))
        expected = shown.token_front[index, :, ::-1] * [1, -1] if way else shown.token_front[index]
        assert np.array_equal(front.numpy(), expected.astype(np.float32), equal_nan=True)


def both_ways(frames):
    return frames, frames[:, :, ::-1].copy()


def like(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def test_a_tower_learns_what_is_shown(rooms, recipe, tmp_path):
    shown, structure = pictures(rooms, recipe), structure_of(NAMES)
    torch.manual_seed(0)
    before = measure(TaughtTower(Lite0.pretrained(), len(NAMES)), shown, structure)
    lessons = TowerRecipe(steps=40, frames_per_step=16)
    teacher = Teacher(Lite0.pretrained(), NAMES, shown, lessons, tmp_path / "state", "x")
    teacher.run(save_every=100)
    after = measure(teacher.network, shown, structure)
    assert after["tokens_named"] > 0.5 > before["tokens_named"]
    assert after["log_depth_error"] < 0.5 * before["log_depth_error"]
    assert after["front_error_deg"] < 0.5 * before["front_error_deg"]


def test_a_stool_faces_as_much_as_a_quarter_turn_leaves_of_it():
    turned_rad = torch.arange(8) * math.pi / 2 + 0.1
    said = both_turns(torch.stack([turned_rad.cos(), turned_rad.sin()], -1))
    assert torch.allclose(said[:, :2].norm(dim=-1), torch.ones(8)) and len(said[:, 0].round(decimals=3).unique()) == 4
    assert torch.allclose(said[:, 2:], torch.tensor([math.cos(0.4), math.sin(0.4)]).expand(8, 2), atol=1e-5)


def test_the_checkpoint_has_the_taught_tower_and_all_that_training_reads(rooms, checkpoint, tmp_path):
    out = tmp_path / "runs" / "taught"
    asked = ["tower", "train", "--model", checkpoint, "--rooms", rooms, "--out", out, "--steps", "3"]
    told = CliRunner().invoke(loc3r, [str(part) for part in asked])
    assert told.exit_code == 0, told.output
    record = read_json(out / "tower.json")
    assert json.loads(told.stdout) == {name: value for name, value in record.items() if name != "losses"}
    assert record["rooms"] == 2 and record["frames_seen"] == 3 * 64 and record["parent"] == hash_weights(checkpoint)
    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, out))
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert {"vlm.model.multi_modal_projector.linear_1.weight", "vlm.model.vision_tower.mean"} < changed
    assert all("vision_tower" in name or "multi_modal_projector.linear_1" in name for name in changed)
    assert (out / "recipe.yaml").read_bytes() == (checkpoint / "recipe.yaml").read_bytes()
    lineage = read_json(out / "lineage.json")
    assert lineage["situations_seen"] == 5 and lineage["tower"]["rooms_hash"] == record["rooms_hash"]
    assert lineage["parent"] == record["parent"]
    assert {path.name for path in out.parent.iterdir()} == {"taught"}  # no draft, no state
    assert not any(weight.requires_grad for weight in Loc3R.load(out).vlm.model.vision_tower.parameters())


KILLED = """
import os, signal, sys
from pathlib import Path
from loc3r.tower.teacher import Teacher, TowerRecipe
from loc3r.tower.training import teach

save = Teacher._save

def save_and_die(teacher):
    save(teacher)
    if teacher.step == 4:
        os.kill(os.getpid(), signal.SIGKILL)

Teacher._save = save_and_die
if __name__ == "__main__":
    teach(*map(Path, sys.argv[1:]), TowerRecipe(steps=6, frames_per_step=4), save_every=2)
"""


def test_a_killed_teaching_goes_on_to_the_same_weights(rooms, checkpoint, tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    teach(checkpoint, rooms, whole, SHORT)
    (tmp_path / "teach.py").write_text(KILLED)
    done = subprocess.run([sys.executable, tmp_path / "teach.py", checkpoint, rooms, killed])
    assert done.returncode == -signal.SIGKILL and not killed.exists()
    steps, take_step = [], Teacher._take_step
    monkeypatch.setattr(Teacher, "_take_step", lambda teacher: (steps.append(teacher.step), take_step(teacher)))
    teach(checkpoint, rooms, killed, SHORT)
    assert steps == [4, 5]
    again = load_file(killed / "model.safetensors")
    for name, weight in load_file(whole / "model.safetensors").items():
        torch.testing.assert_close(again[name], weight)
    record = teach(checkpoint, rooms, killed, SHORT)  # what is done is not done again
    assert steps == [4, 5] and record == read_json(killed / "tower.json")
    with pytest.raises(CheckpointError, match="another model"):
        teach(checkpoint, rooms, killed, TowerRecipe(steps=7, frames_per_step=4))
    with pytest.raises(CheckpointError, match="another model"):
        teach(checkpoint, rooms, checkpoint, SHORT)


def test_another_teaching_s_state_is_not_taken_over(rooms, recipe, tmp_path):
    shown, steps = pictures(rooms, recipe), {}
    for identity in ("x", "y", "y"):
        teacher = Teacher(Lite0.pretrained(), NAMES, shown, SHORT, tmp_path / "state", identity)
        teacher._resume()
        steps[identity] = teacher.step
        teacher.run(save_every=2)
    assert steps == {"x": 0, "y": 6}


def test_a_rate_that_diverges_is_named(rooms, recipe, tmp_path):
    lessons = TowerRecipe(steps=200, frames_per_step=4, learning_rate=1e30)
    with pytest.raises(TrainingError, match="not finite"):
        Teacher(Lite0.pretrained(), NAMES, pictures(rooms, recipe), lessons, tmp_path / "state", "x").run(100)


@pytest.mark.parametrize("manifest", [{}, {"split": "test", "rooms": 9}, {"split": "train", "rooms": 1}])
def test_only_training_rooms_are_taught(checkpoint, tmp_path, manifest):
    write_json(tmp_path / "rooms" / "manifest.json", manifest)
    with pytest.raises(DataError, match="taught on training rooms"):
        teach(checkpoint, tmp_path / "rooms", tmp_path / "out", SHORT)


def test_other_towers_are_refused(tmp_path, rooms):
    values = yaml.safe_load(yaml.safe_dump(VALUES))
    values["model"]["vision"] = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": False}
    tokenizer = train_tokenizer([" ".join(NAMES)], 600)
    Loc3R(Loc3RConfig.from_recipe(parse_recipe(values), NAMES, tokenizer)).save(tmp_path / "siglip", tokenizer)
    with pytest.raises(CheckpointError, match="only the small tower"):
        teach(tmp_path / "siglip", rooms, tmp_path / "out", SHORT)
