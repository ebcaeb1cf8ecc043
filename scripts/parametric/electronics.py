"""Screens, computers and what stands near them. Wall things hang at ``ELEVATION_CM``."""

from __future__ import annotations

import numpy as np
from own_models import RGB, Painting, desktop, landscape
from wavefront import Model

from parametric.parts import BLACKS, WHITES, WOODS, Point, chance, pick, shade, tone
from parametric.shapes import BRIGHTS, STEELS, TO_FRONT, Maker, Sculptor, spin

OFF: RGB = (0.05, 0.055, 0.07)


def picture_on(rng: np.random.Generator, shows: float) -> Painting | None:
    """What a screen shows, if it is on."""
    if not chance(rng, shows):
        return None
    return desktop(rng) if chance(rng, 0.5) else landscape(rng)[::5, ::5]


def screen(build: Sculptor, low: Point, high: Point, body: RGB, shown: Painting | None, bezel: float = 1.5) -> None:
    """A flat box with a screen on its front."""
    (x0, y0, _), (x1, y1, z1) = low, high
    build.box(low, high, body)
    x0, y0, x1, y1 = x0 + bezel, y0 + bezel, x1 - bezel, y1 - bezel
    inner = np.array([(x0, y0, z1), (x1, y0, z1), (x1, y1, z1), (x0, y1, z1)]) + np.array([0, 0, 0.25])
    build.quad(inner[0], inner[1], inner[2], inner[3], build.material(OFF, shown))


def keyboard(build: Sculptor, low: Point, size: tuple[float, float], colour: RGB, keys: RGB) -> None:
    """A flat board with rows of keys; ``size`` is its width and depth."""
    (x, y, z), (width, deep) = low, size
    build.box(low, (x + width, y + 1.5, z + deep), colour)
    rows = 5
    for row in range(rows):
        z0 = z + 0.8 + row * (deep - 1.4) / rows
        build.box(
            (x + 0.8, y + 1.4, z0),
            (x + width * (0.75 if row % 2 else 0.98), y + 2, z0 + (deep - 1.4) / rows - 0.5),
            keys,
        )


def monitor(rng: np.random.Generator) -> Model:
    """A flat screen on a foot."""
    build, body = Sculptor(), tone(rng, BLACKS, BLACKS, STEELS, WHITES)
    width, lift, deep = rng.uniform(45, 80), rng.uniform(9, 17), rng.uniform(17, 24)
    height = width * rng.uniform(0.43, 0.66) if width < 65 else width * 0.43
    screen(
        build,
        (0, lift, 8),
        (width, lift + height, 8 + rng.uniform(2, 5)),
        body,
        picture_on(rng, 0.5),
        rng.uniform(0.8, 2.2),
    )
    stand, middle = body if chance(rng, 0.6) else tone(rng, STEELS), width / 2
    build.box((middle - 3, 1, 5), (middle + 3, lift + height * 0.5, 8), stand)
    if chance(rng, 0.4):
        with build.at(middle, 0, deep / 2):
            build.turning([(deep / 2, 0), (deep / 2, 1), (deep / 2 - 1, 1.6)], stand, 18)
    else:
        half = rng.uniform(10, 16)
        build.slab((middle - half, 0, 0), (middle + half, 1.6, deep), stand, 0.3, power=8)
    return build.model()


def television(rng: np.random.Generator, wall: bool = False) -> Model:
    """A wide flat screen, on feet or a foot, or on the wall."""
    build, body, width = Sculptor(), tone(rng, BLACKS, BLACKS, BLACKS, STEELS), rng.uniform(75, 150)
    height, lift = width * 0.575, 0.0 if wall else rng.uniform(4, 9)
    z = rng.uniform(2, 6) if wall else 10.0
    screen(
        build,
        (0, lift, z),
        (width, lift + height, z + rng.uniform(2.5, 6)),
        body,
        picture_on(rng, 0.3),
        rng.uniform(0.7, 2.5),
    )
    if wall:
        build.box((width * 0.35, height * 0.3, 0), (width * 0.65, height * 0.7, z), BLACKS[1])
    elif chance(rng, 0.5):
        for x in (width * 0.15, width * 0.85):
            build.tube((x, lift + 1, z + 1), (x, 0.4, 1), 0.9, body)
            build.tube((x, lift + 1, z + 1), (x, 0.4, z + 12), 0.9, body)
    else:
        build.box((width * 0.46, 0.5, z), (width * 0.54, lift + 2, z + 3), body)
        build.slab((width * 0.3, 0, 0), (width * 0.7, 1.5, 24), body, 0.3, power=pick(rng, (2.5, 10)))
    return build.model()


def old_television(rng: np.random.Generator) -> Model:
    """A deep box with a bulging screen and buttons below or beside it."""
    build, body, width = Sculptor(), tone(rng, BLACKS, STEELS, WOODS), rng.uniform(48, 76)
    height, deep, beside = width * rng.uniform(0.72, 0.8), width * 0.65, chance(rng, 0.4)
    build.block((0, 0, deep * 0.5), (width, height, deep), body, 2)
    build.block((width * 0.12, height * 0.06, 0), (width * 0.88, height * 0.88, deep * 0.5), shade(body, 0.8), 6)
    right, low = (width * 0.78, height * 0.08) if beside else (width * 0.93, height * 0.2)
    build.block((width * 0.07, low, deep - 3), (right, height * 0.93, deep + 1.2), (0.13, 0.14, 0.14), 2)
    if beside:
        for y in (0.8, 0.6):
            build.disc(width * 0.87, height * y, deep, width * 0.045, 2.5, STEELS[0])
        build.box((width * 0.81, height * 0.1, deep), (width * 0.94, height * 0.4, deep + 0.4), shade(body, 0.5))
    else:
        for i in range(5):
            build.box(
                (width * (0.4 + 0.05 * i), height * 0.08, deep),
                (width * (0.43 + 0.05 * i), height * 0.12, deep + 0.6),
                shade(body, 0.4),
            )
    return build.model()


def tv(rng: np.random.Generator) -> Model:
    """Flat, as a rule."""
    return old_television(rng) if chance(rng, 0.2) else television(rng)


def computer(rng: np.random.Generator) -> Model:
    """A screen with a keyboard before it, and a tower beside it where it is no all-in-one."""
    build, body = Sculptor(), tone(rng, BLACKS, STEELS, WHITES)
    width, one = rng.uniform(45, 58), chance(rng, 0.4)
    height, lift = width * 0.6, rng.uniform(9, 13)
    screen(build, (0, lift, 12), (width, lift + height, 15), OFF if one else body, picture_on(rng, 0.7), 1.5)
    if one:
        build.box((0, lift - 5, 12), (width, lift + 0.5, 15.4), body)
    build.box((width / 2 - 5, 1, 9), (width / 2 + 5, lift + 8, 12), body)
    build.slab((width / 2 - 11, 0, 4), (width / 2 + 11, 1.4, 22), body, 0.2)
    keyboard(
        build,
        (width * 0.1, 0, 30),
        (rng.uniform(30, 43), 13),
        tone(rng, WHITES, BLACKS, STEELS),
        tone(rng, BLACKS, WHITES),
    )
    build.ball((width * 1.08, 1.2, 37), (3, 2, 5), tone(rng, WHITES, BLACKS))
    if not one:
        x, deep, case = width + 8, rng.uniform(36, 42), tone(rng, BLACKS, STEELS, WHITES)
        tall = rng.uniform(34, 44)
        build.box((x, 0, 0), (x + 18, tall, deep), case)
        for i in range(2):
            build.box((x + 1.5, tall - 6 - 5 * i, deep), (x + 16.5, tall - 2.5 - 5 * i, deep + 0.4), shade(case, 0.7))
        build.disc(x + 9, tall * 0.5, deep, 1.3, 0.6, (0.3, 0.7, 0.9))
        build.box((x + 3, 3, deep), (x + 15, tall * 0.35, deep + 0.4), shade(case, 0.5))
    return build.model()


def laptop(rng: np.random.Generator) -> Model:
    """An open laptop."""
    build, body = Sculptor(), tone(rng, STEELS, STEELS, BLACKS, WHITES)
    width, deep, thick = rng.uniform(29, 40), rng.uniform(20, 27), rng.uniform(1.4, 2.6)
    build.slab((0, 0, 0), (width, thick, deep), body, 0.2, power=14)
    keys, front = tone(rng, BLACKS) if chance(rng, 0.75) else shade(body, 0.85), deep * 0.58
    for i in range(5):
        z = 1.6 + i * (front - 2) / 5
        build.box((width * 0.06, thick, z), (width * 0.94, thick + 0.3, z + (front - 2) / 5 - 0.35), keys)
    build.box((width * 0.34, thick, front + 1.2), (width * 0.66, thick + 0.12, deep - 1), shade(body, 0.82))
    with build.at(0, thick, 0.4, spin(-rng.uniform(8, 32), 0)):
        screen(build, (0, 0, -0.8), (width, deep, 0), body, picture_on(rng, 0.6), 1.1)
    return build.model()


def speaker(rng: np.random.Generator) -> Model:
    """A box with two or three round membranes, or a column of cloth."""
    build, body = Sculptor(), tone(rng, BLACKS, BLACKS, WOODS, WHITES)
    width, height = rng.uniform(15, 25), rng.uniform(25, 48)
    deep, cone = width * rng.uniform(0.9, 1.3), tone(rng, BLACKS, STEELS, ((0.75, 0.62, 0.3),))
    build.box((0, 0, 0), (width, height, deep), body)
    build.box((1, 1, deep), (width - 1, height - 1, deep + 0.8), shade(body, pick(rng, (0.6, 0.95))))
    levels = [(0.3, 0.38), (0.72, 0.2)] if chance(rng, 0.7) else [(0.22, 0.34), (0.56, 0.34), (0.84, 0.16)]
    for level, radius in levels:
        r = min(radius * width, height * 0.2)
        with build.at(width / 2, level * height, deep + 0.6, TO_FRONT):
            build.turning([(r * 1.1, 0), (r * 1.1, 1), (r, 1.2), (r * 0.45, 0.4), (r * 0.3, 1.2), (0.1, 1.4)], cone, 18)
            build.turning([(r * 1.12, 0.2), (r * 1.12, 1.3), (r * 0.98, 1.4)], (0.25, 0.25, 0.26), 18, closed=False)
    return build.model()


def radio(rng: np.random.Generator) -> Model:
    """A box with a grille, a scale, knobs and an aerial or a handle; or a stereo with two speakers."""
    build, body = Sculptor(), tone(rng, WOODS, BLACKS, STEELS, BRIGHTS, WHITES)
    width, stereo = rng.uniform(22, 44), chance(rng, 0.4)
    height, deep, dark = width * rng.uniform(0.42, 0.62), rng.uniform(8, 16), tone(rng, BLACKS)
    build.block((0, 0, 0), (width, height, deep), body, rng.uniform(0.5, 2.5))
    for x in (0.2, 0.8) if stereo else (0.3,):
        if stereo or chance(rng, 0.4):
            build.disc(x * width, height * 0.42, deep - 0.2, height * 0.32, 0.8, dark, 16)
            build.disc(x * width, height * 0.42, deep, height * 0.14, 1, shade(body, 0.8))
        else:
            for y in np.linspace(0.15, 0.8, 7) * height:
                build.box((width * 0.06, y, deep), (width * 0.58, y + height * 0.05, deep + 0.5), dark)
    left = 0.38 if stereo else 0.64
    build.box(
        (width * left, height * 0.6, deep),
        (width * (left + 0.28), height * 0.82, deep + 0.5),
        tone(rng, ((0.9, 0.85, 0.65), (0.3, 0.6, 0.65), (0.1, 0.1, 0.1))),
    )
    for x in (left + 0.07, left + 0.21):
        build.disc(width * x, height * 0.32, deep, height * 0.11, 1.6, tone(rng, STEELS, BLACKS))
    if chance(rng, 0.5):
        build.pipe(
            [
                (width * 0.15, height, deep / 2),
                (width * 0.15, height + 4, deep / 2),
                (width * 0.85, height + 4, deep / 2),
                (width * 0.85, height, deep / 2),
            ],
            0.8,
            dark,
        )
    else:
        build.tube((width * 0.9, height, 2), (width * rng.uniform(0.6, 1.1), height * 2.1, 2), 0.3, STEELS[0], sides=4)
    return build.model()


def telephone(rng: np.random.Generator) -> Model:
    """A desk telephone with its handset at the left or across, with keys or a dial."""
    build, body = Sculptor(), tone(rng, BLACKS, BLACKS, WHITES, BRIGHTS)
    across = chance(rng, 0.45)
    width, deep = rng.uniform(17, 22), rng.uniform(18, 23)
    build.prism([(0, 0), (0, deep), (3, deep), (8, 0)], 0, width, 0, body)
    slope, keys = spin(np.degrees(np.arctan2(5, deep)), 0), tone(rng, WHITES, STEELS, BLACKS)
    hand = body if chance(rng, 0.7) else tone(rng, BLACKS)
    with build.at(0, 8, 0, slope):
        if across:
            build.block((-2, 2, 2), (width + 2, 5.5, 6), hand, 1.2)
            for x in (-2.5, width - 4.5):
                build.block((x, 0.2, 1), (x + 7, 4, 7), hand, 1.2)
        else:
            build.block((0.5, 2, 1), (5.5, 5, deep - 1), hand, 1)
            for z in (0.5, deep - 6.5):
                build.block((0, 0.2, z), (6, 4, z + 6), hand, 1)
        left, start = (width * 0.2, 9.0) if across else (7.5, 8.0)
        if across and chance(rng, 0.5):
            with build.at(width / 2, 0, deep * 0.65):
                build.turning([(6, 0), (6, 0.8), (2.4, 1), (2.2, 1.4)], keys, 18)
        else:
            wide = (width - left - (left if across else 1.5)) / 3
            for i in range(12):
                x, z = left + (i % 3) * wide, start + (i // 3) * (deep - start - 1) / 4
                build.box((x, 0, z), (x + wide * 0.75, 0.7, z + (deep - start) / 6), keys)
            if not across:
                build.box((7.5, 0, 1.5), (width - 1.5, 0.5, 6), (0.35, 0.42, 0.36))
    return build.model()


def printer(rng: np.random.Generator) -> Model:
    """A box with a slot, a tray with paper, a lid and a panel."""
    build, body = Sculptor(), tone(rng, WHITES, BLACKS, STEELS)
    width, deep, height, second = (
        rng.uniform(36, 48),
        rng.uniform(28, 40),
        rng.uniform(15, 30),
        tone(rng, BLACKS, WHITES, STEELS),
    )
    build.block((0, 0, 0), (width, height * 0.8, deep), body, 1)
    build.block((0.5, height * 0.8, 0.5), (width - 0.5, height, deep - 1), second, 1)
    build.box((width * 0.14, height * 0.18, deep - 1), (width * 0.86, height * 0.48, deep + 0.3), (0.05, 0.05, 0.05))
    build.box(
        (width * 0.18, height * 0.16, deep),
        (width * 0.82, height * 0.2, deep + rng.uniform(6, 14)),
        shade(second, 0.85),
    )
    if chance(rng, 0.6):
        build.box((width * 0.22, height * 0.21, deep), (width * 0.78, height * 0.25, deep + 9), (0.97, 0.97, 0.96))
    build.box((width * 0.66, height * 0.58, deep), (width * 0.95, height * 0.76, deep + 0.6), (0.2, 0.3, 0.36))
    if chance(rng, 0.5):  # paper stands in the feeder at the back
        with build.at(width / 2, height * 0.9, 2, spin(-20, 0)):
            build.box((-13, 0, -1), (13, 16, 0), shade(second, 0.9))
            build.box((-10.5, 0, 0), (10.5, 20, 0.6), (0.97, 0.97, 0.96))
    return build.model()


def fan(rng: np.random.Generator) -> Model:
    """A table fan: a foot, a pole, and blades in a cage."""
    build, body, blade = (
        Sculptor(),
        tone(rng, WHITES, BLACKS, STEELS, BRIGHTS),
        tone(rng, WHITES, BLACKS, BRIGHTS, STEELS),
    )
    radius, pole = rng.uniform(11, 19), rng.uniform(6, 14)
    build.turning([(radius * 0.7, 0), (radius * 0.7, 1.5), (radius * 0.5, 3), (1.6, 3.5)], body, 18)
    y = pole + radius
    build.tube((0, 3, 0), (0, y, -1), 1.4, body)
    build.tube((0, y, -9), (0, y, 0), 3.6, body, 4.2, sides=12)
    turns = np.linspace(0, 2 * np.pi, 19)
    for r, z in ((1.0, 3.0), (0.97, 0.0), (0.55, 5.5)):
        build.pipe([(r * radius * np.cos(t), y + r * radius * np.sin(t), z) for t in turns], 0.35, STEELS[2], 4)
    for t in turns[:-1]:
        x, up = np.cos(t) * radius, np.sin(t) * radius
        build.pipe([(x, y + up, 3), (x * 0.55, y + up * 0.55, 5.5), (0, y, 5.6)], 0.18, STEELS[2], 3)
    for i in range(int(rng.integers(3, 5))):
        with build.at(0, y, 2, spin(95 * i, 2) @ spin(20, 0)):
            build.polygon(
                [(1, -1, 0), (radius * 0.6, -0.3 * radius, 0), (radius * 0.85, 0, 0), (radius * 0.7, radius * 0.3, 0)],
                blade,
            )
    build.disc(0, y, 1, 2.6, 5, body)
    return build.model()


def projector(rng: np.random.Generator) -> Model:
    """A flat box with a lens."""
    build, body = Sculptor(), tone(rng, WHITES, BLACKS, STEELS)
    width, height, deep = rng.uniform(26, 44), rng.uniform(8, 14), rng.uniform(20, 34)
    build.slab((0, 1, 0), (width, height, deep), body, 0.6, power=10)
    x, radius = width * pick(rng, (0.25, 0.5, 0.75)), height * 0.34
    build.disc(x, height / 2 + 0.5, deep - 1, radius * 1.2, 2, shade(body, 0.7), 16)
    build.disc(x, height / 2 + 0.5, deep, radius, 2.6, (0.06, 0.07, 0.1), 16)
    for i in range(6):
        left = (x + width * 0.35) % (width * 0.8)
        build.box(
            (left, height * (0.2 + 0.1 * i), deep - 0.4),
            (left + width * 0.15, height * (0.25 + 0.1 * i), deep + 0.2),
            (0.2, 0.2, 0.2),
        )
    for i in range(4):
        build.box(
            (width * 0.4 + 3 * i, height, deep * 0.3),
            (width * 0.4 + 2 + 3 * i, height + 0.4, deep * 0.4),
            shade(body, 0.5),
        )
    return build.model()


def keyboard_piano(rng: np.random.Generator) -> Model:
    """An electronic keyboard: black and white keys below a panel of buttons."""
    build, body = Sculptor(), tone(rng, BLACKS, BLACKS, STEELS, BRIGHTS)
    octaves = int(rng.integers(3, 6))
    width, deep, split = octaves * 16.5 + 4, rng.uniform(24, 34), 13.0
    build.box((0, 0, 0), (width, 5, deep), body)
    build.prism([(5, 0), (5, deep - split - 1), (6, deep - split - 1), (8, 0)], 0, width, 0, shade(body, 1.1))
    pitch = (width - 4) / (7 * octaves)
    for i in range(7 * octaves):
        build.box((2 + i * pitch, 5, deep - split), (2 + (i + 0.93) * pitch, 6, deep - 0.5), WHITES[2])
        if i % 7 not in (2, 6):
            build.box((2 + (i + 0.7) * pitch, 5.5, deep - split), (2 + (i + 1.25) * pitch, 7, deep - 5), BLACKS[0])
    build.box((width * 0.4, 6.5, 3), (width * 0.6, 8.1, 8), (0.3, 0.45, 0.4))
    for x in (0.05, 0.75):
        build.box((width * x, 6.5, 2), (width * (x + 0.2), 8, 9), shade(body, 0.6))
    return build.model()


MAKERS: dict[str, Maker] = {
    "tv": tv, "tv (wall)": lambda rng: television(rng, wall=True), "computer": computer, "monitor": monitor,
    "laptop": laptop, "speaker": speaker, "radio": radio, "telephone": telephone, "printer": printer, "fan": fan,
    "projector": projector, "keyboard piano": keyboard_piano,
}  # fmt: skip
ELEVATION_CM = {"tv (wall)": 100.0}
