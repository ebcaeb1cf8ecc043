"""What people call a model's colour: the word whose shades cover most of what they see of it."""

from __future__ import annotations

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from loc3r.synth.furniture import COLOURS

Floats = NDArray[np.float64]

SHADES = {
    "black": [(20, 20, 20), (45, 45, 48)],
    "gray": [(125, 125, 125), (80, 80, 82), (165, 165, 168)],
    "white": [(245, 245, 245), (212, 212, 210)],
    "brown": [(115, 72, 40), (70, 42, 25), (150, 95, 55)],
    "beige": [(215, 195, 160), (190, 165, 125), (230, 218, 195)],
    "red": [(180, 30, 30), (120, 25, 30), (225, 60, 50)],
    "orange": [(235, 130, 30), (205, 110, 45)],
    "yellow": [(235, 210, 60), (220, 190, 100)],
    "green": [(70, 130, 60), (60, 130, 112), (150, 190, 110), (35, 65, 40)],
    "blue": [(50, 85, 170), (125, 170, 205), (25, 35, 85), (70, 150, 185)],
    "purple": [(110, 60, 130), (165, 140, 190), (60, 20, 60)],
    "pink": [(230, 150, 175), (240, 195, 205), (215, 80, 130)],
}
"""What people call by each word of ``COLOURS``."""
_WORDS = tuple(COLOURS)


def perceptual(rgb: Floats) -> Floats:
    """Lightness and two colour axes, roughly as far apart as they look: sRGB (N, 3) of 0..255 -> (N, 3)."""
    red, green, blue = (rgb[:, i] / 255 for i in range(3))
    return np.stack([0.9 * (0.3 * red + 0.59 * green + 0.11 * blue), red - green, (red + green) / 2 - blue], 1)


_SHADES = perceptual(np.array([shade for word in _WORDS for shade in SHADES[word]], float))
_WORD_OF_SHADE = np.repeat(np.arange(len(_WORDS)), [len(SHADES[word]) for word in _WORDS])


def is_called(word: str, rgb: Floats) -> NDArray[np.bool_]:
    """Whether people call each of those colours (N, 3) of 0..255 by that word, (N,)."""
    return np.asarray(_words(rgb) == _WORDS.index(word))


def colour_word(rgb: Floats, areas: Floats) -> str:
    """The word whose shades cover most of the area: colours (F, 3) of 0..255, weights (F,)."""
    return _WORDS[int(np.bincount(_words(rgb), areas, len(_WORDS)).argmax())]


def _words(rgb: Floats) -> NDArray[np.intp]:
    """The number in ``_WORDS`` of each colour's word, (N,)."""
    return np.asarray(_WORD_OF_SHADE[cdist(perceptual(rgb), _SHADES).argmin(1)])


def seen_areas(points_m: NDArray[np.floating], faces: NDArray[np.integer]) -> Floats:
    """How much of each face (F,) people see: rays from the front half and from above."""
    scene = EmbreeScene()
    TriangleMesh(scene, points_m[faces].astype(np.float32))
    reach = float(np.linalg.norm(np.ptp(points_m, axis=0)))
    across = np.linspace(-reach / 2, reach / 2, 64)
    seen = np.zeros(len(faces))
    for turn, tilt in ((-60, 20), (-30, 20), (0, 20), (0, 45), (30, 20), (60, 20)):
        cos, sin = np.cos(np.radians([turn, tilt])), np.sin(np.radians([turn, tilt]))
        towards = np.array([cos[0] * cos[1], sin[0] * cos[1], sin[1]])
        left = np.array([-sin[0], cos[0], 0])
        u, v = np.meshgrid(across, across)
        starts = towards * reach + u.reshape(-1, 1) * left + v.reshape(-1, 1) * np.cross(towards, left)
        rays = np.tile(-towards, (len(starts), 1))
        hits = scene.run(starts.astype(np.float32), rays.astype(np.float32))
        seen += np.bincount(hits[hits >= 0], minlength=len(faces))
    return seen
