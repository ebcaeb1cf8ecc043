"""Arrays on disk, each named by the content of what it was made from.

A file is whole or absent, and equals what any other process would write there; so there is nothing to lock and
nothing to invalidate.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loc3r.files import write_bytes

Array = NDArray[np.generic]


class ArrayCache:
    """What one way of computing makes of many arrays; ``folder`` must name that way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, source: Array, make: Callable[[], Array], fits: Callable[[Array], bool] = lambda _: True) -> Any:
        """What ``make`` makes of ``source``: read where it was made before, else made and kept.

        Args:
            source: what names the result.
            make: computes it.
            fits: tells whether a kept array can be right; one that can't is made again.
        """
        path = self.path(source)
        found = _read(path)
        if found is None or not fits(found):
            found = make()
            buffer = io.BytesIO()
            np.save(buffer, found)
            write_bytes(path, buffer.getvalue())
        return found

    def path(self, source: Array) -> Path:
        """The file of what is made of ``source``."""
        digest = hashlib.sha256(f"{source.shape} {source.dtype}".encode())
        digest.update(np.ascontiguousarray(source).data)
        return self._folder / f"{digest.hexdigest()[:32]}.npy"


def _read(path: Path) -> Array | None:
    """What was kept; None where there is nothing, or where the disk spoilt it."""
    try:
        kept: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept
