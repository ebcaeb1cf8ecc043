"""The siblings' sentences, word for word, and MSQA's pictures."""

import pytest

from loc3r.datasets.prompts import asked, name_pictures, video_sentence, with_answer_format
from loc3r.datasets.sample import Sample

PHRASE = "Answer the question using a single word or phrase."


def sample(dataset: str, **fields: object) -> Sample:
    base = {"sample_id": "1", "scene_id": "s", "question": "Where is it?", "answers": ("left",), "question_type": "x"}
    return Sample.model_validate(base | {"dataset": dataset} | fields)


@pytest.mark.parametrize(
    ("dataset", "options", "ending"),
    [
        ("sqa3d", (), f" {PHRASE}"),
        ("sqa3d-localization", (), f" {PHRASE}"),
        ("scanqa", (), " Answer the question simply."),
        ("msqa", (), " Answer the question simply."),
        ("vsibench", (), f"\nPlease {PHRASE[0].lower()}{PHRASE[1:]}"),
        (
            "vsibench",
            ("A. left", "B. right"),
            "\nOptions:\nA. left\nB. right\nAnswer with the option's letter from the given choices directly.",
        ),
    ],
)
def test_a_question_ends_as_its_benchmark_asks(dataset, options, ending):
    one = sample(dataset, options=options)
    assert asked(one, "siblings") == f"Where is it?{ending}"
    assert asked(one, "none") == one.prompt
    # What prepare has finished, the processor leaves alone: training, evaluation and serving see one prompt.
    assert with_answer_format(asked(one, "siblings"), "siblings") == asked(one, "siblings")


def test_a_typed_question_gets_the_general_sentence():
    assert with_answer_format("Where is it?", "siblings") == f"Where is it? {PHRASE}"
    assert with_answer_format("Where is it?", "none") == "Where is it?"
    assert with_answer_format("", "siblings") == ""


def test_what_is_said_of_the_video():
    assert video_sentence("none", 4, 1.0) == ""
    assert video_sentence("space", 4, 1.0).startswith("The video captures 3D spatial information of a scene. Please ")
    assert video_sentence("time", 3, 0.5) == (
        "The video lasts for 1.00 seconds, and 3 frames are uniformly sampled from it. "
        "These frames are located at 0.00s,0.50s,1.00s.Please answer the following questions related to this video."
    )


def test_a_picture_becomes_its_noun():
    told = name_pictures(
        sample(
            "msqa",
            situation="I face the <office chair-12-IMG>.",
            question="Is the <L-shaped sofa-3-IMG> left of <desk-1-IMG>? 2 < 3",
            answers=("the <lamp-7-IMG>", "no"),
        )
    )
    assert told.situation == "I face the office chair."
    assert told.question == "Is the L-shaped sofa left of desk? 2 < 3"
    assert told.answers == ("the lamp", "no")
    assert name_pictures(sample("scanqa")).situation is None
