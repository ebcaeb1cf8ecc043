"""From frames and words to tensors, the same in training, evaluation and serving.

    <|im_start|>user\\n ( <cam> R rows of R <image> tokens, each row with a <newline> )xT
    \\n{situation}<Pos><Ori>{question}<|im_end|>\\n<|im_start|>assistant\\n{answer}<|im_end|>

The first line is the prefix: it depends on the video alone. The second is a suffix; a video may have many.
A backbone may place its newline elsewhere and put marks of its own around a frame. A recipe may add a system sentence,
one about the video behind the frames (both in the prefix), one about the answer behind the question, and a space or a
newline on each side of <Pos><Ori>; or leave <Pos><Ori> out where there is no situation.
Ablations change it: without ``model.video`` the prefix holds no frame; with ``model.pose=text`` there is no
<Pos><Ori>, and the answer begins with the pose in words (``loc3r.model.pose_text``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loc3r.datasets.prompts import SYSTEM, video_sentence, with_answer_format
from loc3r.errors import CheckpointError, DataError, FrameError
from loc3r.model.backbones import backbone_card
from loc3r.model.batch import NEAR_M, PADDING, UNSUPERVISED, VIDEO, Batch, Packed, collate
from loc3r.model.config import Loc3RConfig
from loc3r.model.pose_text import response
from loc3r.model.tokenizer import load_tokenizer
from loc3r.scenes.sources import source_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from loc3r.scenes.shards import MapObject, PreparedSample, PreparedScene

NO_SITUATION = "I am standing in the room."
"""Stands in for the situation of a sample that has none (paper, section 3.3)."""
NOWHERE = (math.nan, math.nan)
SPACING = {"none": "", "space": " ", "newline": "\n"}
"""``model.pose_token_spacing``."""
SAME_CENTRE_M = 0.001
"""A mention's place is its object's centre, but for rounding."""


@dataclass(frozen=True)
class Text:
    """Tokens of a piece of text and the characters that each covers."""

    ids: list[int]
    spans: list[tuple[int, int]]

    def last_token(self, start: int, end: int) -> int:
        """Index of the last token that covers a character of ``text[start:end]``."""
        covering = [i for i, (first, last) in enumerate(self.spans) if first < end and last > start]
        if not covering:
            raise DataError("a mention covers no token", received=(start, end), expected="a span inside its text")
        return covering[-1]


@dataclass(frozen=True)
class Suffix:
    """The tokens that follow the video for one question, and where things are in them."""

    ids: list[int]
    pos_at: int
    """Index of <Pos>, or of what follows the situation where there is none."""
    answer_at: int
    """Index of the answer's first token: where the prompt ends."""
    fields: dict[str, tuple[int, Text]]
    """Field name to where it starts and its text."""

    def mention_at(self, field: str, start: int, end: int) -> int:
        """Index of the last token of a mention."""
        offset, text = self.fields[field]
        return offset + text.last_token(start, end)


class Processor:
    """Builds token sequences and batches for one config and its tokenizer."""

    def __init__(self, config: Loc3RConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        self.config = config
        self.tokenizer = tokenizer
        self._prefix = self._build_prefix()
        self._class_name_ids = self._encode_class_names()
        self._class_index = {name: index for index, name in enumerate(config.class_names)}

    @classmethod
    def load(cls, folder: Path) -> Processor:
        """The processor of a checkpoint folder."""
        return cls(Loc3RConfig.load(folder), load_tokenizer(folder))

    def pixels(self, frames: NDArray[np.uint8]) -> Tensor:
        """Frames (T, S, S, 3) uint8 to (T, 3, S, S) float in [-1, 1], as SigLIP was trained.

        Raises:
            FrameError: another shape or type.
        """
        if frames.shape != self.config.frame_shape or frames.dtype != np.uint8:
            raise FrameError(
                "frames don't fit the model",
                received=f"{frames.shape} {frames.dtype}",
                expected=f"{self.config.frame_shape} uint8",
                fix="loc3r.scenes.video.read_video and fit_frames make them",
            )
        return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1

    def camera_tokens(self, tokens: NDArray[np.float32]) -> Tensor:
        """Camera tokens (T, D) of the pose prior, checked; zeros when the recipe hides them.

        Raises:
            FrameError: another shape, or a value that is not finite.
        """
        expected = (self.config.data.frames, self.config.model.prior_dim)
        if tokens.shape != expected or not np.isfinite(tokens).all():
            raise FrameError(
                "camera tokens don't fit the model",
                received=f"{tokens.shape}, finite: {bool(np.isfinite(tokens).all())}",
                expected=f"{expected}, from the prior {self.config.data.prior!r}",
            )
        return torch.from_numpy(np.ascontiguousarray(tokens, np.float32)) * self.config.model.camera_tokens

    @property
    def writes_pose(self) -> bool:
        """Whether the pose is in the answer's words, and the heads know nothing."""
        return self.config.model.pose == "text"

    def encode(self, text: str, before: str = "") -> Text:
        """Tokens of plain text; a "<Pos>" that someone types stays five characters.

        Args:
            before: said before the text, and not counted in the spans.
        """
        encoded = self.tokenizer(
            before + text, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
        )
        moved = [(first - len(before), last - len(before)) for first, last in encoded["offset_mapping"]]
        return Text(encoded["input_ids"], moved)

    def decode(self, ids: Sequence[int]) -> str:
        """Answer tokens to text."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()

    def prefix_ids(self) -> list[int]:
        """The video's tokens, the same for every video."""
        return list(self._prefix)

    def suffix_ids(self, situation: str | None, question: str, answer: str | None = None) -> list[int]:
        """One question's tokens; without an answer they end where the answer begins."""
        return self.suffix(situation, question, answer).ids

    def suffix(self, situation: str | None, question: str, answer: str | None = None) -> Suffix:
        """One question's tokens and where the pose tokens, the fields and the answer are in them."""
        special, space = self.config.tokens, SPACING[self.config.model.pose_token_spacing]
        newline, pose = self.encode("\n").ids, self._pose_tokens(situation)
        situation_text = self.encode((situation or NO_SITUATION) + space)
        asked = with_answer_format(question, self.config.data.answer_format)
        question_text = self.encode(asked, before=space if pose else "")
        ids = [*newline, *situation_text.ids, *pose, *question_text.ids]
        pos_at = len(newline) + len(situation_text.ids)
        ids += [special.im_end, *newline, special.im_start, *self.encode("assistant\n").ids]
        answer_at = len(ids)
        if answer is not None:
            ids += [*self.encode(answer).ids, special.im_end]
        fields = {"situation": (len(newline), situation_text), "question": (pos_at + len(pose), question_text)}
        return Suffix(ids, pos_at, answer_at, fields)

    def _pose_tokens(self, situation: str | None) -> list[int]:
        model, special = self.config.model, self.config.tokens
        there = not self.writes_pose and (bool(situation) or model.pose_tokens_without_situation)
        return [special.pos, special.ori] if there else []

    def pack(self, scene: PreparedScene, samples: Sequence[PreparedSample]) -> Packed:
        """One video with all of ``samples`` behind it.

        Raises:
            DataError: there is no sample, or one of another scene.
            FrameError: the frames or the camera tokens don't fit the model.
        """
        strangers = sorted({sample.scene_id for sample in samples} - {scene.scene_id})
        if strangers or not samples:
            raise DataError("samples don't fit the scene", received=strangers or "none", expected=scene.scene_id)
        suffixes = [self._suffix_of(sample) for sample in samples]
        tokens = _join(self._prefix, suffixes)
        starts = _starts(len(self._prefix), suffixes)
        mentions = [
            (start + suffix.mention_at(field, first, last), (x_m, y_m))
            for start, suffix, sample in zip(starts, suffixes, samples, strict=True)
            for field, first, last, x_m, y_m in sample.mentions
        ]
        mentioned = [_object_at(scene, place) for _, place in mentions]
        return Packed(
            **tokens,
            pixels=self.pixels(scene.frames),
            camera_tokens=self.camera_tokens(scene.camera_tokens),
            pos_at=torch.tensor([start + suffix.pos_at for start, suffix in zip(starts, suffixes, strict=True)]),
            position_m=_places([s.position_m if s.situation else None for s in samples]),
            heading_rad=_headings([s.heading_rad if s.situation else None for s in samples]),
            look_at_m=_places([s.look_at_m if s.situation else None for s in samples]),
            mention_at=torch.tensor([at for at, _ in mentions], dtype=torch.long),
            mention_m=_places([place for _, place in mentions]),
            mention_class=torch.tensor([self._class_of(thing) for thing in mentioned], dtype=torch.long),
            mention_front=_places([_front_of(thing, scene) for thing in mentioned]),
            patch_xy_m=torch.from_numpy(np.nan_to_num(scene.patch_xy_m)),
            patch_valid=torch.from_numpy(scene.patch_valid & self._teaches_layout(scene)),
            patch_class=torch.from_numpy(scene.patch_class.astype(np.int64)),
            patch_front=torch.from_numpy(self._patch_fronts(scene)),
        )

    def length(self, sample: PreparedSample) -> int:
        """Tokens that a question and its answer take behind a video."""
        return len(self._suffix_of(sample).ids)

    def _suffix_of(self, sample: PreparedSample) -> Suffix:
        answer = response(sample, pose=self.config.model.pose)
        return self.suffix(sample.situation, sample.question, answer)

    def _teaches_layout(self, scene: PreparedScene) -> bool:
        chosen = self.config.loss.layout_datasets
        return not chosen or source_of(scene.scene_id) in chosen

    def _patch_fronts(self, scene: PreparedScene) -> NDArray[np.float32]:
        """Where tokens' things face, (T, R, R, 2): a token shows the nearest thing of its class, if one is near."""
        things = scene.objects if self.config.model.fronts else ()
        fronts = np.array([*(_front_of(thing, scene) or NOWHERE for thing in things), NOWHERE], np.float32)
        away_m = [self._away_m(scene, thing) for thing in things]
        nearest = np.stack([*away_m, np.full(scene.patch_class.shape, NEAR_M)]).argmin(0)  # the last one is nothing
        shown: NDArray[np.float32] = fronts[nearest]
        return shown

    def _away_m(self, scene: PreparedScene, thing: MapObject) -> NDArray[np.float64]:
        """How far the tokens (T, R, R) that bear a thing's name are from its centre; infinite for the others."""
        bears = scene.patch_valid & (scene.patch_class == self._class_of(thing)) & (scene.patch_class >= 0)
        return np.where(bears, np.linalg.norm(scene.patch_xy_m - thing.xy_m, axis=-1), np.inf)

    def _class_of(self, thing: MapObject | None) -> int:
        """Index of an object's name; -1 unknown."""
        return -1 if thing is None else self._class_index.get(thing.name, -1)

    def collate(self, packed: Sequence[Packed]) -> Batch:
        """Videos as one batch, each in a row of its own."""
        return self.collate_rows([[one] for one in packed])

    def collate_rows(self, rows: Sequence[Sequence[Packed]]) -> Batch:
        """Rows of one or several videos as one batch."""
        return collate(rows, self._class_name_ids, self.config.tokens.pad)

    def _build_prefix(self) -> list[int]:
        special, data, model = self.config.tokens, self.config.data, self.config.model
        card = backbone_card(model.backbone)
        row = [special.image] * data.tokens_a_side + [special.newline] * (card.newlines == "row")
        before, behind = self._marks(card.frame_marks)
        frame = [special.cam, *before, *row * data.tokens_a_side, *behind]
        video = [*frame * data.frames, *[special.newline] * (card.newlines == "video")] if model.video else []
        told = video_sentence(model.video_sentence, data.frames, model.frame_interval_s)
        user = [special.im_start, *self.encode("user\n").ids, *video, *(self.encode(f"\n{told}").ids if told else [])]
        system = [*self.encode(f"system\n{SYSTEM}").ids, special.im_end, *self.encode("\n").ids]
        return [special.im_start, *system, *user] if model.system_sentence else user

    def _marks(self, marks: tuple[str, ...]) -> tuple[list[int], list[int]]:
        """Ids of the backbone's own tokens before and behind a frame's patches."""
        known = self.tokenizer.get_vocab() if marks else {}
        if unknown := [mark for mark in marks if mark not in known]:
            raise CheckpointError(
                "the tokenizer is not the backbone's",
                received=f"no {', '.join(unknown)}",
                expected=f"the tokenizer of {self.config.model.backbone}",
                fix="start from the published folder: loc3r train --init FOLDER",
            )
        ids = [known[mark] for mark in marks]
        return ids[:1], ids[1:]

    def _encode_class_names(self) -> Tensor:
        # With the space that the word has inside a sentence: that is the token to bind to what it looks like.
        names = [torch.tensor(self.encode(f" {name}").ids) for name in self.config.class_names]
        if not names:
            return torch.zeros(0, 1, dtype=torch.long)
        return torch.nn.utils.rnn.pad_sequence(names, batch_first=True, padding_value=PADDING)


def _join(prefix: list[int], suffixes: list[Suffix]) -> dict[str, Tensor]:
    ids, owner, labels = list(prefix), [VIDEO] * len(prefix), [UNSUPERVISED] * len(prefix)
    positions = list(range(len(prefix)))
    for question, suffix in enumerate(suffixes, start=1):
        length, before_answer = len(suffix.ids), suffix.answer_at - 1
        ids += suffix.ids
        owner += [question] * length
        positions += range(len(prefix), len(prefix) + length)
        labels += [UNSUPERVISED] * before_answer + suffix.ids[suffix.answer_at :] + [UNSUPERVISED]
    columns = {"ids": ids, "owner": owner, "positions": positions, "labels": labels}
    return {name: torch.tensor(values) for name, values in columns.items()}


def _starts(prefix_length: int, suffixes: list[Suffix]) -> list[int]:
    lengths = [len(suffix.ids) for suffix in suffixes]
    return [prefix_length + sum(lengths[:i]) for i in range(len(lengths))]


def _object_at(scene: PreparedScene, place: tuple[float, float]) -> MapObject | None:
    """The object whose centre is there."""
    return next((thing for thing in scene.objects if math.dist(thing.xy_m, place) < SAME_CENTRE_M), None)


def _front_of(thing: MapObject | None, scene: PreparedScene) -> tuple[float, float] | None:
    """Where an object faces; boxes of real rooms have sides but no front."""
    if thing is None or source_of(scene.scene_id) != "synthetic":
        return None
    x, y = thing.front.tolist()
    return x, y


def _places(places: Sequence[tuple[float, float] | None]) -> Tensor:
    return torch.tensor([place or NOWHERE for place in places], dtype=torch.float32).reshape(-1, 2)


def _headings(headings: Sequence[float | None]) -> Tensor:
    return torch.tensor([math.nan if h is None else h for h in headings], dtype=torch.float32)
