"""Score predictions under a named profile: ``score_file`` for files, ``score_rows`` for rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from loc3r.errors import ScoreError
from loc3r.evaluate.intervals import Bootstrap
from loc3r.score.beacon3d import BEACON3D
from loc3r.score.benchmark import Benchmark, Extras, Profile
from loc3r.score.judge import CachedJudge
from loc3r.score.localization import SQA3D_LOCALIZATION
from loc3r.score.msqa import MSQA
from loc3r.score.report import Report
from loc3r.score.rows import Row, read_rows
from loc3r.score.scanqa import SCANQA
from loc3r.score.sqa3d import SQA3D
from loc3r.score.vsibench import VSIBENCH

BENCHMARKS: dict[str, Benchmark[Any]] = {
    benchmark.name: benchmark for benchmark in (SQA3D, SQA3D_LOCALIZATION, SCANQA, VSIBENCH, MSQA, BEACON3D)
}


def score_file(
    benchmark: str,
    path: Path,
    profile: str,
    *,
    split: str | None = None,
    judge: CachedJudge | None = None,
    bootstrap: Bootstrap | None = None,
) -> Report:
    """Score a file of predictions, one JSON object a line.

    Args:
        benchmark: a name of ``BENCHMARKS``.
        profile: whose rules to follow: a name of the benchmark's ``profiles``.
        split: what to call the data in the report.
        judge: of open answers, for MSQA and Beacon3D.
        bootstrap: how intervals are drawn.

    Raises:
        ScoreError: no such benchmark or profile, or a line breaks the format.
        JudgeError: the judge fails.
    """
    find_profile(benchmark, profile)
    rows = read_rows(path, BENCHMARKS[benchmark].row)
    return score_rows(benchmark, rows, profile, split=split, judge=judge, bootstrap=bootstrap)


def score_rows(
    benchmark: str,
    rows: Sequence[Row],
    profile: str,
    *,
    split: str | None = None,
    judge: CachedJudge | None = None,
    bootstrap: Bootstrap | None = None,
) -> Report:
    """Score rows of ``BENCHMARKS[benchmark].row``; arguments and errors as ``score_file``."""
    chosen, bootstrap = find_profile(benchmark, profile), bootstrap or Bootstrap()
    counted, notes = _last_of_each_id(rows) if chosen.last_of_id else (list(rows), [])
    if judge and not BENCHMARKS[benchmark].judged:
        raise ScoreError(f"{benchmark} has no open answers to judge", received=judge.label, expected="no judge")
    scored = chosen.score(counted, Extras(judge=judge, meteor=True))
    units, over = _units(counted)
    intervals = scored.intervals(units, bootstrap)
    guesses = BENCHMARKS[benchmark].guesses(counted)
    return Report(
        benchmark=benchmark,
        profile=profile,
        source=chosen.source,
        split=split,
        n=len(rows),
        empty_answers=sum(row.empty for row in rows),
        units=len(set(units)),
        over=over,
        bootstrap=bootstrap,
        metrics=scored.values(),
        intervals=intervals,
        baselines={name: chosen.score(some, Extras()).values() for name, some in guesses.items()},
        missing=dict(scored.missing),
        counts=dict(scored.counts),
        notes=(*notes, *scored.notes),
        judge=judge.record() if judge else None,
    )


def find_profile(benchmark: str, profile: str) -> Profile[Any]:
    """A benchmark's profile by name.

    Raises:
        ScoreError: there is none; suggests the nearest.
    """
    if benchmark not in BENCHMARKS:
        raise _unknown("benchmark", benchmark, list(BENCHMARKS))
    profiles = BENCHMARKS[benchmark].profiles
    if profile not in profiles:
        raise _unknown(f"profile of {benchmark}", profile, list(profiles))
    return profiles[profile]


def _unknown(kind: str, name: str, known: list[str]) -> ScoreError:
    near = get_close_matches(name, known, 1)
    return ScoreError(
        f"no such {kind}", received=name, expected=", ".join(known), fix=f"did you mean {near[0]}?" if near else ""
    )


def _last_of_each_id(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    last = list({row.key: row for row in rows}.values())
    repeated = len(rows) - len(last)
    note = f"{repeated} lines repeat an id: as in the original, the last of each counts"
    return last, [note] if repeated else []


def _units(rows: Sequence[Row]) -> tuple[list[str], str]:
    """What the bootstrap draws: scenes where every row names its own, else questions."""
    scenes = [row.scene for row in rows if row.scene is not None]
    if len(scenes) == len(rows):
        return scenes, "scenes"
    return [row.key for row in rows], "questions"
