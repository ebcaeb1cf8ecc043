"""What is deployed: a checkpoint's files, the code that serves them, and the SHA-256 of each. Nothing is pickled.

<package>/model.py
<package>/checkpoint/    safetensors, config, tokenizer, model card, lineage, scores, calibration
<package>/export.json    hashes and source; written last, checked when the model is loaded
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from loc3r.client.wire import MODEL
from loc3r.errors import CheckpointError
from loc3r.files import hash_file, hash_json, read_json, write_json, write_text
from loc3r.tracking.lineage import model_hash, read_lineage

TEMPLATE = Path(__file__).parent / "model_repository" / MODEL
RECORD_FILE = "export.json"
CARD_FILE = "README.md"
CHECKPOINT_FILES = (
    "model.safetensors", "model.safetensors.index.json", "model-*.safetensors", "loc3r_config.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "calibration.json", "recipe.yaml", "lineage.json", "scores.json", CARD_FILE,
)  # fmt: skip


def write_package(checkpoint: Path, folder: Path, source: str) -> dict[str, Any]:
    """Write the package of a checkpoint into a new folder.

    Args:
        checkpoint: a checkpoint folder.
        folder: where; must not exist.
        source: where the checkpoint came from, for people.

    Returns:
        What export.json says: ``model_hash``, ``identity``, ``source`` and ``files``, SHA-256 by relative path.

    Raises:
        CheckpointError: the checkpoint is not whole.
    """
    digest, identity = model_hash(checkpoint), identity_of(checkpoint)
    inside = folder / "checkpoint"
    inside.mkdir(parents=True)
    for pattern in CHECKPOINT_FILES:  # a training folder also holds gigabytes of optimiser state
        for path in checkpoint.glob(pattern):
            shutil.copy2(path, inside)
    if not (inside / CARD_FILE).is_file():
        write_text(inside / CARD_FILE, _card(inside, source))
    shutil.copy2(TEMPLATE / "1" / "model.py", folder)
    files = {str(path.relative_to(folder)): hash_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    record = {"model_hash": digest, "identity": identity, "source": source, "files": files}
    write_json(folder / RECORD_FILE, record)
    return record


def identity_of(checkpoint: Path) -> str:
    """Twelve hex digits: the same ones mean the same answers and lineage; scores and card may differ.

    Raises:
        CheckpointError: the checkpoint is not whole.
    """
    lineage = checkpoint / "lineage.json"
    parts = [TEMPLATE / "1" / "model.py", *([lineage] if lineage.is_file() else [])]
    return hash_json([model_hash(checkpoint), *map(hash_file, parts)])


def read_record(folder: Path) -> dict[str, Any]:
    """What ``write_package`` returned.

    Raises:
        CheckpointError: the folder is no finished package.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        raise CheckpointError("not a finished package", received=folder, expected=f"{RECORD_FILE} in it")
    record: dict[str, Any] = read_json(path)
    return record


def verify_package(folder: Path) -> None:
    """Compare every file with its checksum; called before anything of the checkpoint is read.

    Raises:
        CheckpointError: a file is missing, damaged, or was added.
    """
    wanted: dict[str, str] = read_record(folder)["files"]
    found = {str(path.relative_to(folder)) for path in (folder / "checkpoint").rglob("*") if path.is_file()}
    bad = sorted(name for name, digest in wanted.items() if not _is_file(folder / name, digest))
    bad += sorted(found - set(wanted))
    if bad:
        raise CheckpointError(
            "the package is not what was exported", received=f"{folder}: {', '.join(bad)} missing, damaged or added",
            expected=f"the checksums in {RECORD_FILE}", fix="deploy the model again",
        )  # fmt: skip


def _is_file(path: Path, digest: str) -> bool:
    return path.is_file() and hash_file(path) == digest


def _card(folder: Path, source: str) -> str:
    """A model card for a checkpoint that brings none."""
    rows = [f"| {name} | {value} |" for name, value in sorted(read_lineage(folder).items())]
    head = ["---", "library_name: loc3r", "pipeline_tag: visual-question-answering", "---", f"# {source}"]
    return "\n".join([*head, "", "| lineage | |", "| --- | --- |", *rows, ""])
