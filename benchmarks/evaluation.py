"""Questions a second of an evaluation with scene memory, against the whole prompt for every question.

    python benchmarks/evaluation.py                           # rooms-tiny sizes, 24 questions a scene
    python benchmarks/evaluation.py --scenes 4 --questions 48

Both ways run the same untrained model over the same frames and must give the same poses and words; times are CPU
time of one thread. The plain way encodes the video again for each question, as every public evaluation script of
this family does; ours encodes it once and packs the questions behind it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from loc3r.model.config import Loc3RConfig
from loc3r.model.inference import Answer, Localiser, Query
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import load_recipe

THINGS = ("bed", "chair", "desk", "lamp", "sofa", "window", "door", "plant")
RECIPE = Path(__file__).parents[1] / "recipes" / "rooms-tiny.yaml"
Scene = tuple[np.ndarray, np.ndarray]


def main() -> int:
    """Measure both ways, check that they agree, print the ratio."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--scenes", type=int, default=3)
    options.add_argument("--questions", type=int, default=24, help="a scene")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    localiser, tokens = untrained(RECIPE)
    scenes = [film(localiser, rng) for _ in range(chosen.scenes)]
    queries = [query(rng) for _ in range(chosen.questions)]
    remembered(localiser, scenes[0], queries[:2], tokens)  # warm-up
    ours, ours_s = timed(remembered, localiser, scenes, queries, tokens)
    plain, plain_s = timed(repeated, localiser, scenes, queries, tokens)
    worst_m = max(abs(a.pose.x_m - b.pose.x_m) + abs(a.pose.y_m - b.pose.y_m) for a, b in zip(ours, plain, strict=True))
    same_words = sum(a.text == b.text for a, b in zip(ours, plain, strict=True))
    count = len(ours)
    print(f"{count} questions about {chosen.scenes} scenes, {localiser.processor.config.data.frames} frames each")
    print(f"whole prompt each   {count / plain_s:8.1f} questions/s")
    print(f"scene memory        {count / ours_s:8.1f} questions/s   {plain_s / ours_s:.1f}x")
    print(f"poses differ by at most {worst_m:.1e} m; {same_words} of {count} answers are the same words")
    return 0 if worst_m < 1e-3 and same_words == count else 1


def remembered(localiser: Localiser, scene: Scene, queries: Sequence[Query], tokens: int) -> list[Answer]:
    """Encode the video once, then ask everything."""
    return localiser.ask(localiser.open_scene(*scene), queries, tokens)


def repeated(localiser: Localiser, scene: Scene, queries: Sequence[Query], tokens: int) -> list[Answer]:
    """Encode the video for every question."""
    return [localiser.ask(localiser.open_scene(*scene), [query], tokens)[0] for query in queries]


def timed(
    way: Callable[..., list[Answer]],
    localiser: Localiser,
    scenes: Sequence[Scene],
    queries: Sequence[Query],
    tokens: int,
) -> tuple[list[Answer], float]:
    """Answers about all scenes and the CPU seconds that they took."""
    start = time.process_time()
    answers = [answer for scene in scenes for answer in way(localiser, scene, queries, tokens)]
    return answers, time.process_time() - start


def untrained(recipe_path: Path) -> tuple[Localiser, int]:
    """A localiser of a recipe's sizes with random weights, and how many tokens it may answer with."""
    torch.manual_seed(0)
    recipe = load_recipe(recipe_path)
    tokenizer = train_tokenizer([text(a, b) for a in THINGS for b in THINGS], recipe.model.language.vocabulary)
    config = Loc3RConfig.from_recipe(recipe, THINGS, tokenizer)
    return Localiser(Loc3R(config), Processor(config, tokenizer)), recipe.evaluate.max_new_tokens


def film(localiser: Localiser, rng: np.random.Generator) -> Scene:
    """A video of noise, with camera tokens of noise."""
    config = localiser.processor.config
    frames = rng.integers(0, 256, config.frame_shape, np.uint8)
    return frames, rng.normal(0, 1, (config.data.frames, config.model.prior_dim)).astype(np.float32)


def query(rng: np.random.Generator) -> Query:
    """A situation and a question about random things."""
    first, second = rng.choice(THINGS, 2, replace=False)
    situation, _, question = text(first, second).partition(". ")
    return Query(f"{situation}.", question)


def text(first: str, second: str) -> str:
    """What someone might say: 17 words, like SQA3D's texts on average."""
    return (
        f"I am sitting on the {first} and facing the {second} across the room. What is on my left, near the {second}?"
    )


if __name__ == "__main__":
    sys.exit(main())
