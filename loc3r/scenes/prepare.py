"""Prepare data sets once: frames at model size, patch targets, camera tokens and samples into Parquet shards.

Scenes are computed in processes of their own and written 32 a shard. A shard carries a key of everything that it
was made from, so a rerun after a stop, or after one scene changed, recomputes no more than it must.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from loc3r.datasets.mixture import Mixture
from loc3r.datasets.prompts import name_pictures
from loc3r.errors import DataError, SceneError
from loc3r.files import hash_json, write_json
from loc3r.geometry.bev import BevFrame
from loc3r.priors.base import load_prior, prior_card
from loc3r.priors.pose_token import DIM, LANGUAGE
from loc3r.recipe import Recipe
from loc3r.recipe_sections import DataRecipe, hashed
from loc3r.scenes import oracle
from loc3r.scenes.bev_samples import SceneMap, bev_sample, read_raw_samples
from loc3r.scenes.format import read_manifest, read_objects, scene_folders
from loc3r.scenes.scene_row import Row, rounded, scene_row
from loc3r.scenes.shards import PreparedSample, read_shard_metadata, write_samples, write_shard
from loc3r.services.process import die_with_parent

FORMAT = 1
"""Raised when the same inputs would give another content: old shards are then made anew."""
SCENES_A_SHARD = 32


@dataclass(frozen=True)
class Job:
    """What every scene of a run is prepared with."""

    data: DataRecipe
    class_names: tuple[str, ...]
    prior: dict[str, Any]
    """Name, fingerprint, licence and dim of the pose prior."""

    def key(self, folders: Sequence[Path]) -> str:
        """Names everything that a shard of these scenes is made from."""
        sources = {folder.name: _fingerprint(folder) for folder in folders}
        return hash_json([FORMAT, hashed(self.data), self.class_names, self.prior, sources])


def prepare(
    roots: Sequence[Path],
    split: str,
    recipe: Recipe,
    out: Path,
    workers: int | None = None,
    mixture: Mixture | None = None,
    only: Collection[str] | None = None,
) -> Path:
    """Prepare every scene and sample of ``roots`` into ``out``; returns ``out``.

    A scene that breaks the format is dropped, with its samples, and the manifest says why.

    Args:
        roots: data sets, each with ``scans/``, ``annotations/``, ``manifest.json``.
        split: which annotation files to read: train, val or test.
        recipe: its ``data`` section decides what is written.
        out: folder of the shards; what is there already and still fits is kept.
        workers: processes; one for each core if absent.
        mixture: how many samples of which data set; all of them if absent.
        only: ids of the scenes that are wanted; all of them if absent.

    Raises:
        SceneError: there are no scenes.
        AnnotationError: an annotation file breaks its format.
        DataError: two data sets have a scene of one name, no scene could be prepared, a worker was killed, or the
            mixture asks for more than there is.
    """
    found = {root: [folder for folder in scene_folders(root) if only is None or folder.name in only] for root in roots}
    folders = [folder for some in found.values() for folder in some]
    _check_apart(folders)
    job = Job(recipe.data, _class_names(found), describe_prior(recipe.data.prior, recipe.data.prior_size_px))
    # A fault in them shows before the long work.
    raw_samples = [sample for root in found for sample in read_raw_samples(root, split, folders)]
    if recipe.data.picture_placeholders == "noun":
        raw_samples = [name_pictures(sample) for sample in raw_samples]
    more: dict[str, Any] = _tier(roots)
    if mixture is not None:
        here = {folder.name for folder in folders}
        drawn = mixture.draw(sample for sample in raw_samples if sample.scene_id in here)
        raw_samples, more["mixture"] = drawn.samples, drawn.record
    plan = {
        out / f"scenes-{i:05d}.parquet": folders[start : start + SCENES_A_SHARD]
        for i, start in enumerate(range(0, len(folders), SCENES_A_SHARD))
    }
    _write_shards(plan, job, workers or os.cpu_count() or 1)
    for stale in set(out.glob("scenes-*.parquet")) - set(plan):
        stale.unlink()
    shards = [_read_shard(path) for path in plan]
    maps = {scene_id: scene_map for shard in shards for scene_id, scene_map in shard.maps.items()}
    if not maps:
        raise DataError("no scene could be prepared", received=_dropped(shards), expected="at least one sound scene")
    told = recipe.data.answer_format
    samples = [bev_sample(sample, maps[sample.scene_id], told) for sample in raw_samples if sample.scene_id in maps]
    write_samples(out / "samples.parquet", samples)
    lost = len(raw_samples) - len(samples)
    write_json(out / "manifest.json", _manifest(split, job, shards, samples) | {"samples_without_scene": lost} | more)
    return out


def describe_prior(name: str, size_px: int | None = None) -> dict[str, Any]:
    """Name, fingerprint, language, licence and dim of a pose prior, or of the true poses (``oracle``)."""
    if name == oracle.NAME:
        known = {"fingerprint": oracle.FINGERPRINT, "language": LANGUAGE, "licence": oracle.LICENCE, "dim": DIM}
        return {"name": name, **known}
    prior, language = load_prior(name, size_px), prior_card(name).language
    known = {"fingerprint": prior.fingerprint, "licence": prior.licence, "dim": prior.dim}
    return {"name": prior.name, "language": language or prior.fingerprint, **known}


def _check_apart(folders: Sequence[Path]) -> None:
    """Refuse scenes of one name in two data sets: samples and shards tell scenes by name."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        by_name[folder.name].append(folder)
    if twice := [some for some in by_name.values() if len(some) > 1]:
        raise DataError(
            "two data sets have a scene of one name",
            received=f"{len(twice)} such scenes: {' and '.join(str(folder) for folder in twice[0])}…",
            expected="another name for each scene",
            fix="give each --root once; rooms of our own need another --seed",
        )


def _tier(roots: Sequence[Path]) -> dict[str, Any]:
    """What the data sets say that their results may be called, if all say the same."""
    said = {read_manifest(root).get("tier") for root in roots}
    return {"tier": said.pop()} if len(said) == 1 and None not in said else {}


def _class_names(found: Mapping[Path, Sequence[Path]]) -> tuple[str, ...]:
    """The classes of each data set, in its order where there is one, else sorted."""
    lists = [_classes_of(root, folders) for root, folders in found.items()]
    return lists[0] if len(set(lists)) == 1 else tuple(sorted({name for names in lists for name in names}))


def _classes_of(root: Path, folders: Sequence[Path]) -> tuple[str, ...]:
    """The data set's own list, so that every split has the same; else every name that occurs in its scenes."""
    if "class_names" in (values := read_manifest(root)):
        return tuple(values["class_names"])
    boxes = [folder / "objects.json" for folder in folders]
    return tuple(sorted({thing.name for path in boxes if path.is_file() for thing in read_objects(path)}))


def _fingerprint(folder: Path) -> str:
    """Names a scene's files without reading them, as make does: path, size and time of change."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(str(path.relative_to(folder)), path.stat()) for path in files]
    return hash_json([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def _write_shards(plan: dict[Path, list[Path]], job: Job, workers: int) -> None:
    """Compute and write the shards whose key does not fit."""
    keys = {path: job.key(folders) for path, folders in plan.items()}
    stale = [path for path in plan if read_shard_metadata(path).get("key") != keys[path]]
    if not stale:
        return
    (stale[0].parent / "manifest.json").unlink(missing_ok=True)  # unfinished until it is written again
    total = sum(len(plan[path]) for path in stale)
    with _progress() as progress, _executor(min(workers, total)) as executor:
        task = progress.add_task("preparing scenes", total=total)
        for path in stale:
            rows, dropped = [], {}
            for folder, outcome in zip(plan[path], _outcomes(executor, plan[path], job), strict=True):
                if isinstance(outcome, str):
                    dropped[folder.name] = outcome
                else:
                    rows.append(outcome)
                progress.advance(task)
            write_shard(path, rows, {"key": keys[path], "dropped": json.dumps(dropped)})


def _outcomes(executor: Executor | None, folders: list[Path], job: Job) -> Iterator[Row | str]:
    """Each scene's row, or why it was dropped; without an executor, in this process."""
    work = partial(_outcome, job=job)
    try:
        yield from map(work, folders) if executor is None else executor.map(work, folders)
    except BrokenProcessPool as error:
        raise DataError(
            "a worker was killed", received=str(error), expected="enough memory", fix="try fewer --workers; it resumes"
        ) from error


def _outcome(folder: Path, job: Job) -> Row | str:
    try:
        return scene_row(folder, job.data, job.class_names)
    except SceneError as error:
        return str(error)


@contextmanager
def _executor(workers: int) -> Iterator[Executor | None]:
    """A pool of fresh processes: forking one that has run a network can hang it."""
    if workers <= 1:
        yield None
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin_worker) as pool:
        yield pool


def _begin_worker() -> None:
    """Scenes are the parallel axis: keep each worker's libraries, imported later, to one thread."""
    os.environ["OMP_NUM_THREADS"] = "1"
    die_with_parent()


def _progress() -> Progress:
    text = TextColumn("{task.description}")
    return Progress(text, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@dataclass(frozen=True)
class _Shard:
    """What the manifest and the samples need to know of a shard."""

    file: str
    maps: dict[str, SceneMap]
    digests: dict[str, str]
    counts: Counter[str]
    dropped: dict[str, str]


def _read_shard(path: Path) -> _Shard:
    columns = ["scene_id", "frame_ids", "patch_valid", "objects", "bev", "lost_frames", "digest"]
    maps, digests, counts = {}, {}, Counter[str]()
    for row in pq.read_table(path, columns=columns).to_pylist():
        places = {thing["object_id"]: tuple(thing["xy_m"]) for thing in row["objects"]}
        maps[row["scene_id"]] = SceneMap(BevFrame(*row["bev"]), places)
        digests[row["scene_id"]] = row["digest"]
        counts.update(scenes=1, frames=len(row["frame_ids"]), frames_without_pose=row["lost_frames"])
        counts.update(patches=len(row["patch_valid"]), valid_patches=sum(row["patch_valid"]))
    return _Shard(path.name, maps, digests, counts, json.loads(read_shard_metadata(path)["dropped"]))


def _manifest(split: str, job: Job, shards: list[_Shard], samples: list[PreparedSample]) -> dict[str, Any]:
    counts = Counter[str]()
    for shard in shards:
        counts.update(shard.counts)
    by_dataset = dict(Counter(sample.dataset for sample in samples))
    recipe = job.data.model_dump(mode="json")
    content = {scene_id: digest for shard in shards for scene_id, digest in shard.digests.items()}
    asked = [rounded(asdict(sample)) for sample in samples]
    return {
        "format": FORMAT,
        "split": split,
        "data_hash": hash_json([FORMAT, hashed(job.data), job.class_names, job.prior, content, asked]),
        "recipe": recipe,
        "class_names": list(job.class_names),
        "prior": job.prior,
        "counts": {**counts, "samples": len(samples), "samples_by_dataset": by_dataset},
        "shards": [{"file": shard.file, "scenes": list(shard.maps)} for shard in shards],
        "dropped": _dropped(shards),
    }


def _dropped(shards: list[_Shard]) -> dict[str, str]:
    return {scene_id: reason for shard in shards for scene_id, reason in shard.dropped.items()}
