"""The pose prior: what it says, that it does not see the future, and that no true pose can reach it."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.errors import CheckpointError, FrameError
from loc3r.priors.base import PosePrior, load_prior
from loc3r.priors.pose_token import DIM, pose_tokens
from loc3r.priors.rooms_vo import RoomsNet, RoomsVO, VOConfig, save


@pytest.fixture(scope="module")
def prior() -> RoomsVO:
    torch.manual_seed(0)
    return RoomsVO(RoomsNet(VOConfig(size_px=64, width=16, wide=16, descriptor=8)), "test")


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 7))
def test_a_token_does_not_see_the_future(prior, keep):
    video = np.random.default_rng(keep).integers(0, 256, (8, 24, 32, 3), dtype=np.uint8)
    whole, start = prior.encode(video), prior.encode(video[:keep])
    assert whole.shape == (8, DIM)
    np.testing.assert_allclose(whole[:keep], start, atol=1e-4)


def test_the_protocol_takes_frames_and_nothing_else():
    for encode in (PosePrior.encode, RoomsVO.encode, type(load_prior("none")).encode):
        assert list(inspect.signature(encode).parameters) == ["self", "frames"]


def test_tokens_carry_the_pose(prior):
    video = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    x, y, z, yaw = prior.poses(video).T
    at_rest = pose_tokens(np.stack([x, y, z], -1), np.stack([yaw - np.pi / 2, 0 * x, 0 * x], -1))
    tokens = prior.encode(video)
    waves = slice(0, 3 * 8)  # the sines of the places
    np.testing.assert_allclose(tokens[:, waves], at_rest[:, waves], atol=1e-3)


def test_the_shipped_prior_finds_its_way_through_a_room(tmp_path: Path):
    """A rendered room that training never saw, read as training reads it: far better than a camera that stays."""
    from loc3r.priors.train_vo import measure
    from loc3r.priors.walks import read_walk
    from loc3r.synth.generate import generate, scene_id_of

    generate(tmp_path, rooms=1, seed=910_000, split="test", frames=16, situations=0, workers=1)
    walk = read_walk(tmp_path / "scans" / scene_id_of(910_000), VOConfig().size_px)
    errors = measure(RoomsVO.shipped(), [walk])
    assert errors["heading_deg"] < 0.5 * errors["heading_deg_if_still"]
    assert errors["position_m"] < 0.6 * errors["position_m_if_still"]
    still = RoomsVO.shipped().poses(np.repeat(walk.frames[:1], 3, 0))
    np.testing.assert_allclose(still[:, [0, 1, 3]], [[0, 0, np.pi / 2]] * 3, atol=0.05)


def test_save_and_load_give_the_same_tokens(prior, tmp_path: Path):
    save(prior.network, tmp_path, {"rooms": 0})
    loaded = RoomsVO.load(tmp_path)
    video = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    np.testing.assert_allclose(loaded.poses(video)[0], prior.poses(video)[0], atol=0.05)  # stored in half precision
    assert loaded.fingerprint == RoomsVO.load(tmp_path).fingerprint


def test_bad_input_says_what_was_expected(prior, tmp_path: Path):
    with pytest.raises(FrameError, match=r"\(T, H, W, 3\) uint8"):
        prior.encode(np.zeros((4, 24, 32), np.uint8))
    with pytest.raises(CheckpointError, match=r"rooms_vo\.safetensors"):
        RoomsVO.load(tmp_path)
