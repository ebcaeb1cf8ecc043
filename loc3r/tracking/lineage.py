"""What names a model: the hash of its files, and where it came from, as tags that MLflow can search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loc3r.errors import CheckpointError
from loc3r.files import hash_file, hash_json, read_json
from loc3r.model.calibration import CALIBRATION_FILE

PREFIX = "loc3r."
"""Every tag of ours begins with it."""
MODEL_HASH = f"{PREFIX}model_hash"


def model_hash(folder: Path, *, calibrated: bool = True) -> str:
    """Twelve hex digits that name what a checkpoint computes: weights, config, tokenizer, calibration; not its papers.

    Raises:
        CheckpointError: the folder holds no weights or no config.
    """
    files = [*sorted(folder.glob("*.safetensors")), folder / "loc3r_config.json", folder / "tokenizer.json"]
    missing = [file.name for file in files if not file.is_file()]
    if missing or len(files) == 2:
        raise CheckpointError(
            "not a whole Loc3R checkpoint", received=f"{folder} without {', '.join(missing) or 'model.safetensors'}",
            expected="model.safetensors, loc3r_config.json and tokenizer.json",
        )  # fmt: skip
    files += folder.glob(CALIBRATION_FILE) if calibrated else []
    return hash_json({file.name: hash_file(file) for file in files})


def read_lineage(folder: Path) -> dict[str, Any]:
    """The checkpoint's ``lineage.json``; empty when it has none."""
    path = folder / "lineage.json"
    lineage: dict[str, Any] = read_json(path) if path.is_file() else {}
    return lineage


def tags_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Plain values as MLflow tags: prefixed, as text, at most 5,000 characters; None is left out."""
    return {f"{PREFIX}{name}": str(value)[:5000] for name, value in values.items() if value is not None}
