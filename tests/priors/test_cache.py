"""The camera-token cache: what names a file, and that neither a crash nor a neighbour can spoil one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from loc3r.priors.base import load_prior
from loc3r.priors.cache import CachedPrior, cached_prior


class Counting:
    """A prior that says how often it was asked: each token is the frame's mean colour times 768 weights."""

    name, dim, metric, licence = "counting", 768, True, "Apache-2.0"

    def __init__(self, fingerprint: str = "counting-1", scale: float = 1.0) -> None:
        self.fingerprint, self.scale, self.calls = fingerprint, scale, 0

    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.calls += 1
        weights = np.linspace(-3, 3, self.dim, dtype=np.float32) * self.scale
        return frames.mean((1, 2, 3), dtype=np.float32)[:, None] * weights


@pytest.fixture
def video() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3), dtype=np.uint8)


def test_a_scene_is_walked_once_and_takes_49_kb(tmp_path: Path, video: NDArray[np.uint8]):
    prior = Counting()
    first = CachedPrior(prior, tmp_path).encode(video)
    again = CachedPrior(prior, tmp_path).encode(video)
    assert prior.calls == 1 and first.dtype == np.float32
    np.testing.assert_array_equal(again, first)
    np.testing.assert_allclose(first, prior.encode(video), rtol=1e-3)
    (file,) = tmp_path.rglob("*.npy")
    assert 32 * 768 * 2 < file.stat().st_size < 49_500


def test_frames_order_and_weights_name_the_file(tmp_path: Path, video: NDArray[np.uint8]):
    prior = Counting()
    cache = CachedPrior(prior, tmp_path)
    changed = video.copy()
    changed[3, 0, 0, 0] ^= 1
    for other in (video, changed, video[::-1], video[:31], video.reshape(32, 4, 16, 3)):
        cache.encode(other)
    assert prior.calls == 5
    newer = Counting("counting-2")
    CachedPrior(newer, tmp_path).encode(video)
    assert newer.calls == 1 and len(list(tmp_path.rglob("*.npy"))) == 6


@pytest.mark.parametrize("spoilt", [b"", b"\x93NUMPY\x01\x00", b"not an array", None])
def test_a_spoilt_file_is_made_anew(tmp_path: Path, video: NDArray[np.uint8], spoilt: bytes | None):
    prior = Counting()
    cache = CachedPrior(prior, tmp_path)
    whole = cache.encode(video)
    if spoilt is None:
        np.save(cache.path(video), np.zeros((32, 5), np.float16))
    else:
        cache.path(video).write_bytes(spoilt)
    np.testing.assert_array_equal(cache.encode(video), whole)
    np.testing.assert_array_equal(cache.encode(video), whole)
    assert prior.calls == 2


def test_parallel_writers_agree_and_leave_no_rubbish(tmp_path: Path, video: NDArray[np.uint8]):
    caches = [CachedPrior(Counting(), tmp_path) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda cache: cache.encode(video), caches))
    for other in tokens[1:]:
        np.testing.assert_array_equal(other, tokens[0])
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".npy"]


def test_values_beyond_half_precision_stay_whole(tmp_path: Path, video: NDArray[np.uint8]):
    prior = Counting(scale=1e4)
    tokens = CachedPrior(prior, tmp_path).encode(video)
    assert np.isfinite(tokens).all() and np.abs(tokens).max() > 1e6
    np.testing.assert_array_equal(CachedPrior(prior, tmp_path).encode(video), tokens)


def test_a_quick_prior_is_not_cached():
    assert type(cached_prior("none")) is type(load_prior("none"))
