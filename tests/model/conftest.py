"""A model of 0.1 M parameters, and prepared scenes made of noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from loc3r.model.batch import Packed
from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe, parse_recipe
from loc3r.scenes.shards import MapObject, PreparedSample, PreparedScene

NAMES = ("bed", "chair", "desk", "floor lamp", "office chair", "sofa", "wall", "window")
TINY = {
    "name": "test",
    "data": {"frames": 3, "frame_size_px": 32, "frame_fit": "squash", "patch_px": 8, "pool": 2},
    "model": {
        "vision": {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "frozen": False},
        "language": {
            "kind": "qwen3",
            "hidden": 32,
            "layers": 3,
            "heads": 4,
            "kv_heads": 2,
            "intermediate": 64,
            "vocabulary": 500,
            "rope_theta": 10000,
            "max_tokens": 1024,
        },
        "prior_dim": 6,
        "naming_layer": 1,
        "mention_layer": 2,
        "look_at": True,
        "fronts": True,
        "egocentric_layer": 2,
        "fan_in_init": True,
    },
    "loss": {"layout": 1, "situation": 1, "heading": 2, "naming": 1, "mention": 1, "look_at": 0.5, "front": 1}
    | {"pointing": 1, "pose_pointing": 1},
}


def make_scene(recipe: Recipe, seed: int) -> PreparedScene:
    """A video of noise, with targets of noise."""
    rng, data = np.random.default_rng(seed), recipe.data
    grid = (data.frames, data.tokens_a_side, data.tokens_a_side)
    return PreparedScene(
        scene_id=f"room_{seed}",
        frames=rng.integers(0, 256, (data.frames, data.frame_size_px, data.frame_size_px, 3), dtype=np.uint8),
        patch_xy_m=rng.normal(0, 2, (*grid, 2)).astype(np.float32),
        patch_valid=rng.random(grid) > 0.2,
        patch_class=rng.integers(-1, len(NAMES), grid).astype(np.int16),
        camera_tokens=rng.normal(size=(data.frames, recipe.model.prior_dim)).astype(np.float32),
        objects=tuple(
            MapObject(i, name, "furniture", np.array(place), footprint_m(seed + i, place), 1.0)
            for i, (name, place) in enumerate(object_places(seed).items())
        ),
        room_outline_m=np.zeros((4, 2)),
    )


def footprint_m(turns: int, place: tuple[float, float]) -> np.ndarray:
    """Corners (4, 2) of a box of 0.6 by 1 m there, whose front faces ``turns`` radians from +x."""
    front = np.array([math.cos(turns), math.sin(turns)])
    ahead, left = 0.3 * front, 0.5 * np.array([-front[1], front[0]])
    return np.array(place) + np.stack([ahead - left, ahead + left, -ahead + left, -ahead - left])


def object_places(scene: int) -> dict[str, tuple[float, float]]:
    """Where the one object of each name is in the scene of a seed."""
    places = np.random.default_rng(1000 + scene).normal(0, 2, (len(NAMES), 2)).tolist()
    return {name: (x, y) for name, (x, y) in zip(NAMES, places, strict=True)}


def make_sample(seed: int, scene: int = 0, situated: bool = True) -> PreparedSample:
    """A situation of varying length with two mentions, and a question with one."""
    rng = np.random.default_rng(seed)
    near, facing = rng.choice(NAMES, 2, replace=False)
    situation = f"I am standing{' very' * (seed % 4)} close to the {near}, facing the {facing}."
    question = "What is between me and the wall?"
    known = object_places(scene)
    spans = [
        (f, t.index(n), t.index(n) + len(n), *known[n.rstrip(",.")])
        for f, t, n in (
            ("situation", situation, f"{near},"),
            ("situation", situation, f"{facing}."),
            ("question", question, "wall"),
        )
    ]

    def beside(x_m: float, y_m: float) -> tuple[float, float]:
        return x_m + float(rng.uniform(-0.5, 0.5)), y_m + float(rng.uniform(-0.5, 0.5))

    return PreparedSample(
        sample_id=str(seed),
        dataset="sqa3d" if situated else "scanqa",
        scene_id=f"room_{scene}",
        situation=situation if situated else None,
        question=question,
        answers=(str(rng.choice(NAMES)),),
        question_type="what",
        situation_form="between" if situated else None,
        position_m=beside(*known[near]) if situated else None,
        heading_rad=float(rng.uniform(-3, 3)) if situated else None,
        mentions=tuple(spans if situated else spans[2:]),
        look_at_m=known[facing] if situated else None,
    )


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return parse_recipe(TINY)


@pytest.fixture(scope="session")
def processor(recipe: Recipe) -> Processor:
    samples = [make_sample(seed) for seed in range(30)]
    tokenizer = train_tokenizer(
        [f"{s.situation} {s.question} {s.answers[0]}" for s in samples], recipe.model.language.vocabulary
    )
    return Processor(Loc3RConfig.from_recipe(recipe, NAMES, tokenizer), tokenizer)


@pytest.fixture(scope="session")
def pack(recipe: Recipe, processor: Processor) -> Callable[[int, list[PreparedSample]], Packed]:
    """Pack samples behind the video of a seed."""
    return lambda scene, samples: processor.pack(make_scene(recipe, scene), samples)


@pytest.fixture(scope="session")
def scene(recipe: Recipe) -> Callable[[int], PreparedScene]:
    """Makes the scene of a seed."""
    return lambda seed: make_scene(recipe, seed)


@pytest.fixture(scope="session")
def switched(processor: Processor) -> Callable[..., Processor]:
    """The processor of a model with some fields of the recipe's model section changed, and some losses."""

    def make(loss: dict[str, float] | None = None, **model: object) -> Processor:
        config = processor.config
        return Processor(
            config.model_copy(
                update={
                    "model": config.model.model_copy(update=model),
                    "loss": config.loss.model_copy(update=loss or {}),
                }
            ),
            processor.tokenizer,
        )

    return make


@pytest.fixture(scope="session")
def sample() -> Callable[..., PreparedSample]:
    """Makes a sample from a seed, a scene's seed and whether it has a situation."""
    return make_sample


@pytest.fixture(scope="session")
def make_model(processor: Processor) -> Callable[[], Loc3R]:
    def make() -> Loc3R:
        torch.manual_seed(0)
        model = Loc3R(processor.config)
        torch.nn.init.normal_(model.heads.tell.weight, std=0.3)  # training begins with zeros
        return model

    return make


@pytest.fixture(scope="session")
def model(make_model: Callable[[], Loc3R], processor: Processor, pack: Callable[..., Packed]) -> Loc3R:
    """Trained for seconds, so that its answers are words of different lengths that end by themselves."""
    model = make_model().train()
    batch = processor.collate(
        [pack(v, [make_sample(10 * v + i, v, situated=i != 2) for i in range(6)]) for v in range(2)]
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        joint_loss(model(batch), batch, processor.config).total().backward()
        optimiser.step()
    return model.eval()


@pytest.fixture
def frames(recipe: Recipe) -> np.ndarray:
    side = recipe.data.frame_size_px
    return np.random.default_rng(3).integers(0, 256, (recipe.data.frames, side, side, 3), dtype=np.uint8)


@pytest.fixture
def cameras(recipe: Recipe) -> np.ndarray:
    shape = (recipe.data.frames, recipe.model.prior_dim)
    return np.random.default_rng(4).normal(size=shape).astype(np.float32)
