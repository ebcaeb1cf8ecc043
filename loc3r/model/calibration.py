"""``calibration.json`` in a checkpoint: one factor on the stated uncertainty of places, fitted after training.

``loc3r calibrate`` writes it; inference applies it wherever it is present, so evaluation and serving state the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from loc3r.errors import CheckpointError
from loc3r.files import read_json, write_json

CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """The factor, and what it was fitted on."""

    sigma_temperature: float
    """Every sigma of a speaker's place is multiplied by it."""
    weights: str
    """Hash of the checkpoint without its calibration."""
    data_hash: str
    """Names the validation data."""
    situations: int
    scenes: int
    error_before: float
    """Expected calibration error on the validation data with the network's own sigma."""
    error_after: float

    def write(self, folder: Path) -> None:
        """Put it into a checkpoint folder: from now on that is another model, with another hash."""
        write_json(folder / CALIBRATION_FILE, asdict(self))


def read_calibration(folder: Path) -> Calibration | None:
    """A checkpoint's calibration; None where it has none.

    Raises:
        CheckpointError: the file is not what ``loc3r calibrate`` writes.
    """
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        return None
    try:
        found = Calibration(**read_json(path))
        sound = 0 < found.sigma_temperature < float("inf")
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise CheckpointError(
            f"{path} is damaged", received=path.read_text()[:200], expected="a positive sigma_temperature",
            fix="remove the file, then loc3r calibrate --help",
        )  # fmt: skip
    return found


def sigma_temperature(folder: Path) -> float:
    """The factor on every sigma of a checkpoint's places; 1 where none was fitted."""
    found = read_calibration(folder)
    return found.sigma_temperature if found else 1.0
