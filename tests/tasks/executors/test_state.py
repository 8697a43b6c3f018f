import pytest

from windrow.tasks.executors import worker_state
from windrow.tasks.executors.state import MAX_STATES


class Backbone:
    def __init__(self, name, size=0):
        self.name, self.size = name, size


def test_a_state_is_made_once_for_the_same_arguments():
    assert worker_state(Backbone, "a", 1) is worker_state(Backbone, "a", 1)
    assert worker_state(Backbone, "a", 1) is not worker_state(Backbone, "a", 2)
    assert worker_state(Backbone, "a", 1) is not worker_state(Backbone, "a", True)
    assert worker_state(Backbone, "b").name == "b"


def test_only_the_states_used_last_are_kept():
    first, second = worker_state(Backbone, "first"), worker_state(Backbone, "second")
    for size in range(MAX_STATES - 1):
        worker_state(Backbone, "other", size)
        assert worker_state(Backbone, "first") is first
    assert worker_state(Backbone, "second") is not second


def test_arguments_that_cannot_be_hashed_are_refused():
    with pytest.raises(ValueError, match=r"args: .*\['a'\]"):
        worker_state(Backbone, ["a"])
