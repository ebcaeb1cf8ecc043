"""Every prior's card, licence and errors, before any weight is read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from loc3r.errors import CheckpointError, FrameError, RecipeError
from loc3r.priors.base import PRIORS, load_prior
from loc3r.priors.cache import cached_prior
from loc3r.priors.foundation import to_square
from loc3r.recipe import parse_recipe

LARGE = [name for name, card in PRIORS.items() if card.size_px]


@pytest.fixture(autouse=True)
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOC3R_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", LARGE)
def test_missing_weights_say_where_from_where_to_and_under_which_licence(name: str, cache_dir: Path):
    with pytest.raises(CheckpointError) as told:
        load_prior(name)
    text = str(told.value)
    assert PRIORS[name].licence in text and str(cache_dir / "priors" / name) in text
    assert "download" in text


@pytest.mark.parametrize("name", LARGE)
def test_a_size_that_does_not_divide_is_refused(name: str):
    with pytest.raises(RecipeError, match=r"data\.prior_size_px=431"):
        load_prior(name, 431)


def test_a_size_where_there_is_no_choice_is_refused():
    with pytest.raises(RecipeError, match="not a choice"):
        load_prior("none", 432)


def test_an_unknown_prior_is_told_the_known_ones():
    with pytest.raises(RecipeError, match=r"rooms-vo.*cut3r"):
        load_prior("cut4r")


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_a_commercial_recipe_refuses_a_prior_that_is_not(name: str):
    values = {"name": "r", "commercial": True, "data": {"prior": name}, "model": {"prior_dim": PRIORS[name].dim or 62}}
    if PRIORS[name].commercial:
        assert parse_recipe(values).commercial
    else:
        with pytest.raises(RecipeError, match=PRIORS[name].licence):
            parse_recipe(values)
    assert not parse_recipe(values | {"commercial": False}).commercial


def test_a_commercial_recipe_refuses_a_prior_that_nobody_knows():
    with pytest.raises(RecipeError, match="unknown"):
        parse_recipe({"name": "r", "commercial": True, "data": {"prior": "somebodys"}})


@pytest.mark.parametrize("name", LARGE)
def test_a_recipe_with_another_width_is_refused_before_a_frame_is_encoded(name: str):
    with pytest.raises(RecipeError, match=rf"data.prior={name} needs model.prior_dim={PRIORS[name].dim}, not 512"):
        parse_recipe({"name": "r", "data": {"prior": name}, "model": {"prior_dim": 512}})


PLUGIN = """
import numpy as np
from loc3r.priors.base import PriorCard

CARD = PriorCard("their_prior:TheirPrior", "LicenseRef-Research", commercial=False, metric=True, dim=3)
NO_CARD = "a card"

class TheirPrior:
    name, dim, metric, licence, fingerprint = "theirs", 3, True, "LicenseRef-Research", "theirs-1"

    def encode(self, frames):
        return frames.mean((1, 2)).astype(np.float32)
"""


def test_an_installed_package_offers_a_prior_under_its_own_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "their_prior.py").write_text(PLUGIN)
    about = tmp_path / "their_prior-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-prior\nVersion: 1.0\n")
    offers = "theirs = their_prior:CARD\nwrong = their_prior:NO_CARD\n"
    (about / "entry_points.txt").write_text(f"[loc3r.priors]\n{offers}")
    monkeypatch.syspath_prepend(tmp_path)
    values = {"name": "r", "data": {"prior": "theirs"}, "model": {"prior_dim": 3}}
    assert parse_recipe(values).data.prior == "theirs"
    tokens = load_prior("theirs").encode(np.full((2, 4, 4, 3), 7, np.uint8))
    assert tokens.shape == (2, 3) and (tokens == 7).all()
    for refused, told in (
        (values | {"commercial": True}, "LicenseRef-Research; use rooms-vo"),
        (values | {"model": {"prior_dim": 4}}, "needs model.prior_dim=3, not 4"),
        (values | {"data": {"prior": "their"}}, "did you mean theirs"),
        (values | {"data": {"prior": "wrong"}}, "has no card"),
    ):
        with pytest.raises(RecipeError, match=told):
            parse_recipe(refused)


@pytest.mark.parametrize("name", ["rooms-vo", "none"])
def test_a_loaded_prior_is_what_its_card_says(name: str):
    prior, card = load_prior(name), PRIORS[name]
    assert (prior.licence, prior.metric) == (card.licence, card.metric)


def test_frames_become_square_pixels():
    ramp = np.linspace(0, 255, 48).astype(np.uint8)
    frames = np.broadcast_to(ramp[None, None, :, None], (2, 32, 48, 3))
    pixels = to_square(frames, 96)
    assert pixels.shape == (2, 3, 96, 96) and pixels.min() == 0 and pixels.max() == 1
    plain = F.interpolate(torch.from_numpy(frames.copy()).permute(0, 3, 1, 2) / 255, (96, 96), mode="bilinear")
    torch.testing.assert_close(pixels, plain)  # enlarging, it is what VLM-3R does
    with pytest.raises(FrameError, match=r"\(T, H, W, 3\) uint8"):
        to_square(frames.astype(np.float32), 96)


def test_weights_of_another_model_are_refused(cache_dir: Path):
    folder = cache_dir / "priors" / "cut3r"
    folder.mkdir(parents=True)
    save_file({"pose_token": torch.zeros(1, 1, 768)}, folder / "model.safetensors")
    prior = cached_prior("cut3r", 48)
    assert prior.fingerprint.endswith("48px") and prior.licence == "CC-BY-NC-SA-4.0"
    with pytest.raises(CheckpointError, match="not CUT3R's weights"):
        prior.encode(np.zeros((1, 8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    ("name", "package", "tell"),
    [("depth-anything-3-small", "depth_anything_3", "pip install"), ("vggt", "vggt", "github.com/facebookresearch")],
)
def test_a_missing_package_says_how_to_get_it(name: str, package: str, tell: str, cache_dir: Path):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    folder = cache_dir / "priors" / name
    folder.mkdir(parents=True)
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=tell):
        load_prior(name, 56).encode(np.zeros((1, 8, 8, 3), np.uint8))


def test_depth_anythings_tokens_come_from_its_own_package(cache_dir: Path):
    pytest.importorskip("depth_anything_3", reason="depth-anything-3 is not installed")
    from loc3r.priors.depth_anything import DepthAnything3Prior, random_backbone

    torch.manual_seed(0)
    backbone = random_backbone("da3-small")
    weights = {f"model.backbone.{name}": value for name, value in backbone.state_dict().items()}
    save_file(weights | {"model.head.bias": torch.zeros(2)}, cache_dir / "model.safetensors")
    prior = DepthAnything3Prior("depth-anything-3-small", 56, folder=cache_dir)
    video = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    tokens = prior.encode(video)
    assert tokens.shape == (4, prior.dim) and np.isfinite(tokens).all()
    pose = create_pose_head(tokens.shape[1])(torch.from_numpy(tokens)[None])  # the token is what its pose head reads
    assert pose.shape == (1, 4, 9)
    other = video.copy()
    other[3] = 0
    assert (np.abs(prior.encode(other) - tokens).max(1) > 1e-6).all()  # all frames see each other


def create_pose_head(width: int) -> torch.nn.Module:
    """The package's own camera decoder, at random."""
    from depth_anything_3.model.cam_dec import CameraDec

    head: torch.nn.Module = CameraDec(width)
    return head
