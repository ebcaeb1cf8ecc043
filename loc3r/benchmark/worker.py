"""One rank: ``RANK=0 WORLD_SIZE=2 python -m loc3r.benchmark.worker FOLDER``; ``loc3r evaluate --benchmark`` starts it.

A scene is encoded once, asked all of its questions, and written as a whole. On a CPU a rank has one thread, so that
what it computes depends on the scene alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loc3r.benchmark.lines import Line, line_of
from loc3r.benchmark.plan import Plan
from loc3r.benchmark.questions import LOCALISATION
from loc3r.datasets.sample import Sample
from loc3r.errors import Loc3RError
from loc3r.evaluate.run import ask
from loc3r.files import write_json
from loc3r.scenes.shards import PreparedData, PreparedSample
from loc3r.services.process import die_with_parent

if TYPE_CHECKING:
    from loc3r.model.inference import Localiser
    from loc3r.model.processor import Processor

PROMPT_FILE = "prompt.json"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Answer this rank's share of what is left of a planned evaluation."""
    die_with_parent()
    rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch

    plan = Plan.read(folder)
    if plan.identity.device == "cpu":
        torch.set_num_threads(1)
    try:
        work(plan, plan.left(rank, ranks), f"cuda:{rank}" if plan.identity.device == "cuda" else "cpu")
    except Loc3RError as error:
        click.echo(f"[{error.code}] {error}", err=True)
        sys.exit(1)


def work(plan: Plan, scene_ids: Sequence[str], device: str = "cpu") -> None:
    """Answer the questions of some scenes, a scene after the other."""
    from loc3r.model.inference import Localiser

    if not scene_ids:
        return
    questions, data = plan.questions(), PreparedData(plan.data)
    localiser = Localiser.load(plan.model, device)
    write_json(plan.folder / PROMPT_FILE, video_prompt(localiser.processor))
    for scene_id in scene_ids:
        plan.journal.append(answer(plan, localiser, data, scene_id, questions[scene_id]))


def answer(
    plan: Plan, localiser: Localiser, data: PreparedData, scene_id: str, samples: Sequence[Sample]
) -> list[Line]:
    """The lines of one scene, which is encoded once."""
    scene, frame = data.scene(scene_id), plan.official_frame(scene_id, data)
    memory = localiser.open_scene(scene.frames, scene.camera_tokens)
    words = 0 if plan.identity.benchmark == LOCALISATION else plan.identity.max_new_tokens  # a pose needs none
    predictions = ask(localiser, memory, [as_prepared(sample) for sample in samples], words)
    prompts = [prompt_of(localiser.processor, sample) for sample in samples]
    return [line_of(*row) for row in zip(samples, predictions, [frame] * len(samples), prompts, strict=True)]


def as_prepared(sample: Sample) -> PreparedSample:
    """What the model is told of a question: its words, and no place."""
    return PreparedSample(
        sample_id=sample.sample_id,
        dataset=sample.dataset,
        scene_id=sample.scene_id,
        situation=sample.situation,
        question=sample.prompt,
        answers=sample.answers,
        question_type=sample.question_type,
    )


def prompt_of(processor: Processor, sample: Sample) -> str:
    """Every token behind the video, in words."""
    ids = processor.suffix_ids((sample.situation or "").strip() or None, sample.prompt.strip())
    return str(processor.tokenizer.decode(ids))


def video_prompt(processor: Processor) -> dict[str, Any]:
    """What stands before every prompt: the video, as tokens."""
    data, tokens = processor.config.data, processor.config.tokens
    start, cam, image, newline = processor.tokenizer.convert_ids_to_tokens(
        [tokens.im_start, tokens.cam, tokens.image, tokens.newline]
    )
    frames, side = data.frames if processor.config.model.video else 0, data.tokens_a_side
    return {
        "before_every_prompt": f"{start}user\n" + f"({cam} ({image} x {side} {newline}) x {side}) x {frames}",
        "tokens": len(processor.prefix_ids()),
        "decoding": "greedy",
    }


if __name__ == "__main__":
    main()
