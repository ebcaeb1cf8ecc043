"""What a folder holds, as one short name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from loc3r.files import hash_file


def hash_folder(folder: Path) -> str:
    """Twelve hex digits that name a folder's relative paths and bytes."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{hash_file(path)}\n".encode())
    return digest.hexdigest()[:12]
