"""Small prepared rooms with an untrained model, from the tests of evaluations; rooms on disk, from those of scenes."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("evaluate", "scenes"):
    sys.path.insert(0, str(Path(__file__).parents[1] / folder))
