"""The contract between client and server: one home for both, so that they can't drift.

One decoupled Triton model, ``loc3r``. A request is JSON in the tensor REQUEST, with the video's bytes in PAYLOAD when
a scene is opened; the reply is a stream of events, JSON in the tensor EVENT, each with the model that made it:

    open_scene, info, layout   one event                     ask      pose, text…, done
    close_scene                done                          locate   pose, done
    any of them                error: the code of a class of ``loc3r.errors``, and what was received and expected

Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from loc3r.errors import Loc3RError

MODEL = "loc3r"
REQUEST = "REQUEST"
PAYLOAD = "PAYLOAD"
EVENT = "EVENT"
MAX_PAYLOAD_BYTES = 1 << 30
MAX_NEW_TOKENS = 128


class RequestError(Loc3RError):
    """A request breaks the wire contract: another client, or another version of it."""

    code = "request"


@dataclass(frozen=True, slots=True)
class OpenScene:
    """Encode the video in PAYLOAD (an mp4, or a zip of frames) and keep it."""

    kind: ClassVar[str] = "open_scene"


@dataclass(frozen=True, slots=True)
class Ask:
    """Where is the speaker, and what is the answer?"""

    kind: ClassVar[str] = "ask"
    scene_id: str
    question: str
    situation: str | None = None
    max_new_tokens: int = 16


@dataclass(frozen=True, slots=True)
class Locate:
    """Where is the speaker? No word is generated."""

    kind: ClassVar[str] = "locate"
    scene_id: str
    situation: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where does the model think that each patch of the video is?"""

    kind: ClassVar[str] = "layout"
    scene_id: str


@dataclass(frozen=True, slots=True)
class CloseScene:
    """Forget the scene, when everyone who opened it has closed it."""

    kind: ClassVar[str] = "close_scene"
    scene_id: str


@dataclass(frozen=True, slots=True)
class Info:
    """Which model serves?"""

    kind: ClassVar[str] = "info"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Lineage of an answer: from these the run, the code and the data are one look-up away."""

    version: str
    """What the server calls it: Triton's version number, or the release on a cluster."""
    model_hash: str
    """Names the weights, config and tokenizer: the tag ``loc3r.model_hash`` of the version in MLflow."""
    recipe_hash: str = ""
    data_hash: str = ""
    code_commit: str = ""
    prior: str = ""
    """Fingerprint of the pose prior."""


@dataclass(frozen=True, slots=True)
class SceneEvent:
    """The scene is open."""

    kind: ClassVar[str] = "scene"
    scene_id: str
    frames: int
    """Frames that the model sees."""
    cached: bool
    """The server had it already."""


@dataclass(frozen=True, slots=True)
class PoseEvent:
    """The speaker's pose in the bird's-eye frame of the video."""

    kind: ClassVar[str] = "pose"
    x_m: float
    y_m: float
    sigma_x_m: float
    sigma_y_m: float
    heading_rad: float
    heading_concentration: float


@dataclass(frozen=True, slots=True)
class TextEvent:
    """The next piece of the answer."""

    kind: ClassVar[str] = "text"
    piece: str


@dataclass(frozen=True, slots=True)
class LayoutEvent:
    """Each patch of the video on the map: equally long lists."""

    kind: ClassVar[str] = "layout"
    x_m: tuple[float, ...]
    y_m: tuple[float, ...]
    sigma_m: tuple[float, ...]
    rgb: tuple[str, ...]
    """Mean colour of the patch, ``#rrggbb``."""


@dataclass(frozen=True, slots=True)
class InfoEvent:
    """What the server holds."""

    kind: ClassVar[str] = "info"
    open_scenes: int
    scene_memory_bytes: int


@dataclass(frozen=True, slots=True)
class DoneEvent:
    """Nothing follows."""

    kind: ClassVar[str] = "done"


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A ``loc3r.errors`` exception; nothing follows."""

    kind: ClassVar[str] = "error"
    code: str
    message: str
    received: str | None = None
    expected: str | None = None
    fix: str = ""

    @classmethod
    def of(cls, error: Loc3RError) -> ErrorEvent:
        """What goes over the wire for ``error``; long values are cut."""
        received, expected = (None if value is None else str(value)[:500] for value in (error.received, error.expected))
        return cls(error.code, error.message[:2000], received, expected, error.fix)

    def exception(self) -> Loc3RError:
        """The exception of this code, to be raised by the client."""
        error = _error_class(self.code)(self.message, received=self.received, expected=self.expected, fix=self.fix)
        error.code = self.code  # a newer server's code survives even where its class is unknown here
        return error


Request = OpenScene | Ask | Locate | Layout | CloseScene | Info
Event = SceneEvent | PoseEvent | TextEvent | LayoutEvent | InfoEvent | DoneEvent | ErrorEvent
Message = TypeVar("Message")


def encode_request(request: Request) -> bytes:
    """JSON for the REQUEST tensor."""
    return json.dumps({"op": request.kind, **asdict(request)}).encode()


def decode_request(data: bytes) -> Request:
    """The request in a REQUEST tensor.

    Raises:
        RequestError: not JSON, an unknown operation, a missing, extra or mistyped field.
    """
    values = _json_object(data)
    kind = str(values.pop("op", None))
    classes = {cls.kind: cls for cls in get_args(Request)}
    if kind not in classes:
        raise RequestError("unknown operation", received=kind, expected=", ".join(classes))
    request: Request = _build(classes[kind], values)
    return request


def encode_event(event: Event, model: ModelInfo) -> bytes:
    """JSON for the EVENT tensor.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps({"event": event.kind, "model": asdict(model), **asdict(event)}, allow_nan=False).encode()


def decode_event(data: bytes) -> tuple[Event, ModelInfo]:
    """The event in an EVENT tensor and the model that made it.

    Raises:
        RequestError: the server speaks another version of the contract.
    """
    values = _json_object(data)
    kind, model = str(values.pop("event", None)), values.pop("model", None)
    classes = {cls.kind: cls for cls in get_args(Event)}
    if kind not in classes or not isinstance(model, dict):
        raise RequestError("unknown event", received=kind, expected=", ".join(classes))
    event: Event = _build(classes[kind], values)
    return event, _build(ModelInfo, model)


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        values = json.loads(data)
    except ValueError as error:  # bad JSON, and bad UTF-8 too
        raise RequestError("the message is not JSON", received=data[:80]) from error
    if not isinstance(values, dict):
        raise RequestError("the message is not a JSON object", received=data[:80])
    return values


def _build(cls: type[Message], values: Mapping[str, Any]) -> Message:
    hints = {name: hint for name, hint in get_type_hints(cls).items() if name != "kind"}
    for name, value in values.items():
        if name not in hints or not _fits(value, hints[name]):
            raise RequestError(
                f"{cls.__name__} has a wrong field",
                received=f"{name} = {value!r}"[:200],
                expected=", ".join(f"{field}: {getattr(hint, '__name__', hint)}" for field, hint in hints.items()),
            )
    try:
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    except TypeError as error:
        raise RequestError(f"{cls.__name__} lacks a field", received=str(error), expected=", ".join(hints)) from error


def _fits(value: Any, hint: Any) -> bool:
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if getattr(hint, "__origin__", None) is tuple:
        return isinstance(value, list) and all(_fits(item, get_args(hint)[0]) for item in value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _error_class(code: str) -> type[Loc3RError]:
    pending = [Loc3RError]
    while pending:
        cls = pending.pop()
        if cls.code == code:
            return cls
        pending.extend(cls.__subclasses__())
    return Loc3RError
