"""Results as they come: a file of JSON lines that many processes append to, batches at a time, and no kill can break.

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
    """The lines of ``path``, each a JSON object."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, lines: Sequence[Line]) -> None:
        """Add lines and wait until they are on the disk."""
        with self._locked(), self.path.open("a+b") as file:
            _cut_half_line(self.path)
            file.write(encoded(lines))
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[Line]:
        """The whole lines; none where there is no file.

        Raises:
            DataError: a line is no JSON object.
        """
        texts = self.path.read_bytes().split(b"\n")[:-1] if self.path.is_file() else []
        return [_parsed(self.path, number, text) for number, text in enumerate(texts, 1)]

    def by(self, name: str) -> dict[str, Line]:
        """The whole lines by the text of one of their fields; the first of a text counts.

        Raises:
            DataError: a line has no such text.
        """
        found: dict[str, Line] = {}
        for number, line in enumerate(self.read(), 1):
            if not isinstance(line.get(name), str):
                raise _strange(self.path, number, str(line), f"a JSON object with the text {name}")
            found.setdefault(line[name], line)
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
        line = json.loads(text)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        raise _strange(path, number, repr(text), "a JSON object")
    return line


def _strange(path: Path, number: int, received: str, expected: str) -> DataError:
    fix = "remove the line: what it answered is asked again"
    return DataError(f"{path}:{number}: not one of its lines", received=received[:80], expected=expected, fix=fix)
