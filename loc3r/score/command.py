"""``loc3r score``: what a community's own script would say of a file of predictions."""

from __future__ import annotations

import json
from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False)
NAMES = ["sqa3d", "sqa3d-localization", "scanqa", "vsibench", "msqa", "beacon3d"]


@click.command()
@click.argument("benchmark", type=click.Choice(NAMES))
@click.option("--predictions", type=FILE, required=True, help="One JSON object a line.")
@click.option("--profile", required=True, help="Whose rules to follow; see below.")
@click.option("--split", help="What to call the data in the report, such as val.")
@click.option("--judge", "judge_name", help="For msqa and beacon3d: 'endpoint' (LOC3R_JUDGE_URL) or module:function.")
@click.option("--judge-prompt", type=FILE, help="JSON list of chat messages to use instead of ours.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def score(
    benchmark: str,
    predictions: Path,
    profile: str,
    split: str | None,
    judge_name: str | None,
    judge_prompt: Path | None,
    as_json: bool,
) -> None:
    """Score predictions exactly as a published script does, with intervals and trivial guesses beside.

    \b
    benchmark            profiles                            a line holds
    sqa3d                leo, chat-scene, video3dllm         question_id, question, gt, pred
    sqa3d-localization   single, official                    scene_id, gt_pos, gt_quat_xyzw, pred_pos, pred_quat_xyzw
    scanqa               official, leo, video3dllm           question_id, question, answers, pred
    vsibench             official, lmms-eval, spatial-mllm   id, dataset, scene_name, question_type, question,
                                                             options, ground_truth, pred
    msqa                 msr3d                               index, scan_id, type, question, answers, pred
    beacon3d             beacon3d                            question_id, scene_id, question, answers, pred

    Scores are percent. A guess of a pose may be a list of up to three: single takes the first, official the best.
    Any line may name its scene_id: intervals are then drawn over scenes.

    \b
    Example:
      loc3r score sqa3d --predictions predictions.jsonl --profile leo --json
    """
    from rich.console import Console

    from loc3r.score.judge import configured_judge
    from loc3r.score.scoring import score_file
    from loc3r.settings import load_settings

    judge = configured_judge(judge_name, judge_prompt, load_settings(), _progress) if judge_name else None
    report = score_file(benchmark, predictions, profile, split=split, judge=judge)
    if as_json:
        click.echo(json.dumps(report.to_json()))
    else:
        Console().print(report.table())


def _progress(done: int, of: int) -> None:
    if done == of or done % 50 == 0:
        click.echo(f"judged {done} of {of}", err=True)
