"""Camera tokens made of *true* poses: the upper bound of the camera-token ablation, never served.

No prior of this name can be loaded (``loc3r.priors.base``): only ``prepare`` calls this, where poses are labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loc3r.geometry.bev import BevFrame
from loc3r.geometry.headings import wrap_rad
from loc3r.priors.pose_token import pose_tokens

NAME = "oracle"
FINGERPRINT = "oracle-3"
LICENCE = "Apache-2.0"


def oracle_tokens(poses: NDArray[np.float64], frame: BevFrame) -> NDArray[np.float32]:
    """Tokens (T, DIM) of camera-to-world poses (T, 4, 4), in the bird's-eye frame of their first one."""
    place = np.concatenate([frame.from_world(poses[:, :3, 3]), poses[:, 2:3, 3] - frame.floor_z_m], -1)
    ahead, right = poses[:, :3, 2], poses[:, :3, 0]
    # The frame's +y is where its first camera looks (data.bird_eye_yaw=scan: the scan's +y): turns count from there.
    yaw = wrap_rad(np.arctan2(ahead[:, 1], ahead[:, 0]) - frame.yaw_rad - np.pi / 2)
    pitch = np.arctan2(ahead[:, 2], np.hypot(ahead[:, 0], ahead[:, 1]))
    roll = np.arctan2(right[:, 2], -poses[:, 2, 1])
    return pose_tokens(place, np.stack([yaw, pitch, roll], -1))
