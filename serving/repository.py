"""Triton's model repository on disk: numbered versions, and the one that is served.

<repository>/loc3r/config.pbtxt        names the served version; Triton reads it at start and at every load
<repository>/loc3r/<n>/                model.py, checkpoint/, export.json (hashes and source); never changed
<repository>/loc3r/deployments.json    versions in the order that they were served: what a rollback goes back to
"""

from __future__ import annotations

import re
import shutil
import string
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loc3r.client.wire import MODEL
from loc3r.errors import ServiceError
from loc3r.files import hash_file, hash_json, read_json, write_json, write_text
from loc3r.tracking.lineage import model_hash

TEMPLATE = Path(__file__).parent / "model_repository" / MODEL
CHECKPOINT_FILES = (
    "model.safetensors", "model.safetensors.index.json", "model-*.safetensors", "loc3r_config.json",
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "calibration.json", "recipe.yaml", "lineage.json", "scores.json", "README.md",
)  # fmt: skip
_PIN = re.compile(r"versions: \[ (\d+) \]")


@dataclass(frozen=True)
class Exported:
    """Outcome of an export."""

    version: int
    model_hash: str
    is_new: bool
    """False: the repository had these very files already."""


class ModelRepository:
    """A folder that Triton serves from; see the module for its files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = folder / MODEL

    @property
    def versions(self) -> list[int]:
        """Exported versions, oldest first."""
        if not self.model.is_dir():
            return []
        return sorted(int(path.name) for path in self.model.iterdir() if path.is_dir() and path.name.isdigit())

    @property
    def served(self) -> int:
        """The version that config.pbtxt names.

        Raises:
            ServiceError: nothing was exported here.
        """
        found = _PIN.search(self._config())
        if found is None:
            raise ServiceError(f"{self.model / 'config.pbtxt'} names no version", expected="versions: [ 1 ]")
        return int(found.group(1))

    @property
    def history(self) -> list[int]:
        """Versions that passed their check, in the order that they were deployed."""
        path = self.model / "deployments.json"
        return [int(version) for version in read_json(path)["versions"]] if path.is_file() else []

    def model_hash_of(self, version: int) -> str:
        """Hash of a version's checkpoint files.

        Raises:
            ServiceError: no such version.
        """
        path = self.model / str(version) / "export.json"
        if not path.is_file():
            raise ServiceError(
                "no such version", received=version, expected=", ".join(map(str, self.versions)) or "none exported"
            )
        return str(read_json(path)["model_hash"])

    def export(self, checkpoint: Path, *, source: str, settings: Mapping[str, str]) -> Exported:
        """Add a checkpoint as the next version; the first one becomes the served one.

        Exporting the same files again changes nothing.

        Args:
            checkpoint: a checkpoint folder.
            source: where it came from, for people.
            settings: for config.pbtxt: ``device`` (cpu or cuda), ``scene_memory_mib``, ``threads`` (0: torch's choice).

        Raises:
            CheckpointError: the folder is no whole checkpoint.
        """
        self.model.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".export-") as temporary:
            draft = Path(temporary) / "version"
            _copy_checkpoint(checkpoint, draft / "checkpoint")
            shutil.copy2(TEMPLATE / "1" / "model.py", draft)
            record = _record(draft, source)
            for version in reversed(self.versions):
                if self._identity(version) == record["identity"]:
                    self._write_config(settings)
                    return Exported(version, record["model_hash"], is_new=False)
            write_json(draft / "export.json", record)
            version = self._place(draft)
        self._write_config(settings)
        return Exported(version, record["model_hash"], is_new=True)

    def pin(self, version: int) -> None:
        """Make ``version`` the one that Triton's next load takes."""
        self.model_hash_of(version)  # raises where there is none
        write_text(self.model / "config.pbtxt", _PIN.sub(f"versions: [ {version} ]", self._config()))

    def record(self, history: list[int]) -> None:
        """Replace the history of deployments."""
        write_json(self.model / "deployments.json", {"versions": history})

    def _place(self, draft: Path) -> int:
        while True:
            version = max(self.versions, default=0) + 1
            try:
                draft.rename(self.model / str(version))
                return version
            except OSError:  # another export took the number
                if not (self.model / str(version)).is_dir():
                    raise

    def _identity(self, version: int) -> str | None:
        path = self.model / str(version) / "export.json"
        return str(read_json(path)["identity"]) if path.is_file() else None

    def _write_config(self, settings: Mapping[str, str]) -> None:
        path = self.model / "config.pbtxt"
        version = self.served if path.is_file() else self.versions[0]
        kind = "KIND_CPU" if settings["device"] == "cpu" else "KIND_GPU"
        template = string.Template((TEMPLATE / "config.pbtxt").read_text())
        text = template.substitute(settings, version=version, kind=kind)
        if not path.is_file() or path.read_text() != text:
            write_text(path, text)

    def _config(self) -> str:
        path = self.model / "config.pbtxt"
        if not path.is_file():
            raise ServiceError(
                "nothing was exported here", received=self.folder, expected=f"{MODEL}/config.pbtxt",
                fix=f"loc3r export --model FOLDER --repository {self.folder}",
            )  # fmt: skip
        return path.read_text()


def _record(draft: Path, source: str) -> dict[str, str]:
    """What export.json says: a model's scores and card may change without making it another version."""
    lineage = draft / "checkpoint" / "lineage.json"
    found = model_hash(draft / "checkpoint")
    parts = [found, hash_file(draft / "model.py"), hash_file(lineage) if lineage.is_file() else ""]
    return {"model_hash": found, "identity": hash_json(parts), "source": source}


def _copy_checkpoint(source: Path, target: Path) -> None:
    """Only what inference needs: a training folder also holds gigabytes of optimiser state."""
    target.mkdir(parents=True)
    for pattern in CHECKPOINT_FILES:
        for path in source.glob(pattern):
            shutil.copy2(path, target)
