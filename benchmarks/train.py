"""Training questions a second: one question a video, as others train, against many questions behind one video.

    python benchmarks/train.py                              # the 7B's sequence through a narrow model, on the CPU
    python benchmarks/train.py --recipe recipes/rooms-tiny.yaml --scenes 3 --questions 8 12    # the laptop's own model
    python benchmarks/train.py --device cuda                # the 7B itself, random weights: one GPU of 80 GB

On a CPU the 7B is thinned to a 16th of its widths and two of its layers: the sequence, 32 frames and 6,752 video
tokens, stays. Attention then weighs more than in the 7B (half of the work instead of a tenth); both ways share that.

On a GPU every weight of the language model, the projector and the heads is trained; weights and AdamW's states are in
bfloat16, so that 80 GB hold them (DeepSpeed's own float32 copies would need 113 GB more, on several cards). Layers are
computed again in the backward pass, as the recipe says. It runs unattended and ends with 1 where memory runs out.

Random frames, places and words; one process, one thread on a CPU, where time is CPU time; a step is forward, backward
and AdamW; the fastest of some counts. MFU holds the model's own operations (loc3r/model/flops.py) against the data
sheet of the GPU or, on a CPU, a matrix product measured on the spot. The script fails unless a packed pair of questions
has the loss of the same two apart.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from loc3r.model.batch import Batch
from loc3r.model.config import Loc3RConfig
from loc3r.model.flops import Work, training_flops
from loc3r.model.losses import joint_loss, supervised
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.model.tokenizer import train_tokenizer
from loc3r.recipe import Recipe, load_recipe
from loc3r.scenes.shards import PreparedSample, PreparedScene
from loc3r.train.throughput import peak_flops, peak_memory_bytes

TARGETS = {8: 5.0, 16: 8.0}
"""Questions behind a video to how many times the questions a second."""
THIN, THIN_LAYERS, THIN_VOCABULARY = 16, 2, 2048
NARROW = 512
"""A model no wider than this fits a CPU as it is."""
NAMES = ("armchair", "bookcase", "desk", "floor lamp", "office chair", "sofa", "table", "window")
ACTIONS = ("I am sitting on the", "I am standing beside the", "I just walked past the", "I am leaning on the")
QUESTIONS = ("What is on my left?", "How many chairs are behind me?", "Which is closer to me, the sofa or the desk?")


@dataclass(frozen=True)
class Measured:
    """One way of training, a step of it."""

    questions: int
    tokens: int
    flops: float
    step_s: float


def main() -> int:
    """Measure each number of questions behind a video and print a table."""
    options = parse_options()
    device = torch.device(options.device)
    recipe = load_recipe(options.recipe)
    if device.type == "cpu" and recipe.model.language.hidden > NARROW:
        recipe = thinned(recipe)
    processor, scenes, samples = make_step(recipe, options.scenes, max(options.questions))
    model = make_model(processor.config, device, checkpointing=recipe.train.gradient_checkpointing)

    def batch_of(questions: slice) -> Batch:
        packed = [processor.pack(scene, some[questions]) for scene, some in zip(scenes, samples, strict=True)]
        return processor.collate(packed).to(device)

    apart = loss_difference(model, batch_of(slice(0, 2)), [batch_of(slice(0, 1)), batch_of(slice(1, 2))])
    peak = peak_flops(device, next(model.parameters()).dtype)
    describe(recipe, model, batch_of(slice(0, 1)), peak, options.scenes)
    runs = [measure(model, batch_of(slice(0, asked)), options.repeats) for asked in (1, *options.questions)]
    for asked, run in zip((1, *options.questions), runs, strict=True):
        told = "one question a video" if asked == 1 else f"{asked} questions a video"
        speed = f"{run.questions / run.step_s:13.2f}{run.tokens / run.step_s:10.0f}{run.flops / run.step_s / peak:7.0%}"
        print(f"{told:22}{run.tokens:8d}{run.step_s:9.2f}{speed}  {versus(runs[0], run, asked)}")
    print(f"peak memory {peak_memory_bytes(device) / 2**30:.1f} GiB; losses packed and apart differ by {apart:.1e}")
    return 0 if apart <= (1e-5 if device.type == "cpu" else 2e-2) else 1


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/loc3r-7b.yaml"))
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--questions", type=int, nargs="+", default=[8, 16], help="questions behind a video")
    parser.add_argument("--scenes", type=int, default=1, help="videos in a step")
    parser.add_argument("--repeats", type=int, default=2, help="steps to time; the fastest counts")
    return parser.parse_args()


def thinned(recipe: Recipe) -> Recipe:
    """The recipe with its sequence as it is, its widths divided by ``THIN``, and few layers."""
    language, vision = recipe.model.language, recipe.model.vision
    thin_language = language.model_copy(
        update={
            "hidden": language.hidden // THIN, "intermediate": language.intermediate // THIN, "layers": THIN_LAYERS,
            "heads": language.heads // language.kv_heads, "kv_heads": 1, "vocabulary": THIN_VOCABULARY,
        }
    )  # fmt: skip
    thin_vision = vision.model_copy(
        update={
            "hidden": vision.hidden // THIN, "intermediate": vision.intermediate // THIN,
            "layers": THIN_LAYERS, "heads": 1,
        }
    )  # fmt: skip
    model = recipe.model.model_copy(update={"language": thin_language, "vision": thin_vision})
    train = recipe.train.model_copy(update={"gradient_checkpointing": False})
    return recipe.model_copy(update={"name": f"{recipe.name}, thinned", "model": model, "train": train})


def make_model(config: Loc3RConfig, device: torch.device, *, checkpointing: bool) -> Loc3R:
    """Random weights, made where they are used: float32 on a CPU, bfloat16 on a GPU."""
    torch.manual_seed(0)
    if device.type == "cuda":
        torch.set_default_dtype(torch.bfloat16)
    with device:
        model = Loc3R(config).train()
    torch.set_default_dtype(torch.float32)
    if checkpointing:
        model.vlm.gradient_checkpointing_enable({"use_reentrant": False})
    return model


@torch.no_grad()
def loss_difference(model: Loc3R, packed: Batch, alone: list[Batch]) -> float:
    """How far the loss of packed questions is from that of the same ones apart, as a share."""
    model.eval()
    terms = [joint_loss(model(batch), batch, model.config) for batch in (packed, *alone)]
    model.train()
    together, *others = [float(part.total(terms[0].counts)) for part in terms]
    return abs(together - sum(others)) / abs(together)


def describe(recipe: Recipe, model: Loc3R, batch: Batch, peak: float, scenes: int) -> None:
    """Say what is measured, on what."""
    device, weight = model.device, next(model.parameters())
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU thread"
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{recipe.name}: {count / 1e6:,.1f} M parameters in {weight.dtype}, {scenes} x {batch.prefix:,} video tokens")
    print(f"{where}, at most {peak / 1e12:,.3f} TFLOP/s")
    print(f"{'':22}{'tokens':>8}{'step s':>9}{'questions/s':>13}{'tokens/s':>10}{'MFU':>7}")


def versus(one: Measured, many: Measured, asked: int) -> str:
    """How many times the questions a second, and the target."""
    if asked == 1:
        return ""
    ratio = many.questions / many.step_s / (one.questions / one.step_s)
    return f"{ratio:.1f}x" + (f" (target {TARGETS[asked]:g}x)" if asked in TARGETS else "")


def measure(model: Loc3R, batch: Batch, repeats: int) -> Measured:
    """The fastest of some steps on a batch, after one to warm up."""
    counts = supervised(batch, model.config)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5, fused=model.device.type == "cuda")

    def step() -> None:
        joint_loss(model(batch), batch, model.config).total(counts).backward()
        optimiser.step()
        optimiser.zero_grad()

    work = Work.of(batch)
    seconds = [timed(step, model.device) for _ in range(repeats + 1)][1:]
    return Measured(work.questions, work.tokens, training_flops(model.config, work), min(seconds))


def timed(call: Callable[[], Any], device: torch.device) -> float:
    """Seconds that a call takes: of this process on a CPU, on the clock beside a GPU."""
    if device.type == "cpu":
        started = time.process_time()
        call()
        return time.process_time() - started
    torch.cuda.synchronize(device)
    started = time.perf_counter()
    call()
    torch.cuda.synchronize(device)
    return time.perf_counter() - started


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
    try:
        sys.exit(main())
    except torch.OutOfMemoryError as error:
        sys.exit(f"out of memory: {error}")
