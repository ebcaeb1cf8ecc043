"""What Loc3R asks of a backbone, whatever its vision tower and its positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from torch import Tensor

from loc3r.model import attention

if TYPE_CHECKING:
    from loc3r.model.config import Loc3RConfig


class Backbone(ABC):
    """How a published model is built, how it sees and counts, and what its checkpoint calls things.

    It holds no weights: they are in the transformers model that ``build`` gives and the other methods take, which has
    ``model.language_model`` and ``lm_head``.
    """

    renames: tuple[tuple[str, str], ...]
    """Pattern to replacement, all applied in turn: published names to those of ``build``."""
    published: str
    """What its checkpoint is called, for messages."""
    tower: str
    """Name of the vision tower in what ``build`` gives."""

    def __init__(self, config: Loc3RConfig) -> None:
        self.config = config

    @abstractmethod
    def build(self) -> Any:
        """The transformers model with random weights."""

    @abstractmethod
    def settle_tower(self, vlm: Any) -> None:
        """Freeze of the vision tower and the projector what is not trained."""

    @abstractmethod
    def see(self, vlm: Any, frames: Tensor) -> Tensor:
        """What the tower gives the projector: features (N, P, P, F) of frames (N, 3, S, S) in [-1, 1]."""

    @abstractmethod
    def project(self, vlm: Any, features: Tensor) -> Tensor:
        """Vision tokens (N, R, R, d) of features (N, P, P, F)."""

    def newline(self, vlm: Any) -> Tensor | None:
        """The learned newline embedding (d,); None where the backbone has none."""
        return None

    def rotary_positions(self, ids: Tensor, positions: Tensor, prefix: int) -> Tensor:
        """What the decoder's rotary embedding turns by.

        Args:
            ids: (B, N) tokens.
            positions: (B, N) how many tokens each one has before it: of the video, and of its own question.
            prefix: how many of the N are the video's; 0 when it was read before.

        Returns:
            (B, N), or (3, B, N) where time, row and column turn apart.
        """
        return positions

    def unused(self, name: str) -> bool:
        """Whether a published weight (by its new name) is rightly left out."""
        return False


def with_shared_video(vlm: Any) -> Any:
    """The transformers model with our attention in its language model."""
    attention.register()
    vlm.set_attn_implementation({"text_config": attention.NAME, "vision_config": "sdpa"})
    return vlm


def text_sizes(config: Loc3RConfig) -> dict[str, Any]:
    """The language model's sizes, as transformers' configs call them."""
    language = config.model.language
    return {
        "vocab_size": language.vocabulary,
        "hidden_size": language.hidden,
        "intermediate_size": language.intermediate,
        "num_hidden_layers": language.layers,
        "num_attention_heads": language.heads,
        "num_key_value_heads": language.kv_heads,
        "max_position_embeddings": language.max_tokens,
        "rope_parameters": {"rope_type": "default", "rope_theta": language.rope_theta},
        "tie_word_embeddings": config.tied,
    }
