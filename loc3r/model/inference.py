"""Ask a trained model: a video is encoded once, then every question costs only its own words.

The video comes first in the prompt, so its keys and values are the same for all questions: they are the scene
memory. Questions are packed behind it as in training; one prefill gives their poses and first words, and greedy
decoding goes on from the same cache. Only frames, their camera tokens and text go in: never a true pose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from loc3r.errors import QuestionError
from loc3r.model.batch import VIDEO
from loc3r.model.calibration import sigma_temperature
from loc3r.model.egocentric import telling
from loc3r.model.heads import Gaussian, decode_heading
from loc3r.model.modelling import Loc3R, visible
from loc3r.model.processor import Processor, Suffix

MAX_CHARACTERS = 2000
"""Longest situation or question."""
QUERIES_AT_ONCE = 16
"""Questions in one prefill: the mask among them grows with the square."""


@dataclass(frozen=True)
class Query:
    """What someone in the scene says and asks. Without a question there is no text; without a situation, no place."""

    situation: str | None
    question: str = ""


@dataclass(frozen=True)
class PoseEstimate:
    """Where the speaker stands and looks, in the bird's-eye frame of the video, and how sure the model is."""

    x_m: float
    y_m: float
    sigma_x_m: float
    sigma_y_m: float
    heading_rad: float
    heading_concentration: float
    """Length of the circular mean: 1 is certain, 0 knows nothing."""


@dataclass(frozen=True)
class Answer:
    """A pose and the answer's words."""

    pose: PoseEstimate
    text: str


@dataclass(frozen=True)
class SceneMemory:
    """A video as the language model remembers it."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    """Keys and values (1, H, P, D) of each layer."""
    places: Gaussian
    """(1, T, R, R, 2) where each vision token is."""

    @property
    def tokens(self) -> int:
        """Length of the prefix."""
        return self.layers[0][0].shape[2]

    @property
    def size_bytes(self) -> int:
        """Memory that the keys and values hold."""
        return sum(states.nbytes for layer in self.layers for states in layer)


class Localiser:
    """A model and its processor, ready to be asked. Answers are deterministic.

    ``temperature`` multiplies the sigma of every speaker's place.
    """

    def __init__(self, model: Loc3R, processor: Processor, temperature: float = 1.0) -> None:
        self.model = model.eval()
        self.processor = processor
        self.temperature = temperature

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Localiser:
        """The localiser of a checkpoint folder, calibrated where the folder says how.

        Raises:
            CheckpointError: a file is missing, damaged or doesn't fit.
        """
        return cls(Loc3R.load(folder).to(device), Processor.load(folder), sigma_temperature(folder))

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.device

    @torch.inference_mode()
    def open_scene(self, frames: NDArray[np.uint8], camera_tokens: NDArray[np.float32]) -> SceneMemory:
        """Encode frames (T, S, S, 3) uint8 and the prior's tokens (T, D) of them.

        Raises:
            FrameError: a shape or type doesn't fit the model.
        """
        ids = torch.tensor([self.processor.prefix_ids()], device=self.device)
        pixels = self.processor.pixels(frames)[None].to(self.device)
        cameras = self.processor.camera_tokens(camera_tokens)[None].to(self.device)
        states = self.model.language(
            inputs_embeds=self.model.embed_prefix(ids, self.model.see(pixels), cameras),
            position_ids=self.model.backbone.rotary_positions(
                ids, torch.arange(ids.shape[1], device=self.device)[None], ids.shape[1]
            ),
            past_key_values=DynamicCache(),
            use_cache=True,
        )
        layers = tuple((layer.keys, layer.values) for layer in states.past_key_values.layers)
        return SceneMemory(layers, self.model.read_layout(states.last_hidden_state, ids))

    def layout(self, memory: SceneMemory) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Place and standard deviation of every vision token, each (T, R, R, 2) in metres."""
        return memory.places.mean_m[0].cpu().numpy(), memory.places.sigma_m[0].cpu().numpy()

    def ask(self, memory: SceneMemory, queries: Sequence[Query], max_new_tokens: int = 16) -> list[Answer]:
        """Answer queries about one scene, in their order.

        Raises:
            QuestionError: a query is empty or too long.
        """
        suffixes = [self._suffix(query) for query in queries]
        answers: list[Answer] = []
        for first in range(0, len(queries), QUERIES_AT_ONCE):
            some = slice(first, first + QUERIES_AT_ONCE)
            conversation = Conversation(self.model, memory, self.temperature)
            poses = conversation.prefill(suffixes[some])
            words: list[list[int]] = [[] for _ in poses]
            asked = [i for i, query in enumerate(queries[some]) if query.question.strip()]
            for step in conversation.decode(asked, max_new_tokens):
                for query, token in step.items():
                    words[query].append(token)
            texts = [self.processor.decode(ids) for ids in words]
            answers += [Answer(pose, text) for pose, text in zip(poses, texts, strict=True)]
        return answers

    def stream(self, memory: SceneMemory, query: Query, max_new_tokens: int = 16) -> Iterator[PoseEstimate | str]:
        """The pose, as soon as it is known, then the answer in pieces that join to its text.

        Raises:
            QuestionError: the query is empty or too long.
        """
        suffix = self._suffix(query)
        conversation = Conversation(self.model, memory, self.temperature)
        return self._stream(conversation, suffix, max_new_tokens if query.question.strip() else 0)

    def _stream(self, conversation: Conversation, suffix: Suffix, max_new_tokens: int) -> Iterator[PoseEstimate | str]:
        yield conversation.prefill([suffix])[0]
        tokens = (step[0] for step in conversation.decode([0], max_new_tokens))
        yield from self._pieces(tokens)

    def _pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        ids: list[int] = []
        told = text = ""
        for token in tokens:
            ids.append(token)
            text = self.processor.decode(ids)
            if not text.endswith("\N{REPLACEMENT CHARACTER}") and text != told:  # else inside a character
                yield text[len(told) :]
                told = text
        if text != told:
            yield text[len(told) :]

    def _suffix(self, query: Query) -> Suffix:
        situation, question = (query.situation or "").strip(), query.question.strip()
        if not situation and not question:
            raise QuestionError(
                "nothing was said", received=query, expected="a situation, a question or both", fix='say "I am …"'
            )
        for name, text in (("situation", situation), ("question", question)):
            if len(text) > MAX_CHARACTERS:
                raise QuestionError(
                    f"the {name} is too long",
                    received=f"{len(text):,} characters",
                    expected=f"at most {MAX_CHARACTERS:,}",
                )
        return self.processor.suffix(situation, question)


class Conversation:
    """Queries packed behind one scene memory: a key-value cache, and who owns each token in it."""

    def __init__(self, model: Loc3R, memory: SceneMemory, temperature: float = 1.0) -> None:
        self._model = model
        self._temperature = temperature
        self._cache = DynamicCache()
        for layer, (keys, values) in enumerate(memory.layers):
            self._cache.update(keys, values, layer)
        self._owner = torch.full((1, memory.tokens), VIDEO, device=memory.layers[0][0].device)
        self._start = memory.tokens
        self._lengths: dict[int, int] = {}
        self._ends: dict[int, Tensor] = {}

    @torch.inference_mode()
    def prefill(self, suffixes: Sequence[Suffix]) -> list[PoseEstimate]:
        """Read every query once; their poses."""
        starts = list(accumulate((len(suffix.ids) for suffix in suffixes[:-1]), initial=0))
        pos_at = self._indices(start + suffix.pos_at for start, suffix in zip(starts, suffixes, strict=True))
        with telling(self._model, pos_at, partial(self._told_words, starts, suffixes)):
            read = self._feed({query: suffix.ids for query, suffix in enumerate(suffixes)})
        states = self._model.pose_states(read)[0]
        position, _, heading_logits = self._model.heads.pose(states[pos_at], states[pos_at + 1])
        heading, concentration = decode_heading(heading_logits, self._model.config.model.heading_bin_offset)
        sigma_m = self._temperature * position.sigma_m
        columns = [*position.mean_m.T, *sigma_m.T, heading, concentration]
        return [PoseEstimate(*row) for row in torch.stack(columns, 1).tolist()]

    @torch.inference_mode()
    def decode(self, queries: Sequence[int], max_new_tokens: int) -> Iterator[dict[int, int]]:
        """Greedy next tokens of the queries that have not ended, at most ``max_new_tokens`` times."""
        going = list(queries)
        for left in reversed(range(max_new_tokens)):
            chosen = self._choose(going)
            going = list(chosen)
            if not going:
                return
            yield chosen
            if left:
                self._feed({query: [token] for query, token in chosen.items()})

    def _choose(self, queries: Sequence[int]) -> dict[int, int]:
        """The likeliest next token of each query that doesn't end here."""
        if not queries:
            return {}
        logits = self._model.vlm.lm_head(torch.stack([self._ends[query] for query in queries]))
        tokens = zip(queries, logits.argmax(-1).tolist(), strict=True)
        return {query: token for query, token in tokens if token != self._model.config.tokens.im_end}

    def _told_words(self, starts: Sequence[int], suffixes: Sequence[Suffix]) -> tuple[Tensor, Tensor]:
        """As in training (``told_words``): all behind <Ori> but the last word, which is the first that answers."""
        words = [range(suffix.pos_at + 2, len(suffix.ids) - 1) for suffix in suffixes]
        told = self._indices(start + at for start, those in zip(starts, words, strict=True) for at in those)
        return told, self._indices(query for query, those in enumerate(words) for _ in those)

    def _indices(self, values: Iterable[int]) -> Tensor:
        return torch.tensor(list(values), dtype=torch.long, device=self._owner.device)

    def _feed(self, tokens: Mapping[int, list[int]]) -> Any:
        """Append tokens to queries; what the language model returns of all the new ones, in one row."""
        device = self._owner.device
        counts = [len(ids) for ids in tokens.values()]
        owner = torch.tensor([1 + query for query in tokens], device=device).repeat_interleave(
            torch.tensor(counts, device=device)
        )
        self._owner = torch.cat([self._owner, owner[None]], 1)
        starts = {query: self._start + self._lengths.get(query, 0) for query in tokens}
        positions = [starts[query] + i for query, ids in tokens.items() for i in range(len(ids))]
        ids = torch.tensor([[token for ids in tokens.values() for token in ids]], device=device)
        states = self._model.language(
            inputs_embeds=self._model.language.embed_tokens(ids),
            attention_mask=visible(self._owner, queries=len(positions)),
            position_ids=self._model.backbone.rotary_positions(ids, torch.tensor([positions], device=device), prefix=0),
            past_key_values=self._cache,
            use_cache=True,
            output_hidden_states=self._model.config.model.egocentric_layer is not None,
        )
        new = dict(zip(tokens, states.last_hidden_state[0].split(counts), strict=True))
        for query, hidden in new.items():
            self._lengths[query] = self._lengths.get(query, 0) + len(hidden)
            self._ends[query] = hidden[-1]
        return states
