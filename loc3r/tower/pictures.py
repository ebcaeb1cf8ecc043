"""Frames of rendered rooms and what is true of each of their cells: what a tower is taught on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from loc3r.errors import DataError
from loc3r.geometry.patches import fit_box
from loc3r.recipe_sections import DataRecipe
from loc3r.scenes.format import Scene, open_scene, scene_folders
from loc3r.scenes.scene_row import patch_classes, patch_things
from loc3r.scenes.video import fit_image
from loc3r.services.process import die_with_parent

CELL_PX = 8
"""Side of a cell: the stride of the first stage that a token reads."""
FACELESS = ("floor", "ceiling")


@dataclass(frozen=True)
class Pictures:
    """N frames of S x S pixels, of C cells and R tokens a side. Classes are indices; -1 is unknown."""

    frames: NDArray[np.uint8]
    """(N, S, S, 3)."""
    cell_class: NDArray[np.int16]
    """(N, C, C)."""
    token_class: NDArray[np.int16]
    """(N, R, R), as ``prepare`` has them where nothing is pooled."""
    depth_m: NDArray[np.float16]
    """(N, C, C) along the camera's axis, in the middle of each cell; 0 is unknown."""
    token_front: NDArray[np.float16]
    """(N, R, R, 2) where the thing that a token shows faces, ahead and to the left of the camera; NaN is unknown."""

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def joined(cls, parts: Sequence[Pictures]) -> Pictures:
        """All frames of several."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


def read_rooms(root: Path, data: DataRecipe, class_names: Sequence[str]) -> list[Pictures]:
    """Every posed frame of each scene of a root, scene by scene, as the recipe fits frames.

    Raises:
        DataError: a scene has no instances: nothing tells what its pixels show.
        SceneError: the root holds no scene.
    """
    folders = scene_folders(root)
    read = partial(read_room, data=data, class_names=tuple(class_names))
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=die_with_parent) as pool:
        rooms = pool.map(read, folders, chunksize=4)
        return list(track(rooms, "reading rooms", total=len(folders), console=Console(stderr=True)))


def read_room(folder: Path, data: DataRecipe, class_names: Sequence[str]) -> Pictures:
    """The posed frames of one scene.

    Raises:
        DataError: the scene has no instances.
        SceneError: a file of it is missing or broken.
    """
    scene = open_scene(folder)
    ids = list(scene.posed_frame_ids)
    if not ids or scene.instances(ids[0]) is None:
        raise DataError(
            "a scene doesn't say what its pixels show", received=folder, expected="poses and instance images",
            fix="give rooms of loc3r synth",
        )  # fmt: skip
    cells, tokens = (data.model_copy(update={"patch_px": side, "pool": 1}) for side in (CELL_PX, data.patch_px))
    return Pictures(
        np.stack([fit_image(scene.color_image(i), data.frame_size_px, data.frame_fit) for i in ids]),
        patch_classes(scene, ids, cells, class_names),
        patch_classes(scene, ids, tokens, class_names),
        np.stack([_cell_depth_m(scene.depth_mm(i), data) for i in ids]),
        token_fronts(scene, ids, tokens),
    )


def token_fronts(scene: Scene, frame_ids: list[int], tokens: DataRecipe) -> NDArray[np.float16]:
    """Unit vectors (N, R, R, 2), as the camera has them, of where things face; NaN for floors and ceilings."""
    world = np.full((max(thing.object_id for thing in scene.objects) + 2, 2), np.nan)  # the last one is of id -1
    raw_from_aligned = np.linalg.inv(scene.axis_alignment)[:2, :2]
    for thing in scene.objects:
        if thing.name not in FACELESS:
            world[thing.object_id] = raw_from_aligned @ thing.front
    shown = world[patch_things(scene, frame_ids, tokens)]
    ahead = np.stack([scene.pose(i)[:2, 2] for i in frame_ids])
    ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], -1)
    fronts: NDArray[np.float16] = np.einsum("nrcx,nax->nrca", shown, np.stack([ahead, left], 1)).astype(np.float16)
    return fronts


def _cell_depth_m(depth_mm: NDArray[np.uint16], data: DataRecipe) -> NDArray[np.float16]:
    """Depth (C, C) of the pixel in the middle of each cell, where depth and colour show the same view."""
    height, width = depth_mm.shape
    left, top, right, bottom = fit_box(width, height, data.frame_fit)
    middles = (np.arange(data.frame_size_px // CELL_PX) + 0.5) * CELL_PX / data.frame_size_px
    rows, columns = (top + middles * (bottom - top)).astype(int), (left + middles * (right - left)).astype(int)
    depth_m: NDArray[np.float16] = (depth_mm[rows[:, None], columns] / 1000).astype(np.float16)
    return depth_m
