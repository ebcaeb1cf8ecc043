"""Packages on S3, for servers on a cluster. A release is there as a whole or not at all.

<repository>/<name>/loc3r/config.pbtxt      a Triton model repository of its own, with one version
<repository>/<name>/loc3r/1/                the package (serving/package.py)
<repository>/<name>/release.json            written last: without it, the release does not exist

``name`` is the hash of what is inside, so a release never changes, a second upload of it goes on where the first was
killed, and nothing that serves refers to it before it is whole.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from loc3r.errors import ServiceError
from loc3r.files import hash_file, hash_json
from loc3r.services.s3 import S3Access
from loc3r.tracking.lineage import model_hash
from serving.package import identity_of
from serving.repository import ModelRepository

RELEASE_FILE = "release.json"


@dataclass(frozen=True)
class Release:
    """A published package."""

    name: str
    uri: str
    """``s3://bucket/…/<name>``."""
    model_hash: str
    source: str
    """Where the model came from, for people."""
    settings: Mapping[str, str]
    """How it runs, as ``ModelRepository.export`` takes it."""


class Releases:
    """The releases under an ``s3://bucket/prefix``."""

    def __init__(self, uri: str, access: S3Access) -> None:
        parts = urlsplit(uri)
        if parts.scheme != "s3" or not parts.netloc:
            raise ServiceError("not an S3 address", received=uri, expected="s3://bucket/prefix")
        self.uri = uri.rstrip("/")
        self._bucket, self._prefix = parts.netloc, parts.path.strip("/")
        self._s3 = access.client()

    def names(self) -> list[str]:
        """Every whole release."""
        ends = f"/{RELEASE_FILE}"
        return [key.removesuffix(ends).rsplit("/")[-1] for key in self._sizes(self._prefix) if key.endswith(ends)]

    def get(self, name: str) -> Release:
        """A release.

        Raises:
            ServiceError: there is none of that name.
        """
        found = self.find(name)
        if found is None:
            raise ServiceError("no such release", received=f"{self.uri}/{name}", expected=", ".join(self.names()))
        return found

    def find(self, name: str) -> Release | None:
        """A release, if there is one of that name."""
        record = self._record(name)
        if record is None:
            return None
        return Release(name, f"{self.uri}/{name}", record["model_hash"], record["source"], record["settings"])

    def publish(
        self, checkpoint: Path, *, source: str, settings: Mapping[str, str], scratch: Path, quiet: bool = False
    ) -> Release:
        """Upload a checkpoint's package; a release that is there already is left alone.

        Killed and run again, it goes on. Two at once upload the same, and one of them may fail.

        Args:
            checkpoint: a checkpoint folder.
            source: where it came from, for people.
            settings: for config.pbtxt, as ``ModelRepository.export`` takes them.
            scratch: folder for a copy of the package while it is uploaded.
            quiet: show no progress.

        Raises:
            CheckpointError: the checkpoint is not whole.
        """
        name = hash_json([identity_of(checkpoint), dict(settings)])
        if self._record(name) is None:
            scratch.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=scratch) as temporary:
                folder = Path(temporary)
                ModelRepository(folder).export(checkpoint, source=source, settings={**settings, "release": name})
                self._upload(folder, self._key(name), quiet)
            record = {"model_hash": model_hash(checkpoint), "source": source, "settings": dict(settings)}
            body = json.dumps(record, indent=2).encode()
            self._s3.put_object(Bucket=self._bucket, Key=self._key(name, RELEASE_FILE), Body=body)
        return self.get(name)

    def _upload(self, folder: Path, prefix: str, quiet: bool) -> None:
        """Every file of a folder, each with its checksum; those that are there already are kept."""
        self._forget_unfinished(prefix)
        files = {f"{prefix}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.is_file()}
        columns = ("Uploading", BarColumn(), DownloadColumn(), TransferSpeedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
            task = progress.add_task("", total=sum(path.stat().st_size for path in files.values()))
            for key, path in files.items():
                self._upload_file(path, key, lambda count: progress.advance(task, count))
        sizes = self._sizes(prefix)
        wrong = [key for key, path in files.items() if sizes.get(key) != path.stat().st_size]
        if wrong:
            raise ServiceError("an upload is not whole", received=", ".join(wrong), fix="run the same command again")

    def _upload_file(self, path: Path, key: str, advance: Any) -> None:
        digest = hash_file(path)
        if self._digest(key) == digest:
            advance(path.stat().st_size)
            return
        extra = {"Metadata": {"sha256": digest}}
        self._s3.upload_file(str(path), self._bucket, key, ExtraArgs=extra, Callback=advance)

    def _forget_unfinished(self, prefix: str) -> None:
        """Parts of uploads that a killed deployer left are in no listing, but cost space."""
        found = self._s3.list_multipart_uploads(Bucket=self._bucket, Prefix=f"{prefix}/")
        for upload in found.get("Uploads", []):
            self._s3.abort_multipart_upload(Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"])

    def _digest(self, key: str) -> str | None:
        """The checksum that an object was uploaded with; S3 shows objects only when they are whole."""
        from botocore.exceptions import ClientError

        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
                raise
            return None
        return str(head["Metadata"].get("sha256"))

    def _record(self, name: str) -> dict[str, Any] | None:
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=self._key(name, RELEASE_FILE))["Body"]
        except self._s3.exceptions.NoSuchKey:
            return None
        record: dict[str, Any] = json.loads(body.read())
        return record

    def _sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of every object under a prefix."""
        return {item["Key"]: int(item["Size"]) for page in self._pages(prefix) for item in page.get("Contents", [])}

    def _pages(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=f"{prefix}/")
        yield from pages

    def _key(self, *parts: str) -> str:
        return "/".join(filter(None, (self._prefix, *parts)))
