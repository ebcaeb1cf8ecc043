from __future__ import annotations

import io
import struct
import zipfile

import av
import numpy as np
import pytest
from box_rooms import write_box_room
from PIL import Image

from loc3r.client.upload import video_bytes
from loc3r.errors import FrameError, VideoError
from loc3r.scenes.video import VideoFile, fit_frames, read_video, read_video_bytes, sample_frames

SIDE_BY_SIDE = np.zeros((48, 64, 3), np.uint8)
SIDE_BY_SIDE[:, 32:] = 255  # black to the left, white to the right


def mp4(count=20, options=None, picture=None, to=None):
    """An mp4 whose frames grow brighter, or all show one picture."""
    buffer = io.BytesIO()
    with av.open(to or buffer, "w", format="mp4", options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p", bit_rate=4_000_000)
        for i in range(count):
            rgb = np.full((48, 64, 3), 10 * i, np.uint8) if picture is None else picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    return to.read_bytes() if to else buffer.getvalue()


def turned(data, degrees):
    """The mp4 with a rotation in its track header, as phones write it."""
    c, s = round(np.cos(np.deg2rad(degrees))), round(np.sin(np.deg2rad(degrees)))
    one = 1 << 16
    at = data.index(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8
    matrix = struct.pack(">9i", c * one, s * one, 0, -s * one, c * one, 0, 0, 0, 1 << 30)
    return data[:at] + matrix + data[at + 36 :]


def written(path, codec="mpeg4", size=(64, 48), times=range(20)):
    """A video whose frames grow brighter, at the times given in tenths of a second."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10, width=size[0], height=size[1], pix_fmt="yuv420p")
        stream.bit_rate = 4_000_000
        for i, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(np.full((*size[::-1], 3), 10 * i, np.uint8), format="rgb24")
            picture.pts = time
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def trimmed(data, start_s, seconds):
    """The mp4 with an edit list that shows a part of it, as a phone's gallery trims."""
    at = data.index(b"elst") + 12
    rate = struct.unpack(">I", data[(m := data.index(b"mdhd") + 16) : m + 4])[0]
    edit = struct.pack(">Ii", int(seconds * 1000), int(start_s * rate))  # the movie's clock ticks milliseconds
    return data[:at] + edit + data[at + 8 :]


def zipped(names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def jpeg(value, size=(8, 6)):
    buffer = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_frames_are_spread_by_linspace_truncation():
    np.testing.assert_array_equal(sample_frames(100, 4), [0, 33, 66, 99])
    np.testing.assert_array_equal(sample_frames(2, 4), [0, 0, 0, 1])
    np.testing.assert_array_equal(sample_frames(1000, 32), np.linspace(0, 999, 32, dtype=int))


def test_an_mp4_gives_the_same_frames_from_a_file_and_from_bytes(tmp_path):
    data = mp4()
    (tmp_path / "v.mp4").write_bytes(data)
    frames = read_video(tmp_path / "v.mp4", 4)
    assert frames.shape == (4, 48, 64, 3) and frames.dtype == np.uint8
    np.testing.assert_allclose(frames.mean((1, 2, 3)), 10 * sample_frames(20, 4), atol=6)
    np.testing.assert_array_equal(frames, read_video_bytes(data, 4))


@pytest.mark.parametrize(("degrees", "shape"), [(90, (64, 48)), (180, (48, 64)), (270, (64, 48))])
def test_rotation_is_honoured(degrees, shape):
    upright = read_video_bytes(turned(mp4(3, picture=SIDE_BY_SIDE), degrees), 1)[0]
    assert upright.shape[:2] == shape
    # Track headers turn clockwise: the white right half goes down, left, up.
    half = {90: upright[shape[0] // 2 :], 180: upright[:, : shape[1] // 2], 270: upright[: shape[0] // 2]}[degrees]
    assert half.mean() > 200 > 2 * (255 - half.mean())


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["index last", "index first"])
@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_truncated_video_is_an_error(options, share, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    data = mp4(40, options, noise, to=tmp_path / "whole.mp4")
    assert len(read_video_bytes(data, 4)) == 4
    with pytest.raises(VideoError, match=r"truncated|can't be decoded"):
        read_video_bytes(data[: int(len(data) * share)], 4)


@pytest.mark.parametrize("data", [b"", b"this is no video" * 50, b"PK\x03\x04 cut"], ids=["empty", "text", "cut zip"])
def test_what_is_no_video_is_an_error(data, tmp_path):
    with pytest.raises(VideoError):
        read_video_bytes(data, 4)
    (tmp_path / "v.mp4").write_bytes(data)
    with pytest.raises(VideoError):
        read_video(tmp_path / "v.mp4", 4)


def test_missing_and_frameless_videos_are_errors(tmp_path):
    with pytest.raises(VideoError, match="no such video"):
        read_video(tmp_path / "v.mp4", 4)
    with pytest.raises(VideoError, match="no frames"):
        read_video(tmp_path, 4)
    with pytest.raises(VideoError, match="no frames"):
        read_video_bytes(zipped({"a.txt": b"?"}), 4)


def test_a_folder_and_its_zip_give_the_same_frames_without_depth(tmp_path):
    names = {f"{i}.jpg": jpeg(10 * i) for i in (8, 9, 10, 11, 12)} | {"000.depth.png": b"not read"}
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
    frames = read_video(tmp_path, 3)
    np.testing.assert_allclose(frames.mean((1, 2, 3)), [80, 100, 120], atol=2)
    np.testing.assert_array_equal(frames, read_video_bytes(zipped(names), 3))


def test_a_scene_folder_is_a_video_too(tmp_path):
    assert read_video(write_box_room(tmp_path), 2).shape == (2, 36, 48, 3)


def test_a_corrupt_frame_and_a_frame_of_another_size_are_named():
    with pytest.raises(FrameError, match=r"1\.jpg"):
        read_video_bytes(zipped({"0.jpg": jpeg(1), "1.jpg": jpeg(1)[:60]}), 2)
    with pytest.raises(VideoError, match="several sizes"):
        read_video_bytes(zipped({"0.jpg": jpeg(1), "1.jpg": jpeg(1, (9, 6))}), 2)


def test_fitting_crops_the_middle_or_squashes_everything():
    frames = np.zeros((2, 20, 60, 3), np.uint8)
    frames[:, :, 20:40] = 200
    assert fit_frames(frames, 10, "crop").shape == (2, 10, 10, 3)
    assert fit_frames(frames, 10, "crop")[:, 2:-2, 2:-2].min() > 190
    squashed = fit_frames(frames, 30, "squash")
    assert squashed[:, :, :8].max() < 10 and squashed[:, :, 12:18].min() > 190


@pytest.mark.parametrize("times", [range(24), np.cumsum(np.arange(24) % 5 + 1)], ids=["even", "variable rate"])
def test_a_picture_is_found_by_its_number_in_any_order(tmp_path, times):
    path = tmp_path / "v.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=30, width=64, height=48, pix_fmt="yuv420p", bit_rate=4_000_000)
        stream.codec_context.gop_size, stream.codec_context.max_b_frames = 7, 2
        for i, time in enumerate(times):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * i, np.uint8), format="rgb24")
            picture.pts = int(time)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    video = VideoFile(path)
    assert len(video) == 24
    for number in (20, 3, 4, 4, 23, 0, 13, 12):
        assert abs(video.picture(number).mean() - 10 * number) < 6


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_pictures_by_number_are_upright_too(tmp_path, degrees):
    (tmp_path / "v.mp4").write_bytes(turned(mp4(3, picture=SIDE_BY_SIDE), degrees))
    upright = read_video(tmp_path / "v.mp4", 1)[0]
    np.testing.assert_array_equal(VideoFile(tmp_path / "v.mp4").picture(0), upright)


def test_a_cut_video_is_no_video_file(tmp_path):
    path = tmp_path / "v.mp4"
    for data in (mp4()[:500], b"this is no video" * 50):
        path.write_bytes(data)
        with pytest.raises(VideoError, match=r"truncated|can't be decoded"):
            VideoFile(path)
    with pytest.raises(VideoError):
        VideoFile(tmp_path / "absent.mp4")


@pytest.mark.parametrize(("start", "count"), [(0, 12), (5, 15), (4, 8)], ids=["end", "start", "both"])
def test_a_trimmed_video_shows_what_is_left(tmp_path, start, count):
    (tmp_path / "v.mp4").write_bytes(trimmed(mp4(), start / 10, count / 10))
    video = VideoFile(tmp_path / "v.mp4")
    assert len(video) == count
    for number in (count - 1, 0, 3):
        assert abs(video.picture(number).mean() - 10 * (start + number)) < 6
    spread = read_video(tmp_path / "v.mp4", 4).mean((1, 2, 3))
    np.testing.assert_allclose(spread, 10 * (start + sample_frames(count, 4)), atol=6)


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_a_cut_file_of_another_container_is_truncated_too(tmp_path, suffix):
    data = written(tmp_path / f"whole{suffix}").read_bytes()
    (path := tmp_path / f"v{suffix}").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(VideoError, match="truncated"):
        read_video(path, 4)
    with pytest.raises(VideoError, match="truncated"):
        VideoFile(path)


def test_a_text_that_names_another_file_does_not_open_it(tmp_path, monkeypatch):
    written(tmp_path / "secret.mp4")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v.mp4").write_text(script := "ffconcat version 1.0\nfile 'secret.mp4'\n")
    for read in (lambda: read_video(tmp_path / "v.mp4", 4), lambda: read_video_bytes(script.encode(), 4)):
        with pytest.raises(VideoError, match="can't be decoded"):
            read()


def test_pictures_that_change_their_size_are_an_error(tmp_path):
    small, large = (written(tmp_path / f"{w}.ts", "mpeg2video", (w, 48)) for w in (64, 128))
    with pytest.raises(VideoError, match="several sizes"):
        read_video_bytes(small.read_bytes() + large.read_bytes(), 4)


def test_pictures_at_the_same_time_have_no_numbers(tmp_path):
    written(tmp_path / "v.mkv")
    with av.open(tmp_path / "v.mkv") as source, av.open(tmp_path / "same.mkv", "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream, packet.pts, packet.dts = stream, 0, 0
                target.mux(packet)
    with pytest.raises(VideoError, match="same time"):
        VideoFile(tmp_path / "same.mkv")


def test_a_mirrored_video_is_upright(tmp_path):
    data = mp4(3, picture=SIDE_BY_SIDE)
    at = data.index(b"tkhd") + 4 + 4 + 4 * 5 + 8 + 8
    one = 1 << 16
    mirror = struct.pack(">9i", -one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    shown = read_video_bytes(data[:at] + mirror + data[at + 36 :], 1)[0]
    assert shown[:, :28].min() > 200 > 50 > shown[:, 36:].max()


def test_what_may_not_be_read_is_an_error(tmp_path):
    long_name = tmp_path / ("x" * 300 + ".mp4")  # as unreadable as a forbidden one, and so even for root
    with pytest.raises(VideoError, match="can't be read"):
        read_video(long_name, 4)
    with pytest.raises(VideoError, match="can't be read"):
        video_bytes(long_name)
