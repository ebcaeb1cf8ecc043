"""Packing is exact, and every term is what the paper says."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from loc3r.model.batch import NEAR_M
from loc3r.model.heads import Gaussian, bin_centres_rad, decode_heading, heading_target
from loc3r.model.losses import LossTerms, joint_loss, loss_weights, meant, shown, supervised
from loc3r.model.modelling import visible
from loc3r.recipe_sections import LossRecipe, ModelRecipe


def as_double(batch):
    floats = {n: v for n, v in vars(batch).items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    return replace(batch, **{name: value.double() for name, value in floats.items()})


@pytest.fixture
def videos(sample):
    """Two scenes with different numbers of questions of different lengths, one without a situation."""
    return [
        (0, [sample(1, 0), sample(2, 0, situated=False), sample(3, 0), sample(4, 0)]),
        (1, [sample(5, 1), sample(6, 1)]),
    ]


def gradients(model, total):
    model.zero_grad()
    total.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_packed_loss_and_gradients_equal_separate_ones(make_model, processor, pack, videos):
    model = make_model().double()
    packed = as_double(processor.collate([pack(scene, samples) for scene, samples in videos]))
    together = joint_loss(model(packed), packed, processor.config)
    packed_gradients = gradients(model, together.total())

    alone = [as_double(processor.collate([pack(scene, [s])])) for scene, samples in videos for s in samples]
    terms = [joint_loss(model(batch), batch, processor.config) for batch in alone]
    counts = {name: sum(t.counts[name] for t in terms) for name in together.counts}
    assert counts == together.counts
    total = sum(t.total(counts) for t in terms)
    for name in together.sums:
        separate = sum(t.sums[name].item() for t in terms)
        assert together.sums[name].item() == pytest.approx(separate, rel=1e-9), name
    separate_gradients = gradients(model, total)
    assert packed_gradients.keys() == separate_gradients.keys()
    for name, gradient in separate_gradients.items():
        scale = gradient.abs().max().clamp(min=1e-9)
        assert (packed_gradients[name] - gradient).abs().max() / scale < 1e-6, name


def test_every_trained_parameter_gets_a_gradient(make_model, processor, pack, videos):
    model = make_model()
    batch = processor.collate([pack(scene, samples) for scene, samples in videos])
    got = gradients(model, joint_loss(model(batch), batch, processor.config).total())
    assert {n for n, p in model.named_parameters() if p.requires_grad} == got.keys()
    assert all(g.abs().max() > 0 for g in got.values())
    assert "vlm.model.image_newline" in got


def test_a_question_knows_nothing_of_its_neighbours(model, processor, pack, sample):
    one = processor.collate([pack(0, [sample(1), sample(2)])])
    other = processor.collate([pack(0, [sample(1), sample(9)])])
    assert torch.allclose(model(one).heading_logits[0], model(other).heading_logits[0], atol=1e-6)
    assert not torch.allclose(model(one).heading_logits[1], model(other).heading_logits[1], atol=1e-3)


def test_targets_never_reach_the_outputs(model, processor, pack, sample):
    batch = processor.collate([pack(0, [sample(1), sample(2)])])
    targets = ("position_m", "heading_rad", "look_at_m", "mention_m", "patch_xy_m")
    changed = replace(batch, patch_valid=~batch.patch_valid, **{name: getattr(batch, name) + 1 for name in targets})
    before, after = model(batch), model(changed)
    assert torch.equal(before.position.mean_m, after.position.mean_m)
    assert torch.equal(before.heading_logits, after.heading_logits)
    assert torch.equal(before.answer_logits, after.answer_logits)
    assert torch.equal(before.layout.mean_m, after.layout.mean_m)


def test_mask_shows_the_video_and_the_own_question():
    seen = visible(torch.tensor([[0, 0, 1, 1, 2, -1]]))[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]
    assert visible(torch.tensor([[0, 1, 1]]), queries=1)[0, 0].int().tolist() == [[1, 1, 1]]


def test_untrained_terms_have_their_known_sizes(make_model, processor, pack, sample):
    """Place 0 and variance 1: half the squared distance; a uniform heading against two bins' width: 1.47 nats."""
    model = make_model()
    batch = processor.collate([pack(s, [sample(i, s) for i in range(8)]) for s in range(3)])
    means = joint_loss(model(batch), batch, processor.config).means()
    for name, target_m in (("position", batch.position_m), ("layout", batch.patch_xy_m[batch.patch_valid])):
        assert means[name] == pytest.approx(float(target_m.square().sum(-1).mean() / 2), rel=0.2)
    assert means["heading"] == pytest.approx(1.47, abs=0.1)


def test_samples_without_a_situation_are_not_told_a_pose(processor, pack, sample):
    batch = processor.collate([pack(0, [sample(1, situated=False)])])
    counts = supervised(batch, processor.config)
    assert (counts["position"], counts["heading"], counts["look_at"], counts["mention"]) == (0, 0, 0, 1)
    assert counts["answer"] > 0


def test_layout_counts_once_a_question(processor, pack, sample):
    once = supervised(processor.collate([pack(0, [sample(1)])]), processor.config)
    thrice = supervised(processor.collate([pack(0, [sample(1), sample(2), sample(3)])]), processor.config)
    assert thrice["layout"] == 3 * once["layout"] and thrice["naming"] == 3 * once["naming"]


def test_weights_are_the_papers():
    weights = loss_weights(LossRecipe())
    assert weights["layout"] == 0.05 and weights["position"] == 0.075
    assert weights["heading"] == pytest.approx(0.075 * 3.5)
    assert weights["naming"] == weights["mention"] == weights["look_at"] == 0


def test_total_divides_by_the_counts_of_the_whole_step():
    terms = LossTerms({"answer": torch.tensor(6.0)}, {"answer": 3.0}, {"answer": 0.5})
    assert float(terms.total()) == 1.0
    assert float(terms.total({"answer": 12.0})) == 0.25
    assert terms.means() == {"answer": 2.0}


@pytest.mark.parametrize("offset", [0.5, 0.0, 0.25])
def test_heading_survives_the_bins(offset):
    angles = torch.linspace(-math.pi, math.pi - 1e-3, 721)
    decoded, concentration = decode_heading((heading_target(angles, 36, offset, 2.0) + 1e-30).log(), offset)
    error = (decoded - angles + math.pi) % (2 * math.pi) - math.pi
    assert error.abs().max() < math.radians(0.01)
    assert concentration.min() > 0.9
    assert decode_heading(torch.zeros(1, 36), offset)[1] < 1e-5


@pytest.mark.parametrize(("model", "first_deg"), [({}, -175), ({"heading_bin_offset": 0}, -180)])
def test_bins_have_their_centres_where_the_recipe_says(model, first_deg):
    centres = bin_centres_rad(36, ModelRecipe(**model).heading_bin_offset, torch.zeros(1))
    expected = [math.radians(first_deg + 10 * i) for i in range(36)]
    assert centres.tolist() == pytest.approx(expected, abs=1e-6)


def test_moved_bins_move_the_loss_and_what_is_decoded_alike(model, processor, switched, pack, sample):
    """Half a bin less is a heading of half a bin less: the same numbers mean the same loss there."""
    moved = switched(heading_bin_offset=0.0).config
    batch = processor.collate([pack(0, [sample(1), sample(2)])])
    half_bin_less = replace(batch, heading_rad=batch.heading_rad - math.radians(5))
    outputs = model(batch)
    before = joint_loss(outputs, batch, processor.config).sums["heading"]
    after = joint_loss(outputs, half_bin_less, moved).sums["heading"]
    assert after.item() == pytest.approx(before.item(), rel=1e-4)
    assert joint_loss(outputs, batch, moved).sums["heading"].item() != pytest.approx(before.item(), rel=1e-3)


def test_only_chosen_data_sets_teach_where_tokens_are(processor, switched, scene, sample):
    def counts(processor, scene_id):
        packed = processor.pack(replace(scene(0), scene_id=scene_id), [replace(sample(1), scene_id=scene_id)])
        return supervised(processor.collate([packed]), processor.config)

    chosen = switched({"layout_datasets": ("scannet", "scannetpp")})
    everywhere = counts(processor, "41069021")
    assert everywhere["layout"] == scene(0).patch_valid.sum() == counts(chosen, "scene0000_00")["layout"]
    assert counts(chosen, "41069021") == {**everywhere, "layout": 0, "pointing": 0}


def test_gaussian_sigma_is_in_metres():
    place = Gaussian(torch.zeros(2), torch.tensor([math.log(4.0), 0.0]))
    assert np.allclose(place.sigma_m, [2, 1])


def test_gradient_checkpointing_changes_nothing(make_model, processor, pack, videos):
    batch = processor.collate([pack(scene, samples) for scene, samples in videos])
    plain, saving = make_model().train(), make_model().train()
    saving.vlm.gradient_checkpointing_enable({"use_reentrant": False})
    expected, got = (gradients(m, joint_loss(m(batch), batch, processor.config).total()) for m in (plain, saving))
    assert expected.keys() == got.keys()
    assert all(torch.allclose(got[name], expected[name], atol=1e-5) for name in expected)


def test_pointing_is_the_attention_of_the_head_that_it_names(make_model, processor, pack, videos):
    """The log-probabilities are those of the layer itself, recomputed here with a plain softmax over its own scores."""
    model = make_model().eval()
    batch = processor.collate([pack(scene, samples) for scene, samples in videos])
    caught = {}
    block = model.language.layers[processor.config.model.mention_layer - 1].self_attn
    handle = block.register_forward_hook(lambda module, _, kwargs, __: caught.update(kwargs), with_kwargs=True)
    pointing = model(batch).pointing
    handle.remove()
    attention = first_head(block, caught, batch)
    row, at = batch.mention_at // batch.ids.shape[1], batch.mention_at % batch.ids.shape[1]
    image = batch.ids[0] == processor.config.tokens.image
    torch.testing.assert_close(pointing.exp(), attention[row, at][:, image], atol=1e-6, rtol=1e-4)


def test_texts_of_people_that_mark_no_mention_teach_what_they_can(make_model, processor, pack, sample):
    samples = [replace(sample(i), mentions=()) for i in (1, 2)]
    batch = processor.collate([pack(0, samples)])
    outputs = make_model()(batch)
    assert len(outputs.pointing) == 0
    loss = joint_loss(outputs, batch, processor.config).total()
    loss.backward()
    assert loss.isfinite()


def test_pose_tokens_point_with_the_layer_after_the_mentions(make_model, processor, pack, videos):
    model = make_model().eval()
    batch = processor.collate([pack(scene, samples) for scene, samples in videos])
    caught = {}
    block = model.language.layers[processor.config.model.mention_layer].self_attn
    handle = block.register_forward_hook(lambda module, _, kwargs, __: caught.update(kwargs), with_kwargs=True)
    pointing = model(batch).pose_pointing
    handle.remove()
    attention = first_head(block, caught, batch).flatten(0, 1)
    expected = torch.stack([attention[batch.pos_at], attention[batch.pos_at + 1]])
    torch.testing.assert_close(pointing.exp(), expected, atol=1e-6, rtol=1e-4)


def first_head(block, caught, batch):
    """Attention (B, N, N) of the first head of a layer, from what its attention was called with."""
    hidden, (cos, sin) = caught["hidden_states"], caught["position_embeddings"]
    shape = (*batch.ids.shape, -1, block.head_dim)
    query, key = (
        norm(projection(hidden).view(shape))[:, :, 0]
        for norm, projection in ((block.q_norm, block.q_proj), (block.k_norm, block.k_proj))
    )

    def turned(states):
        first, second = states.chunk(2, -1)
        return states * cos + torch.cat([-second, first], -1) * sin

    scores = turned(query) @ turned(key).transpose(1, 2) * block.scaling
    return scores.masked_fill(~visible(batch.owner)[:, 0], -torch.inf).softmax(-1)


def test_a_front_costs_the_square_of_what_it_is_off(model, processor, pack, sample):
    batch = processor.collate([pack(0, [sample(1), sample(2)])])
    told = model(batch)
    assert told.mention_front.shape == batch.mention_front.shape == (6, 2)
    off = replace(told, mention_front=batch.mention_front + torch.tensor([0.3, -0.4]))
    assert joint_loss(off, batch, processor.config).means()["front"] == pytest.approx(0.25)
    unknown = batch.mention_front.clone()
    unknown[1:] = math.nan
    terms = joint_loss(told, replace(batch, mention_front=unknown), processor.config)
    assert terms.counts["front"] == 1
    assert terms.means()["front"] == pytest.approx(float((told.mention_front - unknown)[0].detach().square().sum()))


def test_patches_tell_fronts_as_often_as_their_video_is_asked(model, processor, pack, sample):
    batch = processor.collate([pack(0, [sample(1), sample(2)]), pack(1, [sample(3, scene=1)])])
    told, known = model(batch), batch.patch_front.isfinite().all(-1).flatten(1).sum(1)
    assert told.patch_front.shape == batch.patch_front.shape and known.all()
    wrong = torch.tensor([[0.3, -0.4], [0.6, 0.8]]).view(2, 1, 1, 1, 2)
    off = replace(told, patch_front=batch.patch_front.nan_to_num() + wrong)
    terms = joint_loss(off, batch, processor.config)
    assert terms.counts["patch_front"] == 2 * known[0] + known[1]
    expected = (2 * known[0] * 0.25 + known[1]) / (2 * known[0] + known[1])
    assert terms.means()["patch_front"] == pytest.approx(float(expected))


def test_only_near_tokens_of_the_right_name_show_an_object(processor, pack, videos):
    batch = processor.collate([pack(scene, samples) for scene, samples in videos])
    target = shown(batch)
    assert target.any() and not target.all(-1).any()
    for mention, token in target.nonzero().tolist():
        row = int(batch.mention_at[mention]) // batch.ids.shape[1]
        assert batch.patch_class[row].flatten()[token] == batch.mention_class[mention]
        assert math.dist(batch.patch_xy_m[row].flatten(0, 2)[token], batch.mention_m[mention]) < NEAR_M


def test_pose_tokens_mean_the_mention_beside_the_speaker_and_the_one_faced(processor, pack, videos):
    rows = [pack(scene, samples) for scene, samples in videos]
    batch = processor.collate(rows)
    target, length = meant(batch), batch.ids.shape[1]
    situated = batch.position_m.isfinite().all(-1)
    assert (target.any(-1) == situated).all() and (target.sum(-1) <= 2).all()
    for which, question, token in target.nonzero().tolist():
        start = int(batch.pos_at[question]) // length * length
        mention = (batch.mention_at == start + token).nonzero().item()
        assert token < int(batch.pos_at[question]) - start
        goal_m, near_m = ((batch.position_m, NEAR_M), (batch.look_at_m, 0.01))[which]
        assert math.dist(goal_m[question], batch.mention_m[mention]) < near_m


def test_a_model_of_half_precision_has_losses_of_full_precision(make_model, processor, pack, videos):
    batch = processor.collate([pack(scene, samples) for scene, samples in videos])
    half, full = (
        joint_loss(model(batch), batch, processor.config) for model in (make_model().bfloat16(), make_model())
    )
    assert half.sums["heading"].dtype == torch.float32
    for name, mean in full.means().items():
        assert half.means()[name] == pytest.approx(mean, rel=0.1), name
