"""Bird's-eye pictures: the furnished room, where the model thinks the speaker stands and looks, and the truth."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loc3r.evaluate.answers import exact_match
from loc3r.evaluate.predictions import Prediction
from loc3r.files import atomic_path
from loc3r.geometry.headings import angle_between_deg

if TYPE_CHECKING:
    from loc3r.scenes.shards import MapObject, PreparedScene

GUESS, TRUTH, INK, SOFT = "#d6336c", "#2b8a3e", "#343a40", "#868e96"
WALL, FLOOR = "#adb5bd", "#dee2e6"
PALETTE = (
    "#4e79a7", "#f28e2b", "#8064a2", "#3fb5a9", "#e0b416", "#9c755f", "#6f9e4f", "#c0504d", "#7fb6e6", "#5b5bd6",
    "#a8921f", "#f4a582", "#c39bd3", "#2f6f73", "#79706e", "#0097c4",
)  # fmt: skip
"""Colours of things, far from those of guess and truth."""
ARROW_M = 0.75
SMALLEST_LABELLED_M2 = 0.12
MAP_IN = (4.1, 5.35)
"""Width and height of one map with its texts, in inches: three side by side can be read in a README."""
TOP_IN, BOTTOM_IN, SIDE_IN = 0.85, 0.78, 0.08
"""Room for the texts above and below a map, and between two."""
BOX_IN = (MAP_IN[0] - 2 * SIDE_IN, MAP_IN[1] - TOP_IN - BOTTOM_IN)
"""What is left for the map itself."""
CAPTION_WIDTH = 58
"""Letters that fit below a map."""
LEGEND_IN = 0.6
DPI = 140


@dataclass(frozen=True)
class Stand:
    """Where somebody stands and looks."""

    position_m: tuple[float, float]
    heading_rad: float | None
    sigma_m: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class TokenPlaces:
    """The layout as the model sees it: where it puts each vision token (N, 2), and what the token shows (N,)."""

    xy_m: NDArray[np.float64]
    names: Sequence[str]
    """Empty where unknown."""


@dataclass(frozen=True, eq=False)
class MapPicture:
    """One map with what was said, guessed and true, all in the scene's bird's-eye frame."""

    outline_m: NDArray[np.float64]
    objects: Sequence[MapObject]
    guess: Stand
    truth: Stand | None
    title: str
    caption: str = ""
    """Said below; long lines are broken."""
    note: str = ""
    """Why this one is shown, above everything."""
    tokens: TokenPlaces | None = None

    @classmethod
    def of(
        cls, scene: PreparedScene, prediction: Prediction, note: str = "", tokens: TokenPlaces | None = None
    ) -> MapPicture:
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
            note=note,
            tokens=tokens,
        )

    @property
    def things(self) -> list[MapObject]:
        """What stands in the room, the largest first; openings too, walls and floor not."""
        found = (thing for thing in self.objects if thing.kind != "structure")
        return sorted(found, key=lambda thing: -_area_m2(thing.footprint_m))


def save_sheet(path: Path, pictures: Sequence[MapPicture], columns: int = 3) -> None:
    """Write several maps side by side as one PNG; a thing has the same colour on all of them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    width_in, height_in = MAP_IN[0] * columns, MAP_IN[1] * rows + LEGEND_IN
    figure = Figure(figsize=(width_in, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    colours = palette({thing.name for thing in picture.things} for picture in pictures)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        left_in, bottom_in = MAP_IN[0] * column + SIDE_IN, height_in - MAP_IN[1] * (row + 1) + BOTTOM_IN
        box = (left_in / width_in, bottom_in / height_in, BOX_IN[0] / width_in, BOX_IN[1] / height_in)
        draw_map(figure.add_axes(box), picture, colours)
    tokens = any(picture.tokens is not None for picture in pictures)
    figure.legend(
        handles=_legend(tokens), loc="lower center", ncols=min(columns + 1, 3), frameon=False,
        fontsize=8.5 if columns > 1 else 7, handletextpad=0.4, columnspacing=1.6,
    )  # fmt: skip
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="white")


def palette(maps: Iterable[set[str]]) -> dict[str, str]:
    """A colour for each name, so that names which share a map differ as long as there are colours enough."""
    rooms = list(maps)
    counts = Counter(name for room in rooms for name in room)
    chosen: dict[str, str] = {"window": "#4dabf7", "door": "#b0713a"}
    used: Counter[str] = Counter()
    for name in sorted(counts.keys() - chosen.keys(), key=lambda name: (-counts[name], name)):
        beside = Counter(chosen[other] for room in rooms if name in room for other in room if other in chosen)
        chosen[name] = min(PALETTE, key=lambda colour: (beside[colour], used[colour]))
        used[chosen[name]] += 1
    return chosen


def draw_map(axes: Any, picture: MapPicture, colours: Mapping[str, str]) -> None:
    """Draw one map on matplotlib axes."""
    from matplotlib.patches import Polygon

    _frame(axes, picture)
    if len(picture.outline_m) >= 3:
        axes.add_patch(Polygon(picture.outline_m, facecolor="#fcfbf8", edgecolor="#495057", linewidth=2, zorder=1))
    for thing in picture.things:
        _draw_object(axes, thing, colours[thing.name])
    if picture.tokens is not None:
        _draw_tokens(axes, picture.tokens, colours)
    if picture.truth is not None:
        ends = np.array([picture.truth.position_m, picture.guess.position_m])
        axes.plot(*ends.T, linestyle=":", color="#495057", linewidth=1.3, zorder=6)
        _draw_stand(axes, picture.truth, TRUTH)
    _draw_stand(axes, picture.guess, GUESS)
    axes.plot(0, 0, marker="^", markersize=6.5, color=SOFT, markeredgecolor="white", zorder=7)
    _label_things(axes, picture)
    _write_texts(axes, picture)


def _draw_object(axes: Any, thing: MapObject, colour: str) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Polygon

    opening = thing.kind == "opening"
    axes.add_patch(
        Polygon(
            thing.footprint_m, facecolor=colour if opening else to_rgba(colour, 0.2), edgecolor=colour,
            linewidth=3 if opening else 1, zorder=2 if opening else 3,
        )
    )  # fmt: skip


def _draw_tokens(axes: Any, tokens: TokenPlaces, colours: Mapping[str, str]) -> None:
    """A dot for each vision token: things above walls above the floor."""
    names = np.asarray(tokens.names, np.str_)
    known = np.isin(names, list(colours))
    for chosen, size, colour, zorder in (
        (~known & (names != "wall"), 5, FLOOR, 3.2),
        (names == "wall", 8, WALL, 3.3),
        (known, 19, [colours.get(name, FLOOR) for name in names[known]], 4),
    ):
        axes.scatter(*tokens.xy_m[chosen].T, s=size, c=colour, edgecolors="white", linewidths=0.35, zorder=zorder)


def _draw_stand(axes: Any, stand: Stand, colour: str) -> None:
    from matplotlib.patches import Ellipse

    x, y = stand.position_m
    if stand.sigma_m is not None:
        for sigmas, fill in ((1, 0.11), (2, 0.05)):
            size_m = (2 * sigmas * stand.sigma_m[0], 2 * sigmas * stand.sigma_m[1])
            axes.add_patch(Ellipse((x, y), *size_m, facecolor=colour, alpha=fill, linewidth=0, zorder=5))
            axes.add_patch(Ellipse((x, y), *size_m, fill=False, edgecolor=colour, alpha=0.55, linewidth=0.9, zorder=5))
    if stand.heading_rad is not None:
        tip = np.array([x, y]) + _arrow_m(stand)
        style = {"arrowstyle": "-|>,head_width=0.32,head_length=0.55", "color": colour, "lw": 2.2}
        axes.annotate("", tip, (x, y), arrowprops={**style, "shrinkA": 0, "shrinkB": 0}, zorder=8)
    axes.plot(x, y, marker="o", markersize=8.5, color=colour, markeredgecolor="white", markeredgewidth=1.3, zorder=9)


def _stands(picture: MapPicture) -> list[Stand]:
    return [stand for stand in (picture.guess, picture.truth) if stand is not None]


def _arrow_m(stand: Stand) -> NDArray[np.float64]:
    """From somebody's feet to the tip of the arrow, (2,); nothing where the heading is unknown."""
    if stand.heading_rad is None:
        return np.zeros(2)
    return ARROW_M * np.array([math.cos(stand.heading_rad), math.sin(stand.heading_rad)])


def _label_things(axes: Any, picture: MapPicture) -> None:
    """Name what was spoken of, then what is large, where a name covers no other and nobody who stands there."""
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import Bbox

    said = f"{picture.title} {picture.caption}"
    spoken = {thing.object_id for thing in picture.things if re.search(rf"\b{re.escape(thing.name)}\b", said)}
    arrows = [_arrow_m(stand) * share for stand in _stands(picture) for share in (0, 0.5, 1)]
    middles = [stand.position_m for stand in _stands(picture) for _ in range(3)]
    taken = [Bbox.from_extents(*(at - 11), *(at + 11)) for at in axes.transData.transform(np.array(middles) + arrows)]
    for thing in sorted(picture.things, key=lambda thing: thing.object_id not in spoken):
        if thing.object_id not in spoken and _area_m2(thing.footprint_m) < SMALLEST_LABELLED_M2:
            continue
        label = axes.annotate(
            "\n".join(textwrap.wrap(thing.name, 10, break_long_words=False)), thing.xy_m, (0, 0),
            textcoords="offset points", fontsize=7, weight="bold" if thing.object_id in spoken else "normal", color=INK,
            ha="center", va="center", zorder=10, linespacing=0.9,
            path_effects=[withStroke(linewidth=2.2, foreground="#ffffffd0")],
        )  # fmt: skip
        for offset_pt in ((0, 0), (0, 12), (0, -12), (20, 0), (-20, 0)):
            label.set_position(offset_pt)
            box = label.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
        else:
            label.remove()


def _frame(axes: Any, picture: MapPicture) -> None:
    """Limits around room and stands, of the box's own shape, with a strip for the scale bar."""
    stands = [stand.position_m for stand in _stands(picture)]
    corners = np.concatenate([picture.outline_m.reshape(-1, 2), np.array([*stands, (0.0, 0.0)])])
    low, high = corners.min(0) - (0.25, 0.5), corners.max(0) + 0.25
    middle, half = (low + high) / 2, np.array(BOX_IN) * ((high - low) / BOX_IN).max() / 2
    axes.set(xlim=middle[0] + half[0] * np.array([-1, 1]), ylim=middle[1] + half[1] * np.array([-1, 1]))
    axes.set_axis_off()
    _scale_bar(axes)


def _write_texts(axes: Any, picture: MapPicture) -> None:
    wrapped = "\n".join(textwrap.wrap(picture.title, 50, max_lines=3))
    title = axes.text(0.5, 1.01, wrapped, transform=axes.transAxes, ha="center", va="bottom", fontsize=9, color=INK)
    axes.annotate(
        picture.note, (0.5, 1), (0, 5), xycoords=title, textcoords="offset points", ha="center", va="bottom",
        fontsize=7.5, color=SOFT,
    )  # fmt: skip
    below = {"transform": axes.transAxes, "ha": "center", "va": "top", "fontsize": 8, "color": "#495057"}
    caption = "\n".join(line for part in picture.caption.splitlines() for line in textwrap.wrap(part, CAPTION_WIDTH))
    axes.text(0.5, -0.005, caption, **below)


def _scale_bar(axes: Any) -> None:
    from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
    from matplotlib.patches import Rectangle

    bar = AuxTransformBox(axes.transData)
    bar.add_artist(Rectangle((0, 0), 1, 0.04, facecolor=INK))
    text = TextArea("1 m", textprops={"fontsize": 7.5, "color": INK})
    packed = VPacker(children=[text, bar], align="center", pad=0, sep=2)
    axes.add_artist(AnchoredOffsetbox("lower right", pad=0, child=packed, frameon=False))


def _legend(tokens: bool) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dot: dict[str, Any] = {"linestyle": "", "markersize": 8, "markeredgecolor": "white"}
    small = {**dot, "markersize": 6}
    shown = [
        Line2D([], [], marker="o", color=GUESS, label="guess: where the model puts the speaker", **dot),
        Patch(facecolor=GUESS, alpha=0.3, label="its one and two sigma"),
        Line2D([], [], marker="o", color=TRUTH, label="truth", **dot),
        Line2D([], [], marker="^", color=SOFT, label="first camera, looking up", **small),
    ]
    if tokens:
        label = "where the model puts what it sees, in that thing's colour (grey: walls, floor)"
        shown.append(Line2D([], [], marker="o", color=PALETTE[0], label=label, **small))
    return shown


def _area_m2(corners: NDArray[np.float64]) -> float:
    x, y = np.asarray(corners, np.float64).T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _caption(prediction: Prediction) -> str:
    off = []
    if prediction.position_m and prediction.true_position_m:
        off.append(f"{math.dist(prediction.position_m, prediction.true_position_m):.2f} m")
    if prediction.heading_rad is not None and prediction.true_heading_rad is not None:
        off.append(f"{float(angle_between_deg(prediction.heading_rad, prediction.true_heading_rad)):.0f}°")
    right = prediction.answers and exact_match(prediction.text, prediction.answers)
    truth = " ✓" if right else f" ✗ (true: {prediction.answers[0]})" if prediction.answers else ""
    return "\n".join([f"{' and '.join(off)} off", prediction.question, f"→ {prediction.text or '(no answer)'}{truth}"])
