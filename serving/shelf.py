"""Open scenes on the server: found by the hash of their video, counted by who opened them, bounded in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import UnknownSceneError
from loc3r.model.inference import SceneMemory


@dataclass
class OpenedScene:
    """A video after its one pass through the model."""

    scene_id: str
    memory: SceneMemory
    colours: NDArray[np.uint8]
    """Mean colour of each patch, (T, R, R, 3) uint8."""
    size_bytes: int
    openers: int = 1


class SceneShelf:
    """The scenes that are open now; the least recently used one leaves when ``limit_bytes`` is exceeded.

    Thread-safe. One scene always stays, however large it is.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self._scenes: OrderedDict[str, OpenedScene] = OrderedDict()
        self._lock = threading.Lock()

    def join(self, scene_id: str) -> OpenedScene | None:
        """The scene, with one opener more, if it is open."""
        with self._lock:
            scene = self._scenes.get(scene_id)
            if scene is not None:
                scene.openers += 1
                self._scenes.move_to_end(scene_id)
            return scene

    def add(self, scene: OpenedScene) -> None:
        """Keep a scene, at the price of the least recently used ones."""
        with self._lock:
            self._scenes[scene.scene_id] = scene
            while len(self._scenes) > 1 and self._used() > self.limit_bytes:
                self._scenes.popitem(last=False)

    def get(self, scene_id: str) -> OpenedScene:
        """An open scene.

        Raises:
            UnknownSceneError: it is not, or no longer, open.
        """
        with self._lock:
            return self._use(scene_id)

    def leave(self, scene_id: str) -> None:
        """One opener fewer; the last one takes the scene with it.

        Raises:
            UnknownSceneError: it is not open.
        """
        with self._lock:
            scene = self._use(scene_id)
            scene.openers -= 1
            if not scene.openers:
                del self._scenes[scene_id]

    @property
    def used_bytes(self) -> int:
        """Memory that the open scenes hold."""
        with self._lock:
            return self._used()

    def __len__(self) -> int:
        return len(self._scenes)

    def _use(self, scene_id: str) -> OpenedScene:
        scene = self._scenes.get(scene_id)
        if scene is None:
            raise UnknownSceneError(
                "the server holds no such scene",
                received=scene_id,
                expected=f"one of {len(self._scenes)} open scenes",
                fix="open the video again: the scene was closed, made room for others, or the server was restarted",
            )
        self._scenes.move_to_end(scene_id)
        return scene

    def _used(self) -> int:
        return sum(scene.size_bytes for scene in self._scenes.values())
