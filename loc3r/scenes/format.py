"""Scenes on disk, whatever their layout: each folder is opened by the class that its files fit."""

from __future__ import annotations

from pathlib import Path

from loc3r.errors import SceneError
from loc3r.scenes.layouts.arkitscenes import ArkitScene
from loc3r.scenes.layouts.clip import PosedClip
from loc3r.scenes.layouts.exported import SceneFolder
from loc3r.scenes.layouts.posed_images import PosedImages
from loc3r.scenes.layouts.posed_video import PosedVideo
from loc3r.scenes.layouts.scannetpp import ScannetppScene
from loc3r.scenes.layouts.sens import SensScene
from loc3r.scenes.read import box_center_m, read_objects
from loc3r.scenes.scene import Floats, Scene

__all__ = ["LAYOUTS", "Scene", "SceneFolder", "mesh_box_center_m", "open_scene", "read_objects", "scene_folders"]

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
    """The layout that a folder's files fit; None where none does."""
    return next((layout for layout in LAYOUTS if layout.fits(path)), None)


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
    itself, the first that has any; or ``root``, where it is a scene.

    Raises:
        SceneError: there is none.
    """
    if layout_of(root) is not None:
        return [root]
    parents = dict.fromkeys(layout.parent for layout in LAYOUTS if layout.parent)
    for parent in (*(root / name for name in parents), root):
        candidates = (path for path in parent.glob("*") if not path.name.startswith("."))  # half-written ones
        folders = sorted(path for path in candidates if path.is_dir() and layout_of(path) is not None)
        if folders:
            return folders
    raise SceneError("no scenes found", received=root, expected=f"scans/<scene_id> with {_known_files()}")


def mesh_box_center_m(scene: Path) -> Floats:
    """Centre (3,) of the raw mesh's bounding box of a scene folder; its frames are not looked at.

    Raises:
        SceneError: the scene has no mesh.
    """
    return box_center_m((layout_of(scene) or SceneFolder).mesh_path(scene))


def _known_files() -> str:
    return " | ".join(layout.files for layout in LAYOUTS)
