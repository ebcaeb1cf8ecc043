"""Words are told where their things are from the speaker's place."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loc3r.errors import CheckpointError, RecipeError
from loc3r.model.checkpoint import load_weights
from loc3r.model.egocentric import NEAREST_M, from_speaker, told_words
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.recipe import parse_recipe

METRES, ANGLES = st.floats(-8, 8), st.floats(-4, 4)


@given(METRES, METRES, ANGLES, st.floats(NEAREST_M, 9), ANGLES)
def test_a_thing_is_where_its_direction_and_distance_say(x_m, y_m, heading_rad, distance_m, turn_rad):
    """``turn_rad`` to the left of the heading."""
    bearing_rad = heading_rad + turn_rad
    place = torch.tensor([x_m + distance_m * math.cos(bearing_rad), y_m + distance_m * math.sin(bearing_rad)]).double()
    view = from_speaker(place, torch.tensor([x_m, y_m]).double(), torch.tensor(heading_rad).double())
    cos, sin = math.cos(turn_rad), math.sin(turn_rad)
    expected = [distance_m * cos, distance_m * sin, cos, sin, math.log(distance_m)]
    torch.testing.assert_close(view, torch.tensor(expected).double(), atol=1e-5, rtol=0)


def test_what_is_at_the_speakers_feet_has_finite_measures():
    here = torch.tensor([[1.0, 2.0]])
    assert from_speaker(here, here, torch.zeros(1)).tolist() == [[0, 0, 0, 0, pytest.approx(math.log(NEAREST_M))]]


def test_the_words_of_a_question_are_told_and_no_others(processor, pack, sample):
    videos = {0: [sample(1, 0), sample(2, 0, situated=False)], 1: [sample(5, 1)]}
    texts = [each.question for samples in videos.values() for each in samples]
    apart = processor.collate([pack(video, samples) for video, samples in videos.items()])
    joined = processor.collate_rows([[pack(video, samples) for video, samples in videos.items()]])
    for batch in (apart, joined):
        words, question = told_words(batch)
        assert question.unique().tolist() == [0, 1, 2]
        for index, text in enumerate(texts):
            said = processor.tokenizer.decode(batch.ids.flatten()[words[question == index]])
            assert said.startswith(text) and said.endswith("assistant<|im_end|>")  # the last one, which nobody reads


def test_answers_learn_from_the_view_but_do_not_move_places(make_model, processor, pack, sample):
    model, batch = make_model(), processor.collate([pack(0, [sample(1), sample(2)])])
    terms = joint_loss(model(batch), batch, processor.config)
    terms.sums["answer"].backward()
    heads = {name for name, weight in model.heads.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert "tell.weight" in heads and not {name for name in heads if name.startswith(("position", "heading", "layout"))}


def test_a_turned_speaker_is_told_another_view(make_model, processor, pack, sample, monkeypatch):
    model, batch = make_model().eval(), processor.collate([pack(0, [sample(1), sample(2)])])
    before, pose = model(batch), model.heads.pose

    def turned(*hidden):
        position, look_at, logits = pose(*hidden)
        return position, look_at, logits.roll(logits.shape[-1] // 2, -1)

    monkeypatch.setattr(model.heads, "pose", turned)
    after = model(batch)
    assert torch.equal(before.layout.mean_m, after.layout.mean_m)
    assert not torch.allclose(before.answer_logits, after.answer_logits, atol=1e-3)


def test_a_model_that_gains_it_begins_where_the_checkpoint_ended(processor, switched, pack, sample, tmp_path):
    torch.manual_seed(0)
    Loc3R(switched(egocentric_layer=None).config).save(tmp_path, processor.tokenizer)
    before, gaining = Loc3R.load(tmp_path).eval(), Loc3R(processor.config).eval()
    with pytest.raises(CheckpointError, match=r"1 missing \(first: heads.tell.weight"):
        load_weights(gaining, tmp_path)
    load_weights(gaining, tmp_path, deepen=True)
    batch = processor.collate([pack(0, [sample(1), sample(2)])])
    torch.testing.assert_close(gaining(batch).answer_logits, before(batch).answer_logits)


@pytest.mark.parametrize(("layer", "model"), [(0, {}), (28, {}), (3, {"pose_tokens_without_situation": False})])
def test_a_layer_that_nothing_follows_or_precedes_is_refused(layer, model):
    with pytest.raises(RecipeError, match="egocentric_layer"):
        parse_recipe({"name": "t", "model": {"egocentric_layer": layer, **model}})
