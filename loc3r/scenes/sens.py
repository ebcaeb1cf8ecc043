"""ScanNet's ``.sens``: one file of a scan's colour, depth and poses, read frame by frame without reading the rest.

Little-endian, as the public sensorData.h and SensorData.py have it:

- ``uint32`` version 4; ``uint64`` length and that many bytes of the sensor's name;
- four float32 4x4 matrices: intrinsic and extrinsic of the colour, then of the depth camera;
- ``int32`` kinds of colour (0 raw, 1 PNG, 2 JPEG) and depth (0 raw, 1 zlib, 2 occi);
- ``uint32`` width and height of colour, of depth; ``float32`` depth units a metre; ``uint64`` number of frames;
- a frame: float32 4x4 camera-to-world pose (-inf where tracking was lost), ``uint64`` time of colour and of depth,
  ``uint64`` bytes of colour and of depth, then those bytes;
- ``uint64`` number of IMU records and 128 bytes each, which are only counted here; some writers leave them out.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from loc3r.errors import FrameError, SceneError
from loc3r.scenes.read import by, decode_image

Floats = NDArray[np.float64]
VERSION = 4
RAW_COLOR, PNG, JPEG = 0, 1, 2
RAW_DEPTH, ZLIB_DEPTH = 0, 1
FRAME = np.dtype(
    [("pose", "<f4", (4, 4)), ("color_time", "<u8"), ("depth_time", "<u8"), ("color", "<u8"), ("depth", "<u8")]
)
"""A frame's head, 96 bytes; ``color`` and ``depth`` are numbers of bytes."""
IMU_BYTES = 128
LARGEST_PX = 65535
"""A JPEG can't be larger."""


@dataclass(frozen=True, eq=False)
class SensHeader:
    """What a file says of all its frames."""

    sensor: str
    intrinsic_color: Floats
    """(4, 4), as is the next."""
    intrinsic_depth: Floats
    color_kind: int
    depth_kind: int
    color_size_px: tuple[int, int]
    depth_size_px: tuple[int, int]
    depth_units_a_metre: float
    frames: int
    """Frames that the header promises."""
    size_bytes: int
    """Size of the header itself."""


class SensFile:
    """A ``.sens`` file: heads of frames are read once (96 bytes each), images when they are asked for.

    A file that ends early, as an interrupted download does, still gives the frames before its end; ``fault`` says
    where it ended. Nothing is kept open.

    Raises:
        SceneError: no such file, or its header is truncated or of an unknown kind.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise SceneError("no such file", received=self.path, expected="a .sens file")
        with self._open() as file:
            self.header = _read_header(_Sections(file, self.path))

    def __len__(self) -> int:
        """Frames that are wholly there."""
        return len(self._starts)

    @property
    def poses(self) -> NDArray[np.float32]:
        """Camera-to-world poses (N, 4, 4) of the whole frames; -inf where tracking was lost."""
        return np.asarray(self._heads["pose"], np.float32)

    @property
    def fault(self) -> SceneError | None:
        """Where and why the frames end too early; None where all are there."""
        return self._index[2]

    @property
    def _heads(self) -> NDArray[Any]:
        return self._index[0]

    @property
    def _starts(self) -> NDArray[np.int64]:
        return self._index[1]

    @cached_property
    def _index(self) -> tuple[NDArray[Any], NDArray[np.int64], SceneError | None]:
        """Heads (N,) of the whole frames, where their images begin (N,), and the fault that ended them."""
        heads, starts, fault = [], [], None
        with self._open() as file:
            if hasattr(os, "posix_fadvise"):  # or each head would draw in 128 KB behind it
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            sections = _Sections(file, self.path, self.header.size_bytes)
            for number in range(self.header.frames):
                try:
                    head, start = _read_head(sections, f"frame {number} of {self.header.frames}")
                except SceneError as error:
                    fault = error
                    break
                heads.append(head)
                starts.append(start)
        return np.frombuffer(b"".join(heads), FRAME), np.array(starts, np.int64), fault

    def check_end(self) -> None:
        """Check that the IMU records, where there are any, are whole; no frame needs them.

        Raises:
            SceneError: they are not.
        """
        if self.fault is not None:
            return
        last = int(self._starts[-1] + self._heads[-1]["color"] + self._heads[-1]["depth"]) if len(self) else None
        with self._open() as file:
            sections = _Sections(file, self.path, self.header.size_bytes if last is None else last)
            if sections.left:
                sections.skip(IMU_BYTES * _number(sections.take(8, "the number of IMU records")), "the IMU records")

    def color_bytes(self, number: int) -> bytes:
        """The colour of frame ``number`` as stored."""
        return self._read(int(self._starts[number]), int(self._heads[number]["color"]))

    def color_image(self, number: int) -> Image.Image:
        """The colour of frame ``number``, RGB.

        Raises:
            FrameError: it can't be decoded, or is not of the header's size.
        """
        where, size_px = self.where(number), self.header.color_size_px
        data = self.color_bytes(number)
        if self.header.color_kind != RAW_COLOR:
            return decode_image(io.BytesIO(data), f"{where}: colour", size_px).convert("RGB")
        if len(data) != 3 * size_px[0] * size_px[1]:
            raise FrameError(f"{where}: colour", received=f"{len(data)} bytes", expected=f"{by(size_px)} RGB")
        return Image.frombytes("RGB", size_px, data)

    def depth_mm(self, number: int) -> NDArray[np.uint16]:
        """Depth (H, W) uint16 millimetres of frame ``number``, 0 = unknown.

        Raises:
            FrameError: it can't be decoded, or is not of the header's size.
        """
        width, height = self.header.depth_size_px
        start, head = int(self._starts[number]), self._heads[number]
        data = self._read(start + int(head["color"]), int(head["depth"]))
        where, wanted = f"{self.where(number)}: depth", 2 * width * height
        if self.header.depth_kind == ZLIB_DEPTH:
            data = _inflate(data, wanted, where)
        if len(data) != wanted:
            raise FrameError(where, received=f"{len(data)} bytes", expected=f"{width}x{height} of 2 bytes")
        depth = np.frombuffer(data, "<u2").reshape(height, width)
        if self.header.depth_units_a_metre == 1000:
            return depth
        return np.rint(depth * (1000 / self.header.depth_units_a_metre)).clip(0, 65535).astype(np.uint16)

    def every(self, step: int = 1) -> Iterator[int]:
        """Numbers of every ``step``-th whole frame; then, if the file ended too early, its fault.

        Raises:
            SceneError: after the last whole frame, where frames are missing.
        """
        yield from range(0, len(self), step)
        if self.fault is not None:
            raise self.fault

    def where(self, number: int) -> str:
        """Names a frame in messages."""
        return f"{self.path}: frame {number}"

    def _read(self, start: int, count: int) -> bytes:
        with self._open() as file:
            return os.pread(file.fileno(), count, start)

    def _open(self) -> io.FileIO:
        return io.FileIO(self.path)  # unbuffered: a buffer would read what is skipped


class _Sections:
    """Walks a file section by section; one that ends beyond the file is named."""

    def __init__(self, file: io.FileIO, path: Path, at: int = 0) -> None:
        self.file, self.path, self.at = file, path, at
        self.size = os.fstat(file.fileno()).st_size

    @property
    def left(self) -> int:
        return self.size - self.at

    def take(self, count: int, section: str) -> bytes:
        """The next ``count`` bytes."""
        start = self.at
        self.skip(count, section)
        return os.pread(self.file.fileno(), count, start)

    def skip(self, count: int, section: str) -> None:
        """Pass over the next ``count`` bytes without reading them."""
        if count > self.left:
            received = f"{self.left} bytes of {section}, at byte {self.at}"
            fix = "the file was cut short: fetch it again; the frames before can be kept with loc3r data extract"
            raise SceneError(f"{self.path} is truncated", received=received, expected=f"{count} bytes", fix=fix)
        self.at += count


def _read_header(sections: _Sections) -> SensHeader:
    version = _number(sections.take(4, "the version"))
    if version != VERSION:
        raise SceneError(f"{sections.path} is no .sens file that is known", received=version, expected=VERSION)
    length = _number(sections.take(8, "the length of the sensor's name"))
    sensor = sections.take(length, "the sensor's name").decode(errors="replace")
    intrinsic_color, _ = (_matrix(sections, f"the colour camera's {name}") for name in ("intrinsic", "extrinsic"))
    intrinsic_depth, _ = (_matrix(sections, f"the depth camera's {name}") for name in ("intrinsic", "extrinsic"))
    color_kind, depth_kind = struct.unpack("<2i", sections.take(8, "the kinds of compression"))
    sizes = struct.unpack("<4I", sections.take(16, "the image sizes"))
    (units,) = struct.unpack("<f", sections.take(4, "the depth unit"))
    frames = _number(sections.take(8, "the number of frames"))
    path = sections.path
    _check(path, "colour compression", color_kind, color_kind in (RAW_COLOR, PNG, JPEG), "0 raw, 1 PNG, 2 JPEG")
    _check(path, "depth compression", depth_kind, depth_kind in (RAW_DEPTH, ZLIB_DEPTH), "0 raw, 1 zlib")
    _check(path, "image sizes", sizes, min(sizes) > 0 and max(sizes) <= LARGEST_PX, f"1 to {LARGEST_PX} px")
    _check(path, "depth unit", units, 0 < units < np.inf, "units a metre, above 0")
    return SensHeader(
        sensor, intrinsic_color, intrinsic_depth, color_kind, depth_kind, sizes[:2], sizes[2:], units, frames,
        sections.at,
    )  # fmt: skip


def _read_head(sections: _Sections, frame: str) -> tuple[bytes, int]:
    """A frame's head, and where its images begin; they are passed over."""
    head = sections.take(FRAME.itemsize, f"{frame}: its head")
    start = sections.at
    sections.skip(_number(head[80:88]), f"{frame}: colour")
    sections.skip(_number(head[88:96]), f"{frame}: depth")
    return head, start


def _matrix(sections: _Sections, section: str) -> Floats:
    return np.frombuffer(sections.take(64, section), "<f4").reshape(4, 4).astype(np.float64)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _check(path: Path, field: str, received: object, good: bool, expected: str) -> None:
    if not good:
        raise SceneError(f"{path}: {field}", received=received, expected=expected)


def _inflate(data: bytes, wanted: int, where: str) -> bytes:
    """At most one byte more than is wanted: a broken frame can't fill the memory."""
    try:
        return zlib.decompressobj().decompress(data, wanted + 1)
    except zlib.error as error:
        raise FrameError(f"{where} can't be decoded", received=str(error), expected="zlib data") from error
