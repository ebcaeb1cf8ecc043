"""What the two clients share: one request as a Triton message, Triton's replies as events, failures as exceptions."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import grpc
from tritonclient.grpc import service_pb2

from loc3r.client import wire
from loc3r.errors import DeadlineError, Loc3RError, ServiceError

CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),  # the default of 4 MB is below one video
    ("grpc.max_receive_message_length", -1),
)
Expected = TypeVar("Expected", bound=wire.Event)
PATIENCE_S = 15.0
"""A Triton that stops refuses new questions on its open connections for some seconds (4 measured), then is gone."""
NO_SERVER = "no server answers"
ENDED_EARLY = "the server ended the stream before the answer was whole"
REFUSED = "Triton could not run the model"
REOPENINGS = 3
"""A scene may be sent to a version that is replaced in that moment."""


class Tries:
    """One call, tried again while its server is being replaced.

    Only a server that has answered before is waited for, and only before the answer has begun: a wrong address is
    told at once, and nobody hears a word twice.
    """

    def __init__(self, timeout_s: float, *, answered_before: bool) -> None:
        now_s = time.monotonic()
        self.timeout_s = timeout_s
        self._deadline_s = now_s + timeout_s
        self._patience_ends_s = min(self._deadline_s, now_s + PATIENCE_S) if answered_before else now_s
        self._pause_s = 0.05
        self.begun = False

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return max(self._deadline_s - time.monotonic(), 0.001)

    def pause_after(self, error: Loc3RError) -> float:
        """Seconds to wait before the next try; raises ``error`` when there is to be none."""
        self._pause_s = min(2 * self._pause_s, 1.0)
        if self.begun or not _will_pass(error) or time.monotonic() + self._pause_s > self._patience_ends_s:
            raise error
        return self._pause_s


def _will_pass(error: Loc3RError) -> bool:
    unloaded = error.message == REFUSED and "no available versions" in str(error.received)
    return unloaded or error.message in (NO_SERVER, ENDED_EARLY)


def triton_request(request: wire.Request, payload: bytes = b"") -> Any:
    """The ``ModelInferRequest`` of a request; bytes travel as UINT8 tensors."""
    message = service_pb2.ModelInferRequest(model_name=wire.MODEL)
    tensors = {wire.REQUEST: wire.encode_request(request)} | ({wire.PAYLOAD: payload} if payload else {})
    for name, data in tensors.items():
        message.inputs.add(name=name, datatype="UINT8", shape=[len(data)])
        message.raw_input_contents.append(data)
    return message


def event_of(reply: Any) -> tuple[wire.Event, wire.ModelInfo]:
    """The event in a ``ModelStreamInferResponse``, and the model that made it.

    Triton's own refusals, for example when the model is not loaded, come as error events too.
    """
    if reply.error_message:
        refusal = ServiceError(
            REFUSED, received=reply.error_message.strip(),
            fix="look at the server's log; loc3r deploy loads a model",
        )  # fmt: skip
        return wire.ErrorEvent.of(refusal), wire.ModelInfo("", "")
    return wire.decode_event(reply.infer_response.raw_output_contents[0])


def failure(error: grpc.RpcError, url: str, timeout_s: float) -> Loc3RError:
    """The exception for a failed call."""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineError(
            "the answer did not come within the deadline", received=f"timeout_s={timeout_s:g}",
            fix="give a longer timeout_s; opening a long video takes the longest",
        )  # fmt: skip
    if code is grpc.StatusCode.UNAVAILABLE:
        return ServiceError(NO_SERVER, received=url, fix="start one with: loc3r serve --repository FOLDER")
    return ServiceError("the call failed", received=f"{code.name}: {error.details()}"[:500])


def ended_early() -> ServiceError:
    """The stream stopped before its last event: the server was stopped while it answered."""
    return ServiceError(ENDED_EARLY, fix="ask again")


def expect(kind: type[Expected], event: wire.Event) -> Expected:
    """``event`` if it is a ``kind``.

    Raises:
        RequestError: the server sent something else.
    """
    if not isinstance(event, kind):
        raise wire.RequestError("unexpected event", received=event.kind, expected=kind.__name__)
    return event
