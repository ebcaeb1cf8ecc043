"""Bird's-eye pictures: the furnished room, where the model thinks the speaker stands and looks, and the truth."""

from __future__ import annotations

import colorsys
import hashlib
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loc3r.evaluate.predictions import Prediction
from loc3r.files import atomic_path

if TYPE_CHECKING:
    from loc3r.scenes.shards import MapObject, PreparedScene

GUESS, TRUTH = "#d6336c", "#2b8a3e"
ARROW_M = 0.75
SMALLEST_LABELLED_M2 = 0.12
MAP_IN = (5.2, 6.2)
"""Width and height of one map with its texts, in inches."""
LEGEND_IN = 0.55


@dataclass(frozen=True)
class Stand:
    """Where somebody stands and looks."""

    position_m: tuple[float, float]
    heading_rad: float | None
    sigma_m: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class MapPicture:
    """One map with what was said, guessed and true, all in the scene's bird's-eye frame."""

    outline_m: NDArray[np.float64]
    objects: Sequence[MapObject]
    guess: Stand
    truth: Stand | None
    title: str
    caption: str = ""

    @classmethod
    def of(cls, scene: PreparedScene, prediction: Prediction) -> MapPicture:
        """The map of a prediction; ``prediction`` must have a guessed place."""
        assert prediction.position_m is not None
        truth = None
        if prediction.true_position_m is not None:
            truth = Stand(prediction.true_position_m, prediction.true_heading_rad)
        return cls(
            outline_m=scene.room_outline_m,
            objects=scene.objects,
            guess=Stand(prediction.position_m, prediction.heading_rad, prediction.sigma_m),
            truth=truth,
            title=f"“{prediction.situation}”" if prediction.situation else "",
            caption=_caption(prediction),
        )


def save_map(path: Path, picture: MapPicture) -> None:
    """Write one map as PNG."""
    save_sheet(path, [picture], columns=1)


def save_sheet(path: Path, pictures: Sequence[MapPicture], columns: int = 3) -> None:
    """Write several maps side by side as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    height_in = MAP_IN[1] * rows + LEGEND_IN
    figure = Figure(figsize=(MAP_IN[0] * columns, height_in), dpi=110)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    # Fixed room for three lines above and below each map: automatic layouts don't count text outside the axes.
    figure.subplots_adjust(
        left=0.01, right=0.99, wspace=0.03, hspace=0.36, top=1 - 0.75 / height_in, bottom=(0.8 + LEGEND_IN) / height_in
    )
    for axes, picture in zip(grid, pictures, strict=False):
        draw_map(axes, picture)
    for axes in grid[len(pictures) :]:
        axes.set_axis_off()
    figure.legend(
        handles=_legend(),
        loc="lower center",
        ncols=4 if columns > 1 else 2,
        frameon=False,
        fontsize=10 if columns > 1 else 8.5,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white")


def draw_map(axes: Any, picture: MapPicture) -> None:
    """Draw one map on matplotlib axes."""
    from matplotlib.patches import Polygon

    if len(picture.outline_m) >= 3:
        axes.add_patch(Polygon(picture.outline_m, facecolor="#faf8f4", edgecolor="#495057", linewidth=2.5, zorder=1))
    things = sorted(picture.objects, key=lambda thing: -_area_m2(thing.footprint_m))
    for thing in things:
        _draw_object(axes, thing)
    _label_objects(axes, things, said=f"{picture.title} {picture.caption}")
    if picture.truth is not None:
        ends = np.array([picture.truth.position_m, picture.guess.position_m])
        axes.plot(*ends.T, linestyle=":", color="#495057", linewidth=1.3, zorder=5)
        _draw_stand(axes, picture.truth, TRUTH)
    _draw_stand(axes, picture.guess, GUESS)
    _draw_camera(axes)
    _frame(axes, picture)


def _draw_object(axes: Any, thing: MapObject) -> None:
    from matplotlib.patches import Polygon

    if thing.kind == "structure":
        return
    if thing.kind == "opening":
        colour = "#74c0fc" if "window" in thing.name else "#c68b59"
        axes.add_patch(Polygon(thing.footprint_m, facecolor=colour, edgecolor=colour, linewidth=3, zorder=2))
    else:
        fill, edge = _colours(thing.name)
        axes.add_patch(Polygon(thing.footprint_m, facecolor=fill, edgecolor=edge, linewidth=0.9, zorder=3))


def _label_objects(axes: Any, things: Sequence[MapObject], said: str) -> None:
    """Name what was spoken of, then what is large, as long as names don't cover each other."""
    placed: list[NDArray[np.float64]] = []
    spoken = {thing.object_id for thing in things if re.search(rf"\b{re.escape(thing.name)}\b", said)}
    for thing in sorted(things, key=lambda thing: thing.object_id not in spoken):
        if thing.kind == "structure" or (
            thing.object_id not in spoken and _area_m2(thing.footprint_m) < SMALLEST_LABELLED_M2
        ):
            continue
        if any(abs(other[0] - thing.xy_m[0]) < 0.5 and abs(other[1] - thing.xy_m[1]) < 0.24 for other in placed):
            continue
        placed.append(thing.xy_m)
        label = "\n".join(textwrap.wrap(thing.name, 10, break_long_words=False))
        weight = "bold" if thing.object_id in spoken else "normal"
        axes.text(*thing.xy_m, label, fontsize=7, weight=weight, color="#343a40", ha="center", va="center", zorder=4)


def _draw_stand(axes: Any, stand: Stand, colour: str) -> None:
    from matplotlib.patches import Ellipse

    x, y = stand.position_m
    if stand.sigma_m is not None:
        for sigmas in (1, 2):
            size_m = (2 * sigmas * stand.sigma_m[0], 2 * sigmas * stand.sigma_m[1])
            axes.add_patch(Ellipse((x, y), *size_m, facecolor=colour, alpha=0.09, zorder=5))
            axes.add_patch(Ellipse((x, y), *size_m, fill=False, edgecolor=colour, alpha=0.45, linewidth=0.8, zorder=5))
    if stand.heading_rad is not None:
        tip = (x + ARROW_M * math.cos(stand.heading_rad), y + ARROW_M * math.sin(stand.heading_rad))
        style = {"arrowstyle": "-|>,head_width=0.35,head_length=0.6", "color": colour, "lw": 2.4}
        axes.annotate("", tip, (x, y), arrowprops={**style, "shrinkA": 0, "shrinkB": 0}, zorder=7)
    axes.plot(x, y, marker="o", markersize=9, color=colour, markeredgecolor="white", markeredgewidth=1.4, zorder=8)


def _draw_camera(axes: Any) -> None:
    """The origin of the bird's-eye frame: where the video starts, looking up the page."""
    axes.plot(0, 0, marker="^", markersize=7, color="#868e96", markeredgecolor="white", zorder=6)


def _frame(axes: Any, picture: MapPicture) -> None:
    stands = [stand.position_m for stand in (picture.guess, picture.truth) if stand is not None]
    corners = np.concatenate([picture.outline_m.reshape(-1, 2), np.array([*stands, (0.0, 0.0)])])
    low, high = corners.min(0) - 0.35, corners.max(0) + 0.35
    half = (high - low).max() / 2
    middle = (low + high) / 2
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="equal")
    axes.set_axis_off()
    axes.set_title("\n".join(textwrap.wrap(picture.title, 48)), fontsize=10.5, color="#212529")
    axes.text(
        0.5, -0.01, picture.caption, transform=axes.transAxes, ha="center", va="top", fontsize=8.5, color="#495057"
    )
    _scale_bar(axes)


def _scale_bar(axes: Any) -> None:
    from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
    from matplotlib.patches import Rectangle

    bar = AuxTransformBox(axes.transData)
    bar.add_artist(Rectangle((0, 0), 1, 0.04, facecolor="#495057"))
    text = TextArea("1 m", textprops={"fontsize": 7.5, "color": "#495057"})
    packed = VPacker(children=[bar, text], align="center", pad=0, sep=2)
    axes.add_artist(AnchoredOffsetbox("lower right", pad=0, child=packed, frameon=False))


def _legend() -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dot: dict[str, Any] = {"linestyle": "", "markersize": 9, "markeredgecolor": "white"}
    return [
        Line2D([], [], marker="o", color=GUESS, label="where the model puts the speaker", **dot),
        Patch(facecolor=GUESS, alpha=0.25, label="its one and two sigma"),
        Line2D([], [], marker="o", color=TRUTH, label="where the speaker stands", **dot),
        Line2D([], [], marker="^", color="#868e96", label="first camera, looking up", **{**dot, "markersize": 7}),
    ]


def _colours(name: str) -> tuple[str, str]:
    """A pale fill and its darker edge, always the same for a name."""
    hue = int(hashlib.sha256(name.encode()).hexdigest()[:4], 16) / 0xFFFF
    fill, edge = colorsys.hls_to_rgb(hue, 0.88, 0.45), colorsys.hls_to_rgb(hue, 0.62, 0.3)
    return tuple(f"#{''.join(f'{round(255 * part):02x}' for part in colour)}" for colour in (fill, edge))  # type: ignore[return-value]


def _area_m2(corners: NDArray[np.float64]) -> float:
    x, y = np.asarray(corners, np.float64).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _caption(prediction: Prediction) -> str:
    lines = []
    if prediction.position_m and prediction.true_position_m:
        lines.append(f"{math.dist(prediction.position_m, prediction.true_position_m):.2f} m off")
    if prediction.heading_rad is not None and prediction.true_heading_rad is not None:
        from loc3r.geometry.headings import angle_between_deg

        lines.append(f"{float(angle_between_deg(prediction.heading_rad, prediction.true_heading_rad)):.0f}° off")
    truth = f" (true: {prediction.answers[0]})" if prediction.answers else ""
    asked = textwrap.wrap(prediction.question, 62)
    return "\n".join([", ".join(lines), *asked, f"→ {prediction.text or '(no answer)'}{truth}"])
