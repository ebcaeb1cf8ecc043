"""``loc3r synth``: furnished rooms on disk, as video with language."""

from __future__ import annotations

from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(path_type=Path, file_okay=False)
FRAMES = click.option(
    "--frames", type=click.IntRange(min=2), default=32, show_default=True, help="Frames of each video."
)
VARIED = click.option(
    "--varied/--as-modelled",
    default=None,
    help="Drawn furniture too, and each room's sizes and colours its own.  [default: varied for train only]",
)
STRETCHED = click.option(
    "--stretched",
    type=click.FloatRange(1.0, 1.5),
    help="Each side of a varied thing is longer or shorter by up to this factor: real boxes differ more than models.  "
    "[default: 1.06]",
)
LANGUAGE = click.option(
    "--language",
    type=click.Choice(["templates", "wide", "free"]),
    help="Tell situations in a few templates, in the words of many people (wide), or in these with names that only the "
    'whole text makes clear, "a chair with the door on its left" (free).  [default: wide for train only]',
)
WORKERS = click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one a core]")


@click.group(invoke_without_command=True)
@click.pass_context
@click.option("--rooms", type=click.IntRange(min=1), default=64, show_default=True, help="How many rooms.")
@click.option("--out", type=FOLDER, help="Folder of the data set.  [required]")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="train",
    show_default=True,
    help="val and test rooms use furniture models that training never shows.",
)
@click.option("--seed", type=int, help="Seed of the first room.  [default: 0 (train), 800000 (val), 900000 (test)]")
@FRAMES
@click.option("--situations", type=click.IntRange(min=0), default=24, show_default=True, help="Situations a room.")
@VARIED
@STRETCHED
@LANGUAGE
@WORKERS
def synth(
    context: click.Context,
    rooms: int,
    out: Path | None,
    split: str,
    seed: int | None,
    frames: int,
    situations: int,
    varied: bool | None,
    stretched: float | None,
    language: str | None,
    workers: int | None,
) -> None:
    """Furnish rooms, walk through them with a camera, render the video, write situations and questions.

    The folder has ScanNet's layout, with SQA3D, ScanQA and VSI-Bench annotations. Room i has the seed
    SEED + i; no seed may be in two splits. A stopped run goes on where it was; the same seed gives the same
    bytes, whatever the number of workers.

    Example: loc3r synth --rooms 64 --out data/rooms/train --split train
    """
    if context.invoked_subcommand:
        return
    if out is None:
        raise click.MissingParameter(ctx=context, param=next(p for p in context.command.params if p.name == "out"))
    from loc3r.synth.generate import FIRST_SEEDS, generate

    first = FIRST_SEEDS[split] if seed is None else seed
    more = {} if stretched is None else {"stretched": stretched}
    generate(out, rooms, first, split, workers, frames, situations, varied, language=language, **more)  # type: ignore[arg-type]
    click.echo(f"{rooms} {split} rooms in {out}; check them with: loc3r data validate {out}")


@synth.command()
@click.option("--boxes", type=FILE, required=True, help="Layouts: VSI-Bench's scannet_meta_info_val.json.")
@click.option("--situations", type=FILE, required=True, help="Texts: SQA3D's v1_situations_….json.")
@click.option("--annotations", type=FILE, required=True, help="Poses: SQA3D's v1_localization_annotations_….json.")
@click.option("--questions", type=FILE, help="SQA3D's v1_balanced_questions_….json; needs --answers.")
@click.option("--answers", type=FILE, help="SQA3D's v1_balanced_sqa_annotations_….json; needs --questions.")
@click.option("--out", type=FOLDER, required=True, help="Folder of the data set.")
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Name of the split; val and test prefer furniture models that training never shows.",
)
@FRAMES
@WORKERS
def cousins(
    boxes: Path,
    situations: Path,
    annotations: Path,
    questions: Path | None,
    answers: Path | None,
    out: Path,
    split: str,
    frames: int,
    workers: int | None,
) -> None:
    """Rebuild real layouts with matching furniture, with the texts and poses that people gave in them (tier T2).

    Colours, materials and most small things are not the real ones: situations that name nothing rebuilt, and
    questions of more than geometry, are dropped and counted. The results are neither ScanNet's nor SQA3D's.

    \b
    Example:
      loc3r synth cousins --boxes scannet_meta_info_val.json --situations v1_situations_val_scannetv2.json \\
        --annotations v1_localization_annotations_val_scannetv2.json --out data/cousins
    """
    from loc3r.synth.cousins.run import Sources, make_cousins

    if (questions is None) != (answers is None):
        raise click.UsageError("--questions and --answers go together")
    sources = Sources(boxes, situations, annotations, questions, answers)
    manifest = make_cousins(sources, out, split, frames, workers)  # type: ignore[arg-type]
    for what, faults in manifest["dropped"]["texts"].items():
        for reason, count in faults.items():
            click.echo(f"dropped {count} of {what}: {reason}")
    for scene_id, reason in manifest["dropped"]["scenes"].items():
        click.echo(f"dropped {scene_id}: {reason}")
    for name, count in manifest["dropped"]["boxes"].items():
        click.echo(f"dropped {count} boxes: no furniture for {name!r}")
    kept = ", ".join(f"{count} of {what}" for what, count in manifest["samples"].items())
    click.echo(f"{manifest['rooms']} cousins in {out}: kept {kept}; check them with: loc3r data validate {out}")
