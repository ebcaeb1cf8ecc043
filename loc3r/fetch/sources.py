"""Where weights come from: the hub, one address, or a mirror (a folder, S3, a web folder). All can start mid-file.

A mirror is what an earlier fetch wrote, put elsewhere: its ``fetched.json`` carries sizes and hashes along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loc3r.errors import CheckpointError, Loc3RError, ServiceError
from loc3r.fetch.record import RECORD_FILE, Fetched
from loc3r.settings import Settings

if TYPE_CHECKING:
    from requests import Response

    from loc3r.fetch.catalogue import Weights

CHUNK_BYTES = 1 << 16
"""Read at once; of a piece that breaks off, nothing is kept."""
TIMEOUT_S = (10, 60)
"""To connect, and between two pieces."""
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RemoteFile:
    """A file as its source describes it; None is unknown."""

    name: str
    size_bytes: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None
    """Of a small file that the hub keeps in Git: SHA-1 of its blob."""


@dataclass(frozen=True)
class Listing:
    """What a source has of some weights."""

    files: tuple[RemoteFile, ...]
    revision: str | None = None
    """Commit on the hub, so that all files are of one version."""
    licence: str | None = None
    """What the source itself says."""


class Source(Protocol):
    """Lists files, and reads one from any byte on."""

    @property
    def label(self) -> str:
        """Where it is, for people."""
        ...

    def list(self) -> Listing:
        """What is there.

        Raises:
            ConnectionError: the source can't be reached now.
            ServiceError: it refuses.
            CheckpointError: it does not have the weights.
        """
        ...

    def read(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        """The file's bytes from ``start`` on.

        Raises:
            ConnectionError: it broke; reading on from where it did may work.
            ServiceError: the source refuses.
        """
        ...


def source_of(weights: Weights, mirror: str | None, settings: Settings) -> Source:
    """Where to get ``weights``: the mirror, if one is given, else its publisher's place."""
    if mirror is None and weights.repository:
        return Hub(weights, settings.hub_url.rstrip("/"), settings.hub_token.get_secret_value())
    if mirror is None:
        return Address(weights)
    if mirror.startswith("s3://"):
        return S3Mirror(weights, mirror, settings)
    return WebMirror(weights, mirror.rstrip("/")) if "://" in mirror else FolderMirror(weights, Path(mirror))


@dataclass
class Hub:
    """The Hugging Face hub, or a mirror that speaks its protocol; hashes are those of its Git LFS pointers."""

    weights: Weights
    url: str
    token: str = field(default="", repr=False)
    revision: str = "main"

    @property
    def label(self) -> str:
        """Where."""
        return f"{self.url}/{self.weights.repository}"

    def list(self) -> Listing:
        """Every wanted file of the newest version, which later reads are pinned to."""
        address = f"{self.url}/api/models/{self.weights.repository}/revision/{self.revision}"
        with _get(address, self.weights, headers=self._headers(), params={"blobs": "true"}) as reply:
            told = reply.json()
        files = [_hub_file(entry) for entry in told["siblings"] if _wanted(entry["rfilename"], self.weights)]
        self.revision = told["sha"]
        licence = (told.get("cardData") or {}).get("license")
        if isinstance(licence, list):  # a model card may name several
            licence = ", ".join(licence)
        return Listing(_some(files, self), told["sha"], licence)

    def read(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        address = f"{self.url}/{self.weights.repository}/resolve/{self.revision}/{file.name}"
        return _stream(address, start, self.weights, self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass
class Address:
    """One file at one address, whose hash nobody states."""

    weights: Weights

    @property
    def label(self) -> str:
        """Where."""
        return str(self.weights.address)

    def list(self) -> Listing:
        """The file, with its size if the server tells it."""
        with _get(self.label, self.weights, headers={"Range": "bytes=0-0"}) as reply:
            told = "Content-Range" if reply.status_code == 206 else "Content-Length"
            size = reply.headers.get(told, "").rpartition("/")[2]
            linked = SHA256.search(reply.headers.get("X-Linked-Etag", ""))
        (name,) = self.weights.files
        return Listing((RemoteFile(name, int(size) if size.isdigit() else None, linked[0] if linked else None),))

    def read(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        return _stream(self.label, start, self.weights, {})


@dataclass
class FolderMirror:
    """A folder on this machine, or mounted."""

    weights: Weights
    folder: Path

    @property
    def label(self) -> str:
        """Where."""
        return str(self.folder)

    def list(self) -> Listing:
        """What its record says, or the files as they lie."""
        record = self.folder / RECORD_FILE
        if record.is_file():
            return _recorded(record.read_bytes(), self)
        found = sorted(self.folder.glob("*")) if self.folder.is_dir() else []
        files = [RemoteFile(p.name, p.stat().st_size) for p in found if p.is_file() and _wanted(p.name, self.weights)]
        return Listing(_some(files, self))

    def read(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        path = self.folder / file.name
        if not path.is_file():
            raise CheckpointError("the mirror lacks a file that its record names", received=path, fix="copy it again")
        with path.open("rb") as content:
            content.seek(start)
            while piece := content.read(CHUNK_BYTES):
                yield piece


@dataclass
class WebMirror:
    """A folder that a web server gives out; it needs the record, since the web lists nothing."""

    weights: Weights
    url: str

    @property
    def label(self) -> str:
        """Where."""
        return self.url

    def list(self) -> Listing:
        """What its record says."""
        with _get(f"{self.url}/{RECORD_FILE}", self.weights) as reply:
            return _recorded(reply.content, self)

    def read(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        return _stream(f"{self.url}/{file.name}", start, self.weights, {})


class S3Mirror:
    """A prefix of a bucket of the S3 server that the settings name."""

    def __init__(self, weights: Weights, url: str, settings: Settings) -> None:
        from loc3r.services.s3 import S3Access

        self.weights, self.label = weights, url.rstrip("/")
        self._bucket, _, prefix = self.label.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        keys = (settings.s3_access_key, settings.s3_secret_key)
        self._client = S3Access(settings.s3_endpoint, *(key.get_secret_value() for key in keys)).client()

    def list(self) -> Listing:
        """What its record says, or the objects as they lie."""
        pages = self._asked(lambda: list(self._pages()))
        sizes = {o["Key"].removeprefix(self._prefix): o["Size"] for page in pages for o in page.get("Contents", [])}
        if RECORD_FILE in sizes:
            return _recorded(b"".join(self.read(RemoteFile(RECORD_FILE), 0)), self)
        return Listing(_some([RemoteFile(n, size) for n, size in sizes.items() if _wanted(n, self.weights)], self))

    def read(self, file: RemoteFile, start: int) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError

        wanted = {"Bucket": self._bucket, "Key": f"{self._prefix}{file.name}", "Range": f"bytes={start}-"}
        body = self._asked(lambda: self._client.get_object(**wanted))["Body"]
        try:
            yield from body.iter_chunks(CHUNK_BYTES)
        except BotoCoreError as error:
            raise ConnectionError(str(error)) from error

    def _pages(self) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix
        )
        return pages

    def _asked(self, ask: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return ask()
        except (BotoCoreError, ClientError) as error:
            raise ServiceError(
                "the S3 mirror does not give the weights",
                received=f"{self.label} at {self._client.meta.endpoint_url}: {error}",
                expected="a bucket and prefix that can be read",
                fix="check --from, LOC3R_S3_ENDPOINT and its keys",
            ) from error


def _wanted(name: str, weights: Weights) -> bool:
    return any(fnmatch(name, pattern) for pattern in weights.files)


def _some(files: list[RemoteFile], source: Source) -> tuple[RemoteFile, ...]:
    if not files:
        raise CheckpointError("the source has none of the files", received=source.label, expected="the wanted files")
    return tuple(files)


def _hub_file(entry: dict[str, Any]) -> RemoteFile:
    large = entry.get("lfs") or {}
    git_sha1 = None if large else entry.get("blobId")
    return RemoteFile(entry["rfilename"], large.get("size", entry.get("size")), large.get("sha256"), git_sha1)


def _recorded(content: bytes, source: FolderMirror | WebMirror | S3Mirror) -> Listing:
    record = Fetched.parse(content, f"{source.label}/{RECORD_FILE}")
    if record.name != source.weights.name:
        raise CheckpointError(
            "the mirror holds other weights",
            received=f"{record.name} at {source.label}",
            expected=source.weights.name,
            fix="give --from the folder of these weights",
        )
    files = [RemoteFile(name, told.size_bytes, told.sha256) for name, told in record.files.items()]
    return Listing(_some(files, source), record.revision, record.licence_at_source)


def _stream(address: str, start: int, weights: Weights, headers: dict[str, str]) -> Iterator[bytes]:
    import requests

    with _get(address, weights, headers=headers | {"Range": f"bytes={start}-"}) as reply:
        skip = start if reply.status_code == 200 else 0  # a server without ranges begins anew
        try:
            for piece in reply.iter_content(CHUNK_BYTES):
                yield piece[skip:]
                skip = max(skip - len(piece), 0)
        except requests.RequestException as error:
            raise ConnectionError(str(error)) from error


def _get(address: str, weights: Weights, **options: Any) -> Response:
    """An answer that is the file, or an error that says what to do."""
    import requests

    try:
        reply = requests.get(address, stream=True, timeout=TIMEOUT_S, **options)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise ConnectionError(str(error)) from error
    if reply.status_code >= 500 or reply.status_code == 429:
        reply.close()
        raise ConnectionError(f"{reply.status_code} {reply.reason}")
    page = "text/html" in reply.headers.get("Content-Type", "")
    if reply.ok and not page:
        return reply
    reply.close()
    raise _refusal(address, "a web page" if reply.ok else f"{reply.status_code} {reply.reason}", weights)


def _refusal(address: str, received: str, weights: Weights) -> Loc3RError:
    fix = f"download it by hand from {weights.page}, then loc3r fetch {weights.name} --from FOLDER"
    if weights.gated or received.startswith(("401", "403")):
        fix = f"accept the terms at {weights.page} and set LOC3R_HUB_TOKEN, or {fix}"
    return ServiceError("the source does not give the file", received=f"{address}: {received}", fix=fix)
