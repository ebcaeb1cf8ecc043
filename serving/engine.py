"""The serving engine: videos are opened once and asked many times. Knows nothing of Triton.

``Engine.handle`` takes one request of the wire contract (``loc3r.client.wire``) and sends its events; it may be
called from many threads.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loc3r.client import wire
from loc3r.errors import CheckpointError, Loc3RError, QuestionError, VideoError
from loc3r.model.inference import MAX_CHARACTERS, Localiser, Query
from loc3r.priors.base import PosePrior, load_prior
from loc3r.scenes.video import fit_frames, read_video_bytes
from loc3r.tracking.lineage import model_hash, read_lineage
from serving.batcher import Batcher, Ticket
from serving.shelf import OpenedScene, SceneShelf

LOG = logging.getLogger(__name__)
Emit = Callable[[wire.Event], None]


class Engine:
    """A model, its pose prior and the scenes that are open.

    Args:
        checkpoint: a checkpoint folder.
        version: what the server calls it.
        scene_memory_bytes: bound on the memory of open scenes.
        device: where the model runs.
        on_wait: told how many seconds each request waited for the model.
    """

    def __init__(
        self,
        checkpoint: Path,
        *,
        version: str,
        scene_memory_bytes: int = 2 << 30,
        device: str = "cpu",
        on_wait: Callable[[float], None] = lambda wait_s: None,
    ) -> None:
        self._localiser = Localiser.load(checkpoint, device=device)
        if self._localiser.processor.writes_pose:
            raise CheckpointError(
                "a model that writes its pose as text is not served: it has no uncertainty and no layout",
                received=checkpoint, expected="model.pose=heads", fix="train another recipe",
            )  # fmt: skip
        self._data = self._localiser.model.config.data
        if self._data.bird_eye_yaw == "scan":
            raise CheckpointError(
                "a model whose map lies along a scan's axes is not served: nothing in a new video tells them",
                received=checkpoint, expected="data.bird_eye_yaw=first_camera", fix="train another recipe",
            )  # fmt: skip
        self._prior: PosePrior = load_prior(self._data.prior, self._data.prior_size_px)
        self.model = model_info(checkpoint, version, self._prior.fingerprint)
        self._shelf = SceneShelf(scene_memory_bytes)
        self._batcher = Batcher(self._localiser, on_wait=on_wait)

    def handle(
        self, request: bytes, payload: bytes, send: Callable[[bytes], None], is_cancelled: Callable[[], bool]
    ) -> None:
        """Answer one request. An error becomes an event; the engine goes on."""

        def emit(event: wire.Event) -> None:
            send(wire.encode_event(event, self.model))

        try:
            self._dispatch(wire.decode_request(request), payload, emit, is_cancelled)
        except Loc3RError as error:
            emit(wire.ErrorEvent.of(error))
        except Exception as error:  # a fault of ours must not take the server down
            LOG.exception("request failed")
            emit(wire.ErrorEvent("internal", "the server failed", received=repr(error)[:500], fix="see its log"))

    def _dispatch(self, request: wire.Request, payload: bytes, emit: Emit, is_cancelled: Callable[[], bool]) -> None:
        match request:
            case wire.OpenScene():
                emit(self._open(payload))
            case wire.Ask():
                self._ask(request, emit, is_cancelled)
            case wire.Locate():
                query = Query(_text("situation", request.situation))  # no question, so no text
                self._batcher.answer(Ticket(self._shelf.get(request.scene_id), query, emit, is_cancelled))
            case wire.Layout():
                emit(self._layout(self._shelf.get(request.scene_id)))
            case wire.CloseScene():
                self._shelf.leave(request.scene_id)
                emit(wire.DoneEvent())
            case wire.Info():
                emit(wire.InfoEvent(len(self._shelf), self._shelf.used_bytes))

    def _ask(self, request: wire.Ask, emit: Emit, is_cancelled: Callable[[], bool]) -> None:
        if not 1 <= request.max_new_tokens <= wire.MAX_NEW_TOKENS:
            raise wire.RequestError(
                "max_new_tokens is out of range",
                received=request.max_new_tokens,
                expected=f"1 to {wire.MAX_NEW_TOKENS}",
            )
        situation = None if request.situation is None else _text("situation", request.situation)
        query = Query(situation, _text("question", request.question))
        scene = self._shelf.get(request.scene_id)
        self._batcher.answer(Ticket(scene, query, emit, is_cancelled, request.max_new_tokens))

    def _open(self, payload: bytes) -> wire.SceneEvent:
        if not payload:
            raise VideoError("the request brings no video", received="0 bytes", expected=f"{wire.PAYLOAD}: a video")
        scene_id = hashlib.sha256(payload).hexdigest()[:16]
        cached = self._shelf.join(scene_id) is not None
        if not cached:
            frames = read_video_bytes(payload, self._data.frames)
            frames = fit_frames(frames, self._data.frame_size_px, self._data.frame_fit)
            with self._batcher.own_turn():
                cached = self._shelf.join(scene_id) is not None  # another client sent it meanwhile
                if not cached:
                    self._shelf.add(self._encode(scene_id, frames))
        return wire.SceneEvent(scene_id, self._data.frames, cached)

    def _encode(self, scene_id: str, frames: NDArray[np.uint8]) -> OpenedScene:
        memory = self._localiser.open_scene(frames, self._prior.encode(frames))
        colours = patch_colours(frames, self._data.tokens_a_side)
        return OpenedScene(scene_id, memory, colours, memory.size_bytes + colours.nbytes)

    def _layout(self, scene: OpenedScene) -> wire.LayoutEvent:
        with self._batcher.own_turn():
            xy_m, sigma_m = self._localiser.layout(scene.memory)
        x_m, y_m = np.asarray(xy_m, np.float64).reshape(-1, 2).round(3).T
        sigma = np.asarray(sigma_m, np.float64).reshape(len(x_m), -1).max(axis=1).round(3)
        rgb = tuple("#" + bytes(colour).hex() for colour in scene.colours.reshape(-1, 3))
        return wire.LayoutEvent(tuple(x_m.tolist()), tuple(y_m.tolist()), tuple(sigma.tolist()), rgb)


def model_info(checkpoint: Path, version: str, prior: str) -> wire.ModelInfo:
    """Lineage of a checkpoint folder, for every event.

    Raises:
        CheckpointError: it was trained with another pose prior than ``prior`` (a fingerprint).
    """
    lineage = read_lineage(checkpoint)
    trained = (lineage.get("prior") or {}).get("fingerprint", prior)
    if trained != prior:
        raise CheckpointError(
            "the model was trained with another pose prior: its camera tokens would mean nothing",
            received=prior,
            expected=trained,
            fix="serve with the Loc3R version that trained it, or train again",
        )
    known = {key: str(lineage.get(key) or "") for key in ("recipe_hash", "data_hash", "code_commit")}
    return wire.ModelInfo(version=version, model_hash=model_hash(checkpoint), prior=prior, **known)


def patch_colours(frames: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Mean colours (T, side, side, 3) of the cells of frames (T, S, S, 3)."""
    rows = [block.mean(axis=1) for block in np.array_split(frames, side, axis=1)]
    cells = [[block.mean(axis=1) for block in np.array_split(row, side, axis=1)] for row in rows]
    return np.asarray(cells).transpose(2, 0, 1, 3).astype(np.uint8)


def _text(field: str, value: str) -> str:
    text = value.strip()
    if not text:
        raise QuestionError(f"the {field} is empty", received=repr(value), expected="a sentence")
    if len(text) > MAX_CHARACTERS:
        raise QuestionError(
            f"the {field} is too long",
            received=f"{len(text):,} characters",
            expected=f"at most {MAX_CHARACTERS}",
            fix="say it in a sentence or two",
        )
    return text
