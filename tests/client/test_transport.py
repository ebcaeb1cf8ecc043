"""A call is tried again while a server that had answered is being replaced, and never once the answer has begun."""

import pytest

from loc3r.client.transport import NO_SERVER, REFUSED, Tries, ended_early
from loc3r.errors import QuestionError, ServiceError

UNLOADED = ServiceError(REFUSED, received="Request for unknown model: 'loc3r' has no available versions")
PASSING = [ServiceError(NO_SERVER), UNLOADED, ended_early()]


@pytest.mark.parametrize("error", PASSING)
def test_a_server_that_had_answered_is_waited_for_with_growing_pauses(error):
    tries = Tries(60, answered_before=True)
    pauses = [tries.pause_after(error) for _ in range(6)]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize("error", PASSING)
@pytest.mark.parametrize("why", ["never answered", "the answer has begun", "the deadline is near"])
def test_and_else_it_is_told_at_once(error, why):
    tries = Tries(0.05 if why == "the deadline is near" else 60, answered_before=why != "never answered")
    tries.begun = why == "the answer has begun"
    with pytest.raises(ServiceError) as caught:
        tries.pause_after(error)
    assert caught.value is error


@pytest.mark.parametrize("error", [QuestionError("empty"), ServiceError(REFUSED, received="no such tensor")])
def test_what_waiting_does_not_mend_is_told_at_once(error):
    with pytest.raises(type(error)):
        Tries(60, answered_before=True).pause_after(error)
