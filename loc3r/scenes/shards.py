"""Prepared data: scenes in Parquet shards of one row group a scene, samples in one file, a manifest written last.

Everything is in the scene's bird's-eye frame. ``PreparedData`` keeps no file open, so it may be pickled and forked.
"""

from __future__ import annotations

import io
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import DataError, UnknownSceneError
from loc3r.files import atomic_path, read_json
from loc3r.geometry.bev import BevFrame

FRAME_QUALITY = 95
XY = pa.list_(pa.float64())  # of two; Parquet can't read back fixed-size lists that may be null

OBJECTS = pa.list_(
    pa.struct(
        {
            "object_id": pa.int32(),
            "name": pa.string(),
            "kind": pa.string(),
            "xy_m": XY,
            "footprint_m": pa.list_(XY, 4),
            "height_m": pa.float64(),
        }
    )
)
SCENE_SCHEMA = pa.schema(
    {
        "scene_id": pa.string(),
        "frame_ids": pa.list_(pa.int32()),
        "frames": pa.list_(pa.binary()),
        "patch_xy_m": pa.list_(pa.float32()),
        "patch_valid": pa.list_(pa.bool_()),
        "patch_class": pa.list_(pa.int16()),
        "camera_tokens": pa.list_(pa.float32()),
        "objects": OBJECTS,
        "room_outline_m": pa.list_(XY),
        "bev": pa.list_(pa.float64(), 4),
        "lost_frames": pa.int32(),
        "digest": pa.string(),
    }
)
MENTIONS = pa.list_(
    pa.struct(
        {
            "field": pa.string(),
            "start": pa.int32(),
            "end": pa.int32(),
            "x_m": pa.float64(),
            "y_m": pa.float64(),
        }
    )
)
SAMPLE_SCHEMA = pa.schema(
    {
        "sample_id": pa.string(),
        "dataset": pa.string(),
        "scene_id": pa.string(),
        "situation": pa.string(),
        "question": pa.string(),
        "answers": pa.list_(pa.string()),
        "question_type": pa.string(),
        "situation_form": pa.string(),
        "position_m": XY,
        "heading_rad": pa.float64(),
        "mentions": MENTIONS,
        "look_at_m": XY,
    }
)


@dataclass(frozen=True, eq=False)
class MapObject:
    """A box on the bird's-eye map."""

    object_id: int
    name: str
    kind: str
    xy_m: NDArray[np.float64]
    """Centre, (2,)."""
    footprint_m: NDArray[np.float64]
    """Corners, (4, 2), the first two at its front."""
    height_m: float
    """Height of the box itself."""

    @property
    def front(self) -> NDArray[np.float64]:
        """Unit vector (2,) out of its front; NaN where the box is flat that way. Only our own rooms know fronts."""
        ahead = self.footprint_m[:2].mean(0) - self.footprint_m[2:].mean(0)
        length = float(np.linalg.norm(ahead))
        return ahead / length if length > 0 else np.full(2, np.nan)


@dataclass(frozen=True, eq=False)
class PreparedScene:
    """A video as the model sees it, and what is true of its tokens (T frames, R tokens a side)."""

    scene_id: str
    frames: NDArray[np.uint8]
    """(T, S, S, 3) RGB."""
    patch_xy_m: NDArray[np.float32]
    """(T, R, R, 2); NaN where unknown."""
    patch_valid: NDArray[np.bool_]
    """(T, R, R)."""
    patch_class: NDArray[np.int16]
    """(T, R, R) index into the manifest's class_names; -1 unknown."""
    camera_tokens: NDArray[np.float32]
    """(T, D) of the pose prior."""
    objects: tuple[MapObject, ...]
    room_outline_m: NDArray[np.float64]
    """(N, 2); N = 0 where unknown."""


@dataclass(frozen=True)
class PreparedSample:
    """A question about a prepared scene; places are in the scene's bird's-eye frame."""

    sample_id: str
    dataset: str
    scene_id: str
    situation: str | None
    question: str
    answers: tuple[str, ...]
    question_type: str
    situation_form: str | None = None
    position_m: tuple[float, float] | None = None
    heading_rad: float | None = None
    mentions: tuple[tuple[str, int, int, float, float], ...] = ()
    """(field, start, end, x_m, y_m): ``text[start:end]`` names the thing at that place."""
    look_at_m: tuple[float, float] | None = None


class PreparedData:
    """The folder that ``prepare`` wrote: random access by scene.

    Raises:
        DataError: the manifest or a shard is missing (``prepare`` did not finish).
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "manifest.json").is_file():
            raise DataError(
                "prepared data is missing or unfinished",
                received=self.folder,
                expected="manifest.json, scenes-*.parquet, samples.parquet",
                fix="loc3r prepare --help",
            )
        self.manifest: dict[str, Any] = read_json(self.folder / "manifest.json")
        self._rows = {
            scene_id: (shard["file"], row)
            for shard in self.manifest["shards"]
            for row, scene_id in enumerate(shard["scenes"])
        }
        missing = [s["file"] for s in self.manifest["shards"] if not (self.folder / s["file"]).is_file()]
        if missing:
            raise DataError("a shard is missing", received=missing, expected=self.folder, fix="run loc3r prepare again")

    @property
    def data_hash(self) -> str:
        """Names the content: the same scenes, samples and data recipe give the same hash."""
        return str(self.manifest["data_hash"])

    @property
    def class_names(self) -> tuple[str, ...]:
        """What ``patch_class`` indexes."""
        return tuple(self.manifest["class_names"])

    @property
    def scene_ids(self) -> tuple[str, ...]:
        """Every scene, sorted."""
        return tuple(self._rows)

    @cached_property
    def samples(self) -> list[PreparedSample]:
        """Every sample, in file order."""
        return read_samples(self.folder / "samples.parquet")

    def samples_of(self, scene_id: str) -> list[PreparedSample]:
        """The samples of one scene; empty where there are none."""
        return self._samples_by_scene.get(scene_id, [])

    @cached_property
    def _samples_by_scene(self) -> dict[str, list[PreparedSample]]:
        groups = defaultdict(list)
        for sample in self.samples:
            groups[sample.scene_id].append(sample)
        return dict(groups)

    def scene(self, scene_id: str) -> PreparedScene:
        """Read one scene: one row group of one memory-mapped file.

        Raises:
            UnknownSceneError: the data has no such scene.
        """
        return _scene(self._read(scene_id))

    def bev(self, scene_id: str) -> BevFrame:
        """Where a scene's bird's-eye frame lies in its raw scan.

        Raises:
            UnknownSceneError: the data has no such scene.
        """
        return BevFrame(*self._read(scene_id, ["bev"])["bev"][0].as_py())

    def _read(self, scene_id: str, columns: list[str] | None = None) -> pa.Table:
        if scene_id not in self._rows:
            raise UnknownSceneError(
                "no such scene", received=scene_id, expected=f"one of {len(self._rows)} in {self.folder}"
            )
        file, row = self._rows[scene_id]
        with pq.ParquetFile(self.folder / file, memory_map=True) as shard:
            return shard.read_row_group(row, columns)


def write_shard(path: Path, rows: list[dict[str, Any]], metadata: dict[str, str]) -> None:
    """Write scenes, a row group each, with ``metadata`` in the file's footer; whole or absent."""
    schema = SCENE_SCHEMA.with_metadata(metadata)
    # JPEGs and floats don't shrink; plain encoding reads fastest.
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="none", use_dictionary=False) as writer,
    ):
        for row in rows:
            writer.write_table(pa.Table.from_pylist([row], schema))


def read_shard_metadata(path: Path) -> dict[str, str]:
    """The metadata that ``write_shard`` was given; empty where the file is missing or is not a shard."""
    if not path.is_file():
        return {}
    try:
        metadata = pq.read_schema(path).metadata or {}
    except pa.ArrowInvalid:
        return {}
    return {key.decode(): value.decode() for key, value in metadata.items()}


def write_samples(path: Path, samples: list[PreparedSample]) -> None:
    """Write every sample into one Parquet file; whole or absent."""
    rows = [{**vars(s), "mentions": [dict(zip(MENTION_FIELDS, m, strict=True)) for m in s.mentions]} for s in samples]
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, SAMPLE_SCHEMA), temporary, compression="zstd")


MENTION_FIELDS = ("field", "start", "end", "x_m", "y_m")


def read_samples(path: Path) -> list[PreparedSample]:
    """The samples that ``write_samples`` wrote."""
    return [_sample(row) for row in pq.read_table(path).to_pylist()]


def encode_frame(frame: NDArray[np.uint8]) -> bytes:
    """A frame (S, S, 3) as JPEG without chroma subsampling."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=FRAME_QUALITY, subsampling=0)
    return buffer.getvalue()


def _scene(table: pa.Table) -> PreparedScene:
    frames = [np.asarray(Image.open(io.BytesIO(jpeg))) for jpeg in table["frames"][0].as_py()]
    count = len(frames)
    valid = _values(table, "patch_valid")
    side = round((valid.size / count) ** 0.5)
    return PreparedScene(
        scene_id=table["scene_id"][0].as_py(),
        frames=np.stack(frames),
        patch_xy_m=_values(table, "patch_xy_m").reshape(count, side, side, 2),
        patch_valid=valid.reshape(count, side, side),
        patch_class=_values(table, "patch_class").reshape(count, side, side),
        camera_tokens=_values(table, "camera_tokens").reshape(count, -1),
        objects=tuple(_map_object(**fields) for fields in table["objects"][0].as_py()),
        room_outline_m=np.asarray(table["room_outline_m"][0].as_py(), np.float64).reshape(-1, 2),
    )


def _values(table: pa.Table, column: str) -> NDArray[Any]:
    """The one row of a list column, as a writable array."""
    values: NDArray[Any] = table[column].combine_chunks().values.to_numpy(zero_copy_only=False)
    return values if values.flags.writeable else values.copy()


def _map_object(xy_m: list[float], footprint_m: list[list[float]], **fields: Any) -> MapObject:
    return MapObject(xy_m=np.asarray(xy_m), footprint_m=np.asarray(footprint_m), **fields)


def _sample(row: dict[str, Any]) -> PreparedSample:
    row["answers"] = tuple(row["answers"])
    row["mentions"] = tuple(tuple(mention[field] for field in MENTION_FIELDS) for mention in row["mentions"])
    for place in ("position_m", "look_at_m"):
        row[place] = None if row[place] is None else tuple(row[place])
    return PreparedSample(**row)
