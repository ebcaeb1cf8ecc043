"""Whether a machine can train what a recipe asks for, known before any rank starts."""

from __future__ import annotations

from loc3r.errors import TrainingError

WITHOUT_BFLOAT16 = ("V100", "T4")
"""GPUs whose products in bfloat16 are emulated: correct, and slower than float32."""
IN_BFLOAT16 = ("bf16", "mixed")
"""Values of ``train.precision`` that multiply in it."""


def check_device(device: str, ranks: int, precision: str) -> None:
    """Check that this machine has a GPU for each rank, if GPUs are to train, and the number type of the recipe.

    Args:
        device: cpu or cuda.

    Raises:
        TrainingError: it has not.
    """
    import torch

    if device == "cuda":
        _check_count(torch.cuda.device_count(), ranks)
    check_precision(device, precision)


def check_precision(device: str, precision: str) -> None:
    """Check that this machine computes in a recipe's ``train.precision``.

    Raises:
        TrainingError: it does not.
    """
    import torch

    if device == "cuda":
        if precision in IN_BFLOAT16 and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise without_bfloat16(torch.cuda.get_device_name(), precision)
    elif precision == "fp16" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():  # DeepSpeed's condition
        raise TrainingError(
            "this CPU does not compute in float16",
            received="train.precision=fp16 and no GPU",
            expected="a GPU, or a CPU with AVX512-FP16 or AMX-FP16",
            fix="train on a GPU; to try the recipe here: --set train.precision=bf16",
        )


def without_bfloat16(gpu: str, precision: str) -> TrainingError:
    """What to say of a GPU that has no bfloat16."""
    return TrainingError(
        f"{gpu} has no bfloat16",
        received=f"train.precision={precision}",
        expected="fp16, which scales the loss, or fp32",
        fix="--set train.precision=fp16, as recipes/loc3r-7b-16x32gb.yaml does",
    )


def _check_count(gpus: int, ranks: int) -> None:
    if not 0 < ranks <= gpus:
        raise TrainingError(
            "each rank needs a GPU of its own",
            received=f"{ranks} ranks, {gpus} GPUs here",
            expected=f"at most {gpus} ranks" if gpus else "a GPU that PyTorch can use",
            fix=f"--ranks {gpus}, or free the other GPUs (CUDA_VISIBLE_DEVICES)" if gpus else "--device cpu",
        )
