"""Scenes on disk, whatever their layout: each folder is opened by the class that its files fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loc3r.errors import DataError, SceneError
from loc3r.files import read_json
from loc3r.scenes.layouts.arkitscenes import ArkitScene
from loc3r.scenes.layouts.clip import PosedClip
from loc3r.scenes.layouts.exported import SceneFolder
from loc3r.scenes.layouts.posed_images import PosedImages
from loc3r.scenes.layouts.posed_video import PosedVideo
from loc3r.scenes.layouts.scannetpp import ScannetppScene
from loc3r.scenes.layouts.sens import SensScene
from loc3r.scenes.read import box_center_m, read_objects
from loc3r.scenes.scene import Floats, Scene

__all__ = [
    "LAYOUTS",
    "Scene",
    "SceneFolder",
    "check_made",
    "mesh_box_center_m",
    "open_scene",
    "read_manifest",
    "read_objects",
    "scene_folders",
]

LAYOUTS: tuple[type[Scene], ...] = (
    SceneFolder,
    SensScene,
    PosedImages,
    ArkitScene,
    ScannetppScene,
    PosedClip,
    PosedVideo,
)
"""In the order in which they are tried: an exported scan before the file that it was taken from."""


def layout_of(path: Path) -> type[Scene] | None:
    """The layout that a folder's files fit; None where none does.

    Raises:
        SceneError: this user may not look into the folder.
    """
    try:
        return next((layout for layout in LAYOUTS if layout.fits(path)), None)
    except OSError as error:
        raise SceneError(f"{path} can't be read", received=error.strerror, expected="a readable folder") from error


def _may_be_scene(path: Path) -> bool:
    """Whether a folder fits a layout, or can't be looked into: that is told when it is opened."""
    try:
        return layout_of(path) is not None
    except SceneError:
        return True


def open_scene(path: Path) -> Scene:
    """The reader that fits a folder.

    Raises:
        SceneError: the folder does not exist, fits no layout or holds no frames.
    """
    path = Path(path)
    if not path.is_dir():
        raise SceneError("no such scene folder", received=path, expected=_known_files())
    layout = layout_of(path)
    if layout is None:
        raise SceneError("the scene has no frames of a known layout", received=path, expected=_known_files())
    return layout(path)


def scene_folders(root: Path) -> list[Path]:
    """Every scene folder of a data set, sorted: of ``root/scans``, ``root/posed_images``, ``root/data`` or ``root``
    itself, the first that has any; or ``root``, where it is a scene. A video beside scenes is none.

    Raises:
        SceneError: there is none, or ``root`` is a data set of ours that is only half made.
    """
    check_made(root)
    if layout_of(root) not in (None, PosedVideo):
        return [root]
    parents = dict.fromkeys(layout.parent for layout in LAYOUTS if layout.parent)
    for parent in (*(root / name for name in parents), root):
        candidates = (path for path in parent.glob("*") if not path.name.startswith("."))  # half-written ones
        folders = sorted(path for path in candidates if path.is_dir() and _may_be_scene(path))
        if folders:
            return folders
    if layout_of(root) is PosedVideo:
        return [root]
    raise SceneError("no scenes found", received=root, expected=f"scans/<scene_id> with {_known_files()}")


def read_manifest(root: Path) -> dict[str, Any]:
    """What ``manifest.json`` says of a data set of ours; nothing where there is none.

    Raises:
        DataError: it can't be read, or is no JSON object.
    """
    path = root / "manifest.json"
    try:
        values = read_json(path) if path.is_file() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} can't be read", received=str(error), expected="a JSON object") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} can't be read", received=str(values)[:80], expected="a JSON object")
    return values


def check_made(root: Path) -> None:
    """Check that rooms which ``loc3r synth`` began are all there: annotations and, last, the manifest end its work.

    Raises:
        SceneError: there are rooms, but no manifest.
    """
    parts = root / "parts"
    if parts.is_dir() and not (root / "manifest.json").is_file():
        raise SceneError(
            "the data set is only half made",
            received=f"{root}: {len(list(parts.glob('[!.]*.json')))} rooms in parts/, no manifest.json",
            expected="manifest.json, which comes last",
            fix="run the same loc3r synth again: it goes on where it was stopped",
        )


def mesh_box_center_m(scene: Path) -> Floats:
    """Centre (3,) of the raw mesh's bounding box of a scene folder; its frames are not looked at.

    Raises:
        SceneError: the scene has no mesh.
    """
    return box_center_m((layout_of(scene) or SceneFolder).mesh_path(scene))


def _known_files() -> str:
    return " | ".join(layout.files for layout in LAYOUTS)
