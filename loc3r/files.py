"""Files that are either whole or absent, and fingerprints of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that replaces it on success and vanishes on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp's 0600, or a library's, would hide the result from other users
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder's path beside ``folder`` that replaces it on success; what a killed writer left is swept."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    yield draft
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` is never seen half-written."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` so that ``path`` is never seen half-written."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON with sorted keys, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in ``path``."""
    return json.loads(path.read_text())


def hash_json(value: Any) -> str:
    """Twelve hex digits that name a JSON value, whatever its key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def merge_values(base: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``news`` on top, section by section: how one file of plain values extends another."""
    merged = {**base, **news}
    for key, value in news.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merged[key] = merge_values(base[key], value)
    return merged
