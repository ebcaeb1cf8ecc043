"""The engine without Triton: what needs its insides, and the two parts that it is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loc3r.client import wire
from loc3r.client.upload import video_bytes
from loc3r.errors import CheckpointError, UnknownSceneError
from loc3r.files import read_json, write_json
from loc3r.model.config import CONFIG_FILE
from serving.engine import Engine, model_info, patch_colours
from serving.shelf import OpenedScene, SceneShelf


def scene(name: str, size_bytes: int) -> OpenedScene:
    return OpenedScene(name, None, np.zeros((1, 1, 1, 3), np.uint8), size_bytes)


def test_the_least_recently_used_scene_makes_room():
    shelf = SceneShelf(limit_bytes=100)
    for name in ("a", "b"):
        shelf.add(scene(name, 40))
    shelf.get("a")
    shelf.add(scene("c", 40))
    assert (len(shelf), shelf.used_bytes) == (2, 80) and shelf.get("a") and shelf.get("c")
    with pytest.raises(UnknownSceneError, match="made room"):
        shelf.get("b")


def test_a_scene_above_the_limit_stays_alone():
    shelf = SceneShelf(limit_bytes=10)
    shelf.add(scene("small", 5))
    shelf.add(scene("large", 50))
    assert len(shelf) == 1 and shelf.get("large")


def test_the_last_opener_takes_the_scene_with_it():
    shelf = SceneShelf(limit_bytes=10)
    shelf.add(scene("a", 1))
    assert shelf.join("a").openers == 2 and shelf.join("b") is None
    shelf.leave("a")
    assert shelf.get("a")
    shelf.leave("a")
    with pytest.raises(UnknownSceneError):
        shelf.leave("a")


def test_patch_colours_are_means_of_their_cells():
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    frames[1, 4:, :4] = (10, 20, 30)
    colours = patch_colours(frames, 2)
    assert colours.shape == (2, 2, 2, 3) and colours[1, 1, 0].tolist() == [10, 20, 30] and colours.sum() == 60


def test_another_pose_prior_than_the_trained_one_is_refused(make_checkpoint: Callable[[int], Path]):
    checkpoint = make_checkpoint(0)
    write_json(checkpoint / "lineage.json", {"prior": {"fingerprint": "none-1"}})
    assert model_info(checkpoint, "1", "none-1").prior == "none-1"
    with pytest.raises(CheckpointError, match="another pose prior"):
        model_info(checkpoint, "1", "none-2")


def test_a_map_along_a_scan_s_axes_is_not_served(make_checkpoint: Callable[[int], Path]):
    checkpoint = make_checkpoint(0)
    config = read_json(checkpoint / CONFIG_FILE)
    config["data"]["bird_eye_yaw"] = "scan"
    write_json(checkpoint / CONFIG_FILE, config)
    with pytest.raises(CheckpointError, match="bird_eye_yaw=first_camera"):
        Engine(checkpoint, version="7")


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine(checkpoint, version="7", scene_memory_bytes=1)


def handle(engine: Engine, request: wire.Request, payload: bytes = b"", cancelled: Callable[[], bool] = bool):
    """The events of a request, all from the engine's version."""
    sent: list[bytes] = []
    engine.handle(wire.encode_request(request), payload, sent.append, cancelled)
    events = [wire.decode_event(data) for data in sent]
    assert {model.version for _, model in events} <= {"7"}
    return [event for event, _ in events]


def test_a_cancelled_question_is_not_worked_on(engine: Engine, frames_folder: Path):
    [opened] = handle(engine, wire.OpenScene(), video_bytes(frames_folder))
    ask = wire.Ask(opened.scene_id, "What is behind me?", max_new_tokens=32)
    assert handle(engine, ask, cancelled=lambda: True) == []
    looks = iter([False, False, False, True])
    events = handle(engine, ask, cancelled=lambda: next(looks))
    assert [event.kind for event in events] == ["pose", "text"]


def test_waiting_questions_are_answered_in_one_pass(engine: Engine, frames_folder: Path, monkeypatch):
    [opened] = handle(engine, wire.OpenScene(), video_bytes(frames_folder))
    batches: list[int] = []
    ask_together = engine._localiser.ask
    monkeypatch.setattr(
        engine._localiser,
        "ask",
        lambda memory, queries, n: batches.append(len(queries)) or ask_together(memory, queries, n),
    )
    got: list[list[wire.Event]] = []
    ask = wire.Ask(opened.scene_id, "What is behind me?")
    threads = [threading.Thread(target=lambda: got.append(handle(engine, ask))) for _ in range(5)]
    with engine._batcher.turn:  # as if a long question were being answered
        for thread in threads:
            thread.start()
        while len(engine._batcher._waiting) < 5:
            threading.Event().wait(0.01)
    for thread in threads:
        thread.join(30)
    assert batches == [5] and len(got) == 5
    assert all([event.kind for event in events] == ["pose", "text", "done"] for events in got)


def test_an_error_in_a_batch_reaches_everyone_who_waits(engine: Engine, frames_folder: Path, monkeypatch):
    [opened] = handle(engine, wire.OpenScene(), video_bytes(frames_folder))

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(engine._localiser, "ask", broken)
    got: list[list[wire.Event]] = []
    locate = wire.Locate(opened.scene_id, "I am standing by the sink.")
    threads = [threading.Thread(target=lambda: got.append(handle(engine, locate))) for _ in range(3)]
    with engine._batcher.turn:
        for thread in threads:
            thread.start()
        while len(engine._batcher._waiting) < 3:
            threading.Event().wait(0.01)
    for thread in threads:
        thread.join(30)
    assert [[event.code for event in events] for events in got] == [["internal"]] * 3
    assert "out of memory" in got[0][0].received
