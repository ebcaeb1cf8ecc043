"""Memory and packing change the cost of an answer, never the answer."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from loc3r.errors import FrameError, QuestionError
from loc3r.model.batch import UNSUPERVISED
from loc3r.model.egocentric import telling
from loc3r.model.heads import decode_heading
from loc3r.model.inference import Localiser, PoseEstimate, Query
from loc3r.model.modelling import visible

NAMES = ("bed", "chair", "desk", "floor lamp", "office chair", "sofa", "wall", "window")
QUERIES = [
    Query("I am standing close to the bed, facing the window.", "What is between me and the wall?"),
    Query(None, "Is there a floor lamp?"),
    Query("I am facing the very very very big sofa.", "What?"),
    Query("I am close to the desk."),
    *(Query(f"I am facing the {name}.", f"What is between me and the {name}?") for name in NAMES * 2),
]


@pytest.fixture(scope="module")
def localiser(model, processor):
    return Localiser(model, processor)


@pytest.fixture
def memory(localiser, frames, cameras):
    return localiser.open_scene(frames, cameras)


def numbers(pose: PoseEstimate) -> np.ndarray:
    return np.array(list(vars(pose).values()))


@torch.inference_mode()
def recompute(localiser, frames, cameras, query, max_new_tokens):
    """Pose and greedy tokens from whole forward passes: no cache, no packing."""
    model, processor = localiser.model, localiser.processor
    prefix, suffix = processor.prefix_ids(), processor.suffix(query.situation, query.question)
    ids, said = [*prefix, *suffix.ids], []
    pixels, tokens = processor.pixels(frames)[None], processor.camera_tokens(cameras)[None]
    at = len(prefix) + suffix.pos_at
    words = torch.arange(at + 2, len(ids) - 1)  # told where their things are, as every time before
    for _ in range(max_new_tokens):
        row = torch.tensor([ids])
        with telling(model, torch.tensor([at]), lambda: (words, torch.zeros_like(words))):
            seen = model.language(
                inputs_embeds=model.embed_prefix(row, model.see(pixels), tokens),
                attention_mask=visible(torch.zeros_like(row)),
                output_hidden_states=True,
            )
        token = int(model.vlm.lm_head(seen.last_hidden_state[0, -1]).argmax())
        if token == processor.config.tokens.im_end:
            break
        ids.append(token)
        said.append(token)
    states = model.pose_states(seen)[0]
    position, _, logits = model.heads.pose(states[at], states[at + 1])
    heading, concentration = decode_heading(logits, model.config.model.heading_bin_offset)
    return torch.stack([*position.mean_m, *position.sigma_m, heading, concentration]).numpy(), processor.decode(said)


def test_a_question_is_read_in_training_as_when_it_is_asked(localiser, processor, scene, sample):
    room, samples = scene(0), [sample(1), sample(2), sample(3, situated=False)]
    memory = localiser.open_scene(room.frames, room.camera_tokens)
    answers = localiser.ask(memory, [Query(each.situation, each.question) for each in samples])
    told = [replace(each, answers=(answer.text,)) for each, answer in zip(samples, answers, strict=True)]
    batch = processor.collate([processor.pack(room, told)])
    with torch.inference_mode():
        outputs = localiser.model(batch)
    heading, _ = decode_heading(outputs.heading_logits, localiser.model.config.model.heading_bin_offset)
    poses = np.array([numbers(answer.pose)[[0, 1, 4]] for answer in answers])
    assert np.allclose(torch.column_stack([outputs.position.mean_m, heading]), poses, atol=1e-4)
    assert torch.equal(outputs.answer_logits.argmax(-1), batch.labels[batch.labels != UNSUPERVISED])


def test_memory_answers_as_a_full_recompute(localiser, memory, frames, cameras):
    queries = [query for query in QUERIES if query.question]
    answers = localiser.ask(memory, queries, max_new_tokens=6)
    assert len({answer.text for answer in answers}) > 1
    for query, answer in zip(queries, answers, strict=True):
        pose, text = recompute(localiser, frames, cameras, query, 6)
        assert answer.text == text
        assert np.allclose(numbers(answer.pose), pose, atol=1e-4)


def test_many_at_once_answer_as_one_by_one(localiser, memory):
    together = localiser.ask(memory, QUERIES, max_new_tokens=5)
    assert len({len(localiser.processor.encode(answer.text).ids) for answer in together}) > 1  # some end before others
    for query, answer in zip(QUERIES, together, strict=True):
        (alone,) = localiser.ask(memory, [query], max_new_tokens=5)
        assert alone.text == answer.text
        assert np.allclose(numbers(alone.pose), numbers(answer.pose), atol=1e-4)


def test_stream_tells_the_pose_first_and_then_the_same_text(localiser, memory):
    for query in QUERIES[:4]:
        pose, *pieces = localiser.stream(memory, query, max_new_tokens=6)
        (answer,) = localiser.ask(memory, [query], max_new_tokens=6)
        assert np.allclose(numbers(pose), numbers(answer.pose), atol=1e-5)
        assert "".join(pieces) == answer.text
        assert all(pieces)


def test_the_pose_does_not_depend_on_the_question(localiser, memory):
    situation = "I am close to the desk."
    bare, asked = localiser.ask(memory, [Query(situation), Query(situation, "What is behind me?")])
    assert bare.text == ""
    assert np.allclose(numbers(bare.pose), numbers(asked.pose), atol=1e-5)


def test_memory_survives_being_asked(localiser, memory):
    before = [keys.clone() for keys, _ in memory.layers]
    first = localiser.ask(memory, QUERIES[:2])
    assert localiser.ask(memory, QUERIES[:2]) == first
    assert all(torch.equal(keys, kept) for (keys, _), kept in zip(memory.layers, before, strict=True))
    assert memory.tokens == len(localiser.processor.prefix_ids())
    assert memory.size_bytes > 0


def test_layout_is_that_of_training(localiser, memory, processor, pack, sample, recipe, frames, cameras):
    packed = pack(0, [sample(1)])
    batch = processor.collate([packed])
    frames = ((packed.pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    places, sigma = localiser.layout(localiser.open_scene(frames, packed.camera_tokens.numpy()))
    side = recipe.data.tokens_a_side
    assert places.shape == sigma.shape == (recipe.data.frames, side, side, 2)
    with torch.inference_mode():
        trained = localiser.model(batch).layout
    assert np.allclose(places, trained.mean_m[0], atol=1e-4) and np.allclose(sigma, trained.sigma_m[0], atol=1e-4)


@pytest.mark.parametrize(
    "query",
    [Query(None), Query(" ", "\n"), Query("I am here.", "x" * 2001), Query("x" * 10_000, "Where?")],
    ids=["nothing", "blank", "long question", "long situation"],
)
def test_bad_queries_are_refused(localiser, memory, query):
    with pytest.raises(QuestionError, match="expected"):
        localiser.ask(memory, [QUERIES[0], query])
    with pytest.raises(QuestionError):
        localiser.stream(memory, query)


def test_bad_frames_are_refused(localiser, frames, cameras):
    for wrong in (frames[:2], frames[:, :16], frames.astype(np.float32), frames[..., :1]):
        with pytest.raises(FrameError, match=r"\(3, 32, 32, 3\) uint8"):
            localiser.open_scene(wrong, cameras)
    for wrong in (cameras[:2], cameras[:, :3], np.full_like(cameras, np.nan)):
        with pytest.raises(FrameError, match="camera tokens"):
            localiser.open_scene(frames, wrong)


def test_frames_and_cameras_matter(localiser, memory, frames, cameras):
    (base,) = localiser.ask(memory, QUERIES[:1])
    for other in (localiser.open_scene(255 - frames, cameras), localiser.open_scene(frames, -cameras)):
        (changed,) = localiser.ask(other, QUERIES[:1])
        assert not np.allclose(numbers(base.pose), numbers(changed.pose), atol=1e-4)
