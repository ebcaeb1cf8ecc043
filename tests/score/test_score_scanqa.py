"""ScanQA: raw and normalised matches, Penn Treebank tokens with and without Java, the n-gram metrics."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from score_lines import real_scanqa, report, scanqa

from loc3r.score import ngrams
from loc3r.score.benchmark import Extras
from loc3r.score.ngrams import meteor_measure, meteor_of_totals, ngram_measures
from loc3r.score.ptb import port_tokens, ptb_tokenize
from loc3r.score.scanqa import SCANQA, ScanQARow, leo_match

NEEDS_JAVA = pytest.mark.skipif(shutil.which("java") is None, reason="Stanford's tokenizer and METEOR need Java")


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    ("pred", "answers", "official", "leo", "leo_refined"),
    [
        ("two", ["two"], 1, 1, 1),
        ("Two.", ["two", "2"], 0, 1, 1),  # raw strings, against normalised ones
        ("2", ["two"], 0, 1, 1),
        ("brown", ["dark brown", "brown"], 1, 0, 1),  # LEO stops at the partial match with the first reference
        ("brown", ["brown", "dark brown"], 1, 1, 1),
        ("", ["brown"], 0, 0, 1),
    ],
)
def test_exact_match(no_java: None, pred: str, answers: list[str], official: int, leo: int, leo_refined: int) -> None:
    for profile in ("official", "video3dllm"):
        assert report("scanqa", profile, [scanqa(pred, answers)]).metrics["em1"] == 100 * official
    found = report("scanqa", "leo", [scanqa(pred, answers)]).metrics
    assert (found["em1"], found["em_r"]) == (100 * leo, 100 * leo_refined)


def test_without_java_meteor_says_so_and_the_rest_is_there(no_java: None) -> None:
    found = report("scanqa", "official", [scanqa("a chair", ["chair"]), scanqa("desk", ["desk"], 1)])
    said = found.to_json()
    assert said["metrics"]["meteor"] is None and said["intervals"]["meteor"] is None
    assert "no Java" in said["missing"]["meteor"] and "port" in said["notes"][0]
    assert {"em1", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider"} <= set(found.metrics)


def test_how_each_profile_prepares_its_texts(no_java: None) -> None:
    lines = [scanqa("The Chair.", ["chair"]), scanqa("TV..", ["TV"], 1)]
    bleu1 = {p: report("scanqa", p, lines).metrics["bleu1"] for p in ("official", "leo", "video3dllm")}
    assert bleu1["official"] == pytest.approx(100 * 2 / 3)  # lower case, no punctuation, but the article stays
    assert bleu1["leo"] == pytest.approx(100)  # normalised on both sides
    assert bleu1["video3dllm"] == pytest.approx(100 / 3)  # raw case; final full stops are gone


def test_of_a_repeated_id_the_last_line_counts_where_the_original_has_a_dictionary(no_java: None) -> None:
    lines = [scanqa("desk", ["chair"]), scanqa("chair", ["chair"]), scanqa("bed", ["bed"], 1)]
    assert report("scanqa", "official", lines).metrics["em1"] == 100
    assert report("scanqa", "leo", lines).metrics["em1"] == pytest.approx(200 / 3)
    theirs = report("scanqa", "video3dllm", lines)  # counts the matches of every line, and the texts of the last
    assert theirs.metrics["em1"] == pytest.approx(200 / 3) and theirs.metrics["bleu1"] == pytest.approx(100)
    assert "em1 counts each" in theirs.notes[0] and theirs.n == 3


# Tokens of Stanford's tokenizer as pycocoevalcap calls it (ran), punctuation taken out.
TOKENS = {
    "It's a TV.": "it 's a tv",
    "12 o'clock (left); right": "12 o'clock -lrb- left -rrb- right",  # the lower-case brackets are not in its list
    "café it’s": "café it 's",
    "don't can't cannot": "do n't ca n't can not",
    "2.5m 3/4 1,200 10:30": "2.5 m 3/4 1,200 10:30",
    "2m 3D 4-legged 5x5": "2m 3d 4-legged 5x5",
    "e.g. U.S. p.m. mr. smith": "e.g. u.s. p.m. mr. smith",
    "x — y … z": "x y z",
    "black/white two-door": "black/white two-door",
    "$5 50% #1": "$ 5 50 % # 1",
    '"white" \'tis': "white 't is",
    "gonna": "gon na",
    "the chairs' legs": "the chairs legs",
    "right/left/front/back": "right/left/front / back",
    "wait... no!": "wait no",
    "what?!": "what ?!",
    "": "",
}


def test_the_port_makes_the_tokens_of_stanfords_tokenizer(no_java: None) -> None:
    assert ptb_tokenize(list(TOKENS)) == (list(TOKENS.values()), True)


@NEEDS_JAVA
def test_stanfords_tokenizer_makes_them_too() -> None:
    assert ptb_tokenize(list(TOKENS)) == (list(TOKENS.values()), False)


@NEEDS_JAVA
def test_a_line_break_does_not_shift_the_answers_after_it() -> None:
    assert ptb_tokenize(["a\rb", "c\n", "d\u2028e", "f\x85"])[0] == ["a b", "c", "d e", "f"]


@NEEDS_JAVA
def test_the_port_agrees_on_every_real_answer(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sorted({answer for line in real_scanqa(shared_data) for answer in line["answers"]})
    theirs, _ = ptb_tokenize(texts)
    monkeypatch.setenv("PATH", "")
    ours, by_port = ptb_tokenize(texts)
    assert by_port and len(texts) > 3000 and ours == theirs
    assert port_tokens("A chair.") == ["a", "chair", "."]


def test_the_ngram_metrics_are_pycocoevalcaps(shared_data: Path) -> None:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    lines, rng = real_scanqa(shared_data)[:400], random.Random(0)
    references = [line["answers"] for line in lines]
    predictions = [
        rng.choice([refs[0], f"{refs[-1]} there", "white", "", rng.choice(references)[0]]) for refs in references
    ]
    truth, answers = dict(enumerate(references)), {i: [text] for i, text in enumerate(predictions)}
    found = {name: value for m in ngram_measures(predictions, references) for name, value in m.values().items()}
    expected = {f"bleu{i + 1}": value for i, value in enumerate(Bleu(4).compute_score(truth, answers)[0])}
    expected |= {"rouge_l": Rouge().compute_score(truth, answers)[0], "cider": Cider().compute_score(truth, answers)[0]}
    assert found == pytest.approx({name: 100 * value for name, value in expected.items()}, abs=1e-9)


def test_bleu_of_nothing_is_zero() -> None:
    assert [v for m in ngram_measures([""], [["chair"]]) for v in m.values().values()] == pytest.approx([0] * 6)


# What METEOR 1.5 printed for nine answers: its statistics, and the score of each (ran).
METEOR = [
    ("7 2 4 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", 0.0),
    ("6 6 2 2 4 4 2 2 0 0 0 0 0 0 0 0 0 0 0 0 1 6 6", 1.0),
    ("2 1 0 0 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1", 0.3478260869565218),
    ("7 4 4 2 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 2 2 2", 0.18285714285714286),
    ("7 4 4 1 0 0 0 0 0 0 0 0 0 0 0 0 1 1 0 0 1 1 1", 0.06889952153110047),
    ("7 6 4 1 0 0 0 0 0 0 0 0 1 1 0 0 0 0 0 0 1 1 1", 0.0617363344051447),
    ("7 4 4 2 0 0 2 2 0 0 0 0 0 0 0 0 1 1 0 0 3 3 3", 0.1737142857142857),
    ("7 4 4 2 0 0 1 1 0 0 0 0 1 1 0 0 0 0 0 0 2 2 2", 0.15542857142857147),
    ("2 2 0 0 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0 1 2 2", 0.8999999999999999),
]


def test_meteor_scores_from_its_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "_meteor_lines", lambda predictions, references: [line for line, _ in METEOR])
    sums = meteor_measure([], []).sums
    assert meteor_of_totals(sums)[:, 0] == pytest.approx([100 * value for _, value in METEOR])
    assert sums[:, 20].tolist() == [0, 0, 1, 2, 1, 1, 3, 2, 0]  # a perfect answer is not in pieces


@NEEDS_JAVA
def test_meteor_is_pycocoevalcaps(shared_data: Path) -> None:
    from pycocoevalcap.meteor.meteor import Meteor

    lines = real_scanqa(shared_data)[:200]
    references = [line["answers"] for line in lines]
    predictions = [refs[-1] + " there" * (i % 3) if i % 5 else "" for i, refs in enumerate(references)]
    truth, answers = dict(enumerate(references)), {i: [text] for i, text in enumerate(predictions)}
    theirs, _ = Meteor().compute_score(truth, answers)
    broken = [text.replace(" ", "\n") for text in predictions]  # METEOR reads lines
    ours, again = np.split(meteor_measure(predictions + broken, references * 2).sums, 2)
    assert meteor_of_totals(ours.sum(0)[None])[0, 0] == pytest.approx(100 * theirs, abs=1e-9)
    assert (ours == again).all()


def test_the_real_questions(shared_data: Path, no_java: None) -> None:
    lines = real_scanqa(shared_data)
    found = report("scanqa", "leo", lines)
    assert (found.n, found.units, found.empty_answers) == (4675, 71, 0)
    for name in ("em_r", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l"):
        assert found.metrics[name] == pytest.approx(100), name
    assert found.metrics["em1"] == pytest.approx(80.3636, abs=1e-4)  # its rule hides exact matches behind partial ones
    assert all(leo_match(ScanQARow.model_validate({**line, "pred": line["answers"][0]}))[0] for line in lines)
    assert found.metrics["cider"] > 100 and found.baselines["frequent answer"]["em1"] < 10


def test_the_order_of_rows_changes_nothing(shared_data: Path) -> None:
    lines = real_scanqa(shared_data)[:150]
    for line in lines[::2]:
        line["pred"] = f"the {line['pred']}."
    for profile in SCANQA.profiles.values():
        first, second = (
            profile.score([ScanQARow.model_validate(line) for line in some], Extras()).values()
            for some in (lines, lines[::-1])
        )
        assert first == pytest.approx(second) and not np.isnan(list(first.values())).any()
