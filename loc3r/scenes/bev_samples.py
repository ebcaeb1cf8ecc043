"""Annotated samples in the raw scan frame to samples in each scene's bird's-eye frame."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loc3r.datasets.prompts import AnswerFormat, asked
from loc3r.datasets.readers import read_annotations
from loc3r.datasets.sample import Sample
from loc3r.errors import SceneError
from loc3r.geometry.bev import BevFrame
from loc3r.scenes.format import mesh_box_center_m, open_scene
from loc3r.scenes.shards import PreparedSample

XY = tuple[float, float]


@dataclass(frozen=True)
class SceneMap:
    """What samples need of a prepared scene: its frame, and where its objects are in it."""

    bev: BevFrame
    object_xy_m: Mapping[int, XY]


def read_raw_samples(root: Path, split: str, folders: Iterable[Path]) -> list[Sample]:
    """Every sample of the root's annotations; none where it has no ``annotations`` folder.

    Raises:
        AnnotationError: a file breaks its format, or there is none of that split.
        SceneError: a scene has no mesh, so that SQA3D's positions mean nothing.
    """
    if not (root / "annotations").is_dir():
        return []
    by_id = {folder.name: folder for folder in folders}

    @functools.cache
    def box_center_of(scene_id: str) -> Sequence[float]:
        # Annotations may cover more scans than are here; the samples of the others are dropped later.
        if scene_id not in by_id:
            return (0.0, 0.0, 0.0)
        return [float(value) for value in mesh_box_center_m(by_id[scene_id])]

    def axis_alignment_of(scene_id: str) -> NDArray[np.float64]:
        try:
            return open_scene(by_id[scene_id]).axis_alignment if scene_id in by_id else np.eye(4)
        except SceneError:  # such as a .sens that was cut short: the scene is dropped later, by name, with its samples
            return np.eye(4)

    return read_annotations(root, split, box_center_of, functools.cache(axis_alignment_of))


def bev_sample(sample: Sample, scene: SceneMap, answer_format: AnswerFormat = "none") -> PreparedSample:
    """The sample as the model sees it: all that is asked in the question, places in the scene's bird's-eye frame."""
    known = scene.object_xy_m
    return PreparedSample(
        sample_id=sample.sample_id,
        dataset=sample.dataset,
        scene_id=sample.scene_id,
        situation=sample.situation,
        question=asked(sample, answer_format),
        answers=sample.answers,
        question_type=sample.question_type,
        situation_form=sample.situation_form,
        position_m=None if sample.position_m is None else _xy(scene.bev, sample.position_m),
        heading_rad=None if sample.heading_rad is None else scene.bev.heading_from_world(sample.heading_rad),
        mentions=tuple((m.field, m.start, m.end, *known[m.object_id]) for m in sample.mentions if m.object_id in known),
        look_at_m=None if sample.look_at_object_id is None else known.get(sample.look_at_object_id),
    )


def _xy(bev: BevFrame, raw_m: XY) -> XY:
    x, y = bev.from_world(raw_m).tolist()
    return x, y
