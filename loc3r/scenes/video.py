"""Videos as arrays: files and folders of frames, sampled and fitted the one way that training and serving share."""

from __future__ import annotations

import io
import re
import zipfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray
from PIL import Image

from loc3r.client.upload import IMAGE_SUFFIXES, frame_paths, is_frame
from loc3r.errors import FrameError, VideoError
from loc3r.geometry.patches import Fit, fit_box

Frames = NDArray[np.uint8]


class VideoFile:
    """Pictures of a video file by number, upright, without decoding the rest: from the key frame before each.

    The decoder stays open between calls, so that walking forward decodes every picture once at most.

    Raises:
        VideoError: missing, empty, truncated or not a video, or a container without time stamps.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with av.open(str(path)) as container:
                packets = _packets(container, str(path))
        except (FFmpegError, OSError) as error:
            raise _undecodable(str(path), error) from error
        if any(time is None for time, _ in packets):
            raise VideoError(f"{path} has no time stamps", received=path.suffix, expected="mp4, mov or mkv")
        self._times = sorted(time for time, _ in packets if time is not None)
        self._number = {time: i for i, time in enumerate(self._times)}
        self._keys = sorted(self._number[time] for time, is_key in packets if is_key and time is not None) or [0]
        self._container: Any = None
        self._pictures: Iterator[Any] = iter(())
        self._next = -1

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._times)

    def picture(self, number: int) -> Frames:
        """Picture ``number`` (H, W, 3) uint8 RGB, upright.

        Raises:
            VideoError: it can't be decoded.
        """
        try:
            return self._decode(number)
        except FFmpegError as error:
            raise _undecodable(f"{self.path}: picture {number}", error) from error

    def _decode(self, number: int) -> Frames:
        start = self._keys[max(bisect_right(self._keys, number) - 1, 0)]
        if not start <= self._next <= number:
            self._seek(start)
        for picture in self._pictures:
            self._next = self._number.get(picture.pts, self._next) + 1
            if picture.pts == self._times[number]:
                return _upright(picture)
        self._next = -1
        raise VideoError(f"{self.path} is truncated", received=f"no picture {number}", expected=f"{len(self)} pictures")

    def _seek(self, key: int) -> None:
        if self._container is None:
            self._container = av.open(str(self.path))
            self._container.streams.video[0].thread_type = "AUTO"
        stream = self._container.streams.video[0]
        self._container.seek(self._times[key], stream=stream)
        self._pictures = self._container.decode(stream)
        self._next = key


def sample_frames(available: int, wanted: int) -> NDArray[np.int64]:
    """Indices (wanted,) of evenly spread frames: linspace truncated to whole numbers, as LLaVA-Video samples."""
    return np.linspace(0, available - 1, wanted).astype(np.int64)


def fit_image(image: Image.Image, size_px: int, fit: Fit) -> Frames:
    """One image as a square frame (S, S, 3) uint8: bicubic, cropped or squashed."""
    box = fit_box(*image.size, fit)
    return np.asarray(image.convert("RGB").resize((size_px, size_px), Image.Resampling.BICUBIC, box))


def fit_frames(frames: Frames, size_px: int, fit: Fit) -> Frames:
    """Frames (T, H, W, 3) as square frames (T, S, S, 3) uint8: bicubic, cropped or squashed."""
    return np.stack([fit_image(Image.fromarray(frame), size_px, fit) for frame in frames])


def read_video(path: Path, frames: int) -> Frames:
    """Evenly spread frames (frames, H, W, 3) uint8 RGB of a video file or a folder of images.

    Raises:
        VideoError: missing, empty, truncated or not a video; images of several sizes.
        FrameError: an image of the folder is corrupt.
    """
    if path.is_dir():
        images = {image.name: image for image in frame_paths(path)}
        return _read_images(list(images), lambda name: images[name].read_bytes(), frames, path)
    if not path.is_file():
        raise VideoError("no such video", received=path, expected="a video file or a folder of images")
    if path.stat().st_size == 0:
        raise VideoError("the video is empty", received=f"{path}, 0 bytes", expected="a video file")
    return _decode(lambda: str(path), frames, str(path))


def read_video_bytes(data: bytes, frames: int, source: str = "the video") -> Frames:
    """Evenly spread frames (frames, H, W, 3) uint8 RGB of a video file's bytes or of a zip of images.

    Raises:
        VideoError: empty, truncated or not a video; images of several sizes.
        FrameError: an image of the zip is corrupt.
    """
    if not data:
        raise VideoError(f"{source} is empty", received="0 bytes", expected="a video file or a zip of images")
    if data.startswith(b"PK"):
        return _read_zip(data, frames, source)
    return _decode(lambda: io.BytesIO(data), frames, source)


def _by_number(name: str) -> list[str | int]:
    """Sorts 9.jpg before 10.jpg: ScanNet's frames are not zero-padded."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _read_zip(data: bytes, frames: int, source: str) -> Frames:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read_images(archive.namelist(), archive.read, frames, source)
    except zipfile.BadZipFile as error:
        raise VideoError(f"{source} is truncated", received=str(error), expected="a whole zip of images") from error


def _read_images(names: Sequence[str], read: Callable[[str], bytes], frames: int, source: object) -> Frames:
    names = sorted(filter(is_frame, names), key=_by_number)
    if not names:
        raise VideoError("the video has no frames", received=source, expected=", ".join(IMAGE_SUFFIXES))
    chosen = [names[i] for i in sample_frames(len(names), frames)]
    images = {name: _image(name, read(name)) for name in dict.fromkeys(chosen)}
    shape = images[chosen[0]].shape
    for name, image in images.items():
        if image.shape != shape:
            raise VideoError(
                f"{source} has frames of several sizes",
                received=f"{name} {_size(image)}",
                expected=_size(images[chosen[0]]),
            )
    return np.stack([images[name] for name in chosen])


def _image(name: str, data: bytes) -> Frames:
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # PIL's words for broken JPEG and PNG
        raise FrameError(f"{name} can't be decoded", received=str(error), expected="a whole image") from error


def _size(image: Frames) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"


def _decode(open_source: Callable[[], Any], frames: int, source: str) -> Frames:
    """Count the pictures without decoding them, then decode and keep the wanted ones."""
    try:
        with av.open(open_source()) as container:
            available = len(_packets(container, source))
        wanted = sample_frames(available, frames)
        with av.open(open_source()) as container:
            pictures = _decode_wanted(container, set(wanted.tolist()), source)
    except FFmpegError as error:
        raise _undecodable(source, error) from error
    last = max(pictures)  # a codec may keep back its very last pictures
    return np.stack([pictures.get(i, pictures[last]) for i in wanted.tolist()])


def _undecodable(source: str, error: Exception) -> VideoError:
    return VideoError(
        f"{source} can't be decoded", received=str(error), expected="a whole video file", fix="was it cut short?"
    )


def _packets(container: Any, source: str) -> list[tuple[int | None, bool]]:
    """Time stamp of each picture of the first video stream, and whether it is a key frame, in the file's order.

    The header's promise is held against what is there.
    """
    if not container.streams.video:
        raise VideoError(f"{source} has no pictures", received="no video stream", expected="a video file")
    stream = container.streams.video[0]
    packets = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.size and not p.is_corrupt]
    if not packets or len(packets) < 0.98 * stream.frames - 1:
        received, expected = f"{len(packets)} pictures", f"{stream.frames or 'some'} by its header"
        raise VideoError(f"{source} is truncated", received=received, expected=expected)
    return packets


def _decode_wanted(container: Any, wanted: set[int], source: str) -> dict[int, Frames]:
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    pictures: dict[int, Frames] = {}
    decoded = 0
    for i, picture in enumerate(container.decode(stream)):
        decoded += 1
        if i in wanted:
            pictures[i] = _upright(picture)
        if i >= max(wanted):
            break
    if not pictures or decoded < 0.98 * max(wanted) - 1:
        raise VideoError(f"{source} is truncated", received=f"{decoded} pictures", expected=f"{max(wanted) + 1}")
    return pictures


def _upright(picture: Any) -> Frames:
    """A decoded picture (H, W, 3) as its rotation metadata wants it shown."""
    return np.ascontiguousarray(np.rot90(picture.to_ndarray(format="rgb24"), picture.rotation // 90))
