"""What the process imports that ``forked`` forks its ranks from."""

from __future__ import annotations

import os

import torch

os.environ["DS_ACCELERATOR"] = "cpu"
torch.set_num_threads(1)

import deepspeed  # noqa: E402
import deepspeed.runtime.zero.stage3  # noqa: E402

from loc3r.train import trainer  # noqa: E402

__all__ = ["deepspeed", "trainer"]
