"""The whole way: typed client, gRPC, Triton, engine, model. One server, which must survive every test."""

from __future__ import annotations

import asyncio
import io
import re
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from PIL import Image

from loc3r.client import AsyncLoc3R, Loc3R, Pose, Scene, wire
from loc3r.client.transport import event_of, triton_request
from loc3r.client.upload import video_bytes
from loc3r.errors import DeadlineError, FrameError, QuestionError, ServiceError, UnknownSceneError, VideoError
from loc3r.model.inference import Localiser, Query
from loc3r.priors.base import load_prior
from loc3r.scenes.video import fit_frames, read_video
from loc3r.services.process import free_port
from loc3r.services.triton import TritonServer
from loc3r.tracking.lineage import model_hash

pytestmark = [pytest.mark.xdist_group("triton"), pytest.mark.timeout(120)]
SITUATION = "I am standing by the sink."
QUESTION = "What is behind me?"


@pytest.fixture(autouse=True)
def survives(triton: TritonServer) -> Iterator[None]:
    """Whatever a test did, the same server answers the next one."""
    process = triton.pid
    yield
    with Loc3R(triton.url, timeout_s=30) as client:
        assert client.info().version == "1"
    assert triton.pid == process and triton.process.poll() is None


def test_answers_are_those_of_the_model_and_carry_its_lineage(scene: Scene, checkpoint: Path, frames_folder: Path):
    answer = scene.ask(SITUATION, QUESTION, max_new_tokens=8)
    localiser, data = Localiser.load(checkpoint), Localiser.load(checkpoint).model.config.data
    frames = fit_frames(read_video(frames_folder, data.frames), data.frame_size_px, data.frame_fit)
    memory = localiser.open_scene(frames, load_prior("none").encode(frames))
    [truth] = localiser.ask(memory, [Query(SITUATION, QUESTION)], 8)
    assert answer.text == truth.text.strip() != ""
    for name, value in vars(truth.pose).items():
        assert getattr(answer.pose, name) == pytest.approx(value, abs=1e-5), name
    assert answer.model.model_hash == model_hash(checkpoint)
    assert (answer.model.version, answer.model.data_hash, answer.model.prior) == ("1", "d" * 12, "none-1")


def test_the_pose_comes_first_then_the_text_in_pieces(scene: Scene):
    pose, *pieces = scene.stream(SITUATION, QUESTION, max_new_tokens=8)
    assert isinstance(pose, Pose) and len(pieces) > 1 and all(isinstance(piece, str) for piece in pieces)
    assert "".join(pieces).strip() == scene.ask(SITUATION, QUESTION, max_new_tokens=8).text


def test_locate_gives_the_same_pose_without_words_and_can_decline(scene: Scene):
    pose = scene.locate(SITUATION, max_sigma_m=1e-6)
    assert not pose.confident and scene.locate(SITUATION, max_sigma_m=1e6).confident
    asked = scene.ask(SITUATION, QUESTION).pose
    assert (pose.x_m, pose.heading_rad) == pytest.approx((asked.x_m, asked.heading_rad), abs=1e-5)


def test_layout_places_every_patch_in_its_colour(scene: Scene, frames: np.ndarray):
    layout = scene.layout()
    assert len(layout.x_m) == len(layout.rgb) == 4 * 2 * 2 and min(layout.sigma_m) > 0
    corner = frames[0, :24, :32].mean((0, 1))
    assert np.abs(np.array([*bytes.fromhex(layout.rgb[0][1:])]) - corner).max() < 12


def test_a_video_is_encoded_once_for_everyone_and_kept_until_the_last_has_closed_it(client: Loc3R, mp4: bytes):
    first, second = client.open_scene(mp4), client.open_scene(mp4)
    assert (first.cached, second.cached) == (False, True) and first.scene_id == second.scene_id
    first.close()
    second.locate(SITUATION)
    second.close()
    with pytest.raises(UnknownSceneError, match="open the video again"):
        second.locate(SITUATION)


def test_questions_that_wait_together_get_the_answers_that_they_get_alone(scene: Scene):
    situations = [f"I am standing by the {name}." for name in ("sink", "chair", "table", "left", "right", "no")]
    alone = [scene.ask(situation, QUESTION) for situation in situations]
    together: dict[str, object] = {}

    def ask(situation: str) -> None:
        together[situation] = scene.ask(situation, QUESTION)

    threads = [threading.Thread(target=ask, args=(situation,)) for situation in situations]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for situation, answer in zip(situations, alone, strict=True):
        got = together[situation]
        assert got.text == answer.text
        assert got.pose.x_m == pytest.approx(answer.pose.x_m, abs=1e-4)


def test_the_wait_for_the_model_is_a_metric_of_the_server(triton: TritonServer, scene: Scene):
    def counted() -> dict[str, float]:
        page = urllib.request.urlopen(f"http://127.0.0.1:{triton.ports.metrics}/metrics", timeout=30).read().decode()
        return {k: float(v) for k, v in re.findall(r'^(loc3r_\w+){model="loc3r",version="1"} (\S+)$', page, re.M)}

    before = counted()
    threads = [threading.Thread(target=scene.ask, args=(SITUATION, QUESTION)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    after = counted()
    assert after["loc3r_queue_requests"] - before["loc3r_queue_requests"] == 8
    assert after["loc3r_queue_duration_us"] > before["loc3r_queue_duration_us"]


def test_the_asynchronous_client_says_the_same(triton: TritonServer, scene: Scene, frames_folder: Path):
    async def ask() -> list[object]:
        async with AsyncLoc3R(triton.url) as client, await client.open_scene(frames_folder) as opened:
            assert opened.cached and (await client.info()).version == "1"
            pieces = [item async for item in opened.stream(SITUATION, QUESTION)]
            answers = await asyncio.gather(*(opened.ask(SITUATION, QUESTION) for _ in range(3)))
            with pytest.raises(QuestionError):
                await opened.locate(" ")
            return [
                ("".join(pieces[1:]).strip()),
                *(answer.text for answer in answers),
                (await opened.locate(SITUATION)).x_m,
            ]

    *texts, x_m = asyncio.run(ask())
    truth = scene.ask(SITUATION, QUESTION)
    assert set(texts) == {truth.text} and x_m == pytest.approx(truth.pose.x_m, abs=1e-4)


def corrupted_frame(frames_folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, path in enumerate(sorted(frames_folder.glob("??????.png"))):
            data = path.read_bytes()
            archive.writestr(path.name, data[:200] if i == 0 else data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("spoil", "expected", "words"),
    [
        (lambda mp4, folder: corrupted_frame(folder), FrameError, "000000.png"),
        (lambda mp4, folder: mp4[: len(mp4) // 2], VideoError, None),
        (lambda mp4, folder: video_bytes(folder)[:-400], VideoError, "truncated"),
        (lambda mp4, folder: b"The quick brown fox", VideoError, None),
        (lambda mp4, folder: bytes(100_000), VideoError, None),
    ],
    ids=["corrupted frame", "truncated video", "truncated frames", "text", "zeros"],
)
def test_a_bad_video_is_named(client: Loc3R, mp4: bytes, frames_folder: Path, spoil, expected, words):
    with pytest.raises(expected, match=words) as caught:
        client.open_scene(spoil(mp4, frames_folder))
    assert caught.value.expected


def test_frames_of_several_sizes_are_a_video_error(client: Loc3R, frames: np.ndarray, tmp_path: Path):
    for i, frame in enumerate(frames):
        Image.fromarray(frame[: 40 + i]).save(tmp_path / f"{i}.png")
    with pytest.raises(VideoError, match="several sizes"):
        client.open_scene(tmp_path)


@pytest.mark.parametrize(
    ("situation", "question", "words"),
    [
        (SITUATION, "  ", "the question is empty"),
        ("", QUESTION, "the situation is empty"),
        (SITUATION, "why?" * 2500, "10,000 characters"),
        ("I am " * 2000, QUESTION, "the situation is too long"),
    ],
)
def test_a_bad_question_is_named(scene: Scene, situation: str, question: str, words: str):
    with pytest.raises(QuestionError, match=words):
        scene.ask(situation, question)


def test_a_question_of_the_longest_length_is_answered(scene: Scene):
    assert np.isfinite(scene.ask(SITUATION, ("why " * 500)[:2000]).pose.x_m)


def test_the_deadline_holds_and_the_server_stops_working_on_it(scene: Scene):
    with pytest.raises(DeadlineError, match=r"timeout_s=0\.001"):
        scene.ask(SITUATION, QUESTION, max_new_tokens=wire.MAX_NEW_TOKENS, timeout_s=0.001)
    assert scene.locate(SITUATION, timeout_s=30)


def test_a_stream_that_is_left_early_blocks_nobody(scene: Scene):
    stream = scene.stream(SITUATION, QUESTION, max_new_tokens=wire.MAX_NEW_TOKENS)
    next(stream)
    stream.close()
    assert scene.locate(SITUATION, timeout_s=30)


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xfe not JSON", b"[]", b'{"op": "fly"}', b'{"op": "ask", "scene_id": "x"}',
        b'{"op": "ask", "scene_id": 3, "question": "x"}', b'{"op": "info", "color": "red"}',
    ],
)  # fmt: skip
def test_a_message_that_breaks_the_contract_is_refused(client: Loc3R, message: bytes):
    request = triton_request(wire.Info())
    request.raw_input_contents[0] = message
    request.inputs[0].shape[:] = [len(message)]
    [(event, _)] = [event_of(reply) for reply in client._stub.ModelStreamInfer(iter([request]), timeout=30)]
    assert isinstance(event.exception(), wire.RequestError)


def test_a_tensor_of_the_wrong_type_is_refused_by_triton(client: Loc3R):
    request = triton_request(wire.Info())
    request.inputs[0].datatype = "FP32"
    [(event, _)] = [event_of(reply) for reply in client._stub.ModelStreamInfer(iter([request]), timeout=30)]
    assert isinstance(event.exception(), ServiceError) and "UINT8" in event.received


def test_opening_without_a_video_is_refused(client: Loc3R):
    with pytest.raises(VideoError, match="brings no video"):
        client._one(wire.OpenScene(), 30)


def test_an_unknown_scene_is_named(client: Loc3R):
    with pytest.raises(UnknownSceneError, match="0123"):
        client._one(wire.Locate("0123", SITUATION), 30)


def test_no_server_is_a_service_error_at_once():
    with Loc3R(f"localhost:{free_port()}") as client, pytest.raises(ServiceError, match="loc3r serve") as caught:
        client.info(timeout_s=20)
    assert not isinstance(caught.value, DeadlineError) and isinstance(caught.value.__cause__, grpc.RpcError)
