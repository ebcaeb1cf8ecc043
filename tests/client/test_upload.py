"""A video becomes the same bytes each time, and what is no video is refused before anything is sent."""

import io
import zipfile

import pytest

from loc3r.client import upload
from loc3r.client.upload import video_bytes
from loc3r.errors import VideoError


@pytest.fixture
def folder(tmp_path):
    for name in ("002.jpg", "000.jpg", "001.JPG", "000.depth.png", "meta.json"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def names(data):
    return zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_a_folder_is_its_colour_frames_in_order(folder):
    assert names(video_bytes(folder)) == ["000.jpg", "001.JPG", "002.jpg"]


def test_a_scan_is_its_color_folder(tmp_path):
    (tmp_path / "color").mkdir()
    (tmp_path / "color" / "000000.jpg").write_bytes(b"x")
    (tmp_path / "preview.png").write_bytes(b"x")
    assert names(video_bytes(tmp_path)) == ["000000.jpg"]


def test_the_same_frames_are_the_same_bytes(folder, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy")
    for path in folder.glob("*"):
        (copy / path.name).write_bytes(path.read_bytes())
    assert video_bytes(copy) == video_bytes(str(folder))


def test_a_file_and_bytes_are_sent_as_they_are(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"film")
    assert video_bytes(tmp_path / "a.mp4") == video_bytes(b"film") == b"film"


@pytest.mark.parametrize("what", ["missing.mp4", "empty.mp4", "no-frames", "empty-zip"])
def test_what_is_no_video_is_refused(tmp_path, what):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "no-frames").mkdir()
    with pytest.raises(VideoError):
        video_bytes(b"" if what == "empty-zip" else tmp_path / what)


def test_the_size_limit_is_checked_before_reading(folder, monkeypatch):
    monkeypatch.setattr(upload, "MAX_PAYLOAD_BYTES", 10)
    with pytest.raises(VideoError, match="too large"):
        video_bytes(folder)
