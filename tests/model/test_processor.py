import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from loc3r.errors import DataError, FrameError
from loc3r.model.batch import UNSUPERVISED
from loc3r.model.losses import joint_loss
from loc3r.model.modelling import Loc3R


def test_the_prompt_is_the_documented_one(processor):
    tokens = processor.tokenizer.convert_ids_to_tokens
    row = ["<image>"] * 2 + ["<newline>"]
    prefix = tokens(processor.prefix_ids())
    frame = ["<cam>", *row, *row]
    assert prefix[0] == "<|im_start|>" and prefix[-len(frame) * 3 :] == frame * 3
    assert processor.tokenizer.decode(processor.prefix_ids()[: -len(frame) * 3]) == "<|im_start|>user\n"
    suffix = processor.suffix_ids("I am close to the bed.", "What is it?", "chair")
    assert processor.tokenizer.decode(suffix) == (
        "\nI am close to the bed.<Pos><Ori>What is it?<|im_end|>\n<|im_start|>assistant\nchair<|im_end|>"
    )
    assert processor.suffix_ids(None, "What?") == processor.suffix_ids("I am standing in the room.", "What?")


@pytest.mark.parametrize(("spacing", "gap"), [("none", ""), ("space", " "), ("newline", "\n")])
def test_what_stands_beside_the_pose_tokens(spacing, gap, switched, scene, sample):
    spaced, special = switched(pose_token_spacing=spacing), switched().config.tokens
    packed = spaced.pack(scene(0), [sample(1), sample(2)])
    for at, owner, one in zip(packed.pos_at.tolist(), (1, 2), (sample(1), sample(2)), strict=True):
        assert packed.ids[at : at + 2].tolist() == [special.pos, special.ori]
        said = spaced.tokenizer.decode(packed.ids[packed.owner == owner])
        assert said.startswith(f"\n{one.situation}{gap}<Pos><Ori>{gap}{one.question}<|im_end|>")
    names = [getattr(s, f)[a:b] for s in (sample(1), sample(2)) for f, a, b, *_ in s.mentions]
    for at, name in zip(packed.mention_at.tolist(), names, strict=True):
        assert spaced.tokenizer.decode(packed.ids[at - 12 : at + 1].tolist()).endswith(name)


@pytest.mark.parametrize(("spacing", "gap"), [("none", ""), ("newline", "\n")])
def test_without_a_situation_the_pose_tokens_can_be_left_out(spacing, gap, switched, scene, sample):
    left_out, special = (
        switched(pose_token_spacing=spacing, pose_tokens_without_situation=False),
        switched().config.tokens,
    )
    samples = [sample(1), sample(2, situated=False)]
    packed, usual = left_out.pack(scene(0), samples), switched(pose_token_spacing=spacing).pack(scene(0), samples)
    assert (packed.ids == special.pos).sum() == 1 and (usual.ids == special.pos).sum() == 2
    assert left_out.tokenizer.decode(packed.ids[packed.owner == 2]).startswith(
        f"\nI am standing in the room.{gap}{samples[1].question}<|im_end|>"
    )
    assert packed.ids[packed.owner == 1].tolist() == usual.ids[usual.owner == 1].tolist()
    batch = left_out.collate([packed])
    torch.manual_seed(0)
    terms = joint_loss(Loc3R(left_out.config)(batch), batch, left_out.config)
    assert terms.total().isfinite() and terms.counts["position"] == 1
    assert left_out.suffix_ids("I am here.", "What?") == switched(pose_token_spacing=spacing).suffix_ids(
        "I am here.", "What?"
    )


def test_roles_cost_two_tokens(processor):
    assert len(processor.encode("assistant\n").ids) == 2


def test_typed_special_tokens_stay_text(processor):
    special = set(processor.config.tokens.model_dump().values())
    text = "I am <Pos><|im_end|> at <image> <cam> é 椅子"
    ids = processor.encode(text).ids
    assert not special & set(ids)
    assert processor.tokenizer.decode(ids) == text


def test_labels_are_the_answer_one_step_ahead(processor, pack, sample):
    packed = pack(0, [sample(1), sample(2)])
    supervised = packed.labels != UNSUPERVISED
    for question in (1, 2):
        mine = supervised & (packed.owner == question)
        ids = packed.labels[mine].tolist()
        assert processor.tokenizer.decode(ids) == sample(question).answers[0] + "<|im_end|>"
        at = mine.nonzero()[:, 0] + 1
        assert packed.ids[at].tolist() == ids


def test_pose_tokens_and_mentions_are_where_they_should(processor, pack, sample):
    samples = [sample(1), sample(2)]
    packed = pack(0, samples)
    special = processor.config.tokens
    assert packed.ids[packed.pos_at].tolist() == [special.pos] * 2
    assert packed.ids[packed.pos_at + 1].tolist() == [special.ori] * 2
    names = [getattr(s, field)[a:b] for s in samples for field, a, b, *_ in s.mentions]
    for at, name in zip(packed.mention_at.tolist(), names, strict=True):
        said = processor.tokenizer.decode(packed.ids[at - 12 : at + 1].tolist())
        assert said.endswith(name), (said, name)


def test_a_mention_faces_where_its_thing_does(processor, scene, sample):
    shown, asked = scene(0), [sample(1), sample(2)]
    faced = processor.pack(shown, asked).mention_front
    names = [getattr(s, field)[a:b].rstrip(",.") for s in asked for field, a, b, *_ in s.mentions]
    for front, name in zip(faced, names, strict=True):
        turns = [thing.name for thing in shown.objects].index(name)  # as the fixture turns them
        assert front.tolist() == pytest.approx([math.cos(turns), math.sin(turns)])


def east_m(away_m):
    return np.array([away_m, 0])


def test_a_token_faces_where_the_nearest_thing_of_its_class_does(processor, scene, sample):
    shown = scene(0)
    bed = shown.objects[0]
    assert bed.name == processor.config.class_names[0]
    other = replace(bed, xy_m=bed.xy_m + east_m(2.0), footprint_m=bed.footprint_m[[2, 3, 0, 1]] + east_m(2.0))
    patch_class, patch_xy_m = np.full_like(shown.patch_class, -1), np.full_like(shown.patch_xy_m, 9.0)
    cells = {
        (0, 0): (0, bed.xy_m + east_m(0.9)),
        (0, 1): (0, bed.xy_m + east_m(1.1)),
        (1, 0): (0, bed.xy_m - east_m(1.6)),
    }
    cells |= {(1, 1): (-1, bed.xy_m)}
    for (row, column), (known, place) in cells.items():
        patch_class[0, row, column], patch_xy_m[0, row, column] = known, place
    seen = replace(
        shown, objects=(*shown.objects, other), patch_class=patch_class, patch_xy_m=patch_xy_m,
        patch_valid=np.ones_like(shown.patch_valid),
    )  # fmt: skip
    faced = processor.pack(seen, [sample(1)]).patch_front
    assert faced[0, 0, 0].tolist() == pytest.approx(bed.front.tolist())
    assert faced[0, 0, 1].tolist() == pytest.approx(other.front.tolist())
    assert faced[0, 1].isnan().all() and faced[1:].isnan().all()
    assert processor.pack(replace(seen, objects=()), [replace(sample(1), mentions=())]).patch_front.isnan().all()


def test_boxes_of_real_rooms_and_flat_ones_face_nowhere(processor, scene, sample):
    real = replace(scene(0), scene_id="scene0011_00")
    asked = replace(sample(1), scene_id="scene0011_00")
    packed = processor.pack(real, [asked])
    assert packed.mention_front.isnan().all() and packed.patch_front.isnan().all()
    flat = tuple(replace(thing, footprint_m=np.tile(thing.xy_m, (4, 1))) for thing in scene(0).objects)
    assert processor.pack(replace(scene(0), objects=flat), [sample(1)]).mention_front.isnan().all()


def test_positions_restart_behind_the_video(processor, pack, sample):
    packed = pack(0, [sample(1), sample(2)])
    end = len(processor.prefix_ids())
    for question in (1, 2):
        positions = packed.positions[packed.owner == question].tolist()
        assert positions == list(range(end, end + len(positions)))


def test_collate_moves_indices_to_their_rows(processor, pack, sample):
    rows = [pack(0, [sample(3)]), pack(1, [sample(1, 1), sample(2, 1)])]
    batch = processor.collate(rows)
    assert (batch.ids.flatten()[batch.pos_at] == processor.config.tokens.pos).all()
    assert batch.questions.tolist() == [1, 2]
    assert batch.longest == max(int((row.owner == q).sum()) for row in rows for q in (1, 2))
    assert batch.prefix == len(processor.prefix_ids())


def test_pixels_are_what_siglip_expects(processor, frames):
    frames[0, 0, 0] = (0, 255, 51)
    pixels = processor.pixels(frames)
    assert pixels.shape == (3, 3, 32, 32)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -0.6], abs=1e-6)


def test_frames_of_another_size_are_refused(processor, frames):
    with pytest.raises(FrameError, match="fit_frames"):
        processor.pixels(frames[:, :16])


def test_strangers_are_refused(pack, sample):
    with pytest.raises(DataError, match="room_1"):
        pack(0, [sample(1, scene=1)])
    with pytest.raises(DataError, match="none"):
        pack(0, [])


def test_unknown_patches_hold_no_nan(sample, pack):
    assert np.isfinite(pack(0, [sample(1)]).patch_xy_m).all()
