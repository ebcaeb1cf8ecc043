"""Qwen2.5-VL behind the same interface: what transformers itself computes, and packing that stays exact."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from loc3r.errors import CheckpointError
from loc3r.model.backbones.published import load_backbone
from loc3r.model.bare import set_weight
from loc3r.model.config import Loc3RConfig
from loc3r.model.inference import Localiser, Query
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R
from loc3r.model.processor import Processor
from loc3r.recipe import parse_recipe
from loc3r.train.batches import FeatureStore

MARKS = ["<|vision_start|>", "<|vision_end|>"]


def build(processor, side_px: int, frames: int = 3) -> tuple[Loc3R, Processor]:
    """A model of 0.1 M parameters on frames of that size; the losses of dense grounding are on."""
    values = processor.config.model_dump(mode="json")
    tokenizer = copy.deepcopy(processor.tokenizer)
    tokenizer.add_tokens(MARKS, special_tokens=True)
    values["data"] |= {"frame_size_px": side_px, "patch_px": 14, "pool": 2, "frames": frames}
    values["model"]["language"] |= {"kind": "qwen2", "heads": 2, "kv_heads": 1}
    values["model"]["vision"] |= {"kind": "qwen2.5-vl", "layers": 4, "frozen": True}
    values["model"] |= {"backbone": "qwen2.5-vl"}
    values["loss"] |= {"pointing": 0, "pose_pointing": 0}
    parts = {name: values[name] for name in ("data", "model", "loss")}
    config = Loc3RConfig.from_recipe(parse_recipe({"name": "x", **parts}), processor.config.class_names, tokenizer)
    torch.manual_seed(0)
    model = Loc3R(config)
    torch.nn.init.normal_(model.vlm.model.projector.mlp[2].weight, std=0.5)  # what is seen must matter
    return model, Processor(config, tokenizer)


@pytest.fixture(scope="module")
def small(processor):
    return build(processor, side_px=56)


@pytest.fixture
def video(scene):
    """The scene of a seed in the size of ``small``: 2 x 2 tokens a frame."""

    def make(seed: int):
        frames = np.random.default_rng(seed).integers(0, 256, (3, 56, 56, 3), dtype=np.uint8)
        return replace(scene(seed), frames=frames)

    return make


def double(batch):
    floats = {n: v for n, v in vars(batch).items() if isinstance(v, torch.Tensor) and v.is_floating_point()}
    return replace(batch, **{name: value.double() for name, value in floats.items()})


def test_vision_tokens_are_transformers_own(processor):
    """5 x 5 cells: windows of 4 x 4 cells with remainders, so the order matters."""
    model, _ = build(processor, side_px=140, frames=2)
    frames = torch.rand(2, 3, 140, 140) * 2 - 1
    backbone = model.backbone
    ours = backbone.project(model.vlm, backbone.see(model.vlm, frames))
    rows, grid = _rows_as_qwen(frames), torch.tensor([[1, 10, 10]] * 2)
    tower = model.vlm.model.visual
    tower.merger = model.vlm.model.projector  # where transformers has it
    theirs = tower(rows, grid).pooler_output
    torch.testing.assert_close(ours.flatten(0, 2), theirs, atol=1e-5, rtol=1e-4)


def test_kept_features_are_what_the_tower_sees(small, tmp_path):
    model, _ = small
    pixels = torch.rand(3, 3, 56, 56) * 2 - 1
    with torch.no_grad():
        seen = model.see(pixels[None])[0].half()
    for _ in range(2):  # computed, then found again
        assert torch.equal(FeatureStore(model, tmp_path).of(pixels), seen)


def _rows_as_qwen(frames):
    """As transformers' image processor makes them."""
    from transformers import Qwen2VLImageProcessorPil

    images = [((frame.permute(1, 2, 0) + 1) * 127.5).numpy() for frame in frames]
    made = Qwen2VLImageProcessorPil(patch_size=14, merge_size=2, do_resize=False, do_rescale=False)
    mean, spread = (np.array(values) * 255 for values in (made.image_mean, made.image_std))
    return made(images, image_mean=mean.tolist(), image_std=spread.tolist(), return_tensors="pt")[
        "pixel_values"
    ].float()


def test_positions_are_those_of_transformers(small, sample, video):
    model, processor = small
    packed = processor.pack(video(0), [sample(1, 0)])
    batch = processor.collate([packed])
    patches = (batch.ids == processor.config.tokens.image).int()
    theirs, _ = model.vlm.model.get_rope_index(batch.ids, patches, torch.tensor([[1, 4, 4]] * 3))
    ours = model.backbone.rotary_positions(batch.ids, batch.positions, batch.prefix)
    assert torch.equal(ours, theirs)
    assert ours[0].max() < batch.ids.shape[1] - 1 and (ours[1] != ours[2]).any()


def test_packed_loss_and_gradients_equal_separate_ones(small, sample, video):
    model, processor = small
    model = copy.deepcopy(model).double()
    videos = [(0, [sample(1, 0), sample(2, 0, situated=False), sample(3, 0)]), (1, [sample(5, 1)])]

    def gradients(batches, counts=None):
        model.zero_grad()
        terms = [joint_loss(model(batch), batch, processor.config) for batch in batches]
        counts = {name: sum(t.counts[name] for t in terms) for name in terms[0].counts}
        total = sum(t.total(counts) for t in terms)
        total.backward()
        return total.item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    together = [double(processor.collate([processor.pack(video(v), samples) for v, samples in videos]))]
    alone = [double(processor.collate([processor.pack(video(v), [s])])) for v, samples in videos for s in samples]
    loss, packed = gradients(together)
    separate_loss, separate = gradients(alone)
    assert loss == pytest.approx(separate_loss, rel=1e-9)
    assert packed.keys() == separate.keys()
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert packed.keys() == trained and "vlm.model.projector.mlp.0.weight" in trained
    for name, gradient in separate.items():
        scale = gradient.abs().max().clamp(min=1e-9)
        assert (packed[name] - gradient).abs().max() / scale < 1e-6, name


def test_scene_memory_answers_as_a_full_pass_does(small, sample, video):
    """Read once, asked later: the same positions, so the same states."""
    model, processor = small
    scene, asked = video(0), [sample(1, 0), sample(3, 0)]
    localiser = Localiser(model, processor)
    memory = localiser.open_scene(scene.frames, scene.camera_tokens)
    answers = localiser.ask(memory, [Query(s.situation, s.question) for s in asked], max_new_tokens=3)
    with torch.no_grad():
        outputs = model(processor.collate([processor.pack(scene, asked)]))
    for answer, mean_m in zip(answers, outputs.position.mean_m.tolist(), strict=True):
        assert (answer.pose.x_m, answer.pose.y_m) == pytest.approx(mean_m, abs=1e-4)
    torch.testing.assert_close(memory.places.mean_m, outputs.layout.mean_m, atol=1e-4, rtol=1e-4)


def test_frames_stand_between_qwens_own_marks(small):
    _, processor = small
    start, end = processor.tokenizer.convert_tokens_to_ids(MARKS)
    special = processor.config.tokens
    frame = [special.cam, start, *[special.image] * 4, end]
    assert processor.prefix_ids()[-21:] == frame * 3


def test_a_tokenizer_without_the_marks_is_refused(small, processor):
    _, other = small
    with pytest.raises(CheckpointError, match=r"no <\|vision_start\|>"):
        Processor(other.config, processor.tokenizer)


def test_its_published_names_load(small, tmp_path):
    from safetensors.torch import save_file

    model, _ = small
    names = {"model.projector.": "visual.merger.", "model.visual.": "visual.", "model.language_model.": "model."}
    weights = {}
    for name, value in model.vlm.state_dict().items():
        old = next((prefix for prefix in names if name.startswith(prefix)), "")
        weights[names.get(old, "") + name.removeprefix(old)] = value.clone()
    save_file(weights, tmp_path / "model.safetensors")
    torch.manual_seed(9)
    other = Loc3R(model.config, bare=True)
    load_backbone(other, tmp_path, lambda name, read: set_weight(other, name, read().clone()))
    found = other.vlm.state_dict()
    tables = ("embed_tokens.weight", "lm_head.weight")  # have rows of new tokens
    assert all(torch.equal(w, found[n]) for n, w in model.vlm.state_dict().items() if not n.endswith(tables))
