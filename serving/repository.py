"""Triton's model repository on disk: numbered versions, and the one that is served.

<repository>/loc3r/config.pbtxt        names the served version; Triton reads it at start and at every load
<repository>/loc3r/<n>/                model.py, checkpoint/, export.json (hashes and source); never changed
<repository>/loc3r/deployments.json    versions in the order that they were served: what a rollback goes back to
"""

from __future__ import annotations

import re
import string
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loc3r.client.wire import MODEL
from loc3r.errors import ServiceError
from loc3r.files import read_json, write_json, write_text
from serving.package import RECORD_FILE, TEMPLATE, write_package

FIRST_SETTINGS = {"device": "cpu", "scene_memory_mib": "2048", "threads": "1"}
_SETTING = re.compile(r'key: "(\w+)", value: { string_value: "(\w*)" }')
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

    @property
    def settings(self) -> dict[str, str]:
        """How the served version runs, as ``export`` takes it; before the first export, how it would."""
        if not (self.model / "config.pbtxt").is_file():
            return FIRST_SETTINGS
        return {name: value for name, value in _SETTING.findall(self._config()) if name in FIRST_SETTINGS}

    def model_hash_of(self, version: int) -> str:
        """Hash of a version's checkpoint files.

        Raises:
            ServiceError: no such version.
        """
        path = self.model / str(version) / RECORD_FILE
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
            settings: for config.pbtxt: ``device`` (cpu or cuda), ``scene_memory_mib``, ``threads`` (0: torch's choice),
                and for a repository of one version its name, ``release``; the others stay as they are.

        Raises:
            CheckpointError: the folder is no whole checkpoint.
        """
        self.model.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".export-") as temporary:
            draft = Path(temporary) / "version"
            record = write_package(checkpoint, draft, source)
            for version in reversed(self.versions):
                if self._identity(version) == record["identity"]:
                    self._write_config(settings)
                    return Exported(version, record["model_hash"], is_new=False)
            version = self._place(draft)
        self._write_config(settings)
        return Exported(version, record["model_hash"], is_new=True)

    def pin(self, version: int) -> None:
        """Make ``version`` the one that Triton takes when it starts."""
        write_text(self.model / "config.pbtxt", self.config(version))

    def config(self, version: int) -> str:
        """config.pbtxt as it would be with ``version`` pinned.

        Raises:
            ServiceError: no such version.
        """
        self.model_hash_of(version)
        return _PIN.sub(f"versions: [ {version} ]", self._config())

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
        path = self.model / str(version) / RECORD_FILE
        return str(read_json(path)["identity"]) if path.is_file() else None

    def _write_config(self, settings: Mapping[str, str]) -> None:
        path = self.model / "config.pbtxt"
        settings = {"release": "", **self.settings, **settings}
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
