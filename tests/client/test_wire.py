"""The contract survives the trip, and refuses what is not in it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loc3r import errors
from loc3r.client import wire

MODEL = wire.ModelInfo("3", "a" * 12, "b" * 12, "c" * 12, "d" * 40, "rooms-vo-1")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.Loc3RError)]


@given(st.text(), st.text(), st.none() | st.text(), st.integers())
def test_requests_come_back_as_they_were(scene_id, question, situation, tokens):
    for request in (
        wire.OpenScene(), wire.Ask(scene_id, question, situation, tokens), wire.Locate(scene_id, question),
        wire.Layout(scene_id), wire.CloseScene(scene_id), wire.Info(),
    ):  # fmt: skip
        assert wire.decode_request(wire.encode_request(request)) == request


@given(st.lists(NUMBERS, min_size=6, max_size=6), st.text())
def test_events_come_back_with_their_model(numbers, text):
    column = tuple(numbers)
    for event in (
        wire.SceneEvent(text, 16, True), wire.PoseEvent(*numbers), wire.TextEvent(text),
        wire.LayoutEvent(column, column, column, ("#00ff00",) * 6), wire.InfoEvent(2, 1 << 40), wire.DoneEvent(),
        wire.ErrorEvent("video", text, None, text),
    ):  # fmt: skip
        assert wire.decode_event(wire.encode_event(event, MODEL)) == (event, MODEL)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_pose_that_is_not_finite_is_never_sent(number):
    with pytest.raises(ValueError):
        wire.encode_event(wire.PoseEvent(number, 0, 1, 1, 0, 0), MODEL)


@pytest.mark.parametrize("cls", [*CLASSES, wire.RequestError])
def test_every_error_class_crosses_the_wire(cls):
    error = cls("it broke", received=[1], expected="two", fix="mend it")
    back = wire.decode_event(wire.encode_event(wire.ErrorEvent.of(error), MODEL))[0].exception()
    assert type(back) is cls and str(back) == str(error)


def test_codes_are_one_to_one():
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes)


def test_an_unknown_code_is_kept():
    error = wire.ErrorEvent("from the future", "new").exception()
    assert type(error) is errors.Loc3RError and error.code == "from the future"


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\xff", b"3", b"{}", b'{"op": ["ask"]}', b'{"op": "locate", "scene_id": "x"}',
        b'{"op": "locate", "scene_id": "x", "situation": null}', b'{"op": "info", "kind": "ask"}',
        b'{"op": "ask", "scene_id": "x", "question": "y", "max_new_tokens": true}',
    ],
)  # fmt: skip
def test_other_requests_are_refused(message):
    with pytest.raises(wire.RequestError):
        wire.decode_request(message)


@pytest.mark.parametrize("message", [b"{}", b'{"event": "done"}', b'{"event": "pose", "model": {}}'])
def test_other_events_are_refused(message):
    with pytest.raises(wire.RequestError):
        wire.decode_event(message)
