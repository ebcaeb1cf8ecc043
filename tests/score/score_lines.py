"""Prediction lines for the tests of the scorers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from loc3r.evaluate.intervals import Bootstrap
from loc3r.score.judge import CachedJudge
from loc3r.score.report import Report
from loc3r.score.scoring import BENCHMARKS, score_rows

QUICK = Bootstrap(samples=50)


def report(benchmark: str, profile: str, lines: Iterable[dict[str, Any]], judge: CachedJudge | None = None) -> Report:
    rows = [BENCHMARKS[benchmark].row.model_validate_json(json.dumps(line)) for line in lines]
    return score_rows(benchmark, rows, profile, judge=judge, bootstrap=QUICK)


def metrics(benchmark: str, profile: str, lines: Iterable[dict[str, Any]]) -> dict[str, float]:
    return dict(report(benchmark, profile, lines).metrics)


def write(path: Path, lines: Iterable[Any]) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def sqa3d(pred: str, gt: str, question: str = "What is it?", number: int = 0, **more: Any) -> dict[str, Any]:
    return {"question_id": number, "question": question, "gt": gt, "pred": pred, **more}


def scanqa(pred: str, answers: Sequence[str], number: int = 0) -> dict[str, Any]:
    return {"question_id": f"val-scene0011-{number}", "question": "What is it?", "answers": answers, "pred": pred}


def vsi(kind: str, pred: str, truth: Any, number: int = 0) -> dict[str, Any]:
    return {
        "id": number, "dataset": "scannet", "scene_name": f"scene{number % 7:04d}_00", "question_type": kind,
        "question": "?", "options": None, "ground_truth": truth, "pred": pred,
    }  # fmt: skip


def pose(pred_pos: Any, pred_quat: Any, gt_pos: Any = (0, 0, 0), gt_quat: Any = (0, 0, 0, 1)) -> dict[str, Any]:
    return {
        "scene_id": "scene0000_00", "gt_pos": gt_pos, "gt_quat_xyzw": gt_quat,
        "pred_pos": pred_pos, "pred_quat_xyzw": pred_quat,
    }  # fmt: skip


def read(path: Path, key: str | None = None) -> Any:
    content = json.loads(path.read_text())
    return content if key is None else content[key]


def real_sqa3d(data: Path, answer: str | None = None) -> list[dict[str, Any]]:
    """SQA3D's val questions, answered perfectly or by ``answer``."""
    folder = data / "sqa3d"
    asked = {q["question_id"]: q for q in read(folder / "v1_balanced_questions_val_scannetv2.json", "questions")}
    return [
        sqa3d(
            true if answer is None else answer,
            true,
            asked[a["question_id"]]["question"],
            a["question_id"],
            scene_id=a["scene_id"],
        )
        for a in read(folder / "v1_balanced_sqa_annotations_val_scannetv2.json", "annotations")
        for true in [a["answers"][0]["answer"]]
    ]


def real_scanqa(data: Path) -> list[dict[str, Any]]:
    """ScanQA's val questions, each answered by its last answer."""
    known = ("question_id", "question", "answers", "scene_id")
    rows = read(data / "scanqa" / "ScanQA_v1.0_val.json")
    return [{**{key: row[key] for key in known}, "pred": row["answers"][-1]} for row in rows]


def real_poses(data: Path, split: str = "val") -> list[dict[str, Any]]:
    """SQA3D's localisation task, answered perfectly."""
    poses = read(data / "sqa3d" / f"v1_localization_annotations_{split}_scannetv2.json", "annotations")
    lines = []
    for row in poses:
        place = [row["position"][axis] for axis in "xyz"]
        turn = [row["rotation"][f"_{axis}"] for axis in "xyzw"]
        lines.append({**pose(place, turn, place, turn), "scene_id": row["scene_id"]})
    return lines
