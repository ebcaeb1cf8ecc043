"""SQA3D localisation: shares of positions and headings within a bound, on the floor plane, with strict ``<``.

As SQA3D's utils/localization_metric.py: z is ignored; the heading is the last component of the rotation vector, so it
is a yaw for rotations about z only, and the scorer is blind to where identity looks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from loc3r.evaluate.baselines import best_constant_heading
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.measures import Scored, means
from loc3r.score.rows import Row

Floats = NDArray[np.float64]
MOST_GUESSES = 3
"""The official script takes up to three candidates and keeps the best."""


def _listed(value: Any) -> Any:
    """One guess as a list of one."""
    single = isinstance(value, list) and value and not isinstance(value[0], list)
    return [value] if single else value


def _turns(quaternion: list[float]) -> list[float]:
    if sum(number * number for number in quaternion) == 0:  # as scipy sums it: tiny numbers vanish
        raise ValueError("a quaternion of non-zero length")
    return quaternion


Point = Annotated[list[FiniteFloat], Field(min_length=3, max_length=3)]
Quaternion = Annotated[list[FiniteFloat], Field(min_length=4, max_length=4), AfterValidator(_turns)]
GuessedPoint = Annotated[list[float], Field(min_length=3, max_length=3)]
GuessedQuaternion = Annotated[list[float], Field(min_length=4, max_length=4), AfterValidator(_turns)]
Points = Annotated[list[GuessedPoint], Field(min_length=1, max_length=MOST_GUESSES), BeforeValidator(_listed)]
Quaternions = Annotated[list[GuessedQuaternion], Field(min_length=1, max_length=MOST_GUESSES), BeforeValidator(_listed)]


class LocalizationRow(Row):
    """A true pose and what was guessed: metres, and quaternions in the order x, y, z, w.

    A guess is one value or a list of up to three; null where the model gave none, which is a miss, as NaN is.
    """

    scene_id: str
    gt_pos: Point
    gt_quat_xyzw: Quaternion
    pred_pos: Points | None
    pred_quat_xyzw: Quaternions | None

    @property
    def key(self) -> str:
        return f"{self.scene_id} {self.gt_pos} {self.gt_quat_xyzw}"

    @property
    def guessed(self) -> Iterator[float]:
        """Every number of the guesses."""
        return (number for guess in (*(self.pred_pos or ()), *(self.pred_quat_xyzw or ())) for number in guess)

    @property
    def empty(self) -> bool:
        return self.pred_pos is None or self.pred_quat_xyzw is None


def score(rows: Sequence[LocalizationRow], guesses: int) -> Scored:
    """The four accuracies, of the best among the first ``guesses`` guesses of each row."""
    position_m = _errors_m(rows, guesses)
    heading_deg = _errors_deg(rows, guesses)
    columns = {f"acc@{limit}m": position_m < limit for limit in (0.5, 1.0)}
    columns |= {f"acc@{limit}deg": heading_deg < limit for limit in (15, 30)}
    notes = []
    if guesses == 1 and any(max(len(row.pred_pos or ()), len(row.pred_quat_xyzw or ())) > 1 for row in rows):
        notes.append("several guesses were given; only the first counts")
    repeated = len(rows) - len({row.key for row in rows})
    if repeated:
        notes.append(f"{repeated} lines repeat a true pose: the official test file holds each pose once")
    wild = sum(not all(map(math.isfinite, row.guessed)) for row in rows)
    if wild:
        notes.append(f"{wild} lines guess NaN or infinity, which is near nothing")
    return Scored([means(columns)], notes=notes)


def best_constants(rows: Sequence[LocalizationRow]) -> dict[str, list[LocalizationRow]]:
    """Everybody in the middle of the scene's box, looking in the one best direction."""
    yaw = best_constant_heading(list(_yaw_rad([row.gt_quat_xyzw for row in rows])))
    guess = {
        "pred_pos": [[0.0, 0.0, 0.0]],
        "pred_quat_xyzw": [[0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2))]],
    }
    return {"scene centre, best constant heading": [row.model_copy(update=guess) for row in rows]}


def _errors_m(rows: Sequence[LocalizationRow], guesses: int) -> Floats:
    """Distance on the floor plane (N,); infinite without a guess."""
    row_of = [i for i, row in enumerate(rows) for _ in (row.pred_pos or ())[:guesses]]
    guess = np.array([point for row in rows for point in (row.pred_pos or ())[:guesses]], np.float64).reshape(-1, 3)
    truth = np.array([row.gt_pos for row in rows])[row_of]
    with np.errstate(over="ignore", invalid="ignore"):
        squares = (truth[:, :2] - guess[:, :2]) ** 2
    return _best(np.sqrt(squares[:, 0] + squares[:, 1]), row_of, len(rows))  # not hypot: it rounds otherwise


def _errors_deg(rows: Sequence[LocalizationRow], guesses: int) -> Floats:
    """Angle between headings (N,); infinite without a guess."""
    row_of = [i for i, row in enumerate(rows) for _ in (row.pred_quat_xyzw or ())[:guesses]]
    guess = _yaw_rad([turn for row in rows for turn in (row.pred_quat_xyzw or ())[:guesses]])
    apart = np.abs(_yaw_rad([row.gt_quat_xyzw for row in rows])[row_of] - guess)
    return _best(np.minimum(apart, 2 * np.pi - apart) / np.pi * 180, row_of, len(rows))


def _best(errors: Floats, row_of: Sequence[int], rows: int) -> Floats:
    """The least error of each row (N,), as Python's ``min`` finds it: a NaN that comes first hides all others."""
    best, row, unknown = np.full(rows, np.inf), np.asarray(row_of, np.int64), np.isnan(errors)
    np.minimum.at(best, row, np.where(unknown, np.inf, errors))
    best[row[unknown & (np.diff(row, prepend=-1) > 0)]] = np.inf
    return best


def _yaw_rad(quaternions: Sequence[Sequence[float]]) -> Floats:
    from scipy.spatial.transform import Rotation

    turns = np.reshape(np.asarray(quaternions, np.float64), (-1, 4))
    yaw = np.full(len(turns), np.nan)
    known = ~np.isnan(turns).any(1)  # scipy refuses NaN
    if known.any():
        yaw[known] = Rotation.from_quat(turns[known]).as_rotvec()[:, -1]
    return yaw


def _single(rows: Sequence[LocalizationRow], extras: Extras) -> Scored:
    return score(rows, 1)


def _official(rows: Sequence[LocalizationRow], extras: Extras) -> Scored:
    return score(rows, MOST_GUESSES)


SQA3D_LOCALIZATION = Benchmark(
    name="sqa3d-localization",
    row=LocalizationRow,
    profiles={
        "single": Profile("SQA3D, utils/localization_metric.py with one guess", _single),
        "official": Profile("SQA3D, utils/localization_metric.py, best of up to three guesses", _official),
    },
    guesses=best_constants,
)
