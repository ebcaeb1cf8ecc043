import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from loc3r.errors import CheckpointError
from loc3r.model.checkpoint import check_weights, load_weights
from loc3r.model.inference import Localiser, Query
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor


@pytest.fixture(scope="module")
def saved(model, processor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save(folder, processor.tokenizer)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def test_a_loaded_model_answers_the_same(saved, model, processor, frames, cameras):
    queries = [Query("I am close to the bed.", "What is behind me?")]
    original, loaded = Localiser(model, processor), Localiser.load(saved)
    answers = [each.ask(each.open_scene(frames, cameras), queries) for each in (original, loaded)]
    assert answers[0] == answers[1]
    assert Processor.load(saved).config == processor.config


def test_the_readout_is_tied_and_stored_once(saved):
    loaded = Loc3R.load(saved)
    assert loaded.vlm.lm_head.weight is loaded.language.embed_tokens.weight
    assert "vlm.lm_head.weight" not in load_file(saved / "model.safetensors")


@pytest.mark.parametrize("file", ["model.safetensors", "loc3r_config.json"])
def test_a_missing_file_is_named(copy, file):
    (copy / file).unlink()
    with pytest.raises(CheckpointError, match=file):
        Loc3R.load(copy)


def test_a_missing_tokenizer_is_named(copy):
    (copy / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Processor.load(copy)


def test_damaged_weights_are_named(copy):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    for look in (check_weights, Loc3R.load):
        with pytest.raises(CheckpointError, match="damaged"):
            look(copy)


def test_weights_of_another_model_are_found_without_reading_them(copy):
    check_weights(copy)
    config = json.loads((copy / "loc3r_config.json").read_text())
    config["model"]["language"]["intermediate"] += 2
    (copy / "loc3r_config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="of another shape"):
        check_weights(copy)


def test_other_weights_are_counted(copy):
    path = copy / "model.safetensors"
    weights = load_file(path)
    weights["heads.layout.weight"] = torch.zeros(4, 7)
    weights["stranger"] = weights.pop("heads.layout.bias")
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"1 missing .*layout.bias.*1 unexpected .*stranger.*1 of another"):
        Loc3R.load(copy)


def test_an_unknown_config_key_is_an_error(copy):
    path = copy / "loc3r_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "wings": 2}))
    with pytest.raises(CheckpointError, match="can't be read"):
        Loc3R.load(copy)


def test_a_config_from_before_a_field_came_means_its_default(copy, processor):
    path = copy / "loc3r_config.json"
    config = json.loads(path.read_text())
    del config["data"]["bird_eye_yaw"], config["loss"]["layout_datasets"]
    for name in ("head_activation", "heading_bin_offset", "pose_token_spacing", "pose_tokens_without_situation"):
        del config["model"][name]
    path.write_text(json.dumps(config))
    assert Loc3R.load(copy).config == processor.config


def test_frames_are_floats_of_the_loaded_models_size(saved, frames):
    assert np.isfinite(Processor.load(saved).pixels(frames)).all()


def test_a_deeper_model_begins_where_the_checkpoint_ended(saved, model, processor, pack, sample):
    config = processor.config
    language = config.model.language.model_copy(update={"layers": config.model.language.layers + 2})
    deeper = Loc3R(config.model_copy(update={"model": config.model.model_copy(update={"language": language})})).eval()
    with pytest.raises(CheckpointError, match="fit its config"):
        load_weights(deeper, saved)
    load_weights(deeper, saved, deepen=True)
    batch = processor.collate([pack(0, [sample(1), sample(2)])])
    torch.testing.assert_close(deeper(batch).heading_logits, model(batch).heading_logits)
    torch.testing.assert_close(deeper(batch).position.mean_m, model(batch).position.mean_m)
