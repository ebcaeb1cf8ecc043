"""Camera tokens that say a pose: smooth features of where the camera is and how sure that is.

The laptop's prior and the upper bound of the ablation (``loc3r.scenes.oracle``) speak this one language, so that a
model which learned to read the one can go on with the other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loc3r.geometry.bev import BevFrame

WAVELENGTHS_M = (32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
HARMONICS = (1, 2)
DOUBTS = 2
LANGUAGE = "pose-tokens-1"
DIM = 2 * 3 * (len(WAVELENGTHS_M) + len(HARMONICS)) + DOUBTS
"""62: sine and cosine of three places at eight wavelengths and of three angles at two harmonics, and two doubts."""


def pose_tokens(
    place_m: NDArray[np.floating], angles_rad: NDArray[np.floating], doubts: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """Tokens (T, DIM) of poses on a map; a prior's is the bird's-eye frame of the first camera.

    Args:
        place_m: (T, 3) x, y and height above the floor.
        angles_rad: (T, 3) turn to the left from the map's +y, pitch up, roll.
        doubts: (T, 2) what the prior says of its own error, 0 for none; zeros if absent.
    """
    phases = [2 * np.pi / wavelength * place_m for wavelength in WAVELENGTHS_M]
    phases += [harmonic * angles_rad for harmonic in HARMONICS]
    waves = np.concatenate(phases, -1)
    doubt = np.zeros((len(place_m), DOUBTS)) if doubts is None else doubts
    return np.concatenate([np.sin(waves), np.cos(waves), doubt], -1).astype(np.float32)


def places_m(tokens: NDArray[np.float32]) -> NDArray[np.float64]:
    """Places (T, 3) that tokens (T, DIM) say, x and y within 16 m of the map's origin."""
    return _phases(tokens, 0) * WAVELENGTHS_M[0] / (2 * np.pi)


def moved_tokens(tokens: NDArray[np.float32], axes: BevFrame) -> NDArray[np.float32]:
    """Tokens (T, DIM) of the same walk on a map of other axes, told from the one that the tokens are of, where
    every place is within 16 m of the origin."""
    places, angles = places_m(tokens), _phases(tokens, len(WAVELENGTHS_M))
    places[:, :2] = axes.from_world(places[:, :2])
    angles[:, 0] -= axes.yaw_rad
    return pose_tokens(places, angles, tokens[:, -DOUBTS:])


def _phases(tokens: NDArray[np.float32], wave: int) -> NDArray[np.float64]:
    """The three phases (T, 3) of a wave, in [-pi, pi]."""
    sines, cosines = np.split(tokens[:, :-DOUBTS].astype(np.float64), 2, axis=-1)
    three = slice(3 * wave, 3 * wave + 3)
    return np.asarray(np.arctan2(sines[:, three], cosines[:, three]))


def mirrored_tokens(tokens: NDArray[np.float32]) -> NDArray[np.float32]:
    """Tokens (T, DIM) of the same walk in a mirror: left and right change places, and with them turns and rolls."""
    odd = np.array([-1, 1, 1] * len(WAVELENGTHS_M) + [-1, 1, -1] * len(HARMONICS), np.float32)
    signs = np.concatenate([odd, np.ones(DIM - len(odd), np.float32)])
    return np.asarray(tokens * signs)
