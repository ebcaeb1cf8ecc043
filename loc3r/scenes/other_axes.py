"""A prepared scene on a map with another origin and other axes: the same video, for training, in another place.

A small model learns its training rooms' coordinates by heart (docs/log.md). What the first camera sees says nothing of
where a thing is here: camera tokens do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from loc3r.geometry.bev import BevFrame
from loc3r.priors.pose_token import moved_tokens, places_m
from loc3r.scenes.shards import MapObject, PreparedSample, PreparedScene

Real = TypeVar("Real", bound=np.floating[Any])


def axes_under(scene: PreparedScene, along: float, turned_rad: float) -> BevFrame:
    """The frame, as seen from the scene's own map, whose origin is where tokens say one of its cameras is.

    Args:
        along: which camera, as a share of the way, in [0, 1).
        turned_rad: how far to the left its axes are turned.
    """
    x_m, y_m, _ = places_m(scene.camera_tokens)[int(along * len(scene.camera_tokens))].tolist()
    return BevFrame(x_m, y_m, turned_rad)


def scene_on(axes: BevFrame, scene: PreparedScene) -> PreparedScene:
    """The scene on a map of these axes; its camera tokens must be those of ``loc3r.priors.pose_token``."""
    return replace(
        scene,
        patch_xy_m=_moved(axes, scene.patch_xy_m),
        camera_tokens=moved_tokens(scene.camera_tokens, axes),
        objects=tuple(_object_on(axes, thing) for thing in scene.objects),
        room_outline_m=_moved(axes, scene.room_outline_m),
    )


def sample_on(axes: BevFrame, sample: PreparedSample) -> PreparedSample:
    """The same question, its places and heading on a map of these axes."""
    return replace(
        sample,
        position_m=sample.position_m and _place_on(axes, sample.position_m),
        heading_rad=None if sample.heading_rad is None else axes.heading_from_world(sample.heading_rad),
        mentions=tuple(
            (field, start, end, *_place_on(axes, (x_m, y_m))) for field, start, end, x_m, y_m in sample.mentions
        ),
        look_at_m=sample.look_at_m and _place_on(axes, sample.look_at_m),
    )


def _object_on(axes: BevFrame, thing: MapObject) -> MapObject:
    return replace(thing, xy_m=_moved(axes, thing.xy_m), footprint_m=_moved(axes, thing.footprint_m))


def _place_on(axes: BevFrame, xy_m: tuple[float, float]) -> tuple[float, float]:
    x_m, y_m = axes.from_world(xy_m).tolist()
    return x_m, y_m


def _moved(axes: BevFrame, xy_m: NDArray[Real]) -> NDArray[Real]:
    return axes.from_world(xy_m).astype(xy_m.dtype)
