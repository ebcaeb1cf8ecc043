"""What ``loc3r fetch`` knows of published weights before it asks anyone: names, addresses, licences.

Sizes and hashes are the source's own, read at fetch time and kept in ``fetched.json``; none is written down here.
"""

from __future__ import annotations

from dataclasses import dataclass

from loc3r.errors import CheckpointError
from loc3r.priors.base import PRIORS

TRANSFORMERS_FILES = (
    "*.safetensors", "model.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json",
    "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "LICENSE*",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """A published checkpoint."""

    name: str
    title: str
    licence: str
    """As its publisher states it; the hub's own statement is printed beside it."""
    commercial: bool
    page: str
    """Where people read about it, and accept terms where that is asked."""
    place: str
    """Folder below the cache: ``backbones`` or ``priors``, then the name."""
    repository: str | None = None
    """``owner/name`` on the hub."""
    files: tuple[str, ...] = ("model.safetensors",)
    """Names, or patterns of names, that are wanted."""
    address: str | None = None
    """Of the one file, where it is on no hub."""
    gated: bool = False
    then: str = ""
    """What to do with it, with ``{folder}``."""


def _backbone(name: str, title: str, repository: str, recipe: str) -> Weights:
    then = f"loc3r train --recipe recipes/{recipe}.yaml --init {{folder}} --data … --out …"
    page = f"https://huggingface.co/{repository}"
    return Weights(
        name, title, "Apache-2.0", True, page, "backbones", repository, files=TRANSFORMERS_FILES, then=then
    )  # fmt: skip


def _prior(name: str, title: str, repository: str, *, gated: bool = False) -> Weights:
    card, page = PRIORS[name], f"https://huggingface.co/{repository}"
    then = f"loc3r prepare --set data.prior={name} --set model.prior_dim={card.dim}, and the same for loc3r train"
    return Weights(name, title, card.licence, card.commercial, page, "priors", repository, gated=gated, then=then)


_ALL = (
    _backbone(
        "llava-video-7b",
        "the paper's backbone: SigLIP so400m and Qwen2-7B, trained on video",
        "lmms-lab/LLaVA-Video-7B-Qwen2",
        "loc3r-7b",
    ),
    _backbone(
        "llava-onevision-7b",
        "the same parts, trained on images and video",
        "lmms-lab/llava-onevision-qwen2-7b-ov",
        "llava-onevision-7b",
    ),
    _backbone(
        "qwen2.5-vl-7b",
        "Qwen2.5-VL-7B-Instruct: its own tower, rotary positions in three axes",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2.5-vl-7b",
    ),
    Weights(
        "cut3r",
        "the paper's pose prior, 512 px DPT checkpoint",
        PRIORS["cut3r"].licence,
        PRIORS["cut3r"].commercial,
        "https://github.com/CUT3R/CUT3R",
        "priors",
        files=("cut3r_512_dpt_4_64.pth",),
        address="https://drive.usercontent.google.com/download?id=1Asz-ZB3FfpzZYwunhQvNPZEUA8XUNAYD&export=download&confirm=t",
        then="loc3r prior convert --checkpoint {folder}/cut3r_512_dpt_4_64.pth",
    ),
    _prior("depth-anything-3-small", "Depth-Anything-3, small", "depth-anything/DA3-SMALL"),
    _prior("depth-anything-3-base", "Depth-Anything-3, base", "depth-anything/DA3-BASE"),
    _prior("vggt", "VGGT-1B", "facebook/VGGT-1B"),
    _prior("vggt-commercial", "VGGT-1B, commercial weights", "facebook/VGGT-1B-Commercial", gated=True),
)
CATALOGUE: dict[str, Weights] = {weights.name: weights for weights in _ALL}
"""What can be fetched, by name."""


def weights_of(name: str) -> Weights:
    """The catalogue's entry of that name.

    Raises:
        CheckpointError: there is none.
    """
    if name not in CATALOGUE:
        raise CheckpointError("nothing of that name to fetch", received=name, expected=", ".join(CATALOGUE))
    return CATALOGUE[name]
