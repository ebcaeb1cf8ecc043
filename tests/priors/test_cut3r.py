"""CUT3R's camera-token path: the published names and shapes, what a token depends on, and a safe conversion."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from loc3r.cli import main
from loc3r.errors import CheckpointError, FrameError
from loc3r.priors.cut3r import Cut3r, Cut3rConfig
from loc3r.priors.cut3r.layers import grid_places, rotate
from loc3r.priors.cut3r.weights import convert

SMALL = Cut3rConfig(
    patch_px=16, width=64, depth=2, heads=4, decoder_width=48, decoder_depth=3, decoder_heads=4, state_heads=2,
    state_size=18, memory_size=8,
)  # fmt: skip
UNUSED = {
    "downstream_head.dpt_self.head.weight": (1,),
    "patch_embed_ray_map.proj.weight": (64, 6, 16, 16),
    "enc_blocks_ray_map.0.norm1.weight": (64,),
    "enc_norm_ray_map.weight": (64,),
    "masked_img_token": (1, 64),
    "masked_ray_map_token": (1, 64),
    "some_head_of_a_fork.bias": (5,),
}


@pytest.fixture(scope="module")
def small() -> Cut3r:
    torch.manual_seed(0)
    return Cut3r(SMALL)


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.rand(2, 4, 3, 48, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def full() -> Cut3r:
    """The published sizes, without memory for the weights."""
    with torch.device("meta"):
        return Cut3r()


def test_the_published_names_and_shapes(full: Cut3r):
    shapes = {name: tuple(value.shape) for name, value in full.state_dict().items()}
    millions = {
        "patch_embed": 0.8, "enc_blocks": 302.3, "decoder_embed": 0.8, "dec_blocks": 113.4, "decoder_embed_state": 0.8,
        "dec_blocks_state": 113.4, "pose_retriever.mem": 0.4, "pose_retriever.proj_q": 0.8,
        "pose_retriever.write_blocks": 75.6, "pose_retriever.read_blocks": 75.6, "register_tokens": 0.8,
    }  # fmt: skip
    for part, count in millions.items():
        sizes = [torch.Size(shape).numel() for name, shape in shapes.items() if name.startswith(f"{part}.")]
        sizes = sizes or [torch.Size(shapes[part]).numel()]
        assert sum(sizes) / 1e6 == pytest.approx(count, abs=0.06), part
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) / 1e6 == pytest.approx(684.9, abs=0.5)
    assert shapes["pose_token"] == (1, 1, 768) and shapes["pose_retriever.masked_token"] == (1, 1, 768)
    assert shapes["pose_retriever.mem"] == (1, 256, 1536) and shapes["register_tokens.weight"] == (768, 1024)
    assert shapes["enc_blocks.23.attn.qkv.weight"] == (3072, 1024) and "enc_blocks.24.norm1.weight" not in shapes
    assert shapes["dec_blocks_state.11.cross_attn.projk.bias"] == (768,)
    assert {name.split(".")[2] for name in shapes if name.startswith("dec_blocks.0.")} == {
        "norm1", "norm2", "norm3", "norm_y", "attn", "cross_attn", "mlp",
    }  # fmt: skip


def test_a_frame_costs_what_the_original_does_without_heads_and_ray_maps(full: Cut3r):
    """Counted on the original at 432 px, attention's own products left out: decoder and memory 374, later 379 GFLOP.

    Its encoder took 442, and 39 once a video for a ray map that is not there.
    """
    with FlopCounterMode(display=False) as counter:
        full(torch.empty(1, 2, 3, 432, 432, device="meta"))
    flops = {str(operation): count / 1e9 for operation, count in counter.get_flop_counts()["Global"].items()}
    attention = sum(count for operation, count in flops.items() if "bmm" in operation or "dot_product" in operation)
    assert sum(flops.values()) - attention == pytest.approx(442 + 374 + 442 + 379, rel=0.003)
    pairs = 24 * 729**2 * 1024 + 12 * (730 + 768) ** 2 * 768 + 2 * (256**2 + 256) * 1536
    assert attention == pytest.approx(2 * 4 * pairs / 1e9, rel=0.003)


def test_a_token_does_not_see_the_future(small: Cut3r, frames: torch.Tensor):
    other = frames.clone()
    other[:, 2] = -other[:, 2]
    before, after = small(frames), small(other)
    assert before.shape == (2, 4, 48) and not before.requires_grad
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=1e-5)
    assert ((after - before)[:, 2:].abs().amax(-1) > 1e-3).all()  # and it remembers the past


def test_one_by_one_gives_what_one_call_gives(small: Cut3r, frames: torch.Tensor):
    whole, state, pieces = small(frames), None, []
    for frame in frames.split(1, 1):
        token, state = small.walk(frame, state)
        pieces.append(token)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=0, atol=1e-5)
    torch.testing.assert_close(small(frames[1:]), whole[1:], rtol=0, atol=1e-5)  # videos of a batch are strangers


def test_a_place_is_an_offset_from_any_other_also_below_zero():
    torch.manual_seed(2)
    query, key = torch.randn(2, 1, 1, 12, 48, dtype=torch.float32)
    at = grid_places(12, 4, torch.device("cpu"))
    here = rotate(query, at) @ rotate(key, at).transpose(-1, -2)
    moved = rotate(query, at - 7) @ rotate(key, at - 7).transpose(-1, -2)
    torch.testing.assert_close(moved, here, rtol=0, atol=1e-4)
    torch.testing.assert_close(rotate(query, at * 0), query)
    turned = rotate(torch.ones(1, 1, 1, 8), torch.tensor([[-1, 2]]))[0, 0, 0]
    row, column = torch.tensor([-1.0, -0.1]), torch.tensor([2.0, 0.2])  # base 100: the second channel turns a tenth
    expected = torch.cat([row.cos() - row.sin(), row.cos() + row.sin()])
    expected = torch.cat([expected, column.cos() - column.sin(), column.cos() + column.sin()])
    torch.testing.assert_close(turned, expected)


def test_the_decoders_two_streams_read_each_other_as_they_were(small: Cut3r, frames: torch.Tensor):
    """The step, written out flat from its description: which norm feeds what is where a port goes wrong."""
    net, image = small, frames[:1, 0]
    at = grid_places(12, 4, image.device)
    feature = net.patch_embed(image)
    for block in net.enc_blocks:
        feature = block(feature, at)
    feature = net.enc_norm(feature)
    tokens = torch.cat([net.pose_token, net.decoder_embed(feature)], 1)
    scene = net.decoder_embed_state(net.register_tokens.weight)[None]
    places, scene_at = torch.cat([torch.tensor([[-1, -1]]), at]), grid_places(18, 4, image.device)
    for layer in range(3):
        old, old_scene = tokens, scene
        tokens = net.dec_blocks[layer](old, old_scene, places, scene_at)
        scene = net.dec_blocks_state[layer](old_scene, old, scene_at, places)
    camera = F.layer_norm(tokens[:, :1], (48,), net.dec_norm.weight, net.dec_norm.bias, 1e-6)
    found, state = net.walk(frames[:1, :1])
    torch.testing.assert_close(found, camera, rtol=0, atol=1e-5)
    torch.testing.assert_close(state.scene, net.dec_norm_state(scene), rtol=0, atol=1e-5)
    look = feature.mean(1, keepdim=True)
    torch.testing.assert_close(
        state.memory, net.pose_retriever.write(look, camera, net.pose_retriever.mem), rtol=0, atol=1e-5
    )


def original(model: Cut3r) -> dict[str, torch.Tensor]:
    """A checkpoint's ``model`` entry as published: more than the camera token needs, under ``module.``."""
    weights = {**model.state_dict(), **{name: torch.zeros(shape) for name, shape in UNUSED.items()}}
    return {f"module.{name}": value for name, value in weights.items()}


def test_the_filter_leaves_exactly_what_the_network_has(small: Cut3r):
    published = original(small)
    wrapped = {f"model._orig_mod.{name}": value for name, value in published.items()}
    for each in (published, {"args": None, "model": published, "epoch": 9}, wrapped):
        kept = Cut3r.filter_state_dict(each)
        assert kept.keys() == small.state_dict().keys()
        Cut3r(SMALL).load_state_dict(kept)


def test_half_precision_frames_are_taken_as_the_weights_are(small: Cut3r, frames: torch.Tensor):
    half = frames[:1, :2].bfloat16()
    torch.testing.assert_close(small(half), small(half.float()))
    rounded = Cut3r(SMALL).bfloat16()
    rounded.load_state_dict(small.state_dict())
    tokens = rounded(frames[:1, :2])
    assert tokens.dtype == torch.bfloat16
    torch.testing.assert_close(tokens.float(), small(frames[:1, :2]), rtol=0, atol=0.1)


class Loud:
    """An object whose unpickling would run a command."""

    def __init__(self, told: Path) -> None:
        self.told = told

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.told}",)


def test_settings_of_the_original_trainers_own_kind_are_passed_over(small: Cut3r, tmp_path: Path):
    """Hydra's: nested objects of classes that the unpickler must not build."""
    omegaconf = pytest.importorskip("omegaconf", reason="omegaconf is not installed")
    settings = omegaconf.OmegaConf.create({"model": "eval(this)", "data": {"sizes": [[512, 384], None]}, "lr": 1e-6})
    torch.save({"args": settings, "model": original(small), "epoch": 9}, tmp_path / "published.pth")
    assert load_file(convert(tmp_path / "published.pth", tmp_path / "out", SMALL)).keys() == small.state_dict().keys()


def test_conversion_reads_tensors_and_runs_nothing(small: Cut3r, frames: torch.Tensor, tmp_path: Path):
    published, told = tmp_path / "published.pth", tmp_path / "told"
    arguments = argparse.Namespace(model=f"open({str(told)!r}, 'w')", lr=1e-6, sizes=[(512, 384)])
    torch.save({"args": arguments, "model": original(small), "epoch": 9}, published)
    weights = load_file(convert(published, tmp_path / "out", SMALL))
    loaded = Cut3r(SMALL)
    loaded.load_state_dict(weights)
    torch.testing.assert_close(loaded(frames[:1, :1]), small(frames[:1, :1]), rtol=0, atol=1e-6)
    torch.save({"args": Loud(told), "model": original(small)}, published)
    with pytest.raises(CheckpointError, match="not a CUT3R checkpoint"):
        convert(published, tmp_path / "evil", SMALL)
    assert not told.exists() and not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda weights: weights.pop("module.pose_token"), "pose_token None"),
        (lambda weights: weights.update({"module.dec_norm.bias": torch.zeros(5)}), r"dec_norm.bias \(5,\)"),
        (lambda weights: weights.update({"module.enc_blocks.2.norm1.bias": torch.zeros(5)}), "None"),
    ],
)
def test_another_model_is_refused_by_the_tensor_that_differs(small: Cut3r, tmp_path: Path, spoil: Any, told: str):
    weights = original(small)
    spoil(weights)
    torch.save({"model": weights}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=told):
        convert(tmp_path / "other.pth", tmp_path / "out", SMALL)


def test_the_verb_refuses_another_model(small: Cut3r, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    torch.save({"model": original(small)}, tmp_path / "small.pth")
    with pytest.raises(SystemExit):
        main(["prior", "convert", "--checkpoint", str(tmp_path / "small.pth"), "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert "is another model" in told and "dec_blocks.0.attn.proj.bias (48,)" in told
    assert not (tmp_path / "out").exists()


def test_a_missing_or_cut_off_checkpoint_is_refused(small: Cut3r, tmp_path: Path):
    whole = tmp_path / "whole.pth"
    torch.save({"model": original(small)}, whole)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-4000])
    for name in ("cut.pth", "nowhere.pth"):
        with pytest.raises(CheckpointError, match=name):
            convert(tmp_path / name, tmp_path / "out", SMALL)


@pytest.mark.parametrize(
    "shape", [(1, 2, 3, 48, 40), (1, 2, 4, 48, 48), (2, 3, 48, 48), (1, 0, 3, 48, 48), (0, 2, 3, 48, 48)]
)
def test_frames_of_another_shape_are_refused(small: Cut3r, shape: tuple[int, ...]):
    with pytest.raises(FrameError, match="frame"):
        small(torch.zeros(shape))


def test_pixels_that_nobody_scaled_are_refused(small: Cut3r):
    with pytest.raises(FrameError, match=r"float\(\) / 127\.5"):
        small(torch.zeros(1, 1, 3, 48, 48, dtype=torch.uint8))
