"""Which data a job fetches: DVC's hash of a folder, at a revision of this checkout."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from loc3r.errors import DataError
from loc3r.train.lineage import locked_revisions

DVC_HASH = re.compile(r"[0-9a-f]{32}\.dir")
ROOMS = re.compile(r"rooms://[1-9][0-9]*")


def storage_uri(data: str, revision: str | None) -> str:
    """What the job's first step fetches: ``dvc://<hash>.dir``, or ``rooms://<number>`` as given.

    Raises:
        DataError: DVC knows no such folder at that revision.
    """
    if "://" in data:
        if not ROOMS.fullmatch(data) or revision:
            raise DataError(
                "not data that a job can fetch",
                received=f"--data {data}" + (f" --data-revision {revision}" if revision else ""),
                expected="a folder that DVC tracks, or rooms://<number> without a revision",
            )
        return data
    if revision and DVC_HASH.fullmatch(revision):
        return f"dvc://{revision}"
    return f"dvc://{_locked(Path(data), revision)}"


def _locked(data: Path, revision: str | None) -> str:
    """DVC's hash of a folder in the ``dvc.lock`` of the working tree, or of a Git revision."""
    root = next((each for each in data.resolve().parents if (each / "dvc.yaml").is_file()), None)
    lock = _lock_text(root, revision) if root else ""
    found = locked_revisions(lock).get(str(data.resolve().relative_to(root))) if root else None
    if found is None:
        raise DataError(
            f"DVC knows no revision of {data}",
            received=f"no such output in dvc.lock of {revision or 'the working tree'}",
            expected="a folder that a stage of dvc.yaml made",
            fix="dvc repro prepare_train && dvc push prepare_train; without S3: --data rooms://48",
        )
    return found


def _lock_text(root: Path, revision: str | None) -> str:
    if revision is None:
        lock = root / "dvc.lock"
        return lock.read_text() if lock.is_file() else ""
    shown = subprocess.run(
        ["git", "show", f"{revision}:./dvc.lock"], cwd=root, capture_output=True, text=True, timeout=30
    )
    if shown.returncode:
        raise DataError(
            "no dvc.lock at that revision",
            received=f"{revision}: {shown.stderr.strip()}",
            expected="a Git revision with a dvc.lock, or DVC's hash of the folder, 32 hex digits and .dir",
        )
    return shown.stdout
