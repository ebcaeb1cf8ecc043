"""The client for asyncio: the same calls as ``loc3r.client.synchronous``, with ``await``.

async with AsyncLoc3R("localhost:8001") as client, await client.open_scene("kitchen.mp4") as scene:
    async for item in scene.stream("I'm at the sink", "What is behind me?"):
        print(item)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
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


class AsyncLoc3R:
    """A connection to a served model for one event loop; the arguments are those of ``Loc3R``."""

    def __init__(self, url: str = "localhost:8001", *, timeout_s: float = 60) -> None:
        self.url = url
        self.timeout_s = timeout_s
        self._channel = grpc.aio.insecure_channel(url, options=CHANNEL_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._answered = False

    async def open_scene(self, video: Path | str | bytes, *, timeout_s: float | None = None) -> AsyncScene:
        """Send a video and keep it open on the server; raises as ``Loc3R.open_scene`` does."""
        payload = await asyncio.to_thread(video_bytes, video)
        event, model = await self._one(wire.OpenScene(), timeout_s, payload)
        return AsyncScene(self, video, expect(wire.SceneEvent, event), model)

    async def info(self, *, timeout_s: float | None = None) -> wire.ModelInfo:
        """The model that serves now."""
        return (await self._one(wire.Info(), timeout_s))[1]

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()

    async def _one(
        self, request: wire.Request, timeout_s: float | None, payload: bytes = b""
    ) -> tuple[wire.Event, wire.ModelInfo]:
        events = [event async for event in self._events(request, timeout_s, payload)]
        return events[0]

    async def _events(
        self, request: wire.Request, timeout_s: float | None, payload: bytes = b""
    ) -> AsyncGenerator[tuple[wire.Event, wire.ModelInfo], None]:
        tries = Tries(self.timeout_s if timeout_s is None else timeout_s, answered_before=self._answered)
        while True:
            try:
                async with contextlib.aclosing(self._call(request, tries, payload)) as events:
                    async for event in events:
                        self._answered = tries.begun = True
                        yield event
                return
            except Loc3RError as error:
                pause_s = tries.pause_after(error)
            await asyncio.sleep(pause_s)

    async def _call(
        self, request: wire.Request, tries: Tries, payload: bytes
    ) -> AsyncGenerator[tuple[wire.Event, wire.ModelInfo], None]:
        call = self._stub.ModelStreamInfer(iter([triton_request(request, payload)]), timeout=tries.left_s)
        failed: Loc3RError | None = ended_early()
        try:
            async for reply in call:  # to the end, even after an error: Triton leaks a stream cancelled as it ends
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

    async def __aenter__(self) -> AsyncLoc3R:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncScene:
    """A video that the server holds; the calls and their errors are those of ``Scene``."""

    def __init__(
        self, client: AsyncLoc3R, video: Path | str | bytes, opened: wire.SceneEvent, model: wire.ModelInfo
    ) -> None:
        self.scene_id = opened.scene_id
        self.frames = opened.frames
        self.cached = opened.cached
        self.model = model
        self._client = client
        self._video = video
        self._closed = False

    async def locate(self, situation: str, *, max_sigma_m: float | None = None, timeout_s: float | None = None) -> Pose:
        """Where the speaker is."""
        event, model = await self._one(wire.Locate(self.scene_id, situation), timeout_s)
        return Pose.of(expect(wire.PoseEvent, event), model, max_sigma_m)

    async def ask(
        self,
        situation: str | None,
        question: str,
        *,
        max_new_tokens: int = 16,
        max_sigma_m: float | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """The speaker's pose and the answer."""
        stream = self.stream(
            situation, question, max_new_tokens=max_new_tokens, max_sigma_m=max_sigma_m, timeout_s=timeout_s
        )
        return answer_of([item async for item in stream])

    async def stream(
        self,
        situation: str | None,
        question: str,
        *,
        max_new_tokens: int = 16,
        max_sigma_m: float | None = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[Pose | str]:
        """The pose as soon as it is known, then the answer piece by piece."""
        request = wire.Ask(self.scene_id, question, situation, max_new_tokens)
        event: wire.Event | None = None
        async with contextlib.aclosing(self._events(request, timeout_s)) as events:
            async for event, model in events:
                item = stream_item(event, model, max_sigma_m)
                if item is not None:
                    yield item
        if not isinstance(event, wire.DoneEvent):
            raise ended_early()

    async def layout(self, *, timeout_s: float | None = None) -> LayoutMap:
        """Where the model places each patch of the video."""
        event, model = await self._one(wire.Layout(self.scene_id), timeout_s)
        return LayoutMap.of(expect(wire.LayoutEvent, event), model)

    async def close(self, *, timeout_s: float | None = None) -> None:
        """Let the server forget the scene."""
        self._closed = True
        await self._client._one(wire.CloseScene(self.scene_id), timeout_s)

    async def _one(
        self, request: wire.Locate | wire.Layout, timeout_s: float | None
    ) -> tuple[wire.Event, wire.ModelInfo]:
        events = [event async for event in self._events(request, timeout_s)]
        return events[0]

    async def _events(
        self, request: wire.Ask | wire.Locate | wire.Layout, timeout_s: float | None
    ) -> AsyncGenerator[tuple[wire.Event, wire.ModelInfo], None]:
        """Events of a request; a server that does not hold the scene (any more) is sent the video again."""
        for reopenings in range(REOPENINGS + 1):
            try:
                async with contextlib.aclosing(self._client._events(request, timeout_s)) as events:
                    async for event in events:
                        yield event
                return
            except UnknownSceneError:
                if self._closed or reopenings == REOPENINGS:
                    raise
            opened = await self._client.open_scene(self._video, timeout_s=timeout_s)
            self.scene_id, self.model = opened.scene_id, opened.model
            request = replace(request, scene_id=self.scene_id)

    async def __aenter__(self) -> AsyncScene:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(Loc3RError):
            await self.close(timeout_s=5)
