"""Build the furniture pack that Loc3R ships, from Debian's furniture library for Sweet Home 3D.

    apt install sweethome3d-furniture          # or unpack the .deb anywhere and pass --source
    python scripts/build_furniture_pack.py --source /usr/share/sweethome3d/furniture --out loc3r/synth/pack

It takes about four minutes on one core and gives the same bytes each time. Per model: read the OBJ file, turn
it as the catalogue says, simplify it, bake textures and material colours into one colour a face (splitting
faces where the texture changes), find its colour word and the surface that things may stand on, compress.
``furniture_classes.yaml`` says which model is which thing. Members of the families in ``parametric`` join the
models for training; they are not counted when the others are dealt out to training and test.
Writes models.json, meshes.bin and ATTRIBUTION.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from own_models import ELEVATION_CM, OWN
from parametric import ELEVATION_CM as DRAWN_ELEVATION_CM
from parametric import MAKERS, Maker
from rich.progress import track
from scipy.spatial import cKDTree
from simplify import normals_of, simplify, weld
from wavefront import GLASS_ALPHA, Floats, Ints, Model, read_obj

from loc3r.files import write_bytes, write_text
from loc3r.synth.colour import colour_word, seen_areas
from loc3r.synth.furniture import GLASS, FurnitureModel, encode_mesh

LICENCES = {
    "blendswap-cc-0": "CC0 1.0",
    "blendswap-cc-by": "CC BY 3.0",
    "katorlegaz": "CC BY 3.0 US",
    "scopia": "CC BY 3.0",
    "loc3r": "CC0 1.0",
    "parametric": "CC0 1.0",
}
URLS = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 3.0 US": "https://creativecommons.org/licenses/by/3.0/us/",
}
HOMES = {
    "blendswap-cc-0": "www.blendswap.com",
    "blendswap-cc-by": "www.blendswap.com",
    "katorlegaz": "www.katorlegaz.com",
    "scopia": "www.sweethome3d.com",
    "loc3r": "this project",
    "parametric": "this project",
}
ARCHIVES = ("BlendSwap-CC-0", "BlendSwap-CC-BY", "KatorLegaz", "Scopia")
PANE_KEY = np.array([1.0, 0.0, 1.0])
"""Marks window panes while colours are mixed; nothing else is magenta. They leave as ``GLASS``."""
SAMPLES = 60_000
"""Points at which a model's surface is sampled for colour."""
FEW, DRAWN_OF_FEW, DRAWN_OF_MANY = 3, 9, 6
"""A class with no more than ``FEW`` models to train on gets more drawn ones than the others."""


@dataclass
class Entry:
    """A catalogue entry that made it into the table of classes."""

    model_id: str
    row: dict[str, str]
    variant: str
    placement: str
    holds: bool
    own: Model | None = None
    """The model where it is ours and in no file."""

    @property
    def name(self) -> str:
        """The class, without the remark in brackets."""
        return self.variant.partition(" (")[0]

    @property
    def library(self) -> str:
        """Where the model comes from: "scopia", "parametric"."""
        return self.model_id.partition("/")[0]

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Width, depth, height as the catalogue says, in metres."""
        width, depth, height = (max(float(self.row[k]) / 100, 0.004) for k in ("width", "depth", "height"))
        return round(width, 4), round(depth, 4), round(height, 4)

    @property
    def face_budget(self) -> int:
        """Small things are seen small."""
        longest = max(self.size_m)
        return 900 if longest < 0.25 else 1700 if longest < 0.6 else 2500


def read_catalogue(folder: Path) -> dict[str, dict[str, str]]:
    """Catalogue rows by model id ("scopia/bed1") from the unpacked archives."""
    catalogue = {}
    for archive in ARCHIVES:
        rows: dict[str, dict[str, str]] = defaultdict(dict)
        text = (folder / archive / "PluginFurnitureCatalog.properties").read_text(encoding="latin-1")
        for key, number, value in re.findall(r"^([A-Za-z]+)#(\d+)=(.*?)\s*$", text, re.MULTILINE):
            rows[number][key] = value
        for row in rows.values():
            row["path"] = str(folder / archive / row["model"].lstrip("/"))
            library = row["model"].split("/")[1]
            catalogue[f"{library}/{row['id'].split('#')[1]}"] = row
    return catalogue


def read_entries(table: Path, catalogue: dict[str, dict[str, str]]) -> list[Entry]:
    """The catalogue rows that the table of classes names and our own models, in the table's order."""
    entries = []
    for variant, about in yaml.safe_load(table.read_text()).items():
        rules = (variant, about.get("placement", "floor"), about.get("holds", False))
        for library, names in about.get("models", {}).items():
            for name in names.split():
                entries.append(Entry(f"{library}/{name}", catalogue[f"{library}/{name}"], *rules))
        for name, model in OWN.get(variant, dict)().items():
            entries.append(
                Entry(f"loc3r/{name}", own_row(name, model, ELEVATION_CM.get(variant, 0.0)), *rules, own=model)
            )
    return entries


def draw_entries(entries: list[Entry], splits: dict[str, str], makers: Mapping[str, Maker] = MAKERS) -> list[Entry]:
    """Members of the families of ``parametric``, by rules of their class; each has a seed of its own."""
    first = {entry.variant: entry for entry in reversed(entries)}
    known = Counter(entry.variant for entry in entries if splits[entry.model_id] == "train")
    drawn = []
    for variant, make in makers.items():
        rules = (variant, first[variant].placement, first[variant].holds)
        for number in range(1, (DRAWN_OF_FEW if known[variant] <= FEW else DRAWN_OF_MANY) + 1):
            name = f"{re.sub(r'[^a-z]+', '_', variant).strip('_')}_{number:02d}"
            model = make(np.random.default_rng([number, *variant.encode()]))
            drawn.append(
                Entry(
                    f"parametric/{name}", own_row(name, model, DRAWN_ELEVATION_CM.get(variant, 0.0)), *rules, own=model
                )
            )
    return drawn


def own_row(name: str, model: Model, elevation_cm: float) -> dict[str, str]:
    """What the catalogue would say of one of our own models."""
    width, height, depth = np.ptp(model.vertices, axis=0)
    row = {"width": width, "depth": depth, "height": height, "elevation": elevation_cm}
    about = {"name": name.rstrip("_0123456789").replace("_", " ").capitalize(), "creator": "Loc3R contributors"}
    return {key: str(value) for key, value in row.items()} | about


def choose_splits(entries: list[Entry]) -> dict[str, str]:
    """ "train" or "test" by model id: a quarter of each variant's models, in an order set by their names' hash.

    Two models give one to each; a single one is for training only.
    """
    splits = {}
    variants: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        variants[entry.variant].append(entry.model_id)
    for ids in variants.values():
        ids.sort(key=lambda i: hashlib.sha256(i.encode()).digest())
        tests = 0 if len(ids) == 1 else max(1, round(len(ids) / 4))
        splits |= {model_id: "test" if i < tests else "train" for i, model_id in enumerate(ids)}
    return splits


def normalise(model: Model, row: dict[str, str]) -> Floats:
    """Vertices (V, 3) turned as the catalogue says, in our axes, fitted to the cube [-1, 1]."""
    points = model.vertices
    if "modelRotation" in row:
        points = points @ np.array(row["modelRotation"].split(), float).reshape(3, 3).T
    used = points[np.unique(model.faces)]
    low, high = used.min(0), used.max(0)
    cube = (points - (low + high) / 2) / np.maximum(high - low, 1e-9) * 2
    return cube[:, [2, 0, 1]]  # the file's front is +z, its right +x, up +y; ours: front +x, left +y, up +z


class Surface:
    """The original surface as points that know their colour; answers what colour is nearest to a place."""

    def __init__(self, model: Model, vertices: Floats, faces: Ints, source: Ints) -> None:
        rng = np.random.default_rng(0)
        normals, areas = normals_of(vertices, faces)
        chosen = rng.choice(len(faces), SAMPLES, p=areas / areas.sum())
        chosen = np.concatenate([np.arange(len(faces)), chosen])  # every face at least once
        weights = rng.dirichlet(np.ones(3), len(chosen))
        weights[: len(faces)] = 1 / 3
        points = np.einsum("nk,nkc->nc", weights, vertices[faces[chosen]])
        self.rgba = model.colour_at(source[chosen], weights)
        self.tree = cKDTree(np.hstack([points, 0.02 * normals[chosen]]))

    def colours(self, vertices: Floats, faces: Ints, points: int = 12) -> tuple[Floats, Floats]:
        """Mean RGBA (F, 4) of each face and how much it varies inside the face (F,)."""
        weights = np.random.default_rng(1).dirichlet(np.ones(3), points)
        places = np.einsum("pk,fkc->fpc", weights, vertices[faces])
        normals = np.repeat(normals_of(vertices, faces)[0][:, None], points, 1)
        _, index = self.tree.query(np.concatenate([places, 0.02 * normals], -1).reshape(-1, 6))
        rgba = self.rgba[index].reshape(len(faces), points, 4)
        return rgba.mean(1), rgba.std(1).mean(1)


def split_longest_edge(vertices: Floats, faces: Ints, which: Ints) -> tuple[Floats, Ints]:
    """Halve the faces ``which`` across their longest edge; the rest come first."""
    corners = vertices[faces[which]]
    longest = np.linalg.norm(corners - np.roll(corners, -1, 1), axis=2).argmax(1)
    a, b, c = (faces[which, (longest + i) % 3] for i in range(3))
    middle = len(vertices) + np.arange(len(which))
    vertices = np.vstack([vertices, (vertices[a] + vertices[b]) / 2])
    rest = np.delete(faces, which, 0)
    return vertices, np.vstack([rest, np.stack([a, middle, c], 1), np.stack([middle, b, c], 1)])


def bake(surface: Surface, vertices: Floats, faces: Ints, budget: int) -> tuple[Floats, Ints, Floats]:
    """Split faces where the colour changes most until the budget is used; (vertices, faces, RGBA (F, 4))."""
    while True:
        rgba, spread = surface.colours(vertices, faces)
        worth = spread * normals_of(vertices, faces)[1]
        room = min(budget - len(faces), max(32, len(faces) // 3))
        worst = np.argsort(-worth)[: max(room, 0)]
        worst = worst[(worth[worst] > 2e-4) & (spread[worst] > 0.03)]
        if not len(worst):
            solid = rgba[:, 3] > 0.4  # leaves and such are cut out of their cards
            return vertices, faces[solid], rgba[solid]
        vertices, faces = split_longest_edge(vertices, faces, worst)


def table_top(points_m: Floats, faces: Ints) -> tuple[float, tuple[float, ...]] | None:
    """Height above the underside and (min x, min y, max x, max y) of the largest free level rectangle."""
    low, high = points_m.min(0), points_m.max(0)
    cells = 32
    grid = [np.linspace(low[i], high[i], cells + 1) for i in range(2)]
    centres = np.meshgrid(*[(g[1:] + g[:-1]) / 2 for g in grid], indexing="ij")
    origins = np.stack([*centres, np.full((cells, cells), high[2] + 0.1)], -1).reshape(-1, 3).astype(np.float32)
    scene = EmbreeScene()
    TriangleMesh(scene, points_m[faces].astype(np.float32))
    down = np.tile(np.float32([0, 0, -1]), (len(origins), 1))
    distance = np.asarray(scene.run(origins, down, query="DISTANCE")).reshape(cells, cells)
    heights = np.where(distance < 1e6, high[2] + 0.1 - distance, -1)
    best: tuple[int, float, tuple[int, int, int, int]] = (0, 0.0, (0, 0, 0, 0))
    for level in np.unique(np.round(heights[heights > low[2] + 0.2], 2)):
        area, box = largest_rectangle(np.abs(heights - level) < 0.012)
        best = max(best, (area, float(level), box))
    area, level, (r0, c0, r1, c1) = best
    if area < 0.12 * cells * cells:
        return None
    level = float(np.median(heights[r0:r1, c0:c1]))
    return level - float(low[2]), tuple(float(g[i]) for i, g in zip((r0, c0, r1, c1), (*grid, *grid), strict=True))


def largest_rectangle(free: NDArray[np.bool_]) -> tuple[int, tuple[int, int, int, int]]:
    """Area and (row0, column0, row1, column1) of the largest all-true rectangle."""
    best = (0, (0, 0, 0, 0))
    for top in range(len(free)):
        open_columns = np.ones(free.shape[1], bool)
        for bottom in range(top, len(free)):
            open_columns &= free[bottom]
            edges = np.flatnonzero(np.diff(np.concatenate([[0], open_columns, [0]])))
            for start, end in edges.reshape(-1, 2):
                area = int((end - start) * (bottom + 1 - top))
                best = max(best, (area, (top, int(start), bottom + 1, int(end))))
    return best


def tint_glass(model: Model, opening: bool) -> None:
    """Give transparent materials an opaque colour: that of glass, or in doors and windows the panes' key."""
    for material in model.materials:
        if material.opacity < GLASS_ALPHA:
            mixed = material.opacity * material.colour + (1 - material.opacity) * np.array(GLASS) / 255
            material.colour, material.texture = PANE_KEY if opening else mixed, None


def without_key(rgba: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Take the panes' key out of mixed colours (F, 4): the rest's colour, and which faces are mostly pane (F,)."""
    share = np.clip(np.minimum(rgba[:, 0], rgba[:, 2]) - rgba[:, 1], 0, 0.99)[:, None]
    rest = np.clip((rgba[:, :3] - share * PANE_KEY) / (1 - share), 0, 1)
    return np.hstack([rest, rgba[:, 3:]]), share[:, 0] > 0.5


def coloured_mesh(entry: Entry, model: Model) -> tuple[Floats, Ints, Floats]:
    """Vertices in true proportions, faces and their RGBA (F, 4): within the budget, textures baked in."""
    vertices, faces, source = weld(normalise(model, entry.row), model.faces)
    width, depth, height = entry.size_m
    size = np.array([depth, width, height])
    vertices = vertices * (size / size.max())
    if entry.library == "parametric":  # of few faces, each of one colour
        return vertices, faces, model.colour_at(source, np.full((len(source), 3), 1 / 3))
    surface = Surface(model, vertices, faces, source)
    textured = any(m.texture is not None for m in model.materials)
    target = int(entry.face_budget * (0.7 if textured else 1.0))
    return bake(surface, *simplify(vertices, faces, target), entry.face_budget)


def build(entry: Entry, split: str) -> tuple[FurnitureModel, bytes]:
    """One model, ready to be packed."""
    model = entry.own or read_obj(Path(entry.row["path"]))
    tint_glass(model, entry.placement == "opening")
    vertices, faces, rgba = coloured_mesh(entry, model)
    width, depth, height = entry.size_m
    size = np.array([depth, width, height])
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    vertices = vertices[used]
    low, high = vertices.min(0), vertices.max(0)
    cube = (vertices - (low + high) / 2) / np.maximum(high - low, 1e-9) * 2
    is_pane = np.zeros(len(faces), bool)
    if entry.placement == "opening":
        rgba, is_pane = without_key(rgba)
    colours = np.minimum(np.rint(rgba[:, :3] * 255 / 4) * 4, 255).astype(np.uint8)  # steps of 4 compress well
    colours[is_pane] = GLASS
    top = table_top(cube * size / 2, faces) if entry.holds else None
    about = FurnitureModel(
        model_id=entry.model_id, name=entry.name, size_m=entry.size_m,
        colour=colour_word(colours.astype(float), seen_areas(cube * size / 2, faces)),
        split=split, placement=entry.placement, elevation_m=float(entry.row.get("elevation", 0)) / 100,
        top_m=round(top[0], 4) if top else None,
        top_area_m=tuple(round(x, 4) for x in top[1]) if top else None,
        creator=entry.row["creator"].encode("latin-1").decode("unicode_escape"),
        licence=LICENCES[entry.library],
    )  # fmt: skip
    return about, encode_mesh(cube, faces, colours)


def source_url(entry: Entry) -> str:
    """The page that the model's own licence file names, or its library's."""
    folder = Path(entry.row.get("path", "")).parent
    notes = [p for p in sorted(folder.glob("*")) if p.suffix.lower() in (".txt", ".html")] if entry.own is None else []
    found = [re.search(r"blendswap\.com/blends/view/\d+", note.read_text(errors="replace")) for note in notes]
    pages = [f"www.{match[0]}" for match in found if match]
    return pages[0] if pages else HOMES[entry.library]


def attribution(built: list[tuple[Entry, FurnitureModel]]) -> str:
    """The notice that the licences ask for: every model, its creator, its source, its licence, what was changed."""
    lines = [
        "# Furniture models: creators and licences", "",
        "Most models in this folder come from the furniture libraries of Sweet Home 3D (www.sweethome3d.com),",
        "as packaged by Debian in `sweethome3d-furniture`. They were simplified, their textures and materials were",
        "reduced to one colour a face, and they were re-encoded by `scripts/build_furniture_pack.py`.",
        "The creators do not endorse this project. Models under `loc3r/` and `parametric/` are our own",
        "(`scripts/own_models.py`, `scripts/parametric`).", "",
        *[f"- {name}: {url}" for name, url in URLS.items()], "",
        "| model | title | creator | licence | source |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for entry, model in built:
        cells = (model.model_id, entry.row["name"], model.creator, model.licence, source_url(entry))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--source", type=click.Path(exists=True, path_type=Path), default="/usr/share/sweethome3d/furniture")
@click.option("--out", type=click.Path(path_type=Path), default="loc3r/synth/pack")
def main(source: Path, out: Path) -> None:
    """Build the pack from a folder of .sh3f archives."""
    with tempfile.TemporaryDirectory() as temporary:
        for archive in ARCHIVES:
            zipfile.ZipFile(source / f"{archive}.sh3f").extractall(Path(temporary) / archive)
        catalogue = read_catalogue(Path(temporary))
        entries = read_entries(Path(__file__).with_name("furniture_classes.yaml"), catalogue)
        splits = choose_splits(entries)
        drawn = draw_entries(entries, splits)
        splits |= {entry.model_id: "train" for entry in drawn}
        entries += drawn
        entries.sort(key=lambda entry: entry.model_id)
        built = [build(entry, splits[entry.model_id]) for entry in track(entries, "models")]
        notice = attribution(list(zip(entries, [model for model, _ in built], strict=True)))
    rows: list[dict[str, Any]] = []
    offset = 0
    for model, data in built:
        rows.append(asdict(model) | {"span": [offset, len(data)]})
        offset += len(data)
    write_bytes(out / "meshes.bin", b"".join(data for _, data in built))
    write_text(out / "models.json", "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    write_text(out / "ATTRIBUTION.md", notice)
    click.echo(f"{len(built)} models in {len({m.name for m, _ in built})} classes, {offset / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
