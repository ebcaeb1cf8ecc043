"""Situations in many people's words: as true as the templates', and nearer to what people write."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from loc3r.datasets.sample import Sample
from loc3r.files import read_json
from loc3r.geometry.headings import wrap_rad
from loc3r.synth.check import check_samples
from loc3r.synth.furniture import FurniturePack
from loc3r.synth.generate import generate
from loc3r.synth.language.describe import Language, describe
from loc3r.synth.language.people import BITS, PEOPLE_USES, PEOPLE_USING, PEOPLE_WORDINGS
from loc3r.synth.language.phrases import USES, WORDINGS
from loc3r.synth.language.wide import expand
from loc3r.synth.layout import furnish
from loc3r.synth.room import Room
from loc3r.synth.synonyms import SYNONYMS

SEEDS = range(12)
TRAIN_TEXTS = Path(__file__).parents[2].parent / "shared/data/sqa3d/v1_situations_train_scannetv2.json"


@cache
def told(seed: int, language: Language = "wide") -> tuple[Room, NDArray[np.int64], tuple[Sample, ...]]:
    room = furnish(seed, "train", FurniturePack.load())
    visible_px = np.full((32, len(room.objects)), 200)
    said = describe(room, visible_px, np.random.default_rng(seed), language=language)
    return room, visible_px, tuple(sample for sample in said if sample.situation)


def situated(language: Language = "wide") -> list[Sample]:
    return [sample for seed in SEEDS for sample in told(seed, language)[2]]


def complaints(sample: Sample) -> list[str]:
    room, visible_px, _ = told(int(sample.scene_id.split("_")[1]))
    return check_samples(room, visible_px, [sample])


samples = st.integers(0, 10_000).map(lambda i: situated()[i % len(situated())])


def test_the_checker_agrees_with_every_text() -> None:
    assert [complaint for sample in situated() for complaint in complaints(sample)] == []
    assert len({sample.situation for sample in situated()}) > 0.98 * len(situated())


@settings(max_examples=40, deadline=None)
@given(samples, st.floats(5, 355))
def test_another_heading_breaks_the_situation(sample: Sample, turn_deg: float) -> None:
    heading = wrap_rad((sample.heading_rad or 0) + np.radians(turn_deg))
    assert complaints(sample.model_copy(update={"heading_rad": heading, "look_at_object_id": None}))


@settings(max_examples=40, deadline=None)
@given(samples, st.floats(0, 6.2), st.floats(1.5, 4))
def test_another_place_breaks_the_situation(sample: Sample, angle_rad: float, away_m: float) -> None:
    x_m, y_m = sample.position_m or (0, 0)
    there = (x_m + away_m * np.cos(angle_rad), y_m + away_m * np.sin(angle_rad))
    assert complaints(sample.model_copy(update={"position_m": there}))


def test_things_go_by_other_names_and_articles() -> None:
    texts = " ".join(sample.situation or "" for sample in situated())
    assert len([word for words in SYNONYMS.values() for word in words if f" {word} " in texts]) >= 20
    assert all(f" {article} " in texts for article in ("a", "an", "the", "my"))
    assert re.search(r"\ba [aeio]\w", texts) is None


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        [*PEOPLE_USING, *(p for group in (PEOPLE_WORDINGS, PEOPLE_USES) for ps in group.values() for p in ps)]
    ),
    st.integers(0, 99),
)
def test_patterns_become_sentences(pattern: str, seed: int) -> None:
    sentence = expand(pattern, np.random.default_rng(seed))
    assert not set("[]<>|") & set(sentence) and "  " not in sentence
    roles = set(re.findall(r"\{(\w+)\}", sentence)) - {"room"}
    assert roles >= set(re.findall(r"\{(\w+)\}", pattern)) - {"room"}


def test_every_form_and_use_of_the_templates_is_covered() -> None:
    assert set(PEOPLE_WORDINGS) >= set(WORDINGS) and set(PEOPLE_USES) >= set(USES)
    assert all(len(pieces) >= 3 for pieces in BITS.values())


def test_the_language_is_of_training_rooms_by_default_and_named_in_the_manifest(tmp_path: Path) -> None:
    for split, seed, language in (("train", 3, "wide"), ("val", 800_003, "templates")):
        root = generate(tmp_path / split, 1, seed, split, workers=1, frames=2, situations=2)  # type: ignore[arg-type]
        assert read_json(root / "manifest.json")["parameters"]["language"] == language


def test_templates_are_the_default_language() -> None:
    room, visible_px, said = told(0, "templates")
    again = describe(room, visible_px, np.random.default_rng(0))
    assert said == tuple(sample for sample in again if sample.situation)


def share_known(people: list[str], texts: list[str], length: int) -> float:
    """Share of people's runs of ``length`` words that occur in the texts."""

    def runs(text: str) -> list[tuple[str, ...]]:
        words = re.findall(r"[a-z']+", text.lower())
        return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]

    known = {run for text in texts for run in runs(text)}
    asked = [run in known for text in people for run in runs(text)]
    return sum(asked) / len(asked)


@pytest.mark.skipif(not TRAIN_TEXTS.exists(), reason=f"needs {TRAIN_TEXTS}")
def test_they_are_nearer_to_what_people_write_than_the_templates() -> None:
    people = [row["situation"] for row in read_json(TRAIN_TEXTS)["situations"]][::8]
    wide, templates = ([s.situation or "" for s in situated(language)] for language in ("wide", "templates"))
    assert share_known(people, wide, 1) > 0.84 > share_known(people, templates, 1)
    assert share_known(people, wide, 3) > 1.3 * share_known(people, templates, 3)
