"""What a machine can't train is said before any rank starts."""

from __future__ import annotations

import pytest
import torch

from loc3r.errors import TrainingError
from loc3r.train.device import check_device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two V100s, as torch tells of them: bfloat16 is emulated."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda *_: "Tesla V100-SXM2-32GB")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)


@pytest.mark.parametrize("precision", ["bf16", "mixed"])
def test_a_gpu_without_bfloat16_is_told_to_scale_its_loss(gpus: None, precision: str) -> None:
    with pytest.raises(TrainingError, match=r"V100-SXM2-32GB has no bfloat16(.|\n)*train.precision=fp16"):
        check_device("cuda", 2, precision)
    check_device("cuda", 2, "fp16")


def test_more_ranks_than_gpus_are_refused(gpus: None) -> None:
    with pytest.raises(TrainingError, match=r"3 ranks, 2 GPUs here(.|\n)*--ranks 2"):
        check_device("cuda", 3, "fp16")


def test_a_machine_without_gpus_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(TrainingError, match=r"fix: --device cpu"):
        check_device("cuda", 0, "bf16")


def test_float16_needs_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has_it in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_fp16_supported", lambda has_it=has_it: has_it)
        if has_it:
            check_device("cpu", 2, "fp16")
    check_device("cpu", 2, "bf16")
    with pytest.raises(TrainingError, match=r"train.precision=bf16"):
        check_device("cpu", 2, "fp16")
