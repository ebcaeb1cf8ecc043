"""Byte-level BPE tokenizers: trained in process on the data's own words, or a published backbone's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2TokenizerFast

from loc3r.errors import CheckpointError

SPECIALS = {
    "pad": "<|endoftext|>",
    "im_start": "<|im_start|>",
    "im_end": "<|im_end|>",
    "image": "<image>",
    "cam": "<cam>",
    "newline": "<newline>",
    "pos": "<Pos>",
    "ori": "<Ori>",
}
"""Role to token. The chat markers are Qwen's; in its vocabulary the other ones take unused rows."""
TOKENIZER_FILE = "tokenizer.json"
OLDER_FILES = ("vocab.json", "merges.txt")
"""Qwen2's words and merges, as they lie where a checkpoint has no ``TOKENIZER_FILE``."""

COPY = "copy it from where the weights come from; loc3r fetch brings a backbone's with its weights"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Learn at most ``vocabulary`` tokens from ``texts``; any text can be encoded, the specials come first.

    The same texts in the same order give the same tokenizer.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_with_roles(texts), trainer)
    return _wrap(tokenizer)


def _with_roles(texts: Iterable[str]) -> Iterator[str]:
    """Every prompt names both roles, so they must be worth a token each."""
    for text in texts:
        yield text
        yield from ("user\n", "assistant\n")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer in a checkpoint's or a published backbone's folder.

    Raises:
        CheckpointError: there is none, it is damaged, or it is another model's.
    """
    if not any(all((folder / name).is_file() for name in names) for names in ((TOKENIZER_FILE,), OLDER_FILES)):
        raise CheckpointError(
            "the checkpoint has no tokenizer",
            received=folder,
            expected=f"{TOKENIZER_FILE}, or {' and '.join(OLDER_FILES)}",
            fix=COPY,
        )
    try:
        tokenizer = _read(folder)
    except Exception as error:  # the library raises nothing narrower
        raise CheckpointError(f"the tokenizer in {folder} is damaged", received=error, fix=COPY) from error
    lacking = [
        SPECIALS[role] for role in ("pad", "im_start", "im_end") if tokenizer.token_to_id(SPECIALS[role]) is None
    ]
    if lacking:
        raise CheckpointError(
            f"the tokenizer in {folder} is another model's",
            received=f"{tokenizer.get_vocab_size():,} tokens, none of them {', '.join(lacking)}",
            expected="Qwen's, whose words the weights know",
            fix=COPY,
        )
    return _wrap(tokenizer)


def _read(folder: Path) -> Tokenizer:
    path = folder / TOKENIZER_FILE
    if path.is_file():
        return Tokenizer.from_file(str(path))
    tokenizer: Tokenizer = Qwen2TokenizerFast.from_pretrained(str(folder), local_files_only=True).backend_tokenizer
    return tokenizer


def _wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIALS["pad"],
        eos_token=SPECIALS["im_end"],
        additional_special_tokens=[SPECIALS[role] for role in ("im_start", "image", "cam", "newline", "pos", "ori")],
        clean_up_tokenization_spaces=False,
    )
