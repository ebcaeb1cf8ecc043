"""BLEU, ROUGE-L, CIDEr and METEOR of answers that are tokenised already, by pycocoevalcap.

BLEU and METEOR are computed over the whole set from sums, ROUGE-L and CIDEr are means over answers. CIDEr weighs
n-grams by how rare they are among the references of the set, so the score of a subset is not comparable; its interval
keeps the weights of the full set.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loc3r.score.measures import Measure, means

Floats = NDArray[np.float64]
References = Sequence[Sequence[str]]
ORDERS = 4


def ngram_measures(predictions: Sequence[str], references: References) -> list[Measure]:
    """BLEU-1 to 4, ROUGE-L and CIDEr, in percent; CIDEr can exceed 100."""
    return [_bleu(predictions, references), means(_rouge_and_cider(predictions, references))]


def _bleu(predictions: Sequence[str], references: References) -> Measure:
    from pycocoevalcap.bleu.bleu_scorer import BleuScorer

    scorer = BleuScorer(n=ORDERS)
    for predicted, refs in zip(predictions, references, strict=True):
        scorer += (predicted, list(refs))
    closest = [min((abs(length - row["testlen"]), length) for length in row["reflen"])[1] for row in scorer.ctest]
    sums = [
        [*row["correct"], *row["guess"], row["testlen"], length]
        for row, length in zip(scorer.ctest, closest, strict=True)
    ]
    return Measure(tuple(f"bleu{k}" for k in range(1, ORDERS + 1)), np.array(sums, np.float64), bleu_of_totals)


def bleu_of_totals(totals: Floats) -> Floats:
    """BLEU-1 to 4 (S, 4) from matched and guessed n-grams and both lengths (S, 10); pycocoevalcap's constants."""
    tiny, small = 1e-15, 1e-9
    correct, guessed, lengths = np.split(totals, [ORDERS, 2 * ORDERS], axis=1)
    precision = np.cumprod((correct + tiny) / (guessed + small), axis=1) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (lengths[:, :1] + tiny) / (lengths[:, 1:] + small)
    with np.errstate(over="ignore"):
        return np.asarray(100 * precision * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1))


def _rouge_and_cider(predictions: Sequence[str], references: References) -> dict[str, Floats]:
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    truth = {i: list(refs) for i, refs in enumerate(references)}
    answers = {i: [predicted] for i, predicted in enumerate(predictions)}
    return {
        "rouge_l": Rouge().compute_score(truth, answers)[1],
        "cider": Cider().compute_score(truth, answers)[1],
    }


NO_JAVA = "METEOR is a Java program and there is no Java here; install a JRE (Debian: default-jre-headless)"
METEOR_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])
"""Of exact, stem, synonym and paraphrase matches; with the constants below, METEOR 1.5's for English."""
METEOR_ALPHA, METEOR_BETA, METEOR_GAMMA, METEOR_DELTA = 0.85, 0.2, 0.6, 0.75


class MeteorError(RuntimeError):
    """METEOR can't run here; the message says why."""


def meteor_measure(predictions: Sequence[str], references: References) -> Measure:
    """METEOR 1.5 as pycocoevalcap calls it. Its dictionaries take about eight seconds of processor time to load.

    Raises:
        MeteorError: there is no Java, or METEOR fails.
    """
    statistics = np.array([line.split() for line in _meteor_lines(predictions, references)], np.float64)
    whole = (statistics[:, 20] == 1) & (statistics[:, 21:] == statistics[:, :2]).all(1)
    statistics[whole, 20] = 0  # a perfect answer is not in pieces
    return Measure(("meteor",), statistics, meteor_of_totals)


def meteor_of_totals(totals: Floats) -> Floats:
    """METEOR (S, 1) from the sums (S, 23) of its statistics; 0 where nothing matches.

    Columns: lengths and function words of answer and reference; for each kind of match, content words of both and
    function words of both; chunks; matched words of both.
    """
    matches = totals[:, 4:20].reshape(-1, 4, 4)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = (
            (METEOR_DELTA * matches[:, :, side] + (1 - METEOR_DELTA) * matches[:, :, side + 2])
            @ METEOR_WEIGHTS
            / (METEOR_DELTA * (totals[:, side] - totals[:, side + 2]) + (1 - METEOR_DELTA) * totals[:, side + 2])
            for side in (0, 1)
        )
        mean = 1 / ((1 - METEOR_ALPHA) / precision + METEOR_ALPHA / recall)
        fragments = totals[:, 20] / (totals[:, 21:].sum(1) / 2)
        score = 100 * mean * (1 - METEOR_GAMMA * fragments**METEOR_BETA)
    return np.asarray(np.nan_to_num(score, nan=0)[:, None])


def _meteor_lines(predictions: Sequence[str], references: References) -> list[str]:
    """METEOR's statistics of each answer, as text."""
    from pycocoevalcap import meteor

    if not shutil.which("java"):
        raise MeteorError(NO_JAVA)
    folder = Path(next(iter(meteor.__path__)))
    command = ["java", "-Xmx2G", "-jar", "meteor-1.5.jar", "-", "-", "-stdio", "-l", "en", "-norm"]
    lines = [
        re.sub(
            r"\s+", " ", " ||| ".join(["SCORE", *refs, predicted.replace("|||", "")])
        )  # a line each, whatever it holds
        for predicted, refs in zip(predictions, references, strict=True)
    ]
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(command, cwd=folder, input=text.encode(), capture_output=True, check=False)
    found = done.stdout.decode().splitlines()
    if done.returncode or len(found) != len(lines):
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise MeteorError(f"METEOR stopped after {len(found)} of {len(lines)} answers: {said or 'it said nothing'}")
    return found
