"""A fetch: planned, then done file by file; broken off anywhere, it goes on from there; every file is verified.

What comes lies in ``FILE.….part`` until its size and hash are right. ``fetched.json`` records source, version, licence
and every hash: those that the source stated, or, where it states none, those of what came.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from loc3r.errors import CheckpointError, ServiceError
from loc3r.fetch.catalogue import Weights
from loc3r.fetch.record import RECORD_FILE, Fetched, FetchedFile
from loc3r.fetch.sources import Listing, RemoteFile, Source
from loc3r.files import hash_file, write_json

FRUITLESS_TRIES = 5
"""Attempts in a row that bring no byte before a fetch gives up."""
PAUSE_S = 1.0
"""Before the second attempt; it doubles."""
Advance = Callable[[int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """What a fetch will do."""

    weights: Weights
    source: Source
    listing: Listing
    folder: Path

    @property
    def size_bytes(self) -> int:
        """Of all files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.listing.files)

    @property
    def here_bytes(self) -> int:
        """What lies here already, whole or in part."""
        begun = ((self.folder / file.name, _part(self.folder, file)) for file in self.listing.files)
        return sum(max(_length(whole), _length(part)) for whole, part in begun)

    def lines(self) -> list[str]:
        """The plan as text: what, from where, how big, under which licence."""
        weights, listing = self.weights, self.listing
        use = "commercial use allowed" if weights.commercial else "NOT for commercial use"
        said = f"; the source says {listing.licence}" if listing.licence else ""
        wide = max(len(file.name) for file in listing.files)
        rows = [f"  {f.name:<{wide}}  {size_text(f.size_bytes):>12}  {_proof(f)}" for f in listing.files]
        return [
            f"{weights.name}: {weights.title}",
            f"licence: {weights.licence} ({use}{said})",
            f"terms:   {weights.page}",
            f"from:    {self.source.label}" + (f" at {listing.revision}" if listing.revision else ""),
            f"to:      {self.folder}",
            *rows,
            f"  {size_text(self.size_bytes)} in all, {size_text(self.here_bytes)} of it here",
        ]


def plan_fetch(weights: Weights, source: Source, folder: Path, pause_s: float = PAUSE_S) -> Plan:
    """Ask the source what it has; nothing is downloaded.

    Raises:
        ServiceError: it can't be reached or refuses, or the disk is too small.
        CheckpointError: it does not have the weights.
    """
    listing = _patiently(source.list, source, pause_s)
    home = folder.absolute()
    strays = [file.name for file in listing.files if not Path(os.path.normpath(home / file.name)).is_relative_to(home)]
    if strays:
        raise CheckpointError("the source names a file outside the folder", received=strays[0], expected=folder)
    plan = Plan(weights, source, listing, folder)
    standing = next(path for path in (home, *home.parents) if path.exists())
    free, more = shutil.disk_usage(standing).free, plan.size_bytes - plan.here_bytes
    if more > free:
        raise ServiceError(
            "the disk is too small",
            received=f"{size_text(free)} free at {standing}",
            expected=f"{size_text(more)} more",
            fix="give --out a folder on a larger disk",
        )
    return plan


def run(plan: Plan, advance: Advance = lambda _: None, pause_s: float = PAUSE_S) -> Path:
    """Do what the plan says; returns its folder. ``advance`` hears of every byte that came or was here.

    Raises:
        ServiceError: the source went away, or refuses.
        CheckpointError: what came is not what the source stated.
    """
    files: dict[str, FetchedFile] = {}
    for file in plan.listing.files:
        sha256 = _sha256_if_whole(plan.folder, file)
        if sha256 is None:
            sha256 = _download(plan, file, advance, pause_s)
        else:
            advance(_length(plan.folder / file.name))
        stated = bool(file.sha256 or file.git_sha1)
        size_bytes = _length(plan.folder / file.name)
        files[file.name] = FetchedFile(size_bytes=size_bytes, sha256=sha256, hash_stated_by_source=stated)
    record = Fetched(
        name=plan.weights.name,
        licence=plan.weights.licence,
        licence_at_source=plan.listing.licence,
        source=plan.source.label,
        revision=plan.listing.revision,
        files=files,
    )
    write_json(plan.folder / RECORD_FILE, record.model_dump())
    return plan.folder


def size_text(size_bytes: int | None) -> str:
    """A size as people read it."""
    if size_bytes is None:
        return "size unknown"
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.2f} MB"


def _download(plan: Plan, file: RemoteFile, advance: Advance, pause_s: float) -> str:
    """Bring a file; its SHA-256."""
    part = _part(plan.folder, file)
    part.parent.mkdir(parents=True, exist_ok=True)
    advance(_length(part))
    _patiently(lambda: _append(plan.source, file, part, advance), plan.source, pause_s, lambda: _length(part))
    sha256, wrong = _judge(part, file)
    if wrong:
        part.unlink()
        raise CheckpointError(
            f"{file.name} came damaged, and was thrown away",
            received=wrong,
            expected=f"what {plan.source.label} states",
            fix="run the same command again; if it stays so, the source's file is damaged",
        )
    os.replace(part, plan.folder / file.name)
    return sha256


def _append(source: Source, file: RemoteFile, part: Path, advance: Advance) -> None:
    with part.open("ab") as sink:
        if file.size_bytes is None or sink.tell() < file.size_bytes:
            for piece in source.read(file, sink.tell()):
                sink.write(piece)
                advance(len(piece))
    if file.size_bytes is not None and _length(part) < file.size_bytes:
        raise ConnectionError(f"{file.name} ended early")


def _patiently(ask: Callable[[], T], source: Source, pause_s: float, done: Callable[[], int] = lambda: 0) -> T:
    """What ``ask`` gives, asked again when the connection breaks, as long as ``done`` grows or tries are left."""
    tries, before = 0, done()
    while True:
        try:
            return ask()
        except ConnectionError as error:
            tries, before = (1 if done() > before else tries + 1), done()
            if tries == FRUITLESS_TRIES:
                raise ServiceError(
                    "the source went away",
                    received=f"{source.label}: {error}",
                    expected=f"an answer within {FRUITLESS_TRIES} tries",
                    fix="run the same command again later: it goes on where it stopped",
                ) from error
            time.sleep(pause_s * 2 ** (tries - 1))


def _sha256_if_whole(folder: Path, file: RemoteFile) -> str | None:
    """The SHA-256 of a file that is here and right; None where it must come. A wrong one goes."""
    path = folder / file.name
    if not path.is_file():
        return None
    sha256, wrong = _judge(path, replace(file, sha256=file.sha256 or _known_sha256(folder, file.name)))
    if wrong:
        path.unlink()
        return None
    return sha256


def _known_sha256(folder: Path, name: str) -> str | None:
    """What an earlier fetch recorded; a record that is damaged says nothing, and is written anew."""
    record = folder / RECORD_FILE
    try:
        known = Fetched.parse(record.read_bytes(), record).files.get(name) if record.is_file() else None
    except CheckpointError:
        return None
    return known.sha256 if known else None


def _proof(file: RemoteFile) -> str:
    """How a file will be verified."""
    if file.sha256:
        return f"sha256 {file.sha256[:12]}…"
    return f"git {file.git_sha1[:12]}…" if file.git_sha1 else "no hash stated; its own is recorded"


def _judge(path: Path, file: RemoteFile) -> tuple[str, str]:
    """A file's SHA-256, and what is wrong with it: nothing, if that is empty."""
    if file.size_bytes is not None and _length(path) != file.size_bytes:
        return "", f"{_length(path):,} bytes instead of {file.size_bytes:,}"
    sha256 = hash_file(path)
    if file.sha256 is not None and sha256 != file.sha256:
        return sha256, f"SHA-256 {sha256} instead of {file.sha256}"
    if file.git_sha1 is not None and (found := _git_sha1(path)) != file.git_sha1:
        return sha256, f"Git SHA-1 {found} instead of {file.git_sha1}"
    return sha256, ""


def _git_sha1(path: Path) -> str:
    """What Git calls a file of this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _part(folder: Path, file: RemoteFile) -> Path:
    """Where a file grows; another version of it grows elsewhere."""
    version = (file.sha256 or file.git_sha1 or "unknown")[:12]
    return folder / f"{file.name}.{version}.part"


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
