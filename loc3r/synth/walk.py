"""A walk through a room with a camera at eye height, as a person would film it.

A route is drawn over the free floor, from the door past a few places; then the best way to look from each
step is found by dynamic programming, so that all furniture is seen with no turn too fast. Boxes stand in for
the furniture while planning (``sight.py``); whether it was really seen is for the rendered masks to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from loc3r.synth.floor import CELL_M, Cells, Floor, doorstep, walkable
from loc3r.synth.room import Floats, Room
from loc3r.synth.sight import Sight, share_seen

EYE_M = (1.45, 1.7)
STEP_M = 0.4
"""Longest step between frames."""
HEADINGS = 24
"""Directions to look in: 15 degrees apart, one or none further a frame."""
PITCHES_DEG = (5.0, 10.0, 15.0, 20.0)
"""Ways to look down; one or none further a frame."""
SEEN_PX = 60
"""A thing is seen where a frame of 192x144 shows this many pixels of it."""
PLANNED_PX = 110
"""Plans ask for more, since boxes flatter."""
ROUTES = 4
"""Routes tried for one walk."""
BEAM = 8
"""Ways to have come to a direction that are kept while planning."""
JITTER_DEG = 0.7


@dataclass(frozen=True, eq=False)
class Walk:
    """Camera-to-room poses (T, 4, 4) and the share of furniture that the plan expects to see."""

    poses: Floats
    planned_share: float


def walk(room: Room, frames: int, rng: np.random.Generator, entry_m: Floats | None = None) -> Walk:
    """Plan a walk of so many frames through a furnished room; the same generator state gives the same walk.

    It begins at ``entry_m`` (2,), a free place, or at a door where none is given.
    """
    floor, free = walkable(room.size_m, room.objects, entry_m)
    sight = Sight(room)
    best: Walk | None = None
    for _ in range(ROUTES):
        route = _route(room, floor, free, frames, rng, entry_m)
        eyes = np.column_stack([route, _eye_heights(frames, rng)])
        headings, pitches, share = _look(room, sight, eyes)
        if best is None or share > best.planned_share:
            best = Walk(_poses(eyes, headings, pitches, rng), share)
        if best.planned_share == 1:
            break
    assert best is not None
    return best


# --- where to go


def _route(
    room: Room, floor: Floor, free: Cells, frames: int, rng: np.random.Generator, entry_m: Floats | None
) -> Floats:
    """Places (T, 2) a step apart, from the door or the entry past places that are far from each other."""
    if entry_m is None:
        doors = [thing for thing in room.objects if thing.name == "door"]
        entry_m = doorstep(doors[int(rng.integers(len(doors)))])
    start = floor.cell_at(entry_m)
    cells = np.argwhere(free)
    graph, number = _graph(free)
    stops = [int(number[start])]
    length_m, path = 0.0, [stops[0]]
    longest_m = STEP_M * 0.85 * (frames - 1)
    for _ in range(int(rng.integers(2, 5))):
        cost, before = dijkstra(graph, indices=stops[-1], return_predecessors=True)
        leg = _leg(before, stops[-1], _next_stop(floor, free, cells, stops, cost, rng))
        leg_m = float(np.linalg.norm(np.diff(cells[leg], axis=0), axis=1).sum()) * CELL_M
        if length_m + leg_m > longest_m:
            break
        path += leg[1:]
        stops.append(leg[-1])
        length_m += leg_m
    points = floor.points_m[tuple(cells[path].T)]
    return _smooth(points, floor, free, frames, rng)


def _graph(free: Cells) -> tuple[coo_matrix, NDArray[np.int64]]:
    """Steps between free cells, longer where furniture is near; and the number of each cell in it."""
    number = np.cumsum(free).reshape(free.shape) - 1
    near = 1 + 0.15 / (_clearance(free) * CELL_M + 0.01)
    rows, columns, costs = [], [], []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        height, width = free.shape
        a = np.s_[: height - down, max(-right, 0) : width - max(right, 0)]
        b = np.s_[down:, max(right, 0) : width + min(right, 0)]
        both = free[a] & free[b]
        rows.append(number[a][both])
        columns.append(number[b][both])
        costs.append(math.hypot(down, right) * (near[a] + near[b])[both])
    edges = np.concatenate(costs), (np.concatenate(rows), np.concatenate(columns))
    size = int(free.sum())
    graph = coo_matrix(edges, shape=(size, size))
    return (graph + graph.T).tocsr(), number


def _clearance(free: Cells) -> Floats:
    """Cells between each cell and the nearest that is taken, (rows, columns)."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1])


def _next_stop(
    floor: Floor, free: Cells, cells: NDArray[np.int64], stops: list[int], cost: Floats, rng: np.random.Generator
) -> int:
    """The cell among a few random ones that is farthest from all stops so far, where there is elbow room."""
    clearance = _clearance(free)[free]
    roomy = np.flatnonzero(clearance >= min(4, float(np.median(clearance))))
    drawn = rng.choice(roomy, min(6, len(roomy)), replace=False)
    apart = np.linalg.norm(cells[drawn][:, None] - cells[stops][None], axis=-1).min(1)
    return int(drawn[int(apart.argmax())])


def _leg(before: NDArray[np.int32], start: int, end: int) -> list[int]:
    """Cells from start to end, from the predecessors that Dijkstra gave."""
    leg = [end]
    while leg[-1] != start:
        leg.append(int(before[leg[-1]]))
    return leg[::-1]


def _smooth(points: Floats, floor: Floor, free: Cells, frames: int, rng: np.random.Generator) -> Floats:
    """The path rounded off and paced out in so many places (T, 2), all of them free."""
    pace = 1 + 0.25 * np.sin(np.linspace(0, 2 * math.pi, frames - 1) * rng.uniform(0.5, 2) + rng.uniform(0, 6))
    share = np.concatenate([[0], np.cumsum(pace)]) / pace.sum()
    for sigma in (8, 5, 3, 1.5, 0):
        rounded = ndimage.gaussian_filter1d(points, sigma, axis=0, mode="nearest") if sigma else points
        along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(rounded, axis=0), axis=1))])
        places = np.stack([np.interp(share * along[-1], along, rounded[:, i]) for i in range(2)], -1)
        if all(free[floor.cell_at(place)] for place in places.tolist()):
            break
    return places


def _eye_heights(frames: int, rng: np.random.Generator) -> Floats:
    """A person's eye height with a little sway, (T,)."""
    sway = ndimage.gaussian_filter1d(rng.normal(0, 0.03, frames), 1.0)
    return np.asarray(np.clip(rng.uniform(EYE_M[0] + 0.03, EYE_M[1] - 0.03) + sway, *EYE_M))


# --- where to look


def _look(room: Room, sight: Sight, eyes: Floats) -> tuple[Floats, Floats, float]:
    """Headings (T,) and pitches (T,) that see the furniture, and the share of it that they see."""
    frames, pitches = len(eyes), np.radians(PITCHES_DEG)
    headings = np.arange(HEADINGS) * 2 * math.pi / HEADINGS
    grid = np.stack(np.meshgrid(headings, pitches, indexing="ij"), -1).reshape(-1, 2)
    px = sight.pixels(eyes, np.tile(grid[:, 0], (frames, 1)), np.tile(grid[:, 1], (frames, 1)))
    good = (px >= PLANNED_PX).reshape(frames, HEADINGS, len(pitches), -1)
    chosen = _best_path(good, _taste(room, eyes, headings)[..., None] + 0.02 * good.sum(-1))
    seen = good[np.arange(frames), chosen[:, 0], chosen[:, 1]].any(0)
    turned = np.unwrap(headings[chosen[:, 0]])
    return _softened(turned), _softened(pitches[chosen[:, 1]]), float(seen.mean())


def _taste(room: Room, eyes: Floats, headings: Floats) -> Floats:
    """What people do: look where they go, and into the room at first. (T, H), in things seen."""
    steps = np.gradient(eyes[:, :2], axis=0)
    length = np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-6)
    directions = np.stack([np.cos(headings), np.sin(headings)], -1)
    taste = 0.01 * np.minimum(length / 0.1, 1) * (steps / length @ directions.T)
    inwards = np.array(room.size_m[:2]) / 2 - eyes[0, :2]
    taste[0] -= 100 * (directions @ (inwards / np.linalg.norm(inwards)) < 0.5)
    return np.asarray(taste)


def _best_path(good: NDArray[np.bool_], taste: Floats) -> NDArray[np.int64]:
    """Indices (T, 2) of heading and pitch that see most things, one notch a frame at most.

    A beam search: for each direction the ``BEAM`` best ways to have come there, no two of which have seen the
    same things.

    Args:
        good: (T, H, P, N), whether a thing is seen well from a step in a direction.
        taste: (T, H, P), added to the number of things seen.
    """
    bits = (good.astype(np.uint64) << np.arange(good.shape[-1], dtype=np.uint64)).sum(-1, dtype=np.uint64)
    moves = [(turn, nod) for turn in (0, -1, 1) for nod in (0, -1, 1)]
    seen = np.repeat(bits[0][..., None], BEAM, -1)
    liked = np.full(seen.shape, -np.inf)
    liked[..., 0] = taste[0]
    parents = []
    for step in range(1, len(good)):
        options = np.concatenate([_shifted(seen, turn, nod) for turn, nod in moves], -1) | bits[step][..., None]
        likes = np.concatenate(
            [_shifted(liked, turn, nod, -np.inf) - 0.004 * (abs(turn) + abs(nod)) for turn, nod in moves], -1
        )
        chosen = _best_distinct(options, likes)
        seen = np.take_along_axis(options, chosen, -1)
        liked = np.take_along_axis(likes, chosen, -1) + taste[step][..., None]
        parents.append(chosen)
    where = np.unravel_index(int((np.bitwise_count(seen) + liked).argmax()), seen.shape)
    return _traced(parents, moves, *(int(index) for index in where))


def _best_distinct(seen: NDArray[np.uint64], liked: Floats) -> NDArray[np.int64]:
    """Indices (H, P, BEAM) of the best of (H, P, K) options that have seen different things."""
    order = np.lexsort((-liked, seen), axis=-1)
    sorted_seen = np.take_along_axis(seen, order, -1)
    score = np.take_along_axis(liked, order, -1) + np.bitwise_count(sorted_seen)
    score[..., 1:][sorted_seen[..., 1:] == sorted_seen[..., :-1]] = -np.inf
    best = np.argsort(-score, axis=-1, kind="stable")[..., :BEAM]
    return np.asarray(np.take_along_axis(order, best, -1))


def _traced(
    parents: list[NDArray[np.int64]], moves: list[tuple[int, int]], heading: int, pitch: int, slot: int
) -> NDArray[np.int64]:
    """The way back from a last state, (T, 2)."""
    path = [(heading, pitch)]
    for chosen in reversed(parents):
        move, slot = divmod(int(chosen[heading, pitch, slot]), BEAM)
        heading, pitch = (heading - moves[move][0]) % HEADINGS, pitch - moves[move][1]
        path.append((heading, pitch))
    return np.array(path[::-1], np.int64)


def _shifted(values: NDArray[Any], turn: int, nod: int, off: float = 0) -> NDArray[Any]:
    """What a state (H, P, ...) holds one move later: headings go round, pitches end (``off`` comes in)."""
    moved = np.roll(values, (turn, nod), (0, 1))
    if nod:
        moved[:, 0 if nod > 0 else -1] = off
    return moved


def _softened(angles: Floats) -> Floats:
    """Angles (T,) without corners."""
    padded = np.pad(angles, 1, mode="edge")
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def _poses(eyes: Floats, headings: Floats, pitches: Floats, rng: np.random.Generator) -> Floats:
    """Camera-to-room poses (T, 4, 4), OpenCV axes, with the jitter of a hand."""
    jitter = ndimage.gaussian_filter1d(rng.normal(0, math.radians(JITTER_DEG) * 2, (3, len(eyes))), 1.0, axis=1)
    heading, pitch, roll = headings + jitter[0], pitches + jitter[1], jitter[2]
    poses = np.tile(np.eye(4), (len(eyes), 1, 1))
    ahead = np.stack([np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch), -np.sin(pitch)], -1)
    level = np.stack([np.sin(heading), -np.cos(heading), np.zeros(len(eyes))], -1)
    below = np.cross(ahead, level)
    cos, sin = np.cos(roll)[:, None], np.sin(roll)[:, None]
    poses[:, :3, 0] = cos * level + sin * below
    poses[:, :3, 1] = cos * below - sin * level
    poses[:, :3, 2] = ahead
    poses[:, :3, 3] = eyes
    return poses


def furniture_seen(room: Room, visible_px: NDArray[np.integer]) -> float:
    """Share of furniture that some frame shows, from pixel counts (T, N) of ``room.objects``."""
    kept = [thing.kind == "furniture" for thing in room.objects]
    return share_seen(visible_px[:, kept].max(0), SEEN_PX * room.camera.width_px * room.camera.height_px / (192 * 144))
