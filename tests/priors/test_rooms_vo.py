"""The pose prior: geometry of its integration, causality, and that no true pose can reach it."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.errors import CheckpointError, FrameError
from loc3r.priors.base import PosePrior, load_prior
from loc3r.priors.rooms_vo import RoomsVO, VisualOdometry, VOConfig, integrate, pose_features, save
from loc3r.priors.trajectory import mirrored, steps_and_attitude


def camera_to_world(x: float, y: float, heading_rad: float, pitch_rad: float = -0.2) -> np.ndarray:
    forward = np.array(
        [np.cos(heading_rad) * np.cos(pitch_rad), np.sin(heading_rad) * np.cos(pitch_rad), np.sin(pitch_rad)]
    )
    right = np.array([np.sin(heading_rad), -np.cos(heading_rad), 0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], -1)
    pose[:3, 3] = x, y, 1.5
    return pose


walks = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(-np.pi, np.pi)), min_size=2, max_size=12).map(
    lambda places: np.stack([camera_to_world(*place) for place in places])
)


@given(walks)
def test_integrated_steps_are_the_path_in_the_first_cameras_frame(poses):
    path = integrate(torch.from_numpy(steps_and_attitude(poses)[0])[None])[0].numpy()
    heading = np.arctan2(poses[0, 1, 2], poses[0, 0, 2])
    turn = np.pi / 2 - heading
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    expected = (poses[:, :2, 3] - poses[0, :2, 3]) @ rotation.T
    np.testing.assert_allclose(path[:, :2], expected, atol=1e-9)
    np.testing.assert_allclose(np.exp(1j * path[0, 3]), 1j, atol=1e-9)


@given(walks)
def test_a_mirror_negates_left_turn_and_roll(poses):
    flip = np.diag([1.0, -1, 1, 1])
    seen = flip @ poses @ np.diag([-1.0, 1, 1, 1])  # mirror the world, then the image's x axis
    steps, attitude = steps_and_attitude(seen)
    wanted_steps, wanted_attitude = mirrored(*steps_and_attitude(poses))
    np.testing.assert_allclose(np.exp(1j * steps[:, 3]), np.exp(1j * wanted_steps[:, 3]), atol=1e-9)
    np.testing.assert_allclose(steps[:, :3], wanted_steps[:, :3], atol=1e-9)
    np.testing.assert_allclose(attitude, wanted_attitude, atol=1e-9)


@pytest.fixture(scope="module")
def prior() -> RoomsVO:
    torch.manual_seed(0)
    return RoomsVO(VisualOdometry(VOConfig()), "test")


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 7))
def test_a_token_does_not_see_the_future(prior, keep):
    video = np.random.default_rng(keep).integers(0, 256, (8, 24, 32, 3), dtype=np.uint8)
    whole, start = prior.encode(video), prior.encode(video[:keep])
    assert whole.shape == (8, prior.dim)
    np.testing.assert_allclose(whole[:keep], start, atol=1e-5)


def test_the_protocol_takes_frames_and_nothing_else():
    for encode in (PosePrior.encode, RoomsVO.encode, type(load_prior("none")).encode):
        assert list(inspect.signature(encode).parameters) == ["self", "frames"]


def test_tokens_carry_the_pose(prior):
    video = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), dtype=np.uint8)
    path = torch.from_numpy(prior.poses(video))
    features = pose_features(path, torch.zeros(4, 3))
    np.testing.assert_allclose(
        prior.encode(video)[:, prior.network.config.latent :][:, :-3], features[:, :-3], atol=1e-5
    )


def test_save_and_load_give_the_same_tokens(prior, tmp_path: Path):
    save(prior.network, tmp_path, {"rooms": 0})
    loaded = RoomsVO.load(tmp_path)
    video = np.random.default_rng(1).integers(0, 256, (3, 24, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(loaded.encode(video), prior.encode(video), atol=0.05)  # stored in half precision
    assert loaded.fingerprint == RoomsVO.load(tmp_path).fingerprint


def test_bad_input_says_what_was_expected(prior, tmp_path: Path):
    with pytest.raises(FrameError, match=r"\(T, H, W, 3\) uint8"):
        prior.encode(np.zeros((4, 24, 32), np.uint8))
    with pytest.raises(CheckpointError, match=r"rooms_vo\.safetensors"):
        RoomsVO.load(tmp_path)
