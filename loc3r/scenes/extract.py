"""Every n-th frame of a ``.sens`` file as an exported scan: for other tools, or to keep less than the whole file.

``prepare`` reads ``.sens`` itself; nothing has to be extracted for it.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import Progress

from loc3r.errors import SceneError
from loc3r.files import atomic_path, write_bytes, write_text
from loc3r.scenes.sens import JPEG, SensFile
from loc3r.scenes.writer import JPEG_QUALITY

Floats = NDArray[np.floating]


def extract_scans(root: Path, out: Path, every: int, progress: Progress) -> Iterator[SceneError | None]:
    """Extract every ``.sens`` under ``root`` into ``out/scans/<scene>``; after each, its fault or None."""
    for path in progress.track(sorted(root.rglob("*.sens")), description="scans"):
        task = progress.add_task(path.stem)
        try:
            sens = SensFile(path)
            progress.update(task, total=-(-sens.header.frames // every))
            for _ in extract(sens, out / "scans" / path.stem, every):
                progress.advance(task)
            yield None
        except SceneError as error:
            yield error
        progress.remove_task(task)


def extract(sens: SensFile, folder: Path, every: int = 1) -> Iterator[int]:
    """Write every ``every``-th frame under ``folder``, and yield the number of each once it is there.

    Frames that are there already are passed over, so a rerun goes on after a stop. The intrinsics come last: until
    then no scene can be opened that has only some of its frames. JPEGs are copied byte for byte.

    Raises:
        SceneError: after the frames before it, where the file was cut short.
        FrameError: a frame can't be decoded.
    """
    done = {path.stem for path in (folder / "color").glob("*.jpg")}
    last = range(len(sens))[::every][-1:]
    for number in sens.every(every):
        name = f"{number:06d}"
        if name not in done:
            _write_frame(sens, number, folder, name)
        if number in last:
            _write_cameras(sens, folder)
        yield number


def _write_frame(sens: SensFile, number: int, folder: Path, name: str) -> None:
    """Depth and pose first: the colour is what makes a frame."""
    with atomic_path(folder / "depth" / f"{name}.png") as temporary:
        Image.fromarray(sens.depth_mm(number)).save(temporary, "PNG", compress_level=1)
    write_text(folder / "pose" / f"{name}.txt", _text(sens.poses[number]))
    write_bytes(folder / "color" / f"{name}.jpg", _jpeg(sens, number))


def _jpeg(sens: SensFile, number: int) -> bytes:
    if sens.header.color_kind == JPEG:
        return sens.color_bytes(number)
    buffer = io.BytesIO()
    sens.color_image(number).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _write_cameras(sens: SensFile, folder: Path) -> None:
    for name in (f"{folder.name}.txt", f"{folder.name}_vh_clean_2.ply"):
        source = sens.path.parent / name
        if source.is_file() and not (folder / name).is_file():
            with atomic_path(folder / name) as temporary:
                shutil.copyfile(source, temporary)
    for camera, matrix in (("color", sens.header.intrinsic_color), ("depth", sens.header.intrinsic_depth)):
        write_text(folder / "intrinsic" / f"intrinsic_{camera}.txt", _text(matrix))


def _text(matrix: Floats) -> str:
    return "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in matrix)
