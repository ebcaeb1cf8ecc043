"""No room in training and in test: rescans of a room (ScanNet's ``_00``, ``_01``) are the same room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from loc3r.errors import AnnotationError, LeakageError, SceneError

_SCANNET = re.compile(r"(?:.*/)?(scene\d{4})_\d\d(?:\.\w+)?")
"""Some name the video: scannet/scene0000_00.mp4."""
_SCENE_KEYS = ("scene_id", "scan_id", "scene_name")
_SUFFIXES = (".json", ".jsonl", ".txt")
_SHOWN = 10


def room_of(scene_id: str) -> str:
    """The room that a scan shows: ScanNet's ``scene<room>_<scan>`` without the scan; other ids are rooms."""
    scannet = _SCANNET.fullmatch(scene_id)
    return scannet[1] if scannet else scene_id


def shared_rooms(train: Iterable[str], test: Iterable[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Rooms in both, each with its scene ids in training and in test; sorted."""
    sides: list[dict[str, set[str]]] = []
    for scene_ids in (train, test):
        rooms: dict[str, set[str]] = {}
        for scene_id in scene_ids:
            rooms.setdefault(room_of(scene_id), set()).add(scene_id)
        sides.append(rooms)
    trained, tested = sides
    return {room: (sorted(trained[room]), sorted(tested[room])) for room in sorted(trained.keys() & tested.keys())}


def check_leakage(train: Iterable[str], test: Iterable[str]) -> None:
    """Check that no test scene's room is trained on.

    Raises:
        LeakageError: one is; names them.
    """
    shared = shared_rooms(train, test)
    if shared:
        pairs = [f"{', '.join(trained)} (test: {', '.join(tested)})" for trained, tested in shared.values()]
        more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
        raise LeakageError(
            f"{len(shared)} test rooms are trained on",
            received="; ".join(pairs[:_SHOWN]) + more,
            expected="no room in both, whichever scan of it",
            fix="leave these scenes out of training",
        )


def scenes_in(path: Path) -> set[str]:
    """Scene ids of prepared data, of a data set's folder, of an annotation file, or of a list with one id a line.

    Raises:
        AnnotationError: it names no scene, or can't be read.
        DataError: a folder's manifest can't be read.
        SceneError: a folder of ``loc3r synth`` is only half made.
    """
    if not path.exists():
        raise AnnotationError("no such file or folder", received=path, expected="scenes to check")
    found = _of_folder(path) if path.is_dir() else set(_of_file(path))
    if not found:
        raise AnnotationError(
            f"{path} names no scene",
            received="nothing",
            expected=f"prepared data, scans/, annotations with {', '.join(_SCENE_KEYS)}, or a list of ids",
        )
    return found


def _of_folder(folder: Path) -> set[str]:
    from loc3r.scenes.format import check_made

    if prepared := _prepared(folder):
        return prepared
    check_made(folder)
    scans, annotations = folder / "scans", folder / "annotations"
    found = {path.name for path in scans.glob("[!.]*") if path.is_dir()} or _scene_names(folder)
    files = (annotations if annotations.is_dir() else folder).rglob("*") if not found else ()
    return found.union(*(_of_file(path) for path in files if path.suffix in _SUFFIXES and path.is_file()))


def _prepared(folder: Path) -> set[str]:
    """Scenes in the shards that a folder's manifest lists; none where there is no such manifest."""
    from loc3r.scenes.format import read_manifest

    shards = read_manifest(folder).get("shards", ())
    try:
        return {str(scene_id) for shard in shards for scene_id in shard["scenes"]}
    except (KeyError, TypeError) as error:
        expected = "shards with their scenes"
        raise AnnotationError(f"{folder}/manifest.json", received=repr(error), expected=expected) from error


def _scene_names(folder: Path) -> set[str]:
    """Names of the scene folders there; else the text files of frames' poses would be taken for lists of ids."""
    from loc3r.scenes.format import scene_folders

    try:
        return {path.name for path in scene_folders(folder)}
    except SceneError:
        return set()


def _of_file(path: Path) -> Iterator[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".txt":
            yield from text.split()
        elif path.suffix == ".jsonl":
            yield from _of_rows([json.loads(line) for line in text.split("\n") if line.strip()])
        else:
            yield from _of_json(json.loads(text))
    except (OSError, ValueError, RecursionError) as error:  # JSON's and Unicode's
        raise AnnotationError(
            f"{path} can't be read", received=str(error), expected="JSON, JSON lines or text"
        ) from error


def _of_json(content: Any) -> Iterator[str]:
    """Rows in a list or under a key, else an object whose keys are scenes."""
    rows = content if isinstance(content, list) else []
    if isinstance(content, dict):
        rows = [row for value in content.values() if isinstance(value, list) for row in value]
        if all(isinstance(value, dict) for value in content.values()):
            yield from content
    yield from _of_rows(rows)


def _of_rows(rows: list[Any]) -> Iterator[str]:
    for row in rows:
        if isinstance(row, dict):
            yield from (str(row[key]) for key in _SCENE_KEYS if key in row)
