"""The smoke questions: asked in the model's own process before it is ready, and over the wire once it serves."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from struct import pack
from typing import TYPE_CHECKING

from loc3r.client import Loc3R, wire
from loc3r.errors import CheckpointError, Loc3RError, ServiceError

if TYPE_CHECKING:
    from serving.engine import Engine  # brings torch, which a deployer needs not

SITUATION, QUESTION = "I am standing in the room.", "What is in front of me?"
TOKENS = 8


def check_engine(engine: Engine) -> None:
    """Have a loaded model open a small generated video and answer; also its warm-up.

    Raises:
        CheckpointError: it can't: for one, a number in its pose is not finite.
    """
    opened = _last_event(engine, wire.OpenScene(), check_video())
    assert isinstance(opened, wire.SceneEvent)
    _last_event(engine, wire.Ask(opened.scene_id, QUESTION, SITUATION, TOKENS))
    _last_event(engine, wire.CloseScene(opened.scene_id))


def _last_event(engine: Engine, request: wire.Request, payload: bytes = b"") -> wire.Event:
    sent: list[bytes] = []
    engine.handle(wire.encode_request(request), payload, sent.append, lambda: False)
    event = wire.decode_event(sent[-1])[0]
    if isinstance(event, wire.ErrorEvent):
        raise CheckpointError("the model failed its smoke question", received=event.exception())
    return event


def check_served(url: str, version: str, model_hash: str, timeout_s: float) -> None:
    """Ask a served model about a small generated video.

    Raises:
        ServiceError: it does not answer, another model does, or a number in the pose is not finite.
    """
    with Loc3R(url, timeout_s=timeout_s) as client, client.open_scene(check_video()) as scene:
        answer = scene.ask(SITUATION, QUESTION, max_new_tokens=TOKENS)
    served = (answer.model.version, answer.model.model_hash)
    if served != (version, model_hash):
        raise ServiceError("another model answers", received=served, expected=(version, model_hash))
    pose = answer.pose
    numbers = (pose.x_m, pose.y_m, pose.sigma_x_m, pose.sigma_y_m, pose.heading_rad)
    if not all(math.isfinite(number) for number in numbers):
        raise ServiceError("the pose is not finite", received=numbers)


def serves(url: str, version: str, model_hash: str) -> bool:
    """Whether that very model answers at ``url`` now."""
    try:
        with Loc3R(url, timeout_s=10) as client:
            model = client.info()
    except Loc3RError:
        return False
    return (model.version, model.model_hash) == (version, model_hash)


def check_video(frames: int = 4, side_px: int = 64) -> bytes:
    """A few frames of moving stripes, as a zip of PNG files: made here, so that no image library is needed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for frame in range(frames):
            rows = b"".join(
                b"\0"
                + bytes((4 * (x + frame) * (channel + 1) + y) % 256 for x in range(side_px) for channel in range(3))
                for y in range(side_px)
            )
            archive.writestr(zipfile.ZipInfo(f"{frame:06d}.png"), _png(side_px, rows))
    return buffer.getvalue()


def _png(side_px: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
