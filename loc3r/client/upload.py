"""A video as the bytes that are sent: an mp4 as it is, a folder of frames as a zip (stored, in walking order)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loc3r.client.wire import MAX_PAYLOAD_BYTES
from loc3r.errors import VideoError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")


def video_bytes(video: Path | str | bytes) -> bytes:
    """The payload of a video file, a folder of frames, or bytes of either kind.

    Raises:
        VideoError: nothing is there, it can't be read, it is empty, a folder has no frames, or it is above 1 GiB.
    """
    if isinstance(video, bytes):
        return _checked(video, f"{len(video)} bytes")
    path = Path(video)
    with told_unreadable(path):
        if path.is_dir():
            return _checked(_zip_of_frames(path), str(path))
        if not path.is_file():
            raise VideoError("no such video", received=path, expected="a video file or a folder of frames")
        _check_size(path.stat().st_size, str(path))
        return _checked(path.read_bytes(), str(path))


@contextmanager
def told_unreadable(video: Path) -> Iterator[None]:
    """Turn what the operating system says of a video, such as "Permission denied", into a ``VideoError``."""
    try:
        yield
    except OSError as error:
        where = error.filename or video
        raise VideoError(
            "the video can't be read", received=f"{where}: {error.strerror}", expected="a file to read"
        ) from error


def frame_paths(folder: Path) -> list[Path]:
    """Colour frames of a folder (or of its ``color`` folder) in name order, without depth images beside them.

    Raises:
        VideoError: the folder has no frames.
    """
    color = folder / "color"  # a scan as ScanNet exports it
    frames = sorted(path for path in (color if color.is_dir() else folder).iterdir() if is_frame(path.name))
    if not frames:
        raise VideoError("the folder has no frames", received=folder, expected=", ".join(IMAGE_SUFFIXES))
    return frames


def is_frame(name: str) -> bool:
    """Whether a file of this name is a colour frame."""
    return name.lower().endswith(IMAGE_SUFFIXES) and ".depth." not in name


def _zip_of_frames(folder: Path) -> bytes:
    frames = frame_paths(folder)
    _check_size(sum(path.stat().st_size for path in frames), str(folder))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in frames:
            # A fixed date: the same frames are the same bytes, so the server knows them again.
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return buffer.getvalue()


def _checked(data: bytes, source: str) -> bytes:
    if not data:
        raise VideoError("the video is empty", received=source, expected="at least one frame")
    _check_size(len(data), source)
    return data


def _check_size(size: int, source: str) -> None:
    if size > MAX_PAYLOAD_BYTES:
        raise VideoError(
            "the video is too large to send", received=f"{source}: {size / 2**20:.0f} MiB",
            expected=f"at most {MAX_PAYLOAD_BYTES >> 20} MiB", fix="send fewer or smaller frames",
        )  # fmt: skip
