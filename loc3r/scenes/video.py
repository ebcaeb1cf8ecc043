"""Videos as arrays: files and folders of frames, sampled and fitted the one way that training and serving share."""

from __future__ import annotations

import io
import re
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import Image

from loc3r.client.upload import IMAGE_SUFFIXES, frame_paths, is_frame, told_unreadable
from loc3r.errors import FrameError, VideoError
from loc3r.geometry.patches import Fit, fit_box

Frames = NDArray[np.uint8]
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,gif,h264,hevc"
"""What a video may be, by FFmpeg's names. Without a list, a text that names other files (ffconcat, HLS) would be one,
and a server would read its own files for whoever sends it."""


class VideoFile:
    """Pictures of a video file by number, upright, without decoding the rest: from the key frame before each.

    The decoder stays open between calls, so that walking forward decodes every picture once at most.

    Raises:
        VideoError: missing, empty, truncated or not a video, or a container without time stamps.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with _open(str(path)) as container:
                packets = _packets(container, str(path))
        except (FFmpegError, OSError) as error:
            raise _undecodable(str(path), error) from error
        if any(packet.time is None for packet in packets):
            raise VideoError(f"{path} has no time stamps", received=path.suffix, expected="mp4, mov or mkv")
        self._times = sorted(packet.time for packet in packets if packet.is_shown and packet.time is not None)
        self._number = {time: i for i, time in enumerate(self._times)}
        if len(self._number) < len(self._times):
            received = f"{len(self._times)} pictures at {len(self._number)} times"
            raise VideoError(f"{path} shows pictures at the same time", received=received, expected="one after another")
        keys = sorted(packet.time for packet in packets if packet.is_key and packet.time is not None)
        self._keys = keys or self._times[:1]
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
        key = self._keys[max(bisect_right(self._keys, self._times[number]) - 1, 0)]
        if not bisect_left(self._times, key) <= self._next <= number:
            self._seek(key)
        for picture in self._pictures:
            self._next = self._number.get(picture.pts, self._next) + 1
            if picture.pts == self._times[number]:
                return _upright(picture)
        self._next = -1
        raise VideoError(f"{self.path} is truncated", received=f"no picture {number}", expected=f"{len(self)} pictures")

    def _seek(self, key: int) -> None:
        if self._container is None:
            self._container = _open(str(self.path))
            _pictures_of(self._container, str(self.path)).thread_type = "AUTO"
        stream = _pictures_of(self._container, str(self.path))
        self._container.seek(key, stream=stream)
        self._pictures = self._container.decode(stream)
        self._next = bisect_left(self._times, key)


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
    with told_unreadable(path):
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
    return _stacked([(name, images[name]) for name in chosen], source)


def _stacked(named: Sequence[tuple[str, Frames]], source: object) -> Frames:
    first = named[0][1]
    for name, image in named:
        if image.shape != first.shape:
            received = f"{name} {_size(image)}"
            raise VideoError(f"{source} has frames of several sizes", received=received, expected=_size(first))
    return np.stack([image for _, image in named])


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
        with _open(open_source()) as container:
            available = sum(packet.is_shown for packet in _packets(container, source))
        wanted = sample_frames(available, frames)
        with _open(open_source()) as container:
            pictures = _decode_wanted(container, set(wanted.tolist()), source)
    except FFmpegError as error:
        raise _undecodable(source, error) from error
    last = max(pictures)  # a codec may keep back its very last pictures
    return _stacked([(f"picture {i}", pictures.get(i, pictures[last])) for i in wanted.tolist()], source)


def _open(source: Any) -> Any:
    return av.open(source, container_options={"format_whitelist": CONTAINERS})


def _undecodable(source: str, error: Exception) -> VideoError:
    received = getattr(error, "strerror", None) or error  # without FFmpeg's number and its name of the stream
    return VideoError(
        f"{source} can't be decoded",
        received=received,
        expected="a whole mp4, mov, mkv, webm or avi",
        fix="was it cut short?",
    )


def _pictures_of(container: Any, source: str) -> Any:
    """The first video stream that is no cover of a sound track."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise VideoError(f"{source} has no pictures", received="no video stream", expected="a video file")


class _Packet(NamedTuple):
    """One picture, not decoded."""

    time: int | None
    is_key: bool
    is_shown: bool
    """Not so for what an edit list cuts off; later pictures may need it."""


def _packets(container: Any, source: str) -> list[_Packet]:
    """Pictures of the first video stream, in the file's order; the header's promises are held against what is there."""
    stream, packets, end_s = _pictures_of(container, source), [], 0.0
    for packet in container.demux():
        if not packet.size or packet.is_corrupt:
            continue
        if packet.pts is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream_index == stream.index:
            packets.append(_Packet(packet.pts, packet.is_keyframe, not packet.is_discard))
    _check_whole(container, stream, len(packets), end_s, source)
    return packets


def _check_whole(container: Any, stream: Any, count: int, end_s: float, source: str) -> None:
    """mp4 and avi promise so many pictures, mkv and others so many seconds, of whatever lasts longest."""
    # An edit list takes pictures out of an mp4's index, not out of its count.
    promised = len(stream.index_entries) if "mp4" in container.format.name else stream.frames
    if not count or count < 0.98 * promised - 1:
        expected = f"{promised or 'some'} by its header"
        raise VideoError(f"{source} is truncated", received=f"{count} pictures", expected=expected)
    picture_s, seconds = 1 / float(stream.average_rate or 25), (container.duration or 0) / av.time_base
    if not promised and end_s < 0.98 * seconds - picture_s:
        expected = f"{seconds:.1f} s by its header"
        raise VideoError(f"{source} is truncated", received=f"{end_s:.1f} s", expected=expected)


def _decode_wanted(container: Any, wanted: set[int], source: str) -> dict[int, Frames]:
    stream = _pictures_of(container, source)
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
    rgb, quarters = picture.to_ndarray(format="rgb24"), round(picture.rotation / 90)
    for side in picture.side_data:
        if side.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].astype(float)
            if a * d < b * c:  # mirrored, as of a camera that faces its owner: the rotation is told of the other side
                rgb, quarters = rgb[:, ::-1], quarters + 2
    return np.ascontiguousarray(np.rot90(rgb, quarters))
