"""Which pixels a vision token covers, and what is true of a token because of them.

A token's cell follows the frame's own crop or squash. The patches cover ``patches * patch_px`` of the frame's
``size_px`` pixels (378 of 384 for SigLIP), and that square is divided evenly into the tokens left by pooling:
27 patches pooled by 2 give 14 tokens of 27 pixels a side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Fit = Literal["crop", "squash"]
Cells = NDArray[np.int64]
OUTSIDE = -1


def fit_box(width_px: int, height_px: int, fit: Fit) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the part of an image that becomes the square frame, in pixel edges.

    ``crop`` takes the central square, ``squash`` the whole image.
    """
    if fit == "squash":
        return 0.0, 0.0, float(width_px), float(height_px)
    side = min(width_px, height_px)
    left, top = (width_px - side) / 2, (height_px - side) / 2
    return left, top, left + side, top + side


@dataclass(frozen=True)
class TokenGrid:
    """How frames become tokens: the square's fit and size, the patch size and the pooling stride."""

    fit: Fit
    size_px: int
    patch_px: int
    pool: int

    @property
    def side(self) -> int:
        """Tokens on a side."""
        return -(-(self.size_px // self.patch_px) // self.pool)

    @property
    def covered(self) -> float:
        """Share of the frame's side that patches cover."""
        return self.size_px // self.patch_px * self.patch_px / self.size_px

    def cells(
        self,
        shape: tuple[int, int],
        color_size_px: tuple[int, int] | None = None,
        intrinsics: NDArray[Any] | None = None,
        color_intrinsics: NDArray[Any] | None = None,
    ) -> Cells:
        """The token (row * side + column) that each pixel of an image (H, W) falls in; -1 outside all.

        Args:
            shape: height and width of the image: depth, instances or colour.
            color_size_px: width and height of the colour frame that was fitted; the image's own if absent.
            intrinsics: (3, 3) of the image's camera. With ``color_intrinsics`` (3, 3), pixels are carried into
                the colour frame along their rays; without, images of two sizes are taken to show the same view.
        """
        height, width = shape
        color_width, color_height = color_size_px or (width, height)
        left, top, right, bottom = fit_box(color_width, color_height, self.fit)
        x = _carried(width, color_width, 0, intrinsics, color_intrinsics)
        y = _carried(height, color_height, 1, intrinsics, color_intrinsics)
        columns = self._bins((x - left) / (right - left))
        rows = self._bins((y - top) / (bottom - top))[:, None]
        return np.where((rows == OUTSIDE) | (columns == OUTSIDE), OUTSIDE, rows * self.side + columns)

    def _bins(self, share: NDArray[np.float64]) -> Cells:
        bins = np.floor(share / self.covered * self.side).astype(np.int64)
        return np.where((bins < 0) | (bins >= self.side), OUTSIDE, bins)


def patch_targets(
    points_m: NDArray[np.floating[Any]], valid: NDArray[np.bool_], cells: Cells, side: int, min_share: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean place of each token (side, side, D) over its *valid* pixels, and which tokens have one (side, side).

    Args:
        points_m: (H, W, D); invalid pixels are never read, so that they may be NaN.
        valid: (H, W).
        cells: (H, W) from ``TokenGrid.cells``.
        side: tokens on a side.
        min_share: a token counts when at least this share of its pixels is valid; the others are NaN.
    """
    seen = cells != OUTSIDE
    used = seen & valid
    pixels = np.bincount(cells[seen], minlength=side * side)
    known = np.bincount(cells[used], minlength=side * side)
    axes = np.moveaxis(points_m[used], -1, 0)
    sums = np.stack([np.bincount(cells[used], axis, minlength=side * side) for axis in axes], -1)
    enough = (known > 0) & (known >= min_share * pixels)
    means = np.full(sums.shape, np.nan, np.float32)
    means[enough] = sums[enough] / known[enough, None]
    return means.reshape(side, side, -1), enough.reshape(side, side)


def dominant_labels(labels: NDArray[np.integer[Any]], cells: Cells, side: int, min_share: float) -> NDArray[np.int16]:
    """The label that most pixels of each token bear, (side, side) int16.

    ``labels`` (H, W): -1 is unknown. A token is -1 where no label reaches ``min_share`` of its pixels.
    """
    seen = cells != OUTSIDE
    pixels = np.bincount(cells[seen], minlength=side * side)
    labelled = seen & (labels >= 0)
    classes = int(labels.max(initial=-1)) + 1
    if classes == 0:
        return np.full((side, side), -1, np.int16)
    keys = cells[labelled] * classes + labels[labelled]
    votes = np.bincount(keys, minlength=side * side * classes).reshape(-1, classes)
    winner = np.where((votes.max(1) > 0) & (votes.max(1) >= min_share * pixels), votes.argmax(1), -1)
    return winner.astype(np.int16).reshape(side, side)


def _carried(
    length: int, color_length: int, axis: int, own: NDArray[Any] | None, color: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Where an image's pixel centres lie on the colour frame's axis, in pixel edges: its first pixel is 0 to 1."""
    at = np.arange(length, dtype=np.float64)
    if own is None or color is None:
        return (at + 0.5) * color_length / length
    return np.asarray((at - own[axis, 2]) / own[axis, axis] * color[axis, axis] + color[axis, 2] + 0.5)
