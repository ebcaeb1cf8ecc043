"""Training questions a second: one question a video against all of a scene's questions behind one video.

    python benchmarks/training.py [--recipe recipes/rooms-tiny.yaml] [--questions 8] [--scenes 3] [--repeats 3]

Random frames, places and words of the sizes that the recipe has; one process, one thread, CPU time; a step is forward,
backward and AdamW. Both ways see the same questions; the script fails unless their losses agree to 1e-5.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from loc3r.model.batch import PADDING, Batch
from loc3r.model.config import Loc3RConfig
from loc3r.model.losses import joint_loss, supervised
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.shards import PreparedSample, PreparedScene

TARGET = 4.0
NAMES = ("armchair", "bookcase", "desk", "floor lamp", "office chair", "sofa", "table", "window")
ACTIONS = ("I am sitting on the", "I am standing beside the", "I just walked past the", "I am leaning on the")
QUESTIONS = ("What is on my left?", "How many chairs are behind me?", "Which is closer to me, the sofa or the desk?")


@dataclass(frozen=True)
class Measured:
    """One way of training on the same step."""

    loss: float
    tokens: int
    step_s: float


def main() -> int:
    """Measure both ways and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/rooms-tiny.yaml"))
    parser.add_argument("--questions", type=int, default=8, help="questions a scene")
    parser.add_argument("--scenes", type=int, default=3, help="scenes in a step")
    parser.add_argument("--repeats", type=int, default=3, help="steps to time; the fastest counts")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe)
    asked = options.scenes * options.questions
    processor, scenes, samples = make_step(recipe, options.scenes, options.questions)
    torch.manual_seed(0)
    model = Loc3R(processor.config).train()
    packed = [processor.collate([processor.pack(*pair) for pair in zip(scenes, samples, strict=True)])]
    alone = [
        processor.collate([processor.pack(s, [q[i]]) for s, q in zip(scenes, samples, strict=True)])
        for i in range(options.questions)
    ]
    one, many = measure(model, alone, options.repeats), measure(model, packed, options.repeats)

    print(f"{recipe.name}: {options.scenes} scenes x {options.questions} questions, {torch.get_num_threads()} threads")
    print(f"{'':24}{'tokens':>8}{'CPU s':>9}{'questions/s':>13}{'loss':>12}")
    for name, run in (("one question a video", one), ("shared video", many)):
        print(f"{name:24}{run.tokens:8d}{run.step_s:9.3f}{asked / run.step_s:13.1f}{run.loss:12.6f}")
    apart = abs(one.loss - many.loss)
    print(f"speed-up {one.step_s / many.step_s:.2f}x (target {TARGET:g}x); the losses differ by {apart:.1e}")
    return 0 if apart <= 1e-5 * one.loss else 1


def measure(model: Loc3R, batches: list[Batch], repeats: int) -> Measured:
    """Loss at the model's present weights, then the fastest of some steps; the weights are put back."""
    counts = [supervised(batch, model.config) for batch in batches]
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> float:
        optimiser.zero_grad()
        loss = 0.0
        for batch in batches:
            part = joint_loss(model(batch), batch, model.config).total(total)
            part.backward()
            loss += part.item()
        optimiser.step()
        return loss

    loss = step()  # also the warm-up
    seconds = min(timed(step) for _ in range(repeats))
    model.load_state_dict(weights)
    return Measured(loss, sum(int((batch.owner != PADDING).sum()) for batch in batches), seconds)


def timed(call: Callable[[], object]) -> float:
    """CPU seconds that a call takes."""
    started = time.process_time()
    call()
    return time.process_time() - started


def make_step(
    recipe: Recipe, scenes: int, questions: int
) -> tuple[Processor, list[PreparedScene], list[list[PreparedSample]]]:
    """Random scenes, the questions about each, and the processor whose tokenizer learned their words."""
    rng = np.random.default_rng(0)
    made = [make_scene(recipe, f"room_{i:06d}_00", rng) for i in range(scenes)]
    samples = [[make_sample(scene.scene_id, i, rng) for i in range(questions)] for scene in made]
    texts = [text for some in samples for s in some for text in (s.situation or "", s.question, *s.answers)]
    tokenizer = train_tokenizer([*texts, *NAMES], recipe.model.language.vocabulary)
    return Processor(Loc3RConfig.from_recipe(recipe, NAMES, tokenizer), tokenizer), made, samples


def make_scene(recipe: Recipe, scene_id: str, rng: np.random.Generator) -> PreparedScene:
    """A video of noise whose tokens lie anywhere."""
    data = recipe.data
    grid = (data.frames, data.tokens_a_side, data.tokens_a_side)
    size = (data.frames, data.frame_size_px, data.frame_size_px, 3)
    return PreparedScene(
        scene_id=scene_id,
        frames=rng.integers(0, 256, size, np.uint8),
        patch_xy_m=rng.normal(0, 2, (*grid, 2)).astype(np.float32),
        patch_valid=rng.random(grid) < 0.9,
        patch_class=rng.integers(-1, len(NAMES), grid).astype(np.int16),
        camera_tokens=rng.normal(0, 1, (data.frames, recipe.model.prior_dim)).astype(np.float32),
        objects=(),
        room_outline_m=np.zeros((0, 2)),
    )


def make_sample(scene_id: str, index: int, rng: np.random.Generator) -> PreparedSample:
    """A situation of the usual length, a question and a short answer."""
    place, facing = (str(name) for name in rng.choice(NAMES, 2, replace=False))
    situation = f"{rng.choice(ACTIONS)} {place} and looking towards the {facing} across the room."
    x_m, y_m, look_x_m, look_y_m = rng.normal(0, 2, 4).tolist()
    start = situation.index(place)
    return PreparedSample(
        sample_id=f"{scene_id}-{index}", dataset="sqa3d", scene_id=scene_id, situation=situation,
        question=str(rng.choice(QUESTIONS)), answers=(str(rng.choice(NAMES)),), question_type="what",
        position_m=(x_m, y_m), heading_rad=float(rng.uniform(-np.pi, np.pi)), look_at_m=(look_x_m, look_y_m),
        mentions=(("situation", start, start + len(place), x_m, y_m),),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
