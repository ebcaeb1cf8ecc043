"""Penn Treebank tokens as pycocoevalcap makes them: Stanford's tokenizer, lower case, punctuation taken out.

Stanford's tokenizer is a Java program. Without Java a port takes its place and the score says so: it gives the same
tokens for every answer of ScanQA, SQA3D, MSQA and Beacon3D that we could compare.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from loc3r.errors import ScoreError

PTB_PORT = "no Java here: Penn Treebank tokens are by a port of Stanford's tokenizer"
_LINE_BREAKS = re.compile("[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


def ptb_tokenize(texts: Sequence[str]) -> tuple[list[str], bool]:
    """Each text's tokens, joined by spaces; and whether they are by the port.

    Line breaks count as spaces: the original does so for a line feed, and at any other loses count of its lines.

    Raises:
        ScoreError: the tokenizer fails.
    """
    lines = [_LINE_BREAKS.sub(" ", text) for text in texts]
    by_port = shutil.which("java") is None
    tokens = [port_tokens(line) for line in lines] if by_port else _stanford_tokens(lines)
    return [" ".join(word for word in found if word not in PUNCTUATION) for found in tokens], by_port


def _stanford_tokens(lines: Sequence[str]) -> list[list[str]]:
    from pycocoevalcap import tokenizer

    jar = next(Path(next(iter(tokenizer.__path__))).glob("stanford-corenlp-*.jar"))
    command = ["java", "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    done = subprocess.run(command, input="\n".join(lines).encode(), capture_output=True, check=False)
    found = done.stdout.decode().split("\n")
    if done.returncode or len(found) < len(lines):
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise ScoreError("Stanford's tokenizer failed", received=said, expected=f"{len(lines)} lines of tokens")
    return [line.rstrip().split(" ") for line in found[: len(lines)]]


# What follows is the port: in _TOKEN, the first alternative that matches at a place makes the token.
PUNCTUATION = frozenset({
    "''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";",
})  # fmt: skip
"""pycocoevalcap's list. Its brackets are in capitals, so the lower-case "-lrb-" stays: a quirk that counts."""
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-", '"': "''"}
_SAME = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "–": "--",
        "—": "--",
        "…": "...",
        "€": "$",
        "£": "#",
        "½": "1/2",
        "¼": "1/4",
    }
)
_RUN = re.compile(r"\.{2,}|-{2,}")
_CLITIC = r"'(?:s|m|d|re|ve|ll)(?!\w)"
_PART = r"(?:(?!n't(?!\w))[^\W_])+(?:'(?!(?:s|m|d|re|ve|ll|t)(?!\w))[^\W\d_]+)*"
_TOKEN = re.compile(
    rf"""
      https?://\S+ | www\.\S+ | [\w.]+@[\w.]+\.\w+ | </?[a-z][^<>\s]*>
    | (?:[a-z]\.)+(?!\w) | (?:mr|mrs|ms|dr|prof|st|jr|sr|vs|etc|inc|co|corp|ltd|al|esp|sq|ft|dept|ave|blvd|rd)\.(?!\w)
    | ph\.d\. | (?:nos?|figs?)\.(?=\s?\d)
    | can(?=not\b) | (?:gon|wan)(?=na\b) | got(?=ta\b) | (?:gim|lem)(?=me\b) | y'(?=all\b)
    | '(?:t(?=is\b)|n'|em\b|\d\ds\b)
    | (?<=\w){_CLITIC} | '(?:s|d|re|ve|ll)(?!\w) | n't(?!\w)
    | (?:(?<![\w.])[-+])?\d*(?:[.,:]\d+)+ | (?<!\w)[-+]\d+(?!\w) | [a-z]\+\+ | [\#@][a-z_]\w*
    | {_PART}(?:[-._&@]{_PART})*(?:/{_PART}(?:[-._&@]{_PART})*){{0,2}}
    | \.{{2,}} | -{{2,}} | [?!]{{2,}} | \*+ | _+ | \S
    """,
    re.VERBOSE,
)


def port_tokens(text: str) -> list[str]:
    """The tokens of one line, lower case, punctuation included."""
    found = (token for token in _TOKEN.findall(text.lower().translate(_SAME)) if not _picture(token))
    return ["--" if _RUN.fullmatch(token) else _BRACKETS.get(token, token) for token in found]


def _picture(token: str) -> bool:
    """Whether it is an emoji or the like, which Stanford's tokenizer drops."""
    return len(token) == 1 and token > "\u2600" and unicodedata.category(token) == "So"
