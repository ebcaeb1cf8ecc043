"""One sheet on how far a model's uncertainty can be trusted: places above, headings below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loc3r.evaluate.calibration import curves, expected_share
from loc3r.evaluate.decline import decline_curves
from loc3r.evaluate.predictions import Prediction
from loc3r.files import atomic_path, write_json

PLACE, HEADING, PALE, SOFT = "#d6336c", "#1971c2", "#f1f3f5", "#868e96"
TITLES = {"acc_0.5m": "within 0.5 m", "acc_1.0m": "within 1 m", "acc_15deg": "within 15°", "acc_30deg": "within 30°"}


def reliability(predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Every curve of the sheet, as plain values."""
    return {**curves(predictions), "decline": decline_curves(predictions)}


def save_reliability(folder: Path, predictions: Sequence[Prediction]) -> None:
    """Write ``reliability.json`` and ``reliability.png``; remove them where no situation has a stated uncertainty."""
    found, files = reliability(predictions), (folder / "reliability.json", folder / "reliability.png")
    if not found["decline"]:
        for file in files:
            file.unlink(missing_ok=True)
        return
    write_json(files[0], found)
    save_plots(files[1], found)


def save_plots(path: Path, found: Mapping[str, Any]) -> None:
    """Draw what ``reliability`` found as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    spaced = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.05)
    figure = Figure(figsize=(13.2, 8.4), dpi=110, layout=spaced)
    FigureCanvasAgg(figure)
    places, headings = figure.subplots(2, 3)
    _place_reliability(places[0], found["place_reliability"])
    _place_errors(places[1], found["place_bins"])
    _decline(places[2], "Places", found["decline"], ("acc_0.5m", "acc_1.0m"), PLACE)
    _heading_reliability(headings[0], found["heading_bins"])
    _heading_errors(headings[1], found["heading_bins"])
    _decline(headings[2], "Headings", found["decline"], ("acc_15deg", "acc_30deg"), HEADING)
    for axes in (*places, *headings):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=PALE, zorder=0)
        axes.set_axisbelow(True)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white")


def _place_reliability(axes: Any, curve: Mapping[str, list[float]]) -> None:
    probability, share = [0, *curve["probability"], 1], [0, *curve["share_inside"], 1]
    _diagonal(axes, 1)
    axes.fill_between(probability, probability, share, color=PLACE, alpha=0.18, linewidth=0)
    axes.plot(probability, share, color=PLACE, linewidth=2)
    told = []
    for sigmas in (1, 2):
        at = expected_share(sigmas)
        seen = float(np.interp(at, probability, share))
        axes.plot(at, seen, marker="o", color=PLACE, markeredgecolor="white", markersize=8)
        told.append(f"inside {sigmas}σ: {100 * seen:.0f} % (should be {100 * at:.0f} %)")
    axes.text(0.98, 0.04, "\n".join(told), transform=axes.transAxes, ha="right", fontsize=9, color="#495057")
    axes.set_title("Places: does the ellipse hold the speaker?")
    axes.set(xlabel="probability of the ellipse", ylabel="share of true places inside")
    _unit(axes)


def _place_errors(axes: Any, bins: Mapping[str, list[float]]) -> None:
    limit = 1.08 * max(*bins["stated_m"], *bins["observed_m"])
    _diagonal(axes, limit)
    axes.plot(bins["stated_m"], bins["observed_m"], marker="o", color=PLACE, linewidth=1.5, markeredgecolor="white")
    axes.set_title("Places: is sigma as large as the error?")
    axes.set(xlabel="stated error (m), ten groups by sigma", ylabel="error seen (m, root mean square)")
    axes.set(xlim=(0, limit), ylim=(0, limit))


def _heading_reliability(axes: Any, bins: Mapping[str, list[float]]) -> None:
    _diagonal(axes, 1)
    axes.plot(bins["concentration"], bins["mean_cosine"], marker="o", color=HEADING, linewidth=1.5,
              markeredgecolor="white")  # fmt: skip
    axes.set_title("Headings: is the concentration true?")
    axes.set(xlabel="stated mean resultant length, ten groups", ylabel="mean cosine of the error")
    axes.set(xlim=(0, 1), ylim=(min(0, 1.1 * min(bins["mean_cosine"])), 1))


def _heading_errors(axes: Any, bins: Mapping[str, list[float]]) -> None:
    axes.axhline(90, color=SOFT, linestyle="--", linewidth=1.2)
    axes.annotate("guessing", (1, 90), (-2, 4), textcoords="offset points", ha="right", fontsize=9, color="#495057")
    axes.plot(bins["concentration"], bins["mean_error_deg"], marker="o", color=HEADING, linewidth=1.5,
              markeredgecolor="white")  # fmt: skip
    axes.set_title("Headings: the surer, the smaller the error?")
    axes.set(xlabel="stated mean resultant length, ten groups", ylabel="mean error (°)", xlim=(0, 1))
    axes.set_ylim(0, max(100.0, 1.1 * max(bins["mean_error_deg"])))


def _decline(axes: Any, what: str, decline: Mapping[str, Any], names: Sequence[str], colour: str) -> None:
    """Accuracy against coverage, and the level line that declining at random would give."""
    for name, style in zip((n for n in names if n in decline), ("-", "-."), strict=False):
        coverage, accuracy = decline[name]["coverage"], decline[name]["accuracy"]
        axes.plot(coverage, accuracy, color=colour, linestyle=style, linewidth=2, label=TITLES[name])
        axes.axhline(accuracy[-1], color=SOFT, linestyle="--", linewidth=1.2)
    axes.plot([], [], color=SOFT, linestyle="--", label="declining at random")
    axes.set_title(f"{what}: locate or decline")
    axes.set(xlabel="share of situations that are not declined", ylabel="right among them")
    _unit(axes)
    axes.legend(frameon=False, fontsize=9, loc="best")


def _diagonal(axes: Any, limit: float) -> None:
    axes.plot((0, limit), (0, limit), color=SOFT, linestyle="--", linewidth=1.2)


def _unit(axes: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
