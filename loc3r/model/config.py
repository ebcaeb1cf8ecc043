"""What a checkpoint must know to be rebuilt: sizes, losses, class names and the ids of the special tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from loc3r.errors import CheckpointError
from loc3r.files import read_json, write_json
from loc3r.recipe import Recipe
from loc3r.recipe_sections import DataRecipe, LossRecipe, ModelRecipe, Section

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CONFIG_FILE = "loc3r_config.json"


class SpecialTokens(Section):
    """Ids of the tokens that are assembled by id, never parsed from text."""

    pad: int = 0
    im_start: int = 1
    im_end: int = 2
    image: int = 3
    cam: int = 4
    newline: int = 5
    pos: int = 6
    ori: int = 7

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> SpecialTokens:
        """Read the ids from a tokenizer that holds all eight (``loc3r.model.tokenizer.SPECIALS``)."""
        from loc3r.model.tokenizer import SPECIALS

        ids = tokenizer.convert_tokens_to_ids(list(SPECIALS.values()))
        return cls(**dict(zip(SPECIALS, ids, strict=True)))


class Loc3RConfig(Section):
    """The part of a recipe that decides what a model computes, and what the data added to it."""

    data: DataRecipe
    model: ModelRecipe
    loss: LossRecipe = LossRecipe()
    class_names: tuple[str, ...] = ()
    """Names that vision tokens can have (dense grounding); the order is that of the prepared data."""
    tokens: SpecialTokens = SpecialTokens()

    @classmethod
    def from_recipe(
        cls, recipe: Recipe, class_names: tuple[str, ...], tokenizer: PreTrainedTokenizerFast
    ) -> Loc3RConfig:
        """The config of a model that ``recipe`` trains on data with ``class_names``.

        Raises:
            CheckpointError: the tokenizer has more tokens than the recipe's vocabulary has rows.
        """
        tokens = SpecialTokens.of(tokenizer)
        rows = recipe.model.language.vocabulary
        if (needed := max(tokens.model_dump().values()) + 1) > rows:
            raise CheckpointError(
                "the vocabulary has no unused rows for the new tokens",
                received=f"model.language.vocabulary={rows}",
                expected=f"at least {needed}",
                fix="set the number of rows that the backbone's embedding has",
            )
        return cls(data=recipe.data, model=recipe.model, loss=recipe.loss, class_names=class_names, tokens=tokens)

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """Shape of the frames (T, S, S, 3) that the model takes."""
        side = self.data.frame_size_px
        return (self.data.frames, side, side, 3)

    @property
    def tied(self) -> bool:
        """Whether answers are read out through the word embeddings: models from scratch do unless told otherwise."""
        tied = self.model.language.tied
        return self.model.backbone == "scratch" if tied is None else tied

    def save(self, folder: Path) -> None:
        """Write ``loc3r_config.json``."""
        write_json(folder / CONFIG_FILE, self.model_dump(mode="json"))

    @classmethod
    def load(cls, folder: Path) -> Loc3RConfig:
        """Read ``loc3r_config.json``.

        Raises:
            CheckpointError: the file is missing or holds other keys.
        """
        path = folder / CONFIG_FILE
        if not path.is_file():
            raise CheckpointError("not a Loc3R checkpoint", received=folder, expected=f"a folder with {CONFIG_FILE}")
        try:
            return cls.model_validate(read_json(path))
        except (ValidationError, ValueError) as error:
            raise CheckpointError(f"{path} can't be read", received=str(error).splitlines()[0]) from error
