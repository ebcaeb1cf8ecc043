"""Vertices of a mesh as binary little-endian PLY: all that a scene's bounding box needs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loc3r.errors import SceneError

_SCALARS = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}


def ply_bytes(vertices_m: NDArray[np.floating]) -> bytes:
    """A PLY file of the vertices (N, 3)."""
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices_m)}\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    return header.encode("ascii") + np.ascontiguousarray(vertices_m, "<f4").tobytes()


def read_vertices(path: Path) -> NDArray[np.float64]:
    """Vertices (N, 3) of a binary little-endian PLY file (ScanNet's ``_vh_clean_2.ply``, or ours).

    Raises:
        SceneError: the file is missing, is of another kind or is truncated.
    """
    if not path.is_file():
        raise SceneError("a mesh is missing", received=path, expected="a binary PLY file")
    data = path.read_bytes()
    header, mark, body = data.partition(b"end_header\n")
    if not mark or b"format binary_little_endian" not in header:
        raise SceneError(f"{path} can't be read", received=data[:40], expected="binary little-endian PLY")
    try:
        count, layout = _vertex_layout(header.decode("ascii", errors="replace"))
    except (KeyError, ValueError) as error:  # a count that is no number, a kind that is none, a list
        raise SceneError(f"{path} breaks the format", received=str(error), expected="numbers x, y, z") from error
    if len(body) < count * layout.itemsize:
        raise SceneError(f"{path} is truncated", received=f"{len(body)} bytes", expected=f"{count} vertices")
    if count < 1 or not {"x", "y", "z"} <= set(layout.names or ()):
        raise SceneError(f"{path} has no vertices", received=f"{count} of {layout.names}", expected="x, y, z")
    vertices = np.frombuffer(body, layout, count)
    return np.stack([vertices[axis].astype(np.float64) for axis in "xyz"], -1)


def _vertex_layout(header: str) -> tuple[int, np.dtype[np.void]]:
    """Number and numpy layout of the vertices; the vertex element comes first in every file we meet."""
    _, _, rest = header.partition("element vertex ")
    lines = rest.partition("element ")[0].splitlines()
    if not lines:
        raise SceneError("a PLY file has no vertices", received=header[:80], expected="element vertex N")
    properties = [line.split() for line in lines[1:] if line.startswith("property")]
    return int(lines[0]), np.dtype([(name, "<" + _SCALARS[kind]) for _, kind, name in properties])
