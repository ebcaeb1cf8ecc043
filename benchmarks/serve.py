"""Questions a second through gRPC and Triton: with scene memory, against sending the video with each question.

    python benchmarks/serve.py                              # an untrained model of the laptop's sizes
    python benchmarks/serve.py --model checkpoints/rooms-tiny --video kitchen.mp4

Without scene memory, as the peers serve, a question pays for decoding the video, the pose prior, the vision tower and
the prefill of every video token. With it, it pays for its own words. The answers are the same.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import av
import numpy as np
import psutil

from loc3r.client import Answer, Loc3R, Scene
from loc3r.recipe import load_recipe
from loc3r.services.triton import TritonServer
from serving.repository import ModelRepository

Ask = Callable[..., Answer]
SITUATION = "I am sitting on the couch, facing the window."
QUESTIONS = ("What is behind me?", "Is there a chair to my left?", "How many tables are in the room?", "What is near?")


def untrained(recipe_path: Path, folder: Path) -> Path:
    """A checkpoint of the recipe's sizes: the weights do not change the cost."""
    from loc3r.model.config import Loc3RConfig
    from loc3r.model.modelling import Loc3R as Model
    from loc3r.model.tokenizer import train_tokenizer

    recipe = load_recipe(recipe_path)
    tokenizer = train_tokenizer([SITUATION, *QUESTIONS], recipe.model.language.vocabulary)
    Model(Loc3RConfig.from_recipe(recipe, (), tokenizer)).save(folder, tokenizer)
    return folder


def generated_video(frames: int = 96) -> bytes:
    """Blobs that drift, 320x240 at 30 frames a second, as MPEG-4."""
    y, x = np.mgrid[:240, :320].astype(float)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width = y.shape
        for t in range(frames):
            blobs = [127 + 120 * np.sin(x / (17 + 9 * c) + y / (31 - 7 * c) + t / 9) for c in range(3)]
            picture = av.VideoFrame.from_ndarray(np.stack(blobs, -1).astype(np.uint8))
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return buffer.getvalue()


def with_video(client: Loc3R, video: Path | bytes, ask: Ask, questions: list[str]) -> list[Answer]:
    """Open, ask, close: nothing is kept from one question to the next."""
    answers = []
    for text in questions:
        with client.open_scene(video) as scene:
            assert not scene.cached
            answers.append(ask(scene, question=text))
    return answers


class Meter:
    """Questions a second, and CPU time of the server a question: the steadier figure on a busy machine."""

    def __init__(self, server: TritonServer, repeats: int) -> None:
        self._server = psutil.Process(server.pid)
        self._repeats = repeats
        self._slowest_ms: float | None = None

    def cpu_s(self) -> float:
        """CPU time of Triton and its backend processes so far."""
        processes = [self._server, *self._server.children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    def measure(self, title: str, work: Callable[[], list[Answer]]) -> list[Answer]:
        """Print the figures of ``work``, after one warm-up; its answers."""
        answers = work()
        start_s, start_cpu_s = time.perf_counter(), self.cpu_s()
        for _ in range(self._repeats):
            work()
        asked = self._repeats * len(answers)
        rate, cpu_ms = asked / (time.perf_counter() - start_s), 1000 * (self.cpu_s() - start_cpu_s) / asked
        self._slowest_ms = self._slowest_ms or cpu_ms
        print(
            f"{title:34}{rate:8.1f} questions/s{cpu_ms:8.1f} CPU ms each{self._slowest_ms / cpu_ms:7.1f}x", flush=True
        )
        return answers


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a checkpoint folder; one is made if absent")
    parser.add_argument("--recipe", type=Path, default=Path("recipes/rooms-tiny.yaml"))
    parser.add_argument("--video", type=Path, help="a video file or a folder of frames; one is made if absent")
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--max-new-tokens", type=int, default=3, help="answers of a trained model end by themselves")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    video = arguments.video or generated_video()
    with tempfile.TemporaryDirectory() as scratch:
        model = arguments.model or untrained(arguments.recipe, Path(scratch) / "model")
        repository = ModelRepository(Path(scratch) / "repository")
        repository.export(
            model, source="benchmark", settings={"device": "cpu", "scene_memory_mib": "1024", "threads": "1"}
        )
        with TritonServer(repository.folder, log=Path(scratch) / "triton.log") as server, Loc3R(server.url) as client:
            compare(client, Meter(server, arguments.repeats), video, arguments)


def compare(client: Loc3R, meter: Meter, video: Path | bytes, arguments: argparse.Namespace) -> None:
    """Print the three ways' figures and check that all gave the same answers."""
    ask = partial(Scene.ask, situation=SITUATION, max_new_tokens=arguments.max_new_tokens)
    questions = [QUESTIONS[i % len(QUESTIONS)] for i in range(arguments.questions)]
    without = meter.measure("the video with each question", lambda: with_video(client, video, ask, questions))
    with client.open_scene(video) as scene, ThreadPoolExecutor(arguments.clients) as pool:
        one = meter.measure("scene memory, one client", lambda: [ask(scene, question=text) for text in questions])
        many = meter.measure(
            f"scene memory, {arguments.clients} clients at once",
            lambda: list(pool.map(lambda text: ask(scene, question=text), questions)),
        )
    for kept in (one, many):
        assert [answer.text for answer in kept] == [answer.text for answer in without]
        assert np.allclose([a.pose.x_m for a in kept], [a.pose.x_m for a in without], atol=1e-3)


if __name__ == "__main__":
    main()
