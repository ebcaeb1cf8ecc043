"""Releases on a real S3 server: whole or absent, whatever kills the one who uploads."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loc3r.errors import CheckpointError, ServiceError
from loc3r.files import hash_file, write_json
from loc3r.services.s3 import S3Access, S3Server
from serving.package import verify_package
from serving.releases import Release, Releases
from serving.repository import FIRST_SETTINGS

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("releases")]
KILLED_UPLOADER = """
import os, signal, sys
from pathlib import Path
from loc3r.services.s3 import S3Access
from serving.releases import Releases
from serving.repository import FIRST_SETTINGS

uri, endpoint, checkpoint, scratch, last = sys.argv[1:]
releases, sent = Releases(uri, S3Access(endpoint, "me", "secret")), []

def count(request, **_):
    sent.append(request.url)
    if request.method == "PUT" and last in request.url:
        os.kill(os.getpid(), signal.SIGKILL)

releases._s3.meta.events.register("before-send.s3", count)
releases.publish(Path(checkpoint), source="x", settings=FIRST_SETTINGS, scratch=Path(scratch), quiet=True)
"""


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Access]:
    with S3Server(tmp_path_factory.mktemp("s3") / "data", access_key="me", secret_key="secret") as server:
        assert isinstance(server, S3Server)
        yield server.access


@pytest.fixture
def uri(request: pytest.FixtureRequest) -> str:
    return f"s3://models/{request.node.name}"


def large_checkpoint(folder: Path, seed: int) -> Path:
    """Two parts of a multipart upload: weights that only their hash will be asked of."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes([seed]) * (12 << 20))
    (folder / "tokenizer.json").write_text("{}")
    write_json(folder / "loc3r_config.json", {"seed": seed})
    return folder


def publish(releases: Releases, checkpoint: Path, scratch: Path) -> Release:
    return releases.publish(checkpoint, source="a model", settings=FIRST_SETTINGS, scratch=scratch, quiet=True)


def download(access: S3Access, release: Release, into: Path) -> Path:
    """What a server finds: a Triton model repository."""
    bucket, _, prefix = release.uri.removeprefix("s3://").partition("/")
    for item in access.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]:
        path = into / item["Key"].removeprefix(f"{prefix}/")
        path.parent.mkdir(parents=True, exist_ok=True)
        access.client().download_file(bucket, item["Key"], str(path))
    return into / "loc3r"


def test_a_release_is_a_triton_repository_and_the_same_content_is_the_same_release(
    access: S3Access, uri: str, tmp_path: Path
):
    releases, checkpoint = Releases(uri, access), large_checkpoint(tmp_path / "a", 1)
    release = publish(releases, checkpoint, tmp_path / "scratch")
    assert publish(releases, checkpoint, tmp_path / "scratch") == release == releases.get(release.name)
    on_gpu = releases.publish(
        checkpoint, source="x", settings={**FIRST_SETTINGS, "device": "cuda"}, scratch=tmp_path, quiet=True
    )
    assert sorted(releases.names()) == sorted([release.name, on_gpu.name]) and release.name != on_gpu.name
    model = download(access, release, tmp_path / "there")
    config = (model / "config.pbtxt").read_text()
    assert f'"{release.name}"' in config and "versions: [ 1 ]" in config and "$" not in config
    verify_package(model / "1")
    assert {path.suffix for path in model.rglob("*.*")} <= {".pbtxt", ".py", ".json", ".safetensors", ".md"}
    assert "a model" in (model / "1/checkpoint/README.md").read_text()
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize("last", ["partNumber=2", "tokenizer.json", "release.json"])
def test_a_killed_upload_is_invisible_and_the_next_one_completes_it(
    access: S3Access, uri: str, tmp_path: Path, last: str
):
    """kill -9 as part 2 of the weights goes out, between two files, and with everything there but the last object."""
    uri, releases = uri.partition("[")[0] + last[:4], Releases(uri.partition("[")[0] + last[:4], access)
    before = publish(releases, large_checkpoint(tmp_path / "a", 1), tmp_path / "scratch")
    checkpoint = large_checkpoint(tmp_path / "b", 2)
    arguments = [uri, access.endpoint, str(checkpoint), str(tmp_path / "scratch"), last]
    killed = subprocess.run([sys.executable, "-c", KILLED_UPLOADER, *arguments], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr

    s3, prefix = access.client(), uri.removeprefix("s3://models/")
    there = {item["Key"].split("/")[1] for item in s3.list_objects_v2(Bucket="models", Prefix=prefix)["Contents"]}
    assert releases.names() == [before.name] and len(there) == 2, "half of it is there, and nobody sees it"
    (half,) = there - {before.name}
    with pytest.raises(ServiceError, match="no such release"):
        releases.get(half)

    release = publish(releases, checkpoint, tmp_path / "scratch")
    assert release.name == half and sorted(releases.names()) == sorted(there)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="models", Prefix=prefix)
    for each, seed in ((before, 1), (release, 2)):
        model = download(access, each, tmp_path / each.name)
        verify_package(model / "1")
        weights = model / "1/checkpoint/model.safetensors"
        assert weights.read_bytes()[:1] == bytes([seed]) and weights.stat().st_size == 12 << 20


def test_what_was_uploaded_is_not_uploaded_again(access: S3Access, uri: str, tmp_path: Path):
    releases, checkpoint = Releases(uri, access), large_checkpoint(tmp_path / "a", 1)
    release = publish(releases, checkpoint, tmp_path)
    s3, prefix = access.client(), uri.removeprefix("s3://models/")
    weights = f"{prefix}/{release.name}/loc3r/1/checkpoint/model.safetensors"
    written = s3.head_object(Bucket="models", Key=weights)["LastModified"]
    s3.delete_object(Bucket="models", Key=f"{prefix}/{release.name}/release.json")
    s3.put_object(
        Bucket="models", Key=weights.replace("model.safe", "tokenizer").replace("tensors", ".json"), Body=b"x"
    )
    assert releases.names() == []
    publish(releases, checkpoint, tmp_path)
    assert s3.head_object(Bucket="models", Key=weights)["LastModified"] == written
    verify_package(download(access, release, tmp_path / "there") / "1")


def test_what_is_no_release_is_refused(access: S3Access, tmp_path: Path):
    with pytest.raises(ServiceError, match="not an S3 address"):
        Releases("models/loc3r", access)
    with pytest.raises(CheckpointError, match="not a whole"):
        publish(Releases("s3://models/half", access), tmp_path, tmp_path)


def test_a_package_with_a_damaged_missing_or_added_file_is_refused(tmp_path: Path):
    from serving.package import write_package

    checkpoint = large_checkpoint(tmp_path / "a", 1)
    (checkpoint / "optimizer.pkl").write_bytes(b"never")
    for name, spoil in {
        "model.safetensors": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\0"),
        "tokenizer.json": lambda path: path.unlink(),
        "weights.pt": lambda path: path.write_bytes(b"pickled"),
    }.items():
        package = tmp_path / name
        record = write_package(checkpoint, package, "a model")
        assert not (package / "checkpoint/optimizer.pkl").exists()
        assert record["files"]["checkpoint/model.safetensors"] == hash_file(checkpoint / "model.safetensors")
        verify_package(package)
        spoil(package / "checkpoint" / name)
        with pytest.raises(CheckpointError, match=f"checkpoint/{name}"):
            verify_package(package)
    (package / "export.json").unlink()
    with pytest.raises(CheckpointError, match="not a finished package"):
        verify_package(package)
