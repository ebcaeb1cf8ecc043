"""What a benchmark asks: its official annotation files, or the samples of prepared data, as typed samples.

Poses are in the official frame: the axes of the raw scan, the origin in the middle of its mesh's box, as SQA3D counts
positions. Prepared data does not know the mesh: there the origin is the middle of the room's outline, and distances and
angles are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loc3r.datasets.readers import (
    LOCALISATION_QUESTION,
    read_beacon3d,
    read_msqa,
    read_scanqa,
    read_sqa3d,
    read_sqa3d_localization,
    read_vsibench,
)
from loc3r.datasets.records import SituationRecord, read_records
from loc3r.datasets.sample import Sample
from loc3r.errors import AnnotationError, DataError
from loc3r.geometry.bev import BevFrame

if TYPE_CHECKING:
    from loc3r.scenes.shards import PreparedData, PreparedSample

LOCALISATION = "sqa3d-localization"
OPTIONS = "\nOptions:\n"
"""Where ``Sample.prompt`` puts the choices."""
XY = tuple[float, float]


def read_official(benchmark: str, root: Path, split: str) -> list[Sample]:
    """Every question of a benchmark's official files below ``root/annotations``, in their order.

    Of the localisation task, the text that each pose was given: further wordings are for training.

    Raises:
        AnnotationError: a file is missing or breaks its format.
        DataError: an answer is hidden, so that nothing could be scored.
    """
    return _checked(benchmark, READERS[benchmark](root / "annotations", split), root)


def read_prepared(benchmark: str, data: PreparedData, centre_of: Callable[[str], XY]) -> list[Sample]:
    """The questions of a benchmark among prepared samples; ``centre_of`` gives a scene's origin in the raw scan.

    The localisation task asks with the first text of each pose, whichever data set it came with.

    Raises:
        DataError: there is none, or an answer is hidden.
    """
    if benchmark != LOCALISATION:
        found = [_unprepared(sample) for sample in data.samples if sample.dataset == benchmark]
        return _checked(benchmark, found, data.folder)
    spoken = [s for s in data.samples if s.dataset in ("sqa3d", LOCALISATION) and s.situation and s.position_m]
    poses = {(s.scene_id, s.position_m, s.heading_rad): s for s in reversed(spoken)}
    located = [_located(s, data.bev(s.scene_id), centre_of(s.scene_id)) for s in reversed(poses.values())]
    return _checked(benchmark, located, data.folder)


def _sqa3d(folder: Path, split: str) -> list[Sample]:
    return read_sqa3d(folder / "sqa3d", split, lambda _: (0.0, 0.0, 0.0))


def _localisation(folder: Path, split: str) -> list[Sample]:
    samples = read_sqa3d_localization(folder / "sqa3d", split, lambda _: (0.0, 0.0, 0.0))
    path = folder / "sqa3d" / f"v1_situations_{split}_scannetv2.json"
    texts = read_records(path, "situations", SituationRecord)
    return [sample for sample, text in zip(samples, texts, strict=True) if not text.augmented]


def _msqa(folder: Path, split: str) -> list[Sample]:
    paths = sorted((folder / "msqa").glob(f"msqa_scannet_{split}*.json"))
    if not paths:
        raise AnnotationError("no such file", received=folder / "msqa", expected=f"msqa_scannet_{split}….json")
    return [sample for path in paths for sample in read_msqa(path, lambda _: np.eye(4))]  # its poses are not scored


READERS: dict[str, Callable[[Path, str], list[Sample]]] = {
    "sqa3d": _sqa3d,
    LOCALISATION: _localisation,
    "scanqa": lambda folder, split: read_scanqa(folder / "scanqa", split),
    "vsibench": lambda folder, _: read_vsibench(folder / "vsibench"),
    "msqa": _msqa,
    "beacon3d": lambda folder, _: read_beacon3d(folder / "beacon3d"),
}


def _unprepared(sample: PreparedSample) -> Sample:
    question, _, options = sample.question.partition(OPTIONS)
    return Sample(
        sample_id=sample.sample_id,
        dataset=sample.dataset,
        scene_id=sample.scene_id,
        situation=sample.situation,
        question=question,
        answers=sample.answers,
        question_type=sample.question_type,
        options=tuple(options.split("\n")) if options else (),
    )


def _located(sample: PreparedSample, bev: BevFrame, centre_m: XY) -> Sample:
    assert sample.position_m is not None
    x, y = (bev.to_world(sample.position_m) - centre_m).tolist()
    asked = {"dataset": LOCALISATION, "question": LOCALISATION_QUESTION, "answers": (), "question_type": "localisation"}
    heading = None if sample.heading_rad is None else bev.heading_to_world(sample.heading_rad)
    return _unprepared(sample).model_copy(update={**asked, "position_m": (x, y), "heading_rad": heading})


def _checked(benchmark: str, samples: list[Sample], source: Path) -> list[Sample]:
    """The samples, if they can be told apart and scored."""
    if len({sample.sample_id for sample in samples}) < len(samples):
        raise DataError("two questions have the same id", received=source, expected="one file of each benchmark")
    hidden = [s.sample_id for s in samples if (s.heading_rad is None if benchmark == LOCALISATION else not s.answers)]
    if hidden or not samples:
        raise DataError(
            f"nothing to score {benchmark} against", received=f"{len(hidden)} of {len(samples)} questions of {source} "
            "without their truth", expected=f"questions of {benchmark} with answers or poses", fix="take another split",
        )  # fmt: skip
    return samples
