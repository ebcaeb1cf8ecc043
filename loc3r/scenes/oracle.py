"""Camera tokens made of *true* poses: the upper bound of the camera-token ablation, never served.

No prior of this name can be loaded (``loc3r.priors.base``): only ``prepare`` calls this, where poses are labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import wrap_rad

NAME = "oracle"
FINGERPRINT = "oracle-1"
LICENCE = "Apache-2.0"
WAVELENGTHS_M = (32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
HARMONICS = (1, 2)
DIM = 2 * 3 * (len(WAVELENGTHS_M) + len(HARMONICS))
"""60: sine and cosine of three places at eight wavelengths, and of three angles at two harmonics."""


def oracle_tokens(poses: NDArray[np.float64], frame: BevFrame) -> NDArray[np.float32]:
    """Tokens (T, DIM) of camera-to-world poses (T, 4, 4), in the bird's-eye frame of their first one."""
    place = np.concatenate([frame.from_world(poses[:, :3, 3]), poses[:, 2:3, 3] - frame.floor_z_m], -1)
    ahead, right = poses[:, :3, 2], poses[:, :3, 0]
    yaw = wrap_rad(np.arctan2(ahead[:, 1], ahead[:, 0]) - frame.yaw_rad)
    pitch = np.arctan2(ahead[:, 2], np.hypot(ahead[:, 0], ahead[:, 1]))
    roll = np.arctan2(right[:, 2], -poses[:, 2, 1])
    angles = [2 * np.pi / wavelength * place for wavelength in WAVELENGTHS_M]
    angles += [harmonic * np.stack([yaw, pitch, roll], -1) for harmonic in HARMONICS]
    phases = np.concatenate(angles, -1)
    return np.concatenate([np.sin(phases), np.cos(phases)], -1).astype(np.float32)
