"""Textbook visual odometry, to measure learned priors against: features, essential matrices, chained scales.

Scaramuzza and Fraundorfer, "Visual Odometry", parts I and II (2011). Neighbouring frames are matched by SIFT; the
essential matrix gives rotation and direction of each step; things seen in three frames carry the length of one step
over to the next; the floor, at a known distance below the camera, gives the metre. It is told what a learned prior
must find out by itself: the camera's intrinsics, how the first camera was held, and how high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import DataError

Floats = NDArray[np.float64]

FEATURES = 1500
SMALL_PX = 320
"""Narrower frames are enlarged to twice their size: SIFT finds little in them."""
RATIO = 0.8
"""Lowe's test: a match must be this much nearer than the next best."""
THRESHOLD_PX = 0.5
FEWEST_MATCHES = 12
FEWEST_SHARED = 8
"""Things seen in three frames that a step's length is taken from; with fewer, the camera keeps its pace."""
LONGEST_STEP = 10.0
"""A step is at most this many times longer or shorter than the one before: two views of far things say little."""
FAR = 200.0
"""Things further away than this many step lengths have no measurable depth."""


@dataclass(frozen=True, eq=False)
class Rig:
    """What classical odometry has to be told."""

    intrinsics: Floats
    """(3, 3) of the frames."""
    first_rotation: Floats
    """(3, 3): the first camera's axes (OpenCV) in the bird's-eye frame, z up."""
    height_m: float | None = None
    """The first camera's height above the floor; without it the path has no metres."""


@dataclass(frozen=True, eq=False)
class Features:
    """Points (N, 2) in pixels and descriptors (N, 128) of one frame."""

    points_px: Floats
    descriptors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Step:
    """From one frame to the next: ``x_next = rotation @ x + direction``, in units of the step's length.

    ``points`` (M, 3) are things that both frames see, in the first one's axes; ``before`` and ``after`` (M,) index
    them among the two frames' features.
    """

    rotation: Floats
    direction: Floats
    points: Floats
    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @property
    def points_after(self) -> Floats:
        """The things in the second frame's axes."""
        return np.asarray(self.points @ self.rotation.T + self.direction)


class ClassicalVO:
    """Odometry of one camera. With a known height, poses are metric; without, the first step is one unit long."""

    name = "classical"

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def poses(self, frames: NDArray[np.uint8]) -> Floats:
        """Poses (T, 4) of frames (T, H, W, 3) uint8 RGB: x, y, z from the first camera, yaw in radians.

        They lie in the bird's-eye frame. Where two frames have too little in common, the camera is taken to stand.
        """
        _opencv().setRNGSeed(0)  # RANSAC draws
        features = [detect(frame) for frame in frames]
        return self.path([relative(a, b, self.rig.intrinsics) for a, b in pairwise(features)])

    def path(self, steps: Sequence[Step | None]) -> Floats:
        """The poses (T, 4) that T - 1 steps lead to."""
        lengths = chain_lengths(steps)
        rotations, places = [self.rig.first_rotation], [np.zeros(3)]
        drops = [np.zeros(0)]
        for step, length in zip(steps, lengths, strict=True):
            rotation, place = rotations[-1], places[-1]
            if step is None:
                rotations.append(rotation)
                places.append(place)
                continue
            drops.append(-place[2] - length * (step.points @ rotation.T)[:, 2])
            places.append(place - length * rotation @ step.rotation.T @ step.direction)
            rotations.append(rotation @ step.rotation.T)
        scale = 1.0 if self.rig.height_m is None else self.rig.height_m / floor_drop(np.concatenate(drops))
        ahead = np.stack(rotations)[:, :, 2]
        yaw = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
        return np.column_stack([scale * np.stack(places), yaw])


def detect(frame: NDArray[np.uint8]) -> Features:
    """SIFT features of a frame (H, W, 3) uint8 RGB.

    Raises:
        DataError: OpenCV is not installed.
    """
    cv2 = _opencv()
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    factor = 2 if frame.shape[1] < SMALL_PX else 1
    grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    found, descriptors = cv2.SIFT_create(FEATURES, contrastThreshold=0.01, edgeThreshold=15).detectAndCompute(
        grey, None
    )
    points = np.array([point.pt for point in found], np.float64).reshape(-1, 2)
    described = np.zeros((0, 128), np.float32) if descriptors is None else descriptors
    return Features((points + 0.5) / factor - 0.5, described)


def match(a: Features, b: Features) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (M,) into ``a`` and (M,) into ``b`` of features that are each other's best match, by Lowe's test."""
    cv2 = _opencv()
    none = np.zeros(0, np.int64)
    if min(len(a.descriptors), len(b.descriptors)) < 2:
        return none, none
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    back = {found.queryIdx: found.trainIdx for found in matcher.match(b.descriptors, a.descriptors)}
    pairs = [
        (best.queryIdx, best.trainIdx)
        for best, second in matcher.knnMatch(a.descriptors, b.descriptors, 2)
        if best.distance < RATIO * second.distance and back[best.trainIdx] == best.queryIdx
    ]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return left, right


def relative(a: Features, b: Features, intrinsics: Floats) -> Step | None:
    """The step between two frames, from the essential matrix; None where they share too little."""
    left, right = match(a, b)
    if len(left) < FEWEST_MATCHES:
        return None
    return two_views(a.points_px[left], b.points_px[right], intrinsics, left, right)


def two_views(
    before_px: Floats, after_px: Floats, intrinsics: Floats, before: NDArray[np.int64], after: NDArray[np.int64]
) -> Step | None:
    """The step that moves matched points (M, 2) to (M, 2); None where no essential matrix explains them."""
    cv2 = _opencv()
    essential, inliers = cv2.findEssentialMat(before_px, after_px, intrinsics, cv2.RANSAC, 0.9999, THRESHOLD_PX)
    if essential is None or essential.shape != (3, 3):
        return None
    _, rotation, direction, kept, points = cv2.recoverPose(
        essential, before_px, after_px, intrinsics, distanceThresh=FAR, mask=inliers
    )
    sound = kept[:, 0] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        places = (points[:3] / points[3]).T[sound]
    return Step(rotation, direction[:, 0], places, before[sound], after[sound])


def chain_lengths(steps: Sequence[Step | None]) -> list[float]:
    """Length of each step in units of the first, from things seen in three frames: they keep their distance."""
    lengths: list[float] = []
    known: dict[int, float] = {}
    length = 1.0
    for step in steps:
        if step is None:
            known = {}
            lengths.append(0.0)
            continue
        distance = dict(zip(step.before.tolist(), np.linalg.norm(step.points, axis=1).tolist(), strict=True))
        ratios = [known[index] / distance[index] for index in distance.keys() & known.keys()]
        if len(ratios) >= FEWEST_SHARED:
            length = float(np.clip(np.median(ratios), length / LONGEST_STEP, length * LONGEST_STEP))
        lengths.append(length)
        ahead = length * np.linalg.norm(step.points_after, axis=1)
        known = dict(zip(step.after.tolist(), ahead.tolist(), strict=True))
    return lengths


def floor_drop(drops: Floats) -> float:
    """How far the floor lies below the first camera: the densest level among the lowest quarter of the points."""
    below = np.sort(drops[drops > 0])
    if len(below) < FEWEST_MATCHES:
        return 1.0
    levels = below[3 * len(below) // 4 :]
    counts = np.searchsorted(below, levels * 1.05) - np.searchsorted(below, levels * 0.95)
    return float(levels[int(np.argmax(counts))])


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise DataError(
            "classical odometry needs OpenCV", received=str(error), fix="pip install opencv-python-headless"
        ) from error
    return cv2
