"""Furniture drawn at random by rules: whole families of things, where the catalogue has two or three of each.

Every module here has ``MAKERS``: for a class of ``furniture_classes.yaml``, bracketed remark included, a function
that draws one member of its family. Models stand in the catalogue's axes (x across, y up, z towards the front), in
centimetres, their lowest point at y = 0, as in ``own_models.py``. What hangs on walls says how high in
``ELEVATION_CM``. They are for training only, ours, and given away as CC0.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module

import numpy as np
from wavefront import Model

Maker = Callable[[np.random.Generator], Model]

MAKERS: dict[str, Maker] = {}
"""What draws a model, by variant of class."""
ELEVATION_CM: dict[str, float] = {}
"""Height of the underside above the floor, by variant of class; 0 for what stands."""

for _found in pkgutil.iter_modules(__path__):
    _module = import_module(f"{__name__}.{_found.name}")
    MAKERS |= getattr(_module, "MAKERS", {})
    ELEVATION_CM |= getattr(_module, "ELEVATION_CM", {})
