"""Fewer triangles for a model that is made of many parts, without losing any part that can be seen.

Edge collapse on a whole model eats its thin and open parts first. So the budget is dealt out to the connected
parts by their area and each is simplified on its own; crowds of small parts (leaves) are thinned out instead,
and those that stay grow, so that the crowd keeps its area.
"""

from __future__ import annotations

import fast_simplification
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from wavefront import Floats, Ints

FEWEST_FACES = 12
"""A part has no less than this, or all its faces."""
CROWD = 0.004
"""Parts with less than this share of the area are thinned out when there are too many."""


def weld(vertices: Floats, faces: Ints) -> tuple[Floats, Ints, Ints]:
    """Join equal vertices and drop flat and doubled faces: (vertices, faces, index of the kept faces)."""
    grid, inverse = np.unique(np.rint(vertices * 1e4), axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    kept = np.flatnonzero((faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2]))
    kept = kept[np.unique(np.sort(faces[kept], 1), axis=0, return_index=True)[1]]
    return grid / 1e4, faces[kept], kept


def normals_of(vertices: Floats, faces: Ints) -> tuple[Floats, Floats]:
    """Unit normals (F, 3) and areas (F,)."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    cross = np.cross(b - a, c - a)
    length = np.linalg.norm(cross, axis=1)
    return cross / np.maximum(length, 1e-12)[:, None], length / 2


def simplify(vertices: Floats, faces: Ints, target: int) -> tuple[Floats, Ints]:
    """About ``target`` faces; the same mesh if it has no more."""
    if len(faces) <= target:
        return vertices, faces
    part = parts_of(faces, len(vertices))
    counts, areas = np.bincount(part), np.bincount(part, normals_of(vertices, faces)[1])
    shares = deal(counts, areas, target)
    pieces = [simplify_part(vertices, faces[part == i], share) for i, share in enumerate(shares)]
    stay = thin_out(np.array([len(f) for _, f in pieces]), areas, target)
    offset, points, triangles = 0, [], []
    for growth, (own, own_faces) in zip(stay, pieces, strict=True):
        if growth > 0:
            centre = own.mean(0)
            points.append(centre + (own - centre) * growth)
            triangles.append(own_faces + offset)
            offset += len(own)
    return np.concatenate(points), np.concatenate(triangles)


def parts_of(faces: Ints, vertices: int) -> Ints:
    """Number of the connected part that each face belongs to, (F,)."""
    rows, columns = faces[:, [0, 1]].T.reshape(-1), faces[:, [1, 2]].T.reshape(-1)
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(vertices, vertices))
    labels = connected_components(graph, directed=False)[1]
    return np.asarray(np.unique(labels[faces[:, 0]], return_inverse=True)[1])


def deal(counts: Ints, areas: Floats, target: int) -> Ints:
    """Faces for each part: by the square root of area times detail, never more than the part has."""
    weights = np.sqrt(areas * counts) + 1e-12
    least = np.minimum(counts, FEWEST_FACES)
    shares = least.astype(float)
    for _ in range(8):  # what full parts leave goes to the others
        room = np.where(shares < counts, weights, 0)
        spare = target - shares.sum()
        if spare <= 0 or not room.any():
            break
        shares = np.minimum(counts, shares + spare * room / room.sum())
    return np.asarray(np.ceil(shares), np.int64)


def simplify_part(vertices: Floats, faces: Ints, target: int) -> tuple[Floats, Ints]:
    """One connected part by edge collapse, or by snapping to a grid where that stalls or eats the part."""
    used, faces = np.unique(faces, return_inverse=True)
    vertices, faces = vertices[used], faces.reshape(-1, 3)
    if len(faces) <= target:
        return vertices, faces
    area = normals_of(vertices, faces)[1].sum()
    for aggression in (4, 7, 10):
        points, triangles = fast_simplification.simplify(
            vertices.astype(np.float32), faces.astype(np.int32), target_count=int(target), agg=aggression
        )
        points, triangles = points.astype(float), triangles.astype(np.int64)
        whole = len(triangles) and normals_of(points, triangles)[1].sum() > 0.6 * area
        if whole and len(triangles) <= 1.3 * target + 4:
            return points, triangles
    return snap_to_grid(vertices, faces, target)


def snap_to_grid(vertices: Floats, faces: Ints, target: int) -> tuple[Floats, Ints]:
    """Join the vertices of each cell, with the finest grid that leaves at most about ``target`` faces."""
    span = np.ptp(vertices, axis=0).max()
    points, triangles = vertices, faces
    for cells in (128, 96, 64, 48, 36, 26, 20, 15, 11, 8, 6, 4, 3, 2):
        cell = np.floor((vertices - vertices.min(0)) / span * cells)
        _, joined = np.unique(cell, axis=0, return_inverse=True)
        joined = joined.reshape(-1)
        sums = np.stack([np.bincount(joined, vertices[:, i]) for i in range(3)], 1)
        coarse = sums / np.bincount(joined)[:, None]
        kept = weld(coarse, joined[faces])
        if len(kept[1]) < min(4, len(faces)):
            break
        points, triangles = kept[0], kept[1]
        if len(triangles) <= 1.3 * target:
            break
    return points, triangles


def thin_out(counts: Ints, areas: Floats, target: int) -> Floats:
    """How much each part grows, (P,): 1 as it is, 0 dropped, more where it stands for dropped ones."""
    growth = np.ones(len(counts))
    small = np.flatnonzero(areas < CROWD * areas.sum())
    excess = counts.sum() - 1.15 * target
    if excess <= 0 or len(small) < 20:
        return growth
    share = np.clip(1 - excess / counts[small].sum(), 0.1, 1)
    kept = np.random.default_rng(0).permutation(len(small)) < share * len(small)
    growth[small] = np.where(kept, min(1 / np.sqrt(share), 1.8), 0)
    return growth
