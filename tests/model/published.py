"""Published checkpoints without their weights: the original names and true shapes, written down from the originals.

Files are sparse: a header, then a hole as long as the weights would be. They cost no disk and no time.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]
HIDDEN, MLP, ROWS = 3584, 18944, 152064
KEYS = 512  # 4 key-value heads of 128


def qwen2_7b() -> Shapes:
    """``model.*`` and ``lm_head`` of Qwen2-7B: biases on queries, keys and values alone."""
    shapes: Shapes = {
        "model.embed_tokens.weight": (ROWS, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (ROWS, HIDDEN),
    }
    for layer in range(28):
        at = f"model.layers.{layer}"
        for part, out in (("q", HIDDEN), ("k", KEYS), ("v", KEYS)):
            shapes |= {
                f"{at}.self_attn.{part}_proj.weight": (out, HIDDEN),
                f"{at}.self_attn.{part}_proj.bias": (out,),
            }
        shapes |= {
            f"{at}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"{at}.mlp.gate_proj.weight": (MLP, HIDDEN),
            f"{at}.mlp.up_proj.weight": (MLP, HIDDEN),
            f"{at}.mlp.down_proj.weight": (HIDDEN, MLP),
            f"{at}.input_layernorm.weight": (HIDDEN,),
            f"{at}.post_attention_layernorm.weight": (HIDDEN,),
        }
    return shapes


def siglip(prefix: str, layers: int = 26) -> Shapes:
    """SigLIP so400m/14 at 384 px, less the last block that LLaVA deletes."""
    shapes: Shapes = {
        f"{prefix}.embeddings.patch_embedding.weight": (1152, 3, 14, 14),
        f"{prefix}.embeddings.patch_embedding.bias": (1152,),
        f"{prefix}.embeddings.position_embedding.weight": (729, 1152),
        f"{prefix}.post_layernorm.weight": (1152,),
        f"{prefix}.post_layernorm.bias": (1152,),
    }
    for layer in range(layers):
        at = f"{prefix}.encoder.layers.{layer}"
        linear = {f"self_attn.{part}_proj": (1152, 1152) for part in ("q", "k", "v", "out")}
        linear |= {"mlp.fc1": (4304, 1152), "mlp.fc2": (1152, 4304)}
        for name, shape in linear.items():
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
        for norm in ("layer_norm1", "layer_norm2"):
            shapes |= {f"{at}.{norm}.weight": (1152,), f"{at}.{norm}.bias": (1152,)}
    return shapes


def llava_video_7b() -> Shapes:
    """``lmms-lab/LLaVA-Video-7B-Qwen2``, and the 7B of LLaVA-OneVision."""
    return {
        **qwen2_7b(),
        **siglip("model.vision_tower.vision_tower.vision_model"),
        "model.image_newline": (HIDDEN,),
        "model.mm_projector.0.weight": (HIDDEN, 1152),
        "model.mm_projector.0.bias": (HIDDEN,),
        "model.mm_projector.2.weight": (HIDDEN, HIDDEN),
        "model.mm_projector.2.bias": (HIDDEN,),
    }


def qwen25_vl_7b() -> Shapes:
    """``Qwen/Qwen2.5-VL-7B-Instruct``."""
    shapes = qwen2_7b() | {
        "visual.patch_embed.proj.weight": (1280, 3, 2, 14, 14),
        "visual.merger.ln_q.weight": (1280,),
        "visual.merger.mlp.0.weight": (5120, 5120),
        "visual.merger.mlp.0.bias": (5120,),
        "visual.merger.mlp.2.weight": (HIDDEN, 5120),
        "visual.merger.mlp.2.bias": (HIDDEN,),
    }
    linear = {"attn.qkv": (3840, 1280), "attn.proj": (1280, 1280), "mlp.gate_proj": (3420, 1280)}
    linear |= {"mlp.up_proj": (3420, 1280), "mlp.down_proj": (1280, 3420)}
    for block in range(32):
        at = f"visual.blocks.{block}"
        shapes |= {f"{at}.norm1.weight": (1280,), f"{at}.norm2.weight": (1280,)}
        for name, shape in linear.items():
            shapes |= {f"{at}.{name}.weight": shape, f"{at}.{name}.bias": shape[:1]}
    return shapes


def write_shards(
    folder: Path, shapes: Shapes, shards: int, architecture: str, *, kind: str = "BF16", **said: object
) -> Path:
    """A folder as the hub has it: shards of that type, their index, a config.json that says so much."""
    names = sorted(shapes)
    index = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        some = names[number::shards]
        index |= dict.fromkeys(some, file)
        _write_sparse(folder / file, {name: shapes[name] for name in some}, kind)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture], **said}))
    return folder


def _write_sparse(path: Path, shapes: Shapes, kind: str) -> None:
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + (2 if kind == "BF16" else 1) * math.prod(shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    with path.open("r+b") as file:
        file.truncate(8 + len(text) + end)
