from __future__ import annotations

import psutil
import pytest
import torch

from loc3r.train.throughput import peak_flops, peak_memory_bytes, product_type

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A10G", 70),
        ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181),
        ("NVIDIA L4", 121),
        ("Tesla V100-SXM2-32GB", 125),
    ],
)
def test_known_gpus_are_held_against_their_data_sheet(
    name: str, tflops: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert peak_flops(torch.device("cuda", 0), torch.bfloat16) == tflops * 1e12


def test_a_cpu_is_measured_without_touching_trainings_random_numbers() -> None:
    before = torch.get_rng_state()
    peak = peak_flops(CPU, torch.float32)
    assert torch.equal(torch.get_rng_state(), before)
    assert 1e8 < peak < 1e14


def test_peak_memory_is_at_least_what_is_held_now() -> None:
    held_bytes = psutil.Process().memory_info().rss
    # The kernel counts pages of each thread in batches: its peak may lag behind what it says is held.
    assert 0.99 * held_bytes <= peak_memory_bytes(CPU) < 100 * held_bytes


def test_precisions_multiply_in_their_type() -> None:
    types = [product_type(precision) for precision in ("fp32", "mixed", "bf16")]
    assert types == [torch.float32, torch.bfloat16, torch.bfloat16]
