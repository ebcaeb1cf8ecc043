"""How wrong a pose prior is: a step at a time and over the whole walk, beside classical odometry and standing still.

    loc3r prior measure --root data/rooms/test --out runs/prior.json

Every estimate is a path (T, 4) of x, y, z in metres and yaw in radians from the first camera, in the bird's-eye frame:
the first pose is known to all, and what is wrong afterwards is what the model's camera tokens are wrong by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import DataError
from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import wrap_rad
from loc3r.priors.classical import ClassicalVO, Rig
from loc3r.scenes.format import open_scene, scene_folders

if TYPE_CHECKING:
    from rich.table import Table

Floats = NDArray[np.float64]

STILL = "never moves"
KNOWN_HEIGHT, BEST_SCALE = "classical, height", "classical, scale"
HEIGHTS_M = (0.5, 2.5)
"""A first camera between these heights above z = 0 is taken to stand on a floor there; posed clips have none."""
FEWEST_WALKS = 8
"""With fewer, each walk is shown apart and none has an interval."""
RESAMPLES = 2000


class PathPrior(Protocol):
    """Whatever reads a path off frames, such as ``RoomsVO``."""

    def poses(self, frames: NDArray[np.uint8]) -> NDArray[Any]:
        """Poses (T, 4) of frames (T, H, W, 3) uint8 RGB, in walking order."""
        ...


@dataclass(frozen=True, eq=False)
class Walk:
    """A video whose camera poses are known."""

    name: str
    frames: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    path: Floats
    """(T, 4): what is true, in the form of an estimate."""
    rig: Rig
    """What classical odometry is told."""


Estimate = Callable[[Walk], Floats]


@dataclass(frozen=True)
class Errors:
    """What is wrong with one estimated path."""

    turn_deg: float
    """Mean error of the turn between neighbouring frames."""
    step_m: float
    """Mean error of the step between them on the floor plane, seen from the camera before."""
    heading_deg: float
    """Mean error of the heading over the walk."""
    position_m: float
    """Mean error of the place over the walk."""
    ate_m: float
    """Absolute trajectory error: root mean square after the best turn and shift of the whole path."""
    ate_scaled_m: float
    """The same after the best turn, shift and scale: what is left if the metre is given."""


METRICS = tuple(Errors.__dataclass_fields__)


def load_walks(root: Path, frames: int | None = None) -> Iterator[Walk]:
    """Walks of every scene under ``root``, one at a time; ``frames`` of each, evenly spaced, or all.

    Raises:
        SceneError: there are no scenes, or one breaks its format.
    """
    for folder in scene_folders(root):
        scene = open_scene(folder)
        ids = np.asarray(scene.posed_frame_ids)
        if frames is not None:
            ids = ids[np.linspace(0, len(ids) - 1, min(frames, len(ids))).astype(int)]
        poses = np.stack([scene.pose(int(i)) for i in ids])
        video = np.stack([scene.color(int(i)) for i in ids])
        yield walk_of(folder.name, video, poses, np.asarray(scene.intrinsic_color, np.float64)[:3, :3])


def walk_of(name: str, frames: NDArray[np.uint8], poses: Floats, intrinsics: Floats) -> Walk:
    """A walk from frames (T, H, W, 3) and camera-to-world poses (T, 4, 4), z up."""
    bev = BevFrame.from_first_pose(poses[0])
    cos, sin = np.cos(bev.yaw_rad), np.sin(bev.yaw_rad)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    yaw = np.unwrap(np.arctan2(poses[:, 1, 2], poses[:, 0, 2]) - bev.yaw_rad)
    height_m = float(poses[0, 2, 3])
    path = np.column_stack([bev.from_world(poses[:, :3, 3]), poses[:, 2, 3] - height_m, yaw])
    known = HEIGHTS_M[0] < height_m < HEIGHTS_M[1]
    return Walk(name, frames, path, Rig(intrinsics, turn @ poses[0, :3, :3], height_m if known else None))


def estimates(name: str, prior: PathPrior) -> dict[str, Estimate]:
    """What is compared: the prior, classical odometry with either scale (told the camera's height above the floor, or
    the true scale of the walk), and a camera that never moves.
    """
    classical = lru_cache(maxsize=1)(lambda walk: ClassicalVO(walk.rig).poses(walk.frames))
    return {
        name: lambda walk: np.asarray(prior.poses(walk.frames), np.float64),
        KNOWN_HEIGHT: classical,
        BEST_SCALE: lambda walk: best_scaled(classical(walk), walk),
        STILL: lambda walk: np.tile([0.0, 0.0, 0.0, np.pi / 2], (len(walk.frames), 1)),
    }


def best_scaled(path: Floats, walk: Walk) -> Floats:
    """``path`` (T, 4) with the one scale that brings its places nearest to the true ones: told, not estimated."""
    size = float((path[:, :2] ** 2).sum())
    scale = float((path[:, :2] * walk.path[:, :2]).sum()) / size if size else 1.0
    return path * [scale, scale, scale, 1.0]


def errors_of(estimate: Floats, true: Floats) -> Errors:
    """What is wrong with a path (T, 4), T at least 2, of which the first pose is known."""
    turn = wrap_rad(np.diff(estimate[:, 3]) - np.diff(true[:, 3]))
    step = np.linalg.norm(_local_steps(estimate) - _local_steps(true), axis=1)
    heading = wrap_rad(estimate[1:, 3] - true[1:, 3])
    place = np.linalg.norm(estimate[1:, :2] - true[1:, :2], axis=1)
    return Errors(
        turn_deg=float(np.rad2deg(np.abs(turn)).mean()),
        step_m=float(step.mean()),
        heading_deg=float(np.rad2deg(np.abs(heading)).mean()),
        position_m=float(place.mean()),
        ate_m=trajectory_error_m(estimate[:, :2], true[:, :2], scaled=False),
        ate_scaled_m=trajectory_error_m(estimate[:, :2], true[:, :2], scaled=True),
    )


def trajectory_error_m(estimate_m: Floats, true_m: Floats, *, scaled: bool) -> float:
    """Root mean square distance of paths (T, 2) after the best rigid (or similar) motion of one (Umeyama, 1991)."""
    moved, fixed = estimate_m - estimate_m.mean(0), true_m - true_m.mean(0)
    left, sizes, right = np.linalg.svd(fixed.T @ moved)
    sizes[-1] *= np.sign(np.linalg.det(left) * np.linalg.det(right))  # a turn, never a mirror
    left[:, -1] *= np.sign(np.linalg.det(left) * np.linalg.det(right))
    spread = float((moved**2).sum())
    scale = float(sizes.sum()) / spread if scaled and spread > 0 else 1.0
    return float(np.sqrt(((scale * moved @ (left @ right).T - fixed) ** 2).sum(1).mean()))


@dataclass(frozen=True)
class Measured:
    """Errors of every method on every walk."""

    walks: tuple[str, ...]
    frames: int
    """Of the longest walk."""
    errors: Mapping[str, tuple[Errors | None, ...]]
    """Method to one entry a walk; None where the method can't be used (no known height)."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """A line for each method: over all walks with an interval, or for each of a few walks apart."""
        few = len(self.walks) < FEWEST_WALKS
        groups = [(name, [i]) for i, name in enumerate(self.walks)] if few else [("", list(range(len(self.walks))))]
        for walk, members in groups:
            for method, found in self.errors.items():
                known = [asdict(e) for i in members if (e := found[i]) is not None]
                if known:
                    metrics = {name: _summary([e[name] for e in known]) for name in METRICS}
                    yield {"walk": walk, "method": method, "walks": len(known), "errors": metrics}

    def to_json(self) -> dict[str, Any]:
        """Plain values: the table's lines, and every walk's errors."""
        by_walk = {
            method: {walk: asdict(e) for walk, e in zip(self.walks, found, strict=True) if e is not None}
            for method, found in self.errors.items()
        }
        return {"walks": len(self.walks), "frames": self.frames, "lines": list(self.rows()), "by_walk": by_walk}


def measure(walks: Iterable[Walk], methods: Mapping[str, Estimate]) -> Measured:
    """Errors of each method on each walk of at least two frames.

    Raises:
        DataError: there is no such walk.
    """
    names, longest = list[str](), 0
    errors: dict[str, list[Errors | None]] = {method: [] for method in methods}
    for walk in walks:
        if len(walk.frames) < 2:
            continue
        names.append(walk.name)
        longest = max(longest, len(walk.frames))
        for method, estimate in methods.items():
            usable = method != KNOWN_HEIGHT or walk.rig.height_m is not None
            errors[method].append(errors_of(estimate(walk), walk.path) if usable else None)
    if not names:
        raise DataError("nothing to measure", received="no walk of two frames", expected="scenes with posed frames")
    return Measured(tuple(names), longest, {method: tuple(found) for method, found in errors.items()})


def table(measured: Measured, title: str) -> Table:
    """The errors for a terminal, with intervals where there are walks enough."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, show_edge=False, padding=0)
    shown.add_column("", no_wrap=True)
    for heading in ("turn a\nframe", "step a\nframe", "heading", "place", "ATE", "ATE,\nscaled"):
        shown.add_column(heading, justify="right", no_wrap=True)
    walk = ""
    for row in measured.rows():
        if row["walk"] != walk:
            walk = row["walk"]
            shown.add_row(f"[bold]{walk}[/]")
        shown.add_row(row["method"], *(_cell(name, value) for name, value in row["errors"].items()))
    return shown


def _cell(metric: str, value: Mapping[str, float]) -> str:
    digits, unit = ("{:.1f}", "°") if metric.endswith("_deg") else ("{:.2f}", " m")
    bounds = f"\n[dim]{digits.format(value['low'])}–{digits.format(value['high'])}[/]" if "low" in value else ""
    return f"{digits.format(value['mean'])}{unit}{bounds}"


def _local_steps(path: Floats) -> Floats:
    """Steps (T-1, 2) on the floor plane along and across the heading of the camera before."""
    step, yaw = np.diff(path[:, :2], axis=0), path[:-1, 3]
    ahead = np.cos(yaw) * step[:, 0] + np.sin(yaw) * step[:, 1]
    return np.stack([ahead, np.cos(yaw) * step[:, 1] - np.sin(yaw) * step[:, 0]], -1)


def _summary(values: Sequence[float]) -> dict[str, float]:
    """Mean over walks with a percentile bootstrap interval; no interval for a few walks."""
    from scipy.stats import bootstrap

    mean = {"mean": round(float(np.mean(values)), 4)}
    if len(values) < FEWEST_WALKS:
        return mean
    rng = np.random.default_rng(0)
    found = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=rng).confidence_interval
    return {**mean, "low": round(float(found.low), 4), "high": round(float(found.high), 4)}
