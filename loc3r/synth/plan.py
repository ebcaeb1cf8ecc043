"""A room being furnished: finds a place for one thing at a time and refuses what a person would not do.

Every placement keeps the room whole: nothing runs into anything, doors open, windows stay clear, and all main
furniture can be walked to. Methods return the object placed, or None where it fits nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from loc3r.synth.boxes import bottom_m, collides, in_front_of, inside_rectangle, inside_room, is_flat, top_m
from loc3r.synth.floor import Cells, Floor, blocks, doorstep, is_main
from loc3r.synth.furniture import FurnitureModel, FurniturePack, Placement, Split
from loc3r.synth.room import RoomObject
from loc3r.synth.walls import Wall, walls_of

TRIES = 8
"""Places tried for each of a class's models before giving up."""
SMALLEST_M2 = 0.014
"""A thing that shows less than this is a speck on the video: it is left out."""
ODD_MODELS = frozenset(
    {
        "blendswap-cc-0/highCabinet",  # a wardrobe with an oven in it
        "blendswap-cc-0/islandExtension",
        "blendswap-cc-0/upperShelves",
        "blendswap-cc-by/workbench",  # its top is a shelf at 1.7 m
        "scopia/bar_table",
        "scopia/hospital-bed",
        "scopia/table3",
    }
)
"""Models that look wrong where their class goes, in any room."""


class Unfit(Exception):
    """This attempt at a room lacks a piece that its kind needs."""


class Plan:
    """A room of ``size_m`` whose structure and openings stand, to be furnished with models of one split."""

    def __init__(
        self,
        size_m: tuple[float, float, float],
        shell: Iterable[RoomObject],
        clear: Iterable[RoomObject],
        pack: FurniturePack,
        split: Split,
        rng: np.random.Generator,
        limit: int,
        avoid: frozenset[str] = frozenset(),
    ) -> None:
        self.size_m, self.pack, self.split, self.rng, self.limit = size_m, pack, split, rng, limit
        self.avoid = ODD_MODELS | avoid
        self.things = list(shell)
        self.clear = list(clear)
        """Boxes of air that must stay empty: in front of doors and windows."""
        self.walls = walls_of(size_m)
        self.floor = Floor(size_m)
        self._access: dict[int, Cells] = {}
        self._free = self.floor.open.copy()

    @property
    def furniture(self) -> list[RoomObject]:
        """What has been placed."""
        return [thing for thing in self.things if thing.kind == "furniture"]

    # --- choosing

    def maybe(self, probability: float) -> bool:
        """True with that probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A number in that range."""
        return float(self.rng.uniform(low, high))

    def pick(self, *names: str, count: int = 1) -> list[str]:
        """So many of those names, in random order."""
        return [str(name) for name in self.rng.permutation(names)[:count]]

    def models(self, name: str, placement: Placement = "floor", widest_m: float = 9.0) -> list[FurnitureModel]:
        """The models of a class that may be used here, in random order."""
        found = [
            model
            for model in self.pack.candidates(name, self.split, placement)
            if model.model_id not in self.avoid and model.size_m[0] <= widest_m and _shows(model)
        ]
        return [found[i] for i in self.rng.permutation(len(found))]

    def wall_behind(self, thing: RoomObject) -> Wall:
        """The wall that a thing has its back to."""
        return max(self.walls, key=lambda wall: math.cos(wall.facing_rad - thing.yaw_rad))

    def wall_opposite(self, thing: RoomObject) -> Wall:
        """The wall that a thing looks at."""
        return min(self.walls, key=lambda wall: math.cos(wall.facing_rad - thing.yaw_rad))

    # --- placing on the floor

    def against_wall(
        self,
        *names: str,
        walls: Sequence[Wall] = (),
        at: str = "any",
        widest_m: float = 9.0,
        near_m: float | None = None,
    ) -> RoomObject | None:
        """Back to a wall: ``at`` "any" place, the "middle" or a "corner"; or at about ``near_m`` along it."""
        for name in self.rng.permutation(names):
            for model in self.models(str(name), widest_m=widest_m)[:4]:
                for _ in range(TRIES):
                    choices = walls or self.walls
                    wall = choices[int(self.rng.integers(len(choices)))]
                    room_m = wall.length_m - model.size_m[0]
                    if room_m < 0:
                        continue
                    place = self._along(room_m, at) if near_m is None else near_m - model.size_m[0] / 2
                    along = min(max(place + self.between(-0.05, 0.05), 0.0), room_m) + model.size_m[0] / 2
                    x, y = wall.point(along, model.size_m[1] / 2 + self.between(0.005, 0.03))
                    if thing := self.put(model, x, y, wall.facing_rad):
                        return thing
        return None

    def _along(self, room_m: float, at: str) -> float:
        if at == "corner":
            return self.between(0, 0.06) if self.maybe(0.5) else room_m - self.between(0, 0.06)
        if at == "middle":
            return room_m * self.between(0.35, 0.65)
        return room_m * self.between(0, 1)

    def in_corner(self, *names: str) -> RoomObject | None:
        """A small thing in a corner of the room, turned a little."""
        for name in self.rng.permutation(names):
            for model in self.models(str(name))[:3]:
                reach = max(model.size_m[:2]) / 2 + 0.03
                for i in self.rng.permutation(4):
                    wall, start = self.walls[i], self.maybe(0.5)
                    x, y = wall.point(reach if start else wall.length_m - reach, reach)
                    if thing := self.put(model, x, y, wall.facing_rad + self.between(-0.3, 0.3)):
                        return thing
        return None

    def in_middle(self, name: str, widest_m: float = 9.0) -> RoomObject | None:
        """Near the middle of the room, along its longer side."""
        width, depth = self.size_m[:2]
        for model in self.models(name, widest_m=widest_m)[:5]:
            for _ in range(TRIES):
                x, y = width * self.between(0.38, 0.62), depth * self.between(0.38, 0.62)
                across = (width > depth) == (model.size_m[0] > model.size_m[1])
                yaw = (math.pi / 2 if across else 0.0) + (math.pi if self.maybe(0.5) else 0.0)
                if thing := self.put(model, x, y, yaw):
                    return thing
        return None

    def before(self, anchor: RoomObject, name: str, gap_m: tuple[float, float], facing: bool) -> RoomObject | None:
        """In front of a thing and centred on it; facing it, or turned the same way."""
        for model in self.models(name, widest_m=max(anchor.size_m[0], 0.8))[:4]:
            for _ in range(TRIES // 2):
                out = anchor.size_m[1] / 2 + self.between(*gap_m) + model.size_m[1] / 2
                slack = max(anchor.size_m[0] - model.size_m[0], 0) * 0.15
                x, y = in_front_of(anchor, out, self.between(-slack, slack))
                jitter = self.between(-0.1, 0.1) if facing else 0.0
                if thing := self.put(model, x, y, anchor.yaw_rad + jitter + (math.pi if facing else 0.0)):
                    return thing
        return None

    def beside(self, anchor: RoomObject, *names: str, model: FurnitureModel | None = None) -> RoomObject | None:
        """To the left or right of a thing, backs in line."""
        for name in self.rng.permutation(names):
            for chosen in [model] if model else self.models(str(name))[:3]:
                for side in self.rng.permutation([-1, 1]):
                    across = (anchor.size_m[0] + chosen.size_m[0]) / 2 + self.between(0.03, 0.1)
                    x, y = in_front_of(anchor, (chosen.size_m[1] - anchor.size_m[1]) / 2, side * across)
                    if thing := self.put(chosen, x, y, anchor.yaw_rad):
                        return thing
        return None

    def around(self, table: RoomObject, name: str, count: int, sides: int = 4) -> list[RoomObject]:
        """Seats of one model drawn up to a table, facing it; ``sides`` 2 leaves its ends free."""
        models = self.models(name, widest_m=0.75)
        placed: list[RoomObject] = []
        for out_rad, across in self._seats(table, sides):
            if len(placed) == count or not models:
                break
            model, turn = models[0], table.yaw_rad + out_rad
            half = abs(math.cos(out_rad)) * table.size_m[1] / 2 + abs(math.sin(out_rad)) * table.size_m[0] / 2
            out = half + self.between(0.03, 0.09) + model.size_m[1] / 2
            x = table.center_m[0] + math.cos(turn) * out - math.sin(turn) * across
            y = table.center_m[1] + math.sin(turn) * out + math.cos(turn) * across
            if thing := self.put(model, x, y, turn + math.pi + self.between(-0.06, 0.06)):
                placed.append(thing)
        return placed

    def _seats(self, table: RoomObject, sides: int) -> list[tuple[float, float]]:
        """(direction out of the table, metres across) of each seat, the long sides first."""
        width, depth = table.size_m[:2]
        edges = [(0.0, width), (math.pi, width), (math.pi / 2, depth), (-math.pi / 2, depth)]
        edges.sort(key=lambda edge: -edge[1])
        seats = []
        for out_rad, length in edges[:sides]:
            fits = min(max(int((length - 0.05) / 0.62), 1), 3)
            seats += [(i, out_rad, length * ((i + 0.5) / fits - 0.5)) for i in range(fits)]
        if self.maybe(0.6):  # opposite places first, otherwise one side after the other
            seats.sort(key=lambda seat: seat[0])
        return [(out_rad, across) for _, out_rad, across in seats]

    def facing(self, anchor: RoomObject, name: str) -> RoomObject | None:
        """A seat at the end of a thing in the room, turned towards it."""
        for model in self.models(name)[:4]:
            for _ in range(TRIES):
                side = 1 if self.maybe(0.5) else -1
                out = (anchor.size_m[0] + model.size_m[1]) / 2 + self.between(0.3, 0.6)
                x, y = in_front_of(anchor, self.between(-0.2, 0.3), side * out)
                yaw = math.atan2(anchor.center_m[1] - y, anchor.center_m[0] - x)
                if thing := self.put(model, x, y, yaw + self.between(-0.15, 0.15)):
                    return thing
        return None

    def rug(self, under: RoomObject | None = None) -> RoomObject | None:
        """A rug under a thing, or on the free floor."""
        for model in self.models("rug"):
            if under and model.size_m[0] * model.size_m[1] < under.size_m[0] * under.size_m[1]:
                continue  # a doormat
            for _ in range(TRIES):
                share = self.rng.uniform(0.25, 0.75, 2) * self.size_m[:2]
                x, y = under.center_m[:2] if under else share
                yaw = (under or self.things[0]).yaw_rad + (0 if model.size_m[0] >= model.size_m[1] else math.pi / 2)
                if thing := self.put(model, float(x), float(y), yaw):
                    return thing
        return None

    def run(self, names: Sequence[str]) -> list[RoomObject]:
        """Units side by side along one wall, as in a kitchen; the longest part of it that fits."""
        models = [found[0] for name in names if (found := self.models(name))]
        for length in range(len(models), 1, -1):
            for i in self.rng.permutation(4):
                for at_end in self.rng.permutation([True, False]):
                    if placed := self._row(models[:length], self.walls[i], bool(at_end)):
                        return placed
        return []

    def _row(self, models: Sequence[FurnitureModel], wall: Wall, at_end: bool) -> list[RoomObject]:
        total = sum(model.size_m[0] for model in models)
        before = len(self.things)
        along = wall.length_m - total - 0.03 if at_end else 0.03
        for model in models if along >= 0 else []:
            x, y = wall.point(along + model.size_m[0] / 2, model.size_m[1] / 2 + 0.01)
            if not self.put(model, x, y, wall.facing_rad):
                break
            along += model.size_m[0] + 0.003
        if len(self.things) - before == len(models):
            return self.things[before:]
        self._forget(before)
        return []

    # --- placing on things, on walls and under the ceiling

    def on(self, support: RoomObject | None, *names: str, at: str = "any", facing: bool = True) -> RoomObject | None:
        """On top of a thing that holds things: "any" where, in the "middle" or at the "back"."""
        model = self.pack.by_id(support.model_id) if support and support.model_id else None
        if support is None or model is None or model.top_m is None or model.top_area_m is None:
            return None
        for name in self.rng.permutation(names):
            for item in self.models(str(name), "top")[:4]:
                for _ in range(TRIES):
                    turn = self.between(-0.15, 0.15) if facing else self.between(-math.pi, math.pi)
                    forward, left = self._on_area(model.top_area_m, item, turn, at)
                    x, y = in_front_of(support, forward, left)
                    z = bottom_m(support) + model.top_m
                    thing = self._box(item, x, y, support.yaw_rad + turn, z, support.object_id)
                    if inside_rectangle(thing, support, model.top_area_m) and self._keep(thing):
                        return thing
        return None

    def _on_area(
        self, area_m: tuple[float, float, float, float], item: FurnitureModel, turn_rad: float, at: str
    ) -> tuple[float, float]:
        cos, sin = abs(math.cos(turn_rad)), abs(math.sin(turn_rad))
        half = (item.size_m[1] * cos + item.size_m[0] * sin) / 2, (item.size_m[0] * cos + item.size_m[1] * sin) / 2
        low = area_m[0] + half[0], area_m[1] + half[1]
        high = max(area_m[2] - half[0], low[0]), max(area_m[3] - half[1], low[1])
        share = {"middle": (0.5, 0.5), "back": (self.between(0.1, 0.35), self.between(0.3, 0.7))}.get(at)
        share = share or (self.between(0.05, 0.95), self.between(0.03, 0.97))
        return low[0] + share[0] * (high[0] - low[0]), low[1] + share[1] * (high[1] - low[1])

    def on_wall(
        self,
        *names: str,
        over: RoomObject | None = None,
        walls: Sequence[Wall] = (),
        near_m: float | None = None,
        bottom: float = 1.4,
    ) -> RoomObject | None:
        """Hung on a wall at the model's own height or at ``bottom``: over a thing, or about ``near_m`` along."""
        for name in self.rng.permutation(names):
            for model in self.models(str(name), "wall")[:3]:
                for _ in range(TRIES):
                    choices = [self.wall_behind(over)] if over else (walls or self.walls)
                    wall = choices[int(self.rng.integers(len(choices)))]
                    half = model.size_m[0] / 2
                    along = self.between(half, max(wall.length_m - half, half))
                    if near_m is not None:
                        along = near_m + self.between(-0.4, 0.4)
                    if over is not None:
                        along = wall.position_m(over)
                    x, y = wall.point(along, model.size_m[1] / 2 + 0.004)
                    lowest = top_m(over) + 0.05 if over else 0.0
                    z = min(max(model.elevation_m or bottom, lowest), self.size_m[2] - model.size_m[2] - 0.02)
                    thing = self._box(model, x, y, wall.facing_rad, z, None)
                    if self._in_sight(thing) and self._keep(thing):
                        return thing
        return None

    def _in_sight(self, hung: RoomObject) -> bool:
        """Nothing stands right before it."""
        air = replace(hung, size_m=(hung.size_m[0], hung.size_m[1] + 0.5, hung.size_m[2]))
        return not collides(air, (t for t in self.things if t.kind != "structure"))

    def under_ceiling(self, name: str, over: RoomObject | None = None) -> RoomObject | None:
        """Hung from the ceiling over a thing, or in the middle of the room above people's heads."""
        for model in self.models(name, "ceiling"):
            z = self.size_m[2] - model.size_m[2]
            if z < (1.45 if over else 1.9):
                continue
            x, y = over.center_m[:2] if over else (self.size_m[0] / 2, self.size_m[1] / 2)
            thing = self._box(model, x, y, self.rng.integers(4) * math.pi / 2, z, None)
            if self._keep(thing):
                return thing
        return None

    # --- the rules

    def put(self, model: FurnitureModel, x_m: float, y_m: float, yaw_rad: float) -> RoomObject | None:
        """Stand a model on the floor at a place, if every rule allows it."""
        thing = self._box(model, x_m, y_m, yaw_rad, model.elevation_m, None)
        return thing if self._keep(thing) else None

    def _box(
        self, model: FurnitureModel, x_m: float, y_m: float, yaw_rad: float, bottom: float, support_id: int | None
    ) -> RoomObject:
        z = bottom + model.size_m[2] / 2
        yaw = (yaw_rad + math.pi) % (2 * math.pi) - math.pi
        number = len(self.things) + 1
        return RoomObject(
            number, model.name, "furniture", (round(x_m, 4), round(y_m, 4), round(z, 4)), model.size_m,
            round(yaw, 4), model.model_id, support_id,
        )  # fmt: skip

    def _keep(self, thing: RoomObject) -> bool:
        """Add the thing if there is room for it and all can still be reached."""
        if len(self.furniture) >= self.limit or not inside_room(thing, self.size_m):
            return False
        if collides(thing, (t for t in self.things if t.kind != "structure")):
            return False
        if not is_flat(thing) and thing.support_id is None and collides(thing, self.clear):
            return False
        if blocks(thing) and thing.support_id is None and not self._reachable_with(thing):
            return False
        self.things.append(thing)
        return True

    def _reachable_with(self, thing: RoomObject) -> bool:
        """Whether one can walk from the first door to all doors and main furniture once the thing stands."""
        free = self._free & ~self.floor.taken_by(thing)
        doors = [doorstep(t) for t in self.things if t.name == "door"]
        within = self.floor.connected(free, doors[0])
        access = self._access | ({thing.object_id: self.floor.access(thing)} if is_main(thing) else {})
        if not all(within[self.floor.cell_at(place)] for place in doors):
            return False
        if not all((within & cells).any() for cells in access.values()):
            return False
        self._free, self._access = free, access
        return True

    def _forget(self, count: int) -> None:
        """Take away all but the first ``count`` things."""
        gone = {thing.object_id for thing in self.things[count:]}
        self.things = self.things[:count]
        self._access = {number: cells for number, cells in self._access.items() if number not in gone}
        self._free = self.floor.free(self.things)


def _shows(model: FurnitureModel) -> bool:
    """Whether the thing is large enough to be recognised across a room."""
    width, depth, height = model.size_m
    return max(width * height, 0.5 * width * depth) >= SMALLEST_M2
