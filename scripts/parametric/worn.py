"""Clothes, shoes and bags."""

from __future__ import annotations

import numpy as np
from wavefront import Model

from parametric.parts import BLACKS, FABRICS, LEATHERS, WHITES, chance, pick, shade, tone
from parametric.shapes import BRASSES, BRIGHTS, STEELS, Maker, Sculptor, ring, spin


def clothes(rng: np.random.Generator) -> Model:
    """A shirt, a coat or a dress on a hanger."""
    build, cloth, kind = (
        Sculptor(),
        tone(rng, FABRICS, FABRICS, WHITES, BRIGHTS, BLACKS),
        pick(rng, ("shirt", "coat", "dress")),
    )
    half, long = rng.uniform(19, 25), {"shirt": 68.0, "coat": 105.0, "dress": 110.0}[kind] * rng.uniform(0.9, 1.1)
    flare = {"shirt": 0.95, "coat": 1.1, "dress": 1.5}[kind]
    body = [
        (half * flare, 7, 0),
        (half * 0.85, 6.5, long * 0.5),
        (half * 0.95, 6, long * 0.8),
        (half, 4, long * 0.93),
        (5, 3.5, long),
    ]
    build.loft([ring(a, b, y, power=3, sides=16) for a, b, y in body], cloth)
    if kind != "dress" or chance(rng, 0.4):
        sleeve = long * 0.5 if kind == "coat" else rng.uniform(18, 52)
        for side in (-1, 1):
            build.tube(
                (side * half * 0.9, long * 0.92, 0), (side * half * 1.25, long * 0.92 - sleeve, 0), 5.5, cloth, 4.2, 9
            )
    if kind == "dress":
        build.loft(
            [ring(half * 0.9, 6.8, long * (0.5 + d), power=3, sides=16) for d in (-0.015, 0.015)],
            tone(rng, LEATHERS, BRIGHTS),
        )
    else:
        build.box((-0.6, 2, 6.2), (0.6, long * 0.9, 7.6), shade(cloth, 0.65))
        for side in (-1, 1):
            build.polygon(
                [
                    (0, long * 0.72, 6.9),
                    (side * 6, long * 0.9, 6.7),
                    (side * 3.5, long * 0.99, 4.2),
                    (0, long * 0.88, 6.9),
                ],
                shade(cloth, 0.75),
            )
    build.pipe(
        [(0, long, 0), (0, long + 5, 0), (2.5, long + 7, 0), (0, long + 10, 0), (-2, long + 8, 0)], 0.35, STEELS[0], 4
    )
    return build.model()


def folded_clothes(rng: np.random.Generator) -> Model:
    """A pile of folded things."""
    build, y = Sculptor(), 0.0
    for _ in range(int(rng.integers(2, 7))):
        half, deep, thick = rng.uniform(12, 15), rng.uniform(14, 18), rng.uniform(2, 4)
        x, cloth = rng.uniform(-1, 1), tone(rng, FABRICS, BRIGHTS, WHITES)
        build.block((x - half, y, -deep), (x + half, y + thick, deep), cloth, 1.4)
        build.box(
            (x - half * 0.9, y + thick * 0.45, deep - 0.6),
            (x + half * 0.9, y + thick * 0.55, deep + 0.15),
            shade(cloth, 0.6),
        )
        y += thick
    return build.model()


def hat(rng: np.random.Generator) -> Model:
    """A hat with a brim and a band, a cap, or a bobble hat."""
    build, colour, kind = Sculptor(), tone(rng, FABRICS, BRIGHTS, LEATHERS, ((0.85, 0.72, 0.48),)), int(rng.integers(3))
    if kind == 0:
        brim, tall = rng.uniform(14, 21), rng.uniform(9, 13)
        crown = [(9.5, 1), (9.2, tall * 0.6), (8, tall), (3, tall * 1.03)]
        build.loft([ring(r, r * 1.15, y, sides=18) for r, y in [(brim, 0.6), (brim, 1.2), *crown]], colour)
        build.loft(
            [ring(r + 0.25, r * 1.15 + 0.25, y, sides=18) for r, y in ((9.5, 1.2), (9.4, 4.2))],
            tone(rng, BLACKS, BRIGHTS, LEATHERS),
        )
    else:
        build.loft(
            [
                ring(9.5 * w, 10.5 * w, y, sides=16)
                for w, y in ((1, 0), (1.02, 5), (0.85, 9), (0.5, 11.5), (0.05, 12.3))
            ],
            colour,
        )
        if kind == 1:
            peak = [(-8, 0.8, 6), (8, 0.8, 6), (7, 0, 14), (3.5, -0.6, 18), (-3.5, -0.6, 18), (-7, 0, 14)]
            build.polygon(peak, shade(colour, pick(rng, (0.7, 1.0))))
            build.polygon([(x, y + 0.5, z) for x, y, z in peak], shade(colour, 0.85))
            build.box((-3, 4, 9.4), (3, 8, 10.6), tone(rng, WHITES, BRIGHTS))
        else:
            build.loft([ring(10.2, 11.2, y, sides=16) for y in (0, 4)], shade(colour, 0.75))
            build.ball((0, 14, 0), 3.2, tone(rng, WHITES, BRIGHTS), 8)
    return build.model()


def handbag(rng: np.random.Generator) -> Model:
    """A bag with a flap or a zip, a clasp and one or two handles."""
    build, leather, metal = Sculptor(), tone(rng, LEATHERS, LEATHERS, BRIGHTS, FABRICS), tone(rng, BRASSES, STEELS)
    half, tall, deep, slant = rng.uniform(12, 20), rng.uniform(17, 27), rng.uniform(4.5, 8), rng.uniform(0.75, 1)
    build.loft(
        [ring(half * w, deep * d, y, power=5, sides=20) for w, d, y in ((1, 1, 0), (1.02, 1, 2), (slant, 0.5, tall))],
        leather,
    )
    if chance(rng, 0.5):
        flap = [
            (-half * 0.95, tall * 0.45, deep),
            (half * 0.95, tall * 0.45, deep),
            (half * slant, tall + 0.4, deep * 0.5),
            (-half * slant, tall + 0.4, deep * 0.5),
        ]
        build.polygon([(x, y, z + 0.4) for x, y, z in flap], shade(leather, 0.8))
        build.box((-2, tall * 0.43, deep), (2, tall * 0.55, deep + 0.8), metal)
    else:
        build.box((-half * slant, tall - 0.2, -0.6), (half * slant, tall + 0.4, 0.6), metal)
        build.box((-half, 0.5, deep * 0.9), (half, tall * 0.1, deep * 1.02), shade(leather, 0.7))
    high, wide, turns = rng.uniform(9, 22), half * rng.uniform(0.4, 0.75), np.linspace(0, np.pi, 8)
    for z in (-deep * 0.35, deep * 0.35) if chance(rng, 0.6) else (0,):
        build.pipe([(wide * np.cos(t), tall - 1 + high * np.sin(t), z) for t in turns], 0.7, shade(leather, 0.75))
    return build.model()


def backpack(rng: np.random.Generator) -> Model:
    """A sack with a lid, a front pocket, side pockets and straps."""
    build, cloth, second = Sculptor(), tone(rng, FABRICS, BRIGHTS, BLACKS), tone(rng, FABRICS, BLACKS, LEATHERS)
    half, tall, deep = rng.uniform(13, 17), rng.uniform(38, 50), rng.uniform(8, 11)
    build.loft(
        [
            ring(half * w, deep * d, tall * y, power=4, sides=18)
            for w, d, y in ((0.95, 0.95, 0), (1, 1, 0.1), (0.95, 0.9, 0.75), (0.75, 0.7, 0.95), (0.4, 0.4, 1))
        ],
        cloth,
    )
    build.block(
        (-half * 0.72, tall * 0.08, deep * 0.8),
        (half * 0.72, tall * 0.48, deep * 1.5),
        second if chance(rng, 0.5) else shade(cloth, 0.9),
        2,
    )
    build.box((-half * 0.6, tall * 0.4, deep * 1.48), (half * 0.6, tall * 0.42, deep * 1.53), shade(cloth, 0.4))
    for side in (-1, 1):
        build.block((side * half - 2, tall * 0.06, -deep * 0.5), (side * half + 2, tall * 0.35, deep * 0.5), second, 1)
        build.pipe(
            [
                (side * half * 0.5, tall * 0.9, -deep * 0.7),
                (side * half * 0.55, tall * 0.6, -deep - 5),
                (side * half * 0.7, tall * 0.1, -deep),
            ],
            1.6,
            second,
        )
    build.loft(
        [ring(half * w, deep * w, tall * y, power=4, sides=18) for w, y in ((0.98, 0.74), (1.0, 0.76))],
        shade(cloth, 0.5),
    )
    build.pipe([(-3, tall * 0.98, 0), (-2.5, tall * 1.07, 0), (2.5, tall * 1.07, 0), (3, tall * 0.98, 0)], 0.7, second)
    return build.model()


def shoes(rng: np.random.Generator) -> Model:
    """A pair: sneakers, leather shoes, boots, slippers or high heels."""
    build, kind = Sculptor(), pick(rng, ("sneaker", "shoe", "boot", "slipper", "heel"))
    colour = tone(
        rng,
        *{"sneaker": (BRIGHTS, WHITES, BLACKS), "slipper": (FABRICS, BRIGHTS)}.get(kind, (LEATHERS, LEATHERS, BRIGHTS)),
    )
    sole, long = tone(rng, WHITES) if kind == "sneaker" else tone(rng, BLACKS, LEATHERS), rng.uniform(12.5, 15)
    lift = 5.0 if kind == "heel" else 0.0
    for side in (-1, 1):
        with build.at(side * 6.5, 0, rng.uniform(-1.5, 1.5), spin(rng.uniform(-8, 8))):
            build.loft([ring(4.8, long, y, power=2.6, sides=16) for y in (lift * 0.2, 2.4 + lift * 0.2)], sole)
            if lift:
                build.tube((0, 0, -long + 2), (0, 6, -long + 3), 0.9, sole, 2.2)
            build.loft(
                [
                    ring(w, d, y + lift * 0.3, 0, z, 2.5, 16)
                    for w, d, y, z in (
                        (4.6, long * 0.97, 2.4, 0),
                        (4.3, long * 0.9, 5, -0.5),
                        (3.6, long * 0.5, 8, -long * 0.42),
                    )
                ],
                colour,
            )
            if kind == "boot":
                build.loft(
                    [
                        ring(w, d, y, 0, -long * 0.45, 2.5, 14)
                        for w, d, y in ((3.7, 6.2, 7), (4, 5.5, 14), (4.6, 6, 26))
                    ],
                    colour,
                )
            elif kind != "slipper":
                build.polygon(ring(2.8, long * 0.36, 8.1 + lift * 0.3, 0, -long * 0.45, 2.3, 12), shade(colour, 0.3))
            if kind in ("sneaker", "boot"):
                for i in range(4):
                    build.box(
                        (-2.2, 5.2 + 0.75 * i, long * (0.36 - 0.16 * i)),
                        (2.2, 6 + 0.75 * i, long * (0.42 - 0.16 * i)),
                        WHITES[0],
                    )
    return build.model()


MAKERS: dict[str, Maker] = {
    "clothes": clothes, "folded clothes": folded_clothes, "hat": hat, "handbag": handbag, "backpack": backpack,
    "shoes": shoes,
}  # fmt: skip
