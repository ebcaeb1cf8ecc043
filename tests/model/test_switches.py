"""The ablation's switches take away what they say, and nothing that weighs nothing is computed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from loc3r.model import losses
from loc3r.model.inference import Localiser, Query
from loc3r.model.losses import joint_loss, supervised
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.scenes.shards import PreparedSample, PreparedScene

NO_DENSE = {"naming_layer": None, "mention_layer": None, "fronts": False, "look_at": False}
DENSE = ("naming", "mention", "front", "patch_front", "look_at", "pointing", "pose_pointing")
WEIGHTLESS = {"layout": 0.0, **dict.fromkeys(DENSE, 0.0)}


def trained_names(processor: Processor, scene: PreparedScene, samples: list[PreparedSample]) -> set[str]:
    """Parameters that a training step of the processor's config moves."""
    torch.manual_seed(0)
    model, batch = Loc3R(processor.config), processor.collate([processor.pack(scene, samples)])
    joint_loss(model(batch), batch, processor.config).total().backward()
    return {name for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()}


def test_without_video_only_words_matter(
    scene: Callable[[int], PreparedScene], sample: Callable[..., PreparedSample], switched: Callable[..., Processor]
) -> None:
    blind = switched(WEIGHTLESS, video=False, **NO_DENSE)
    special = blind.config.tokens
    assert not {special.image, special.cam, special.newline} & set(blind.prefix_ids())
    assert blind.tokenizer.decode(blind.prefix_ids()) == "<|im_start|>user\n"
    moved = trained_names(blind, scene(0), [sample(1), sample(2)])
    assert "heads.position.0.weight" in moved
    assert not [name for name in moved if "vision" in name or "projector" in name or "heads.camera" in name]
    torch.manual_seed(0)
    localiser = Localiser(Loc3R(blind.config), blind)
    queries = [Query("I am close to the bed.", "What is behind me?")]
    seen = [localiser.open_scene(some.frames, some.camera_tokens) for some in (scene(0), scene(1))]
    assert localiser.ask(seen[0], queries) == localiser.ask(seen[1], queries)
    assert localiser.layout(seen[0])[0].size == 0


def test_hidden_camera_tokens_are_zeros_of_the_same_prompt(
    processor: Processor, scene: Callable[[int], PreparedScene], switched: Callable[..., Processor]
) -> None:
    hidden, tokens = switched(camera_tokens=False), scene(0).camera_tokens
    assert not hidden.camera_tokens(tokens).any() and processor.camera_tokens(tokens).any()
    assert hidden.prefix_ids() == processor.prefix_ids()


@pytest.mark.parametrize(
    ("loss", "model", "active"),
    [
        ({}, {}, {*DENSE, "answer", "layout", "position", "heading"}),
        (WEIGHTLESS, {}, {"answer", "position", "heading"}),
        ({**WEIGHTLESS, "layout": 1.0}, NO_DENSE, {"answer", "layout", "position", "heading"}),
        ({**WEIGHTLESS, "situation": 0.0}, {"pose": "text", **NO_DENSE}, {"answer"}),
    ],
)
def test_a_term_that_weighs_nothing_is_not_computed(
    loss: dict[str, float],
    model: dict[str, object],
    active: set[str],
    scene: Callable[[int], PreparedScene],
    sample: Callable[..., PreparedSample],
    switched: Callable[..., Processor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor = switched(loss, **model)
    torch.manual_seed(0)
    net, batch = Loc3R(processor.config), processor.collate([processor.pack(scene(0), [sample(1), sample(2)])])
    outputs = net(batch)
    if "layout" not in active:
        monkeypatch.setattr(losses, "_layout", lambda *_: pytest.fail("computed"))
    if "heading" not in active:
        monkeypatch.setattr(losses, "_heading", lambda *_: pytest.fail("computed"))
    terms = joint_loss(outputs, batch, processor.config)
    assert set(terms.sums) == set(terms.counts) == set(supervised(batch, processor.config)) == active
    assert terms.total().isfinite()
