"""The bird's-eye map of an answer: the room as the model remembers it, and where it thinks the speaker stands."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from loc3r.client.results import LayoutMap, Pose
from loc3r.files import atomic_path


def draw_map(path: Path, layout: LayoutMap, pose: Pose, title: str = "") -> None:
    """Write a picture of the layout's points in their own colours, and the pose with its two-sigma ellipse.

    Args:
        path: a PNG, PDF or SVG file.
        layout: from ``scene.layout()``.
        pose: from an answer about the same scene.
        title: what was said and answered.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 7.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _draw_layout(axes, layout)
    _draw_pose(axes, pose)
    axes.plot(0, 0, marker="+", markersize=10, color="black")
    axes.annotate("first camera", (0, 0), (4, 4), textcoords="offset points", fontsize=8)
    axes.set(xlabel="x: right of the first camera (m)", ylabel="y: its viewing direction (m)", aspect="equal")
    axes.set_title(title, fontsize=10, wrap=True)
    axes.grid(alpha=0.25)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png")


def _draw_layout(axes: Any, layout: LayoutMap) -> None:
    """Surer patches are more opaque."""
    opacity = [min(0.9, max(0.1, 0.5 / (sigma_m + 0.25))) for sigma_m in layout.sigma_m]
    axes.scatter(layout.x_m, layout.y_m, s=24, c=list(layout.rgb), alpha=opacity, linewidths=0)


def _draw_pose(axes: Any, pose: Pose) -> None:
    from matplotlib.patches import Ellipse

    where = (pose.x_m, pose.y_m)
    for sigmas in (1, 2):
        size_m = (2 * sigmas * pose.sigma_x_m, 2 * sigmas * pose.sigma_y_m)
        axes.add_patch(Ellipse(where, *size_m, facecolor="crimson", edgecolor="crimson", alpha=0.12, zorder=0))
    tip = (pose.x_m + 0.6 * math.cos(pose.heading_rad), pose.y_m + 0.6 * math.sin(pose.heading_rad))
    axes.annotate("", tip, where, arrowprops={"arrowstyle": "-|>", "color": "crimson", "lw": 2})
    axes.plot(*where, marker="o", color="crimson", markersize=7)
