"""Rows of several videos, each with its questions: the loss and the gradients of one question a video."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.attention.flex_attention as flex

from loc3r.model import attention, modelling
from loc3r.model.attention import Packing, block_mask, shared_video_attention
from loc3r.model.batch import PADDING, VIDEO, put_together, take_apart, video_of
from loc3r.model.losses import joint_loss, supervised
from loc3r.model.modelling import visible

MIXED = [(1, True), (2, False), (3, True), (4, True)], [(5, True)], [(6, False), (7, True), (8, False)]
"""Questions of three videos: seed, and whether there is a situation."""
UNSITUATED = tuple([(seed, False) for seed, _ in some] for some in MIXED)
TWO_ROWS = [[2, 0], [1]]
LAYOUTS = [[[0, 1, 2]], TWO_ROWS, [[0], [1], [2]]]
"""Which videos share a row."""


def as_double(batch):
    floats = {n: v for n, v in vars(batch).items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    return replace(batch, **{name: value.double() for name, value in floats.items()})


@pytest.fixture
def rows_of(processor, pack, sample):
    """A batch with the questions of ``MIXED`` (or others) behind the videos of each row."""

    def make(layout, asked=MIXED):
        return processor.collate_rows(
            [[pack(v, [sample(seed, v, situated=told) for seed, told in asked[v]]) for v in row] for row in layout]
        )

    return make


@pytest.fixture
def alone(processor, pack, sample):
    """The same questions, each behind a video of its own."""

    def make(asked=MIXED):
        return [
            processor.collate([pack(v, [sample(seed, v, situated=told)])])
            for v, some in enumerate(asked)
            for seed, told in some
        ]

    return make


def loss_and_gradients(model, batches, config):
    counts = [supervised(batch, config) for batch in batches]
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    model.zero_grad()
    loss = sum(joint_loss(model(as_double(batch)), as_double(batch), config).total(total) for batch in batches)
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def check_equal(received, expected):
    assert received[0] == pytest.approx(expected[0], rel=1e-9)
    assert received[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        apart = (received[1][name] - gradient).abs().max() / gradient.abs().max().clamp(min=1e-9)
        assert apart < 1e-6, name


@pytest.mark.parametrize("asked", [MIXED, UNSITUATED], ids=["mixed", "no situation"])
def test_several_videos_in_a_row_learn_what_single_questions_do(make_model, processor, rows_of, alone, asked) -> None:
    model = make_model().double()
    expected = loss_and_gradients(model, alone(asked), processor.config)
    for layout in LAYOUTS:
        check_equal(loss_and_gradients(model, [rows_of(layout, asked)], processor.config), expected)


@pytest.mark.slow
def test_flex_attention_learns_the_same(make_model, processor, rows_of, alone, monkeypatch) -> None:
    """Uncompiled: PyTorch compiles its backward pass for GPUs only, and refuses the plain one on a CPU by a check."""
    model = make_model().double()
    expected = loss_and_gradients(model, alone(), processor.config)
    monkeypatch.setattr(modelling, "packing_of", lambda batch: block_mask(batch.owner))
    monkeypatch.setattr(attention, "_flex_attention", lambda: flex.flex_attention)
    monkeypatch.setattr(flex, "_validate_device", lambda *_: None)
    for layout in LAYOUTS:
        check_equal(loss_and_gradients(model, [rows_of(layout)], processor.config), expected)


@pytest.mark.slow
def test_gpus_older_than_its_kernels_do_without_flex_attention(monkeypatch) -> None:
    for capability, expected in {(7, 0): False, (7, 5): False, (8, 0): True, (9, 0): True}.items():
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, has=capability: has)
        assert attention.has_flex_attention(torch.device("cuda")) is expected
    assert not attention.has_flex_attention(torch.device("cpu"))


def test_blocks_show_what_the_mask_shows(rows_of, monkeypatch) -> None:
    monkeypatch.setattr(attention, "_flex_attention", lambda: flex.flex_attention)
    batch = rows_of(TWO_ROWS)
    owner, there = batch.owner, batch.owner != PADDING
    query, key, value = (torch.randn(2, heads, owner.shape[1], 8, dtype=torch.float64) for heads in (4, 2, 2))
    chunks = Packing.of(owner, batch.prefix, batch.longest, batch.apart)
    plain, _ = shared_video_attention(torch.nn.Identity(), query, key, value, None, chunks, scaling=0.3)
    blocks, _ = shared_video_attention(torch.nn.Identity(), query, key, value, None, block_mask(owner), scaling=0.3)
    key, value = (states.repeat_interleave(2, 1) for states in (key, value))
    full = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=visible(owner), scale=0.3)
    for attended in (plain, blocks):
        torch.testing.assert_close(attended[there], full.transpose(1, 2)[there], atol=1e-12, rtol=1e-9)


def test_a_video_knows_nothing_of_its_neighbour(model, processor, pack, sample) -> None:
    outputs = [
        model(processor.collate_rows([[pack(0, [sample(1, 0)]), pack(other, [sample(seed, other)])]]))
        for other, seed in ((1, 2), (2, 9))
    ]
    first, second = (output.heading_logits for output in outputs)
    assert torch.allclose(first[0], second[0], atol=1e-6)
    assert not torch.allclose(first[1], second[1], atol=1e-3)


def test_rows_keep_the_positions_and_count_the_questions_on(processor, rows_of, pack, sample) -> None:
    batch = rows_of(TWO_ROWS)
    single = [pack(v, [sample(seed, v, situated=told) for seed, told in MIXED[v]]) for v in (2, 0)]
    assert batch.positions[0].tolist() == [p for one in single for p in one.positions.tolist()]
    assert batch.ids[0].tolist() == [i for one in single for i in one.ids.tolist()]
    assert batch.owner[0].unique().tolist() == list(range(8)) and batch.owner[1].unique().tolist() == [PADDING, 0, 1]
    assert batch.questions.tolist() == [3, 4, 1] and len(batch.pixels) == 3
    assert (batch.ids.flatten()[batch.pos_at] == processor.config.tokens.pos).all()
    questions = batch.owner.flatten()[batch.pos_at].tolist()
    assert questions == [*range(1, 8), 1]
    assert batch.video.flatten()[batch.pos_at].tolist() == [0] * 3 + [1] * 4 + [2]
    assert batch.apart.shape == (3, max(len(one.ids) for one in single))


def test_tokens_taken_apart_come_together_again(rows_of) -> None:
    batch = rows_of(TWO_ROWS)
    apart = take_apart(batch.ids, batch.apart, fill=-7)
    assert torch.equal(batch.owner.flatten()[batch.apart[:, 0]], torch.full((3,), VIDEO))
    assert torch.equal(apart == -7, batch.apart == batch.ids.numel())
    together = put_together(apart, batch.apart, tuple(batch.ids.shape))
    there = batch.owner != PADDING
    assert torch.equal(together[there], batch.ids[there]) and not together[~there].any()


def test_a_video_begins_where_the_video_does() -> None:
    owner = torch.tensor([[0, 0, 1, 2, 0, 0, 3], [0, 0, 1, -1, -1, -1, -1]])
    assert video_of(owner).tolist() == [[0, 0, 0, 0, 1, 1, 1], [2, 2, 2, 2, 2, 2, 2]]
    assert visible(torch.tensor([[0, 1, 0, 2]]))[0, 0].int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 1],
    ]
