"""The client for ordinary code; ``loc3r.client.asynchronous`` is the same with ``await``.

with Loc3R("localhost:8001") as client, client.open_scene("kitchen.mp4") as scene:
    pose = scene.locate("I'm at the sink, facing the window")
    answer = scene.ask("I'm at the sink, facing the window", "What is behind me?")
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import grpc
from tritonclient.grpc import service_pb2_grpc

from loc3r.client import wire
from loc3r.client.results import Answer, LayoutMap, Pose, answer_of, stream_item
from loc3r.client.transport import (
    CHANNEL_OPTIONS,
    REOPENINGS,
    Tries,
    ended_early,
    event_of,
    expect,
    failure,
    triton_request,
)
from loc3r.client.upload import video_bytes
from loc3r.errors import Loc3RError, UnknownSceneError


class Loc3R:
    """A connection to a served model; safe to use from many threads. Close it, or use ``with``.

    Args:
        url: gRPC address of Triton.
        timeout_s: deadline of a call that gives none itself.
    """

    def __init__(self, url: str = "localhost:8001", *, timeout_s: float = 60) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._channel = grpc.insecure_channel(url, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._answered = False

    def open_scene(self, video: Path | str | bytes, *, timeout_s: float | None = None) -> Scene:
        """Send a video (an mp4, a folder of frames, or bytes) and keep it open on the server.

        Raises:
            VideoError: it can't be read, here or there.
            FrameError: one of its frames can't be decoded.
            ServiceError, DeadlineError: the server did not answer.
        """
        event, model = self._one(wire.OpenScene(), timeout_s, video_bytes(video))
        return Scene(self, video, expect(wire.SceneEvent, event), model)

    def info(self, *, timeout_s: float | None = None) -> wire.ModelInfo:
        """The model that serves now."""
        return self._one(wire.Info(), timeout_s)[1]

    def close(self) -> None:
        """Close the connection. An unclosed gRPC channel can hang the interpreter's exit."""
        self._channel.close()

    def _one(
        self, request: wire.Request, timeout_s: float | None, payload: bytes = b""
    ) -> tuple[wire.Event, wire.ModelInfo]:
        events = list(self._events(request, timeout_s, payload))
        return events[0]

    def _events(
        self, request: wire.Request, timeout_s: float | None, payload: bytes = b""
    ) -> Generator[tuple[wire.Event, wire.ModelInfo], None, None]:
        tries = Tries(self.timeout_s if timeout_s is None else timeout_s, answered_before=self._answered)
        while True:
            try:
                with contextlib.closing(self._call(request, tries, payload)) as events:
                    for event in events:
                        self._answered = tries.begun = True
                        yield event
                return
            except Loc3RError as error:
                pause_s = tries.pause_after(error)
            time.sleep(pause_s)

    def _call(
        self, request: wire.Request, tries: Tries, payload: bytes
    ) -> Generator[tuple[wire.Event, wire.ModelInfo], None, None]:
        call = self._stub.ModelStreamInfer(iter([triton_request(request, payload)]), timeout=tries.left_s)
        failed: Loc3RError | None = ended_early()
        try:
            for reply in call:  # to the end, even after an error: Triton leaks a stream cancelled as it ends
                event, model = event_of(reply)
                failed = event.exception() if isinstance(event, wire.ErrorEvent) else None
                if failed is None:
                    yield event, model
        except grpc.RpcError as error:
            raise failure(error, self.url, tries.timeout_s) from error
        finally:
            call.cancel()  # no effect on a finished call; else the server stops working on it
        if failed:
            raise failed

    def __enter__(self) -> Loc3R:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Scene:
    """A video that the server holds. Closing it frees the server's memory of it.

    A server that lost it (another version was deployed, it made room) is sent the video again: keep the file.
    """

    def __init__(
        self, client: Loc3R, video: Path | str | bytes, opened: wire.SceneEvent, model: wire.ModelInfo
    ) -> None:
        self.scene_id = opened.scene_id
        self.frames = opened.frames
        self.cached = opened.cached
        self.model = model
        self._client = client
        self._video = video
        self._closed = False

    def locate(self, situation: str, *, max_sigma_m: float | None = None, timeout_s: float | None = None) -> Pose:
        """Where the speaker is. With ``max_sigma_m``, check ``pose.confident`` before you use it.

        Raises:
            QuestionError: the situation is empty or too long.
            UnknownSceneError: the scene was closed.
            ServiceError, DeadlineError: the server did not answer.
        """
        request = wire.Locate(self.scene_id, situation)
        event, model = self._one(request, timeout_s)
        return Pose.of(expect(wire.PoseEvent, event), model, max_sigma_m)

    def ask(
        self,
        situation: str | None,
        question: str,
        *,
        max_new_tokens: int = 16,
        max_sigma_m: float | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """The speaker's pose and the answer; ``situation=None`` asks about the room. Raises as ``locate`` does."""
        return answer_of(
            self.stream(
                situation, question, max_new_tokens=max_new_tokens, max_sigma_m=max_sigma_m, timeout_s=timeout_s
            )
        )

    def stream(
        self,
        situation: str | None,
        question: str,
        *,
        max_new_tokens: int = 16,
        max_sigma_m: float | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[Pose | str]:
        """The pose as soon as it is known, then the answer piece by piece. Stopping early cancels the rest.

        Raises as ``locate`` does, while it is iterated.
        """
        request = wire.Ask(self.scene_id, question, situation, max_new_tokens)
        event: wire.Event | None = None
        with contextlib.closing(self._events(request, timeout_s)) as events:
            for event, model in events:
                item = stream_item(event, model, max_sigma_m)
                if item is not None:
                    yield item
        if not isinstance(event, wire.DoneEvent):
            raise ended_early()

    def layout(self, *, timeout_s: float | None = None) -> LayoutMap:
        """Where the model places each patch of the video: what a map is drawn from."""
        event, model = self._one(wire.Layout(self.scene_id), timeout_s)
        return LayoutMap.of(expect(wire.LayoutEvent, event), model)

    def close(self, *, timeout_s: float | None = None) -> None:
        """Let the server forget the scene.

        Raises:
            UnknownSceneError: it did already.
        """
        self._closed = True
        self._client._one(wire.CloseScene(self.scene_id), timeout_s)

    def _one(self, request: wire.Locate | wire.Layout, timeout_s: float | None) -> tuple[wire.Event, wire.ModelInfo]:
        events = list(self._events(request, timeout_s))
        return events[0]

    def _events(
        self, request: wire.Ask | wire.Locate | wire.Layout, timeout_s: float | None
    ) -> Generator[tuple[wire.Event, wire.ModelInfo], None, None]:
        """Events of a request; a server that does not hold the scene (any more) is sent the video again."""
        for reopenings in range(REOPENINGS + 1):
            try:
                with contextlib.closing(self._client._events(request, timeout_s)) as events:
                    yield from events
                return
            except UnknownSceneError:
                if self._closed or reopenings == REOPENINGS:
                    raise
            opened = self._client.open_scene(self._video, timeout_s=timeout_s)
            self.scene_id, self.model = opened.scene_id, opened.model
            request = replace(request, scene_id=self.scene_id)

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Loc3RError):  # must not hide what ended the block
            self.close(timeout_s=5)
