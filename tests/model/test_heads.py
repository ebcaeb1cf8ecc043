"""What the heads compute: the two layers, and what stands between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from loc3r.model.inference import Localiser, Query
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor

FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}


@pytest.mark.parametrize("name", [None, "gelu", "relu", "silu"])
def test_the_recipe_s_activation_is_between_the_layers(name: str | None, switched: Callable[..., Processor]) -> None:
    heads = Loc3R(switched(**({"head_activation": name} if name else {})).config).heads
    states = torch.randn(5, heads.layout.in_features)
    first, _, last = heads.position
    expected = last(FUNCTIONS[name or "gelu"](first(states)))
    torch.testing.assert_close(heads.pose(states, states)[0].mean_m, expected[:, :2])
    tokens = torch.randn(5, heads.camera[0].in_features)
    expected = heads.camera[2](FUNCTIONS[name or "gelu"](heads.camera[0](tokens)))
    torch.testing.assert_close(heads.camera(tokens), expected)


def test_moved_bins_turn_what_is_told(
    model: Loc3R, processor: Processor, switched: Callable[..., Processor], scene: Callable[..., object]
) -> None:
    moved = switched(heading_bin_offset=0.0)
    other = Loc3R(moved.config)
    other.load_state_dict(model.state_dict())
    seen, told = scene(0), []
    for localiser in (Localiser(model, processor), Localiser(other, moved)):
        memory = localiser.open_scene(seen.frames, seen.camera_tokens)
        told.append(localiser.ask(memory, [Query("I am close to the bed.")])[0].pose.heading_rad)
    half_bin = torch.pi / 36
    assert (told[0] - told[1]) % (2 * torch.pi) == pytest.approx(half_bin, abs=1e-5)
