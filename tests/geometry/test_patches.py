from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loc3r.geometry.camera import scale_intrinsics
from loc3r.geometry.patches import OUTSIDE, TokenGrid, dominant_labels, fit_box, patch_targets

SIGLIP = TokenGrid("squash", 384, 14, 2)


def test_siglip_tokens_cover_27_pixels_of_the_378_that_patches_cover():
    cells = SIGLIP.cells((384, 384))
    assert SIGLIP.side == 14
    assert (cells[378:] == OUTSIDE).all() and (cells[:, 378:] == OUTSIDE).all()
    np.testing.assert_array_equal(cells[:378, :378], np.add.outer(np.arange(378) // 27 * 14, np.arange(378) // 27))


@pytest.mark.parametrize(
    ("size", "patch", "pool", "side"), [(128, 16, 2, 4), (384, 14, 1, 27), (384, 14, 2, 14), (96, 16, 4, 2)]
)
def test_tokens_a_side(size, patch, pool, side):
    assert TokenGrid("crop", size, patch, pool).side == side


def test_crop_takes_the_central_square_and_squash_everything():
    assert fit_box(640, 480, "crop") == (80, 0, 560, 480) and fit_box(480, 640, "crop") == (0, 80, 480, 560)
    cropped = TokenGrid("crop", 64, 16, 1).cells((48, 64))
    assert (cropped[:, :8] == OUTSIDE).all() and (cropped[:, 56:] == OUTSIDE).all() and (cropped[:, 8:56] >= 0).all()
    assert (TokenGrid("squash", 64, 16, 1).cells((48, 64)) >= 0).all()


def test_cells_do_not_depend_on_the_size_of_the_same_view():
    grid = TokenGrid("crop", 64, 16, 2)
    small, large = grid.cells((24, 32), (64, 48)), grid.cells((48, 64))
    np.testing.assert_array_equal(np.repeat(np.repeat(small, 2, 0), 2, 1), large)


def test_a_depth_camera_of_another_view_is_carried_along_its_rays():
    grid = TokenGrid("squash", 64, 16, 1)
    color = np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]])
    same = grid.cells((24, 32), (64, 48), scale_intrinsics(color, 0.5, 0.5), color)
    np.testing.assert_array_equal(same, grid.cells((24, 32), (64, 48)))
    wide = scale_intrinsics(color, 0.5, 0.5)
    wide[[0, 1], [0, 1]] /= 2  # sees twice as far to each side: only its middle half is in the colour frame
    cells = grid.cells((24, 32), (64, 48), wide, color)
    assert (cells[:, :8] == OUTSIDE).all() and (cells[:6] == OUTSIDE).all() and (cells[6:18, 8:24] >= 0).all()


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
@settings(max_examples=30)
def test_targets_are_the_mean_of_valid_pixels_only(seed, min_share):
    rng = np.random.default_rng(seed)
    grid = TokenGrid("crop", 32, 8, 2)
    cells = grid.cells((20, 30))
    points, valid = rng.normal(size=(20, 30, 2)), rng.random((20, 30)) < rng.random()
    points[~valid] = np.nan
    means, known = patch_targets(points, valid, cells, grid.side, min_share)
    for token in range(grid.side**2):
        here = cells == token
        good = here & valid
        at = divmod(token, grid.side)
        assert known[at] == (good.any() and good.sum() >= min_share * here.sum())
        expected = points[good].mean(0) if known[at] else [np.nan, np.nan]
        np.testing.assert_allclose(means[at], expected, rtol=1e-5, atol=1e-6)


def test_a_hole_in_the_depth_does_not_pull_a_patch_towards_the_camera():
    cells = TokenGrid("squash", 16, 16, 1).cells((16, 16))
    points, valid = np.full((16, 16, 3), 2.5), np.ones((16, 16), bool)
    valid[:8, :8] = False
    points[~valid] = 0.0  # what an unmasked back-projection gives: the camera's own place
    means, known = patch_targets(points, valid, cells, 1, 0.25)
    np.testing.assert_allclose(means[0, 0], 2.5)
    assert known.all() and not patch_targets(points, valid, cells, 1, 0.76)[1].any()


def test_tokens_finer_than_the_depth_image_are_unknown_not_wrong():
    grid = TokenGrid("squash", 64, 8, 1)
    means, known = patch_targets(np.ones((4, 4, 2)), np.ones((4, 4), bool), grid.cells((4, 4)), grid.side, 0.25)
    assert known.sum() == 16 and np.isnan(means[~known]).all()


def test_the_dominant_label_needs_its_share():
    cells = TokenGrid("squash", 16, 8, 1).cells((16, 16))
    labels = np.full((16, 16), -1)
    labels[:8, :5] = 3  # 40 of 64 pixels
    labels[:8, 5:8] = 1
    labels[:3, 8:] = 2  # 24 of 64
    labels[8:9, :8] = 0  # 8 of 64
    np.testing.assert_array_equal(dominant_labels(labels, cells, 2, 0.25), [[3, 2], [-1, -1]])
    np.testing.assert_array_equal(dominant_labels(np.full((16, 16), -1), cells, 2, 0.25), np.full((2, 2), -1))
