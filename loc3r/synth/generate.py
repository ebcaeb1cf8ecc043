"""Make a data set of furnished rooms: furnish, walk, render, describe, write; on all cores, resumable.

Rooms are independent: the room of a seed has the same bytes whatever the number of workers. A room is done
when its *part* (``parts/<scene_id>.json``, what the annotation files say of it) is there; a rerun makes only
what is missing or was made by other code or other parameters. Annotations and ``manifest.json`` come last.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from loc3r import __version__
from loc3r.datasets.writers import room_part, write_annotations
from loc3r.errors import DataError
from loc3r.files import hash_json, read_json, write_json
from loc3r.scenes.format import SceneFolder
from loc3r.scenes.writer import write_scene
from loc3r.synth.furniture import FurniturePack, Split
from loc3r.synth.language.describe import Language, describe
from loc3r.synth.layout import furnish
from loc3r.synth.render import Rendered, render
from loc3r.synth.room import Floats, Room
from loc3r.synth.variety import STRETCHED, VariedPack
from loc3r.synth.walk import furniture_seen, walk
from loc3r.synth.workers import make_all

SplitName = Literal["train", "val", "test"]

GENERATOR = "loc3r synth"
STRUCTURE_NAMES = ("ceiling", "floor", "wall")
FIRST_SEEDS = {"train": 0, "val": 800_000, "test": 900_000}
"""Where each split's seeds start by default: no seed may be in two splits."""
LAST_SEED = 999_999
SEEN_SHARE = 0.9
"""A video shows at least this share of the furniture, or another walk is tried."""
VARIANTS, WALKS = 4, 3
"""Rooms tried for a seed, and walks tried in each, until one shows enough."""


@dataclass(frozen=True)
class Parameters:
    """All that decides what a room of some seed looks like on disk."""

    split: SplitName
    frames: int
    situations: int
    varied: bool = False
    """Whether each room has its own cut and paint of all models (``variety.py``), not the catalogue's as they are."""
    language: Language = "templates"
    """Whose words situations are told in."""
    stretched: float = STRETCHED
    """Each side of a varied thing is longer or shorter by up to this factor."""

    @classmethod
    def of(
        cls,
        split: SplitName,
        frames: int,
        situations: int,
        varied: bool | None,
        language: Language | None,
        stretched: float = STRETCHED,
    ) -> Parameters:
        """Rooms of a split. By default training rooms alone are varied, and told in many people's words.

        Raises:
            DataError: things are to be stretched that are not varied.
        """
        trains = split == "train"
        varied = trains if varied is None else varied
        if stretched != STRETCHED and not varied:
            raise DataError(
                "only varied things can be stretched", received=f"{split} rooms as modelled, stretched={stretched}",
                expected="varied rooms", fix="add --varied, or leave --stretched out",
            )  # fmt: skip
        return cls(split, frames, situations, varied, language or ("wide" if trains else "templates"), stretched)

    @property
    def pool(self) -> Split:
        """The furniture models it may use: val and test rooms are of models that training never shows."""
        return "train" if self.split == "train" else "test"

    def furniture(self, seed: int) -> FurniturePack:
        """What furnishes the room of a seed: the catalogue's models, or the pack in a variety of its own."""
        pack = FurniturePack.load()
        if not self.varied:
            return pack.without_drawn()
        return VariedPack(pack, np.random.default_rng([seed, 4]), self.stretched)

    @property
    def hash(self) -> str:
        """Twelve hex digits that change with the parameters and with the generator's code."""
        return hash_json([asdict(self), code_hash()])


@dataclass(frozen=True, eq=False)
class Filmed:
    """A room with its walk, what the camera saw, and the share of the furniture that it saw."""

    room: Room
    video: Rendered
    visible_px: NDArray[np.int64]
    """(T, N): pixels of each frame that show each of ``room.objects``."""
    seen_share: float


@cache
def code_hash() -> str:
    """Twelve hex digits that name the generator: its sources and the furniture, but for what only cousins need."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    sources = [*folder.glob("*.py"), *(folder / "language").glob("*.py"), *(folder / "pack").glob("*")]
    for path in sorted(path for path in sources if path.stem != "cousins"):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def generate(
    root: Path,
    rooms: int,
    seed: int,
    split: SplitName,
    workers: int | None = None,
    frames: int = 32,
    situations: int = 24,
    varied: bool | None = None,
    language: Language | None = None,
    stretched: float = STRETCHED,
) -> Path:
    """Make rooms ``seed`` to ``seed + rooms - 1`` under ``root`` and return it; what is there is kept.

    ``varied`` and ``language`` are those of the split by default, see ``Parameters.of``.
    Raises ``DataError`` where the folder holds other rooms, or where another split beside it has these seeds.
    """
    parameters = Parameters.of(split, frames, situations, varied, language, stretched)
    seeds = range(seed, seed + rooms)
    _check(root, seeds, split)
    for half_made in (root / "scans").glob(".room_*"):
        shutil.rmtree(half_made)  # a stopped run's
    todo = [number for number in seeds if not _is_done(root, number, parameters.hash)]
    make = partial(make_room, root, parameters=parameters, made_by=parameters.hash)
    make_all(f"{split} rooms", make, todo, workers or os.cpu_count() or 1, rooms)
    parts = [read_json(_part_path(root, number)) for number in seeds]
    write_annotations(root, split, [part["annotations"] for part in parts])
    write_json(root / "manifest.json", _manifest(parts, seeds, parameters))
    return root


def make_room(root: Path, seed: int, parameters: Parameters, made_by: str) -> None:
    """Make one room on disk: its scene folder, then the part that says it is done, and ``made_by`` what."""
    filmed = film(seed, parameters)
    video, room = filmed.video, filmed.room
    folder = write_scene(root, room, video.frames, video.depth_mm, video.instances, mesh_vertices(room))
    rng = np.random.default_rng([seed, 3])
    samples = describe(room, filmed.visible_px, rng, parameters.situations, parameters.language)
    part = {
        "made_by": made_by,
        "room_kind": room.room_kind,
        "furniture": len(room.furniture),
        "seen_share": filmed.seen_share,
        "annotations": room_part(room, samples, SceneFolder(folder).box_center_m.tolist()),
    }
    write_json(_part_path(root, seed), part)


def film(seed: int, parameters: Parameters) -> Filmed:
    """The room of a seed, walked through and rendered so that enough of its furniture is seen."""
    pack = parameters.furniture(seed)
    best: Filmed | None = None
    for variant in range(VARIANTS):
        room = furnish(seed, parameters.pool, pack, variant)
        for attempt in range(WALKS):
            plan = walk(room, parameters.frames, np.random.default_rng([seed, 2, variant, attempt]))
            last_chance = best is None and (variant, attempt) == (VARIANTS - 1, WALKS - 1)
            if plan.planned_share < SEEN_SHARE and not last_chance:
                continue
            filmed = _filmed(replace(room, poses=plan.poses), pack)
            if best is None or filmed.seen_share > best.seen_share:
                best = filmed
            if best.seen_share >= SEEN_SHARE:
                return best
    assert best is not None  # the last chance is always filmed
    return best


def _filmed(room: Room, pack: FurniturePack) -> Filmed:
    video = render(room, pack)
    count = len(room.objects)
    visible_px = np.stack([np.bincount(ids.ravel(), minlength=count + 1)[1:] for ids in video.instances])
    return Filmed(room, video, visible_px, furniture_seen(room, visible_px))


def mesh_vertices(room: Room) -> Floats:
    """Corners of the room and of all its furniture, (V, 3): a sparse mesh with the room's bounding box."""
    width, depth, height = room.size_m
    corners = np.array([(0, 0), (width, 0), (width, depth), (0, depth)])
    prisms = [(corners, 0.0, height)]
    for thing in room.furniture:
        middle, half = thing.center_m[2], thing.size_m[2] / 2
        prisms.append((thing.footprint_m, middle - half, middle + half))
    return np.concatenate([np.column_stack([plan, np.full(4, z)]) for plan, *levels in prisms for z in levels])


# --- what is there already, and what is said of it


def scene_id_of(seed: int) -> str:
    """The scene id of a seed's room."""
    return f"room_{seed:06d}_00"


def _part_path(root: Path, seed: int) -> Path:
    return root / "parts" / f"{scene_id_of(seed)}.json"


def _is_done(root: Path, seed: int, made_by: str) -> bool:
    path = _part_path(root, seed)
    if not path.exists() or not (root / "scans" / scene_id_of(seed)).is_dir():
        return False
    return bool(read_json(path)["made_by"] == made_by)


def _check(root: Path, seeds: range, split: SplitName) -> None:
    """Refuse seeds that can't be, a folder of other rooms, and rooms that another split holds."""
    if not seeds or seeds[0] < 0 or seeds[-1] > LAST_SEED:
        raise DataError(
            "impossible room seeds",
            received=f"{len(seeds)} rooms from seed {seeds.start}",
            expected=f"at least one room, seeds between 0 and {LAST_SEED}",
            fix="change --rooms or --seed",
        )
    there = {path.stem for path in (root / "parts").glob("room_*.json")}
    if others := sorted(there - {scene_id_of(seed) for seed in seeds}):
        raise DataError(
            "the folder holds other rooms already",
            received=f"{root} with {others[0]} and {len(others) - 1} more outside the seeds asked for",
            expected=f"rooms {scene_id_of(seeds[0])} to {scene_id_of(seeds[-1])}, or none",
            fix="give another --out, or delete the folder",
        )
    for path in sorted([root / "manifest.json", *root.absolute().parent.glob("*/manifest.json")]):
        if path.exists():
            _check_apart(path, _manifest_in(path), seeds, split)


def _manifest_in(path: Path) -> Any:
    """What a manifest says; nothing where it is no JSON, and so not ours: a neighbour's file is not our business."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return None


def _check_apart(path: Path, manifest: Any, seeds: range, split: SplitName) -> None:
    if not isinstance(manifest, dict) or manifest.get("generator") != GENERATOR or manifest["split"] == split:
        return
    theirs = range(manifest["seed"], manifest["seed"] + manifest["rooms"])
    if seeds.start < theirs.stop and theirs.start < seeds.stop:
        raise DataError(
            "another split has some of these seeds: training would see what it is tested on",
            received=f"{split} seeds {seeds[0]}..{seeds[-1]}; {path} is {manifest['split']}, {theirs[0]}..{theirs[-1]}",
            expected="no seed in two splits",
            fix=f"take --seed {FIRST_SEEDS[split]} for {split}, the default",
        )


def _manifest(parts: Sequence[dict[str, Any]], seeds: range, parameters: Parameters) -> dict[str, Any]:
    kinds = [part["room_kind"] for part in parts]
    return {
        "generator": GENERATOR,
        "version": __version__,
        "code_hash": code_hash(),
        "parameters": asdict(parameters),
        "parameters_hash": parameters.hash,
        "seed": seeds.start,
        "split": parameters.split,
        "rooms": len(seeds),
        "room_kinds": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "furniture": sum(part["furniture"] for part in parts),
        "furniture_seen_share": round(float(np.mean([part["seen_share"] for part in parts])), 4),
        "samples": sum(len(part["annotations"]["samples"]) for part in parts),
        "class_names": sorted({*FurniturePack.load().names(), *STRUCTURE_NAMES}),
    }
