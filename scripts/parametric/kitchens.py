"""Kitchen units: those that stand under a worktop, and those that hang on the wall at ``ELEVATION_CM``."""

from __future__ import annotations

import numpy as np
from own_models import RGB
from wavefront import Model

from parametric.parts import (
    BLACKS,
    METALS,
    PAINTS,
    WHITES,
    WOODS,
    Handle,
    Parts,
    chance,
    pick,
    shade,
    tone,
)
from parametric.storage import Body, glass_doors


def kitchen_cabinet(rng: np.random.Generator) -> Model:
    """A unit to stand in a kitchen under its worktop: doors, drawers, or a drawer over a door."""
    build = Parts()
    width = float(pick(rng, (40.0, 50.0, 60.0, 60.0, 80.0, 90.0)))
    depth, height = float(rng.uniform(58, 64)), float(rng.uniform(85, 92))
    colour = tone(rng, WHITES, WHITES, WOODS, PAINTS)
    top = tone(rng, WOODS, BLACKS, WHITES, METALS, ((0.45, 0.45, 0.46), (0.7, 0.66, 0.6)))
    metal, z, high = tone(rng, METALS), depth - 4, height - 4
    build.box((0, 10, 0), (width, high, z), pick(rng, (colour, WHITES[0])))
    build.box((1, 0, 2), (width - 1, 10, z - 5), shade(colour, 0.35))
    build.box((0, high, 0), (width, height, depth), top)
    handle: Handle = pick(rng, ("bar", "knob", "long", "upright", "slot"))
    columns = 2 if width > 65 else 1
    kind, door_top = pick(rng, ("door", "drawers", "both", "open")), high
    if kind == "drawers":
        rows = int(rng.integers(2, 5))
        build.fronts((0, 10), (width, high), z, (rows, 1), colour, "bar" if handle == "upright" else handle, metal)
        return build.model()
    if kind == "both":
        door_top = high - 0.22 * (high - 10)
        build.fronts((0, door_top), (width, high), z, (1, columns), colour, "bar", metal)
    if kind == "open":
        build.box((2, 12, z), (width - 2, high - 2, z + 0.3), shade(colour, 0.55))
        for y in (10.0, 45.0):
            build.box((0, y, z), (width, y + 2, z + 2), colour)
            for x in np.arange(5, width - 12, 14):
                tall = float(rng.uniform(10, 24))
                build.box((x, y + 2, z), (x + 10, y + tall, z + 1.5), tone(rng, PAINTS, METALS))
        return build.model()
    build.fronts((0, 10), (width, door_top), z, (1, columns), colour, handle, metal, int(columns == 1))
    _panel_in_doors(build, rng, (0, 10), (width, door_top), z + 1.8, columns, colour)
    return build.model()


def _panel_in_doors(
    build: Parts, rng: np.random.Generator, low: tuple[float, float], high: tuple[float, float], z: float,
    columns: int, colour: RGB,
) -> None:  # fmt: skip
    """Now and then an inset panel in each door."""
    wide = (high[0] - low[0]) / columns
    inset = shade(colour, 0.88)
    for i in range(columns) if chance(rng, 0.45) else ():
        x0 = low[0] + i * wide
        build.box((x0 + 7, low[1] + 7, z), (x0 + wide - 7, high[1] - 7, z + 0.3), inset)


def wall_cabinet(rng: np.random.Generator) -> Model:
    """A kitchen cupboard that hangs on the wall: doors, glass doors or an open bay."""
    build = Parts()
    width = float(pick(rng, (40.0, 50.0, 60.0, 80.0, 90.0)))
    depth, height = float(rng.uniform(30, 38)), float(rng.uniform(55, 75))
    body = Body(width, depth, height, 0, tone(rng, WHITES, WHITES, WOODS, PAINTS), WHITES[0], tone(rng, METALS), "knob")
    body.front = pick(rng, (body.colour, shade(body.colour, 0.92)))
    columns, z = (2 if width > 55 else 1), depth - 2
    build.box((0, 0, 0), (width, height, z), body.colour)
    kind = pick(rng, ("doors", "doors", "glass", "open"))
    if kind == "glass":
        glass_doors(build, rng, (0, 0), (width, height), z, columns, body)
    elif kind == "open":
        middle = 0.35 * height
        build.fronts((0, middle), (width, height), z, (1, columns), body.front, "none")
        build.box((2, 2, z), (width - 2, middle - 1, z + 0.3), shade(body.colour, 0.5))
        for x in np.arange(5, width - 8, 11):
            build.box((x, 2, z), (x + 7, 2 + float(rng.uniform(6, 14)), z + 1.5), tone(rng, PAINTS))
    else:
        handle: Handle = pick(rng, ("upright", "knob", "none", "bar"))
        build.fronts((0, 0), (width, height), z, (1, columns), body.front, handle, body.metal, int(columns == 1))
        _panel_in_doors(build, rng, (0, 0), (width, height), z + 1.8, columns, body.front)
    if chance(rng, 0.25):
        build.box((0, height, 0), (width, height + 4, depth + 3), body.colour)
    return build.model()


MAKERS = {"kitchen cabinet": kitchen_cabinet, "kitchen cabinet (wall)": wall_cabinet}
ELEVATION_CM = {"kitchen cabinet (wall)": 140.0}
