"""One real Triton for all tests, over a real model: tiny, untrained, different for each seed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from loc3r.client import Loc3R, Scene
from loc3r.files import write_json
from loc3r.model.config import Loc3RConfig
from loc3r.model.modelling import Loc3R as Model
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import parse_recipe
from loc3r.services.triton import TritonServer
from serving.repository import ModelRepository

SETTINGS = {"device": "cpu", "scene_memory_mib": "64", "threads": "1"}
TINY = {
    "name": "test",
    "data": {
        "frames": 4, "frame_size_px": 32, "frame_fit": "squash", "patch_px": 8, "pool": 2, "prior": "none",
    },
    "model": {
        "vision": {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32},
        "language": {
            "kind": "qwen3", "hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 64,
            "vocabulary": 400, "rope_theta": 10000, "max_tokens": 4096,
        },
        "prior_dim": 8,
        "fan_in_init": True,
    },
}  # fmt: skip
TEXTS = ("I am standing by the sink.", "What is behind me?", "a chair", "a table", "two", "left", "right", "yes", "no")


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Writes the checkpoint of a seed."""

    def make(seed: int) -> Path:
        folder = tmp_path_factory.mktemp("checkpoint")
        recipe = parse_recipe(TINY)
        tokenizer = train_tokenizer(TEXTS, recipe.model.language.vocabulary)
        torch.manual_seed(seed)
        model = Model(Loc3RConfig.from_recipe(recipe, (), tokenizer))
        with torch.no_grad():
            for weights in model.language.layers.parameters():
                weights.mul_(3)  # untrained and tied, it would only repeat its last token
        model.save(folder, tokenizer)
        lineage = {"recipe_hash": recipe.hash, "data_hash": "d" * 12, "code_commit": "c" * 40, "seed": seed}
        write_json(folder / "lineage.json", lineage)
        return folder

    return make


@pytest.fixture(scope="session")
def checkpoint(make_checkpoint: Callable[[int], Path]) -> Path:
    return make_checkpoint(0)


@pytest.fixture(scope="session")
def triton(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("serving")
    ModelRepository(folder / "repository").export(checkpoint, source="test", settings=SETTINGS)
    with TritonServer(folder / "repository", log=folder / "triton.log") as server:
        yield server


@pytest.fixture
def client(triton: TritonServer) -> Iterator[Loc3R]:
    with Loc3R(triton.url, timeout_s=60) as client:
        yield client


@pytest.fixture
def scene(client: Loc3R, frames_folder: Path) -> Iterator[Scene]:
    with client.open_scene(frames_folder) as scene:
        yield scene


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    """Blobs that drift over 8 frames (8, 48, 64, 3) uint8: smooth enough for a video codec."""
    y, x, t = np.mgrid[:48, :64, :8].astype(float)
    channels = [127 + 120 * np.sin(x / (7 + c) + y / (9 - c) + t / 3) for c in range(3)]
    return np.stack(channels, -1).transpose(2, 0, 1, 3).astype(np.uint8)


@pytest.fixture(scope="session")
def frames_folder(frames: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{i:06d}.png")
        (folder / f"{i:06d}.depth.png").write_bytes(b"not a colour frame")
    return folder


@pytest.fixture(scope="session")
def mp4(frames: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = frames.shape[1:3]
        for frame in frames.repeat(5, axis=0):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())
    return buffer.getvalue()
