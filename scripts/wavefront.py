"""Wavefront OBJ models with their materials, as triangles whose colour can be sampled anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
GLASS_ALPHA = 0.6  # a material more transparent than this looks like glass


@dataclass
class Material:
    """A diffuse colour in [0, 1], its opacity and, where there is one, a texture (H, W, 4) uint8."""

    colour: Floats = field(default_factory=lambda: np.full(3, 0.7))
    opacity: float = 1.0
    texture: NDArray[np.uint8] | None = None

    def sample(self, uv: Floats) -> Floats:
        """RGBA in [0, 1] at texture coordinates (N, 2) -> (N, 4); alpha is the texture's cut-out."""
        if self.texture is None:
            return np.tile(np.append(self.colour, 1.0), (len(uv), 1))
        height, width = self.texture.shape[:2]
        column = np.floor(uv[:, 0] * width).astype(int) % width
        row = np.floor((1 - uv[:, 1]) * height).astype(int) % height
        return self.texture[row, column] / 255.0


@dataclass
class Model:
    """Triangles: vertices (V, 3), faces (F, 3), texture coordinates (F, 3, 2), material of each face (F,)."""

    vertices: Floats
    faces: Ints
    uv: Floats
    material: Ints
    materials: list[Material]

    def colour_at(self, face: Ints, barycentric: Floats) -> Floats:
        """RGBA in [0, 1] at points inside faces: face indices (N,), weights (N, 3) -> (N, 4)."""
        uv = np.einsum("nk,nkc->nc", barycentric, self.uv[face])
        rgba = np.empty((len(face), 4))
        owner = self.material[face]
        for index in np.unique(owner):
            chosen = owner == index
            rgba[chosen] = self.materials[index].sample(uv[chosen])
        return rgba


def _statements(path: Path) -> Iterator[tuple[str, str]]:
    """(keyword, rest) of each line that says something; a backslash joins lines."""
    text = path.read_text(encoding="latin-1").replace("\\\n", " ")
    for line in text.splitlines():
        keyword, _, rest = line.strip().partition(" ")
        if keyword and not keyword.startswith("#"):
            yield keyword, rest.strip()


def _read_texture(folder: Path, name: str) -> NDArray[np.uint8] | None:
    """The image, (H, W, 4); a path from the author's own disk stands for the folder's only image."""
    path = folder / name
    images = [p for p in sorted(folder.iterdir()) if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    if not path.exists() and name.startswith("/") and len(images) == 1:
        path = images[0]
    if not path.exists():
        return None
    with Image.open(path) as image:
        image.thumbnail((256, 256), Image.Resampling.BOX)  # finer detail than a face would only alias
        return np.asarray(image.convert("RGBA"))


def read_materials(path: Path) -> dict[str, Material]:
    """The materials of an MTL file by name; an absent file gives none."""
    materials: dict[str, Material] = {}
    current = Material()
    for keyword, rest in _statements(path) if path.exists() else ():
        if keyword == "newmtl":
            current = materials[rest] = Material()
        elif keyword == "Kd":
            current.colour = np.clip(np.array(rest.split()[:3], float), 0, 1)
        elif keyword == "d":
            current.opacity = float(rest.split()[-1])
        elif keyword == "Tr":
            current.opacity = 1 - float(rest)
        elif keyword == "map_Kd":
            current.texture = _read_texture(path.parent, rest.replace("\\", "/"))
    return materials


def _index(text: str, count: int) -> int:
    """An OBJ index (from 1, or negative from the end) as a Python one."""
    value = int(text)
    return value - 1 if value > 0 else count + value


def read_obj(path: Path) -> Model:
    """Read an OBJ file; polygons become fans of triangles, parts without a material are grey."""
    names: dict[str, int] = {"": 0}
    library: dict[str, Material] = {}
    vertices: list[list[float]] = []
    texels: list[list[float]] = [[0.0, 0.0]]  # stands for "no texture coordinate"
    corners: list[list[tuple[int, int]]] = []
    owners: list[int] = []
    current = 0
    for keyword, rest in _statements(path):
        if keyword == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif keyword == "vt":
            texels.append([float(x) for x in rest.split()[:2]])
        elif keyword == "f":
            polygon = [_corner(part, len(vertices), len(texels)) for part in rest.split()]
            for i in range(1, len(polygon) - 1):
                corners.append([polygon[0], polygon[i], polygon[i + 1]])
                owners.append(current)
        elif keyword == "usemtl":
            current = names.setdefault(rest, len(names))
        elif keyword == "mtllib":
            library |= read_materials(path.parent / rest)
    index = np.array(corners, dtype=np.int64).reshape(-1, 3, 2)
    materials = [library.get(name, Material()) for name in names]
    return Model(np.array(vertices), index[..., 0], np.array(texels)[index[..., 1]], np.array(owners), materials)


def _corner(part: str, vertices: int, texels: int) -> tuple[int, int]:
    """Vertex and texture indices of ``v``, ``v/vt``, ``v//vn`` or ``v/vt/vn``."""
    fields = part.split("/")
    texel = 0
    if len(fields) > 1 and fields[1]:
        value = int(fields[1])
        texel = value if value > 0 else texels + value
    return _index(fields[0], vertices), texel
