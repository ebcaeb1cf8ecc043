"""A recipe of the smallest model whose tower can be taught, and its class names."""

from __future__ import annotations

from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import STRUCTURE_NAMES

NAMES = tuple(sorted({*FurniturePack.load().names(), *STRUCTURE_NAMES}))
VALUES = {
    "name": "test",
    "data": {"frames": 3, "frame_size_px": 64, "frame_fit": "squash", "patch_px": 32, "pool": 1},
    "model": {
        "vision": {"kind": "lite0", "dropout": 0.1},
        "language": {"kind": "qwen3", "hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate": 64}
        | {"vocabulary": 600, "rope_theta": 10000, "max_tokens": 1024},
        "prior_dim": 6,
        "naming_layer": 1,
        "mention_layer": 2,
        "look_at": True,
        "fan_in_init": True,
    },
}
