"""Predictions as they come: one file that many processes append to, whole scenes at a time, and no kill can break.

A line counts once it ends: a half-written one is cut off by whoever writes next, and passed over by whoever reads.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loc3r.errors import DataError
from loc3r.files import write_bytes

Line = dict[str, Any]


class Journal:
    """The lines of ``path`` by their ``sample_id``; the first of an id counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, lines: Sequence[Line]) -> None:
        """Add lines and wait until they are on the disk."""
        with self._locked(), self.path.open("a+b") as file:
            _cut_half_line(self.path)
            file.write(encoded(lines))
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> dict[str, Line]:
        """The whole lines by id.

        Raises:
            DataError: a line is not one that was written here.
        """
        if not self.path.is_file():
            return {}
        found: dict[str, Line] = {}
        for number, text in enumerate(self.path.read_bytes().split(b"\n")[:-1], 1):
            line = _parsed(self.path, number, text)
            found.setdefault(line["sample_id"], line)
        return found

    def replace(self, lines: Sequence[Line]) -> None:
        """Make the file hold these lines alone, in this order."""
        with self._locked():
            if not self.path.is_file() or self.path.read_bytes() != encoded(lines):
                write_bytes(self.path, encoded(lines))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the lock ends with its process, however that ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def encoded(lines: Sequence[Line]) -> bytes:
    """Lines as their file has them."""
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()


def _cut_half_line(path: Path) -> None:
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        if size and file.read(1) != b"\n":
            file.truncate(path.read_bytes().rfind(b"\n") + 1)


def _parsed(path: Path, number: int, text: bytes) -> Line:
    try:
        line: Line = json.loads(text)
        if isinstance(line["sample_id"], str):
            return line
    except (ValueError, TypeError, KeyError):
        pass
    raise DataError(
        f"{path}:{number}: not a line of this evaluation", received=repr(text[:80]),
        expected="a JSON object with sample_id", fix="remove the line: its scene is asked again",
    )  # fmt: skip
