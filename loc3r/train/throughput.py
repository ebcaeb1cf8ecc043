"""How fast a device could be, and how much memory training has taken: what the measured speed is held against."""

from __future__ import annotations

import resource
import sys
import time

import torch

from loc3r.model.flops import PEAK_TFLOPS

SIDE = 1024
"""Of the matrices that are measured."""
PRODUCTS = 5


def product_type(precision: str) -> torch.dtype:
    """What a recipe's ``train.precision`` multiplies matrices in."""
    return {"fp32": torch.float32, "fp16": torch.float16}.get(precision, torch.bfloat16)


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second that the device can do at most.

    The data sheet's for a known GPU, whatever the type; else the fastest of some matrix products of that type.
    """
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = [peak for part, peak in PEAK_TFLOPS.items() if part in name]
        if known:
            return known[0] * 1e12
    return measured_flops(device, dtype)


def measured_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the fastest of some matrix products, with the threads that this process has."""
    # A generator of its own: training's random state stays what it was.
    noise = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    return float(2 * SIDE**3 / min(_product_s(noise) for _ in range(PRODUCTS)))


def _product_s(noise: torch.Tensor) -> float:
    """Seconds of a product; on a CPU those that its threads ran, so that a busy machine does not look slow."""
    started = _clock_s(noise.device)
    torch.mm(noise, noise)
    return _clock_s(noise.device) - started


def _clock_s(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time() / torch.get_num_threads()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory that this process has held so far: of the GPU's, or on a CPU of the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes
