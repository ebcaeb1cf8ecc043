"""How much of which data set to learn from: by weights or counts, drawn by a seed, recorded with what was drawn.

A mixture is a small YAML file (``loc3r prepare --mixture``)::

    seed: 0
    parts:
      sqa3d: {every_wording: true}
      scanqa: {every_answer: true}
      msqa: {count: 49747}

Parts with neither weight nor count are taken whole; data sets without a part are left out.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loc3r.datasets.sample import DatasetName, Sample
from loc3r.errors import DataError
from loc3r.files import hash_json


class Part(BaseModel):
    """One data set's share: a weight, a count, or neither for all of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    weight: float | None = Field(None, ge=1e-9, le=1e12)
    """Share relative to the other weights."""
    count: int | None = Field(None, ge=1)
    """So many samples."""
    every_wording: bool = False
    """A sample for the situation and one for each alternative, as the paper trains on SQA3D."""
    every_answer: bool = False
    """A sample for each answer, as the paper trains on ScanQA."""

    @model_validator(mode="after")
    def _one_measure(self) -> Part:
        if self.weight is not None and self.count is not None:
            raise ValueError("give a weight or a count, not both")
        return self


class Mixture(BaseModel):
    """Parts by data set, and the seed that draws them."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = 0
    total: int | None = Field(None, ge=1, le=10**12)
    """Samples in all, shared by the parts with weights; absent: as many as there are without repeating one."""
    parts: dict[DatasetName, Part] = Field(min_length=1)

    @model_validator(mode="after")
    def _total_has_weights(self) -> Mixture:
        if self.total is not None and all(part.weight is None for part in self.parts.values()):
            raise ValueError("a total is shared by weights, and no part has one")
        return self

    @property
    def hash(self) -> str:
        """Twelve hex digits that name this mixture."""
        return hash_json(self.model_dump(mode="json"))

    def draw(self, samples: Iterable[Sample]) -> Drawn:
        """The mixture of these samples, in their order.

        A sample's luck is its own: it depends on the seed and its id, not on the samples around it, so that a
        larger count holds the smaller one.

        Raises:
            DataError: a part has fewer samples than it should give.
        """
        groups: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            if sample.dataset in self.parts:
                groups[sample.dataset] += spread(sample, self.parts[sample.dataset])
        counts = self.counts({name: len(groups[name]) for name in self.parts})
        chosen = [s for name, count in counts.items() for s in _luckiest(groups[name], count, self.seed)]
        drawn = {name: {"available": len(groups[name]), "drawn": count} for name, count in counts.items()}
        return Drawn(chosen, {"hash": self.hash, "mixture": self.model_dump(mode="json"), "drawn": drawn})

    def counts(self, available: Mapping[str, int]) -> dict[str, int]:
        """Samples to draw of each part, from how many there are.

        Raises:
            DataError: a part has fewer samples than it should give, or none.
        """
        for name in self.parts:
            if not available[name]:
                raise _too_few(name, 0, 1)
        fixed: dict[str, int] = {
            name: part.count or available[name] for name, part in self.parts.items() if part.weight is None
        }
        weights: dict[str, float] = {name: part.weight for name, part in self.parts.items() if part.weight is not None}
        found = fixed | _shared(weights, available, None if self.total is None else self.total - sum(fixed.values()))
        for wanted, count in found.items():
            if count > available[wanted]:
                raise _too_few(wanted, available[wanted], count)
        return {name: found[name] for name in self.parts}


@dataclass(frozen=True)
class Drawn:
    """What a mixture drew, and the record that a manifest keeps of it."""

    samples: list[Sample]
    record: dict[str, Any]


def read_mixture(path: Path) -> Mixture:
    """The mixture in a YAML file.

    Raises:
        DataError: it is missing or breaks the format; names the field.
    """
    try:
        return Mixture.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path} can't be read", received=str(error), expected="a mixture in YAML") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{path}: {field}", received=repr(first["input"])[:200], expected=first["msg"]) from error


def spread(sample: Sample, part: Part) -> list[Sample]:
    """A sample as its part wants it: one for each wording and each answer, told apart by their ids."""
    found = [sample]
    if part.every_wording:
        found += [
            sample.model_copy(update={"sample_id": f"{sample.sample_id}-w{number}", "situation": text})
            for number, text in enumerate(sample.alternative_situations, 1)
        ]
    if part.every_answer:
        found = [one for wording in found for one in _by_answer(wording)]
    return found


def _by_answer(sample: Sample) -> list[Sample]:
    answers = list(dict.fromkeys(sample.answers))
    if len(answers) < 2:
        return [sample]
    return [
        sample.model_copy(update={"sample_id": f"{sample.sample_id}-a{number}", "answers": (answer,)})
        for number, answer in enumerate(answers)
    ]


def _shared(weights: Mapping[str, float], available: Mapping[str, int], total: int | None) -> dict[str, int]:
    """A total shared by weights (largest remainders); without one, the largest that no part falls short of."""
    if not weights:
        return {}
    sum_of_weights = sum(weights.values())
    if total is None:
        total = min(math.floor(available[name] * sum_of_weights / weight) for name, weight in weights.items())
    if total < 1:
        raise DataError(
            "the mixture's total leaves too little for its weights",
            received=f"{total} samples for {', '.join(weights)}",
            expected="at least one",
            fix="raise the total, or lower the counts",
        )
    exact = {name: total * weight / sum_of_weights for name, weight in weights.items()}
    counts = {name: math.floor(share) for name, share in exact.items()}
    for name in sorted(exact, key=lambda n: (counts[n] - exact[n], n))[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _luckiest(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """``count`` of the samples, in their order."""

    def luck(index: int) -> bytes:
        sample = samples[index]
        return hashlib.blake2b(f"{seed}\0{sample.dataset}\0{sample.sample_id}".encode(), digest_size=8).digest()

    return [samples[index] for index in sorted(sorted(range(len(samples)), key=luck)[:count])]


def _too_few(name: str, available: int, wanted: int) -> DataError:
    return DataError(
        f"the mixture asks for more {name} than there is",
        received=f"{available} samples",
        expected=f"at least {wanted}",
        fix="lower its count or the total, or add its annotation files",
    )
