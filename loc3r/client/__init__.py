"""The typed client of a served Loc3R: ``Loc3R`` and ``AsyncLoc3R``. Imports nothing heavy, gRPC only when used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loc3r.client.asynchronous import AsyncLoc3R, AsyncScene
    from loc3r.client.results import Answer, LayoutMap, Pose
    from loc3r.client.synchronous import Loc3R, Scene
    from loc3r.client.wire import ModelInfo

_HOMES = {
    "Loc3R": "synchronous", "Scene": "synchronous", "AsyncLoc3R": "asynchronous", "AsyncScene": "asynchronous",
    "Pose": "results", "Answer": "results", "LayoutMap": "results", "ModelInfo": "wire",
}  # fmt: skip

__all__ = ["Answer", "AsyncLoc3R", "AsyncScene", "LayoutMap", "Loc3R", "ModelInfo", "Pose", "Scene"]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: the server shares ``loc3r.client.wire`` and has no gRPC."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
