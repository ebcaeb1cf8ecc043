"""What an evaluation on a benchmark is about, written down before it begins, so that ranks and reruns agree on it.

A folder of one holds ``benchmark.json`` (the plan), ``questions.jsonl`` (what is asked, in order),
``predictions.jsonl`` (``loc3r.journal``), ``prepared/`` where scenes had to be prepared, and ``scores/``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from loc3r.benchmark.lines import OfficialFrame
from loc3r.benchmark.questions import LOCALISATION, XY
from loc3r.datasets.sample import Sample
from loc3r.errors import DataError
from loc3r.evaluate.run import BENCHMARK_FILE, IDENTITY_FILE
from loc3r.files import hash_file, hash_json, read_json, write_json, write_text
from loc3r.journal import Journal
from loc3r.scenes.shards import PreparedData

FORMAT = 1
"""Raise it when predictions of the same model on the same data would differ."""


@dataclass(frozen=True)
class Identity:
    """What decides the predictions."""

    benchmark: str
    split: str
    model_hash: str
    data_hash: str
    """Of the prepared scenes."""
    questions_hash: str
    limit_scenes: int | None
    max_new_tokens: int
    device: str
    format: int = FORMAT

    @property
    def hash(self) -> str:
        """Twelve hex digits that name it."""
        return hash_json(asdict(self))


@dataclass(frozen=True)
class Plan:
    """An evaluation in a folder."""

    folder: Path
    identity: Identity
    model: Path
    """Checkpoint folder."""
    data: Path
    """Prepared scenes."""
    facts: Mapping[str, Any]
    """What is told and recorded, and decides nothing: the data's label, what was not asked, the code's commits."""
    centres_m: Mapping[str, XY]
    """Origin of the benchmark's frame in each raw scan, where poses are scored."""

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan in a folder.

        Raises:
            DataError: there is none.
        """
        path = folder / BENCHMARK_FILE
        if not path.is_file():
            raise DataError("not an evaluation on a benchmark", received=folder, expected=BENCHMARK_FILE)
        values = read_json(path)
        centres = {scene_id: (x, y) for scene_id, (x, y) in values["centres_m"].items()}
        known = {"identity": Identity(**values["identity"]), "facts": values["facts"], "centres_m": centres}
        return cls(folder, model=Path(values["model"]), data=Path(values["data"]), **known)

    def write(self, samples: Sequence[Sample]) -> None:
        """Write the plan, where the folder holds none yet, or this one with other paths.

        Raises:
            DataError: the folder holds another evaluation.
        """
        self._refuse_other()
        write_text(self.folder / "questions.jsonl", encoded(samples))
        values = {"model": str(self.model), "data": str(self.data), "centres_m": self.centres_m, "facts": self.facts}
        write_json(self.folder / BENCHMARK_FILE, {"identity": asdict(self.identity), **values})

    @property
    def journal(self) -> Journal:
        """The predictions."""
        return Journal(self.folder / "predictions.jsonl")

    def questions(self) -> dict[str, list[Sample]]:
        """What is asked, by scene; scenes and questions are in the benchmark's order.

        Raises:
            DataError: the file is not the one that was planned.
        """
        path = self.folder / "questions.jsonl"
        if not path.is_file() or hash_file(path)[:12] != self.identity.questions_hash:
            raise DataError("the questions were changed", received=path, fix="run loc3r evaluate again: it mends them")
        by_scene: dict[str, list[Sample]] = {}
        for text in path.read_bytes().split(b"\n")[:-1]:
            sample = Sample.model_validate_json(text)
            by_scene.setdefault(sample.scene_id, []).append(sample)
        return by_scene

    def left(self, rank: int = 0, ranks: int = 1) -> list[str]:
        """A rank's scenes with questions that are not answered: of all scenes, every ``ranks``-th from the ``rank``-th.

        A scene is asked as a whole, so that batches are the same whatever was killed.
        """
        done, questions = self.journal.by("sample_id").keys(), self.questions()
        return [scene for scene in list(questions)[rank::ranks] if {s.sample_id for s in questions[scene]} - done]

    def official_frame(self, scene_id: str, data: PreparedData) -> OfficialFrame | None:
        """The frame of the benchmark's poses; None where poses are not scored."""
        if self.identity.benchmark != LOCALISATION:
            return None
        return OfficialFrame(data.bev(scene_id), self.centres_m[scene_id])

    def _refuse_other(self) -> None:
        if (self.folder / IDENTITY_FILE).is_file():
            raise DataError(f"{self.folder} holds an evaluation without a benchmark", fix="give another --out")
        if not (self.folder / BENCHMARK_FILE).is_file():
            return
        mine, theirs = asdict(self.identity), asdict(Plan.read(self.folder).identity)
        differ = [name for name in mine if mine[name] != theirs[name]]
        if differ:
            raise DataError(
                f"{self.folder} holds another evaluation",
                received=", ".join(f"{name}={theirs[name]}" for name in differ),
                expected=", ".join(f"{name}={mine[name]}" for name in differ),
                fix="give another --out, or remove that folder to start over",
            )


def encoded(samples: Sequence[Sample]) -> str:
    """Questions as their file has them."""
    return "".join(f"{sample.model_dump_json(exclude_defaults=True)}\n" for sample in samples)


def hash_questions(samples: Sequence[Sample]) -> str:
    """Twelve hex digits that name what is asked, and the truth."""
    return hashlib.sha256(encoded(samples).encode()).hexdigest()[:12]
