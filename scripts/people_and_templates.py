"""How much of localisation is lost to people's words: the same poses in cousins, told by people and by our templates.

    python scripts/people_and_templates.py --model checkpoints/rooms-tiny --cousins data/cousins --prepared PREPARED \
        --boxes scannet_meta_info_val.json --situations v1_situations_val_scannetv2.json \
        --annotations v1_localization_annotations_val_scannetv2.json --questions … --answers …

In each cousin situations are drawn as for synthetic rooms; one that comes within 0.3 m and 15 degrees of a pose that a
person told is its template. The model is asked both texts, and the truth of both is the person's pose. Poses that no
template describes are counted. The last five files are those that the cousins were made of; PREPARED is what
``loc3r evaluate --benchmark`` leaves in its folder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from loc3r.benchmark.questions import read_official
from loc3r.benchmark.worker import as_prepared
from loc3r.datasets.sample import Sample
from loc3r.evaluate.intervals import Bootstrap, mean_interval, paired_difference
from loc3r.evaluate.metrics import metrics_for
from loc3r.evaluate.predictions import Prediction
from loc3r.evaluate.run import ask
from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import angle_between_deg
from loc3r.model.inference import Localiser
from loc3r.scenes.format import SceneFolder
from loc3r.scenes.shards import PreparedData, PreparedSample
from loc3r.synth.cousins.rebuild import rebuild
from loc3r.synth.cousins.run import Job, Sources, read_jobs
from loc3r.synth.cousins.table import load_table
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.language.situations import FORMS, Placement, Stage, word
from loc3r.synth.language.view import RoomView
from loc3r.synth.room import Room

NEAR_M, NEAR_DEG = 0.3, 15.0
DRAWS_A_FORM = 400
METRICS = ("acc_0.5m", "acc_1.0m", "acc_15deg", "acc_30deg")
FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.option("--model", type=FILE, required=True)
@click.option("--cousins", type=FILE, required=True)
@click.option("--prepared", type=FILE, required=True)
@click.option("--boxes", type=FILE, required=True)
@click.option("--situations", type=FILE, required=True)
@click.option("--annotations", type=FILE, required=True)
@click.option("--questions", type=FILE)
@click.option("--answers", type=FILE)
def main(model: Path, cousins: Path, prepared: Path, **sources: Path) -> None:
    """Measure it."""
    data, localiser = PreparedData(prepared), Localiser.load(model)
    split = str(data.manifest["split"])
    asked = {sample.sample_id for sample in read_official("sqa3d-localization", cousins, split)}
    jobs, _ = read_jobs(Sources(**sources), split, 32)  # type: ignore[arg-type]
    told: tuple[list[Prediction], list[Prediction]] = ([], [])
    for job in jobs:
        mine = [sample for sample in job.samples if sample.sample_id in asked]
        templates = templates_of(job, cousins, mine)
        click.echo(f"{job.scene_id}: {len(templates)} of {len(mine)} poses", err=True)
        people = [sample for sample in mine if sample.sample_id in templates]
        scene = data.scene(job.scene_id)
        memory = localiser.open_scene(scene.frames, scene.camera_tokens)
        for found, texts in zip(told, ({}, templates), strict=True):
            samples = [in_bev(sample, texts, data.bev(job.scene_id)) for sample in people]
            found += ask(localiser, memory, samples, 0) if samples else []
    report(*told, len(asked))


def templates_of(job: Job, cousins: Path, told: list[Sample]) -> dict[str, str]:
    """The nearest text that was drawn for each pose of a scene, by sample id."""
    people = [sample.position_m for sample in job.samples if sample.position_m]
    room = rebuild(job.scene_id, job.scene, people, FurniturePack.load(), load_table(), job.pool).room
    stage = Stage(RoomView(room, visible_px(SceneFolder(cousins / "scans" / job.scene_id), len(room.objects))))
    rng = np.random.default_rng(room.seed)
    best: dict[str, tuple[float, str]] = {}
    for placement in drawn(stage, rng):
        for sample in told:
            miss = miss_of(placement, sample, room)
            if miss < best.get(sample.sample_id, (1.0, ""))[0]:
                best[sample.sample_id] = miss, word(stage, placement, rng).text.text
    return {sample_id: text for sample_id, (_, text) in best.items()}


def visible_px(scene: SceneFolder, objects: int) -> np.ndarray:
    """How many pixels of each frame show each object, (T, N)."""
    shown = [scene.instances(frame_id) for frame_id in scene.frame_ids]
    return np.stack([np.bincount(ids.ravel(), minlength=objects + 1)[1:] for ids in shown if ids is not None])


def drawn(stage: Stage, rng: np.random.Generator) -> Iterator[Placement]:
    """Situations of every form."""
    for draw, _ in FORMS.values():
        found = (draw(stage, rng) for _ in range(DRAWS_A_FORM))
        yield from (placement for placement in found if placement)


def miss_of(placement: Placement, sample: Sample, room: Room) -> float:
    """How far a placement is from a person's pose: 1 at either bound."""
    turn = room.raw_from_room
    x, y = turn[:2, :2] @ placement.position_m + turn[:2, 3] - sample.position_m
    yaw = math.atan2(turn[1, 0], turn[0, 0])
    apart = float(angle_between_deg(placement.heading_rad + yaw, sample.heading_rad or 0.0))
    return max(math.hypot(x, y) / NEAR_M, apart / NEAR_DEG)


def in_bev(sample: Sample, texts: dict[str, str], bev: BevFrame) -> PreparedSample:
    """The sample in the bird's-eye frame, told by its template where there is one."""
    x, y = bev.from_world(sample.position_m).tolist()  # type: ignore[arg-type]
    heading = bev.heading_from_world(sample.heading_rad or 0.0)
    text = texts.get(sample.sample_id, sample.situation)
    return replace(as_prepared(sample), situation=text, position_m=(x, y), heading_rad=heading)


def report(people: list[Prediction], templates: list[Prediction], poses: int) -> None:
    """Print both, and the paired difference."""
    bootstrap = Bootstrap()
    click.echo(f"{len(people)} of {poses} poses have a template; percent, 95 % intervals over scenes")
    click.echo("| | people | templates | templates - people |\n| --- | ---: | ---: | ---: |")
    metrics = [metric for metric in metrics_for(people) if metric.name in METRICS]
    for metric in metrics:
        pair = metric.observe(templates), metric.observe(people)
        cells = [mean_interval(pair[1], bootstrap), mean_interval(pair[0], bootstrap)]
        cells.append(paired_difference([pair], bootstrap))
        texts = [f"{100 * c.value:.1f} ({100 * c.low:.1f} to {100 * c.high:.1f})" for c in cells]
        click.echo(f"| {metric.title} | {' | '.join(texts)} |")


if __name__ == "__main__":
    main()
